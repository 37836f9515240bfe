/* SPDX-License-Identifier: MIT */
/*
 * The users of the mount: the uid that the kernel gave with a request, and
 * the principal that acts for it at groupd. The mount's own uid is
 * PRINCIPAL_SELF, all others PRINCIPAL_UID, which groupd grants to root and
 * to trusted users.
 *
 * A user is counted by the requests and handles that need him. The table is
 * bounded: the one idle for longest makes room, and the principals of idle
 * ones are closed. A principal that was refused is tried again.
 *
 * One loop thread.
 */
#ifndef GROUPFS_FS_USERS_H
#define GROUPFS_FS_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/client.h"
#include "lib/list.h"

enum {
	USERS_MAX = 4096,
	USERS_BUCKETS = 256,
	USERS_IDLE_MS = 5 * 60 * 1000, /* then the principal is closed */
	USERS_RETRY_MS = 1000,	       /* a refused one is tried again */
	USERS_REFUSAL_MAX = 512
};

struct user {
	struct list link;  /* in its bucket */
	struct list order; /* least recently used first */
	uid_t uid;
	unsigned int refs;
	bool open;	  /* the principal is */
	uint64_t used_ms; /* uv_now() */
	uint64_t opened_ms;
	struct client_principal principal;
	char refusal[USERS_REFUSAL_MAX]; /* the last one, in a sentence */
};

struct users {
	struct client *client; /* borrowed */
	uv_loop_t *loop;       /* borrowed */
	uid_t own;
	size_t count;
	struct list order;
	struct list buckets[USERS_BUCKETS];
};

void users_init(struct users *u, uv_loop_t *loop, struct client *client);
/* No user may be held. */
void users_release(struct users *u);

/* The user, held; NULL when there is no memory or all are in use. */
struct user *users_get(struct users *u, uid_t uid);
struct user *user_hold(struct user *user);
/* Takes NULL. */
void user_drop(struct users *u, struct user *user);

/* Closes the principals of those who are idle. */
void users_tidy(struct users *u);

#endif
