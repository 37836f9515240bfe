/* SPDX-License-Identifier: MIT */
/*
 * Small texts, made when they are first read: last_read and the files of
 * .me. One open sees one text, however long it reads.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/file.h"
#include "fs/lines.h"
#include "lib/env.h"
#include "lib/text.h"

enum { POINTER_MAX = 64 /* bytes of a line for last_read */ };

static void answer_text(struct op *op)
{
	op_reply_slice(op, buf_str(&op->handle->text));
}

void file_text_loaded(struct op *op)
{
	struct handle *h = op->handle;

	if (op->body.failed) {
		op_reply_err(op, ENOMEM);
		return;
	}
	buf_release(&h->text);
	h->text = op->body;
	op->body = (struct buf){ 0 };
	h->loaded = true;
	answer_text(op);
}

void file_text_read(struct op *op, op_step_cb load)
{
	if (op->user != op->handle->owner)
		op_deny(op, EACCES, "another user opened this file");
	else if (!op->handle->loaded)
		load(op);
	else if (op->group_id != 0)
		op_know_group(op, answer_text);
	else
		answer_text(op);
}

uint64_t file_mtime(const struct op *op)
{
	if (op->group_id == 0)
		return op->fs->started_ms;
	if (op->kind == KIND_MEMBERS)
		return op->group.members_ms;
	if (op->kind == KIND_DESCRIPTION || op->kind == KIND_SETTINGS)
		return op->group.info_ms;
	return op->group.mtime_ms;
}

void file_text_made(struct op *op)
{
	if (op->what == OP_READ)
		file_text_loaded(op);
	else if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else
		file_stat_done(op, op->body.len, file_mtime(op));
}

/* GROUP/last_read */

static void last_read_text(struct op *op, op_step_cb then)
{
	buf_clear(&op->body);
	buf_printf(&op->body, "%" PRIu64 "\n", op->group.last_read_seq);
	then(op);
}

static void last_read_make(struct op *op)
{
	last_read_text(op, file_text_made);
}

static void last_read_load(struct op *op)
{
	op_find_group(op, last_read_make);
}

static void last_read_read(struct op *op)
{
	file_text_read(op, last_read_load);
}

static int ask_set_read(struct op *op)
{
	const struct wire_body_set_read body = {
		.group_id = op->group_id, .seq = op->group.last_read_seq
	};

	return op_submit(op, WIRE_SET_READ, &body);
}

static bool parse_pointer(struct str line, uint64_t *seq)
{
	while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1]))
		line.len--;
	while (line.len > 0 && strchr(" \t", line.data[0]))
		line = str_make(line.data + 1, line.len - 1);
	*seq = WIRE_READ_ALL;
	if (line.len == 0)
		return false;
	return str_eq(line, str_of("all")) || text_parse_u64(line, seq);
}

/* The last line with something in it counts; all must be pointers. 1: *seq,
 * 0: none, -EINVAL. */
static int last_pointer(struct str text, uint64_t *seq)
{
	int found = 0;

	while (text.len > 0) {
		const char *nl = memchr(text.data, '\n', text.len);
		size_t len = nl == NULL ? text.len : (size_t)(nl - text.data);
		size_t used = nl == NULL ? len : len + 1;

		if (len > 0) {
			if (!parse_pointer(str_make(text.data, len), seq))
				return -EINVAL;
			found = 1;
		}
		text = str_make(text.data + used, text.len - used);
	}
	return found;
}

static void pointer_written(struct op *op, const void *body)
{
	struct handle *h = op->handle;

	(void)body;
	if (op->what != OP_WRITE) {
		file_applied(op);
		return;
	}
	(void)lines_keep(&h->pending, buf_str(&op->data));
	if (h->pending.len > 0)
		handle_set_dirty(h, op->user);
	else
		handle_set_clean(h);
	op_reply_write(op);
}

static void keep_pointer(struct op *op)
{
	pointer_written(op, NULL);
}

static void set_pointer(struct op *op, struct str text)
{
	int rc = last_pointer(text, &op->group.last_read_seq);

	if (rc < 0) {
		op_deny(op, EINVAL, "write a message's number, or \"all\"");
		return;
	}
	if (rc == 0) {
		op_find_group(op, keep_pointer);
		return;
	}
	op->writes = true;
	op_ask(op, ask_set_read, pointer_written);
}

