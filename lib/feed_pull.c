/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>

#include "lib/feed_private.h"

static void drop_messages(struct feed_page *page)
{
	struct feed_private *p = page->sub->group->p->feed;

	for (size_t i = 0; i < page->count; i++)
		feed_drop_message(p, page->msgs[i]);
	page->count = 0;
	page->pos = 0;
}

void feed_page_free(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (page == NULL)
		return;
	client_cancel(&page->pull);
	list_remove(&page->retry);
	drop_messages(page);
	sub->group->p->feed->pulling--;
	free(page);
	sub->page = NULL;
}

/* Copies the messages that follow the cursor. */
static void take(struct feed_page *page, struct str list)
{
	struct wire_message m;

	while (page->count < FEED_PAGE_COUNT &&
	       wire_next(&list, &wire_schema_message, &m) == 1 &&
	       m.seq == page->sub->cursor + page->count + 1) {
		struct feed_message *copy = feed_message_new(&m);

		if (copy == NULL)
			return;
		page->msgs[page->count++] = copy;
	}
}

static void pull_done(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct feed_page *page = container_of(req, struct feed_page, pull);
	struct feed_sub *sub = page->sub;
	struct feed_group_private *g = sub->group->p;
	struct feed_private *p = g->feed;
	const struct wire_body_messages *a = body;

	if (err != NULL && !feed_is_transient(err->code)) {
		feed_sub_end(sub, err);
		return;
	}
	if (err != NULL) {
		feed_retry_later(p, &p->retry_pages, &page->retry);
		return;
	}
	if (a->epoch != g->pub.epoch) {
		feed_sub_end_epoch(sub, a->epoch, a->first_seq);
		return;
	}
	if (a->first_seq > sub->cursor + 1 && a->last_seq > sub->cursor) {
		feed_sub_end_cut(sub, a->first_seq);
		return;
	}
	assert(page->count == 0);
	take(page, a->messages);
	if (page->count == 0)
		feed_retry_later(p, &p->retry_pages, &page->retry);
	else
		feed_wake(p, sub);
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
	sub->group->p->feed->pulling++;
	return page;
}

void feed_page_pull(struct feed_sub *sub)
{
	struct feed_private *p = sub->group->p->feed;
	const struct wire_body_pull body = { .group_id = sub->group->group_id,
					     .after_seq = sub->cursor,
					     .limit = FEED_PAGE_COUNT,
					     .max_bytes = FEED_PAGE_BYTES };
	struct feed_page *page = need_page(sub);

	if (page == NULL) {
		feed_wake(p, sub);
		return;
	}
	/* Under way, or waiting for its retry. */
	if (page->pull.client != NULL || !list_empty(&page->retry))
		return;
	drop_messages(page);
	if (client_submit(p->c, &page->pull, sub->principal, WIRE_PULL, &body,
			  0, pull_done) != 0)
		feed_retry_later(p, &p->retry_pages, &page->retry);
}

struct feed_message *feed_page_next(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;
	struct feed_message *m;

	if (page == NULL || page->pos == page->count)
		return NULL;
	m = page->msgs[page->pos++];
	assert(m->m.seq == sub->cursor + 1);
	return m;
}

void feed_page_unread(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (page != NULL && page->pos > 0 &&
	    page->msgs[page->pos - 1]->m.seq == sub->cursor)
		page->pos--;
	else
		feed_page_free(sub);
}
