/* SPDX-License-Identifier: MIT */
/*
 * A group is there as long as it has a watch, and a watch as long as it has a
 * sub. While a group is held, its subs may end in a loop: neither it nor its
 * watches go before let_go().
 */
#include <assert.h>
#include <stdlib.h>

#include "lib/feed_private.h"

/* Groups. */

struct feed_group_private *feed_group_find(struct feed_private *p, uint64_t id)
{
	struct table_node *node = table_find(&p->by_id, table_hash_u64(id));

	for (; node != NULL; node = table_next(node)) {
		struct feed_group_private *g =
			container_of(node, struct feed_group_private, node);

		if (g->pub.group_id == id)
			return g;
	}
	return NULL;
}

static struct feed_group_private *group_get(struct feed_private *p, uint64_t id)
{
	struct feed_group_private *g = feed_group_find(p, id);

	if (g != NULL)
		return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->pub.group_id = id;
	g->pub.p = g;
	g->feed = p;
	list_init(&g->watches);
	list_init(&g->idle);
	if (!table_insert(&p->by_id, &g->node, table_hash_u64(id))) {
		free(g);
		return NULL;
	}
	list_push(&p->groups, &g->link);
	return g;
}

static void group_unused(struct feed_group_private *g)
{
	if (!list_empty(&g->watches))
		return;
	table_remove(&g->feed->by_id, &g->node);
	list_remove(&g->link);
	feed_recent_drop_all(g);
	free(g->recent);
	free(g);
}

static void watch_unused(struct feed_watch *w)
{
	struct feed_group_private *g = w->group->p;
	const struct wire_body_unwatch body = { .group_id = g->pub.group_id,
						.kind = w->kind };
	bool asked = w->req.client != NULL && w->req.sent;

	if (!list_empty(&w->subs))
		return;
	if (g->held) {
		list_remove(&w->idle);
		list_push(&g->idle, &w->idle);
		return;
	}
	client_cancel(&w->req);
	if (w->made || asked)
		client_tell(g->feed->c, w->principal, WIRE_UNWATCH, &body);
	table_remove(&g->feed->watches, &w->node);
	list_remove(&w->link);
	list_remove(&w->retry);
	list_remove(&w->idle);
	free(w);
	group_unused(g);
}

static void hold(struct feed_group_private *g)
{
	assert(!g->held && !list_empty(&g->watches));
	g->held = true;
}

static void let_go(struct feed_group_private *g)
{
	struct list idle;

	g->held = false;
	list_init(&idle);
	list_splice(&idle, &g->idle);
	/* With the last one g goes, perhaps. */
	while (!list_empty(&idle))
		watch_unused(
			container_of(list_pop(&idle), struct feed_watch, idle));
}

static void wake_watch(struct feed_watch *w)
{
	for (struct list *l = w->subs.next; l != &w->subs; l = l->next) {
		struct feed_sub *sub = container_of(l, struct feed_sub, link);

		if (sub->state == FEED_LIVE)
			feed_wake(w->group->p->feed, sub);
	}
}

void feed_group_wake(struct feed_group_private *g)
{
	struct feed_private *p = g->feed;

	p->wide = p->wide || (p->grown != 0 && p->grown != g->pub.group_id);
	p->grown = g->pub.group_id;
	for (struct list *w = g->watches.next; w != &g->watches; w = w->next)
		wake_watch(container_of(w, struct feed_watch, link));
}

/* Ending. */

void feed_sub_detach(struct feed_sub *sub)
{
	struct feed_watch *w = sub->watch;

	feed_page_free(sub);
	list_remove(&sub->link);
	sub->watch = NULL;
	sub->group = NULL;
	watch_unused(w);
}

void feed_sub_end(struct feed_sub *sub, const struct err *err)
{
	feed_wake(sub->group->p->feed, sub);
	sub->state = FEED_ENDED;
	sub->err = err_keep(err);
	feed_sub_detach(sub);
}

void feed_sub_end_cut(struct feed_sub *sub, uint64_t first_seq)
{
	struct err err;

	err_set(&err, ERR_EPOCH_CHANGED,
		"The messages before %llu are not kept any more: start again "
		"from there",
		(unsigned long long)first_seq);
	sub->cut_epoch = sub->group->epoch;
	sub->cut_seq = first_seq;
	feed_sub_end(sub, &err);
}

