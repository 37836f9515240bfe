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

enum state { CONNECTING, OPENING, OPEN, SUBSCRIBING, READY, ASKING };

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
	uint32_t got, due;
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
	/* Member k of group g is connection g * each + k, counted around. */
	struct wsbench_group *groups; /* owned */
	size_t ngroups, each;
	size_t window;		/* connections being opened at a time */
	struct conn *conns;	/* n subscribers; behind them who publishes */
	struct conn *publisher; /* NULL: the sender does */
	struct wssender sender;
	int poller, timer;
	/* What a storm needs: who is open subscribes; the server closed one, or
	 * let none in, and its descriptor is closed. NULL, NULL: what is open
	 * waits, and one that is lost when it is open is the end. */
	void (*on_open)(struct run *r, struct conn *c);
	void (*on_lost)(struct run *r, struct conn *c);

	size_t opened, subscribed, answered;
	size_t again;	      /* came again, where there is no on_lost */
	uint64_t got, wanted; /* messages, all connections */
	size_t next;	      /* the group whose turn it is */
	uint64_t first_ns, last_ns, sent_ns;
	/* When sustained: of each delivery; owned. Message number 0 of nlasts
	 * is the one that each connection got behind `behind`. */
	double *delays;
	size_t ndelays, maxdelays, nlasts;
	uint32_t behind;
};

/* Opens nothing yet. ports: numbers with a comma between. ngroups 1: a group of
 * all. */
void run_prepare(struct run *r, const char *ports, size_t ngroups, size_t each);
/* The same, and of `ours`: starts the sender, takes the tokens. */
void run_set_up(struct run *r, const char *ports, size_t ngroups, size_t each);
void run_connect(struct run *r, struct conn *c);
void run_put(struct run *r, struct conn *c, const struct buf *b);
/* To its groups. */
void run_subscribe(struct run *r, struct conn *c);
/* A command that is answered with one piece; r->answered counts those. */
void run_ask(struct run *r, struct conn *c, const struct buf *b);
/* So many messages at once to each of the groups from first on. */
void run_publish(struct run *r, size_t first, size_t ngroups, uint32_t count);
/* One, to the next group. */
void run_publish_next(struct run *r);
/* What has come on the connections, within that time. */
void run_turn(struct run *r, int timeout_ms);
/* Until what is counted is there. */
void run_await(struct run *r, const char *what, const uint64_t *count,
	       uint64_t wanted);
double run_ms(uint64_t ns);

/* wsmeasure.c */

/* The name begins with BENCH_NAME, or N=... */
void run_sample(const struct run *r, const char *what, const char *unit,
		double value);
/* The next goes out when all have the last: so many groups get so many
 * messages. */
void measure_one_by_one(struct run *r, const char *what, size_t ngroups,
			uint32_t count);
/* Always so many messages under way. */
void measure_pipelined(struct run *r, const char *what, size_t depth);
/* So many messages a second (2 at least), whether all have the last or not. */
void measure_sustained(struct run *r, uint64_t for_ms, uint64_t rate);
/* How often the servers wake when nobody says anything. */
void measure_idle(struct run *r, uint64_t for_ms);

#endif
