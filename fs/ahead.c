/* SPDX-License-Identifier: MIT */
#include "fs/ahead.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fs/file.h"
#include "fs/handle.h"

/* Consecutive bytes of the log. */
struct piece {
	struct buf data;
	uint64_t off;
};

struct ahead {
	struct handle *handle; /* borrowed: it owns this */
	struct piece now;
	struct piece next;
	struct client_request request; /* for next */
	bool fetching;
	size_t asked;	     /* its bytes */
	size_t window;	     /* bytes of the next request */
	uint64_t goes_on;    /* where the last read ended */
	struct list waiting; /* ops that need what is coming */
	size_t counted;	     /* bytes of fs->ahead_bytes that are ours */
};

static uint64_t end_of(const struct piece *p)
{
	return p->off + p->data.len;
}

static bool holds(const struct piece *p, uint64_t off)
{
	return off >= p->off && off < end_of(p);
}

static struct str slice(const struct piece *p, uint64_t off, size_t size)
{
	size_t from = (size_t)(off - p->off);
	size_t left = p->data.len - from;

	return str_make(p->data.data + from, left < size ? left : size);
}

static void count(struct ahead *a)
{
	struct groupfs *fs = a->handle->fs;
	size_t bytes = a->now.data.cap + a->next.data.cap;

	fs->ahead_bytes = fs->ahead_bytes - a->counted + bytes;
	a->counted = bytes;
}

static void move_on(struct ahead *a)
{
	buf_release(&a->now.data);
	a->now = a->next;
	a->next = (struct piece){ 0 };
}

static void grow_window(struct ahead *a)
{
	a->window *= 2;
	if (a->window > AHEAD_WINDOW_MAX)
		a->window = AHEAD_WINDOW_MAX;
}

/* Each is answered from memory now, or asks groupd itself. One may wait again
 * for what another has fetched. */
static void wake(struct ahead *a, bool failed)
{
	struct groupfs *fs = a->handle->fs;
	/* A reply ends an op, never the handle: that is the kernel's. */
	struct handle *h = handle_hold(a->handle);
	struct list woken;
	struct list *l;

	list_init(&woken);
	list_splice(&woken, &a->waiting);
	while ((l = list_pop(&woken)) != NULL) {
		struct op *op = container_of(l, struct op, queue);

		op->blocked = false;
		if (failed && !fs->client.online)
			waited_note(&fs->waited, (uint64_t)op->tid,
				    uv_now(fs->loop));
		file_ops_of(op->kind)->read(op);
	}
	handle_drop(h);
}

static void fetched(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct ahead *a = req->data;
	const struct wire_body_text *text = body;

	a->fetching = false;
	if (err == NULL)
		buf_append_str(&a->next.data, text->data);
	if (a->next.data.failed)
		buf_release(&a->next.data);
	count(a);
	wake(a, err != NULL);
}

/* Asks for what comes behind `now`, where that is not the end of the log. */
static void fetch(struct ahead *a, uint64_t size)
{
	struct handle *h = a->handle;
	const struct wire_body_read_text body = {
		.group_id = h->group_id,
		.format = h->kind == KIND_JSONL ? LOG_JSONL : LOG_TEXT,
		.offset = end_of(&a->now),
		.size = a->window
	};

	if (a->fetching || a->next.data.len > 0 || body.offset >= size ||
	    h->fs->closing || h->fs->ahead_bytes > AHEAD_TOTAL_MAX)
		return;
	a->next.off = body.offset;
	a->asked = a->window;
	a->request.data = a;
	a->fetching = client_submit(&h->fs->client, &a->request,
				    &h->owner->principal, WIRE_READ_TEXT, &body,
				    CLIENT_TIMEOUT_MS, fetched) == 0;
	grow_window(a);
}

/* In time: when half of what is here is read. */
static void fetch_early(struct ahead *a, uint64_t size)
{
	if (end_of(&a->now) - a->goes_on < a->now.data.len / 2 + 1)
		fetch(a, size);
}

