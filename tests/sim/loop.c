/* SPDX-License-Identifier: MIT */
/*
 * As much of libuv as the core uses, on the virtual clock and without a kernel:
 * these are found before those of the library. The order of a turn is libuv's:
 * timers, idle, prepare, then what has come (asyncs and pipes, in an order of
 * the seed's), then what is closed. A pipe holds so many bytes each way; what
 * is written above that waits, as in a socket.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/list.h"
#include "tests/sim/sim.h"

enum kind { ASYNC, TIMER, IDLE, PREPARE, PIPE };

struct handle {
	struct list link; /* in all */
	uv_handle_t *uv;
	enum kind kind;
	bool active; /* started; an async: was sent */
	bool closing;
	uv_close_cb on_close;
	/* timer */
	uint64_t due_ms, repeat_ms, order;
	/* callbacks, by kind */
	uv_async_cb on_async;
	uv_timer_cb on_timer;
	uv_idle_cb on_idle;
	uv_prepare_cb on_prepare;
	/* pipe */
	struct loop_pipe *pipe;
	uv_alloc_cb on_alloc;
	uv_read_cb on_read;
	struct list writes;
	size_t queued;
	bool eof_told;
};

/* One write that was not taken at once, or whose callback is owed. */
struct waiting {
	struct list link;
	uv_write_t *req;
	uv_write_cb cb;
	char *data;
	size_t len;
	size_t at;
};

struct loop_pipe {
	struct handle *core; /* NULL: it has closed its end, or not opened it */
	struct buf in;	     /* to the core */
	struct buf out;
	size_t room;
	int fd;
	bool hung_up; /* by the client */
	bool closed;  /* by the core */
};

enum { PIPES = 64, FD = 1000 };

static struct list all = LIST_INIT(all);
static struct loop_pipe *pipes[PIPES];
static uint64_t orders;

static struct handle *of(const void *uv)
{
	return ((const uv_handle_t *)uv)->u.reserved[0];
}

static struct handle *new_handle(void *uv, enum kind kind)
{
	struct handle *h = calloc(1, sizeof(*h));

	assert(h != NULL);
	h->uv = uv;
	h->kind = kind;
	list_init(&h->writes);
	list_push(&all, &h->link);
	h->uv->u.reserved[0] = h;
	return h;
}

static void pipe_free(struct loop_pipe *p)
{
	pipes[p->fd] = NULL;
	buf_release(&p->in);
	buf_release(&p->out);
	free(p);
}

/* Time. */

uint64_t uv_hrtime(void)
{
	return sim.now_ns;
}

uint64_t uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return sim.now_ns / SIM_MS;
}

/* Handles. */

int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb)
{
	(void)loop;
	new_handle(async, ASYNC)->on_async = cb;
	return 0;
}

int uv_async_send(uv_async_t *async)
{
	of(async)->active = true;
	return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	(void)loop;
	new_handle(timer, TIMER);
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout,
		   uint64_t repeat)
{
	struct handle *h = of(timer);

	if (h->closing)
		return UV_EINVAL;
	h->on_timer = cb;
	h->due_ms = uv_now(NULL) + timeout;
	h->repeat_ms = repeat;
	h->order = ++orders;
	h->active = true;
	return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
	of(timer)->active = false;
	return 0;
}

uint64_t uv_timer_get_due_in(const uv_timer_t *timer)
{
	const struct handle *h = of(timer);

	return h->due_ms > uv_now(NULL) ? h->due_ms - uv_now(NULL) : 0;
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *idle)
{
	(void)loop;
	new_handle(idle, IDLE);
	return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb cb)
{
	of(idle)->on_idle = cb;
	of(idle)->active = true;
	return 0;
}

int uv_idle_stop(uv_idle_t *idle)
{
	of(idle)->active = false;
	return 0;
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *prepare)
{
	(void)loop;
	new_handle(prepare, PREPARE);
	return 0;
}

int uv_prepare_start(uv_prepare_t *prepare, uv_prepare_cb cb)
{
	of(prepare)->on_prepare = cb;
	of(prepare)->active = true;
	return 0;
}

int uv_prepare_stop(uv_prepare_t *prepare)
{
	of(prepare)->active = false;
	return 0;
}

void uv_unref(uv_handle_t *handle)
{
	(void)handle;
}

int uv_is_active(const uv_handle_t *handle)
{
	const struct handle *h = of(handle);

	return h->active && !h->closing;
}

int uv_is_closing(const uv_handle_t *handle)
{
	return of(handle)->closing;
}

void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
	struct handle *h = of(handle);

	assert(!h->closing);
	h->closing = true;
	h->active = false;
	h->on_close = cb;
	if (h->pipe == NULL)
		return;
	h->pipe->closed = true;
	h->pipe->core = NULL;
	if (h->pipe->hung_up)
		pipe_free(h->pipe);
	h->pipe = NULL;
}

