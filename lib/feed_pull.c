/* SPDX-License-Identifier: MIT */
/*
 * A page is what groupd sent, as it sent it: a message is decoded when it is
 * read. While one is read the next is asked for, and it is larger each time, as
 * long as all pages of this process together keep to FEED_PAGES_BYTES: who
 * reads on is not held up by the way to groupd and back, and ten thousand who
 * lag have a small page each.
 */
#include <assert.h>
#include <stdlib.h>

#include "lib/feed_private.h"

/* Bytes of a record, about. */
enum { RECORD = FEED_PAGE_BYTES / FEED_PAGE_COUNT };

static struct feed_private *feed_of(const struct feed_page *page)
{
	return page->sub->group->p->feed;
}

/* What it holds, and what is on its way. */
static void count(struct feed_page *page)
{
	struct feed_private *p = feed_of(page);
	size_t bytes = page->here.cap + page->ahead.cap;

	if (page->pull.client != NULL)
		bytes += page->asked;
	p->page_bytes = p->page_bytes - page->counted + bytes;
	page->counted = bytes;
}

void feed_page_free(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (page == NULL)
		return;
	client_cancel(&page->pull);
	list_remove(&page->retry);
	buf_release(&page->here);
	buf_release(&page->ahead);
	buf_release(&page->current.encoded);
	count(page);
	sub->group->p->feed->pulling--;
	free(page);
	sub->page = NULL;
}

static void pull_done(struct client_request *req, const struct err *err,
		      const void *body);

/* Asks for what follows page->end. */
static bool ask(struct feed_page *page, size_t bytes)
{
	const struct feed_sub *sub = page->sub;
	size_t limit = bytes / RECORD;
	const struct wire_body_pull body = { .group_id = sub->group->group_id,
					     .after_seq = page->end,
					     .limit = limit < WIRE_PAGE_MAX
							      ? limit
							      : WIRE_PAGE_MAX,
					     .max_bytes = bytes };

	page->asked = bytes;
	if (client_submit(feed_of(page)->c, &page->pull, sub->principal,
			  WIRE_PULL, &body, 0, pull_done) != 0)
		return false;
	count(page);
	return true;
}

/* The next page, while this one is read and those that have come wait; which
 * nobody misses where it fails. */
static void ask_ahead(struct feed_page *page)
{
	struct feed_group_private *g = page->sub->group->p;
	size_t bytes = page->asked * 2;

	if (bytes > FEED_PAGE_BYTES_MAX)
		bytes = FEED_PAGE_BYTES_MAX;
	if (page->pull.client != NULL ||
	    page->ahead.len + bytes > FEED_AHEAD_BYTES ||
	    page->end >= g->pub.last_seq ||
	    feed_recent_find(g, page->end + 1) != NULL ||
	    g->feed->page_bytes + bytes > FEED_PAGES_BYTES)
		return;
	(void)ask(page, bytes);
}

/* Keeps the records that follow page->end, which moves on. */
static void keep(struct feed_page *page, struct str records)
{
	struct str list = records;
	struct wire_message m;
	size_t len = 0;
	uint64_t end = page->end;

	while (wire_next(&list, &wire_schema_message, &m) == 1 &&
	       m.seq == end + 1) {
		end = m.seq;
		len = records.len - list.len;
	}
	buf_append(&page->ahead, records.data, len);
	if (page->ahead.failed)
		buf_release(&page->ahead);
	else
		page->end = end;
	count(page);
}

/* What was asked for ahead and is not as it should be is asked for again when
 * it is needed. */
static void came_ahead(struct feed_page *page, const struct err *err,
		       const struct wire_body_messages *a)
{
	const struct feed_group_private *g = page->sub->group->p;
	uint64_t end = page->end;

	if (err == NULL && a->epoch == g->pub.epoch && a->first_seq <= end + 1)
		keep(page, a->messages);
	if (page->end > end)
		ask_ahead(page);
}

static void pull_done(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct feed_page *page = container_of(req, struct feed_page, pull);
	struct feed_sub *sub = page->sub;
	struct feed_group_private *g = sub->group->p;
	struct feed_private *p = g->feed;
	const struct wire_body_messages *a = body;

	count(page);
	if (page->left.len > 0) {
		came_ahead(page, err, a);
		return;
	}
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
	keep(page, a->messages);
	if (page->ahead.len == 0)
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
	struct feed_page *page = need_page(sub);

	if (page == NULL) {
		feed_wake(p, sub);
		return;
	}
	/* Under way, or waiting for its retry. */
	if (page->pull.client != NULL || !list_empty(&page->retry))
		return;
	assert(page->left.len == 0 && page->ahead.len == 0);
	buf_release(&page->here);
	page->can_unread = false;
	page->end = sub->cursor;
	if (!ask(page, FEED_PAGE_BYTES))
		feed_retry_later(p, &p->retry_pages, &page->retry);
}

/* What waits is the page now. */
static void turn_over(struct feed_page *page)
{
	buf_release(&page->here);
	page->here = page->ahead;
	page->ahead = (struct buf){ 0 };
	page->left = buf_str(&page->here);
	page->can_unread = false;
	count(page);
	ask_ahead(page);
}

struct feed_message *feed_page_next(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;
	struct feed_message *m;
	struct str before;

	if (page == NULL)
		return NULL;
	if (page->left.len == 0 && page->ahead.len > 0)
		turn_over(page);
	if (page->left.len == 0)
		return NULL;
	m = &page->current;
	buf_clear(&m->encoded);
	before = page->left;
	/* It was looked at when it came. */
	if (wire_next(&page->left, &wire_schema_message, &m->m) != 1)
		assert(false);
	assert(m->m.seq == sub->cursor + 1);
	page->again = before;
	page->can_unread = true;
	return m;
}

void feed_page_unread(struct feed_sub *sub)
{
	struct feed_page *page = sub->page;

	if (page == NULL || !page->can_unread ||
	    page->current.m.seq != sub->cursor) {
		feed_page_free(sub);
		return;
	}
	page->left = page->again;
	page->can_unread = false;
}
