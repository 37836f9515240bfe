/* SPDX-License-Identifier: MIT */
#include "daemon/connections.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/list.h"
#include "lib/wire.h"

enum { RETRY_MS = 10000 /* nobody knows when one of them closes */ };

struct entry {
	struct table_node node;
	uint64_t count;
	char user[WIRE_USER_MAX + 1];
};

void connections_release(struct connections *all)
{
	assert(all->count == 0 && all->users.count == 0);
	table_release(&all->users);
}

static struct entry *find(const struct connections *all, struct str user)
{
	struct table_node *n = table_find(&all->users, table_hash_bytes(user));

	for (; n != NULL; n = table_next(n)) {
		struct entry *e = container_of(n, struct entry, node);

		if (str_eq(str_of(e->user), user))
			return e;
	}
	return NULL;
}

static struct entry *new_entry(struct connections *all, struct str user)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	if (str_to_cstr(user, e->user, sizeof(e->user)) &&
	    table_insert(&all->users, &e->node, table_hash_bytes(user)))
		return e;
	free(e);
	return NULL;
}

int connections_take(struct connections *all, struct str user, uint64_t max,
		     uint64_t *count, struct err *err)
{
	struct entry *e = find(all, user);
	int rc;

	assert(max > 0);
	if (e != NULL && e->count >= max) {
		rc = err_set(err, ERR_RATE_LIMITED,
			     "You have %" PRIu64 " connections open, and at "
			     "most %" PRIu64 " are allowed "
			     "(max_connections_per_user)",
			     e->count, max);
		err->retry_after_ms = RETRY_MS;
		return rc;
	}
	if (e == NULL)
		e = new_entry(all, user);
	if (e == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	all->count++;
	*count = ++e->count;
	return 0;
}

uint64_t connections_drop(struct connections *all, struct str user, uint64_t n)
{
	struct entry *e = find(all, user);

	if (n == 0)
		return e == NULL ? 0 : e->count;
	assert(e != NULL && e->count >= n && all->count >= n);
	all->count -= n;
	e->count -= n;
	if (e->count > 0)
		return e->count;
	table_remove(&all->users, &e->node);
	free(e);
	return 0;
}
