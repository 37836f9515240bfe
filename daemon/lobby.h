/* SPDX-License-Identifier: MIT */
/*
 * Connections to groupd's socket that have not said yet what they speak. The
 * first two bytes tell, and stay where they are (MSG_PEEK): a frame of ours
 * begins with its length, little endian, and the first one, a HELLO, is
 * short, so that its second byte is no letter; HTTP begins with a method in
 * upper case.
 *
 *   accepted --two bytes--> on_wire: a session
 *       |            \----> on_http: a gateway, or waits for one ---> 503
 *       +-- LOBBY_FIRST_MS without: closed
 *
 * groupd reads nothing of HTTP. Bounds: LOBBY_FIRST_MS, LOBBY_HTTP_MS, and
 * that the caller asks lobby_count() before he lets another one of a user in.
 * All on the loop.
 */
#ifndef GROUPFS_DAEMON_LOBBY_H
#define GROUPFS_DAEMON_LOBBY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "lib/list.h"

enum {
	LOBBY_FIRST_MS = 5000, /* for the first two bytes, as for a hello */
	LOBBY_HTTP_MS = 3000,  /* for a gateway that takes it */
	LOBBY_RETRY_MS = 20
};

struct lobby_ops {
	/* Takes fd. */
	void (*on_wire)(void *data, int fd);
	/* 0: a copy of fd was given on. -EAGAIN: ask again in a moment; else
	 * there is nobody. */
	int (*on_http)(void *data, int fd, uid_t uid);
};

struct lobby {
	uv_loop_t *loop; /* borrowed */
	const struct lobby_ops *ops;
	void *data;	    /* the caller's */
	struct list guests; /* oldest first */
	uv_timer_t timer;
	size_t open; /* handles */
	bool closing;
	void (*on_close)(struct lobby *l);
};

void lobby_start(struct lobby *l, uv_loop_t *loop, const struct lobby_ops *ops,
		 void *data);
/* Takes fd, a connected Unix socket that does not block. */
void lobby_enter(struct lobby *l, int fd, uid_t uid);
size_t lobby_count(const struct lobby *l, uid_t uid);
/* Closes all that wait. */
void lobby_close(struct lobby *l, void (*cb)(struct lobby *l));

#endif