static void last_read_write(struct op *op)
{
	struct handle *h = op->handle;
	const char *nl = memrchr(op->data.data, '\n', op->data.len);
	size_t used = nl == NULL ? 0 : (size_t)(nl - op->data.data) + 1;

	if (!handle_may_write(h, op)) {
		op_deny(op, EACCES, "another user writes on this descriptor");
		return;
	}
	if (h->pending.len + op->data.len > POINTER_MAX ||
	    !buf_reserve(&h->pending, op->data.len)) {
		op_deny(op, EINVAL, "write a message's number, or \"all\"");
		return;
	}
	if (nl != NULL)
		buf_append_str(&op->body, buf_str(&h->pending));
	buf_append(&op->body, op->data.data, used);
	if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else
		set_pointer(op, buf_str(&op->body));
}

static void last_read_flush(struct op *op)
{
	struct handle *h = op->handle;

	buf_append_str(&op->body, buf_str(&h->pending));
	buf_clear(&h->pending);
	handle_set_clean(h);
	if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else
		set_pointer(op, buf_str(&op->body));
}

const struct file_ops file_last_read_ops = { .stat = last_read_make,
					     .read = last_read_read,
					     .write = last_read_write,
					     .flush = last_read_flush,
					     .load = last_read_text,
					     .replace = set_pointer };

/* .me/name and .me/groups */

static int ask_groups(struct op *op)
{
	const struct wire_body_list_groups body = {
		.after = str_of(op->name),
		.limit = op->kind == KIND_ME_NAME ? 1 : WIRE_GROUPS_MAX
	};

	return op_submit(op, WIRE_LIST_GROUPS, &body);
}

/* Any answer will do: the principal is open then, and has its name. */
static void name_came(struct op *op, const void *body)
{
	(void)body;
	buf_printf(&op->body, "%s\n", op->user->principal.name);
	file_text_made(op);
}

static void name_make(struct op *op)
{
	op_ask(op, ask_groups, name_came);
}

static void add_group(struct op *op, const struct wire_group *g)
{
	str_to_cstr(g->name, op->name, sizeof(op->name));
	buf_printf(&op->body, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
		   op->name, g->role == ROLE_ADMIN ? "admin" : "member",
		   g->last_seq,
		   g->last_seq > g->last_read_seq
			   ? g->last_seq - g->last_read_seq
			   : 0,
		   g->mentions);
}

static void groups_came(struct op *op, const void *body)
{
	const struct wire_body_group_list *page = body;
	struct str list = page->groups;
	struct wire_group g;
	size_t before = op->body.len;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_group, &g)) == 1)
		add_group(op, &g);
	if (rc < 0)
		op_reply_err(op, EIO);
	else if (page->complete || op->body.len == before)
		file_text_made(op);
	else
		op_ask(op, ask_groups, groups_came);
}

static void groups_make(struct op *op)
{
	op_ask(op, ask_groups, groups_came);
}

/* .me/error and .me/state: known here, whether groupd is there or not. */

static void error_make(struct op *op)
{
	if (op->user->refusal[0] != '\0')
		buf_printf(&op->body, "%s\n", op->user->refusal);
	file_text_made(op);
}

static void state_make(struct op *op)
{
	const struct client *c = &op->fs->client;
	char time[TEXT_TIME_LEN + 1];

	if (c->online) {
		buf_printf(&op->body, "online\n");
	} else {
		text_format_time(time, c->since_ms != 0 ? c->since_ms
							: op->fs->started_ms);
		buf_printf(&op->body, "offline since %s: %s\n", time,
			   c->why[0] != '\0' ? c->why
					     : "not connected to groupd yet");
	}
	file_text_made(op);
}

static void name_read(struct op *op)
{
	file_text_read(op, name_make);
}

static void groups_read(struct op *op)
{
	file_text_read(op, groups_make);
}

static void error_read(struct op *op)
{
	file_text_read(op, error_make);
}

static void state_read(struct op *op)
{
	file_text_read(op, state_make);
}

const struct file_ops file_me_name_ops = { .stat = name_make,
					   .read = name_read };
const struct file_ops file_me_groups_ops = { .stat = groups_make,
					     .read = groups_read };
const struct file_ops file_me_error_ops = { .stat = error_make,
					    .read = error_read };
const struct file_ops file_me_state_ops = { .stat = state_make,
					    .read = state_read };
