/* SPDX-License-Identifier: MIT */
/*
 * Folders. A listing is made when the folder is opened and kept in the
 * handle's text, one entry after the other: number (8 bytes), kind (1),
 * length of the name (1), name, NUL. An entry's place in it is its offset
 * for readdir(3).
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fs/file.h"
#include "fs/media_dir.h"
#include "fs/ops.h"
#include "lib/text.h"

enum { ENTRY_HEAD = 10 };

void dir_add(struct buf *list, uint64_t ino, enum kind kind, struct str name)
{
	assert(name.len <= UINT8_MAX);
	buf_append(list, &ino, sizeof(ino));
	buf_append_char(list, (char)kind);
	buf_append_char(list, (char)(uint8_t)name.len);
	buf_append_str(list, name);
	buf_append_char(list, '\0');
}

static void add_fixed(struct op *op)
{
	struct buf *list = &op->handle->text;

	dir_add(list, inode_of(op->group_id, op->kind), op->kind, str_of("."));
	if (op->kind == KIND_MEDIA)
		dir_add(list, inode_of(op->group_id, KIND_GROUP), KIND_GROUP,
			str_of(".."));
	else
		dir_add(list, inode_of(0, KIND_ROOT), KIND_ROOT, str_of(".."));
	for (int k = KIND_ROOT; k < KIND_COUNT; k++) {
		const struct kind_info *info = kind_info((enum kind)k);

		if (info->parent != op->kind || info->name == NULL)
			continue;
		if (!kind_is_dir((enum kind)k) &&
		    file_ops_of((enum kind)k) == NULL)
			continue;
		dir_add(list, inode_of(op->group_id, (enum kind)k),
			(enum kind)k, str_of(info->name));
	}
}

/* The caller's own. */
static void add_scratch(struct op *op)
{
	const struct scratch *s = &op->fs->scratch;
	struct scratch_file *f = NULL;

	while ((f = scratch_next(s, op->uid, op->group_id, f)) != NULL)
		dir_add(&op->handle->text, inode_of(f->id, KIND_SCRATCH),
			KIND_SCRATCH, str_of(f->name));
}

void dir_opened(struct op *op)
{
	if (op->handle->text.failed)
		op_reply_err(op, ENOMEM);
	else
		op_reply_open(op, 0);
}

static int ask_groups(struct op *op)
{
	const struct wire_body_list_groups body = { .after = str_of(op->key),
						    .limit = WIRE_PAGE_MAX };

	return op_submit(op, WIRE_LIST_GROUPS, &body);
}

static void groups_came(struct op *op, const void *body)
{
	const struct wire_body_group_list *page = body;
	struct str list = page->groups;
	struct wire_group g;
	size_t before = op->handle->text.len;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_group, &g)) == 1) {
		str_to_cstr(g.name, op->key, sizeof(op->key));
		if (g.group_id != 0 && g.group_id <= INODE_ID_MAX)
			dir_add(&op->handle->text,
				inode_of(g.group_id, KIND_GROUP), KIND_GROUP,
				g.name);
	}
	if (rc < 0)
		op_reply_err(op, EIO);
	else if (page->complete || op->handle->text.len == before)
		dir_opened(op);
	else
		op_ask(op, ask_groups, groups_came);
}

static void open_listing(struct op *op)
{
	op->handle = handle_new(op, O_RDONLY, 0);
	if (op->handle == NULL) {
		op_reply_err(op, ENOMEM);
		return;
	}
	add_fixed(op);
	if (op->kind == KIND_GROUP)
		add_scratch(op);
	op->key[0] = '\0';
	if (op->kind == KIND_ROOT)
		op_ask(op, ask_groups, groups_came);
	else if (op->kind == KIND_MEDIA)
		media_dir_list(op);
	else
		dir_opened(op);
}

void ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_OPENDIR, ino, NULL);

	(void)fi;
	if (op == NULL)
		return;
	if (op->group_id != 0)
		op_know_group(op, open_listing);
	else
		open_listing(op);
}

/* Adds the entries from the op->off'th on, as many as there is room for. */
static size_t fill(struct op *op, char *out)
{
	const struct buf *list = &op->handle->text;
	size_t used = 0;
	uint64_t n = 0;

	for (size_t at = 0; at < list->len; n++) {
		const char *entry = list->data + at;
		size_t len = (uint8_t)entry[9];
		enum kind kind = (enum kind)entry[8];
		uint64_t ino;
		struct stat st = { 0 };
		size_t need;

		at += ENTRY_HEAD + len + 1;
		if (n < op->off)
			continue;
		memcpy(&ino, entry, sizeof(ino));
		st.st_ino = ino;
		/* A scratch file may be a symbolic link: DT_UNKNOWN. */
		st.st_mode = kind == KIND_SCRATCH ? 0 : kind_info(kind)->mode;
		need = fuse_add_direntry(op->req, out + used, op->size - used,
					 entry + ENTRY_HEAD, &st,
					 (off_t)(n + 1));
		if (need > op->size - used)
			break;
		used += need;
	}
	return used;
}

void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi)
{
	struct op *op = op_new(req, OP_READDIR, ino, handle_of(fi));

	if (op == NULL)
		return;
	/* The listing is what its opener may see. */
	if (op->user != op->handle->owner) {
		op_deny(op, EACCES, "another user opened this folder");
		return;
	}
	op->size = size;
	op->off = (uint64_t)off;
	if (!buf_reserve(&op->body, size)) {
		op_reply_err(op, ENOMEM);
		return;
	}
	op_reply_buf(op, op->body.data, fill(op, op->body.data));
}

static int ask_create(struct op *op)
{
	const struct wire_body_create_group body = { .name = str_of(op->name),
						     .key = str_of(op->key) };

	return op_submit(op, WIRE_CREATE_GROUP, &body);
}

static void created(struct op *op, const void *body)
{
	const struct wire_body_group *g = body;

	if (g->group_id == 0 || g->group_id > INODE_ID_MAX)
		op_reply_err(op, EOVERFLOW);
	else
		op_reply_entry(op, inode_of(g->group_id, KIND_GROUP), 0,
			       g->mtime_ms);
}

static void deny_mkdir(struct op *op)
{
	op_deny(op, EPERM, "folders are groups, and are made at the top only");
}

void ops_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct op *op = op_new(req, OP_MKDIR, parent, NULL);

	(void)mode;
	if (op == NULL)
		return;
	if (op->kind == KIND_ME) {
		deny_mkdir(op);
	} else if (op->kind != KIND_ROOT) {
		op_find_group(op, deny_mkdir);
	} else if (!text_is_group_name(str_of(name)) ||
		   !str_to_cstr(str_of(name), op->name, sizeof(op->name))) {
		op_deny(op, EINVAL,
			"a group's name is 1 to 64 of a-z 0-9 . _ - and "
			"begins with a letter or digit");
	} else {
		op_make_key(op);
		op->writes = true;
		op_ask(op, ask_create, created);
	}
}
