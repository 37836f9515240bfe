/* SPDX-License-Identifier: MIT */
/*
 * A look at a user who has a principal here, on a reader thread: what he has
 * become in groups since the last one, and the mentions and read pointers that
 * were hinted at. Who watches a group is told of its members by the look at
 * that; here it is about groups that nobody watches, and about himself.
 */
#include "daemon/nodes_private.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/fanout.h"
#include "lib/log.h"
#include "lib/text.h"

enum { CHANGES_MAX = 1000 };

/* What became of a hint. */
struct answer {
	bool holds;
	bool later;	  /* another node writes its pointers now and then */
	uint64_t seq;	  /* of the pointer */
	uint64_t time_ms; /* of the message that mentions him */
	char group[WIRE_NAME_MAX + 1];
	char sender[WIRE_USER_MAX + 1];
};

struct look {
	struct readers_job job;
	struct nodes_user *user;
	char name[WIRE_USER_MAX + 1];
	uint64_t after_version;
	bool changes_too;
	bool hinted;
	struct nodes_hint hints[NODES_HINTS];
	size_t nhints;
	/* What the thread finds. */
	int rc;
	struct err err;
	struct list changes;   /* struct event; version: the user's */
	uint64_t last_version; /* of those, also where they say nothing */
	size_t nchanges;
	struct answer answers[NODES_HINTS];
};

static void look_free(struct look *l)
{
	events_clear(&l->changes);
	free(l);
}

void nodes_user_drop(struct nodes_user *u)
{
	if (u->gone && !u->busy)
		free(u);
}

/* The thread. */

static int take_change(void *data, const struct store_member_change *c)
{
	struct look *l = data;

	/* The rest is for the next one. */
	if (l->nchanges++ == CHANGES_MAX)
		return 1;
	l->last_version = c->version;
	/* His role is asked for where it counts. */
	return c->change == MEMBER_ROLE ? 0 : event_add_change(&l->changes, c);
}

static int take_version(void *data, const struct store_version *v)
{
	bool *there = data;

	(void)v;
	*there = true;
	return 0;
}

/* A group that was deleted removed nobody, as far as he is told. */
static int drop_deleted(struct look *l, struct store *store)
{
	struct list *next;
	int rc = 0;

	for (struct list *el = l->changes.next; rc >= 0 && el != &l->changes;
	     el = next) {
		struct event *e = container_of(el, struct event, link);
		bool there = false;

		next = el->next;
		if (e->changes[0].change != MEMBER_REMOVED)
			continue;
		rc = store_list_versions(store, &e->group_id, 1, take_version,
					 &there, &l->err);
		if (rc >= 0 && !there) {
			list_remove(&e->link);
			event_free(e);
		}
	}
	return rc;
}

/* The one message that a hint is about. */
struct mention {
	const struct look *look;
	uint64_t seq;
	struct answer *answer;
};

static int take_message(void *data, const struct wire_message *m)
{
	struct mention *at = data;
	struct str words = m->mentions;
	struct str name;

	if (m->seq != at->seq)
		return 1;
	while (text_next_word(&words, &name)) {
		if (str_eq(name, str_of(at->look->name)))
			at->answer->holds = true;
	}
	at->answer->time_ms = m->time_ms;
	str_to_cstr(m->sender, at->answer->sender, sizeof(at->answer->sender));
	return 1;
}

/* Only of a group that he is in. */
static int check_hint(struct look *l, struct store *store, size_t i)
{
	const struct nodes_hint *hint = &l->hints[i];
	struct mention at = { l, hint->seq, &l->answers[i] };
	struct err err = { .code = ERR_NONE };
	struct wire_group group;
	int rc = store_find_group(store, hint->group_id, str_of(""),
				  str_of(l->name), &group, &err);

	if (rc < 0 && err.code == ERR_NO_SUCH_GROUP)
		return 0;
	if (rc < 0) {
		l->err = err;
		return rc;
	}
	str_to_cstr(group.name, at.answer->group, sizeof(at.answer->group));
	if (hint->kind == NODES_READ) {
		at.answer->seq = group.last_read_seq;
		at.answer->holds = group.last_read_seq >= hint->seq;
		at.answer->later = hint->seq <= group.last_seq;
		return 0;
	}
	if (hint->seq > group.last_seq || hint->seq < group.first_seq)
		return 0;
	return store_scan(store, hint->group_id, hint->seq - 1, take_message,
			  &at, &l->err);
}

static void run_look(struct readers_job *job, struct store *store)
{
	struct look *l = container_of(job, struct look, job);
	int rc = 0;

	l->last_version = l->after_version;
	if (l->changes_too)
		rc = store_list_user_changes(store, str_of(l->name),
					     l->after_version, take_change, l,
					     &l->err);
	if (rc >= 0)
		rc = drop_deleted(l, store);
	for (size_t i = 0; rc >= 0 && i < l->nhints; i++)
		rc = check_hint(l, store, i);
	l->rc = rc;
}