/* The rest of a read lies in what is coming, or at the end of the log. */
static bool serve_both(struct ahead *a, struct op *op, struct str first,
		       uint64_t size)
{
	struct str second = str_of("");
	size_t rest = op->size - first.len;

	if (a->next.data.len > 0)
		second = slice(&a->next, a->next.off, rest);
	if (second.len < rest && end_of(&a->now) + second.len < size)
		return false;
	buf_append_str(&op->body, first);
	buf_append_str(&op->body, second);
	if (op->body.failed)
		return false;
	a->goes_on = op->off + op->body.len;
	if (second.len > 0)
		move_on(a);
	fetch_early(a, size);
	count(a);
	op_reply_buf(op, op->body.data, op->body.len);
	return true;
}

static bool serve_now(struct ahead *a, struct op *op, uint64_t size)
{
	struct str part = slice(&a->now, op->off, op->size);

	if (part.len < op->size)
		return serve_both(a, op, part, size);
	a->goes_on = op->off + part.len;
	fetch_early(a, size);
	op_reply_buf(op, part.data, part.len);
	return true;
}

/* What is coming begins where it reads, or goes on there. */
static bool is_coming(const struct ahead *a, const struct op *op)
{
	return a->fetching && op->off + op->size > a->next.off &&
	       op->off < a->next.off + a->asked;
}

bool ahead_has(const struct op *op)
{
	const struct ahead *a = op->handle->ahead;

	return a != NULL && op->user == op->handle->owner &&
	       (holds(&a->now, op->off) || holds(&a->next, op->off) ||
		is_coming(a, op));
}

bool ahead_serve(struct op *op, uint64_t size)
{
	struct ahead *a = op->handle->ahead;

	if (!ahead_has(op))
		return false;
	if (!holds(&a->now, op->off) && holds(&a->next, op->off))
		move_on(a);
	if (holds(&a->now, op->off) && serve_now(a, op, size))
		return true;
	if (!is_coming(a, op))
		return false;
	op_block(op, &a->waiting);
	return true;
}

static struct ahead *ahead_of(struct handle *h)
{
	struct ahead *a = h->ahead;

	if (a != NULL)
		return a;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->handle = h;
	a->window = AHEAD_WINDOW_MIN;
	list_init(&a->waiting);
	h->ahead = a;
	return a;
}

size_t ahead_window(struct op *op)
{
	struct ahead *a;
	bool goes_on;

	if (op->user != op->handle->owner || op->size >= AHEAD_WINDOW_MAX ||
	    op->fs->ahead_bytes > AHEAD_TOTAL_MAX)
		return op->size;
	a = ahead_of(op->handle);
	if (a == NULL)
		return op->size;
	/* From the start on, or where he left off; bash(1) goes back a
	 * little after each line that it read. */
	goes_on = op->off <= a->goes_on && op->off + op->size >= a->goes_on;
	if (!goes_on) {
		a->window = AHEAD_WINDOW_MIN;
		return op->size;
	}
	return op->size > a->window ? op->size : a->window;
}

static void keep(struct op *op, struct str data)
{
	struct ahead *a = op->handle->ahead;

	if (a == NULL || a->fetching)
		return;
	a->goes_on = op->off + (data.len < op->size ? data.len : op->size);
	if (data.len <= op->size)
		return;
	buf_release(&a->next.data);
	buf_clear(&a->now.data);
	buf_append_str(&a->now.data, data);
	a->now.off = op->off;
	if (a->now.data.failed)
		buf_release(&a->now.data);
	grow_window(a);
	/* More may be there: groupd gave all that was asked for. */
	fetch(a, data.len >= op->want ? UINT64_MAX : 0);
	count(a);
}

void ahead_answer(struct op *op, struct str data)
{
	if (op->user == op->handle->owner)
		keep(op, data);
	if (data.len > op->size)
		data.len = op->size;
	op_reply_buf(op, data.data, data.len);
}

void ahead_free(struct ahead *a)
{
	if (a == NULL)
		return;
	assert(list_empty(&a->waiting));
	client_cancel(&a->request);
	buf_release(&a->now.data);
	buf_release(&a->next.data);
	count(a);
	free(a);
}
