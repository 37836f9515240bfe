/* SPDX-License-Identifier: MIT */
/*
 * Files in media/, and those that become some. Of an upload each write is
 * with groupd when write(2) returns; the close sends it.
 *
 * Whose close: that of the process that opened it, when that has no other
 * descriptor of it. So neither a shell's dup2(2) nor a child's end sends half
 * a file, and close(2) can still tell how it went. A process that a signal
 * kills closes, too: what it had begun is discarded.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>

#include "fs/file.h"
#include "fs/upload.h"

/* A file of this many bytes is hashed and written to disk within the time
 * that any request has, on a slow disk; larger ones get more. */
enum { SEND_BYTES_PER_MS = 16 << 10 };

bool file_is_media(enum kind kind)
{
	return kind == KIND_MEDIA_FILE || kind == KIND_UPLOAD;
}

/* The upload of op's inode, held; false: it was answered. */
static bool take_upload(struct op *op)
{
	struct upload *u;

	if (op->handle != NULL)
		u = op->handle->upload;
	else
		u = upload_of_id(op->fs, op->user, op->id);
	if (u == NULL || u->user != op->user) {
		op_deny(op, u == NULL ? ENOENT : EACCES,
			u == NULL ? "it is not being copied in any more"
				  : "another user copies this file in");
		return false;
	}
	op->group_id = u->group_id;
	op->upload = upload_hold(u);
	return true;
}

static bool is_over(struct op *op)
{
	const struct upload *u = op->upload;

	if (u->state == UPLOAD_BEGUN && !u->sending)
		return false;
	if (u->state == UPLOAD_DISCARDED)
		op_deny(op, EBADF, "%s was removed", u->name);
	else
		op_deny(op, EBADF, "%s was sent already", u->name);
	return true;
}

/* Attributes. */

static int ask_file(struct op *op)
{
	const struct wire_body_find_media body = { .media_id = op->id };

	return op_submit(op, WIRE_FIND_MEDIA, &body);
}

static void file_stated(struct op *op, const void *body)
{
	const struct wire_body_media *m = body;

	if (op->what == OP_SETATTR && (op->to_set & FUSE_SET_ATTR_SIZE))
		op_deny(op, EPERM, "a file that was sent does not change");
	else
		file_stat_done(op, m->size, m->time_ms);
}

static void upload_stated(struct op *op)
{
	file_stat_done(op, op->upload->size, op->upload->mtime_ms);
}

static int ask_resize(struct op *op)
{
	const struct wire_body_write_media body = {
		.group_id = op->group_id,
		.key = str_of(op->upload->key),
		.off = (uint64_t)op->attr.st_size,
		.resize = 1
	};

	return op_submit(op, WIRE_WRITE_MEDIA, &body);
}

static void resized(struct op *op, const void *body)
{
	const struct wire_body_ok *ok = body;

	op->upload->size = ok->value;
	upload_touch(op->upload);
	upload_stated(op);
}

static void resize(struct op *op)
{
	if (is_over(op))
		return;
	op->writes = true;
	op_ask(op, ask_resize, resized);
}

void file_media_stat(struct op *op)
{
	if (op->kind == KIND_MEDIA_FILE)
		op_ask(op, ask_file, file_stated);
	else if (!take_upload(op))
		return;
	else if (op->what != OP_SETATTR || !(op->to_set & FUSE_SET_ATTR_SIZE))
		upload_stated(op);
	else if (op->handle != NULL)
		handle_run(op, resize);
	else
		resize(op);
}

/* Opening. */

static void reply_open(struct op *op)
{
	op->handle = handle_new(op, op->mask);
	if (op->handle == NULL) {
		op_reply_err(op, ENOMEM);
		return;
	}
	if (op->upload != NULL) {
		handle_set_upload(op->handle, op->upload);
		handle_set_dirty(op->handle, op->user);
	}
	op_reply_open(op, FOPEN_DIRECT_IO);
}

static void file_opened(struct op *op, const void *body)
{
	const struct wire_body_media *m = body;

	op->group_id = m->group_id;
	if ((op->mask & O_ACCMODE) != O_RDONLY || (op->mask & O_TRUNC))
		op_deny(op, EEXIST,
			"media/%.*s is there already and does not change: "
			"choose another name",
			(int)m->name.len, m->name.data);
	else
		reply_open(op);
}

static void upload_emptied(struct op *op, const void *body)
{
	(void)body;
	op->upload->size = 0;
	if (op->upload->open)
		op_deny(op, ETXTBSY, "you copy it in already");
	else
		reply_open(op);
}

static void open_upload(struct op *op)
{
	if (is_over(op)) {
		return;
	} else if ((op->mask & O_ACCMODE) == O_RDONLY) {
		op_deny(op, EBUSY, "it can be read when it was sent");
	} else if (op->upload->open) {
		op_deny(op, ETXTBSY, "you copy it in already");
	} else if (op->mask & O_TRUNC) {
		op->attr.st_size = 0;
		op->writes = true;
		op_ask(op, ask_resize, upload_emptied);
	} else {
		reply_open(op);
	}
}

