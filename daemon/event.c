/* SPDX-License-Identifier: MIT */
#include "daemon/event.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct event *event_add(struct list *list, enum event_kind kind,
			uint64_t group_id)
{
	struct event *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->kind = kind;
	e->group_id = group_id;
	list_push(list, &e->link);
	return e;
}

static void drop_frames(struct event *e)
{
	for (size_t i = 0; i < e->nframes; i++)
		frame_unref(e->frames[i].frame);
	free(e->frames);
	e->frames = NULL;
	e->nframes = 0;
}

void event_free(struct event *e)
{
	if (e == NULL)
		return;
	drop_frames(e);
	free(e->changes);
	free(e);
}

void events_clear(struct list *list)
{
	struct list *el;

	while ((el = list_pop(list)) != NULL)
		event_free(container_of(el, struct event, link));
}

/* Looks back over a few events only: a new event instead of a longer one is
 * right too. */
static struct event *last_of_group(const struct list *list, uint64_t group_id)
{
	enum { LOOK_BACK = 64 };
	struct list *el = list->prev;

	for (int i = 0; i < LOOK_BACK && el != list; i++, el = el->prev) {
		struct event *e = container_of(el, struct event, link);

		if (e->group_id == group_id)
			return e->kind == EVENT_MESSAGES ? e : NULL;
	}
	return NULL;
}

int event_add_messages(struct list *list, uint64_t group_id, uint64_t first_seq,
		       uint64_t last_seq, bool want)
{
	struct event *e = last_of_group(list, group_id);

	if (e != NULL && e->last_seq + 1 == first_seq) {
		e->last_seq = last_seq;
		e->want = e->want || want;
		return 0;
	}
	e = event_add(list, EVENT_MESSAGES, group_id);
	if (e == NULL)
		return -ENOMEM;
	e->first_seq = first_seq;
	e->last_seq = last_seq;
	e->want = want;
	return 0;
}

/* Collects records until a frame is full. */
struct loading {
	struct event *event;
	struct buf records;
	uint64_t last_seq;
	size_t cap; /* of event->frames */
};

static int finish_frame(struct loading *l)
{
	struct event *e = l->event;
	struct wire_body_ev_messages body = { .group_id = e->group_id,
					      .messages =
						      buf_str(&l->records) };
	struct frame *frame;

	if (l->records.len == 0)
		return 0;
	if (l->records.failed)
		return -ENOMEM;
	if (e->nframes == l->cap) {
		size_t cap = l->cap == 0 ? 4 : l->cap * 2;
		struct event_frame *frames =
			realloc(e->frames, cap * sizeof(*frames));

		if (frames == NULL)
			return -ENOMEM;
		e->frames = frames;
		l->cap = cap;
	}
	frame = frame_new();
	if (frame == NULL)
		return -ENOMEM;
	wire_put_frame(&frame->bytes, WIRE_EV_MESSAGES, 0, 0, &body);
	if (frame->bytes.failed) {
		frame_unref(frame);
		return -ENOMEM;
	}
	e->frames[e->nframes++] =
		(struct event_frame){ .frame = frame, .last_seq = l->last_seq };
	buf_clear(&l->records);
	return 0;
}

static int load_message(void *data, const struct wire_message *m)
{
	struct loading *l = data;
	size_t size = wire_size(&wire_schema_message, m);
	int rc = 0;

	if (m->seq > l->event->last_seq)
		return 1;
	if (l->records.len + size > EVENT_FRAME_BYTES)
		rc = finish_frame(l);
	if (rc < 0)
		return rc;
	wire_put(&l->records, &wire_schema_message, m);
	l->last_seq = m->seq;
	return m->seq == l->event->last_seq ? 1 : 0;
}

void event_load(struct event *e, struct store *store)
{
	struct loading l = { .event = e };
	int rc;

	assert(e->kind == EVENT_MESSAGES && e->nframes == 0);
	rc = store_scan(store, e->group_id, e->first_seq - 1, load_message, &l,
			NULL);
	if (rc >= 0)
		rc = finish_frame(&l);
	/* A part would be a gap. */
	if (rc < 0 || l.last_seq != e->last_seq)
		drop_frames(e);
	buf_release(&l.records);
}
