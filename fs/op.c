/* SPDX-License-Identifier: MIT */
#include "fs/op.h"

#include <assert.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Of what was found or opened before a backup was restored. A close that has
 * nothing to send is right even so. */
static int stale_error(const struct op *op, const struct handle *h, bool fresh)
{
	if (h == NULL)
		return fresh ? 0 : ESTALE;
	if (!h->stale || op->what == OP_RELEASE)
		return 0;
	return op->what == OP_FLUSH && !h->dirty && !h->cut && h->spoilt == 0
		       ? 0
		       : ESTALE;
}

/* What was found as a log that begins later is that log, from there on. */
static bool find_floor(struct groupfs *fs, struct op *op)
{
	enum kind kind =
		op->kind == KIND_CUT_MESSAGES ? KIND_MESSAGES : KIND_JSONL;

	if (op->kind != KIND_CUT_MESSAGES && op->kind != KIND_CUT_JSONL)
		return true;
	op->floor = floors_find(&fs->floors, op->id);
	if (op->floor == NULL)
		return false;
	op->kind = kind;
	op->id = op->floor->group_id;
	op->group_id = op->id;
	return true;
}

struct op *op_new(fuse_req_t req, enum op_what what, fuse_ino_t ino,
		  struct handle *handle)
{
	struct groupfs *fs = fuse_req_userdata(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct op *op = calloc(1, sizeof(*op));
	int error = ENOMEM;
	bool fresh;

	if (op == NULL)
		goto refuse;
	op->what = what;
	fresh = inode_unmark(ino, fs->generation, &ino);
	error = ENOENT;
	if (!inode_split(ino, &op->id, &op->kind))
		goto refuse;
	error = stale_error(op, handle, fresh);
	if (error != 0 || (handle != NULL && handle->stale))
		goto refuse;
	if (kind_info(op->kind)->parent != KIND_MEDIA)
		op->group_id = op->id;
	else if (handle != NULL)
		op->group_id = handle->group_id;
	error = ESTALE;
	if (!find_floor(fs, op))
		goto refuse;
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
	floor_drop(&fs->floors, op->floor);
refuse:
	free(op);
	fuse_reply_err(req, error);
	return NULL;
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
				       .last_seq = g->last_seq,
				       .first_seq = g->first_seq,
				       .first_off = g->first_off,
				       .first_jsonl_off = g->first_jsonl_off };
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
				       .last_seq = g.last_seq,
				       .first_seq = g.first_seq,
				       .first_off = g.first_off,
				       .first_jsonl_off = g.first_jsonl_off };
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

static void put_refusal(const struct op *op, const char *text, struct buf *b)
{
	put_what(op, b);
	buf_printf(b, ": %s", text);
}

void op_forget_refusal(struct op *op, enum err_code code)
{
	struct buf b = { 0 };

	put_refusal(op, err_sentence(code), &b);
	if (strcmp(op->user->refusal, buf_cstr(&b)) == 0)
		op->user->refusal[0] = '\0';
	buf_release(&b);
}

static void note(const struct op *op, const char *text)
{
	struct buf b = { 0 };

	put_refusal(op, text, &b);
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
