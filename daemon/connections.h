/* SPDX-License-Identifier: MIT */
/*
 * How many connections of strangers (WebSockets, streams) each user has open,
 * over all gateways. Only who has one has an entry; each operation is O(1).
 * On the loop.
 */
#ifndef GROUPFS_DAEMON_CONNECTIONS_H
#define GROUPFS_DAEMON_CONNECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"
#include "lib/table.h"

struct connections {
	struct table users;
	uint64_t count; /* of all */
};

/* No connection may be left. */
void connections_release(struct connections *all);

/* One more of the user's, and *count are his now. `rate_limited` where he has
 * max already (UINT64_MAX: no limit), `unavailable` without memory. */
int connections_take(struct connections *all, struct str user, uint64_t max,
		     uint64_t *count, struct err *err);
/* n of his are gone: he has so many at least. How many are left. */
uint64_t connections_drop(struct connections *all, struct str user, uint64_t n);

#endif
