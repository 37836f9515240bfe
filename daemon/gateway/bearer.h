/* SPDX-License-Identifier: MIT */
/*
 * Whoever shows the same token shares one principal at groupd. It is closed
 * some seconds after its last use. Tokens are never logged.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_BEARER_H
#define GROUPFS_DAEMON_GATEWAY_BEARER_H

#include "lib/table.h"
#include "daemon/gateway/wheel.h"
#include "lib/client.h"

enum {
	BEARER_IDLE_S = 10,   /* kept so long after the last use */
	BEARER_REFUSED_S = 1, /* and so long when it was refused */
	BEARER_MAX = 100000   /* of them at a time */
};

struct bearers;

struct bearer {
	struct client_principal principal;
	struct bearers *all;
	struct table_node node;
	struct list users; /* of bearer_user: who is told */
	struct wheel_timer idle;
	unsigned int refs;
};

/* Somebody who stays and wants to know of changes. */
struct bearer_user {
	struct list link;
	/* err NULL: it is READY. May be called at any time, also again. */
	void (*changed)(struct bearer_user *u, const struct err *err);
};

struct bearers {
	struct table table;
	struct client *client; /* borrowed */
	struct wheel *wheel;   /* borrowed */
	uint64_t seed;
};

void bearers_init(struct bearers *all, struct client *c, struct wheel *w,
		  uint64_t seed);
/* No user may be left; closes what is idle. */
void bearers_release(struct bearers *all);

/* The bearer of a token, with one more reference. 0 or -errno and err. */
int bearer_get(struct bearers *all, struct str token, struct bearer **out,
	       struct err *err);
/* And of a ticket of groupd (door.h), which no token can stand for. */
int bearer_get_ticket(struct bearers *all, struct str ticket,
		      struct bearer **out, struct err *err);
/* One more reference to one that the caller has. Returns it. */
struct bearer *bearer_hold(struct bearer *b);
/* None of the caller's requests may be pending. Takes NULL. */
void bearer_put(struct bearer *b);

#endif