/* The loop. */

/* Whether he knows of it by another way already; then also what was told of
 * the group before that is done with. Else all that was told of it is told
 * once more, in the right order, by the changes behind this one. */
static bool was_told(struct nodes_user *u, const struct event *e)
{
	size_t upto = NODES_RING;
	bool told = false;

	for (size_t i = 0; i < NODES_RING && !told; i++) {
		told = u->told[i].group_id == e->group_id &&
		       u->told[i].change == e->changes[0].change;
		if (told)
			upto = i + 1;
	}
	for (size_t i = 0; i < upto; i++) {
		if (u->told[i].group_id == e->group_id)
			u->told[i].group_id = 0;
	}
	return told;
}

static bool is_in_ring(const struct nodes_user *u, const struct event *e)
{
	for (size_t i = 0; i < NODES_RING; i++) {
		if (u->told[i].group_id == e->group_id &&
		    u->told[i].change == e->changes[0].change)
			return true;
	}
	return false;
}

/* A group that is watched is looked at first: who watches is told then, and
 * he with them. Only what came before it was watched is left to be told. */
static bool must_wait(struct nodes_user *u, const struct event *e)
{
	struct nodes *n = u->nodes;
	struct nodes_group *ng = nodes_find_group(n, e->group_id);

	if (ng == NULL || is_in_ring(u, e) ||
	    (u->since != 0 && ng->looked > u->since))
		return false;
	if (u->since == 0)
		u->since = n->serial;
	if (ng->looked <= u->since) {
		ng->look = true;
		nodes_group_kick(ng);
	}
	list_remove(&u->wait);
	list_push(&n->waiting, &u->wait);
	nodes_sweep_soon(n, 0);
	return true;
}

/* Only what he has become counts: who was told more than the ring holds is not
 * told all of it again. */
static bool is_last(const struct look *l, const struct event *e)
{
	for (const struct list *el = l->changes.next; el != &l->changes;
	     el = el->next) {
		if (container_of(el, const struct event, link)->group_id ==
		    e->group_id)
			return false;
	}
	return true;
}

static void tell_changes(struct nodes_user *u, struct look *l)
{
	struct list *el;

	while ((el = list_pop(&l->changes)) != NULL) {
		struct event *e = container_of(el, struct event, link);

		if (!is_last(l, e)) {
			event_free(e);
			continue;
		}
		if (must_wait(u, e)) {
			event_free(e);
			return;
		}
		u->since = 0;
		u->version = e->version;
		if (!was_told(u, e)) {
			u->nodes->figures.changes++;
			nodes_note_look(u, e);
			fanout_member(u->nodes->registry, e);
		}
		event_free(e);
	}
	u->version = l->last_version;
}

bool nodes_user_knows(const struct nodes_user *u, const struct nodes_hint *hint)
{
	const struct nodes_last *last = &u->last[hint->kind];

	return nodes_hint_is_in(last->hints, last->count, hint);
}

static void forget(struct nodes_last *last, size_t at)
{
	last->count--;
	memmove(&last->hints[at], &last->hints[at + 1],
		(last->count - at) * sizeof(last->hints[0]));
}

/* Of one group, numbers tell more than times. */
static bool is_younger(const struct nodes_user *u,
		       const struct nodes_hint *hint)
{
	return hint->group_id == u->floor.group_id
		       ? hint->seq > u->floor.seq
		       : hint->time_ms > u->floor.time_ms;
}

/* Of another group, one that is as young may still come: its time is by the
 * clock of another node. */
static void move_floor(struct nodes_user *u, const struct nodes_hint *hint)
{
	uint64_t least = u->floor.time_ms;

	u->floor = *hint;
	u->floor.time_ms = hint->time_ms > least + NODES_SKEW_MS
				   ? hint->time_ms - NODES_SKEW_MS
				   : least;
}

/* Of pointers, that of a group takes the place of the one before. */
static void make_room(struct nodes_user *u, const struct nodes_hint *hint)
{
	struct nodes_last *last = &u->last[hint->kind];
	const struct nodes_hint *first = &last->hints[0];

	for (size_t i = 0; hint->kind == NODES_READ && i < last->count; i++) {
		if (last->hints[i].group_id == hint->group_id)
			forget(last, i--);
	}
	if (last->count < NODES_LAST)
		return;
	if (hint->kind == NODES_MENTION && is_younger(u, first))
		move_floor(u, first);
	forget(last, 0);
}

void nodes_user_note(struct nodes_user *u, const struct nodes_hint *hint)
{
	struct nodes_last *last = &u->last[hint->kind];

	if (nodes_user_knows(u, hint))
		return;
	make_room(u, hint);
	last->hints[last->count++] = *hint;
}

