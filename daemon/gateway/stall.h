/* SPDX-License-Identifier: MIT */
/*
 * Answers of HTTP that cannot go on now, looked at some times a second:
 *
 *  - one that waits for its client to take more. lws tells when it does, but
 *    only while it reads the connection, too; and what lies there unread, a
 *    pipelined request or the end of a half-closed one, would keep the loop
 *    awake all the time. So the kernel is told not to tell of it and, where
 *    it cannot be, reading stops, and the socket is asked here.
 *  - one that is given, to a client that is still sending what is not wanted:
 *    closing at once would make the kernel send a reset, which may overtake
 *    the answer. What comes is dropped for some seconds (RFC 9112 9.6).
 *
 * One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_STALL_H
#define GROUPFS_DAEMON_GATEWAY_STALL_H

#include <stdbool.h>
#include <uv.h>

#include "lib/list.h"

struct lws;

struct stalls {
	uv_timer_t tick; /* while there are any */
	struct list all;
};

/* The request embeds it. */
struct stall {
	struct list link;
	struct lws *wsi; /* borrowed */
	bool deaf;	 /* poll(2) does not tell of what comes */
	bool asks;	 /* the socket is asked: lws does not read */
	bool lingers;
	unsigned int ticks;
};

/* 0 or a negative errno. */
int stalls_start(struct stalls *all, uv_loop_t *loop);
void stalls_close(struct stalls *all);

/* Before all else. */
void stall_init(struct stall *s);
/* The client takes no more now. WRITEABLE comes when it does. */
void stall_wait(struct stalls *all, struct stall *s, struct lws *wsi);
/* The answer is given, and the connection ends; more is to come: the client is
 * sending. False: nothing more came, so it may be closed at once. */
bool stall_linger(struct stalls *all, struct stall *s, struct lws *wsi,
		  bool more_to_come);
/* It goes on, or is no more. */
void stall_end(struct stall *s);

#endif
