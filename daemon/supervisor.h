/* SPDX-License-Identifier: MIT */
/*
 * Starts and watches the gateways: processes of their own, unprivileged, that
 * serve HTTP and WebSocket on TCP, and to whom handover.h gives.
 *
 *   slot: connect RUNDIR/gateway-N.sock --answers--> adopt (pidfd)
 *            |refused                                  |
 *            +--> bind, listen, spawn, connect        lost --> 100 ms .. 5 s
 *
 * A gateway outlives a groupd that was killed; the next one adopts it, unless
 * its tag (a hash of what it was started with) is another: then it is told to
 * go. All on the loop.
 */
#ifndef GROUPFS_DAEMON_SUPERVISOR_H
#define GROUPFS_DAEMON_SUPERVISOR_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/certificate.h"
#include "daemon/config.h"
#include "daemon/peer.h"
#include "daemon/ticket.h"
#include "lib/buf.h"
#include "lib/err.h"

enum gateway_state {
	GATEWAY_WAITING, /* the timer starts it */
	GATEWAY_RUNNING, /* a session is there or comes */
	GATEWAY_LEAVING, /* was sent SIGTERM */
	GATEWAY_GONE	 /* at shutdown */
};

struct supervisor;
struct gateway {
	struct supervisor *supervisor;
	unsigned slot;
	enum gateway_state state;
	struct peer *peer; /* borrowed until supervisor_lost() */
	pid_t pid;	   /* 0: none */
	bool adopted;
	uv_process_t process; /* of a child */
	uv_poll_t poll;	      /* of an adopted one */
	int pidfd;
	uv_timer_t timer;
	struct ticket_holder holder; /* once greeted */
	int tcp;       /* listens for the next process; -1: none */
	int door;      /* to its door, once greeted; -1: shut */
	bool stale;    /* was started with what holds no more */
	bool greeted;  /* the session said hello */
	bool watching; /* process or poll is open */
	uint64_t started_ms;
	uint64_t backoff_ms;
	uint64_t restarts;
};

struct supervisor_options {
	uv_loop_t *loop;
	const struct config *config; /* borrowed */
	const char *rundir;	     /* copied */
	const char *gateway_binary;  /* NULL: the one beside groupd */
	uint64_t answer_ms; /* of a gateway's clients; 0: as it likes */
	/* Makes a session of a connection (takes fd); NULL on failure. */
	struct peer *(*on_connected)(void *data, int fd);
	void *data;
};

struct supervisor {
	struct supervisor_options options;
	char rundir[PATH_MAX];
	char tag[17];
	char address[320]; /* bound, as text: "127.0.0.1:7480" */
	struct sockaddr_storage bound;
	socklen_t bound_len; /* 0: no TCP */
	struct certificate certificate;
	struct gateway *gateways; /* owned */
	size_t count;
	size_t turn; /* whose it was to take the last connection */
	uid_t uid;   /* of the gateways */
	gid_t gid;
	size_t open;   /* handles still open while closing */
	bool stopping; /* no gateway is started or connected to any more */
	bool closing;
	void (*on_close)(struct supervisor *s);
};

/* Adopts or starts the gateways of the configuration; none is fine. */
int supervisor_start(struct supervisor *s,
		     const struct supervisor_options *options, struct err *err);
/* A gateway's session said hello, or closed. */
void supervisor_greeted(struct supervisor *s, struct peer *peer,
			struct str agent);
void supervisor_lost(struct supervisor *s, const struct peer *peer);
void supervisor_figures(const struct supervisor *s, struct buf *out);
/* Tells a gateway to go; the next one takes its slot. Its port stays open:
 * who connects meanwhile waits. */
void supervisor_dismiss(struct gateway *gw);
/* Gateways that have a session; how often one was started again. */
uint64_t supervisor_connected(const struct supervisor *s);
uint64_t supervisor_restarts(const struct supervisor *s);
/* Lets the gateways be: none is started again. */
void supervisor_stop(struct supervisor *s);
/* SIGTERM to all, SIGKILL after 3 s, and cb when all are gone. Sessions must be
 * closed before. */
void supervisor_close(struct supervisor *s, void (*cb)(struct supervisor *s));

#endif
