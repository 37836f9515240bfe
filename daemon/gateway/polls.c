/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/polls.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway/hidden.h"
#include "lib/buf.h"

/* Of one that wants to write, in a turn: its answer, and what follows it. */
enum { WRITES = 2 };

struct entry {
	uv_poll_t *handle; /* lws'; NULL: none */
	uv_poll_cb cb;
	uint8_t want; /* UV_READABLE, UV_WRITABLE: what lws waits for */
	uint8_t have; /* what libuv does */
	bool added;
	bool due; /* it is in `due` */
};

static struct entry *entries; /* by descriptor; owned */
static size_t nentries;
static struct buf due; /* descriptors, of this turn */
static uv_prepare_t turn;
static bool closed; /* there are no turns any more */

/* libuv's own, which ours hide. */
static struct {
	int (*start)(uv_poll_t *handle, int events, uv_poll_cb cb);
	int (*stop)(uv_poll_t *handle);
	void (*close)(uv_handle_t *handle, uv_close_cb cb);
} libuv;

static void find_hidden(void)
{
	if (libuv.close != NULL)
		return;
	hidden_find(&libuv.start, "uv_poll_start");
	hidden_find(&libuv.stop, "uv_poll_stop");
	hidden_find(&libuv.close, "uv_close");
	assert(libuv.start != NULL && libuv.stop != NULL &&
	       libuv.close != NULL);
}

/* NULL: it is none of ours. */
static struct entry *find(const uv_handle_t *handle)
{
	uv_os_fd_t fd = -1;

	if (nentries == 0 || handle->type != UV_POLL ||
	    uv_fileno(handle, &fd) < 0 || fd < 0 || (size_t)fd >= nentries ||
	    !entries[fd].added)
		return NULL;
	return &entries[fd];
}

static void make_due(struct entry *e)
{
	uint32_t fd = (uint32_t)(e - entries);

	if (e->due)
		return;
	buf_append(&due, &fd, sizeof(fd));
	e->due = !due.failed;
	/* Without memory for it libuv is told at once. */
	due.failed = false;
}

static void on_events(uv_poll_t *handle, int status, int events);

static int tell(struct entry *e)
{
	int rc = e->want == 0 ? libuv.stop(e->handle)
			      : libuv.start(e->handle, e->want, on_events);

	e->have = rc == 0 ? e->want : 0;
	return rc;
}

/* What may wait: to hear of something to read that is not wanted now. */
static bool must_tell(const struct entry *e)
{
	return (e->want & ~e->have) != 0 ||
	       (e->have & ~e->want & UV_WRITABLE) != 0;
}

static int changed(struct entry *e)
{
	if (must_tell(e) && !closed)
		make_due(e);
	return must_tell(e) && !e->due ? tell(e) : 0;
}

static void on_events(uv_poll_t *handle, int status, int events)
{
	struct entry *e = find((uv_handle_t *)handle);

	if (e == NULL || e->handle != handle)
		return;
	/* libuv has stopped it. */
	if (status < 0)
		e->have = 0;
	if (status < 0 ? e->want == 0 : (events & e->want) == 0) {
		if (e->have != e->want)
			(void)tell(e);
		return;
	}
	if ((events & ~e->want) != 0)
		(void)tell(e);
	e->cb(handle, status, events & e->want);
}

/* Its turn: what it wants to write, then what libuv has to know. It may be
 * closed in each call. */
static void take_turn(struct entry *e)
{
	uv_poll_t *handle = e->handle;

	for (int i = 0; i < WRITES && handle != NULL && e->handle == handle &&
			(e->want & ~e->have & UV_WRITABLE) != 0;
	     i++)
		e->cb(handle, 0, UV_WRITABLE);
	e->due = false;
	if (e->handle != NULL && must_tell(e))
		(void)tell(e);
}

static void on_turn(uv_prepare_t *prepare)
{
	uint32_t fd;

	(void)prepare;
	/* It grows meanwhile. */
	for (size_t at = 0; at < due.len; at += sizeof(fd)) {
		memcpy(&fd, due.data + at, sizeof(fd));
		take_turn(&entries[fd]);
	}
	buf_clear(&due);
}

int polls_start(uv_loop_t *loop, size_t fds)
{
	int rc;

	find_hidden();
	entries = calloc(fds, sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	nentries = fds;
	closed = false;
	rc = uv_prepare_init(loop, &turn);
	return rc < 0 ? rc : uv_prepare_start(&turn, on_turn);
}

void polls_close(void)
{
	on_turn(&turn);
	closed = true;
	uv_close((uv_handle_t *)&turn, NULL);
}

void polls_release(void)
{
	free(entries);
	entries = NULL;
	nentries = 0;
	buf_release(&due);
}

void polls_add(int fd)
{
	if (fd >= 0 && (size_t)fd < nentries)
		entries[fd] =
			(struct entry){ .added = true, .due = entries[fd].due };
}

int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb)
{
	struct entry *e = find((uv_handle_t *)handle);

	find_hidden();
	if (e == NULL)
		return libuv.start(handle, events, cb);
	if (e->handle != handle)
		e->have = 0;
	e->handle = handle;
	e->cb = cb;
	e->want = (uint8_t)events;
	return changed(e);
}

int uv_poll_stop(uv_poll_t *handle)
{
	struct entry *e = find((uv_handle_t *)handle);

	find_hidden();
	if (e == NULL || e->handle != handle)
		return libuv.stop(handle);
	e->want = 0;
	return changed(e);
}

void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
	struct entry *e = find(handle);

	find_hidden();
	if (e != NULL && e->handle == (uv_poll_t *)handle)
		*e = (struct entry){ .due = e->due };
	libuv.close(handle, cb);
}
