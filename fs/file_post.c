/* SPDX-License-Identifier: MIT */
/*
 * GROUP/post: all that is written between open and close is one message.
 */
#include <errno.h>

#include "fs/file.h"
#include "fs/lines.h"

static void post_stat(struct op *op)
{
	file_stat_done(op, 0, op->group.mtime_ms);
}

static void post_read(struct op *op)
{
	op_deny(op, EBADF, "it can only be written");
}

static void keep(struct op *op)
{
	struct handle *h = op->handle;

	if (!buf_reserve(&h->pending, op->data.len)) {
		h->pending.failed = false;
		op_reply_err(op, ENOMEM);
		return;
	}
	buf_append_str(&h->pending, buf_str(&op->data));
	handle_set_dirty(h, op->user);
	op_reply_write(op);
}

static void post_write(struct op *op)
{
	const struct handle *h = op->handle;
	size_t max = op_max_content(op);

	if (handle_refusal(h) != 0)
		op_reply_err(op, handle_refusal(h));
	else if (!handle_may_write(h, op))
		op_deny(op, EACCES, "another user writes a message here");
	else if (h->pending.len + op->data.len > max + 1)
		op_deny(op, EMSGSIZE, "a message may have %zu bytes", max);
	else
		op_know_group(op, keep);
}

static void post_flush(struct op *op)
{
	struct str text = buf_str(&op->handle->pending);
	struct err err = { 0 };
	int rc;

	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	rc = lines_encode_content(text, op_max_content(op), &op->body, &err);
	file_messages_send_rest(op, rc, &err);
}

const struct file_ops file_post_ops = { .stat = post_stat,
					.read = post_read,
					.write = post_write,
					.flush = post_flush };
