/* SPDX-License-Identifier: MIT */
/*
 * GROUP/live: a subscriber of the feed, and the readers that wait for it.
 * Nothing is copied into the handle: a line that a read took only a part of
 * is put back, and `skip` says how much of it is gone.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>

#include "fs/file.h"
#include "lib/text.h"

struct live {
	struct handle *handle; /* borrowed: it owns this */
	struct feed_sub sub;
	struct list readers;		/* ops that wait, in order */
	size_t skip;			/* bytes of the next line, read */
	struct fuse_pollhandle *poller; /* owned; NULL: nobody polls */
};

static void live_stat(struct op *op)
{
	file_stat_done(op, 0, op->group.mtime_ms);
}

/* The next line, what is left of it: 1, 0 or a negative errno, as
 * feed_read(). The message is to be put back if not all is taken. */
static int next_line(struct live *live, struct str *out)
{
	struct feed_message *m;
	int rc = feed_read(&live->sub, &m);

	if (rc != 1)
		return rc;
	if (m->encoded.len == 0)
		text_render(&m->encoded, &m->m);
	if (m->encoded.failed) {
		feed_unread(&live->sub);
		buf_release(&m->encoded);
		return -ENOMEM;
	}
	if (live->skip > m->encoded.len)
		live->skip = 0;
	*out = str_make(m->encoded.data + live->skip,
			m->encoded.len - live->skip);
	return 1;
}

/* Puts as much as there is, up to op->size, into op->body. */
static int fill(struct live *live, struct op *op)
{
	struct str line;
	int rc = 0;

	if (!buf_reserve(&op->body, op->size))
		return -ENOMEM;
	while (op->body.len < op->size) {
		size_t room = op->size - op->body.len;

		rc = next_line(live, &line);
		if (rc != 1)
			break;
		if (line.len > room) {
			buf_append(&op->body, line.data, room);
			live->skip += room;
			feed_unread(&live->sub);
			break;
		}
		buf_append_str(&op->body, line);
		live->skip = 0;
	}
	return rc;
}

/* Answers what can be answered now. False: there is nothing yet. */
static bool serve(struct live *live, struct op *op)
{
	int rc = fill(live, op);

	if (op->body.len > 0 || op->size == 0)
		op_reply_buf(op, op->body.data, op->body.len);
	else if (rc < 0 && live->sub.state == FEED_ENDED)
		op_fail(op, &live->sub.err);
	else if (rc < 0)
		op_reply_err(op, -rc);
	else
		return false;
	return true;
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
	struct live *live = sub->data;
	/* A reply ends an op, never the handle: that is the kernel's. */
	struct handle *h = handle_hold(live->handle);

	while (!list_empty(&live->readers)) {
		struct op *op =
			container_of(live->readers.next, struct op, queue);

		if (!serve(live, op))
			break;
	}
	notify(live);
	handle_drop(h);
}

static void live_open(struct op *op)
{
	struct handle *h = op->handle;
	struct live *live = calloc(1, sizeof(*live));

	if (live == NULL) {
		op_reply_err(op, ENOMEM);
		return;
	}
	live->handle = h;
	live->sub.data = live;
	list_init(&live->readers);
	if (feed_subscribe(&h->fs->feed, &live->sub, &h->owner->principal,
			   h->group_id, FEED_FROM_POINTER, wake) != 0) {
		free(live);
		op_reply_err(op, ENOMEM);
		return;
	}
	h->live = live;
	/* A stream: no offsets, and readers of one descriptor do not lock
	 * each other out in the kernel, where no signal reaches them. */
	op_reply_open(op, FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE | FOPEN_STREAM);
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
	/* Thousands may wait: with nothing but themselves. */
	buf_release(&op->body);
	op_block(op, &live->readers);
}

void file_live_poll(struct op *op, struct fuse_pollhandle *ph)
{
	struct live *live = op->handle->live;
	struct str line;
	int rc = next_line(live, &line);

	if (live->poller != NULL)
		fuse_pollhandle_destroy(live->poller);
	live->poller = ph;
	if (rc == 1)
		feed_unread(&live->sub);
	op_reply_poll(op, rc == 0 ? 0 : rc == 1 ? POLLIN : POLLIN | POLLERR);
}

void file_live_free(struct live *live)
{
	feed_unsubscribe(&live->sub);
	if (live->poller != NULL)
		fuse_pollhandle_destroy(live->poller);
	free(live);
}

const struct file_ops file_live_ops = { .stat = live_stat,
					.open = live_open,
					.read = live_read };
