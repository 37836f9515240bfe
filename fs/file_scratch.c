/* SPDX-License-Identifier: MIT */
/*
 * A scratch file, open or by its number: as a file of any file system. Who
 * may not ask for its owner's files never gets here (op_new); that he is
 * still a member is asked each time.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/ops_scratch.h"

enum { PERMISSIONS = 07777 };

static struct scratch *scratch_of(const struct op *op)
{
	return &op->fs->scratch;
}

static void fail(struct op *op, int rc)
{
	if (rc == -EFBIG)
		op_deny(op, EFBIG, "it may have %d MiB",
			SCRATCH_FILE_MAX >> 20);
	else if (rc == -EDQUOT)
		op_deny(op, EDQUOT,
			"your files beside those of groups may have %d MiB",
			SCRATCH_USER_MAX >> 20);
	else
		op_reply_err(op, -rc);
}

/* Its owner's bits; root may all but run what nobody can. */
static bool allows(const struct op *op, unsigned int mask)
{
	unsigned int mode = op->scratch->mode;
	unsigned int bits = (mode >> 6) & 7;

	if (op->uid == 0)
		bits |= R_OK | W_OK | ((mode & 0111) != 0 ? X_OK : 0U);
	return (mask & ~bits) == 0;
}

static struct timespec time_of(const struct op *op, int now, struct timespec t)
{
	return (op->to_set & now) != 0 ? scratch_time(scratch_of(op)) : t;
}

static void set_attr(struct op *op)
{
	struct scratch_file *f = op->scratch;
	struct stat st;
	int rc = 0;

	if (((op->to_set & FUSE_SET_ATTR_UID) && op->attr.st_uid != op->uid) ||
	    ((op->to_set & FUSE_SET_ATTR_GID) && op->attr.st_gid != op->gid)) {
		op_deny(op, EPERM, "the owner cannot be changed");
		return;
	}
	if ((op->to_set & FUSE_SET_ATTR_SIZE) && op->handle == NULL &&
	    !allows(op, W_OK))
		rc = -EACCES;
	else if ((op->to_set & FUSE_SET_ATTR_SIZE))
		rc = op->attr.st_size < 0
			     ? -EINVAL
			     : scratch_resize(scratch_of(op), f,
					      (uint64_t)op->attr.st_size);
	if (rc != 0) {
		fail(op, rc);
		return;
	}
	if (op->to_set & FUSE_SET_ATTR_MODE)
		f->mode = (f->mode & S_IFMT) | (op->attr.st_mode & PERMISSIONS);
	if (op->to_set & FUSE_SET_ATTR_ATIME)
		f->atime =
			time_of(op, FUSE_SET_ATTR_ATIME_NOW, op->attr.st_atim);
	if (op->to_set & FUSE_SET_ATTR_MTIME)
		f->mtime =
			time_of(op, FUSE_SET_ATTR_MTIME_NOW, op->attr.st_mtim);
	scratch_changed(scratch_of(op), f);
	st = ops_scratch_stat(op);
	op_reply_stat(op, &st);
}

static void scratch_stat(struct op *op)
{
	struct stat st;

	switch (op->what) {
	case OP_SETATTR:
		set_attr(op);
		break;
	case OP_ACCESS:
		op_reply_err(op,
			     allows(op, (unsigned int)op->mask) ? 0 : EACCES);
		break;
	default:
		st = ops_scratch_stat(op);
		op_reply_stat(op, &st);
		break;
	}
}

static void scratch_open(struct op *op)
{
	int flags = op->handle->flags;
	int way = flags & O_ACCMODE;
	unsigned int mask =
		(way != O_WRONLY ? R_OK : 0U) | (way != O_RDONLY ? W_OK : 0U);
	int rc = 0;

	if (!allows(op, mask))
		rc = -EACCES;
	else if ((flags & O_TRUNC) != 0)
		rc = scratch_resize(scratch_of(op), op->scratch, 0);
	if (rc != 0)
		op_reply_err(op, -rc);
	else
		op_reply_open(op, FOPEN_DIRECT_IO);
}

static void answer_read(struct op *op)
{
	op_reply_slice(op, buf_str(&op->scratch->content));
}

static void scratch_read(struct op *op)
{
	op_know_group(op, answer_read);
}

/* op->mask: the descriptor's flags now. The kernel's idea of the end is older
 * than ours. */
static void write_now(struct op *op)
{
	struct scratch_file *f = op->scratch;
	uint64_t at = (op->mask & O_APPEND) != 0 ? f->content.len : op->off;
	int rc = scratch_write(scratch_of(op), f, at, buf_str(&op->data));

	if (rc != 0)
		fail(op, rc);
	else
		op_reply_write(op);
}

static void scratch_write_turn(struct op *op)
{
	op_know_group(op, write_now);
}

const struct file_ops file_scratch_ops = { .stat = scratch_stat,
					   .open = scratch_open,
					   .read = scratch_read,
					   .write = scratch_write_turn };
