/* SPDX-License-Identifier: MIT */
/*
 *   feed -> group -> watch (one a principal) -> subs
 *             |
 *           recent: consecutive messages, the newest known ones
 *
 * feed_read() needs one rule only: what is in `recent` comes from there, and
 * what is not, but is up to last_seq, is pulled. So `recent` may be thrown
 * away at any time, and is whenever it would get a hole.
 *
 * Messages are freed late, in the second turn after they were dropped:
 * whoever got one from feed_read() may hold it until the end of his turn.
 */
#include "lib/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	GROUP_BUCKETS = 1024 /* bucket() takes 10 bits */,
	RETRY_MS = 200,
	RECENT_FIRST = 16
};

/* What one lagging subscriber pulled, or is pulling. */
struct feed_page {
	struct client_request pull;
	struct feed_sub *sub;
	struct list retry;
	struct feed_message *msgs[FEED_PAGE_COUNT]; /* owned */
	size_t count, pos;
};

struct feed_watch {
	struct list link; /* of its group */
	struct list subs;
	struct list retry;
	struct client_request req;
	struct client_principal *principal; /* borrowed from its subs */
	struct feed_group *group;
	bool made; /* on this connection */
};

struct feed_group_private {
	struct feed_group pub;
	struct feed_private *feed;
	struct feed_group_private *next; /* of the same bucket */
	struct list watches;
	struct feed_message **recent; /* owned ring of `cap` */
	size_t cap, head, count, bytes;
	bool known; /* epoch and the seqs are */
	bool held;  /* nothing of it is freed now */
};

struct feed_private {
	struct feed *f;
	struct client *c; /* borrowed */
	struct feed_group_private *buckets[GROUP_BUCKETS];
	size_t groups;
	struct list waking;
	struct list retry_pages;
	struct list retry_watches;
	struct feed_message *fresh, *old; /* dropped, freed in two turns */
	uv_idle_t turn;
	uv_timer_t retry;
	unsigned handles;
	void (*close_cb)(struct feed *f);
};

/* Messages. */

static size_t message_bytes(const struct feed_message *m)
{
	return sizeof(*m) + m->m.sender.len + m->m.content.len +
	       m->m.media_url.len + m->m.mentions.len + m->m.client_id.len;
}

static void copy_str(char **at, struct str *s)
{
	if (s->len > 0)
		memcpy(*at, s->data, s->len);
	s->data = *at;
	*at += s->len;
}

/* One block: the struct and behind it its strings. */
static struct feed_message *message_new(const struct wire_message *src)
{
	const struct feed_message like = { .m = *src };
	struct feed_message *m = malloc(message_bytes(&like));
	char *at;

	if (m == NULL)
		return NULL;
	*m = like;
	m->bytes = (char *)(m + 1);
	at = m->bytes;
	copy_str(&at, &m->m.sender);
	copy_str(&at, &m->m.content);
	copy_str(&at, &m->m.media_url);
	copy_str(&at, &m->m.mentions);
	copy_str(&at, &m->m.client_id);
	return m;
}

static void free_messages(struct feed_message *m)
{
	while (m != NULL) {
		struct feed_message *next = m->next;

		buf_release(&m->encoded);
		free(m);
		m = next;
	}
}

static void run_turn(uv_idle_t *idle);

static void next_turn(struct feed_private *p)
{
	if (!uv_is_active((uv_handle_t *)&p->turn))
		uv_idle_start(&p->turn, run_turn);
}

static void drop_message(struct feed_private *p, struct feed_message *m)
{
	m->next = p->fresh;
	p->fresh = m;
	next_turn(p);
}

/* The recent messages of a group. */

static struct feed_message *recent_at(const struct feed_group_private *g,
				      size_t i)
{
	return g->recent[(g->head + i) & (g->cap - 1)];
}

static struct feed_message *recent_find(const struct feed_group_private *g,
					uint64_t seq)
{
	uint64_t first;

	if (g->count == 0)
		return NULL;
	first = recent_at(g, 0)->m.seq;
	if (seq < first || seq - first >= g->count)
		return NULL;
	return recent_at(g, (size_t)(seq - first));
}

