/* SPDX-License-Identifier: MIT */
/*
 * wsclients: its connections (wsconn.c), for what is measured with them
 * (wsclients.c). It ends the process where it cannot go on. One thread.
 */
#ifndef GROUPFS_TESTS_BENCH_WSRUN_H
#define GROUPFS_TESTS_BENCH_WSRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/wsbench.h"

enum { NODES_MAX = 2 };

enum state { CONNECTING, OPENING, OPEN, SUBSCRIBING, READY };

/* A server of several. */
struct node {
	uint16_t port;
	uint64_t last_ns; /* when its connections got what came last */
	double *lasts;	  /* of each message, when sustained; owned */
};

struct conn {
	int fd;
	enum state state;
	struct node *node;
	uint32_t got;
	uint32_t ncarry;
	char *carry; /* owned, made when it is needed */
};

struct run {
	const struct wsbench_proto *proto;
	const char *side;
	const char *pids; /* the servers'; those that write first */
	struct node nodes[NODES_MAX];
	size_t nnodes;
	size_t n;
	size_t window;		/* connections being opened at a time */
	struct conn *conns;	/* n subscribers; behind them who publishes */
	struct conn *publisher; /* NULL: the sender does */
	struct wssender sender;
	int poller, timer;

	size_t opened, subscribed;
	uint64_t got, wanted; /* messages, all connections */
	uint64_t published;   /* messages */
	uint64_t first_ns, last_ns, sent_ns;
	/* When sustained: of each delivery; owned. Message number 0 of nlasts
	 * is the one that each connection got behind `behind`. */
	double *delays;
	size_t ndelays, nlasts;
	uint32_t behind;
};

/* Opens nothing yet. Of `ours`: starts the sender, takes the tokens. ports:
 * numbers with a comma between. */
void run_set_up(struct run *r, const char *ports);
void run_connect(struct run *r, struct conn *c);
void run_put(struct conn *c, const struct buf *b);
/* So many messages at once; each is wanted by each connection. */
void run_publish(struct run *r, uint32_t count);
/* What has come on the connections, within that time. */
void run_turn(struct run *r, int timeout_ms);
/* Until what is counted is there. */
void run_await(struct run *r, const char *what, const uint64_t *count,
	       uint64_t wanted);
double run_ms(uint64_t ns);

#endif
