/* SPDX-License-Identifier: MIT */
/*
 * GROUP/members: NAME ROLE, a line a member, sorted by name.
 *
 * What is written is applied at the close, in one transaction. Appended bytes
 * are commands alone; any other write edits a copy (file_edit.c).
 */
#include <errno.h>
#include <linux/fuse.h>

#include "fs/file.h"
#include "fs/members_edit.h"

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
	file_stat_done(op, op->body.len, file_mtime(op));
}

static void load_size(struct op *op)
{
	load(op, size_known);
}

static void members_stat(struct op *op)
{
	file_edit_stat(op, load_size);
}

static void load_text(struct op *op)
{
	load(op, file_text_loaded);
}

static void members_read(struct op *op)
{
	/* Who appends has no copy. */
	if ((op->handle->flags & O_APPEND) != 0)
		file_text_read(op, load_text);
	else
		file_edit_read(op, load_text);
}

static void load_copy(struct op *op)
{
	load(op, file_edit_loaded);
}

static void members_open(struct op *op)
{
	if ((op->handle->flags & O_APPEND) != 0)
		op_reply_open(op, FOPEN_DIRECT_IO);
	else
		file_edit_open(op, load_copy);
}

static int ask_edit(struct op *op)
{
	const struct wire_body_edit_members body = {
		.group_id = op->group_id, .edits = buf_str(&op->body)
	};

	return op_submit(op, WIRE_EDIT_MEMBERS, &body);
}

static void edited(struct op *op, const void *body)
{
	(void)body;
	file_applied(op);
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
		file_applied(op);
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
					   .write = file_edit_write,
					   .flush = members_flush,
					   .load = load,
					   .replace = members_replace,
					   .truncate = file_edit_truncate };