static void recent_drop_first(struct feed_group_private *g)
{
	struct feed_message *m = recent_at(g, 0);

	g->bytes -= message_bytes(m);
	g->head = (g->head + 1) & (g->cap - 1);
	g->count--;
	drop_message(g->feed, m);
}

static void recent_drop_all(struct feed_group_private *g)
{
	while (g->count > 0)
		recent_drop_first(g);
}

static bool recent_grow(struct feed_group_private *g)
{
	size_t cap = g->cap == 0 ? RECENT_FIRST : g->cap * 2;
	struct feed_message **ring;

	if (g->count < g->cap)
		return true;
	ring = calloc(cap, sizeof(struct feed_message *));
	if (ring == NULL)
		return false;
	for (size_t i = 0; i < g->count; i++)
		ring[i] = recent_at(g, i);
	free(g->recent);
	g->recent = ring;
	g->cap = cap;
	g->head = 0;
	return true;
}

/* Without memory nothing is kept, and it will be pulled. */
static void recent_add(struct feed_group_private *g,
		       const struct wire_message *src)
{
	uint64_t last = g->count == 0 ? 0 : recent_at(g, g->count - 1)->m.seq;
	struct feed_message *m;

	if (g->count > 0 && src->seq <= last)
		return; /* known already */
	if (g->count > 0 && src->seq != last + 1)
		recent_drop_all(g);
	m = message_new(src);
	if (m == NULL || !recent_grow(g)) {
		free(m);
		recent_drop_all(g);
		return;
	}
	g->recent[(g->head + g->count) & (g->cap - 1)] = m;
	g->count++;
	g->bytes += message_bytes(m);
	while (g->count > FEED_RECENT_COUNT ||
	       (g->bytes > FEED_RECENT_BYTES && g->count > 1))
		recent_drop_first(g);
}

/* Waking. */

static void wake(struct feed_private *p, struct feed_sub *sub)
{
	if (sub->waking)
		return;
	sub->waking = true;
	list_push(&p->waking, &sub->wake_link);
	next_turn(p);
}

static void wake_group(struct feed_group_private *g)
{
	for (struct list *w = g->watches.next; w != &g->watches; w = w->next) {
		struct list *subs =
			&container_of(w, struct feed_watch, link)->subs;

		for (struct list *l = subs->next; l != subs; l = l->next) {
			struct feed_sub *sub =
				container_of(l, struct feed_sub, link);

			if (sub->state == FEED_LIVE)
				wake(g->feed, sub);
		}
	}
}

/* A sub may unsubscribe any other while this runs: they are popped. */
static void run_turn(uv_idle_t *idle)
{
	struct feed_private *p = idle->data;
	struct list mine;

	free_messages(p->old);
	p->old = p->fresh;
	p->fresh = NULL;
	if (p->old == NULL)
		uv_idle_stop(idle);
	list_init(&mine);
	list_splice(&mine, &p->waking);
	while (!list_empty(&mine)) {
		struct feed_sub *sub = container_of(list_pop(&mine),
						    struct feed_sub, wake_link);

		sub->waking = false;
		sub->wake(sub);
	}
}

/* Groups and watches. */

static struct feed_group_private **bucket(struct feed_private *p, uint64_t id)
{
	uint64_t h = id * UINT64_C(0x9E3779B97F4A7C15);

	return &p->buckets[h >> 54]; /* 10 bits: as many as there are */
}

static struct feed_group_private *find_group(struct feed_private *p,
					     uint64_t id)
{
	struct feed_group_private *g = *bucket(p, id);

	while (g != NULL && g->pub.group_id != id)
		g = g->next;
	return g;
}

static struct feed_group_private *need_group(struct feed_private *p,
					     uint64_t id)
{
	struct feed_group_private *g = find_group(p, id);

	if (g != NULL)
		return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->pub.group_id = id;
	g->pub.p = g;
	g->feed = p;
	list_init(&g->watches);
	g->next = *bucket(p, id);
	*bucket(p, id) = g;
	p->groups++;
	return g;
}

static void group_unused(struct feed_group_private *g)
{
	struct feed_group_private **at;

	if (!list_empty(&g->watches))
		return;
	at = bucket(g->feed, g->pub.group_id);
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	g->feed->groups--;
	recent_drop_all(g);
	free(g->recent);
	free(g);
}

