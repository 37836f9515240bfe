/* SPDX-License-Identifier: MIT */
/*
 * groupd's Unix socket: mode 0666 in a directory of mode 0755, or that which
 * systemd has made. A stale socket file is replaced only when nobody answers on
 * it.
 */
#ifndef GROUPFS_DAEMON_LISTENER_H
#define GROUPFS_DAEMON_LISTENER_H

#include <limits.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/err.h"

/* A connection, which does not block: the caller's. */
typedef void (*listener_accept_cb)(void *data, int fd);

struct listener {
	uv_poll_t poll;
	uv_timer_t pause; /* when there are no descriptors */
	int fd;		  /* owned, unless it is */
	bool inherited;	  /* the file is systemd's, too */
	char path[PATH_MAX];
	listener_accept_cb on_accept;
	void (*on_close)(struct listener *l);
	void *data;
};

/* inherited: the socket of that path, which listens already; it stays the
 * caller's, and open. 0: there is none yet. */
int listener_start(struct listener *l, uv_loop_t *loop, const char *path,
		   int inherited, listener_accept_cb on_accept, void *data,
		   struct err *err);
/* Stops accepting; removes the socket file, unless it was inherited: then who
 * connects waits for the next groupd. */
void listener_close(struct listener *l, void (*cb)(struct listener *l));

/* For the supervisor too: a bound Unix socket of that type and mode, replacing
 * a stale one; the fd, or a negative errno with err. */
int listener_bind(const char *path, int type, unsigned mode, struct err *err);
/* Connects; the fd or a negative errno. */
int listener_connect(const char *path, int type);

#endif
