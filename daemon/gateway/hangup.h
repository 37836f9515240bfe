/* SPDX-License-Identifier: MIT */
/*
 * Who has gone while his answer goes on. libwebsockets polls a connection for
 * input that it does not read before the answer is complete: a client that
 * ends its stream would keep the loop busy, and keep its place, until
 * something is written to it. So we look too: what a client of a stream sends
 * is thrown away, and its end is told. O(1) each, one more descriptor for all.
 *
 * One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_HANGUP_H
#define GROUPFS_DAEMON_GATEWAY_HANGUP_H

#include <uv.h>

struct hangups {
	uv_poll_t poll;
	int epoll;
};

/* The caller embeds it, zeroed. */
struct hangup {
	struct hangups *all; /* NULL: not watched */
	int fd;
	/* The client has gone; it is not watched any more. Must not free
	 * others that are. */
	void (*gone)(struct hangup *u);
};

/* 0 or a negative errno. */
int hangups_start(struct hangups *all, uv_loop_t *loop);
/* Its memory is free when the loop has ended. */
void hangups_close(struct hangups *all);

/* Watches a socket, which stays the caller's. Without memory it does not: then
 * writing finds out. */
void hangup_watch(struct hangups *all, struct hangup *u, int fd,
		  void (*gone)(struct hangup *u));
/* Before the socket is closed. Takes one that is not watched. */
void hangup_leave(struct hangup *u);

#endif
