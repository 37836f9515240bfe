/* SPDX-License-Identifier: MIT */
/*
 * GROUP/messages and GROUP/messages.jsonl: the log as text, and as JSON Lines.
 * Reading asks groupd for the bytes.
 * Writing sends the complete lines of one write(2) in one batch and answers
 * when they are stored; the remainder stays in the handle until the next
 * write or the close.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/fuse.h>

#include "fs/ahead.h"
#include "fs/file.h"
#include "fs/lines.h"
#include "lib/json.h"
#include "lib/text.h"

static uint64_t log_size(const struct op *op)
{
	return op->kind == KIND_JSONL ? op->group.jsonl_size : op->group.size;
}

/* Where the file that the op is about begins in the log. */
static uint64_t log_begin(const struct op *op)
{
	if (op->floor == NULL)
		return 0;
	return op->kind == KIND_JSONL ? op->floor->jsonl_off : op->floor->off;
}

/* By path it is what begins at the first message that is held. */
static bool find_begin(struct op *op)
{
	const struct op_group *g = &op->group;

	if (op->what != OP_LOOKUP || g->first_seq <= 1)
		return true;
	op->floor = floors_get(&op->fs->floors, op->group_id, g->first_seq,
			       g->first_off, g->first_jsonl_off);
	return op->floor != NULL;
}

static void messages_stat(struct op *op)
{
	if (!find_begin(op)) {
		op_reply_err(op, ENOMEM);
		return;
	}
	file_stat_done(op, log_size(op) - log_begin(op), op->group.mtime_ms);
}

static int ask_text(struct op *op)
{
	const struct wire_body_read_text body = {
		.group_id = op->group_id,
		.format = op->kind == KIND_JSONL ? LOG_JSONL : LOG_TEXT,
		.offset = op->off,
		.size = op->want
	};

	return op_submit(op, WIRE_READ_TEXT, &body);
}

static void text_came(struct op *op, const void *body)
{
	const struct wire_body_text *text = body;

	if (text->data.len > op->want)
		op_reply_err(op, EIO);
	else
		ahead_answer(op, text->data);
}

void file_messages_read_at(struct op *op, uint64_t from, uint64_t size)
{
	op->off = from;
	/* More than that is a short read, and the reader asks again. */
	op->size = size > WIRE_TEXT_MAX ? WIRE_TEXT_MAX : (size_t)size;
	op->want = op->size;
	op_ask(op, ask_text, text_came);
}

static void ask_groupd(struct op *op)
{
	if (op->size > WIRE_TEXT_MAX)
		op->size = WIRE_TEXT_MAX;
	op->want = ahead_window(op);
	op_ask(op, ask_text, text_came);
}

static uint64_t line_start(const struct op *op, const struct wire_message *m)
{
	return op->kind == KIND_JSONL ? m->jsonl_off : m->off;
}

/* The last message in memory whose line begins at or before op->off; 0: none
 * does. */
static uint64_t find_line(const struct op *op, const struct feed_sub *sub)
{
	uint64_t low;
	uint64_t high = feed_recent(sub, &low);

	if (high == 0 ||
	    line_start(op, feed_recent_message(sub, low)) > op->off)
		return 0;
	while (low < high) {
		uint64_t mid = low + (high - low + 1) / 2;

		if (line_start(op, feed_recent_message(sub, mid)) > op->off)
			high = mid - 1;
		else
			low = mid;
	}
	return low;
}

/* What was just sent is in memory: its lines are made here. */
static bool serve_recent(struct op *op)
{
	const struct feed_sub *sub =
		known_watch(&op->fs->known, op->user, op->group_id);
	uint64_t seq = sub == NULL ? 0 : find_line(op, sub);
	const struct wire_message *m;
	size_t skip;

	if (seq == 0)
		return false;
	skip = (size_t)(op->off -
			line_start(op, feed_recent_message(sub, seq)));
	for (; op->body.len < skip + op->size; seq++) {
		m = feed_recent_message(sub, seq);
		if (m == NULL)
			break;
		if (op->kind == KIND_JSONL)
			json_put_message_line(&op->body, m);
		else
			text_render(&op->body, m);
	}
	if (op->body.failed || op->body.len < skip) {
		buf_clear(&op->body);
		return false;
	}
	op->off = skip;
	op_reply_slice(op, buf_str(&op->body));
	return true;
}

