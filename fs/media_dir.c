/* SPDX-License-Identifier: MIT */
/* The folder: names in it come, go and are found. */
#include "fs/media_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

#include "fs/file.h"
#include "fs/handle.h"
#include "fs/upload.h"

static struct str name_of(const struct op *op)
{
	return buf_str(&op->file);
}

/* False: it was answered. */
static bool take_name(struct op *op, const char *name)
{
	buf_append_str(&op->file, str_of(name));
	if (op->file.failed)
		op_reply_err(op, ENOMEM);
	return !op->file.failed;
}

static struct upload *own_upload(const struct op *op)
{
	return upload_find(op->fs, op->user, op->group_id, name_of(op));
}

static void deny_name(struct op *op, struct str name)
{
	if (name.len > WIRE_FILE_MAX)
		op_deny(op, ENAMETOOLONG, "a file's name has at most %d bytes",
			WIRE_FILE_MAX);
	else
		op_deny(op, EINVAL,
			"a file's name is UTF-8 without control characters");
}

/* Lookups. */

static int ask_file(struct op *op)
{
	const struct wire_body_find_media body = { .group_id = op->group_id,
						   .name = name_of(op) };

	return op_submit(op, WIRE_FIND_MEDIA, &body);
}

static void file_found(struct op *op, const void *body)
{
	const struct wire_body_media *m = body;

	if (m->media_id == 0 || m->media_id > INODE_ID_MAX)
		op_reply_err(op, EOVERFLOW);
	else
		op_reply_entry(op, inode_of(m->media_id, KIND_MEDIA_FILE),
			       m->size, m->time_ms);
}

void media_dir_lookup(struct op *op, const char *name)
{
	const struct upload *u;

	if (!take_name(op, name))
		return;
	u = own_upload(op);
	if (u != NULL)
		op_reply_entry(op, inode_of(u->id, KIND_UPLOAD), u->size,
			       u->mtime_ms);
	else if (op->file.len > WIRE_FILE_MAX)
		op_reply_err(op, ENAMETOOLONG);
	else if (op->file.len == 0 || op->file.data[0] == '.' ||
		 !upload_is_name(name_of(op)))
		op_reply_err(op, ENOENT);
	else
		op_ask(op, ask_file, file_found);
}

/* Creating. */

static int ask_begin(struct op *op)
{
	const struct wire_body_write_media body = { .group_id = op->group_id,
						    .key = str_of(
							    op->upload->key),
						    .resize = 1 };

	return op_submit(op, WIRE_WRITE_MEDIA, &body);
}

static void begun(struct op *op, const void *body)
{
	const struct upload *u = op->upload;

	(void)body;
	op_reply_created(op, inode_of(u->id, KIND_UPLOAD), u->size,
			 u->mtime_ms);
}

static void create_in_group(struct op *op)
{
	const struct upload *other = own_upload(op);
	struct upload *u;

	if (!upload_is_name(name_of(op))) {
		deny_name(op, name_of(op));
		return;
	}
	if (other != NULL) {
		op_deny(op, other->open ? ETXTBSY : EEXIST,
			"you copy %s in already", other->name);
		return;
	}
	u = upload_new(op, name_of(op));
	if (u == NULL) {
		op_reply_err(op, ENOMEM);
		return;
	}
	op->upload = u;
	op->kind = KIND_UPLOAD;
	op->id = u->id;
	op->handle = handle_new(op, op->mask);
	if (op->handle == NULL) {
		upload_discard(u);
		op_reply_err(op, ENOMEM);
		return;
	}
	handle_set_upload(op->handle, u);
	handle_set_dirty(op->handle, op->user);
	op->writes = true;
	op_ask(op, ask_begin, begun);
}

void media_dir_create(struct op *op, const char *name, int flags)
{
	op->mask = flags;
	if (take_name(op, name))
		op_find_group(op, create_in_group);
}

/* Removing. */

static void deny_unlink(struct op *op, const void *body)
{
	(void)body;
	op_deny(op, EPERM, "a file that was sent stays as long as its group");
}

