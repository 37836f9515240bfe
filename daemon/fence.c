/* SPDX-License-Identifier: MIT */
#include "daemon/fence.h"

#include <stdlib.h>

#include "lib/log.h"

/* A session, and up to where its output must be written. */
struct mark {
	uint64_t serial;
	uint64_t upto;
};

/* One batch that waits. */
struct hold {
	struct list link; /* in f->held */
	struct list *token;
	uint64_t since_ms;
	size_t count;
	struct mark marks[];
};

static bool is_behind(const struct fence *f, const struct session *s)
{
	return f->minds(s) && session_is_open(s) && session_output(s) > 0;
}

static struct session *find(const struct fence *f, uint64_t serial)
{
	for (struct list *l = f->host->sessions.next; l != &f->host->sessions;
	     l = l->next) {
		struct session *s = container_of(l, struct session, link);

		if (s->serial == serial)
			return s;
	}
	return NULL;
}

/* The session that has not written up to its mark; NULL: it has, or is gone. */
static struct session *late(const struct fence *f, const struct mark *m)
{
	struct session *s = find(f, m->serial);

	return s != NULL && session_is_open(s) && session_written(s) < m->upto
		       ? s
		       : NULL;
}

static void disconnect(struct session *s)
{
	log_warn("closed a mount that does not hear of its members: uid=%u "
		 "pid=%d",
		 (unsigned)s->uid, (int)s->pid);
	session_close(s);
}

/* Whether nobody is late any more. */
static bool is_over(struct fence *f, const struct hold *h)
{
	bool out_of_time = uv_now(f->host->loop) - h->since_ms >= FENCE_MS;

	for (size_t i = 0; i < h->count; i++) {
		struct session *s = late(f, &h->marks[i]);

		if (s != NULL && !out_of_time)
			return false;
		if (s != NULL)
			disconnect(s);
	}
	return true;
}

static void release(struct fence *f, struct hold *h)
{
	struct list *token = h->token;

	list_remove(&h->link);
	free(h);
	f->release(f->data, token);
}

static void on_timer(uv_timer_t *timer)
{
	struct fence *f = timer->data;
	struct list *next;

	for (struct list *l = f->held.next; l != &f->held; l = next) {
		struct hold *h = container_of(l, struct hold, link);

		next = l->next;
		if (is_over(f, h))
			release(f, h);
	}
	if (list_empty(&f->held))
		uv_timer_stop(timer);
}

void fence_start(struct fence *f, uv_loop_t *loop, struct session_host *host,
		 bool (*minds)(const struct session *s),
		 void (*release_fn)(void *data, struct list *token), void *data)
{
	*f = (struct fence){ .host = host,
			     .minds = minds,
			     .release = release_fn,
			     .data = data };
	list_init(&f->held);
	(void)uv_timer_init(loop, &f->timer); /* cannot fail */
	f->timer.data = f;
}

/* NULL without memory. */
static struct hold *mark_all(const struct fence *f, size_t count)
{
	struct hold *h = calloc(1, sizeof(*h) + count * sizeof(h->marks[0]));

	if (h == NULL)
		return NULL;
	h->since_ms = uv_now(f->host->loop);
	for (struct list *l = f->host->sessions.next; l != &f->host->sessions;
	     l = l->next) {
		const struct session *s =
			container_of(l, const struct session, link);

		if (is_behind(f, s))
			h->marks[h->count++] =
				(struct mark){ s->serial,
					       session_written(s) +
						       session_output(s) };
	}
	return h;
}

static size_t count_behind(const struct fence *f)
{
	size_t count = 0;

	for (const struct list *l = f->host->sessions.next;
	     l != &f->host->sessions; l = l->next)
		count += is_behind(f,
				   container_of(l, const struct session, link));
	return count;
}

/* What cannot be waited for. */
static void disconnect_behind(const struct fence *f)
{
	struct list *next;

	for (struct list *l = f->host->sessions.next; l != &f->host->sessions;
	     l = next) {
		struct session *s = container_of(l, struct session, link);

		next = l->next;
		if (is_behind(f, s))
			disconnect(s);
	}
}

bool fence_pass(struct fence *f, struct list *token)
{
	struct hold *h;
	size_t count;

	session_host_flush(f->host);
	count = count_behind(f);
	if (count == 0)
		return true;
	h = mark_all(f, count);
	if (h == NULL) {
		disconnect_behind(f);
		return true;
	}
	h->token = token;
	list_push(&f->held, &h->link);
	if (!uv_is_active((uv_handle_t *)&f->timer))
		uv_timer_start(&f->timer, on_timer, FENCE_POLL_MS,
			       FENCE_POLL_MS);
	return false;
}

static void on_closed(uv_handle_t *handle)
{
	struct fence *f = handle->data;

	f->on_close(f);
}

void fence_close(struct fence *f, void (*cb)(struct fence *f))
{
	f->on_close = cb;
	while (!list_empty(&f->held))
		release(f, container_of(f->held.next, struct hold, link));
	uv_close((uv_handle_t *)&f->timer, on_closed);
}
