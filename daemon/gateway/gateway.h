/* SPDX-License-Identifier: MIT */
/*
 * groupd-gateway: strangers' HTTP and WebSocket, spoken on to groupd.
 *
 *   TCP --front (lws)--> http_request --rest_*--> client --> groupd
 *  door --'         \--> ws_conn --ws_commands--^   |
 *                           ^---- ws_feed <-- feed <-'
 *
 * One process, one loop thread, no store, no files: what it may do is what
 * the tokens and tickets it was shown may do. WebSockets outlive a restart of
 * groupd, which connects to us again (core_link.h).
 */
#ifndef GROUPFS_DAEMON_GATEWAY_GATEWAY_H
#define GROUPFS_DAEMON_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/gateway/address.h"
#include "daemon/gateway/bearer.h"
#include "daemon/gateway/core_link.h"
#include "daemon/gateway/door.h"
#include "daemon/gateway/hangup.h"
#include "daemon/gateway/meter.h"
#include "daemon/gateway/recall.h"
#include "daemon/gateway/seat.h"
#include "daemon/gateway/stall.h"
#include "daemon/gateway/wheel.h"
#include "lib/table.h"
#include "lib/client.h"
#include "lib/feed.h"

struct lws_context;
struct lws_vhost;

enum {
	GATEWAY_ORIGINS = 32,
	FILES_MAX = 131072,	    /* descriptors, at most */
	GATEWAY_BODY_MAX = 8 << 20, /* the default of --max-body */
	GATEWAY_WS_MAX = 1 << 20    /* bytes of one client's message */
};

struct gateway_options {
	int listen_fd; /* -1: no TCP */
	int core_fd;
	int door_fd; /* -1: no connections from groupd */
	int tls_fd;  /* the certificate; -1: no TLS */
	unsigned int slot;
	size_t max_body;
	uint64_t max_per_address; /* connections; 0: no limit */
	uint64_t answer_ms;	  /* a client is answered so soon */
	int64_t core_uid;	  /* -1: root or our own */
	uid_t uid;		  /* whom to become, when started by root */
	gid_t gid;
	const char *tag; /* borrowed */
	const char *origins[GATEWAY_ORIGINS];
	size_t norigins;
};

/* Consecutive messages of a group as frames: the last that were made. */
struct ws_run {
	uint64_t group_id;
	uint64_t epoch;
	uint64_t first, last; /* last 0: there is none */
	uint64_t known;	      /* the group's last_seq then */
	struct buf bytes;     /* owned */
};

/* Saying bye: since when, and when it last got on. */
struct gateway_bye {
	uint64_t began_ms;
	uint64_t moved_ms;
	uint64_t written; /* bytes by then, and who was left */
	uint64_t left;
};

struct gateway {
	uv_loop_t *loop; /* borrowed */
	const struct gateway_options *options;
	struct wheel wheel;
	struct client client;
	struct feed feed;
	struct bearers bearers;
	struct recall recall;
	struct seats seats;
	struct addresses addresses;
	struct hangups hangups;
	struct core_link core;
	struct meter meter;
	struct wheel_timer report;
	uv_prepare_t turn;   /* reporter.c */
	struct buf reported; /* the last report, without the process' own */
	bool quiet;	     /* nothing was to be reported in this turn */
	struct list streams; /* rest_stream.c */

	/* front.c */
	struct lws_context *lws;
	struct lws_vhost *vhost; /* of TCP, with or without TLS */
	struct lws_vhost *plain; /* of what comes through the door */
	struct door door;
	uv_poll_t listener;
	uv_timer_t accept_pause;
	struct stalls stalls;
	uv_idle_t reader;
	struct buf unread; /* struct unread, for the next turn */

	size_t requests; /* http_request */

	/* rest_*.c */
	struct list downloads; /* http_download, under way */
	struct list uploads;   /* http_upload, without its request */

	/* ws_*.c */
	struct list conns;
	struct list gathered; /* ws_conn, in a turn of many groups */
	struct table groups;  /* ws_group by id */
	struct table names;   /* the same by name, hashed with the seed */
	uint64_t names_seed;
	struct table subs;  /* ws_sub by connection and group */
	struct table users; /* ws_user by name */
	uint64_t conn_serial;
	struct buf scratch; /* frames, for the length of a call */
	struct ws_run run;

	uv_signal_t sigterm;
	uv_signal_t sigint;
	uv_timer_t leave; /* the end of the time to say bye */
	struct gateway_bye bye;
	bool stopping;
};

/* 0 or a negative errno, with a line in the log. */
int gateway_start(struct gateway *gw, uv_loop_t *loop,
		  const struct gateway_options *options);
/* 0 where groupd may be given one more message to store; else `unavailable`,
 * when so much waits for its answers that this one would come too late. */
int gateway_may_send(const struct gateway *gw, struct err *err);
/* What is left of the time, in ms, in which groupd has to answer, so that a
 * client is answered in time. *until_ms 0: it begins now. 0: too little is left
 * to ask: nothing is done, and `unavailable` says so. */
uint64_t gateway_time_left(const struct gateway *gw, uint64_t *until_ms);
/* Says bye to all, then closes everything, so that the loop ends. */
void gateway_stop(struct gateway *gw);
/* After the loop has ended. */
void gateway_release(struct gateway *gw);

/* Whether a page of this origin may use us. host: the Host header. */
bool gateway_origin_allowed(const struct gateway_options *options,
			    struct str origin, struct str host);

#endif
