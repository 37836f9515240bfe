/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum kind { GROUP, DELETED, USER, MENTION, READ, TOKENS, CALL };

struct hint {
	struct list link;
	enum kind kind;
	char user[WIRE_USER_MAX + 1];
	uint64_t group_id;
	uint64_t a;
	uint64_t b;
	struct call *call; /* CALL */
};

struct call {
	void (*fn)(struct nodes *n, void *data);
	void *data;
	uv_sem_t done;
};

static unsigned percent(struct fake_bus *bus)
{
	bus->random = bus->random * UINT64_C(6364136223846793005) + 1;
	return (unsigned)(bus->random >> 33) % 100;
}

/* On the node's loop. */
static void deliver(void *data, struct list *el)
{
	struct fake_node *node = data;
	struct hint *h = container_of(el, struct hint, link);
	struct str user = str_of(h->user);
	struct nodes *n;

	/* The rest, when the node has ended. */
	if (node->f == NULL) {
		free(h);
		return;
	}
	n = &node->f->groupd.nodes;
	if (h->kind == GROUP)
		nodes_on_group(n, h->group_id, h->a, h->b);
	else if (h->kind == DELETED)
		nodes_on_group(n, h->group_id, 0, 0);
	else if (h->kind == USER)
		nodes_on_user(n, user, h->a);
	else if (h->kind == MENTION)
		nodes_on_mention(n, user, h->group_id, h->a);
	else if (h->kind == READ)
		nodes_on_read(n, user, h->group_id, h->a);
	else if (h->kind == TOKENS)
		nodes_on_tokens(n);
	if (h->kind == CALL) {
		h->call->fn(n, h->call->data);
		uv_sem_post(&h->call->done);
	}
	free(h);
}

static void post(struct fake_node *node, const struct hint *hint)
{
	struct hint *h = malloc(sizeof(*h));

	assert_non_null(h);
	*h = *hint;
	mailbox_post(&node->box, &h->link);
}

/* With the lock. */
static bool is_subscribed(const struct fake_node *node, const struct hint *h)
{
	bool of_group = h->kind == GROUP || h->kind == DELETED;

	for (size_t i = 0; i < node->ntopics; i++) {
		const struct fake_topic *t = &node->topics[i];

		if (of_group ? t->group_id == h->group_id
			     : t->group_id == 0 &&
				       str_eq(str_of(t->user), str_of(h->user)))
			return true;
	}
	return h->kind == TOKENS;
}

static void send_one(struct fake_bus *bus, struct fake_node *to,
		     const struct hint *h)
{
	struct hint forged = *h;

	if (!is_subscribed(to, h) || percent(bus) < bus->lose)
		return;
	if (percent(bus) < bus->hold) {
		struct hint *late = malloc(sizeof(*late));

		assert_non_null(late);
		*late = *h;
		list_push(&to->held, &late->link);
		return;
	}
	post(to, h);
	if (percent(bus) < bus->twice)
		post(to, h);
	if (percent(bus) < bus->forge) {
		forged.a += bus->random % 7;
		forged.b = bus->random % 11;
		post(to, &forged);
	}
	/* What was held back comes behind what is newer. */
	for (struct list *el;
	     percent(bus) < 50 && (el = list_pop(&to->held)) != NULL;)
		mailbox_post(&to->box, el);
}

static void publish(void *data, const struct hint *h)
{
	struct fake_node *from = data;
	struct fake_bus *bus = from->bus;

	pthread_mutex_lock(&bus->lock);
	bus->told++;
	for (size_t i = 0; i < FAKE_BUS_NODES; i++) {
		if (&bus->nodes[i] != from && bus->nodes[i].f != NULL)
			send_one(bus, &bus->nodes[i], h);
	}
	pthread_mutex_unlock(&bus->lock);
}

static struct hint make(enum kind kind, struct str user, uint64_t group_id,
			uint64_t a, uint64_t b)
{
	struct hint h = { .kind = kind, .group_id = group_id, .a = a, .b = b };

	assert_true(str_to_cstr(user, h.user, sizeof(h.user)));
	return h;
}

static void tell_group(void *data, uint64_t group_id, uint64_t last_seq,
		       uint64_t version)
{
	struct hint h = make(GROUP, str_of(""), group_id, last_seq, version);

	publish(data, &h);
}

static void tell_deleted(void *data, uint64_t group_id)
{
	struct hint h = make(DELETED, str_of(""), group_id, 0, 0);

	publish(data, &h);
}

static void tell_user(void *data, struct str user, uint64_t version)
{
	struct hint h = make(USER, user, 0, version, 0);

	publish(data, &h);
}

static void tell_mention(void *data, struct str user, uint64_t group_id,
			 uint64_t seq)
{
	struct hint h = make(MENTION, user, group_id, seq, 0);

	publish(data, &h);
}

static void tell_read(void *data, struct str user, uint64_t group_id,
		      uint64_t seq)
{
	struct hint h = make(READ, user, group_id, seq, 0);

	publish(data, &h);
}

static void tell_tokens(void *data)
{
	struct hint h = make(TOKENS, str_of(""), 0, 0, 0);

	publish(data, &h);
}