void file_media_open(struct op *op)
{
	if (op->kind == KIND_MEDIA_FILE)
		op_ask(op, ask_file, file_opened);
	else if (take_upload(op))
		open_upload(op);
}

/* Reading. */

static int ask_read(struct op *op)
{
	const struct wire_body_read_media body = {
		.media_id = op->id,
		.offset = op->off,
		.size = op->size < WIRE_TEXT_MAX ? op->size : WIRE_TEXT_MAX
	};

	return op_submit(op, WIRE_READ_MEDIA, &body);
}

static void bytes_came(struct op *op, const void *body)
{
	const struct wire_body_text *text = body;

	op_reply_buf(op, text->data.data,
		     text->data.len < op->size ? text->data.len : op->size);
}

static void file_read(struct op *op)
{
	op_ask(op, ask_read, bytes_came);
}

static void upload_read(struct op *op)
{
	op_deny(op, EBUSY, "it can be read when it was sent");
}

/* Writing. */

static int ask_write(struct op *op)
{
	const struct wire_body_write_media body = {
		.group_id = op->group_id,
		.key = str_of(op->upload->key),
		.off = op->off,
		.data = buf_str(&op->data)
	};

	return op_submit(op, WIRE_WRITE_MEDIA, &body);
}

static void written(struct op *op, const void *body)
{
	const struct wire_body_ok *ok = body;

	op->upload->size = ok->value;
	op->upload->written = true;
	upload_touch(op->upload);
	op_reply_write(op);
}

/* After a write that failed, the file has a hole: there is no going on, but
 * for one that was interrupted before anything came of it. */
static void upload_write(struct op *op)
{
	int refusal = handle_refusal(op->handle);

	if (!take_upload(op) || is_over(op))
		return;
	if (refusal != 0) {
		op_reply_err(op, refusal);
		return;
	}
	if (op->data.len > WIRE_TEXT_MAX) {
		op_deny(op, EINVAL, "too much for one write");
		return;
	}
	if (op->mask & O_APPEND)
		op->off = op->upload->size;
	op->writes = true;
	op_ask(op, ask_write, written);
}

/* Sending. */

static int ask_send(struct op *op)
{
	const struct upload *u = op->upload;
	const struct wire_body_send_media body = { .group_id = u->group_id,
						   .key = str_of(u->key),
						   .name = buf_str(&op->body) };

	return op_submit_within(op, WIRE_SEND_MEDIA, &body,
				CLIENT_TIMEOUT_MS +
					u->size / SEND_BYTES_PER_MS);
}

static void sent(struct op *op, const void *body)
{
	(void)body;
	upload_sent(op->upload);
	op->then(op);
}

void file_media_send(struct op *op, struct str name, op_step_cb then)
{
	buf_clear(&op->body);
	buf_append_str(&op->body, name);
	if (op->body.failed) {
		op_reply_err(op, ENOMEM);
		return;
	}
	op->upload->sending = true;
	op->sends_upload = true;
	op->writes = true;
	op->then = then;
	op_ask(op, ask_send, sent);
}

static void closed(struct op *op)
{
	op_reply_err(op, 0);
}

static void close_upload(struct op *op)
{
	struct handle *h = op->handle;
	struct upload *u = h->upload;
	bool over = u->state != UPLOAD_BEGUN || u->sending;
	int spoilt = h->spoilt;

	if (op->upload == NULL)
		op->upload = upload_hold(u);
	if (!over && spoilt != 0) {
		handle_set_clean(h);
		upload_discard(u);
		op_reply_err(op, spoilt);
	} else if (over || !h->dirty || upload_is_scratch(u)) {
		op_reply_err(op, 0);
	} else {
		/* What the close reports as failed is not sent later. */
		handle_set_clean(h);
		file_media_send(op, str_of(u->name), closed);
	}
}

/* Whether the opener closes one of several descriptors. Where that is not
 * known, a shell closes one before it writes: then the last close decides. */
static bool has_another(const struct handle *h)
{
	uint64_t ino = inode_of(h->upload->id, KIND_UPLOAD);
	int rc = outside_has_open(&h->fs->outside, h->opener,
				  inode_mark(ino, h->fs->generation));

	return rc < 0 ? !h->upload->written : rc != 0;
}

void file_media_flush(struct op *op)
{
	struct handle *h = op->handle;

	bool ours = h->upload != NULL && handle_is_opener(h, op->tid);

	if (ours && outside_is_killed(&op->fs->outside, op->tid))
		upload_discard(h->upload);
	else
		ours = ours && !has_another(h);
	if (ours)
		handle_run(op, close_upload);
	else
		op_reply_err(op, 0);
}

void file_media_release(struct op *op)
{
	if (op->handle->upload == NULL)
		op_reply_err(op, 0);
	else
		handle_run(op, close_upload);
}

const struct file_ops file_media_ops = { .read = file_read };
const struct file_ops file_upload_ops = { .read = upload_read,
					  .write = upload_write };
