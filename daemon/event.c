/* SPDX-License-Identifier: MIT */
#include "daemon/event.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/log.h"

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
	buf_release(&e->mentioned);
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

int event_add_messages(struct list *list, uint64_t group_id,
		       const struct event *news)
{
	struct event *e = last_of_group(list, group_id);

	if (e == NULL || e->last_seq + 1 != news->first_seq) {
		e = event_add(list, EVENT_MESSAGES, group_id);
		if (e == NULL)
			return -ENOMEM;
		e->first_seq = news->first_seq;
	}
	e->last_seq = news->last_seq;
	e->want = e->want || news->want;
	e->mentions = e->mentions || news->mentions;
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

static int put_record(struct loading *l, const struct wire_message *m)
{
	size_t size = wire_size(&wire_schema_message, m);
	int rc = 0;

	if (l->records.len + size > EVENT_FRAME_BYTES)
		rc = finish_frame(l);
	if (rc == 0)
		wire_put(&l->records, &wire_schema_message, m);
	return rc;
}

static int load_message(void *data, const struct wire_message *m)
{
	struct loading *l = data;
	struct wire_message mention = { .seq = m->seq,
					.sender = m->sender,
					.mentions = m->mentions };
	int rc = 0;

	if (m->seq > l->event->last_seq)
		return 1;
	if (l->event->want)
		rc = put_record(l, m);
	if (rc < 0)
		return rc;
	if (m->mentions.len > 0)
		wire_put(&l->event->mentioned, &wire_schema_message, &mention);
	l->last_seq = m->seq;
	return m->seq == l->event->last_seq ? 1 : 0;
}

/* Whoever is told of a mention may know nothing of the group. */
static int load_name(struct event *e, struct store *store)
{
	struct wire_group group;
	int rc;

	if (e->mentioned.len == 0)
		return 0;
	rc = store_find_group(store, e->group_id, str_of(""), str_of(""),
			      &group, NULL);
	if (rc == 0)
		str_to_cstr(group.name, e->group, sizeof(e->group));
	return rc;
}

void event_load(struct event *e, struct store *store)
{
	struct loading l = { .event = e };
	int rc;

	assert(e->kind == EVENT_MESSAGES && e->nframes == 0);
	if (!e->want && !e->mentions)
		return;
	rc = store_scan(store, e->group_id, e->first_seq - 1, load_message, &l,
			NULL);
	if (rc >= 0)
		rc = finish_frame(&l);
	/* A part would be a gap. */
	if (rc < 0 || l.last_seq != e->last_seq)
		drop_frames(e);
	if (load_name(e, store) < 0 || e->mentioned.failed) {
		log_warn("mentions are not told: group=%llu",
			 (unsigned long long)e->group_id);
		buf_release(&e->mentioned);
	}
	buf_release(&l.records);
}
