/* SPDX-License-Identifier: MIT */
#include "fs/ahead.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "fs/handle.h"

enum { PIECES = 3 /* one is read while two come, from two threads */ };

enum piece_state { EMPTY, COMING, HERE };

/* Consecutive bytes of the log. */
struct piece {
	struct ahead *ahead;
	enum piece_state state;
	uint64_t off;
	size_t asked; /* bytes, when COMING */
	struct buf data;
	struct client_request request;
};

/* The pieces follow each other, beginning with the first; behind an empty one
 * all are empty. */
struct ahead {
	struct handle *handle; /* borrowed: it owns this */
	struct piece pieces[PIECES];
	size_t first;
	size_t window;	     /* bytes of the next request */
	uint64_t goes_on;    /* where the last read ended */
	struct list waiting; /* ops that need what is coming */
	size_t counted;	     /* bytes of fs->ahead_bytes that are ours */
};

static struct piece *nth(struct ahead *a, size_t n)
{
	return &a->pieces[(a->first + n) % PIECES];
}

/* As far as is known: what is coming may be shorter. */
static uint64_t end_of(const struct piece *p)
{
	return p->off + (p->state == HERE ? p->data.len : p->asked);
}

static bool covers(const struct piece *p, uint64_t off)
{
	return p->state != EMPTY && off >= p->off && off < end_of(p);
}

static void clear(struct piece *p)
{
	client_cancel(&p->request);
	buf_release(&p->data);
	p->state = EMPTY;
}

/* What is read on needs its memory for the bytes that follow. */
static void use_up(struct piece *p)
{
	buf_clear(&p->data);
	p->state = EMPTY;
}

static void clear_from(struct ahead *a, size_t n)
{
	for (; n < PIECES; n++)
		clear(nth(a, n));
}

static void count(struct ahead *a)
{
	struct groupfs *fs = a->handle->fs;
	size_t bytes = 0;

	for (size_t i = 0; i < PIECES; i++)
		bytes += a->pieces[i].data.cap;
	fs->ahead_bytes = fs->ahead_bytes - a->counted + bytes;
	a->counted = bytes;
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
		op->run(op);
	}
	handle_drop(h);
}

static size_t place_of(struct ahead *a, const struct piece *p)
{
	size_t n = 0;

	while (nth(a, n) != p)
		n++;
	return n;
}

static void fetched(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct piece *p = req->data;
	struct ahead *a = p->ahead;
	const struct wire_body_text *text = body;

	assert(p->state == COMING);
	p->state = HERE;
	if (err == NULL)
		buf_append_str(&p->data, text->data);
	/* Where bytes are missing, what follows does not fit. */
	if (err != NULL || p->data.failed)
		clear_from(a, place_of(a, p));
	else if (p->data.len < p->asked)
		clear_from(a, place_of(a, p) + 1);
	count(a);
	wake(a, err != NULL);
}

static bool ask(struct ahead *a, struct piece *p, uint64_t off)
{
	struct handle *h = a->handle;
	const struct wire_body_read_text body = {
		.group_id = h->group_id,
		.format = h->kind == KIND_JSONL ? LOG_JSONL : LOG_TEXT,
		.offset = off,
		.size = a->window
	};

	p->ahead = a;
	p->off = off;
	p->asked = a->window;
	p->request.data = p;
	if (client_submit(&h->fs->client, &p->request, &h->owner->principal,
			  WIRE_READ_TEXT, &body, CLIENT_TIMEOUT_MS,
			  fetched) != 0)
		return false;
	p->state = COMING;
	grow_window(a);
	return true;
}

/* Asks for what comes behind the first piece, up to the end of the log. What
 * is not needed for that keeps no memory. */