static void unlink_in_group(struct op *op)
{
	struct upload *u = own_upload(op);

	if (u == NULL) {
		op_ask(op, ask_file, deny_unlink);
	} else if (u->sending) {
		op_deny(op, EBUSY, "it is being sent");
	} else {
		upload_discard(u);
		op_reply_err(op, 0);
	}
}

void media_dir_unlink(struct op *op, const char *name)
{
	if (take_name(op, name))
		op_find_group(op, unlink_in_group);
}

/* Renaming: what makes a file of a scratch file. */

static void deny_rename(struct op *op, const void *body)
{
	(void)body;
	op_deny(op, EPERM, "a file that was sent keeps its name");
}

static void set_name(struct op *op)
{
	struct upload *u = op->upload;
	struct upload *target = upload_find(op->fs, op->user, op->group_id,
					    buf_str(&op->target));

	if (target != NULL && target != u)
		upload_discard(target);
	str_to_cstr(buf_str(&op->target), u->name, sizeof(u->name));
	upload_touch(u);
	op_reply_err(op, 0);
}

static void rename_sent(struct op *op)
{
	op_reply_err(op, 0);
}

static void rename_upload(struct op *op)
{
	struct upload *u = op->upload;
	struct str to = buf_str(&op->target);
	const struct upload *target =
		upload_find(op->fs, op->user, op->group_id, to);

	if (!upload_is_name(to))
		deny_name(op, to);
	else if (u->sending)
		op_deny(op, EBUSY, "it is being sent");
	else if (target != NULL && target != u &&
		 (target->open || (op->mask & RENAME_NOREPLACE)))
		op_deny(op, target->open ? ETXTBSY : EEXIST,
			"you copy %s in already", target->name);
	else if (u->open || to.data[0] == '.')
		set_name(op);
	else
		file_media_send(op, to, rename_sent);
}

static void rename_in_group(struct op *op)
{
	struct upload *u = own_upload(op);

	if (u == NULL) {
		op_ask(op, ask_file, deny_rename);
		return;
	}
	op->upload = upload_hold(u);
	rename_upload(op);
}

void media_dir_rename(struct op *op, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned int flags)
{
	op->mask = (int)flags;
	if (!take_name(op, name))
		return;
	buf_append_str(&op->target, str_of(new_name));
	if (op->target.failed)
		op_reply_err(op, ENOMEM);
	else if (new_parent != inode_mark(inode_of(op->group_id, KIND_MEDIA),
					  op->fs->generation))
		op_deny(op, EXDEV, "it is copied to another folder, not moved");
	else if (flags & ~(unsigned int)RENAME_NOREPLACE)
		op_deny(op, EINVAL, "files are not exchanged here");
	else
		op_find_group(op, rename_in_group);
}

/* The listing: files, then what this user is copying in. */

static int ask_page(struct op *op)
{
	const struct wire_body_list_media body = { .group_id = op->group_id,
						   .after = name_of(op),
						   .limit = WIRE_PAGE_MAX };

	return op_submit(op, WIRE_LIST_MEDIA, &body);
}

static void add_upload(void *data, const struct upload *u)
{
	dir_add(data, inode_of(u->id, KIND_UPLOAD), KIND_UPLOAD,
		str_of(u->name));
}

static void page_came(struct op *op, const void *body)
{
	const struct wire_body_media_list *page = body;
	struct buf *list = &op->handle->text;
	struct str files = page->files;
	size_t before = list->len;
	struct wire_media m;
	int rc;

	while ((rc = wire_next(&files, &wire_schema_media, &m)) == 1) {
		buf_clear(&op->file);
		buf_append_str(&op->file, m.name);
		if (m.media_id != 0 && m.media_id <= INODE_ID_MAX &&
		    own_upload(op) == NULL)
			dir_add(list, inode_of(m.media_id, KIND_MEDIA_FILE),
				KIND_MEDIA_FILE, m.name);
	}
	if (rc < 0) {
		op_reply_err(op, EIO);
	} else if (op->file.failed) {
		op_reply_err(op, ENOMEM);
	} else if (!page->complete && list->len != before) {
		op_ask(op, ask_page, page_came);
	} else {
		upload_each(op->fs, op->user, op->group_id, add_upload, list);
		dir_opened(op);
	}
}

void media_dir_list(struct op *op)
{
	op_ask(op, ask_page, page_came);
}