int uv_fileno(const uv_handle_t *handle, uv_os_fd_t *fd)
{
	(void)handle;
	(void)fd;
	return UV_EBADF;
}

/* Pipes: the core's end. */

int uv_pipe_init(uv_loop_t *loop, uv_pipe_t *pipe, int ipc)
{
	(void)loop;
	(void)ipc;
	new_handle(pipe, PIPE);
	return 0;
}

int uv_pipe_open(uv_pipe_t *pipe, uv_file fd)
{
	struct loop_pipe *p = pipes[fd - FD];

	assert(p != NULL && p->core == NULL);
	p->core = of(pipe);
	p->core->pipe = p;
	return 0;
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read)
{
	struct handle *h = of(stream);

	h->on_alloc = alloc;
	h->on_read = read;
	h->active = true;
	return 0;
}

int uv_read_stop(uv_stream_t *stream)
{
	of(stream)->active = false;
	return 0;
}

size_t uv_stream_get_write_queue_size(const uv_stream_t *stream)
{
	return of(stream)->queued;
}

/* How many of them the pipe takes. Behind a crash nobody sees them. */
static size_t put(struct loop_pipe *p, const char *data, size_t len)
{
	size_t room = p->room > p->out.len ? p->room - p->out.len : 0;

	if (sim.crashed || p->hung_up)
		return len;
	if (len > room)
		len = room;
	buf_append(&p->out, data, len);
	return len;
}

int uv_try_write(uv_stream_t *stream, const uv_buf_t *bufs, unsigned n)
{
	struct handle *h = of(stream);
	size_t taken;

	assert(n == 1);
	if (!list_empty(&h->writes))
		return UV_EAGAIN;
	if (h->pipe->hung_up)
		return UV_EPIPE;
	taken = put(h->pipe, bufs[0].base, bufs[0].len);
	return taken == 0 ? UV_EAGAIN : (int)taken;
}

static void advance(struct handle *h)
{
	for (struct list *l = h->writes.next; l != &h->writes; l = l->next) {
		struct waiting *w = container_of(l, struct waiting, link);
		size_t n = put(h->pipe, w->data + w->at, w->len - w->at);

		w->at += n;
		h->queued -= n;
		if (w->at < w->len)
			return;
	}
}

int uv_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t *bufs,
	     unsigned n, uv_write_cb cb)
{
	struct handle *h = of(stream);
	struct waiting *w = calloc(1, sizeof(*w));

	assert(n == 1 && w != NULL && !h->closing);
	w->req = req;
	w->cb = cb;
	w->data = bufs[0].base;
	w->len = bufs[0].len;
	h->queued += w->len;
	list_push(&h->writes, &w->link);
	advance(h);
	return 0;
}

/* A turn. */

static void end_write(struct handle *h, int status)
{
	struct waiting *w =
		container_of(list_pop(&h->writes), struct waiting, link);

	h->queued -= w->len - w->at;
	w->cb(w->req, status);
	free(w);
}

static bool is_written(const struct handle *h)
{
	const struct waiting *w;

	if (list_empty(&h->writes))
		return false;
	w = container_of(h->writes.next, const struct waiting, link);
	return w->at == w->len;
}

static void read_some(struct handle *h)
{
	struct loop_pipe *p = h->pipe;
	uv_buf_t into = { 0 };
	size_t n = p->in.len;

	if (n == 0 && (!p->hung_up || h->eof_told))
		return;
	h->on_alloc(h->uv, 65536, &into);
	if (n == 0) {
		h->eof_told = true;
		h->on_read((uv_stream_t *)h->uv, UV_EOF, &into);
		return;
	}
	/* What is sent may come in pieces. */
	if (!sim.calm && sim_random(8) == 0)
		n = 1 + (size_t)sim_random(n);
	if (n > into.len)
		n = into.len;
	memcpy(into.base, p->in.data, n);
	buf_consume(&p->in, n);
	h->on_read((uv_stream_t *)h->uv, (ssize_t)n, &into);
}

static void turn_pipe(struct handle *h)
{
	if (h->pipe == NULL)
		return;
	if (!h->pipe->hung_up || sim.crashed)
		advance(h);
	else if (!list_empty(&h->writes) && !is_written(h)) {
		end_write(h, UV_EPIPE);
		return;
	}
	while (!h->closing && is_written(h))
		end_write(h, 0);
	if (!h->closing && h->active)
		read_some(h);
}

static void come(struct handle *h)
{
	if (h->closing)
		return;
	if (h->kind == PIPE)
		turn_pipe(h);
	else if (h->kind == ASYNC && h->active) {
		h->active = false;
		h->on_async((uv_async_t *)h->uv);
	}
}