static void fetch(struct ahead *a, uint64_t size)
{
	const struct groupfs *fs = a->handle->fs;

	for (size_t n = 1; n < PIECES; n++) {
		uint64_t off = end_of(nth(a, n - 1));

		if (nth(a, n)->state != EMPTY)
			continue;
		if (off >= size || fs->closing ||
		    fs->ahead_bytes > AHEAD_TOTAL_MAX ||
		    !ask(a, nth(a, n), off)) {
			clear_from(a, n);
			return;
		}
	}
}

/* Drops what lies before off, where something follows. */
static void move_to(struct ahead *a, uint64_t off)
{
	while (nth(a, 0)->state == HERE && off >= end_of(nth(a, 0)) &&
	       nth(a, 1)->state != EMPTY) {
		use_up(nth(a, 0));
		a->first = (a->first + 1) % PIECES;
	}
}

/* Where the bytes of a read lie. */
struct parts {
	struct iovec part[PIECES];
	int count;
	size_t len; /* of all of them */
};

/* Finds the bytes of a read. False: some of them are neither here nor, as the
 * log has that size, behind its end. *coming: they are on their way. */
static bool gather(struct ahead *a, const struct op *op, uint64_t size,
		   struct parts *in, bool *coming)
{
	uint64_t off = op->off;

	*coming = false;
	for (size_t n = 0; n < PIECES && in->len < op->size; n++) {
		const struct piece *p = nth(a, n);
		size_t from = (size_t)(off - p->off);
		size_t len;

		if (!covers(p, off))
			break;
		if (p->state == COMING) {
			*coming = true;
			return false;
		}
		len = p->data.len - from;
		if (len > op->size - in->len)
			len = op->size - in->len;
		in->part[in->count++] =
			(struct iovec){ .iov_base = p->data.data + from,
					.iov_len = len };
		in->len += len;
		off += len;
	}
	return in->len == op->size || off >= size;
}

bool ahead_has(const struct op *op)
{
	const struct ahead *a = op->handle->ahead;

	if (a == NULL || op->user != op->handle->owner)
		return false;
	for (size_t i = 0; i < PIECES; i++) {
		if (covers(&a->pieces[i], op->off))
			return true;
	}
	return false;
}

bool ahead_serve(struct op *op, uint64_t size)
{
	struct ahead *a = op->handle->ahead;
	struct parts in = { .count = 0 };
	bool coming;
	bool all;

	if (!ahead_has(op))
		return false;
	move_to(a, op->off);
	all = gather(a, op, size, &in, &coming);
	if (all)
		a->goes_on = op->off + in.len;
	if (all || coming) {
		fetch(a, size);
		count(a);
	}
	if (all)
		op_reply_iov(op, in.part, in.count);
	else if (coming)
		op_block(op, &a->waiting);
	return all || coming;
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

	if (op->user != op->handle->owner || op->size > AHEAD_WINDOW_MAX ||
	    op->fs->ahead_bytes > AHEAD_TOTAL_MAX)
		return op->size;
	a = ahead_of(op->handle);
	if (a == NULL)
		return op->size;
	/* From the start on, or where he left off; bash(1) goes back a
	 * little after each line that it read. */
	if (op->off > a->goes_on || op->off + op->size < a->goes_on) {
		a->window = AHEAD_WINDOW_MIN;
		return op->size;
	}
	/* More than he wants, where so much can be had. */
	while (a->window <= op->size && a->window < AHEAD_WINDOW_MAX)
		a->window *= 2;
	return a->window;
}

static void keep(struct op *op, struct str data)
{
	struct ahead *a = op->handle->ahead;
	struct piece *p;

	if (a == NULL)
		return;
	a->goes_on = op->off + (data.len < op->size ? data.len : op->size);
	if ((data.len <= op->size && data.len < AHEAD_WINDOW_MAX) ||
	    !list_empty(&a->waiting))
		return;
	clear_from(a, 0);
	p = nth(a, 0);
	buf_append_str(&p->data, data);
	if (p->data.failed) {
		clear(p);
		return;
	}
	p->off = op->off;
	p->state = HERE;
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
	clear_from(a, 0);
	count(a);
	free(a);
}