void feed_sub_end_epoch(struct feed_sub *sub, uint64_t epoch,
			uint64_t first_seq)
{
	struct err err;

	err_set(&err, ERR_EPOCH_CHANGED, NULL);
	sub->cut_epoch = epoch;
	sub->cut_seq = first_seq;
	sub->is_other_log = true;
	feed_sub_end(sub, &err);
}

/* The caller holds the group. */
static void end_watch(struct feed_watch *w, const struct err *err)
{
	while (!list_empty(&w->subs))
		feed_sub_end(container_of(w->subs.next, struct feed_sub, link),
			     err);
}

/* Ends who reads already, and not who starts. The caller holds the group. */
static void end_live(struct feed_group_private *g,
		     const struct wire_body_watching *now)
{
	for (struct list *w = g->watches.next; w != &g->watches; w = w->next) {
		struct list *subs =
			&container_of(w, struct feed_watch, link)->subs;

		for (struct list *l = subs->next, *n; l != subs; l = n) {
			struct feed_sub *sub =
				container_of(l, struct feed_sub, link);

			n = l->next;
			if (sub->state == FEED_LIVE)
				feed_sub_end_epoch(sub, now->epoch,
						   now->first_seq);
		}
	}
}

void feed_group_end(struct feed_group_private *g, const struct str *user,
		    enum err_code code)
{
	struct err err;

	err_set(&err, code, NULL);
	hold(g);
	for (struct list *l = g->watches.next; l != &g->watches; l = l->next) {
		struct feed_watch *w = container_of(l, struct feed_watch, link);

		if (user == NULL || str_eq(str_of(w->principal->name), *user))
			end_watch(w, &err);
	}
	let_go(g);
}

/* A group goes with its last sub. */
void feed_groups_end_all(struct feed_private *p, enum err_code code)
{
	while (!list_empty(&p->groups))
		feed_group_end(container_of(p->groups.next,
					    struct feed_group_private, link),
			       NULL, code);
}

/* Watching. */

static bool is_cut(const struct feed_group_private *g, uint64_t cursor)
{
	return g->pub.last_seq > cursor && g->pub.first_seq > cursor + 1;
}

/* The caller holds the group. */
static void start_sub(struct feed_sub *sub, uint64_t last_read)
{
	struct feed_group_private *g = sub->group->p;
	struct err err;

	/* From the start: of what there is. */
	if (!sub->from_pointer && sub->cursor == 0 && is_cut(g, 0))
		sub->cursor = g->pub.first_seq - 1;
	if (sub->from_pointer) {
		sub->cursor = last_read < g->pub.last_seq ? last_read
							  : g->pub.last_seq;
		if (is_cut(g, sub->cursor))
			sub->cursor = g->pub.first_seq - 1;
	}
	if (sub->cursor > g->pub.last_seq) {
		err_set(&err, ERR_BAD_REQUEST,
			"after_seq is %llu, but the group ends at %llu",
			(unsigned long long)sub->cursor,
			(unsigned long long)g->pub.last_seq);
		feed_sub_end(sub, &err);
		return;
	}
	if (is_cut(g, sub->cursor)) {
		feed_sub_end_cut(sub, g->pub.first_seq);
		return;
	}
	sub->state = FEED_LIVE;
	sub->start_seq = g->pub.last_seq;
	feed_wake(g->feed, sub);
}

/* Who is before it is told when he reads on and has to pull: what is in memory
 * is what it was, and may be read. */
void feed_group_floor(struct feed_group_private *g,
		      const struct wire_body_ev_floor *ev)
{
	if (ev->first_seq > g->pub.first_seq)
		g->pub.first_seq = ev->first_seq;
}

void feed_watch_start_sub(struct feed_watch *w, struct feed_sub *sub,
			  uint64_t last_read)
{
	struct feed_group_private *g = w->group->p;

	hold(g);
	start_sub(sub, last_read);
	let_go(g);
}