static int subscribe(struct fake_node *node, uint64_t group_id, struct str user)
{
	struct fake_topic *t;

	pthread_mutex_lock(&node->bus->lock);
	assert_true(node->ntopics < FAKE_BUS_TOPICS);
	t = &node->topics[node->ntopics++];
	t->group_id = group_id;
	assert_true(str_to_cstr(user, t->user, sizeof(t->user)));
	pthread_mutex_unlock(&node->bus->lock);
	return 0;
}

static void unsubscribe(struct fake_node *node, uint64_t group_id,
			struct str user)
{
	size_t i = 0;

	pthread_mutex_lock(&node->bus->lock);
	while (i < node->ntopics &&
	       !(node->topics[i].group_id == group_id &&
		 str_eq(str_of(node->topics[i].user), user)))
		i++;
	assert_true(i < node->ntopics);
	node->topics[i] = node->topics[--node->ntopics];
	pthread_mutex_unlock(&node->bus->lock);
}

static int subscribe_group(void *data, uint64_t group_id)
{
	return subscribe(data, group_id, str_of(""));
}

static void unsubscribe_group(void *data, uint64_t group_id)
{
	unsubscribe(data, group_id, str_of(""));
}

static int subscribe_user(void *data, struct str user)
{
	return subscribe(data, 0, user);
}

static void unsubscribe_user(void *data, struct str user)
{
	unsubscribe(data, 0, user);
}

static const struct nodes_tell table = {
	.subscribe_group = subscribe_group,
	.unsubscribe_group = unsubscribe_group,
	.subscribe_user = subscribe_user,
	.unsubscribe_user = unsubscribe_user,
	.group = tell_group,
	.deleted = tell_deleted,
	.user = tell_user,
	.mention = tell_mention,
	.read = tell_read,
	.tokens = tell_tokens,
};

static void on_started(struct fixture *f)
{
	struct fake_node *node = f->data;

	f->groupd.nodes.tell = &table;
	f->groupd.nodes.tell_data = node;
	assert_int_equal(mailbox_start(&node->box, &f->loop, deliver, node), 0);
}

static void on_box_closed(struct mailbox *m)
{
	(void)m;
}

static void on_ending(struct fixture *f)
{
	struct fake_node *node = f->data;

	pthread_mutex_lock(&node->bus->lock);
	node->f = NULL;
	pthread_mutex_unlock(&node->bus->lock);
	f->groupd.nodes.tell = NULL;
	mailbox_close(&node->box, on_box_closed);
}

void fake_bus_init(struct fake_bus *bus)
{
	*bus = (struct fake_bus){ .random = 1 };
	pthread_mutex_init(&bus->lock, NULL);
	for (size_t i = 0; i < FAKE_BUS_NODES; i++) {
		bus->nodes[i].bus = bus;
		list_init(&bus->nodes[i].held);
	}
}

void fake_bus_release(struct fake_bus *bus)
{
	for (size_t i = 0; i < FAKE_BUS_NODES; i++) {
		for (struct list *el;
		     (el = list_pop(&bus->nodes[i].held)) != NULL;)
			free(container_of(el, struct hint, link));
	}
	pthread_mutex_destroy(&bus->lock);
}

void fake_bus_join(struct fake_bus *bus, size_t node, struct fixture *f)
{
	bus->nodes[node].f = f;
	f->data = &bus->nodes[node];
	f->on_started = on_started;
	f->on_ending = on_ending;
}

void fake_bus_group(struct fake_bus *bus, size_t node, uint64_t group_id,
		    uint64_t last_seq, uint64_t version)
{
	struct hint h = make(GROUP, str_of(""), group_id, last_seq, version);

	post(&bus->nodes[node], &h);
}

void fake_bus_user(struct fake_bus *bus, size_t node, const char *user,
		   uint64_t version)
{
	struct hint h = make(USER, str_of(user), 0, version, 0);

	post(&bus->nodes[node], &h);
}

void fake_bus_mention(struct fake_bus *bus, size_t node, const char *user,
		      uint64_t group_id, uint64_t seq)
{
	struct hint h = make(MENTION, str_of(user), group_id, seq, 0);

	post(&bus->nodes[node], &h);
}

void fake_bus_read(struct fake_bus *bus, size_t node, const char *user,
		   uint64_t group_id, uint64_t seq)
{
	struct hint h = make(READ, str_of(user), group_id, seq, 0);

	post(&bus->nodes[node], &h);
}

void fake_bus_tokens(struct fake_bus *bus, size_t node)
{
	struct hint h = make(TOKENS, str_of(""), 0, 0, 0);

	post(&bus->nodes[node], &h);
}

void fake_bus_call(struct fake_bus *bus, size_t node,
		   void (*fn)(struct nodes *n, void *data), void *data)
{
	struct hint h = make(CALL, str_of(""), 0, 0, 0);
	struct call call = { .fn = fn, .data = data };

	assert_int_equal(uv_sem_init(&call.done, 0), 0);
	h.call = &call;
	post(&bus->nodes[node], &h);
	uv_sem_wait(&call.done);
	uv_sem_destroy(&call.done);
}

size_t fake_bus_topics(struct fake_bus *bus, size_t node)
{
	size_t n;

	pthread_mutex_lock(&bus->lock);
	n = bus->nodes[node].ntopics;
	pthread_mutex_unlock(&bus->lock);
	return n;
}
