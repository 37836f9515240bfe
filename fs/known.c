/* SPDX-License-Identifier: MIT */
#include "fs/known.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One group of one user. */
struct entry {
	struct table_node by_id;
	struct table_node by_name;
	struct list order;
	struct known *known;
	struct user *user; /* held */
	struct known_group group;
	struct feed_sub sub;
	uint64_t used_ms;
	uint64_t reaches; /* an answer said that the log does */
	unsigned uses;
	bool watched; /* sub is subscribed */
	bool valid;   /* groupd said so, under the watch */
};

static uint64_t id_hash(const struct user *user, uint64_t group_id)
{
	return table_hash_pair(user->uid, group_id);
}

static uint64_t name_hash(const struct user *user, const char *name)
{
	return table_hash_pair(user->uid, table_hash_bytes(str_of(name)));
}

static struct entry *find_id(const struct known *k, const struct user *user,
			     uint64_t group_id)
{
	struct table_node *n = table_find(&k->by_id, id_hash(user, group_id));

	for (; n != NULL; n = table_next(n)) {
		struct entry *e = container_of(n, struct entry, by_id);

		if (e->user == user && e->group.group_id == group_id)
			return e;
	}
	return NULL;
}

static struct entry *find_name(const struct known *k, const struct user *user,
			       const char *name)
{
	struct table_node *n = table_find(&k->by_name, name_hash(user, name));

	for (; n != NULL; n = table_next(n)) {
		struct entry *e = container_of(n, struct entry, by_name);

		if (e->user == user && strcmp(e->group.name, name) == 0)
			return e;
	}
	return NULL;
}

static struct entry *find(const struct known *k, const struct user *user,
			  uint64_t group_id, const char *name)
{
	return group_id != 0 ? find_id(k, user, group_id)
			     : find_name(k, user, name);
}

static void unwatch(struct entry *e)
{
	if (e->watched)
		feed_unsubscribe(&e->sub);
	e->watched = false;
	e->valid = false;
}

static void forget(struct entry *e)
{
	struct known *k = e->known;

	unwatch(e);
	table_remove(&k->by_id, &e->by_id);
	table_remove(&k->by_name, &e->by_name);
	list_remove(&e->order);
	k->count--;
	user_drop(k->users, e->user);
	free(e);
}

void known_init(struct known *k, uv_loop_t *loop, struct client *client,
		struct feed *feed, struct users *users)
{
	*k = (struct known){ .client = client,
			     .feed = feed,
			     .users = users,
			     .loop = loop,
			     .changes = 1 };
	list_init(&k->order);
}

static struct entry *oldest(const struct known *k)
{
	return container_of(k->order.next, struct entry, order);
}

void known_forget(struct known *k)
{
	while (!list_empty(&k->order))
		forget(oldest(k));
	k->changes++;
}

void known_release(struct known *k)
{
	known_forget(k);
	table_release(&k->by_id);
	table_release(&k->by_name);
}

static void use(struct entry *e)
{
	struct known *k = e->known;

	e->used_ms = uv_now(k->loop);
	list_remove(&e->order);
	list_push(&k->order, &e->order);
}

/* A watch that ended says why nothing may be known: groupd is asked again. */
static bool is_current(struct entry *e)
{
	if (e->watched && e->sub.state == FEED_ENDED)
		unwatch(e);
	return e->watched && feed_is_current(&e->sub) &&
	       e->user->principal.state == CLIENT_PRINCIPAL_READY;
}

/* The messages that came since make the log longer. False: they are not here,
 * so only groupd knows how long it is. */
static bool catch_up(struct entry *e)
{
	const struct wire_message *m;
	uint64_t first;
	uint64_t last;

	if (feed_group_of(&e->sub)->last_seq > e->group.last_seq) {
		last = feed_recent(&e->sub, &first);
		m = last == 0 ? NULL : feed_recent_message(&e->sub, last);
		if (m == NULL)
			return false;
		e->group.last_seq = last;
		e->group.size = m->off + m->len;
		e->group.jsonl_size = m->jsonl_off + m->jsonl_len;
		e->group.mtime_ms = m->time_ms;
	}
	return e->group.last_seq >= e->reaches;
}

static bool is_usable(struct entry *e)
{
	return e->valid && is_current(e) &&
	       client_is_settled(e->known->client) && catch_up(e);
}

bool known_find(struct known *k, const struct user *user, uint64_t group_id,
		const char *name, struct known_group *out)
{
	struct entry *e = find(k, user, group_id, name);

	if (e == NULL || !is_usable(e))
		return false;
	use(e);
	*out = e->group;
	return true;
}

const struct feed_sub *known_watch(struct known *k, const struct user *user,
				   uint64_t group_id)
{
	struct entry *e = find_id(k, user, group_id);

	return e != NULL && e->valid && is_current(e) ? &e->sub : NULL;
}

