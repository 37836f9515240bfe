/* SPDX-License-Identifier: MIT */
#include "fs/ops_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "fs/file.h"
#include "fs/ops.h"

enum { PERMISSIONS = 07777 };

static struct scratch *scratch_of(const struct op *op)
{
	return &op->fs->scratch;
}

static struct scratch_file *find(const struct op *op, const struct buf *name)
{
	return scratch_find(scratch_of(op), op->uid, op->group_id,
			    buf_str(name));
}

/* From now on the op is about this file, which it holds. */
static void take(struct op *op, struct scratch_file *f)
{
	op->scratch = f;
	op->kind = KIND_SCRATCH;
}

static void deny_fixed(struct op *op)
{
	op_deny(op, EPERM,
		"the files of a group can be neither renamed nor removed");
}

static void deny_space(struct op *op, int rc)
{
	if (rc == -EDQUOT)
		op_deny(op, EDQUOT,
			"you have %d files or %d MiB beside those of groups",
			SCRATCH_USER_FILES, SCRATCH_USER_MAX >> 20);
	else if (rc == -ENOSPC)
		op_deny(op, ENOSPC,
			"this mount has no room for more files beside those "
			"of groups");
	else
		op_reply_err(op, -rc);
}

/* Keeps the name until groupd has answered. False: the op was ended. */
static bool keep_name(struct op *op, struct buf *to, const char *name)
{
	size_t len = str_of(name).len;

	buf_append(to, name, len);
	if (len <= SCRATCH_NAME_MAX && !to->failed)
		return true;
	op_reply_err(op, to->failed ? ENOMEM : ENAMETOOLONG);
	return false;
}

struct stat ops_scratch_stat(const struct op *op)
{
	const struct scratch_file *f = op->scratch;
	size_t size = f->content.len;

	return (struct stat){ .st_ino = inode_of(f->id, KIND_SCRATCH),
			      .st_mode = f->mode,
			      .st_nlink = f->name[0] == '\0' ? 0 : 1,
			      .st_uid = op->uid,
			      .st_gid = op->gid,
			      .st_size = (off_t)size,
			      .st_blksize = 128 << 10,
			      .st_blocks = (blkcnt_t)((size + 511) / 512),
			      .st_atim = f->atime,
			      .st_mtim = f->mtime,
			      .st_ctim = f->ctime };
}

static void reply_node(struct op *op)
{
	const struct stat st = ops_scratch_stat(op);

	op_reply_node(op, &st);
}

static void look_up(struct op *op)
{
	struct scratch_file *f = find(op, &op->file);

	if (f == NULL) {
		op_reply_err(op, ENOENT);
		return;
	}
	take(op, scratch_hold(f));
	reply_node(op);
}

void ops_scratch_lookup(struct op *op, const char *name)
{
	if (!keep_name(op, &op->file, name))
		return;
	/* Most names that are asked for are of no file at all. */
	if (find(op, &op->file) == NULL)
		op_reply_err(op, ENOENT);
	else
		op_know_group(op, look_up);
}

/* Makes the file of op->file, which there is not yet. False: the op was
 * ended. */
static bool make(struct op *op, mode_t mode)
{
	struct scratch *s = scratch_of(op);
	struct scratch_file *f;
	int rc;

	if (kind_lookup(KIND_GROUP, buf_cstr(&op->file)) != KIND_NONE) {
		op_deny(op, EEXIST, "a file of the group has this name");
		return false;
	}
	rc = scratch_new(s, op->uid, op->group_id, mode, &f);
	if (rc != 0) {
		deny_space(op, rc);
		return false;
	}
	take(op, f);
	rc = scratch_set_name(s, f, buf_str(&op->file));
	if (rc == 0)
		return true;
	op_reply_err(op, -rc);
	return false;
}