static struct handle *next_timer(uint64_t now)
{
	struct handle *first = NULL;

	for (struct list *l = all.next; l != &all; l = l->next) {
		struct handle *h = container_of(l, struct handle, link);

		if (h->kind != TIMER || !h->active || h->due_ms > now)
			continue;
		if (first == NULL || h->due_ms < first->due_ms ||
		    (h->due_ms == first->due_ms && h->order < first->order))
			first = h;
	}
	return first;
}

static void run_timers(void)
{
	uint64_t now = uv_now(NULL);
	uint64_t last = orders;
	struct handle *h;

	while ((h = next_timer(now)) != NULL && h->order <= last) {
		h->active = false;
		if (h->repeat_ms > 0) {
			h->due_ms = now + h->repeat_ms;
			h->order = ++orders;
			h->active = true;
		}
		h->on_timer((uv_timer_t *)h->uv);
	}
}

static size_t gather(struct handle **out, size_t max, enum kind a, enum kind b)
{
	size_t n = 0;

	for (struct list *l = all.next; l != &all; l = l->next) {
		struct handle *h = container_of(l, struct handle, link);

		if (h->kind != a && h->kind != b)
			continue;
		assert(n < max);
		out[n++] = h;
	}
	return n;
}

static void run_closed(void)
{
	struct list *next;

	for (struct list *l = all.next; l != &all; l = next) {
		struct handle *h = container_of(l, struct handle, link);

		next = l->next;
		if (!h->closing)
			continue;
		while (!list_empty(&h->writes))
			end_write(h, UV_ECANCELED);
		list_remove(&h->link);
		if (h->on_close != NULL)
			h->on_close(h->uv);
		free(h);
		next = all.next; /* that may have closed others */
	}
}

void loop_turn(void)
{
	struct handle *some[2 * PIPES];
	size_t n;

	run_timers();
	n = gather(some, 2 * PIPES, IDLE, IDLE);
	for (size_t i = 0; i < n; i++) {
		if (some[i]->active)
			some[i]->on_idle((uv_idle_t *)some[i]->uv);
	}
	n = gather(some, 2 * PIPES, PREPARE, PREPARE);
	for (size_t i = 0; i < n; i++) {
		if (some[i]->active)
			some[i]->on_prepare((uv_prepare_t *)some[i]->uv);
	}
	n = gather(some, 2 * PIPES, ASYNC, PIPE);
	while (n > 0) {
		size_t i = (size_t)sim_random(n);

		come(some[i]);
		some[i] = some[--n];
	}
	run_closed();
}

static bool pipe_is_busy(const struct handle *h)
{
	const struct loop_pipe *p = h->pipe;

	if (p == NULL)
		return false;
	return is_written(h) ||
	       (!list_empty(&h->writes) &&
		(p->out.len < p->room || p->hung_up)) ||
	       (h->active && (p->in.len > 0 || (p->hung_up && !h->eof_told)));
}

bool loop_is_busy(void)
{
	for (struct list *l = all.next; l != &all; l = l->next) {
		const struct handle *h = container_of(l, struct handle, link);

		if (h->closing || (h->kind == PIPE && pipe_is_busy(h)) ||
		    ((h->kind == ASYNC || h->kind == IDLE) && h->active))
			return true;
	}
	return loop_due() <= sim.now_ns;
}

uint64_t loop_due(void)
{
	uint64_t due = UINT64_MAX;

	for (struct list *l = all.next; l != &all; l = l->next) {
		const struct handle *h = container_of(l, struct handle, link);

		if (h->kind == TIMER && h->active && h->due_ms * SIM_MS < due)
			due = h->due_ms * SIM_MS;
	}
	return due;
}

/* Pipes: the client's end. */

struct loop_pipe *loop_pipe_new(size_t room, int *fd)
{
	struct loop_pipe *p = calloc(1, sizeof(*p));
	int i = 0;

	while (i < PIPES && pipes[i] != NULL)
		i++;
	assert(p != NULL && i < PIPES);
	pipes[i] = p;
	p->room = room;
	p->fd = i;
	*fd = FD + i;
	return p;
}

void loop_pipe_write(struct loop_pipe *p, struct str bytes)
{
	if (!p->closed)
		buf_append_str(&p->in, bytes);
}

bool loop_pipe_read(struct loop_pipe *p, struct buf *out, size_t max)
{
	size_t n = p->out.len < max ? p->out.len : max;

	buf_append(out, p->out.data, n);
	buf_consume(&p->out, n);
	return !p->closed || p->out.len > 0;
}

void loop_pipe_close(struct loop_pipe *p)
{
	p->hung_up = true;
	buf_clear(&p->out);
	if (p->closed)
		pipe_free(p);
}
