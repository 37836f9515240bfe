/* SPDX-License-Identifier: MIT */
#include "daemon/rate.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/wire.h"

enum {
	UNIT = 1000, /* of a message: a limit of N adds N units each ms */
	SWEEP = 2    /* entries that are looked at with each message */
};

struct bucket {
	struct table_node node;
	struct list order;
	uint64_t at_ms; /* when level was true */
	int64_t level;	/* units; below 0: a debt */
	char user[WIRE_USER_MAX + 1];
};

void rate_init(struct rate *r, const struct env *env, uint64_t per_second)
{
	assert(per_second <= RATE_MAX);
	*r = (struct rate){ .env = env, .per_second = per_second };
	list_init(&r->order);
}

static void drop(struct rate *r, struct bucket *b)
{
	table_remove(&r->users, &b->node);
	list_remove(&b->order);
	free(b);
}

static void drop_all(struct rate *r)
{
	while (!list_empty(&r->order))
		drop(r, container_of(r->order.next, struct bucket, order));
}

void rate_release(struct rate *r)
{
	drop_all(r);
	table_release(&r->users);
}

static int64_t capacity(const struct rate *r)
{
	return (int64_t)r->per_second * UNIT;
}

/* How long until so many units have come. */
static uint64_t wait_ms(const struct rate *r, int64_t units)
{
	uint64_t n = units > 0 ? (uint64_t)units : 0;

	return (n + r->per_second - 1) / r->per_second;
}

/* Fills it up to now. */
static void refill(const struct rate *r, struct bucket *b)
{
	uint64_t now = env_now_ms(r->env);
	uint64_t elapsed = now > b->at_ms ? now - b->at_ms : 0;
	int64_t room = capacity(r) - b->level;

	b->at_ms = now;
	if (room <= 0 || elapsed >= wait_ms(r, room))
		b->level = capacity(r);
	else
		b->level += (int64_t)(elapsed * r->per_second);
}

void rate_set(struct rate *r, uint64_t per_second)
{
	assert(per_second <= RATE_MAX);
	if (per_second == r->per_second)
		return;
	/* What has come until now came at the old rate. */
	for (struct list *l = r->order.next; l != &r->order; l = l->next)
		refill(r, container_of(l, struct bucket, order));
	r->per_second = per_second;
	if (per_second == 0)
		drop_all(r);
}

static struct bucket *find(const struct rate *r, struct str user)
{
	struct table_node *n = table_find(&r->users, table_hash_bytes(user));

	for (; n != NULL; n = table_next(n)) {
		struct bucket *b = container_of(n, struct bucket, node);

		if (str_eq(str_of(b->user), user))
			return b;
	}
	return NULL;
}

/* A full one says what none says. Two are looked at for each that may be
 * made; one in debt goes to the end, so that it hides no others. */
static void sweep(struct rate *r)
{
	for (int i = 0; i < SWEEP && !list_empty(&r->order); i++) {
		struct bucket *b =
			container_of(r->order.next, struct bucket, order);

		refill(r, b);
		list_remove(&b->order);
		list_push(&r->order, &b->order);
		if (b->level == capacity(r))
			drop(r, b);
	}
}

static struct bucket *new_bucket(struct rate *r, struct str user)
{
	struct bucket *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	if (!str_to_cstr(user, b->user, sizeof(b->user)) ||
	    !table_insert(&r->users, &b->node, table_hash_bytes(user))) {
		free(b);
		return NULL;
	}
	b->at_ms = env_now_ms(r->env);
	b->level = capacity(r);
	list_push(&r->order, &b->order);
	return b;
}

static int refuse(const struct rate *r, const struct bucket *b, uint64_t n,
		  int64_t needed, struct err *err)
{
	uint64_t wait = wait_ms(r, needed - b->level);
	uint64_t tenths = (wait + 99) / 100;
	int rc = err_set(err, ERR_RATE_LIMITED,
			 "You may send %" PRIu64 " message%s a second "
			 "(rate_messages_per_second): %s in %" PRIu64
			 ".%" PRIu64 " s",
			 r->per_second, r->per_second == 1 ? "" : "s",
			 n == 1 ? "the next one" : "that many at once",
			 tenths / 10, tenths % 10);

	err->retry_after_ms = wait;
	err->rate_limit = r->per_second;
	err->rate_reset_ms = wait_ms(r, capacity(r) - b->level);
	return rc;
}

int rate_take(struct rate *r, struct str user, uint64_t n, struct err *err)
{
	int64_t cost = (int64_t)(n * UNIT);
	int64_t needed = cost;
	struct bucket *b;

	assert(n <= WIRE_FRAME_MAX);
	if (r->per_second == 0 || n == 0)
		return 0;
	sweep(r);
	b = find(r, user);
	if (b == NULL)
		b = new_bucket(r, user);
	if (b == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	refill(r, b);
	if (needed > capacity(r))
		needed = capacity(r);
	if (b->level < needed)
		return refuse(r, b, n, needed, err);
	b->level -= cost;
	return 0;
}

void rate_give_back(struct rate *r, struct str user, uint64_t n)
{
	struct bucket *b = r->per_second == 0 ? NULL : find(r, user);

	/* Without one it is full again. */
	if (b == NULL)
		return;
	assert(n <= WIRE_FRAME_MAX);
	b->level += (int64_t)(n * UNIT);
	refill(r, b);
}

void rate_state(struct rate *r, struct str user, struct rate_state *out)
{
	struct bucket *b;

	*out = (struct rate_state){ .limit = r->per_second };
	if (r->per_second == 0)
		return;
	out->left = r->per_second;
	b = find(r, user);
	if (b == NULL)
		return;
	refill(r, b);
	out->left = b->level > 0 ? (uint64_t)b->level / UNIT : 0;
	out->reset_ms = wait_ms(r, capacity(r) - b->level);
}
