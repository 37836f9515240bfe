/* SPDX-License-Identifier: MIT */
/*
 * GROUP/members: NAME ROLE, a line a member, sorted by name.
 *
 * What is written stays in the handle until the close and is then applied
 * in one transaction. Appended bytes are commands alone; any other write
 * goes to its place in a copy of the text (an empty one after O_TRUNC), as
 * editors expect.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>

#include "fs/file.h"
#include "fs/members_edit.h"

enum { EDIT_BYTES_MAX = 16 << 20 };

/* Of the wire's edits in one frame, with room for the other fields. */
enum { EDIT_FRAME_MAX = WIRE_FRAME_MAX - 64 };

static int ask_members(struct op *op)
{
	const struct wire_body_list_members body = { .group_id = op->group_id,
						     .after = str_of(op->key),
						     .limit = WIRE_PAGE_MAX };

	return op_submit(op, WIRE_LIST_MEMBERS, &body);
}

/* Pages into op->body, then op->then. */
static void members_came(struct op *op, const void *body)
{
	const struct wire_body_member_list *page = body;
	struct str list = page->members;
	struct wire_member m;
	size_t before = op->body.len;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_member, &m)) == 1) {
		str_to_cstr(m.name, op->key, sizeof(op->key));
		buf_printf(&op->body, "%s %s\n", op->key,
			   m.role == ROLE_ADMIN ? "admin" : "member");
	}
	if (rc < 0)
		op_reply_err(op, EIO);
	else if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else if (page->complete || op->body.len == before)
		op->then(op);
	else
		op_ask(op, ask_members, members_came);
}

static void load(struct op *op, op_step_cb then)
{
	op->key[0] = '\0';
	op->then = then;
	op_ask(op, ask_members, members_came);
}

static void size_known(struct op *op)
{
	file_stat_done(op, op->body.len, op->group.mtime_ms);
}

static void members_stat(struct op *op)
{
	if (op->what == OP_LOOKUP || op->what == OP_ACCESS)
		file_stat_done(op, 0, op->group.mtime_ms);
	else if (op->handle != NULL && op->handle->dirty)
		file_stat_done(op, op->handle->pending.len, op->group.mtime_ms);
	else
		load(op, size_known);
}

static void load_for_read(struct op *op)
{
	load(op, file_text_loaded);
}

static void answer_pending(struct op *op)
{
	op_reply_slice(op, buf_str(&op->handle->pending));
}

static void members_read(struct op *op)
{
	const struct handle *h = op->handle;

	/* Who edits reads what he wrote. */
	if (h->dirty && (h->flags & O_APPEND) == 0 && h->writer == op->user)
		op_find_group(op, answer_pending);
	else
		file_text_read(op, load_for_read);
}

/* The copy that a writer without O_TRUNC begins with. */
static void copy_made(struct op *op)
{
	op->handle->pending = op->body;
	op->body = (struct buf){ 0 };
	op_reply_open(op, FOPEN_DIRECT_IO);
}

static void members_open(struct op *op)
{
	int flags = op->handle->flags;

	if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_APPEND) != 0 ||
	    (flags & O_TRUNC) != 0)
		op_reply_open(op, FOPEN_DIRECT_IO);
	else
		load(op, copy_made);
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

static void keep(struct op *op)
{
	struct handle *h = op->handle;
	size_t at =
		(h->flags & O_APPEND) != 0 ? h->pending.len : (size_t)op->off;
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

static void members_write(struct op *op)
{
	const struct handle *h = op->handle;
	uint64_t at = (h->flags & O_APPEND) != 0 ? h->pending.len : op->off;

	if (handle_refusal(h) != 0)
		op_reply_err(op, handle_refusal(h));
	else if (!handle_may_write(h, op))
		op_deny(op, EACCES, "another user edits on this descriptor");
	else if (at > EDIT_BYTES_MAX || op->data.len > EDIT_BYTES_MAX - at)
		op_deny(op, EFBIG, "one edit may have %d bytes",
			EDIT_BYTES_MAX);
	else
		op_find_group(op, keep);
}

static int members_truncate(struct op *op)
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

static int ask_edit(struct op *op)
{
	const struct wire_body_edit_members body = {
		.group_id = op->group_id, .edits = buf_str(&op->body)
	};

	return op_submit(op, WIRE_EDIT_MEMBERS, &body);
}

static void edit_done(struct op *op)
{
	if (op->handle == NULL)
		file_replaced(op);
	else
		op_reply_err(op, 0);
}

static void edited(struct op *op, const void *body)
{
	(void)body;
	edit_done(op);
}

/* What was parsed into op->body. */
static void send_edits(struct op *op, int rc, const struct err *err)
{
	op->writes = true;
	if (rc == -ENOMEM)
		op_reply_err(op, ENOMEM);
	else if (rc != 0)
		op_fail(op, err);
	else if (op->body.len > EDIT_FRAME_MAX)
		op_deny(op, EMSGSIZE, "too many members in one edit");
	else if (op->body.len == 0)
		edit_done(op);
	else
		op_ask(op, ask_edit, edited);
}

static void members_replace(struct op *op, struct str text)
{
	struct err err = { 0 };
	int rc = members_edit_parse(text, &op->body, &err);

	send_edits(op, rc, &err);
}

/* Cleared first: a second close applies nothing again. The copy stays, in
 * case that an editor goes on with it. */
static void members_flush(struct op *op)
{
	struct handle *h = op->handle;
	struct err err = { 0 };
	int rc = members_edit_parse(buf_str(&h->pending), &op->body, &err);

	if ((h->flags & O_APPEND) != 0)
		buf_clear(&h->pending);
	handle_set_clean(h);
	h->loaded = false;
	send_edits(op, rc, &err);
}

const struct file_ops file_members_ops = { .stat = members_stat,
					   .open = members_open,
					   .read = members_read,
					   .write = members_write,
					   .flush = members_flush,
					   .load = load,
					   .replace = members_replace,
					   .truncate = members_truncate };
