/* SPDX-License-Identifier: MIT */
/*
 * Files that are edited as a whole. A writer has a copy of the text in his
 * handle (an empty one after O_TRUNC); what he writes goes to its place in it,
 * as editors expect, and the close makes it hold, all of it or nothing.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>

#include "fs/file.h"

enum { EDIT_BYTES_MAX = 16 << 20 };

void file_edit_stat(struct op *op, op_step_cb load)
{
	if (op->what == OP_LOOKUP || op->what == OP_ACCESS)
		file_stat_done(op, 0, file_mtime(op));
	else if (op->handle != NULL && op->handle->dirty)
		file_stat_done(op, op->handle->pending.len, file_mtime(op));
	else
		load(op);
}

void file_edit_loaded(struct op *op)
{
	if (op->body.failed) {
		op_reply_err(op, ENOMEM);
		return;
	}
	op->handle->pending = op->body;
	op->body = (struct buf){ 0 };
	op_reply_open(op, FOPEN_DIRECT_IO);
}

void file_edit_open(struct op *op, op_step_cb load)
{
	int flags = op->handle->flags;

	if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_TRUNC) != 0)
		op_reply_open(op, FOPEN_DIRECT_IO);
	else
		load(op);
}

static void answer_pending(struct op *op)
{
	op_reply_slice(op, buf_str(&op->handle->pending));
}

void file_edit_read(struct op *op, op_step_cb load)
{
	const struct handle *h = op->handle;

	/* Who edits reads what he wrote. */
	if (h->dirty && h->writer == op->user)
		op_know_group(op, answer_pending);
	else
		file_text_read(op, load);
}

/* Makes the copy len bytes long; new ones are newlines, which say nothing. */
static bool resize(struct buf *b, size_t len)
{
	if (len <= b->len) {
		buf_truncate(b, len);
		return true;
	}
	if (!buf_reserve(b, len - b->len)) {
		b->failed = false;
		return false;
	}
	while (b->len < len)
		buf_append_char(b, '\n');
	return true;
}

static uint64_t place(const struct op *op)
{
	const struct handle *h = op->handle;

	return (h->flags & O_APPEND) != 0 ? h->pending.len : op->off;
}

static void keep(struct op *op)
{
	struct handle *h = op->handle;
	size_t at = (size_t)place(op);
	size_t end = at + op->data.len;

	if (!resize(&h->pending, end > h->pending.len ? end : h->pending.len)) {
		op_reply_err(op, ENOMEM);
		return;
	}
	if (op->data.len > 0)
		memcpy(h->pending.data + at, op->data.data, op->data.len);
	handle_set_dirty(h, op->user);
	op_reply_write(op);
}

void file_edit_write(struct op *op)
{
	const struct handle *h = op->handle;
	uint64_t at = place(op);

	if (handle_refusal(h) != 0)
		op_reply_err(op, handle_refusal(h));
	else if (!handle_may_write(h, op))
		op_deny(op, EACCES, "another user edits on this descriptor");
	else if (at > EDIT_BYTES_MAX || op->data.len > EDIT_BYTES_MAX - at)
		op_deny(op, EFBIG, "one edit may have %d bytes",
			EDIT_BYTES_MAX);
	else
		op_know_group(op, keep);
}

/* The copy stays, in case that an editor goes on with it. */
void file_edit_flush(struct op *op)
{
	struct handle *h = op->handle;

	handle_set_clean(h);
	h->loaded = false;
	file_ops_of(op->kind)->replace(op, buf_str(&h->pending));
}

int file_edit_truncate(struct op *op)
{
	struct handle *h = op->handle;

	if (op->attr.st_size < 0 || op->attr.st_size > EDIT_BYTES_MAX)
		return -EFBIG;
	if (!handle_may_write(h, op))
		return -EACCES;
	if (!resize(&h->pending, (size_t)op->attr.st_size))
		return -ENOMEM;
	handle_set_dirty(h, op->user);
	return 0;
}
