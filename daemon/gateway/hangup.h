/* SPDX-License-Identifier: MIT */
/*
 * Who has gone while his answer goes on. libwebsockets does not read a
 * connection before the answer on it is complete, so it does not see the end
 * of a client that has left its stream, until a write fails. Here the kernel
 * is asked for that alone:
 *
 *   watched --the client sends no more--> on_end: is he still there?
 *           --the connection is broken--> on_gone
 *
 * Who has only closed his half still reads: what is written to him then shows
 * which it is. O(1) each, and one more descriptor for all. One loop thread.
 *
 * And who has vanished without a word: his machine is gone, or the way to it.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_HANGUP_H
#define GROUPFS_DAEMON_GATEWAY_HANGUP_H

#include <stdbool.h>
#include <uv.h>

enum { HANGUP_VANISHED_MS = 25000 };

struct hangups {
	uv_poll_t poll;
	int epoll;
};

/* The caller embeds it, zeroed, and sets the callbacks. They run once at most,
 * and free nothing that is watched. */
struct hangup {
	struct hangups *all; /* NULL: not watched */
	int fd;
	void (*on_end)(struct hangup *u);
	void (*on_gone)(struct hangup *u); /* not watched any more */
};

/* 0 or a negative errno. */
int hangups_start(struct hangups *all, uv_loop_t *loop);
/* Its memory is free when the loop has ended. */
void hangups_close(struct hangups *all);

/* Watches a socket, which stays the caller's. Without memory it does not: then
 * writing finds out. */
void hangup_watch(struct hangups *all, struct hangup *u, int fd);
/* Something that was written to this socket is under way, and for
 * HANGUP_VANISHED_MS nothing has come from the other machine, whose kernel
 * acknowledges whatever its client does, also one that stopped. False for what
 * is not TCP. One look at the kernel. */
bool hangup_vanished(int fd);
/* Before the socket is closed. Takes one that is not watched. */
void hangup_leave(struct hangup *u);

#endif