static void on_watching(struct feed_watch *w,
			const struct wire_body_watching *a)
{
	struct feed_group_private *g = w->group->p;
	/* A log that has become shorter is another one, whatever it is called:
	 * its numbers will be those of other messages. */
	bool changed = g->known && (g->pub.epoch != a->epoch ||
				    a->last_seq < g->pub.last_seq);
	bool grown = changed || a->last_seq > g->pub.last_seq;
	bool again = false;

	w->made = true;
	hold(g);
	if (changed) {
		end_live(g, a);
		feed_recent_drop_all(g);
	}
	g->known = true;
	g->pub.epoch = a->epoch;
	if (changed || a->first_seq > g->pub.first_seq)
		g->pub.first_seq = a->first_seq;
	if (grown)
		g->pub.last_seq = a->last_seq;
	for (struct list *l = w->subs.next, *n; l != &w->subs; l = n) {
		struct feed_sub *sub = container_of(l, struct feed_sub, link);

		n = l->next;
		if (sub->state != FEED_STARTING)
			continue;
		/* The answer may be older than what he knows. */
		if (sub->asked_before && sub->cursor > a->last_seq) {
			sub->asked_before = false;
			again = true;
		} else {
			start_sub(sub, a->last_read_seq);
		}
	}
	if (again)
		feed_watch_ask(w);
	/* Not all of them for each that comes: that is as many times as many.
	 */
	if (grown)
		feed_group_wake(g);
	else
		wake_watch(w);
	let_go(g);
}

static void watch_done(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct feed_watch *w = req->data;
	struct feed_group_private *g = w->group->p;

	if (err == NULL) {
		on_watching(w, body);
		return;
	}
	if (feed_is_transient(err->code)) {
		feed_retry_later(g->feed, &g->feed->retry_watches, &w->retry);
		return;
	}
	hold(g);
	end_watch(w, err);
	let_go(g);
}

bool feed_watch_is_asked(const struct feed_watch *w)
{
	return w->req.client != NULL;
}

void feed_watch_ask(struct feed_watch *w)
{
	struct feed_private *p = w->group->p->feed;
	const struct wire_body_watch body = { .group_id = w->group->group_id,
					      .kind = w->kind };

	if (feed_watch_is_asked(w))
		return; /* asked already; the client resends it */
	w->req.data = w;
	if (client_submit(p->c, &w->req, w->principal, WIRE_WATCH, &body, 0,
			  watch_done) != 0)
		feed_retry_later(p, &p->retry_watches, &w->retry);
}

struct feed_watch *feed_watch_get(struct feed_private *p, uint64_t group_id,
				  struct client_principal *principal,
				  enum watch_kind kind)
{
	uint64_t key = table_hash_pair(group_id, (uintptr_t)principal);
	struct feed_group_private *g = group_get(p, group_id);
	struct table_node *n;
	struct feed_watch *w;

	if (g == NULL)
		return NULL;
	for (n = table_find(&p->watches, key); n != NULL; n = table_next(n)) {
		w = container_of(n, struct feed_watch, node);
		if (w->group == &g->pub && w->principal == principal &&
		    w->kind == kind)
			return w;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL || !table_insert(&p->watches, &w->node, key)) {
		free(w);
		group_unused(g);
		return NULL;
	}
	w->principal = principal;
	w->kind = kind;
	w->group = &g->pub;
	list_init(&w->subs);
	list_init(&w->retry);
	list_init(&w->idle);
	list_push(&g->watches, &w->link);
	return w;
}

/* Asking frees nothing and runs no callback: it may be done in these loops. */
static void each_watch(struct feed_private *p, void (*fn)(struct feed_watch *w))
{
	for (struct list *el = p->groups.next; el != &p->groups;
	     el = el->next) {
		struct feed_group_private *g =
			container_of(el, struct feed_group_private, link);

		for (struct list *l = g->watches.next; l != &g->watches;
		     l = l->next)
			fn(container_of(l, struct feed_watch, link));
	}
}

static void unmake(struct feed_watch *w)
{
	w->made = false;
}

void feed_watches_lost(struct feed_private *p)
{
	each_watch(p, unmake);
}

void feed_watches_ask_all(struct feed_private *p)
{
	each_watch(p, feed_watch_ask);
}