static void note_mentions(struct nodes *n, const struct event *e)
{
	struct str list = buf_str(&e->mentioned);
	struct wire_message m;
	struct str name;

	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		const struct nodes_hint hint = { .kind = NODES_MENTION,
						 .group_id = e->group_id,
						 .seq = m.seq,
						 .time_ms = m.time_ms };

		while (text_next_word(&m.mentions, &name)) {
			struct nodes_user *u = nodes_find_user(n, name);

			if (u != NULL)
				nodes_user_note(u, &hint);
		}
	}
}

void nodes_note_told(struct nodes *n, const struct event *e)
{
	const struct nodes_hint hint = { .kind = NODES_READ,
					 .group_id = e->group_id,
					 .seq = e->last_seq };
	struct nodes_user *u;

	if (e->kind == EVENT_MESSAGES)
		note_mentions(n, e);
	u = e->kind == EVENT_READ ? nodes_find_user(n, str_of(e->by)) : NULL;
	if (u != NULL)
		nodes_user_note(u, &hint);
}

static void tell_hint(struct nodes_user *u, const struct nodes_hint *hint,
		      const struct answer *a)
{
	struct registry *r = u->nodes->registry;
	struct event e = { .kind = EVENT_READ,
			   .group_id = hint->group_id,
			   .last_seq = a->seq };
	const struct wire_message m = { .seq = hint->seq,
					.sender = str_of(a->sender) };

	list_init(&e.link);
	str_to_cstr(str_of(a->group), e.group, sizeof(e.group));
	str_to_cstr(str_of(u->name), e.by, sizeof(e.by));
	if (hint->kind == NODES_READ)
		fanout_event(r, &e);
	else
		fanout_mention(r, &e, &m, str_of(u->name));
}

/* Those that came twice, and while the first one was looked at. */
static void forget_doubled(struct nodes_user *u)
{
	size_t kept = 0;

	for (size_t i = 0; i < u->nhints; i++) {
		if (!nodes_user_knows(u, &u->hints[i]))
			u->hints[kept++] = u->hints[i];
	}
	u->nhints = kept;
}

static void postpone(struct nodes_user *u, const struct nodes_hint *hint)
{
	if (hint->tries == NODES_TRIES || u->nlater == NODES_HINTS)
		return;
	u->later[u->nlater] = *hint;
	u->later[u->nlater++].tries++;
	list_remove(&u->late);
	list_push(&u->nodes->late, &u->late);
}

/* One that held, unless he was told it meanwhile, or it is an old one. */
static void take_hint(struct nodes_user *u, const struct nodes_hint *hint,
		      const struct answer *a)
{
	struct nodes_hint told = *hint;

	if (hint->kind == NODES_READ)
		told.seq = a->seq;
	told.time_ms = a->time_ms;
	if (nodes_user_knows(u, &told) ||
	    (hint->kind == NODES_MENTION && !is_younger(u, &told)))
		return;
	nodes_user_note(u, &told);
	tell_hint(u, hint, a);
}

/* How many of them held, or may still. */
static size_t tell_hints(struct nodes_user *u, const struct look *l)
{
	size_t held = 0;

	for (size_t i = 0; i < l->nhints; i++) {
		held += l->answers[i].holds || l->answers[i].later;
		if (l->answers[i].holds)
			take_hint(u, &l->hints[i], &l->answers[i]);
		else if (l->answers[i].later)
			postpone(u, &l->hints[i]);
	}
	forget_doubled(u);
	return held;
}

static void look_done(struct readers_job *job)
{
	struct look *l = container_of(job, struct look, job);
	struct nodes_user *u = l->user;
	struct nodes *n = u->nodes;
	uint64_t version = u->version;

	if (l->rc < 0 && !n->closing)
		nodes_failed(n, &l->err);
	if (l->rc >= 0 && !u->gone && !n->closing) {
		nodes_answered(n);
		if (l->changes_too)
			tell_changes(u, l);
		if (tell_hints(u, l) > 0 || u->version > version)
			u->futile = 0;
		else if ((l->hinted || l->nhints > 0) && list_empty(&u->wait))
			u->futile++;
	}
	u->busy = false;
	if (l->rc >= 0 && !u->gone && (u->look || u->nhints > 0))
		nodes_user_kick(u);
	nodes_user_drop(u);
	look_free(l);
}

void nodes_user_kick(struct nodes_user *u)
{
	struct nodes *n = u->nodes;
	struct look *l;

	if (u->busy || u->gone || n->closing)
		return;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return;
	list_init(&l->changes);
	l->user = u;
	memcpy(l->name, u->name, sizeof(l->name));
	l->after_version = u->version;
	l->changes_too = u->look;
	l->hinted = u->hinted;
	memcpy(l->hints, u->hints, sizeof(l->hints));
	l->nhints = u->nhints;
	l->job.run = run_look;
	l->job.done = look_done;
	if (readers_submit(&n->pool, &l->job) < 0) {
		look_free(l);
		return;
	}
	u->busy = true;
	u->look = false;
	u->hinted = false;
	u->nhints = 0;
}
