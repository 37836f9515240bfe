/* SPDX-License-Identifier: MIT */
/*
 * A look at a group, on a reader thread: the messages behind those that were
 * told, then its version, then the changes of members behind those that were.
 * In this order, so that no message comes with it whose sender's or reader's
 * removal does not.
 */
#include "daemon/nodes_private.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/fanout.h"
#include "lib/log.h"

/* Somebody who watches here, when changes were lost. */
struct watcher {
	char user[WIRE_USER_MAX + 1];
	enum role role;
};

struct look {
	struct readers_job job;
	struct nodes_group *ng;
	uint64_t id;
	uint64_t after_version;
	uint64_t serial;
	/* What was said. */
	uint64_t want;
	uint64_t want_version;
	bool want_gone;
	struct watcher *watchers; /* owned; to be asked for */
	size_t nwatchers;
	/* What the thread finds. */
	int rc;
	struct err err;
	bool there;
	bool kept; /* no change is missing */
	bool lost; /* messages are */
	struct store_version version;
	struct event *messages; /* owned */
	struct list changes;	/* struct event */
	size_t nchanges;
};

static void look_free(struct look *l)
{
	event_free(l->messages);
	events_clear(&l->changes);
	free(l->watchers);
	free(l);
}

void nodes_group_drop(struct nodes_group *ng)
{
	if (ng->group == NULL && !ng->busy)
		free(ng);
}

/* The thread. */

static int take_version(void *data, const struct store_version *v)
{
	struct look *l = data;

	l->there = true;
	l->version = *v;
	return 0;
}

static int take_change(void *data, const struct store_member_change *c)
{
	struct look *l = data;

	if (l->nchanges++ == NODES_CHANGES_MAX ||
	    c->version != l->after_version + l->nchanges) {
		l->kept = false;
		return 1;
	}
	return event_add_change(&l->changes, c);
}

static int read_changes(struct look *l, struct store *store)
{
	int rc;

	l->kept = true;
	if (l->version.member_version <= l->after_version)
		return 0;
	rc = store_list_changes(store, l->id, l->after_version, take_change, l,
				&l->err);
	/* All of them are gone. */
	if (rc >= 0 && l->nchanges == 0)
		l->kept = false;
	return rc;
}

static void run_look(struct readers_job *job, struct store *store)
{
	struct look *l = container_of(job, struct look, job);
	int rc = event_load_next(l->messages, store, NODES_READ_MAX, &l->err);

	/* What is not kept any more is no failure: the end is told instead. */
	l->lost = rc == -ERANGE;
	if (l->lost)
		rc = 0;
	if (rc >= 0)
		rc = store_list_versions(store, &l->id, 1, take_version, l,
					 &l->err);
	if (rc >= 0 && l->there)
		rc = read_changes(l, store);
	for (size_t i = 0; rc >= 0 && i < l->nwatchers; i++)
		rc = store_role(store, l->id, str_of(l->watchers[i].user),
				&l->watchers[i].role, &l->err);
	l->rc = rc;
}

/* The loop: what it means. */

static void tell_deleted(struct nodes_group *ng)
{
	struct event e = { .kind = EVENT_DELETED, .group_id = ng->id };

	list_init(&e.link);
	fanout_event(ng->nodes->registry, &e);
}

static void disconnect(struct group *group, bool mounts_only)
{
	for (struct list *el = group->interests.next; el != &group->interests;
	     el = el->next) {
		struct peer *peer =
			container_of(el, struct interest, of_group)->peer;

		if (peer->mount || !mounts_only)
			session_close(&peer->session);
	}
}

void nodes_group_lost(struct nodes_group *ng, const struct store_version *v)
{
	ng->seq = v->last_seq;
	ng->version = v->member_version;
	if (ng->base_seq > ng->seq)
		ng->base_seq = ng->seq;
	if (ng->base_version > ng->version)
		ng->base_version = ng->version;
	ng->group->last_seq = v->last_seq;
	group_stale(ng->group);
	disconnect(ng->group, false);
}

