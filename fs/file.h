/* SPDX-License-Identifier: MIT */
/*
 * The files of the mount, by kind: one table of what each can do. A kind that
 * has no row is not shown.
 *
 * Each function takes an op over: it ends it (op.h), at once or later.
 */
#ifndef GROUPFS_FS_FILE_H
#define GROUPFS_FS_FILE_H

#include "fs/handle.h"
#include "fs/inode.h"
#include "fs/op.h"

struct file_ops {
	/* Finds out size and mtime and calls file_stat_done(). Files of a
	 * group: the group was found. A lookup or an access needs no size:
	 * the kernel asks again before it uses one. */
	void (*stat)(struct op *op);
	/* More to do for an open that is allowed; NULL: nothing. */
	void (*open)(struct op *op);
	void (*read)(struct op *op);
	/* In the handle's order. */
	void (*write)(struct op *op);
	/* The close, in the handle's order, and only while it is dirty: ends
	 * in op_reply_err(). */
	void (*flush)(struct op *op);
	/* ftruncate(2) to op->size: 0 or a negative errno. NULL: it is
	 * accepted and changes nothing. */
	int (*truncate)(struct op *op);
	/* The text as reading shows it into op->body, then goes on. NULL: its
	 * rename makes no copy and is refused. The group was found. */
	void (*load)(struct op *op, op_step_cb then);
	/* A rename onto it: applies text (borrowed until it returns), as a
	 * close after writing it would, then calls file_applied(). NULL: it
	 * is refused. The group was found; op->handle is NULL. */
	void (*replace)(struct op *op, struct str text);
	/* Only appends: no O_TRUNC, nor writing without O_APPEND. */
	bool append_only;
};

/* NULL for folders and what has no row. */
const struct file_ops *file_ops_of(enum kind kind);

/* KIND_MEDIA_FILE and KIND_UPLOAD; then these are asked in place of the table
 * and of op_find_group(): for getattr, setattr and access; open; each FLUSH;
 * and the RELEASE. */
bool file_is_media(enum kind kind);
void file_media_stat(struct op *op);
void file_media_open(struct op *op);
void file_media_flush(struct op *op);
void file_media_release(struct op *op);
/* Sends op->upload under this name, then goes on. */
void file_media_send(struct op *op, struct str name, op_step_cb then);

/* A folder's listing (fs/ops_dir.c): adds an entry; answers the open. */
void dir_add(struct buf *list, uint64_t ino, enum kind kind, struct str name);
void dir_opened(struct op *op);

/* Answers the lookup, getattr, setattr or access that asked for it. */
void file_stat_done(struct op *op, uint64_t size, uint64_t mtime_ms);

/* A text is applied: what was renamed onto the file is gone then, and who
 * closed it is answered. */
void file_applied(struct op *op);

extern const struct file_ops file_messages_ops;
extern const struct file_ops file_post_ops;
extern const struct file_ops file_members_ops;
extern const struct file_ops file_description_ops;
extern const struct file_ops file_settings_ops;
extern const struct file_ops file_live_ops;
extern const struct file_ops file_unread_ops;
extern const struct file_ops file_last_read_ops;
extern const struct file_ops file_media_ops;
extern const struct file_ops file_upload_ops;
extern const struct file_ops file_scratch_ops;
extern const struct file_ops file_me_name_ops;
extern const struct file_ops file_me_groups_ops;
extern const struct file_ops file_me_error_ops;
extern const struct file_ops file_me_state_ops;
extern const struct file_ops file_me_mentions_ops;
extern const struct file_ops file_me_live_ops;

/* The close of what was written: sends op->body, or refuses where its encoding
 * failed (rc, err). What was pending is cleared first: what the close reports
 * as failed is not sent later. */
void file_messages_send_rest(struct op *op, int rc, const struct err *err);

/* Reads op->size bytes of the group's log at `from`. */
void file_messages_read_at(struct op *op, uint64_t from, uint64_t size);

void file_live_free(struct live *live);
/* .me/live: somebody was added to a group. */
void file_live_on_member(struct groupfs *fs,
			 const struct wire_body_ev_member *ev);
/* Has the open .me/live find their groups: all of them, now that groupd is
 * back, or those that could not before. */
void file_live_list(struct groupfs *fs, bool all);
/* What poll(2) may know now; ph (owned, may be NULL) is told later. */
void file_live_poll(struct op *op, struct fuse_pollhandle *ph);

/*
 * Reading a text that is made when it is first read: checks that the reader
 * is who opened the file and still may, calls load unless h->loaded, and
 * answers from h->text. load ends in file_text_loaded() with op->body.
 */
void file_text_read(struct op *op, op_step_cb load);
void file_text_loaded(struct op *op);
/* op->body is the whole text, made for its size or for a read. */
void file_text_made(struct op *op);
/* When a file was last changed, as far as the group says. */
uint64_t file_mtime(const struct op *op);

/*
 * A text that is edited as a whole and applied at the close (file_edit.c).
 * file_edit_open(): load ends in file_edit_loaded() with op->body. The others
 * are what struct file_ops has of the same name; flush applies the copy by the
 * file's replace.
 */
void file_edit_open(struct op *op, op_step_cb load);
void file_edit_loaded(struct op *op);
void file_edit_stat(struct op *op, op_step_cb load);
void file_edit_read(struct op *op, op_step_cb load);
void file_edit_write(struct op *op);
void file_edit_flush(struct op *op);
int file_edit_truncate(struct op *op);

#endif