static void watch_unused(struct feed_watch *w)
{
	struct feed_group_private *g = w->group->p;
	const struct wire_body_unwatch body = { .group_id = g->pub.group_id };
	bool asked = w->req.client != NULL && w->req.sent;

	if (!list_empty(&w->subs) || g->held)
		return;
	client_cancel(&w->req);
	if (w->made || asked)
		client_tell(g->feed->c, w->principal, WIRE_UNWATCH, &body);
	list_remove(&w->link);
	list_remove(&w->retry);
	free(w);
	group_unused(g);
}

static void free_page(struct feed_private *p, struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (page == NULL)
		return;
	client_cancel(&page->pull);
	list_remove(&page->retry);
	for (size_t i = 0; i < page->count; i++)
		drop_message(p, page->msgs[i]);
	free(page);
	sub->page = NULL;
}

/* Takes the sub off its watch, which may go with it, and the group. */
static void detach(struct feed_sub *sub)
{
	struct feed_watch *w = sub->watch;

	free_page(w->group->p->feed, sub);
	list_remove(&sub->link);
	sub->watch = NULL;
	sub->group = NULL;
	watch_unused(w);
}

static void end(struct feed_sub *sub, const struct err *err)
{
	wake(sub->group->p->feed, sub);
	sub->state = FEED_ENDED;
	sub->err = *err;
	detach(sub);
}

/* While a group is held, its subs may end in a loop: neither it nor its
 * watches go before let_go(). */
static void hold(struct feed_group_private *g)
{
	assert(!g->held);
	g->held = true;
}

static void let_go(struct feed_group_private *g)
{
	struct list *next;
	bool last;

	g->held = false;
	if (list_empty(&g->watches))
		return;
	next = g->watches.next;
	do {
		struct feed_watch *w =
			container_of(next, struct feed_watch, link);

		next = next->next;
		last = next == &g->watches;
		watch_unused(w); /* with the last one g goes, perhaps */
	} while (!last);
}

/* The caller holds the group. */
static void end_watch(struct feed_watch *w, const struct err *err)
{
	while (!list_empty(&w->subs))
		end(container_of(w->subs.next, struct feed_sub, link), err);
}

/* Ends who reads already, and not who starts. The caller holds the group. */
static void end_live(struct feed_group_private *g, const struct err *err)
{
	for (struct list *w = g->watches.next; w != &g->watches; w = w->next) {
		struct list *subs =
			&container_of(w, struct feed_watch, link)->subs;

		for (struct list *l = subs->next, *n; l != subs; l = n) {
			struct feed_sub *sub =
				container_of(l, struct feed_sub, link);

			n = l->next;
			if (sub->state == FEED_LIVE)
				end(sub, err);
		}
	}
}

static void end_sub_code(struct feed_sub *sub, enum err_code code)
{
	struct err err;

	err_set(&err, code, NULL);
	end(sub, &err);
}

/* Not a refusal: asked again a little later, or after a reconnect. */
static bool is_transient(enum err_code code)
{
	return code == ERR_UNAVAILABLE || code == ERR_OUTCOME_UNKNOWN ||
	       code == ERR_RATE_LIMITED || code == ERR_OUT_OF_SPACE;
}

static void ask_watch(struct feed_watch *w);

static void retry_cb(uv_timer_t *timer)
{
	struct feed_private *p = timer->data;
	struct list watches;

	list_init(&watches);
	list_splice(&watches, &p->retry_watches);
	while (!list_empty(&watches))
		ask_watch(container_of(list_pop(&watches), struct feed_watch,
				       retry));
	/* Who is woken reads, and reading pulls. */
	while (!list_empty(&p->retry_pages))
		wake(p, container_of(list_pop(&p->retry_pages),
				     struct feed_page, retry)
				->sub);
}

static void retry_later(struct feed_private *p, struct list *list,
			struct list *el)
{
	list_remove(el);
	list_push(list, el);
	if (!uv_is_active((uv_handle_t *)&p->retry))
		uv_timer_start(&p->retry, retry_cb, RETRY_MS, 0);
}

/* Watching. */

static bool is_cut(const struct feed_group_private *g, uint64_t cursor)
{
	return g->pub.last_seq > cursor && g->pub.first_seq > cursor + 1;
}

