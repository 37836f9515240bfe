/* SPDX-License-Identifier: MIT */
/*
 * The door: a Unix socket on which groupd gives us connections that it
 * accepted on its own, each with a ticket, which is shown to it in place of a
 * token by who shows none. Only root and groupd's own user are let in. All on
 * the loop.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_DOOR_H
#define GROUPFS_DAEMON_GATEWAY_DOOR_H

#include <stdint.h>
#include <uv.h>

#include "lib/list.h"
#include "lib/str.h"

struct door {
	uv_poll_t listener;
	int fd; /* owned: listens */
	int64_t core_uid;
	struct list
		givers; /* connections of groupd: one, or the last one too */
	/* Takes fd; the ticket is borrowed. */
	void (*on_given)(struct door *d, int fd, struct str ticket);
};

/* Takes fd, which listens. 0 or a negative errno. */
int door_start(struct door *d, uv_loop_t *loop, int fd, int64_t core_uid,
	       void (*on_given)(struct door *d, int fd, struct str ticket));
void door_close(struct door *d);

#endif
