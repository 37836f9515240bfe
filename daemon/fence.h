/* SPDX-License-Identifier: MIT */
/*
 * Holds back the answer to who changed the members of a group until every
 * mount has been told, that is, until the event's bytes lie in the kernel's
 * buffer of its connection. So whoever knows of the answer finds each mount
 * knowing too, or with something to read (client_is_settled()): a member who
 * was removed is out everywhere when `echo -bob >> members` returns.
 *
 *   event --> sessions (flushed) --> fence --all written--> answers
 *
 * A mount that takes nothing for FENCE_MS is disconnected: what it knew is
 * nothing then. Messages do not wait here: one who is told late sees a log
 * that is a moment old, which harms nobody.
 *
 * All on the loop.
 */
#ifndef GROUPFS_DAEMON_FENCE_H
#define GROUPFS_DAEMON_FENCE_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/session.h"
#include "lib/list.h"

enum { FENCE_MS = 1000, FENCE_POLL_MS = 1 };

struct fence {
	struct session_host *host; /* borrowed */
	uv_timer_t timer;
	struct list held;
	/* Whether a session is a mount's. */
	bool (*minds)(const struct session *s);
	/* The answers of this batch may go. */
	void (*release)(void *data, struct list *token);
	void *data; /* the caller's */
	void (*on_close)(struct fence *f);
};

void fence_start(struct fence *f, uv_loop_t *loop, struct session_host *host,
		 bool (*minds)(const struct session *s),
		 void (*release)(void *data, struct list *token), void *data);
/* All events of a batch are with their sessions. True: its answers may go at
 * once. False: token (the caller's, on no list) is kept until release(). */
bool fence_pass(struct fence *f, struct list *token);
/* Releases what is held, then cb. */
void fence_close(struct fence *f, void (*cb)(struct fence *f));

#endif
