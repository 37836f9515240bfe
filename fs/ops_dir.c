/* SPDX-License-Identifier: MIT */
/*
 * Folders. A listing is made when the folder is opened and kept in the
 * handle's text. An entry's place in it is its offset for readdir(3).
 */
#include <dirent.h>
#include <errno.h>

#include "fs/file.h"
#include "fs/listing.h"
#include "fs/media_dir.h"
#include "fs/ops.h"
#include "lib/text.h"

void dir_add(struct buf *list, uint64_t ino, enum kind kind, struct str name)
{
	const struct listing_entry e = { .ino = ino,
					 .kind = kind,
					 .name = name };

	listing_add(list, &e);
}

/* The number that a lookup of the name gives. */
static uint64_t fixed_inode(struct op *op, enum kind kind)
{
	const struct op_group *g = &op->group;
	struct floor *floor = NULL;
	uint64_t ino = inode_of(op->group_id, kind);

	if ((kind == KIND_MESSAGES || kind == KIND_JSONL) && g->first_seq > 1)
		floor = floors_get(&op->fs->floors, op->group_id, g->first_seq,
				   g->first_off, g->first_jsonl_off);
	if (floor != NULL)
		ino = inode_of(floor->number, kind == KIND_JSONL
						      ? KIND_CUT_JSONL
						      : KIND_CUT_MESSAGES);
	floor_drop(&op->fs->floors, floor);
	return ino;
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
		dir_add(list, fixed_inode(op, (enum kind)k), (enum kind)k,
			str_of(info->name));
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
						    .limit = WIRE_GROUPS_MAX };

	return op_submit(op, WIRE_LIST_GROUPS, &body);
}

static void groups_came(struct op *op, const void *body)
{
	const struct wire_body_group_list *page = body;
	struct handle *h = op->handle;
	struct str list = page->groups;
	struct wire_group g;
	size_t before = h->text.len;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_group, &g)) == 1) {
		struct listing_entry e = { .mtime_ms = g.mtime_ms,
					   .kind = KIND_GROUP,
					   .name = g.name };

		str_to_cstr(g.name, op->key, sizeof(op->key));
		if (g.group_id == 0 || g.group_id > INODE_ID_MAX)
			continue;
		e.ino = inode_of(g.group_id, KIND_GROUP);
		listing_add(&h->text, &e);
	}
	if (rc < 0) {
		op_reply_err(op, EIO);
	} else if (page->complete || h->text.len == before) {
		h->listing = listing_new(op, &h->text);
		dir_opened(op);
	} else {
		op_ask(op, ask_groups, groups_came);
	}
}

static void open_listing(struct op *op)
{
	op->handle = handle_new(op, O_RDONLY);
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
	struct listing_entry e;
	size_t used = 0;
	size_t at = 0;

	for (uint64_t n = 0; listing_next(list, &at, &e); n++) {
		struct stat st = { .st_ino = inode_mark(e.ino,
							op->fs->generation),
				   .st_mode = kind_info(e.kind)->mode };
		size_t need;

		if (n < op->off)
			continue;
		need = fuse_add_direntry(op->req, out + used, op->size - used,
					 e.name.data, &st, (off_t)(n + 1));
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
	if (op->handle->listing != NULL)
		op->handle->listing->read_ms = uv_now(op->fs->loop);
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

	/* The kernel looked the name up before. */
	op_forget_refusal(op, ERR_NO_SUCH_GROUP);
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
