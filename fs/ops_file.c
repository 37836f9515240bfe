/* SPDX-License-Identifier: MIT */
/*
 * Open files. Who may is asked at every request, for the user who makes it:
 * a descriptor gives nobody more than he has.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>

#include "fs/file.h"
#include "fs/ops.h"

static void deny_open(struct op *op, unsigned int mode)
{
	if ((mode & S_IRUSR) == 0)
		op_deny(op, EACCES, "it can only be written");
	else if (mode != kind_info(op->kind)->mode)
		op_deny(op, EACCES, "only an admin of the group may write it");
	else
		op_deny(op, EACCES, "it can only be read");
}

/* op->mask: the flags of open(2). */
static void open_file(struct op *op)
{
	const struct file_ops *file = file_ops_of(op->kind);
	unsigned int mode = op_mode(op, op->kind);
	int way = op->mask & O_ACCMODE;

	if ((way != O_WRONLY && (mode & S_IRUSR) == 0) ||
	    (way != O_RDONLY && (mode & S_IWUSR) == 0)) {
		deny_open(op, mode);
		return;
	}
	if (file->append_only && way != O_RDONLY &&
	    ((op->mask & O_APPEND) == 0 || (op->mask & O_TRUNC) != 0)) {
		op_deny(op, EPERM, "it only grows: append to it with >>");
		return;
	}
	op->handle = handle_new(op, op->mask);
	if (op->handle == NULL)
		op_reply_err(op, ENOMEM);
	else if (file->open != NULL)
		file->open(op);
	else
		op_reply_open(op, FOPEN_DIRECT_IO);
}

void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_OPEN, ino, NULL);

	if (op == NULL)
		return;
	if (file_ops_of(op->kind) == NULL) {
		op_reply_err(op, EISDIR);
		return;
	}
	op->mask = fi->flags;
	if (file_is_media(op->kind))
		file_media_open(op);
	else if (op->group_id != 0 && op->kind == KIND_UNREAD)
		op_find_group(op, open_file);
	else if (op->group_id != 0)
		op_know_group(op, open_file);
	else
		open_file(op);
}

void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_READ, ino, handle_of(fi));

	if (op == NULL)
		return;
	op->size = size;
	op->off = (uint64_t)off;
	op->mask = fi->flags;
	/* A read(2) names its lock owner. Without one a page for mmap(2) or
	 * splice(2) is to be filled: all users share the kernel's pages of a
	 * file, so it would be shown to whoever else comes that way. EINVAL
	 * makes programs that splice fall back to read(2). */
	if (fi->lock_owner == 0) {
		op_deny(op, EINVAL, "it cannot be mapped or spliced: read it");
		return;
	}
	file_ops_of(op->kind)->read(op);
}

void ops_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
	       off_t off, struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_WRITE, ino, handle_of(fi));

	if (op == NULL)
		return;
	op->size = size;
	op->off = (uint64_t)off;
	op->mask = fi->flags;
	buf_append(&op->data, data, size);
	if (op->data.failed)
		op_reply_err(op, ENOMEM);
	else
		handle_run(op, file_ops_of(op->kind)->write);
}

/* What waited for its turn may have been sent meanwhile. */
static void flush_turn(struct op *op)
{
	struct handle *h = op->handle;
	int error = h->abandoned ? 0 : h->spoilt;

	/* Who wrote it may have been unknown when the close came. */
	if (h->writer != NULL && h->writer != op->user) {
		user_drop(&op->fs->users, op->user);
		op->user = user_hold(h->writer);
	}
	if (h->abandoned || error != 0) {
		buf_clear(&h->pending);
		handle_set_clean(h);
		op_reply_err(op, error);
	} else if (h->dirty || (h->cut && op->what == OP_RELEASE)) {
		file_ops_of(op->kind)->flush(op);
	} else {
		op_reply_err(op, 0);
	}
}

/* Whether the process has opened the file to write more than once: then it is
 * not known which descriptor is a copy of which. */
static bool is_opened_twice(const struct handle *h)
{
	for (struct list *l = h->fs->handles.next; l != &h->fs->handles;
	     l = l->next) {
		const struct handle *other =
			container_of(l, struct handle, link);

		if (other != h && other->opener == h->opener &&
		    other->kind == h->kind && other->group_id == h->group_id &&
		    (other->flags & O_ACCMODE) != O_RDONLY)
			return true;
	}
	return false;
}

/* A shell copies a descriptor that it keeps (exec 3>>file) for each command
 * that writes to it (echo >&3) and closes the copy: not the close that sends,
 * while the opener can still write. Where we may not look, any close of its
 * sends. An error is told by the close that comes. */
static bool closes_a_copy(const struct handle *h, uint64_t ino)
{
	return h->dirty && h->spoilt == 0 && h->current == NULL &&
	       !is_opened_twice(h) &&
	       outside_may_write(&h->fs->outside, h->opener, ino) == 1;
}

/* The remainder goes when the process that opened the file closes it; what
 * its children close, and their ends, are FLUSHes too. Who is killed by a
 * signal did not say all that he wanted to: nothing of it goes, later neither.
 */
void ops_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct op *op = op_new(req, OP_FLUSH, ino, h);
	bool pending;

	if (op == NULL)
		return;
	if (file_is_media(op->kind)) {
		file_media_flush(op);
		return;
	}
	pending = h->dirty || h->cut || h->spoilt != 0 || h->current != NULL;
	if (!pending || !handle_is_opener(h, op->tid)) {
		op_reply_err(op, 0);
		return;
	}
	if (outside_is_killed(&op->fs->outside, op->tid))
		h->abandoned = true;
	else if (closes_a_copy(h, ino)) {
		op_reply_err(op, 0);
		return;
	}
	handle_run(op, flush_turn);
}

/* Complete lines are stored when write(2) returns, and what is not complete
 * is not to be sent yet: there is nothing to do. */
void ops_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	       struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_OTHER, ino, handle_of(fi));

	(void)datasync;
	if (op != NULL)
		op_reply_err(op, 0);
}

/* The last close; ends the kernel's hold on the handle, whatever happens. */
void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct op *op = op_new(req, OP_RELEASE, ino, h);

	if (op == NULL)
		handle_drop(h);
	else if (file_is_media(op->kind))
		file_media_release(op);
	else
		handle_run(op, flush_turn);
}

void ops_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct fuse_pollhandle *ph)
{
	struct op *op = op_new(req, OP_POLL, ino, handle_of(fi));

	if (op != NULL && (op->kind == KIND_LIVE || op->kind == KIND_ME_LIVE)) {
		file_live_poll(op, ph);
		return;
	}
	if (ph != NULL)
		fuse_pollhandle_destroy(ph);
	if (op != NULL)
		op_reply_poll(op, POLLIN | POLLOUT);
}
