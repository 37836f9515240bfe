/* SPDX-License-Identifier: MIT */
#include "lib/feed.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/feed_private.h"

enum { RETRY_MS = 200 };

/* Waking, and freeing late. */

/* A sub may unsubscribe any other while this runs: they are popped. */
static void turn_cb(uv_idle_t *idle)
{
	struct feed_private *p = idle->data;
	struct list mine;

	feed_messages_free(p->old);
	p->old = p->fresh;
	p->fresh = NULL;
	if (p->old == NULL)
		uv_idle_stop(idle);
	list_init(&mine);
	list_splice(&mine, &p->waking);
	p->wide_turn = p->wide;
	p->wide = false;
	p->grown = 0;
	while (!list_empty(&mine)) {
		struct feed_sub *sub = container_of(list_pop(&mine),
						    struct feed_sub, wake_link);

		sub->waking = false;
		sub->wake(sub);
	}
	if (p->wide_turn && p->turned != NULL)
		p->turned(p->f);
	p->wide_turn = false;
}

static void next_turn(struct feed_private *p)
{
	if (!uv_is_active((uv_handle_t *)&p->turn))
		uv_idle_start(&p->turn, turn_cb);
}

void feed_wake(struct feed_private *p, struct feed_sub *sub)
{
	if (sub->waking)
		return;
	sub->waking = true;
	list_push(&p->waking, &sub->wake_link);
	next_turn(p);
}

void feed_drop_message(struct feed_private *p, struct feed_message *m)
{
	m->next = p->fresh;
	p->fresh = m;
	next_turn(p);
}

/* Trying again. */

bool feed_is_transient(enum err_code code)
{
	return code == ERR_UNAVAILABLE || code == ERR_OUTCOME_UNKNOWN ||
	       code == ERR_RATE_LIMITED || code == ERR_OUT_OF_SPACE;
}

static void retry_cb(uv_timer_t *timer)
{
	struct feed_private *p = timer->data;
	struct list watches;

	list_init(&watches);
	list_splice(&watches, &p->retry_watches);
	while (!list_empty(&watches))
		feed_watch_ask(container_of(list_pop(&watches),
					    struct feed_watch, retry));
	/* Who is woken reads, and reading pulls. */
	while (!list_empty(&p->retry_pages))
		feed_wake(p, container_of(list_pop(&p->retry_pages),
					  struct feed_page, retry)
				     ->sub);
}

void feed_retry_later(struct feed_private *p, struct list *list,
		      struct list *el)
{
	list_remove(el);
	list_push(list, el);
	if (!uv_is_active((uv_handle_t *)&p->retry))
		uv_timer_start(&p->retry, retry_cb, RETRY_MS, 0);
}

/* Reading. */

int feed_read(struct feed_sub *sub, struct feed_message **out)
{
	struct feed_message *m;

	if (sub->state == FEED_ENDED)
		return err_rc(sub->err);
	if (sub->state != FEED_LIVE)
		return 0;
	/* Another principal may still watch: its messages are not for him. */
	if (sub->principal->state == CLIENT_PRINCIPAL_REFUSED) {
		feed_sub_end(sub, sub->principal->err);
		return err_rc(sub->err);
	}
	m = feed_page_next(sub);
	if (m == NULL && sub->cursor >= sub->group->last_seq) {
		feed_page_free(sub); /* a page waits for nobody who caught up */
		return 0;
	}
	if (m == NULL) {
		m = feed_recent_find(sub->group->p, sub->cursor + 1);
		if (m == NULL) {
			feed_page_pull(sub);
			return 0;
		}
		feed_page_free(sub);
	}
	sub->cursor = m->m.seq;
	*out = m;
	return 1;
}

void feed_unread(struct feed_sub *sub)
{
	if (sub->state != FEED_LIVE)
		return;
	assert(sub->cursor > 0);
	feed_page_unread(sub);
	sub->cursor--;
}

/* All after the cursor that is in memory may be read. */
static bool reads_recent(const struct feed_sub *sub)
{
	return sub->state == FEED_LIVE && sub->page == NULL &&
	       sub->principal->state != CLIENT_PRINCIPAL_REFUSED;
}

struct feed_message *feed_peek(const struct feed_sub *sub, uint64_t seq)
{
	if (!reads_recent(sub) || seq <= sub->cursor)
		return NULL;
	return feed_recent_find(sub->group->p, seq);
}

bool feed_skip(struct feed_sub *sub, uint64_t seq)
{
	const struct feed_group_private *g;

	if (!reads_recent(sub) || seq <= sub->cursor)
		return false;
	g = sub->group->p;
	if (feed_recent_find(g, sub->cursor + 1) == NULL ||
	    feed_recent_find(g, seq) == NULL)
		return false;
	sub->cursor = seq;
	return true;
}

bool feed_caught_up(const struct feed_sub *sub)
{
	return sub->state == FEED_LIVE && sub->cursor >= sub->group->last_seq;
}

bool feed_is_behind(const struct feed_sub *sub)
{
	return sub->state == FEED_LIVE && sub->cursor < sub->group->last_seq;
}

bool feed_is_pulling(const struct feed_sub *sub)
{
	return sub->page != NULL;
}

size_t feed_pulling(const struct feed *f)
{
	return f->p->pulling;
}

bool feed_is_current(const struct feed_sub *sub)
{
	return sub->state == FEED_LIVE && sub->watch->made;
}

