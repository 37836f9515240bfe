/* SPDX-License-Identifier: MIT */
/*
 * GROUP/live and .me/live: streams that block. A stream has a source for each
 * group that it shows, a subscriber of the feed, and the readers that wait:
 *
 *   feed -> source --ready--> live -> reader (a blocked read), poll
 *
 * Nothing is copied into the handle: a line that a read took only a part of
 * is put back, and `skip` says how much of it is gone.
 *
 * .me/live has all groups of its opener, those too that he is added to later:
 * live_groups.c finds them. A line there begins with the group's name.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>

#include "fs/live.h"
#include "lib/text.h"

/* Lines of one group in a row, while others have some too. */
enum { IN_A_ROW = 256 };

static void live_stat(struct op *op)
{
	file_stat_done(op, 0, file_mtime(op));
}

void source_free(struct source *s)
{
	struct live *live = s->live;

	if (live->partial == s) {
		live->partial = NULL;
		live->skip = 0;
		live->broken = true;
	}
	feed_unsubscribe(&s->sub);
	if (live->all)
		table_remove(&live->by_group, &s->node);
	list_remove(&s->link);
	list_remove(&s->ready);
	free(s->prefix);
	free(s);
}

/* The next line of a source in two parts, prefix and text: 1, 0 or a negative
 * errno, as feed_read(). The message is to be put back if not all is taken. */
static int next_line(struct source *s, struct str *prefix, struct str *text)
{
	struct feed_message *m;
	int rc = feed_read(&s->sub, &m);

	if (rc != 1)
		return rc;
	if (m->encoded.len == 0)
		text_render(&m->encoded, &m->m);
	if (m->encoded.failed) {
		feed_unread(&s->sub);
		buf_release(&m->encoded);
		return -ENOMEM;
	}
	*prefix = str_of(s->prefix);
	*text = buf_str(&m->encoded);
	return 1;
}

/* Appends the bytes of part from *skip on, as far as there is room. False:
 * some were left. */
static bool take(struct op *op, struct str part, size_t *skip)
{
	size_t room = op->size - op->body.len;
	size_t from = *skip < part.len ? *skip : part.len;
	size_t len = part.len - from;

	*skip -= from;
	if (len > room)
		len = room;
	buf_append(&op->body, part.data + from, len);
	return from + len == part.len;
}

/* Lines of one source, until it has no more or op has no more room. 0: none
 * are left; 1: perhaps; a negative errno: it ended, or no memory. */
static int fill_from(struct source *s, struct op *op)
{
	struct live *live = s->live;
	struct str prefix, text;

	for (int n = 0; n < IN_A_ROW && op->body.len < op->size; n++) {
		size_t skip = live->skip;
		size_t before = op->body.len;
		int rc = next_line(s, &prefix, &text);

		if (rc != 1)
			return rc;
		if (take(op, prefix, &skip) && take(op, text, &skip)) {
			live->skip = 0;
			live->partial = NULL;
			continue;
		}
		feed_unread(&s->sub);
		live->skip += op->body.len - before;
		live->partial = s;
	}
	return 1;
}

/* The source that goes on: who has a line begun, else who waits longest. */
static struct source *next_source(struct live *live)
{
	if (live->partial != NULL)
		return live->partial;
	if (list_empty(&live->ready))
		return NULL;
	return container_of(live->ready.next, struct source, ready);
}

static void wake(struct feed_sub *sub);

/* It goes on with the first message that is held. False: its end is another,
 * another log's too, or there is no memory. */
static bool go_on(struct source *s)
{
	struct live *live = s->live;
	struct handle *h = live->handle;
	struct err err;
	uint64_t after_seq = s->sub.cut_seq - 1;

	/* He is in the group as before, and is told so by the next list. */
	if (live->all && s->sub.is_other_log && !h->stale)
		live_relist(live);
	if (s->sub.state != FEED_ENDED || s->sub.cut_seq == 0 ||
	    s->sub.is_other_log || h->stale)
		return false;
	err = *s->sub.err;
	feed_unsubscribe(&s->sub);
	if (live->partial == s) {
		live->partial = NULL;
		live->skip = 0;
		live->broken = true;
	}
	if (feed_subscribe(&h->fs->feed, &s->sub, &h->owner->principal,
			   s->group_id, after_seq, wake) != 0)
		return false;
	live->cut = err;
	return true;
}

