/* SPDX-License-Identifier: MIT */
/*
 * Names and attributes. What lies in .me is told without groupd; a group
 * only after groupd said that the caller is a member of it.
 */
#include <errno.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/listing.h"
#include "fs/media_dir.h"
#include "fs/ops.h"
#include "fs/ops_scratch.h"
#include "lib/text.h"

enum { BLOCK = 4096 /* bytes, of statvfs */ };

static const char NOT_THAT_WAY[] =
	"nothing can be made, renamed or removed here (mkdir at the top makes "
	"a group)";

static uint64_t start_of(const struct op *op)
{
	return op->fs->started_ms;
}

static void answer_access(struct op *op)
{
	unsigned int mode = (op_mode(op, op->kind) >> 6) & 7;

	if (((unsigned int)op->mask & ~mode) != 0)
		op_reply_err(op, EACCES);
	else
		op_reply_err(op, 0);
}

static bool changes_owner(const struct op *op)
{
	if ((op->to_set & FUSE_SET_ATTR_UID) && op->attr.st_uid != op->uid)
		return true;
	return (op->to_set & FUSE_SET_ATTR_GID) && op->attr.st_gid != op->gid;
}

/* Modes and times are accepted and change nothing: editors and touch set
 * them. */
static void answer_setattr(struct op *op, uint64_t size, uint64_t mtime_ms)
{
	const struct file_ops *file = file_ops_of(op->kind);
	bool resize = (op->to_set & FUSE_SET_ATTR_SIZE) != 0;

	if (changes_owner(op)) {
		op_deny(op, EPERM, "the owner cannot be changed");
		return;
	}
	if (resize && (op_mode(op, op->kind) & S_IWUSR) == 0) {
		op_deny(op, EACCES, "it cannot be written");
		return;
	}
	if (resize && file != NULL && file->append_only &&
	    op->attr.st_size != (off_t)size) {
		op_deny(op, EPERM, "it only grows and cannot be cut");
		return;
	}
	if (resize && op->handle != NULL && file != NULL &&
	    file->truncate != NULL) {
		int rc = file->truncate(op);

		if (rc != 0) {
			op_deny(op, -rc, "it cannot have that size");
			return;
		}
		size = (uint64_t)op->attr.st_size;
	}
	op_reply_attr(op, size, mtime_ms);
}

void file_stat_done(struct op *op, uint64_t size, uint64_t mtime_ms)
{
	switch (op->what) {
	case OP_LOOKUP:
		op->id = op->group_id;
		op_reply_entry(op, op_inode(op), size, mtime_ms);
		break;
	case OP_SETATTR:
		answer_setattr(op, size, mtime_ms);
		break;
	case OP_ACCESS:
		answer_access(op);
		break;
	default:
		op_reply_attr(op, size, mtime_ms);
		break;
	}
}

/* The group was found. */
static void stat_in_group(struct op *op)
{
	const struct file_ops *file = file_ops_of(op->kind);

	if (file == NULL)
		file_stat_done(op, 0, op->group.mtime_ms);
	else
		file->stat(op);
}

/* Whether what the kernel wants to know now is more than events tell. */
static bool must_ask(const struct op *op)
{
	switch (op->kind) {
	case KIND_UNREAD:
	case KIND_LAST_READ:
	case KIND_MEMBERS:
	case KIND_DESCRIPTION:
	case KIND_SETTINGS:
		return op->what != OP_LOOKUP && op->what != OP_ACCESS;
	default:
		return false;
	}
}

/* A group that the caller has just listed. */
static bool stat_listed(struct op *op)
{
	struct listing_entry e;

	if (op->kind != KIND_GROUP || op->what != OP_GETATTR ||
	    !listing_find(op, &e))
		return false;
	file_stat_done(op, 0, e.mtime_ms);
	return true;
}

static void stat_node(struct op *op)
{
	const struct file_ops *file = file_ops_of(op->kind);

	if (file_is_media(op->kind))
		file_media_stat(op);
	else if (stat_listed(op))
		return;
	else if (op->group_id != 0 && must_ask(op))
		op_find_group(op, stat_in_group);
	else if (op->group_id != 0)
		op_know_group(op, stat_in_group);
	else if (file == NULL || op->what == OP_LOOKUP || op->what == OP_ACCESS)
		file_stat_done(op, 0, start_of(op));
	else
		file->stat(op);
}

static void group_looked_up(struct op *op)
{
	if (op->group.id == 0 || op->group.id > INODE_ID_MAX) {
		op_reply_err(op, EOVERFLOW);
		return;
	}
	op_reply_entry(op, inode_of(op->group.id, KIND_GROUP), 0,
		       op->group.mtime_ms);
}

static void look_up_group(struct op *op)
{
	struct listing_entry e;

	if (listing_find(op, &e))
		op_reply_entry(op, e.ino, 0, e.mtime_ms);
	else
		op_know_group(op, group_looked_up);
}