static void put_out(struct nodes_group *ng, const struct look *l)
{
	log_warn("changes of members are not kept any more: group=%llu",
		 (unsigned long long)ng->id);
	/* They answer from what they were told, the roles of all too. */
	disconnect(ng->group, true);
	for (size_t i = 0; i < l->nwatchers && ng->group != NULL; i++) {
		struct store_change change = { .change = MEMBER_REMOVED };
		struct event e = { .kind = EVENT_MEMBERS,
				   .group_id = ng->id,
				   .changes = &change,
				   .count = 1 };

		if (l->watchers[i].role != ROLE_NONE)
			continue;
		list_init(&e.link);
		str_to_cstr(str_of(l->watchers[i].user), change.user,
			    sizeof(change.user));
		nodes_note(ng->nodes, &e);
		fanout_event(ng->nodes->registry, &e);
	}
	/* An event of our own may have been told meanwhile. */
	if (ng->version < l->version.member_version)
		ng->version = l->version.member_version;
	ng->roles = false;
}

static void tell_changes(struct nodes_group *ng, struct look *l)
{
	struct nodes *n = ng->nodes;
	struct list *el;

	while ((el = list_pop(&l->changes)) != NULL) {
		struct event *e = container_of(el, struct event, link);

		if (ng->group != NULL && e->version > ng->version) {
			ng->version = e->version;
			n->figures.changes++;
			nodes_note(n, e);
			fanout_event(n->registry, e);
		}
		event_free(e);
	}
}

static void note_lag(struct nodes *n, const struct event *e)
{
	uint64_t now = env_now_ms(n->env);
	uint64_t lag = now > e->newest_ms ? now - e->newest_ms : 0;

	n->figures.messages += e->last_seq - e->first_seq + 1;
	histogram_add(&n->figures.lag, lag * 1000000, 1);
}

static void tell_messages(struct nodes_group *ng, struct look *l)
{
	struct event *e = l->messages;
	uint64_t last_seq = l->version.last_seq;

	e->remote = true;
	/* So far behind, or no longer kept: each reads the log for himself. */
	if (last_seq > e->last_seq &&
	    (last_seq - e->last_seq > NODES_FAR || l->lost)) {
		struct event grown = { .kind = EVENT_MESSAGES,
				       .group_id = ng->id,
				       .first_seq = last_seq,
				       .last_seq = last_seq };

		list_init(&grown.link);
		if (ng->seq < last_seq)
			ng->seq = last_seq;
		fanout_event(ng->nodes->registry, &grown);
		return;
	}
	if (e->last_seq <= ng->seq)
		return;
	note_lag(ng->nodes, e);
	nodes_strip(ng, e);
	ng->seq = e->last_seq;
	fanout_event(ng->nodes->registry, e);
	nodes_note_told(ng->nodes, e);
}

bool nodes_group_floor(struct nodes_group *ng, const struct store_version *v)
{
	struct event e = { .kind = EVENT_FLOOR,
			   .group_id = ng->id,
			   .first_seq = v->first_seq,
			   .first_off = v->first_off,
			   .first_jsonl_off = v->first_jsonl_off };

	if (v->first_seq <= ng->first_seq || v->first_seq > ng->seq + 1)
		return false;
	list_init(&e.link);
	ng->first_seq = v->first_seq;
	fanout_event(ng->nodes->registry, &e);
	return true;
}

/* Whether messages are there by their number, but none is found: once, they
 * came between the two questions; twice, they are not kept any more. */
static bool is_trimmed(struct nodes_group *ng, const struct look *l)
{
	uint64_t first = l->messages->first_seq;
	bool again = ng->missed == first;
	bool missing =
		l->messages->last_seq < first && l->version.last_seq >= first;

	ng->missed = missing ? first : 0;
	return missing && again;
}