uint64_t feed_recent(const struct feed_sub *sub, uint64_t *first)
{
	uint64_t last = sub->group->last_seq;
	const struct feed_group_private *g = sub->group->p;

	assert(sub->state == FEED_LIVE);
	if (last == 0 || feed_recent_find(g, last) == NULL)
		return 0;
	*first = last - g->count + 1;
	return last;
}

const struct wire_message *feed_recent_message(const struct feed_sub *sub,
					       uint64_t seq)
{
	const struct feed_message *m = feed_recent_find(sub->group->p, seq);

	return m == NULL ? NULL : &m->m;
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
	struct feed_watch *w =
		feed_watch_get(f->p, group_id, principal, sub->kind);
	bool from_pointer = after_seq == FEED_FROM_POINTER;

	if (w == NULL)
		return -ENOMEM;
	*sub = (struct feed_sub){ .data = sub->data,
				  .kind = sub->kind,
				  .group = w->group,
				  .watch = w,
				  .principal = principal,
				  .wake = wake_cb,
				  .from_pointer = from_pointer,
				  .asked_before = feed_watch_is_asked(w),
				  .cursor = from_pointer ? 0 : after_seq };
	list_init(&sub->wake_link);
	list_push(&w->subs, &sub->link);
	if (!w->made || from_pointer || after_seq > w->group->last_seq)
		feed_watch_ask(w);
	else
		feed_watch_start_sub(w, sub, 0);
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
		feed_sub_detach(sub);
	err_drop(sub->err);
	sub->err = NULL;
	sub->wake = NULL;
}

/* What groupd says. */

static void on_messages(struct feed_group_private *g,
			const struct wire_body_ev_messages *ev)
{
	struct str list = ev->messages;
	struct wire_message m;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_message, &m)) == 1) {
		feed_recent_add(g, &m);
		if (m.seq > g->pub.last_seq)
			g->pub.last_seq = m.seq;
	}
	feed_group_wake(g);
	/* What it did not say will be pulled once groupd is back. */
	if (rc < 0)
		client_drop(g->feed->c,
			    "groupd sent messages that cannot be decoded");
}

static void on_grown(struct feed_group_private *g, uint64_t last_seq)
{
	if (last_seq <= g->pub.last_seq)
		return;
	g->pub.last_seq = last_seq;
	feed_group_wake(g);
}

/* Of one whose watch was not answered yet nothing is told here: what comes is
 * owed to a watch of before, perhaps of the log that a lost connection ends.
 * The answer says as much, and of which log. */
static struct feed_group_private *known_group(const struct feed *f, uint64_t id)
{
	struct feed_group_private *g = feed_group_find(f->p, id);

	return g != NULL && g->known ? g : NULL;
}

void feed_on_event(struct feed *f, const struct wire_header *header,
		   const void *body)
{
	const union wire_body *b = body;
	struct feed_group_private *g;

	switch (header->type) {
	case WIRE_EV_MESSAGES:
		g = known_group(f, b->ev_messages.group_id);
		if (g != NULL)
			on_messages(g, &b->ev_messages);
		break;
	case WIRE_EV_GROWN:
		g = known_group(f, b->ev_grown.group_id);
		if (g != NULL)
			on_grown(g, b->ev_grown.last_seq);
		break;
	case WIRE_EV_MEMBER:
		g = feed_group_find(f->p, b->ev_member.group_id);
		if (g != NULL && b->ev_member.change == MEMBER_REMOVED)
			feed_group_end(g, &b->ev_member.user, ERR_NOT_MEMBER);
		break;
	case WIRE_EV_FLOOR:
		g = known_group(f, b->ev_floor.group_id);
		if (g != NULL)
			feed_group_floor(g, &b->ev_floor);
		break;
	case WIRE_EV_DELETED:
		g = feed_group_find(f->p, b->ev_deleted.group_id);
		if (g != NULL)
			feed_group_end(g, NULL, ERR_NO_SUCH_GROUP);
		break;
	default:
		break;
	}
}

void feed_on_state(struct feed *f, bool online)
{
	feed_watches_lost(f->p);
	if (online)
		feed_watches_ask_all(f->p);
}

void feed_on_restored(struct feed *f)
{
	feed_groups_end_all(f->p, ERR_EPOCH_CHANGED);
}

/* Start and close. */

int feed_start(struct feed *f, uv_loop_t *loop, struct client *c)
{
	struct feed_private *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	f->p = p;
	p->f = f;
	p->c = c;
	list_init(&p->groups);
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

void feed_on_turned(struct feed *f, void (*cb)(struct feed *f))
{
	f->p->turned = cb;
}

bool feed_turn_is_wide(const struct feed *f)
{
	return f->p->wide_turn;
}

static void closed_cb(uv_handle_t *handle)
{
	struct feed_private *p = handle->data;
	struct feed *f = p->f;
	void (*cb)(struct feed *) = p->close_cb;

	if (--p->handles > 0)
		return;
	feed_messages_free(p->fresh);
	feed_messages_free(p->old);
	table_release(&p->watches);
	table_release(&p->by_id);
	free(p);
	f->p = NULL;
	if (cb != NULL)
		cb(f);
}

void feed_close(struct feed *f, void (*cb)(struct feed *f))
{
	struct feed_private *p = f->p;

	assert(list_empty(&p->groups) && list_empty(&p->waking));
	p->close_cb = cb;
	uv_close((uv_handle_t *)&p->turn, closed_cb);
	uv_close((uv_handle_t *)&p->retry, closed_cb);
}
