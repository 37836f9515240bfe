/* SPDX-License-Identifier: MIT */
#include "fs/op.h"

#include <assert.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/handle.h"
#include "fs/upload.h"
#include "lib/env.h"

enum { DEFAULT_MAX_CONTENT = 64 << 10 /* until groupd said its own */ };

static void interrupted(fuse_req_t req, void *data);

/* The user an op acts for: of a close, who wrote what is sent by it. */
static struct user *user_of(struct groupfs *fs, enum op_what what, uid_t uid,
			    const struct handle *h)
{
	if (what != OP_FLUSH && what != OP_RELEASE)
		return users_get(&fs->users, uid);
	return user_hold(h->writer != NULL ? h->writer : h->owner);
}

/* Whose file it is, is nobody else's affair. */
static int find_scratch(struct groupfs *fs, struct op *op, uid_t uid,
			const struct handle *h)
{
	struct scratch_file *f =
		h != NULL ? h->scratch : scratch_by_id(&fs->scratch, op->id);
	bool close = op->what == OP_FLUSH || op->what == OP_RELEASE;

	if (f == NULL || (f->uid != uid && !close))
		return h != NULL ? EACCES : ENOENT;
	op->scratch = scratch_hold(f);
	op->group_id = f->group_id;
	return 0;
}