void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op *op = op_new(req, OP_LOOKUP, parent, NULL);
	enum kind kind;

	if (op == NULL)
		return;
	if (op->kind == KIND_MEDIA) {
		media_dir_lookup(op, name);
		return;
	}
	kind = kind_lookup(op->kind, name);
	if (kind != KIND_NONE &&
	    (kind_is_dir(kind) || file_ops_of(kind) != NULL)) {
		op->kind = kind;
		stat_node(op);
	} else if (op->kind == KIND_ROOT && text_is_group_name(str_of(name)) &&
		   str_to_cstr(str_of(name), op->name, sizeof(op->name))) {
		look_up_group(op);
	} else if (op->kind == KIND_GROUP && kind == KIND_NONE) {
		ops_scratch_lookup(op, name);
	} else {
		op_reply_err(op, ENOENT);
	}
}

void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct op *op =
		op_new(req, OP_GETATTR, ino, fi == NULL ? NULL : handle_of(fi));

	if (op != NULL)
		stat_node(op);
}

void ops_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		 struct fuse_file_info *fi)
{
	struct op *op =
		op_new(req, OP_SETATTR, ino, fi == NULL ? NULL : handle_of(fi));

	if (op == NULL)
		return;
	op->attr = *attr;
	op->to_set = to_set;
	stat_node(op);
}

void ops_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct op *op = op_new(req, OP_ACCESS, ino, NULL);

	if (op == NULL)
		return;
	op->mask = mask;
	stat_node(op);
}

static void answer_space(struct op *op)
{
	const struct wire_body_space *space = &op->fs->space;
	const struct statvfs st = {
		.f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_blocks = (fsblkcnt_t)(space->total / BLOCK),
		.f_bfree = (fsblkcnt_t)(space->free / BLOCK),
		.f_bavail = (fsblkcnt_t)(space->free / BLOCK),
		.f_namemax = NAME_MAX,
	};

	op_reply_statfs(op, &st);
}

static int ask_space(struct op *op)
{
	const struct wire_body_get_space body = { 0 };

	return op_submit(op, WIRE_GET_SPACE, &body);
}

static void space_came(struct op *op, const void *body)
{
	op->fs->space = *(const struct wire_body_space *)body;
	answer_space(op);
}

/* Of the file system that the store is on. While groupd is away df(1) sees
 * what was known last: it asks for every mount there is and must not wait. */
void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct op *op = op_new(req, OP_OTHER, ino, NULL);

	if (op == NULL)
		return;
	if (op->fs->client.online)
		op_ask(op, ask_space, space_came);
	else
		answer_space(op);
}

static void deny_change(struct op *op)
{
	op_deny(op, EPERM, "%s", NOT_THAT_WAY);
}

/* Who is no member is told the same as of a folder that is not there. */
static void refuse_change(struct op *op)
{
	if (op->group_id != 0)
		op_know_group(op, deny_change);
	else
		deny_change(op);
}

void ops_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       dev_t rdev)
{
	struct op *op = op_new(req, OP_OTHER, parent, NULL);

	(void)rdev;
	if (op == NULL)
		return;
	switch (op->kind) {
	case KIND_GROUP:
		ops_scratch_mknod(op, name, mode);
		break;
	default:
		refuse_change(op);
		break;
	}
}

void ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op *op = op_new(req, OP_OTHER, parent, NULL);

	if (op == NULL)
		return;
	switch (op->kind) {
	case KIND_GROUP:
		ops_scratch_unlink(op, name);
		break;
	case KIND_MEDIA:
		media_dir_unlink(op, name);
		break;
	default:
		refuse_change(op);
		break;
	}
}

void ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op *op = op_new(req, OP_OTHER, parent, NULL);

	(void)name;
	if (op != NULL)
		refuse_change(op);
}

void ops_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		 const char *name)
{
	struct op *op = op_new(req, OP_OTHER, parent, NULL);

	if (op == NULL)
		return;
	switch (op->kind) {
	case KIND_GROUP:
		ops_scratch_symlink(op, name, link);
		break;
	default:
		refuse_change(op);
		break;
	}
}

void ops_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		fuse_ino_t new_parent, const char *new_name, unsigned int flags)
{
	struct op *op = op_new(req, OP_OTHER, parent, NULL);

	if (op == NULL)
		return;
	switch (op->kind) {
	case KIND_GROUP:
		ops_scratch_rename(op, name, new_parent, new_name, flags);
		break;
	case KIND_MEDIA:
		media_dir_rename(op, name, new_parent, new_name, flags);
		break;
	default:
		refuse_change(op);
		break;
	}
}

void ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
	      const char *new_name)
{
	struct op *op = op_new(req, OP_OTHER, new_parent, NULL);

	(void)ino;
	(void)new_name;
	if (op != NULL)
		refuse_change(op);
}

void ops_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		mode_t mode, struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_OPEN, parent, NULL);

	if (op == NULL)
		return;
	switch (op->kind) {
	case KIND_GROUP:
		ops_scratch_create(op, name, mode, fi->flags);
		break;
	case KIND_MEDIA:
		media_dir_create(op, name, fi->flags);
		break;
	default:
		refuse_change(op);
		break;
	}
}