/* op->mask: the flags of open(2). */
static void create(struct op *op)
{
	struct scratch_file *f = find(op, &op->file);
	struct stat st;
	int rc = 0;

	if (f != NULL && (op->mask & O_EXCL) != 0) {
		op_reply_err(op, EEXIST);
		return;
	}
	if (f != NULL) {
		take(op, scratch_hold(f));
		if ((op->mask & O_TRUNC) != 0)
			rc = scratch_resize(scratch_of(op), f, 0);
	} else if (!make(op, S_IFREG | (op->attr.st_mode & PERMISSIONS))) {
		return;
	}
	if (rc == 0)
		op->handle = handle_new(op, op->mask);
	if (op->handle == NULL) {
		op_reply_err(op, ENOMEM);
		return;
	}
	st = ops_scratch_stat(op);
	op_reply_create(op, &st);
}

void ops_scratch_create(struct op *op, const char *name, mode_t mode, int flags)
{
	op->attr.st_mode = mode;
	op->mask = flags;
	if (keep_name(op, &op->file, name))
		op_know_group(op, create);
}

static void make_node(struct op *op)
{
	mode_t mode = op->attr.st_mode;

	if (find(op, &op->file) != NULL)
		op_reply_err(op, EEXIST);
	else if (!S_ISREG(mode))
		op_deny(op, EPERM, "only files and symbolic links can be made");
	else if (make(op, S_IFREG | (mode & PERMISSIONS)))
		reply_node(op);
}

void ops_scratch_mknod(struct op *op, const char *name, mode_t mode)
{
	op->attr.st_mode = mode;
	if (keep_name(op, &op->file, name))
		op_know_group(op, make_node);
}

static void make_symlink(struct op *op)
{
	int rc;

	if (find(op, &op->file) != NULL) {
		op_reply_err(op, EEXIST);
		return;
	}
	if (!make(op, S_IFLNK | 0777))
		return;
	rc = scratch_write(scratch_of(op), op->scratch, 0,
			   buf_str(&op->target));
	if (rc == 0) {
		reply_node(op);
		return;
	}
	scratch_unlink(scratch_of(op), op->scratch);
	deny_space(op, rc);
}

void ops_scratch_symlink(struct op *op, const char *name, const char *target)
{
	if (!keep_name(op, &op->file, name))
		return;
	buf_append_str(&op->target, str_of(target));
	if (op->target.failed)
		op_reply_err(op, ENOMEM);
	else
		op_know_group(op, make_symlink);
}

static void read_link(struct op *op)
{
	if (S_ISLNK(op->scratch->mode))
		op_reply_readlink(op, buf_cstr(&op->scratch->content));
	else
		op_reply_err(op, EINVAL);
}

void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct op *op = op_new(req, OP_OTHER, ino, NULL);

	if (op == NULL)
		return;
	if (op->kind == KIND_SCRATCH)
		op_know_group(op, read_link);
	else
		op_reply_err(op, EINVAL);
}

static void unlink_file(struct op *op)
{
	struct scratch_file *f = find(op, &op->file);

	if (kind_lookup(KIND_GROUP, buf_cstr(&op->file)) != KIND_NONE) {
		deny_fixed(op);
		return;
	}
	if (f != NULL)
		scratch_unlink(scratch_of(op), f);
	op_reply_err(op, f == NULL ? ENOENT : 0);
}

void ops_scratch_unlink(struct op *op, const char *name)
{
	if (keep_name(op, &op->file, name))
		op_know_group(op, unlink_file);
}

/* Renames. op->mask: the flags. */

static bool has_flag(const struct op *op, unsigned int flag)
{
	return ((unsigned int)op->mask & flag) != 0;
}

/* The text of a fixed file is in op->body: it gets a name of its own. */
static void snapshot_made(struct op *op)
{
	struct scratch *s = scratch_of(op);
	struct scratch_file *f;
	int rc = scratch_new(s, op->uid, op->group_id, S_IFREG | 0600, &f);

	if (rc == 0) {
		take(op, f);
		rc = op->body.failed
			     ? -ENOMEM
			     : scratch_write(s, f, 0, buf_str(&op->body));
	}
	if (rc == 0)
		rc = scratch_set_name(s, f, buf_str(&op->target));
	if (rc == -EFBIG)
		op_deny(op, EFBIG, "its copy would have over %d MiB",
			SCRATCH_FILE_MAX >> 20);
	else if (rc != 0)
		deny_space(op, rc);
	else
		op_reply_err(op, 0);
}