struct op *op_new(fuse_req_t req, enum op_what what, fuse_ino_t ino,
		  struct handle *handle)
{
	struct groupfs *fs = fuse_req_userdata(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct op *op = calloc(1, sizeof(*op));
	int error = ENOMEM;

	if (op == NULL)
		goto refuse;
	op->what = what;
	error = ENOENT;
	if (!inode_split(ino, &op->id, &op->kind))
		goto refuse;
	if (kind_info(op->kind)->parent != KIND_MEDIA)
		op->group_id = op->id;
	else if (handle != NULL)
		op->group_id = handle->group_id;
	if (op->kind == KIND_SCRATCH)
		error = find_scratch(fs, op, ctx->uid, handle);
	if (op->kind == KIND_SCRATCH && error != 0)
		goto refuse;
	error = ENOMEM;
	op->user = user_of(fs, what, ctx->uid, handle);
	if (op->user == NULL)
		goto drop_scratch;
	op->fs = fs;
	op->req = req;
	op->uid = ctx->uid;
	op->gid = ctx->gid;
	op->tid = ctx->pid;
	op->handle = handle == NULL ? NULL : handle_hold(handle);
	op->request.data = op;
	list_init(&op->queue);
	list_push(&fs->ops, &op->link);
	/* May call back at once; nothing waits yet, so it is only noted. */
	fuse_req_interrupt_func(req, interrupted, op);
	return op;
drop_scratch:
	if (op->scratch != NULL)
		scratch_drop(&fs->scratch, op->scratch, uv_now(fs->loop));
refuse:
	free(op);
	fuse_reply_err(req, error);
	return NULL;
}

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

/* Those that found the client full, as far as there is room again. */
static void retry_stalled(struct groupfs *fs)
{
	struct list *l = NULL;

	while (!fs->closing && (l == NULL || fs->stalled.prev != l)) {
		struct op *op;

		l = list_pop(&fs->stalled);
		if (l == NULL)
			return;
		op = container_of(l, struct op, queue);
		op->blocked = false;
		op_ask(op, op->ask, op->answer);
	}
}

static void note_waited(const struct op *op)
{
	struct groupfs *fs = op->fs;
	uint64_t now_ms = uv_now(fs->loop);

	waited_note(&fs->waited, (uint64_t)op->tid, now_ms);
	if (op->what == OP_WRITE)
		waited_note(&fs->waited_files, inode_of(op->id, op->kind),
			    now_ms);
}

/* It, or what stood before it in the kernel's queue, and groupd is away. */
static bool has_waited(const struct op *op)
{
	const struct groupfs *fs = op->fs;
	uint64_t now_ms = uv_now(fs->loop);

	if (fs->client.online)
		return false;
	return waited_recently(&fs->waited, (uint64_t)op->tid, now_ms) ||
	       (op->what == OP_WRITE &&
		waited_recently(&fs->waited_files, inode_of(op->id, op->kind),
				now_ms));
}

static void answered(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct op *op = req->data;
	struct groupfs *fs = op->fs;

	assert(op->asking);
	op->asking = false;
	if (err != NULL && !fs->client.online)
		note_waited(op);
	if (err != NULL)
		op_fail(op, err);
	else
		op->answer(op, body);
	retry_stalled(fs);
}

static bool may_give_up(const struct op *op)
{
	if (!op->interrupted)
		return false;
	if (op->blocked)
		return true;
	/* While groupd is there its answer is near; and what was sent to it
	 * may be stored, so only the answer can tell. */
	return op->asking && !op->fs->client.online &&
	       !(op->writes && op->request.sent);
}

static void give_up(struct op *op)
{
	struct groupfs *fs = op->fs;
	bool asked = op->asking;

	if (asked)
		client_cancel(&op->request);
	op->asking = false;
	/* Nothing is stored of what such a close fails to send, nor later. */
	if (op->what == OP_FLUSH)
		op->handle->abandoned = true;
	op_reply_err(op, EINTR);
	/* No answer comes that would make room for them. */
	if (asked)
		retry_stalled(fs);
}

static void interrupted(fuse_req_t req, void *data)
{
	struct op *op = data;

	assert(op->req == req);
	op->interrupted = true;
	if (may_give_up(op))
		give_up(op);
}

void ops_give_up(struct groupfs *fs)
{
	struct list *l = fs->ops.next;

	/* Giving one up may start or end others: begin again after each. */
	while (l != &fs->ops) {
		struct op *op = container_of(l, struct op, link);

		if (may_give_up(op)) {
			give_up(op);
			l = fs->ops.next;
		} else {
			l = l->next;
		}
	}
}

void ops_abort(struct groupfs *fs)
{
	fs->closing = true;
	while (!list_empty(&fs->ops)) {
		struct op *op = container_of(fs->ops.next, struct op, link);

		if (op->asking)
			client_cancel(&op->request);
		op->asking = false;
		op_reply_err(op, ENODEV);
	}
}

void op_block(struct op *op, struct list *on)
{
	list_push(on, &op->queue);
	op->blocked = true;
	if (may_give_up(op))
		give_up(op);
}

int op_submit_within(struct op *op, enum wire_type type, const void *body,
		     uint64_t timeout_ms)
{
	return client_submit(&op->fs->client, &op->request,
			     &op->user->principal, type, body, timeout_ms,
			     answered);
}

int op_submit(struct op *op, enum wire_type type, const void *body)
{
	return op_submit_within(op, type, body, CLIENT_TIMEOUT_MS);
}

void op_ask(struct op *op, op_ask_fn ask, op_answer_cb answer)
{
	int rc;

	assert(!op->asking);
	if (op->fs->closing) {
		op_reply_err(op, ENODEV);
		return;
	}
	if (has_waited(op)) {
		op_deny(op, err_errno(ERR_UNAVAILABLE), "%s",
			err_sentence(ERR_UNAVAILABLE));
		return;
	}
	op->ask = ask;
	op->answer = answer;
	if (op->writes && !op->counted) {
		op->counted = true;
		op->fs->writing++;
	}
	rc = ask(op);
	if (rc == -EBUSY) {
		op_block(op, &op->fs->stalled);
		return;
	}
	if (rc != 0) {
		op_reply_err(op, -rc);
		return;
	}
	op->asking = true;
	if (may_give_up(op))
		give_up(op);
}

static void group_found(struct op *op, const void *body)
{
	const struct wire_body_group *g = body;

	op->group = (struct op_group){ .id = g->group_id,
				       .role = (enum role)g->role,
				       .size = g->size,
				       .jsonl_size = g->jsonl_size,
				       .mtime_ms = g->mtime_ms,
				       .info_ms = g->info_ms,
				       .members_ms = g->members_ms,
				       .read_off = g->read_off,
				       .last_read_seq = g->last_read_seq,
				       .last_seq = g->last_seq };
	str_to_cstr(g->name, op->name, sizeof(op->name));
	known_learn(&op->fs->known, op->user, g, op->asked);
	op->then(op);
}

static int ask_group(struct op *op)
{
	struct wire_body_find_group body = { .group_id = op->group_id };

	if (op->group_id == 0)
		body.name = str_of(op->name);
	op->asked = known_ask(&op->fs->known, op->user, op->group_id, op->name);
	return op_submit(op, WIRE_FIND_GROUP, &body);
}

void op_find_group(struct op *op, op_step_cb then)
{
	op->then = then;
	op_ask(op, ask_group, group_found);
}

bool op_knows_group(struct op *op)
{
	struct known_group g;

	if (op->fs->closing ||
	    !known_find(&op->fs->known, op->user, op->group_id, op->name, &g))
		return false;
	op->group = (struct op_group){ .id = g.group_id,
				       .role = g.role,
				       .size = g.size,
				       .jsonl_size = g.jsonl_size,
				       .mtime_ms = g.mtime_ms,
				       .last_seq = g.last_seq };
	str_to_cstr(str_of(g.name), op->name, sizeof(op->name));
	return true;
}

void op_know_group(struct op *op, op_step_cb then)
{
	if (op_knows_group(op))
		then(op);
	else
		op_find_group(op, then);
}

void op_make_key(struct op *op)
{
	struct buf key = { 0 };

	for (int i = 0; i < 2; i++)
		buf_printf(&key, "%016llx",
			   (unsigned long long)env_random_u64(env_system()));
	str_to_cstr(buf_str(&key), op->key, sizeof(op->key));
	buf_release(&key);
}

static int ask_send(struct op *op)
{
	const struct wire_body_send body = { .group_id = op->group_id,
					     .batch_id = str_of(op->key),
					     .items = buf_str(&op->body) };

	if (op->body.failed || op->key[0] == '\0')
		return -ENOMEM;
	return op_submit(op, WIRE_SEND, &body);
}

void op_send(struct op *op, op_answer_cb answer)
{
	op_make_key(op);
	op->writes = true;
	op_ask(op, ask_send, answer);
}

size_t op_max_content(const struct op *op)
{
	uint64_t max = op->fs->client.max_content;

	return max == 0 ? DEFAULT_MAX_CONTENT : (size_t)max;
}

/* "messages of deploy: ", before a refusal's sentence. */
static void put_what(const struct op *op, struct buf *b)
{
	const char *group = op->handle != NULL ? op->handle->group : op->name;
	enum kind folder = kind_info(op->kind)->parent;
	const char *file = folder == KIND_MEDIA ? kind_info(folder)->name
						: kind_info(op->kind)->name;

	if (op->kind == KIND_SCRATCH)
		file = op->scratch->name;
	if (op->kind == KIND_ROOT)
		buf_printf(b, "%s", group[0] == '\0' ? "the mount" : group);
	else if (op->kind == KIND_ME)
		buf_printf(b, ".me");
	else if (kind_info(op->kind)->parent == KIND_ME)
		buf_printf(b, ".me/%s", file);
	else if (group[0] == '\0')
		buf_printf(b, "%s of a group", file == NULL ? "." : file);
	else if (file == NULL)
		buf_printf(b, "%s", group);
	else
		buf_printf(b, "%s of %s", file, group);
}

static void note(const struct op *op, const char *text)
{
	struct buf b = { 0 };

	put_what(op, &b);
	buf_printf(&b, ": %s", text);
	if (!b.failed)
		(void)snprintf(op->user->refusal, sizeof(op->user->refusal),
			       "%s", buf_cstr(&b));
	buf_release(&b);
}

/* A group that is not his: to who holds it open he was removed, to anybody
 * else it does not exist. */
static enum err_code code_for(const struct op *op, enum err_code code)
{
	bool open = op->handle != NULL && op->what != OP_OPEN &&
		    op->what != OP_OPENDIR;