/* Puts as much as there is, up to op->size, into op->body. 0, or why there is
 * nothing and never will be. */
static int fill(struct live *live, struct op *op)
{
	struct source *s;

	if (live->cut.code != ERR_NONE)
		return -ESTALE;
	if (!buf_reserve(&op->body, op->size))
		return -ENOMEM;
	if (live->broken && op->size > 0)
		buf_append_char(&op->body, '\n');
	live->broken = live->broken && op->size == 0;
	while (op->body.len < op->size && (s = next_source(live)) != NULL) {
		int rc = fill_from(s, op);

		list_remove(&s->ready);
		if (rc < 0 && go_on(s))
			return -ESTALE;
		if (rc < 0 && live->all && s->sub.state == FEED_ENDED) {
			source_free(s);
			continue;
		}
		if (rc != 0)
			list_push(&live->ready, &s->ready);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Why GROUP/live has come to its end; NULL: it has not. */
static const struct err *end_of(const struct live *live)
{
	const struct source *s =
		container_of(live->sources.next, struct source, link);

	if (live->all || s->sub.state != FEED_ENDED)
		return NULL;
	return s->sub.err;
}

/* Answers what can be answered now. False: there is nothing yet, and the op
 * waits with nothing but itself: thousands may. */
static bool serve(struct live *live, struct op *op)
{
	int rc = fill(live, op);

	if (op->body.len > 0 || op->size == 0) {
		op_reply_buf(op, op->body.data, op->body.len);
		return true;
	}
	if (rc < 0 && live->cut.code != ERR_NONE) {
		const struct err cut = live->cut;

		live->cut.code = ERR_NONE;
		op_fail(op, &cut);
	} else if (rc < 0 && end_of(live) != NULL)
		op_fail(op, end_of(live));
	else if (rc < 0)
		op_reply_err(op, -rc);
	else
		buf_release(&op->body);
	return rc < 0;
}

static void notify(struct live *live)
{
	if (live->poller == NULL)
		return;
	fuse_lowlevel_notify_poll(live->poller);
	fuse_pollhandle_destroy(live->poller);
	live->poller = NULL;
}

static void wake(struct feed_sub *sub)
{
	struct source *s = sub->data;
	struct live *live = s->live;
	/* A reply ends an op, never the handle: that is the kernel's. */
	struct handle *h = handle_hold(live->handle);

	if (list_empty(&s->ready))
		list_push(&live->ready, &s->ready);
	while (!list_empty(&live->readers)) {
		struct op *op =
			container_of(live->readers.next, struct op, queue);

		if (!serve(live, op))
			break;
	}
	notify(live);
	handle_drop(h);
}

struct source *live_find(const struct live *live, uint64_t group_id)
{
	struct table_node *n =
		table_find(&live->by_group, table_hash_u64(group_id));

	for (; n != NULL; n = table_next(n)) {
		struct source *s = container_of(n, struct source, node);

		if (s->group_id == group_id)
			return s;
	}
	return NULL;
}

int live_add(struct live *live, uint64_t group_id, struct str name,
	     uint64_t after_seq)
{
	struct handle *h = live->handle;
	struct source *s = calloc(1, sizeof(*s));
	struct buf prefix = { 0 };

	if (s == NULL)
		return -ENOMEM;
	s->live = live;
	s->group_id = group_id;
	s->sub.data = s;
	list_init(&s->ready);
	if (name.len > 0)
		buf_printf(&prefix, "%.*s\t", (int)name.len, name.data);
	s->prefix = prefix.data;
	if (prefix.failed ||
	    (live->all && !table_insert(&live->by_group, &s->node,
					table_hash_u64(group_id))))
		goto free_source;
	if (feed_subscribe(&h->fs->feed, &s->sub, &h->owner->principal,
			   group_id, after_seq, wake) != 0)
		goto remove_node;
	list_push(&live->sources, &s->link);
	return 0;

remove_node:
	if (live->all)
		table_remove(&live->by_group, &s->node);
free_source:
	free(s->prefix);
	free(s);
	return -ENOMEM;
}

static void open_stream(struct op *op)
{
	struct handle *h = op->handle;
	struct live *live = calloc(1, sizeof(*live));

	if (live == NULL) {
		op_reply_err(op, ENOMEM);
		return;
	}
	live->handle = h;
	live->all = op->kind == KIND_ME_LIVE;
	list_init(&live->sources);
	list_init(&live->ready);
	list_init(&live->readers);
	list_init(&live->of_fs);
	h->live = live;
	if (live->all) {
		list_push(&h->fs->streams, &live->of_fs);
		live_list_groups(live);
	} else if (live_add(live, h->group_id, str_of(""), FEED_FROM_POINTER) !=
		   0) {
		op_reply_err(op, ENOMEM);
		return;
	}
	/* A stream: no offsets, and readers of one descriptor do not lock
	 * each other out in the kernel, where no signal reaches them. */
	op_reply_open(op, FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE | FOPEN_STREAM);
}

static int ask_any_group(struct op *op)
{
	const struct wire_body_list_groups body = { .limit = 1 };

	return op_submit(op, WIRE_LIST_GROUPS, &body);
}

static void opener_is_known(struct op *op, const void *body)
{
	(void)body;
	open_stream(op);
}

/* Of a group it is known that the opener is a member; here it is asked
 * whether he is anybody. */
static void live_open(struct op *op)
{
	if (op->kind == KIND_ME_LIVE)
		op_ask(op, ask_any_group, opener_is_known);
	else
		open_stream(op);
}

static void live_read(struct op *op)
{
	struct live *live = op->handle->live;

	if (op->user != op->handle->owner) {
		op_deny(op, EACCES, "another user opened this file");
		return;
	}
	if (op->size > WIRE_TEXT_MAX)
		op->size = WIRE_TEXT_MAX;
	/* Who came first is served first. */
	if (list_empty(&live->readers) && serve(live, op))
		return;
	if ((op->mask & O_NONBLOCK) != 0) {
		op_reply_err(op, EAGAIN);
		return;
	}
	op_block(op, &live->readers);
}

/* POLLIN, with POLLERR at its end, or 0. */
static unsigned int events_of(struct live *live)
{
	struct str prefix, text;
	struct source *s;

	if (live->cut.code != ERR_NONE)
		return POLLIN | POLLERR;
	while ((s = next_source(live)) != NULL) {
		int rc = next_line(s, &prefix, &text);

		if (rc == 1)
			feed_unread(&s->sub);
		if (rc == 1)
			return POLLIN;
		if (rc < 0 &&
		    (go_on(s) || !(live->all && s->sub.state == FEED_ENDED)))
			return POLLIN | POLLERR;
		if (rc < 0)
			source_free(s);
		else
			list_remove(&s->ready);
	}
	return live->broken ? POLLIN : 0;
}

void file_live_poll(struct op *op, struct fuse_pollhandle *ph)
{
	struct live *live = op->handle->live;

	if (live->poller != NULL)
		fuse_pollhandle_destroy(live->poller);
	live->poller = ph;
	op_reply_poll(op, events_of(live));
}

void file_live_free(struct live *live)
{
	while (!list_empty(&live->sources))
		source_free(
			container_of(live->sources.next, struct source, link));
	table_release(&live->by_group);
	client_cancel(&live->listing);
	list_remove(&live->of_fs);
	if (live->poller != NULL)
		fuse_pollhandle_destroy(live->poller);
	free(live);
}

const struct file_ops file_live_ops = { .stat = live_stat,
					.open = live_open,
					.read = live_read };
const struct file_ops file_me_live_ops = { .stat = live_stat,
					   .open = live_open,
					   .read = live_read };