static void take_snapshot(struct op *op, enum kind from, enum kind to)
{
	const struct file_ops *file = file_ops_of(from);

	if (file == NULL || file->load == NULL || to != KIND_NONE ||
	    has_flag(op, RENAME_EXCHANGE)) {
		deny_fixed(op);
		return;
	}
	if (has_flag(op, RENAME_NOREPLACE) && find(op, &op->target) != NULL) {
		op_reply_err(op, EEXIST);
		return;
	}
	op->kind = from;
	file->load(op, snapshot_made);
}

/* An edit: the file stays until it was applied, so that nothing is lost. */
static void replace_fixed(struct op *op, enum kind to)
{
	const struct file_ops *file = file_ops_of(to);

	if (file == NULL || file->replace == NULL) {
		deny_fixed(op);
	} else if (has_flag(op, RENAME_NOREPLACE)) {
		op_reply_err(op, EEXIST);
	} else if (has_flag(op, RENAME_EXCHANGE)) {
		op_deny(op, EINVAL, "a file of the group cannot be exchanged");
	} else if (S_ISLNK(op->scratch->mode)) {
		op_deny(op, EINVAL, "a symbolic link cannot be its text");
	} else {
		op->kind = to;
		file->replace(op, buf_str(&op->scratch->content));
	}
}

void file_applied(struct op *op)
{
	if (op->handle == NULL)
		scratch_unlink(scratch_of(op), op->scratch);
	op_reply_err(op, 0);
}

static void rename_scratch(struct op *op)
{
	struct scratch_file *other = find(op, &op->target);
	int rc = 0;

	if (has_flag(op, RENAME_NOREPLACE) && other != NULL)
		rc = -EEXIST;
	else if (has_flag(op, RENAME_EXCHANGE) && other == NULL)
		rc = -ENOENT;
	else if (has_flag(op, RENAME_EXCHANGE))
		scratch_exchange(scratch_of(op), op->scratch, other);
	else
		rc = scratch_set_name(scratch_of(op), op->scratch,
				      buf_str(&op->target));
	op_reply_err(op, -rc);
}

/* op->off: the folder it goes to. */
static void rename_file(struct op *op)
{
	enum kind from = kind_lookup(KIND_GROUP, buf_cstr(&op->file));
	enum kind to = kind_lookup(KIND_GROUP, buf_cstr(&op->target));
	bool stays = op->off == inode_mark(inode_of(op->group_id, KIND_GROUP),
					   op->fs->generation);
	struct scratch_file *f = find(op, &op->file);

	if (from == KIND_NONE && f == NULL) {
		op_reply_err(op, ENOENT);
	} else if (from != KIND_NONE && !stays) {
		deny_fixed(op);
	} else if (!stays) {
		/* mv(1) copies it then. */
		op_reply_err(op, EXDEV);
	} else if (from != KIND_NONE) {
		take_snapshot(op, from, to);
	} else {
		op->scratch = scratch_hold(f);
		if (to != KIND_NONE)
			replace_fixed(op, to);
		else
			rename_scratch(op);
	}
}

void ops_scratch_rename(struct op *op, const char *name, fuse_ino_t new_parent,
			const char *new_name, unsigned int flags)
{
	op->mask = (int)flags;
	op->off = new_parent;
	if (!keep_name(op, &op->file, name) ||
	    !keep_name(op, &op->target, new_name))
		return;
	if ((flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
		op_reply_err(op, EINVAL);
	else
		/* The text of last_read is in groupd's answer only. */
		op_find_group(op, rename_file);
}
