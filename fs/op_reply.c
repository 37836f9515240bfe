/* SPDX-License-Identifier: MIT */
/* The ends of an op: its one answer to the kernel, and its memory. */
#include "fs/op.h"

#include <assert.h>
#include <linux/fuse.h>
#include <stdlib.h>

#include "fs/handle.h"
#include "fs/upload.h"

/* Everything but the reply, which comes just before. */
static void finish(struct op *op)
{
	struct groupfs *fs = op->fs;
	struct handle *h = op->handle;

	assert(!op->asking);
	list_remove(&op->link);
	list_remove(&op->queue);
	if (op->counted)
		fs->writing--;
	buf_release(&op->data);
	buf_release(&op->body);
	buf_release(&op->file);
	buf_release(&op->target);
	floor_drop(&fs->floors, op->floor);
	if (op->scratch != NULL)
		scratch_drop(&fs->scratch, op->scratch, uv_now(fs->loop));
	if (h != NULL) {
		handle_done(h, op);
		if (op->what == OP_RELEASE)
			handle_drop(h);
		handle_drop(h);
	}
	if (op->sends_upload)
		op->upload->sending = false;
	upload_drop(op->upload);
	user_drop(&fs->users, op->user);
	free(op);
}

/* Whether its failure leaves what is being written incomplete. */
static bool may_spoil(const struct op *op)
{
	if (op->what == OP_SETATTR)
		return op->handle != NULL && op->handle->upload != NULL &&
		       (op->to_set & FUSE_SET_ATTR_SIZE);
	return op->what == OP_WRITE && op->scratch == NULL;
}

void op_reply_err(struct op *op, int error)
{
	assert(error >= 0);
	if (error != 0 && may_spoil(op))
		handle_spoil(op->handle, error);
	fuse_reply_err(op->req, error);
	finish(op);
}

/* 2 and one for each folder in it. Of the root they would have to be counted
 * each time: 1 says, as on btrfs, that they are not. */
static nlink_t links_of(enum kind kind)
{
	if (!kind_is_dir(kind) || kind == KIND_ROOT)
		return 1;
	return kind == KIND_GROUP ? 3 : 2;
}

/* The caller is shown as the owner of all that he may see. */
static struct stat stat_of(const struct op *op, uint64_t ino, enum kind kind,
			   uint64_t size, uint64_t mtime_ms)
{
	const struct timespec t = { .tv_sec = (time_t)(mtime_ms / 1000),
				    .tv_nsec =
					    (long)(mtime_ms % 1000) * 1000000 };

	return (struct stat){ .st_ino = ino,
			      .st_mode = op_mode(op, kind),
			      .st_nlink = links_of(kind),
			      .st_uid = op->uid,
			      .st_gid = op->gid,
			      .st_size = (off_t)size,
			      .st_blksize = 128 << 10,
			      .st_blocks = (blkcnt_t)((size + 511) / 512),
			      .st_atim = t,
			      .st_mtim = t,
			      .st_ctim = t };
}

uint64_t op_inode(const struct op *op)
{
	if (op->floor == NULL)
		return inode_of(op->id, op->kind);
	return inode_of(op->floor->number, op->kind == KIND_JSONL
						   ? KIND_CUT_JSONL
						   : KIND_CUT_MESSAGES);
}

void op_reply_attr(struct op *op, uint64_t size, uint64_t mtime_ms)
{
	const struct stat st =
		stat_of(op, op_inode(op), op->kind, size, mtime_ms);

	op_reply_stat(op, &st);
}

void op_reply_entry(struct op *op, uint64_t ino, uint64_t size,
		    uint64_t mtime_ms)
{
	uint64_t id;
	enum kind kind = KIND_NONE;
	bool known = inode_split(ino, &id, &kind);
	struct stat st;

	assert(known);
	st = stat_of(op, ino, kind, size, mtime_ms);
	op_reply_node(op, &st);
}

void op_reply_stat(struct op *op, const struct stat *st)
{
	struct stat marked = *st;

	marked.st_ino = inode_mark(st->st_ino, op->fs->generation);
	fuse_reply_attr(op->req, &marked, 0);
	finish(op);
}

static struct fuse_entry_param entry_of(const struct op *op,
					const struct stat *st)
{
	struct fuse_entry_param e = { .attr = *st };

	e.attr.st_ino = inode_mark(st->st_ino, op->fs->generation);
	e.ino = e.attr.st_ino;
	return e;
}

void op_reply_node(struct op *op, const struct stat *st)
{
	const struct fuse_entry_param e = entry_of(op, st);

	fuse_reply_entry(op->req, &e);
	finish(op);
}

void op_reply_create(struct op *op, const struct stat *st)
{
	const struct fuse_entry_param e = entry_of(op, st);
	const struct fuse_file_info fi = {
		.fh = (uint64_t)(uintptr_t)op->handle, .direct_io = 1
	};

	if (fuse_reply_create(op->req, &e, &fi) == 0)
		handle_hold(op->handle);
	finish(op);
}

void op_reply_readlink(struct op *op, const char *target)
{
	fuse_reply_readlink(op->req, target);
	finish(op);
}

void op_reply_open(struct op *op, uint32_t open_flags)
{
	/* By hand: libfuse 3.14 has no word for FOPEN_STREAM. */
	const struct fuse_open_out out = {
		.fh = (uint64_t)(uintptr_t)op->handle, .open_flags = open_flags
	};

	/* An open that nobody waits for any more gets no release. */
	if (fuse_reply_buf(op->req, (const char *)&out, sizeof(out)) == 0)
		handle_hold(op->handle);
	finish(op);
}

void op_reply_created(struct op *op, uint64_t ino, uint64_t size,
		      uint64_t mtime_ms)
{
	const struct stat st = stat_of(op, ino, op->kind, size, mtime_ms);

	op_reply_create(op, &st);
}

void op_reply_buf(struct op *op, const char *data, size_t len)
{
	fuse_reply_buf(op->req, data, len);
	finish(op);
}

void op_reply_iov(struct op *op, const struct iovec *parts, int count)
{
	fuse_reply_iov(op->req, parts, count);
	finish(op);
}

void op_reply_slice(struct op *op, struct str text)
{
	size_t from = op->off < text.len ? (size_t)op->off : text.len;
	size_t len = text.len - from;

	if (len > op->size)
		len = op->size;
	op_reply_buf(op, text.data + from, len);
}

void op_reply_write(struct op *op)
{
	op->handle->spoilt = 0;
	fuse_reply_write(op->req, op->size);
	finish(op);
}

void op_reply_poll(struct op *op, unsigned int revents)
{
	fuse_reply_poll(op->req, revents);
	finish(op);
}

void op_reply_statfs(struct op *op, const struct statvfs *st)
{
	fuse_reply_statfs(op->req, st);
	finish(op);
}