/* Whether it brought anything. */
static bool tell(struct nodes_group *ng, struct look *l)
{
	uint64_t seq = ng->seq;
	uint64_t version = ng->version;
	bool moved = false;

	if (!l->there) {
		tell_deleted(ng);
		return true;
	}
	/* Who watches is asked for first, and read anew. */
	if (!l->kept && !ng->roles) {
		ng->roles = true;
		ng->look = true;
		return true;
	}
	if (ng->roles && l->watchers != NULL)
		put_out(ng, l);
	tell_changes(ng, l);
	l->lost = l->lost || is_trimmed(ng, l);
	if (ng->group != NULL)
		tell_messages(ng, l);
	if (ng->group != NULL)
		moved = nodes_group_floor(ng, &l->version);
	/* A part of them was read, or more came. */
	if (l->version.last_seq > ng->seq)
		ng->look = true;
	return moved || ng->seq > seq || ng->version > version;
}

/* What a local event has brought meanwhile is none. */
static bool is_lie(const struct look *l)
{
	return l->want > l->version.last_seq ||
	       l->want_version > l->version.member_version ||
	       (l->want_gone && l->there);
}

static void look_done(struct readers_job *job)
{
	struct look *l = container_of(job, struct look, job);
	struct nodes_group *ng = l->ng;
	struct nodes *n = ng->nodes;

	if (l->rc < 0 && !n->closing)
		nodes_failed(n, &l->err);
	if (l->rc >= 0 && ng->group != NULL && !n->closing) {
		nodes_answered(n);
		ng->looked = l->serial;
		if (tell(ng, l))
			ng->futile = 0;
		else if (is_lie(l))
			ng->futile++;
	}
	ng->busy = false;
	/* What failed is tried again by the next sweep. */
	if (l->rc >= 0 && ng->group != NULL && nodes_group_wants(ng))
		nodes_group_kick(ng);
	nodes_group_drop(ng);
	look_free(l);
}

bool nodes_group_wants(const struct nodes_group *ng)
{
	return ng->look || ng->want_gone || ng->want > ng->seq ||
	       ng->want_version > ng->version;
}

/* All who watch, each once a watch: few do when this is needed. */
static int gather_watchers(struct look *l, const struct group *group)
{
	size_t count = 0;

	for (const struct list *i = group->interests.next;
	     i != &group->interests; i = i->next) {
		const struct interest *of =
			container_of(i, const struct interest, of_group);

		for (const struct list *w = of->watches.next; w != &of->watches;
		     w = w->next)
			count++;
	}
	l->watchers = calloc(count + 1, sizeof(*l->watchers));
	if (l->watchers == NULL)
		return -1;
	for (const struct list *i = group->interests.next;
	     i != &group->interests; i = i->next) {
		const struct interest *of =
			container_of(i, const struct interest, of_group);

		for (const struct list *w = of->watches.next; w != &of->watches;
		     w = w->next) {
			const struct watch *watch = container_of(
				w, const struct watch, of_interest);
			struct watcher *to = &l->watchers[l->nwatchers++];

			str_to_cstr(str_of(watch->principal->user), to->user,
				    sizeof(to->user));
		}
	}
	return 0;
}

/* NULL without memory. */
static struct look *look_new(struct nodes_group *ng)
{
	struct look *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	list_init(&l->changes);
	l->messages = calloc(1, sizeof(*l->messages));
	if (l->messages == NULL ||
	    (ng->roles && gather_watchers(l, ng->group) < 0)) {
		look_free(l);
		return NULL;
	}
	list_init(&l->messages->link);
	l->messages->kind = EVENT_MESSAGES;
	l->messages->group_id = ng->id;
	l->messages->first_seq = ng->seq + 1;
	l->ng = ng;
	l->id = ng->id;
	l->after_version = ng->version;
	l->want = ng->want;
	l->want_version = ng->want_version;
	l->want_gone = ng->want_gone;
	l->job.run = run_look;
	l->job.done = look_done;
	return l;
}

void nodes_group_kick(struct nodes_group *ng)
{
	struct nodes *n = ng->nodes;
	struct look *l;

	if (ng->busy || n->closing || ng->group == NULL)
		return;
	/* Without memory, or room: the next sweep. */
	l = look_new(ng);
	if (l == NULL)
		return;
	l->serial = ++n->serial;
	if (readers_submit(&n->pool, &l->job) < 0) {
		look_free(l);
		return;
	}
	ng->busy = true;
	ng->look = false;
	ng->want = 0;
	ng->want_version = 0;
	ng->want_gone = false;
}