uint64_t known_ask(const struct known *k, const struct user *user,
		   uint64_t group_id, const char *name)
{
	struct entry *e = find(k, user, group_id, name);

	return e != NULL && is_current(e) ? k->changes : 0;
}

/* Nobody reads it: it is there to be told. */
static void woken(struct feed_sub *sub)
{
	(void)sub;
}

static void watch(struct entry *e)
{
	struct known *k = e->known;

	if (e->watched || e->uses < KNOWN_WATCH_USES)
		return;
	e->sub = (struct feed_sub){ .kind = WATCH_QUIET };
	e->watched = feed_subscribe(k->feed, &e->sub, &e->user->principal,
				    e->group.group_id, FEED_FROM_POINTER,
				    woken) == 0;
}

static struct entry *add(struct known *k, struct user *user, uint64_t group_id,
			 const char *name)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->known = k;
	e->group.group_id = group_id;
	str_to_cstr(str_of(name), e->group.name, sizeof(e->group.name));
	if (!table_insert(&k->by_id, &e->by_id, id_hash(user, group_id)))
		goto free_entry;
	if (!table_insert(&k->by_name, &e->by_name, name_hash(user, name)))
		goto remove_id;
	e->user = user_hold(user);
	list_push(&k->order, &e->order);
	k->count++;
	if (k->count > KNOWN_MAX)
		forget(oldest(k));
	return e;

remove_id:
	table_remove(&k->by_id, &e->by_id);
free_entry:
	free(e);
	return NULL;
}

/* An event may be here before an answer that knows less. */
static void set_floor(struct entry *e, uint64_t seq, uint64_t off,
		      uint64_t jsonl_off)
{
	if (seq <= e->group.first_seq)
		return;
	e->group.first_seq = seq;
	e->group.first_off = off;
	e->group.first_jsonl_off = jsonl_off;
}

void known_learn(struct known *k, struct user *user,
		 const struct wire_body_group *g, uint64_t asked)
{
	struct entry *e = find_id(k, user, g->group_id);
	char name[WIRE_NAME_MAX + 1];

	str_to_cstr(g->name, name, sizeof(name));
	if (e == NULL) {
		/* A deleted group's name may be another's now. */
		e = find_name(k, user, name);
		if (e != NULL)
			forget(e);
		e = add(k, user, g->group_id, name);
	}
	if (e == NULL)
		return;
	e->uses++;
	use(e);
	if (asked == k->changes && is_current(e)) {
		e->valid = true;
		/* An event of a later message may be here before. */
		if (g->last_seq >= e->group.last_seq) {
			e->group.last_seq = g->last_seq;
			e->group.size = g->size;
			e->group.jsonl_size = g->jsonl_size;
			e->group.mtime_ms = g->mtime_ms;
		}
		e->group.role = (enum role)g->role;
		set_floor(e, g->first_seq, g->first_off, g->first_jsonl_off);
	}
	watch(e);
}

void known_reaches(struct known *k, const struct user *user, uint64_t group_id,
		   uint64_t seq)
{
	struct entry *e = find_id(k, user, group_id);

	if (e != NULL && seq > e->reaches)
		e->reaches = seq;
}

/* Of one group, or of all (0). */
static void invalidate(struct known *k, uint64_t group_id)
{
	for (struct list *l = k->order.next; l != &k->order; l = l->next) {
		struct entry *e = container_of(l, struct entry, order);

		if (group_id != 0 && e->group.group_id != group_id)
			continue;
		e->valid = false;
		/* A group that was restored has another log. */
		e->reaches = 0;
		e->group.last_seq = 0;
		e->group.first_seq = 0;
	}
	k->changes++;
}

static void move_floor(struct known *k, const struct wire_body_ev_floor *ev)
{
	for (struct list *l = k->order.next; l != &k->order; l = l->next) {
		struct entry *e = container_of(l, struct entry, order);

		if (e->group.group_id == ev->group_id)
			set_floor(e, ev->first_seq, ev->first_off,
				  ev->first_jsonl_off);
	}
}

void known_on_event(struct known *k, const struct wire_header *header,
		    const void *body)
{
	const union wire_body *b = body;

	if (header->type == WIRE_EV_MEMBER)
		invalidate(k, b->ev_member.group_id);
	else if (header->type == WIRE_EV_FLOOR)
		move_floor(k, &b->ev_floor);
	else if (header->type == WIRE_EV_DELETED)
		invalidate(k, b->ev_deleted.group_id);
}

void known_on_state(struct known *k)
{
	invalidate(k, 0);
}

void known_tidy(struct known *k)
{
	uint64_t now = uv_now(k->loop);

	while (!list_empty(&k->order) &&
	       now - oldest(k)->used_ms >= KNOWN_IDLE_MS)
		forget(oldest(k));
}
