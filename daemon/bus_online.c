/* SPDX-License-Identifier: MIT */
/*
 * How many are online in a group, over all nodes: counted by Redis, once a
 * FRESH_MS at most, for all who ask meanwhile.
 */
#include "daemon/bus_presence.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { ANSWERS_MAX = 4096, FRESH_MS = 1000 };

/* How many are online in a group, as asked last. */
struct answer {
	struct table_node node;
	struct list order; /* by when it was asked for */
	uint64_t group_id;
	uint64_t count;
	uint64_t at_ms;	   /* of count; 0: never */
	uint64_t asked_ms; /* 0: nothing is under way */
	struct list waiting;
};

static void reply(struct bus_online *q, uint64_t count)
{
	list_remove(&q->link);
	q->count = count > q->local ? count : q->local;
	q->cb(q);
}

static void reply_all(struct answer *a, uint64_t count)
{
	struct list waiting;

	a->asked_ms = 0;
	list_init(&waiting);
	list_splice(&waiting, &a->waiting);
	while (!list_empty(&waiting))
		reply(container_of(waiting.next, struct bus_online, link),
		      count);
}

static struct answer *find_answer(const struct presence *p, uint64_t id)
{
	struct table_node *node = table_find(&p->answers, table_hash_u64(id));

	for (; node != NULL; node = table_next(node)) {
		struct answer *a = container_of(node, struct answer, node);

		if (a->group_id == id)
			return a;
	}
	return NULL;
}

static void free_answer(struct presence *p, struct answer *a)
{
	assert(list_empty(&a->waiting));
	list_remove(&a->order);
	table_remove(&p->answers, &a->node);
	free(a);
}

/* One that nobody waits for makes room. */
static struct answer *add_answer(struct presence *p, uint64_t id)
{
	struct answer *a;

	if (p->answers.count == ANSWERS_MAX) {
		a = container_of(p->answers_order.next, struct answer, order);
		if (a->asked_ms != 0)
			return NULL;
		free_answer(p, a);
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL ||
	    !table_insert(&p->answers, &a->node, table_hash_u64(id))) {
		free(a);
		return NULL;
	}
	a->group_id = id;
	list_init(&a->waiting);
	list_push(&p->answers_order, &a->order);
	return a;
}

static void on_count(struct bus *bus, const struct redis_answer *answer,
		     uint64_t id, uint64_t asked_ms)
{
	struct answer *a = find_answer(bus->presence, id);

	/* It may have come too late for that question. */
	if (a == NULL || a->asked_ms != asked_ms)
		return;
	if (!answer->error) {
		a->count = answer->value;
		a->at_ms = asked_ms;
	}
	reply_all(a, answer->error ? 0 : a->count);
}

/* MULTI, SUNIONSTORE, UNLINK, EXEC: Redis counts, and keeps nothing. */
static bool ask(struct presence *p, const struct answer *a, uint64_t at)
{
	struct str args[2 + 1 + NODES_MAX];
	size_t offsets[2 + 1 + NODES_MAX + 1];
	struct str multi = str_of("MULTI");
	struct str exec = str_of("EXEC");
	size_t n = 2 + p->nothers + 1;

	buf_clear(&p->key);
	for (size_t i = 1; i < n; i++) {
		uint64_t node = i == 1 || i == n - 1 ? p->bus->node
						     : p->others[i - 2].node;

		offsets[i] = p->key.len;
		buf_append_str(&p->key, buf_str(&p->bus->prefix));
		buf_printf(&p->key, "%c:%" PRIu64 ":%016" PRIx64,
			   i == 1 ? 'c' : 'o', a->group_id, node);
	}
	offsets[n] = p->key.len;
	if (p->key.failed)
		return false;
	for (size_t i = 1; i < n; i++)
		args[i] = str_make(p->key.data + offsets[i],
				   offsets[i + 1] - offsets[i]);
	args[0] = str_of("SUNIONSTORE");
	if (!presence_order(p, &multi, 1, EXPECT_STATUS, NULL, 0, 0))
		return false;
	(void)presence_order(p, args, n, EXPECT_STATUS, NULL, 0, 0);
	args[0] = str_of("UNLINK");
	(void)presence_order(p, args, 2, EXPECT_STATUS, NULL, 0, 0);
	return presence_order(p, &exec, 1, EXPECT_EXEC, on_count, a->group_id,
			      at);
}

/* Who has waited long enough gets what is known here. */
static void on_late(uv_timer_t *timer)
{
	struct presence *p = timer->data;
	uint64_t at = presence_now(p);
	struct list *next;
	bool left = false;

	for (struct list *el = p->answers_order.next; el != &p->answers_order;
	     el = next) {
		struct answer *a = container_of(el, struct answer, order);

		next = el->next;
		if (a->asked_ms == 0)
			continue;
		if (at - a->asked_ms >= BUS_ONLINE_MS)
			reply_all(a, a->count);
		else
			left = true;
	}
	if (left)
		uv_timer_start(timer, on_late, BUS_ONLINE_MS / 4, 0);
}

bool bus_online_known(const struct bus *bus, struct bus_online *q)
{
	const struct presence *p = bus->presence;
	const struct answer *a;

	q->count = q->local;
	if (p == NULL || p->closing || bus->figures.state != BUS_UP ||
	    p->nothers == 0)
		return true;
	a = find_answer(p, q->group_id);
	if (a == NULL || a->at_ms == 0 ||
	    presence_now(p) - a->at_ms >= FRESH_MS)
		return false;
	if (a->count > q->local)
		q->count = a->count;
	return true;
}

bool bus_online(struct bus *bus, struct bus_online *q)
{
	struct presence *p = bus->presence;
	struct answer *a;

	if (bus_online_known(bus, q))
		return true;
	a = find_answer(p, q->group_id);
	if (a == NULL)
		a = add_answer(p, q->group_id);
	if (a == NULL)
		return true;
	if (a->asked_ms == 0) {
		if (!redis_has_slow_room(bus->redis) ||
		    !ask(p, a, presence_now(p)))
			return true;
		a->asked_ms = presence_now(p);
		list_remove(&a->order);
		list_push(&p->answers_order, &a->order);
	}
	list_push(&a->waiting, &q->link);
	if (!uv_is_active((uv_handle_t *)&p->late))
		uv_timer_start(&p->late, on_late, BUS_ONLINE_MS, 0);
	return false;
}

void online_answer_all(struct presence *p)
{
	struct list *next;

	uv_timer_stop(&p->late);
	for (struct list *el = p->answers_order.next; el != &p->answers_order;
	     el = next) {
		struct answer *a = container_of(el, struct answer, order);

		next = el->next;
		a->at_ms = 0;
		reply_all(a, 0);
	}
}

void online_release(struct presence *p)
{
	while (!list_empty(&p->answers_order))
		free_answer(p, container_of(p->answers_order.next,
					    struct answer, order));
	table_release(&p->answers);
}