/* By a member, and how long the log is is known. */
static void read_known(struct op *op)
{
	const struct op_group *g = &op->group;
	struct err err;

	/* What is gone is gone, be it still in memory. */
	if (op->off <
	    (op->kind == KIND_JSONL ? g->first_jsonl_off : g->first_off)) {
		err_set(&err, ERR_EPOCH_CHANGED,
			"The messages before %" PRIu64
			" are not kept any more: open it again",
			g->first_seq);
		op_fail(op, &err);
		return;
	}
	if (op->off >= log_size(op) || op->size == 0)
		op_reply_buf(op, NULL, 0);
	else if (!ahead_serve(op, log_size(op)) && !serve_recent(op))
		ask_groupd(op);
}

/* op->off is a place in the log. */
static void read_log(struct op *op)
{
	if (op_knows_group(op))
		read_known(op);
	else if (ahead_has(op))
		op_find_group(op, read_known);
	else
		ask_groupd(op);
}

static void messages_read(struct op *op)
{
	op->off += log_begin(op);
	op->run = read_log;
	read_log(op);
}

/* The write is done: what remains of it waits. */
static void written(struct op *op)
{
	struct handle *h = op->handle;

	if (h->pending.len > 0)
		handle_set_dirty(h, op->user);
	else
		handle_set_clean(h);
	op_reply_write(op);
}

/* A stat that follows must not say less. */
static void note_sent(struct op *op, const struct wire_body_sent *sent)
{
	known_reaches(&op->fs->known, op->user, op->group_id, sent->last_seq);
}

static void lines_sent(struct op *op, const void *body)
{
	note_sent(op, body);
	/* It is stored; room for the remainder was made before. */
	(void)lines_keep(&op->handle->pending, buf_str(&op->data));
	written(op);
}

/* No complete line: nothing to send, but he must still be a member. */
static void keep_rest(struct op *op)
{
	int rc = lines_keep(&op->handle->pending, buf_str(&op->data));

	if (rc != 0)
		op_reply_err(op, -rc);
	else
		written(op);
}

static const struct lines_form *form_of(const struct op *op)
{
	return op->kind == KIND_JSONL ? &lines_json : &lines_text;
}

static void messages_write(struct op *op)
{
	struct handle *h = op->handle;
	struct err err = { 0 };
	int rc;

	if (!handle_may_write(h, op)) {
		op_deny(op, EACCES,
			"another user's unfinished line waits on this "
			"descriptor");
		return;
	}
	rc = lines_encode(form_of(op), buf_str(&h->pending), buf_str(&op->data),
			  op_max_content(op), &op->body, &err);
	if (rc == -ENOMEM || !buf_reserve(&h->pending, op->data.len)) {
		h->pending.failed = false;
		op_reply_err(op, ENOMEM);
	} else if (rc != 0) {
		op_fail(op, &err);
	} else if (op->body.len > WIRE_FRAME_MAX - 256) {
		op_deny(op, EMSGSIZE, "too many lines in one write");
	} else if (op->body.len > 0) {
		op_send(op, lines_sent);
	} else {
		op_know_group(op, keep_rest);
	}
}

static void rest_sent(struct op *op, const void *body)
{
	note_sent(op, body);
	op_reply_err(op, 0);
}

void file_messages_send_rest(struct op *op, int rc, const struct err *err)
{
	struct handle *h = op->handle;

	buf_clear(&h->pending);
	handle_set_clean(h);
	if (rc == -ENOMEM)
		op_reply_err(op, ENOMEM);
	else if (rc != 0)
		op_fail(op, err);
	else if (op->body.len == 0)
		op_reply_err(op, 0);
	else
		op_send(op, rest_sent);
}

static void messages_flush(struct op *op)
{
	struct err err = { 0 };
	int rc = form_of(op)->encode(buf_str(&op->handle->pending),
				     op_max_content(op), &op->body, &err);

	file_messages_send_rest(op, rc, &err);
}

const struct file_ops file_messages_ops = { .stat = messages_stat,
					    .read = messages_read,
					    .write = messages_write,
					    .flush = messages_flush,
					    .append_only = true };

/* GROUP/unread: the bytes of messages from the reader's pointer to the end
 * that there was at the open. */

static void unread_stat(struct op *op)
{
	file_stat_done(op, op->group.size - op->group.read_off,
		       op->group.mtime_ms);
}

static void unread_open(struct op *op)
{
	op->handle->begin = op->group.read_off;
	op->handle->end = op->group.size;
	op_reply_open(op, FOPEN_DIRECT_IO);
}

static void unread_read(struct op *op)
{
	const struct handle *h = op->handle;
	uint64_t len = h->end - h->begin;
	uint64_t off = op->off < len ? op->off : len;

	file_messages_read_at(op, h->begin + off,
			      len - off < op->size ? len - off : op->size);
}

const struct file_ops file_unread_ops = { .stat = unread_stat,
					  .open = unread_open,
					  .read = unread_read };
