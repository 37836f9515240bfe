/* SPDX-License-Identifier: MIT */
/*
 * The place that a WebSocket or a stream has among those of its user: groupd
 * counts them over all gateways, and refuses the one that is too many.
 *
 *   free --seat_take--> asking --OK--> taken --seat_leave--> free
 *                          \--refused--> free
 *
 * A groupd that has just started knows of none: seats_online() tells it what
 * is taken, which it does not refuse. Who leaves while his question is under
 * way has it answered without him, and what it took is given back then: so
 * groupd never counts one that is gone.
 *
 * One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_SEAT_H
#define GROUPFS_DAEMON_GATEWAY_SEAT_H

#include "daemon/gateway/bearer.h"
#include "lib/client.h"
#include "lib/list.h"

struct seats {
	struct client *client; /* borrowed */
	struct list taken;
	struct list asking; /* questions under way */
};

struct seat_ask;

/* The caller embeds it, zeroed. */
struct seat {
	struct seats *all; /* NULL: free */
	struct list link;  /* of those taken */
	struct bearer *bearer;
	struct seat_ask *ask;
	/* err NULL: it is taken. May leave, and free the seat. */
	void (*answered)(struct seat *s, const struct err *err);
};

void seats_init(struct seats *all, struct client *c);
/* Connected to a groupd. */
void seats_online(struct seats *all);
/* Forgets the questions under way. No seat may be taken any more. */
void seats_close(struct seats *all);

/* Asks for a free one; bearer: borrowed until seat_leave(). answered runs
 * once, later, unless he leaves before: when groupd is away, as soon as it is
 * back. 0; else -errno, and it does not run. */
int seat_take(struct seats *all, struct seat *s, struct bearer *bearer,
	      void (*answered)(struct seat *s, const struct err *err));
/* Takes a free one. */
void seat_leave(struct seat *s);

#endif