static void end_cut(struct feed_sub *sub, uint64_t first_seq)
{
	struct err err;

	err_set(&err, ERR_EPOCH_CHANGED,
		"The log begins at %llu now: older messages are not kept",
		(unsigned long long)first_seq);
	end(sub, &err);
}

/* The watch is made: the sub starts where it wanted to, or ends. */
static void go_live(struct feed_sub *sub, uint64_t last_read)
{
	struct feed_group_private *g = sub->group->p;
	struct err err;

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
		end(sub, &err);
		return;
	}
	if (is_cut(g, sub->cursor)) {
		end_cut(sub, g->pub.first_seq);
		return;
	}
	sub->state = FEED_LIVE;
	sub->start_seq = g->pub.last_seq;
	wake(g->feed, sub);
}

static void on_watching(struct feed_watch *w,
			const struct wire_body_watching *a)
{
	struct feed_group_private *g = w->group->p;
	bool changed = g->known && g->pub.epoch != a->epoch;
	struct err err;

	w->made = true;
	hold(g);
	if (changed) {
		err_set(&err, ERR_EPOCH_CHANGED, NULL);
		end_live(g, &err);
		recent_drop_all(g);
	}
	g->known = true;
	g->pub.epoch = a->epoch;
	g->pub.first_seq = a->first_seq;
	if (changed || a->last_seq > g->pub.last_seq)
		g->pub.last_seq = a->last_seq;
	for (struct list *l = w->subs.next, *n; l != &w->subs; l = n) {
		struct feed_sub *sub = container_of(l, struct feed_sub, link);

		n = l->next;
		if (sub->state == FEED_STARTING)
			go_live(sub, a->last_read_seq);
	}
	wake_group(g);
	let_go(g);
}

static void watch_done(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct feed_watch *w = req->data;
	struct feed_group_private *g = w->group->p;
	const struct wire_body_watching *a = body;

	if (err != NULL && is_transient(err->code)) {
		retry_later(g->feed, &g->feed->retry_watches, &w->retry);
		return;
	}
	if (err == NULL) {
		on_watching(w, a);
		return;
	}
	hold(g);
	end_watch(w, err);
	let_go(g);
}

static void ask_watch(struct feed_watch *w)
{
	struct feed_private *p = w->group->p->feed;
	const struct wire_body_watch body = { .group_id = w->group->group_id };

	if (w->req.client != NULL)
		return; /* asked already; the client resends it */
	w->req.data = w;
	if (client_submit(p->c, &w->req, w->principal, WIRE_WATCH, &body, 0,
			  watch_done) != 0)
		retry_later(p, &p->retry_watches, &w->retry);
}

static struct feed_watch *need_watch(struct feed_group_private *g,
				     struct client_principal *principal)
{
	struct feed_watch *w;

