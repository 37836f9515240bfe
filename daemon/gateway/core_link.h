/* SPDX-License-Identifier: MIT */
/*
 * The way from groupd: it connects to our Unix socket, the newest connection
 * counts. Only root and groupd's own user are let in. When nobody has been
 * connected for CORE_LINK_GRACE_S, abandoned() is called once.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_CORE_LINK_H
#define GROUPFS_DAEMON_GATEWAY_CORE_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/client.h"

enum { CORE_LINK_GRACE_S = 60 };

struct core_link {
	uv_poll_t poll;
	uv_timer_t grace;
	int fd;
	int64_t core_uid;
	struct client *client; /* borrowed */
	void (*abandoned)(struct core_link *link);
};

/* Listens on fd (a bound Unix socket) again, so that SO_PEERCRED names this
 * process to groupd. core_uid -1: our own. 0 or a negative errno. */
int core_link_start(struct core_link *link, uv_loop_t *loop, int fd,
		    int64_t core_uid, struct client *c,
		    void (*abandoned)(struct core_link *link));
/* The client says whether groupd is there. */
void core_link_state(struct core_link *link, bool online);
void core_link_close(struct core_link *link);
/* Whether root or core_uid is at the other end; else a line in the log. */
bool core_link_is_core(int fd, int64_t core_uid);

#endif