	if (open && code == ERR_NO_SUCH_GROUP)
		return ERR_NOT_MEMBER;
	if (!open && code == ERR_NOT_MEMBER)
		return ERR_NO_SUCH_GROUP;
	return code;
}

void op_fail(struct op *op, const struct err *err)
{
	enum err_code code = code_for(op, err->code);

	/* Who is no member keeps nothing in the group. */
	if (op->group_id != 0 &&
	    (err->code == ERR_NO_SUCH_GROUP || err->code == ERR_NOT_MEMBER)) {
		scratch_forget(&op->fs->scratch, op->user->uid, op->group_id);
		uploads_forget(op->fs, op->user, op->group_id);
	}
	/* Whoever makes a file looks first whether it is there. */
	if (code != ERR_NO_SUCH_FILE || op->what != OP_LOOKUP)
		note(op, code == err->code && err->text[0] != '\0'
				 ? err->text
				 : err_sentence(code));
	/* It is no message that is too long. */
	if (code == ERR_TOO_LARGE && op->upload != NULL)
		op_reply_err(op, EFBIG);
	else
		op_reply_err(op, err_errno(code));
}

void op_deny(struct op *op, int error, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(op, text);
	op_reply_err(op, error);
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
			      .st_mode = kind_mode(kind, op->group.role ==
								 ROLE_ADMIN),
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

void op_reply_attr(struct op *op, uint64_t size, uint64_t mtime_ms)
{
	struct stat st = stat_of(op, inode_of(op->id, op->kind), op->kind, size,
				 mtime_ms);

	fuse_reply_attr(op->req, &st, 0);
	finish(op);
}

void op_reply_entry(struct op *op, uint64_t ino, uint64_t size,
		    uint64_t mtime_ms)
{
	struct fuse_entry_param e = { .ino = ino };
	uint64_t group_id;
	enum kind kind = KIND_NONE;
	bool known = inode_split(ino, &group_id, &kind);

	assert(known);
	e.attr = stat_of(op, ino, kind, size, mtime_ms);
	fuse_reply_entry(op->req, &e);
	finish(op);
}

void op_reply_stat(struct op *op, const struct stat *st)
{
	fuse_reply_attr(op->req, st, 0);
	finish(op);
}

void op_reply_node(struct op *op, const struct stat *st)
{
	const struct fuse_entry_param e = { .ino = st->st_ino, .attr = *st };

	fuse_reply_entry(op->req, &e);
	finish(op);
}

void op_reply_create(struct op *op, const struct stat *st)
{
	const struct fuse_entry_param e = { .ino = st->st_ino, .attr = *st };
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