	for (struct list *l = g->watches.next; l != &g->watches; l = l->next) {
		w = container_of(l, struct feed_watch, link);
		if (w->principal == principal)
			return w;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->principal = principal;
	w->group = &g->pub;
	list_init(&w->subs);
	list_init(&w->retry);
	list_push(&g->watches, &w->link);
	return w;
}

/* Pulling. */

static bool take_page(struct feed_page *page, struct str list)
{
	struct wire_message m;
	int rc;

	while (page->count < FEED_PAGE_COUNT) {
		struct feed_message *copy;

		rc = wire_next(&list, &wire_schema_message, &m);
		if (rc <= 0)
			return rc == 0;
		if (m.seq != page->sub->cursor + page->count + 1)
			return page->count > 0;
		copy = message_new(&m);
		if (copy == NULL)
			return page->count > 0;
		page->msgs[page->count++] = copy;
	}
	return true;
}

static void pull_done(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct feed_page *page = container_of(req, struct feed_page, pull);
	struct feed_sub *sub = page->sub;
	struct feed_group_private *g = sub->group->p;
	struct feed_private *p = g->feed;
	const struct wire_body_messages *a = body;

	if (err != NULL && !is_transient(err->code)) {
		end(sub, err);
		return;
	}
	if (err != NULL) {
		retry_later(p, &p->retry_pages, &page->retry);
		return;
	}
	if (a->epoch != g->pub.epoch) {
		end_sub_code(sub, ERR_EPOCH_CHANGED);
		return;
	}
	if (a->first_seq > sub->cursor + 1 && a->last_seq > sub->cursor) {
		end_cut(sub, a->first_seq);
		return;
	}
	if (!take_page(page, a->messages) || page->count == 0)
		retry_later(p, &p->retry_pages, &page->retry);
	else
		wake(p, sub);
}

static void pull(struct feed_sub *sub)
{
	struct feed_private *p = sub->group->p->feed;
	const struct wire_body_pull body = { .group_id = sub->group->group_id,
					     .after_seq = sub->cursor,
					     .limit = FEED_PAGE_COUNT,
					     .max_bytes = FEED_PAGE_BYTES };
	struct feed_page *page = sub->page;

	/* Under way, or waiting for its retry. */
	if (page->pull.client != NULL || !list_empty(&page->retry))
		return;
	for (size_t i = 0; i < page->count; i++)
		drop_message(p, page->msgs[i]);
	page->count = 0;
	page->pos = 0;
	if (client_submit(p->c, &page->pull, sub->principal, WIRE_PULL, &body,
			  0, pull_done) != 0)
		retry_later(p, &p->retry_pages, &page->retry);
}

static struct feed_page *need_page(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (page != NULL)
		return page;
	page = calloc(1, sizeof(*page));
	if (page == NULL)
		return NULL;
	page->sub = sub;
	list_init(&page->retry);
	sub->page = page;
	return page;
}

/* Reading. */

int feed_read(struct feed_sub *sub, struct feed_message **out)
{
	struct feed_page *page = sub->page;
	struct feed_message *m;

	if (sub->state == FEED_ENDED)
		return err_rc(&sub->err);
	if (sub->state != FEED_LIVE)
		return 0;
	if (page != NULL && page->pos < page->count) {
		*out = page->msgs[page->pos++];
		sub->cursor = (*out)->m.seq;
		return 1;
	}
	if (sub->cursor >= sub->group->last_seq)
		return 0;
	m = recent_find(sub->group->p, sub->cursor + 1);
	if (m != NULL) {
		free_page(sub->group->p->feed, sub);
		sub->cursor = m->m.seq;
		*out = m;
		return 1;
	}
	if (need_page(sub) != NULL)
		pull(sub);
	else /* without memory: again when something happens */
		wake(sub->group->p->feed, sub);
	return 0;
}

void feed_unread(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (sub->state != FEED_LIVE)
		return;
	assert(sub->cursor > 0);
	if (page != NULL && page->pos > 0 &&
	    page->msgs[page->pos - 1]->m.seq == sub->cursor)
		page->pos--;
	sub->cursor--;
}

bool feed_caught_up(const struct feed_sub *sub)
{
	return sub->state == FEED_LIVE && sub->cursor >= sub->group->last_seq;
}

const struct feed_group *feed_group_of(const struct feed_sub *sub)
{
	assert(sub->state == FEED_LIVE);
	return sub->group;
}

int feed_subscribe(struct feed *f, struct feed_sub *sub,
		   struct client_principal *principal, uint64_t group_id,
		   uint64_t after_seq, feed_wake_cb wake_cb)
{
	struct feed_private *p = f->p;
	struct feed_group_private *g = need_group(p, group_id);
	struct feed_watch *w = g == NULL ? NULL : need_watch(g, principal);
	bool from_pointer = after_seq == FEED_FROM_POINTER;

	if (w == NULL) {
		if (g != NULL)
			group_unused(g);
		return -ENOMEM;
	}
	*sub = (struct feed_sub){ .data = sub->data,
				  .group = &g->pub,
				  .watch = w,
				  .principal = principal,
				  .wake = wake_cb,
				  .from_pointer = from_pointer,
				  .cursor = from_pointer ? 0 : after_seq };
	list_init(&sub->wake_link);
	list_push(&w->subs, &sub->link);
	if (!w->made || from_pointer || after_seq > g->pub.last_seq) {
		ask_watch(w);
		return 0;
	}
	hold(g);
	go_live(sub, 0);
	let_go(g);
	return 0;
}

void feed_unsubscribe(struct feed_sub *sub)
{
	if (sub->wake == NULL)
		return;
	if (sub->waking)
		list_remove(&sub->wake_link);
	sub->waking = false;
	if (sub->watch != NULL)
		detach(sub);
	sub->wake = NULL;
}

/* What groupd says. */

static void on_messages(struct feed_group_private *g,
			const struct wire_body_ev_messages *ev)
{
	struct str list = ev->messages;
	struct wire_message m;

	while (wire_next(&list, &wire_schema_message, &m) == 1) {
		recent_add(g, &m);
		if (m.seq > g->pub.last_seq)
			g->pub.last_seq = m.seq;
	}
	wake_group(g);
}

static void on_member(struct feed_group_private *g,
		      const struct wire_body_ev_member *ev)
{
	struct err err;

	if (ev->change != MEMBER_REMOVED)
		return;
	err_set(&err, ERR_NOT_MEMBER, NULL);
	hold(g);
	for (struct list *l = g->watches.next; l != &g->watches; l = l->next) {
		struct feed_watch *w = container_of(l, struct feed_watch, link);

		if (str_eq(str_of(w->principal->name), ev->user))
			end_watch(w, &err);
	}
	let_go(g);
}

static void on_deleted(struct feed_group_private *g)
{
	struct err err;

	err_set(&err, ERR_NO_SUCH_GROUP, NULL);
	hold(g);
	for (struct list *l = g->watches.next; l != &g->watches; l = l->next)
		end_watch(container_of(l, struct feed_watch, link), &err);
	let_go(g);
}

void feed_on_event(struct feed *f, const struct wire_header *header,
		   const void *body)
{
	const union wire_body *b = body;
	struct feed_group_private *g;

	switch (header->type) {
	case WIRE_EV_MESSAGES:
		g = find_group(f->p, b->ev_messages.group_id);
		if (g != NULL)
			on_messages(g, &b->ev_messages);
		break;
	case WIRE_EV_GROWN:
		g = find_group(f->p, b->ev_grown.group_id);
		if (g != NULL && b->ev_grown.last_seq > g->pub.last_seq) {
			g->pub.last_seq = b->ev_grown.last_seq;
			wake_group(g);
		}
		break;
	case WIRE_EV_MEMBER:
		g = find_group(f->p, b->ev_member.group_id);
		if (g != NULL)
			on_member(g, &b->ev_member);
		break;
	case WIRE_EV_DELETED:
		g = find_group(f->p, b->ev_deleted.group_id);
		if (g != NULL)
			on_deleted(g);
		break;
	default:
		break;
	}
}

void feed_on_state(struct feed *f, bool online)
{
	struct feed_private *p = f->p;

	for (size_t i = 0; i < sizeof(p->buckets) / sizeof(*p->buckets); i++)
		for (struct feed_group_private *g = p->buckets[i]; g != NULL;
		     g = g->next)
			for (struct list *l = g->watches.next; l != &g->watches;
			     l = l->next) {
				struct feed_watch *w = container_of(
					l, struct feed_watch, link);

				w->made = false;
				if (online)
					ask_watch(w);
			}
}

int feed_start(struct feed *f, uv_loop_t *loop, struct client *c)
{
	struct feed_private *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	f->p = p;
	p->f = f;
	p->c = c;
	list_init(&p->waking);
	list_init(&p->retry_pages);
	list_init(&p->retry_watches);
	(void)uv_idle_init(loop, &p->turn); /* these two cannot fail */
	(void)uv_timer_init(loop, &p->retry);
	p->turn.data = p;
	p->retry.data = p;
	p->handles = 2;
	return 0;
}

static void closed_cb(uv_handle_t *handle)
{
	struct feed_private *p = handle->data;
	struct feed *f = p->f;
	void (*cb)(struct feed *) = p->close_cb;

	if (--p->handles > 0)
		return;
	free_messages(p->fresh);
	free_messages(p->old);
	free(p);
	f->p = NULL;
	if (cb != NULL)
		cb(f);
}

void feed_close(struct feed *f, void (*cb)(struct feed *f))
{
	struct feed_private *p = f->p;

	assert(p->groups == 0 && list_empty(&p->waking));
	p->close_cb = cb;
	uv_close((uv_handle_t *)&p->turn, closed_cb);
	uv_close((uv_handle_t *)&p->retry, closed_cb);
}
