/* SPDX-License-Identifier: MIT */
/*
 * How many messages a user may send: a bucket for each name, which holds one
 * second's worth, and fills as the time goes.
 *
 *   SEND --rate_take--> bucket     given back: what was not stored after all
 *            \--> rate_limited, with the wait
 *
 * A batch of more than a bucket holds is taken when the bucket is full, and
 * leaves a debt that must be filled up first: who appends a long file is held
 * up afterwards, and not for ever. A user who has sent nothing for as long as
 * his bucket took to fill has no entry: so there are as few as have just
 * sent. Each operation is O(1).
 *
 * One thread. The clock may jump: backwards nobody gains or loses, forwards
 * the buckets are full.
 */
#ifndef GROUPFS_DAEMON_RATE_H
#define GROUPFS_DAEMON_RATE_H

#include <stdint.h>

#include "lib/env.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/str.h"
#include "lib/table.h"

enum { RATE_MAX = 1000000 /* messages a second */ };

struct rate {
	const struct env *env; /* borrowed */
	uint64_t per_second;   /* 0: no limit */
	struct table users;
	struct list order; /* of them: the next to be looked at first */
};

/* What a user may do now. */
struct rate_state {
	uint64_t limit;	   /* messages a second; 0: no limit */
	uint64_t left;	   /* at once, now */
	uint64_t reset_ms; /* until that is the limit */
};

/* per_second: 0 (no limit) to RATE_MAX. */
void rate_init(struct rate *r, const struct env *env, uint64_t per_second);
void rate_release(struct rate *r);
/* Another limit from now on; debts stay. */
void rate_set(struct rate *r, uint64_t per_second);

/* Takes n messages of the user's. `rate_limited` (and nothing is taken): err
 * says when to come again; `unavailable` without memory. */
int rate_take(struct rate *r, struct str user, uint64_t n, struct err *err);
/* n of those that were taken were not sent. */
void rate_give_back(struct rate *r, struct str user, uint64_t n);
void rate_state(struct rate *r, struct str user, struct rate_state *out);

#endif
