/* SPDX-License-Identifier: MIT */
#include "daemon/event.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/table.h"

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
	enum { LOOK_BACK = 8 };
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
		e->next_seq = news->next_seq;
	}
	e->last_seq = news->last_seq;
	e->want = e->want || news->want;
	e->mentions = e->mentions || news->mentions;
	return 0;
}

int event_add_change(struct list *list, const struct store_member_change *c)
{
	struct event *e = event_add(list, EVENT_MEMBERS, c->group_id);

	if (e == NULL)
		return -ENOMEM;
	e->changes = calloc(1, sizeof(*e->changes));
	if (e->changes == NULL) {
		list_remove(&e->link);
		event_free(e);
		return -ENOMEM;
	}
	e->count = 1;
	e->version = c->version;
	e->remote = true;
	e->changes[0] =
		(struct store_change){ .change = c->change,
				       .role = c->role,
				       .last_read_seq = c->last_read_seq };
	str_to_cstr(c->user, e->changes[0].user, sizeof(e->changes[0].user));
	str_to_cstr(c->group, e->group, sizeof(e->group));
	str_to_cstr(c->by, e->by, sizeof(e->by));
	return 0;
}

void event_mark(struct event_marks *marks, struct event *e)
{
	struct event_mark *mark =
		&marks->marks[table_hash_u64(e->group_id) % EVENT_MARKS];

	if (e->next_seq == 0)
		return;
	if (mark->group_id == e->group_id && mark->next_seq > e->next_seq)
		e->next_seq = mark->next_seq;
	*mark = (struct event_mark){ e->group_id, e->last_seq + 1 };
}

/* NULL without memory. */
static struct frame *encode(uint64_t group_id, struct str records)
{
	struct wire_body_ev_messages body = { .group_id = group_id,
					      .messages = records };
	struct frame *frame = frame_new();

	if (frame == NULL)
		return NULL;
	wire_put_frame(&frame->bytes, WIRE_EV_MESSAGES, 0, 0, &body);
	if (!frame->bytes.failed)
		return frame;
	frame_unref(frame);
	return NULL;
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
	frame = encode(e->group_id, buf_str(&l->records));
	if (frame == NULL)
		return -ENOMEM;
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
					.time_ms = m->time_ms,
					.sender = m->sender,
					.mentions = m->mentions };
	int rc = 0;

	if (m->seq > l->event->last_seq)
		return 1;
	/* What lies between is not kept any more. */
	if (m->seq != l->last_seq + 1)
		return -ERANGE;
	if (l->event->want)
		rc = put_record(l, m);
	if (rc < 0)
		return rc;
	if (m->mentions.len > 0)
		wire_put(&l->event->mentioned, &wire_schema_message, &mention);
	l->last_seq = m->seq;
	l->event->newest_ms = m->time_ms;
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

/* From e->from_seq to e->last_seq, or the end. */
static int load(struct event *e, struct store *store, uint64_t *last_seq,
		struct err *err)
{
	struct loading l = { .event = e, .last_seq = e->from_seq - 1 };
	int rc = store_scan(store, e->group_id, l.last_seq, load_message, &l,
			    err);

	if (rc >= 0)
		rc = finish_frame(&l);
	if (rc < 0)
		drop_frames(e);
	if (load_name(e, store) < 0 || e->mentioned.failed) {
		log_warn("mentions are not told: group=%llu",
			 (unsigned long long)e->group_id);
		buf_release(&e->mentioned);
	}
	buf_release(&l.records);
	*last_seq = l.last_seq;
	return rc < 0 ? rc : 0;
}

/* Whether what others appended is to be read, too. */
static bool has_gap(const struct event *e)
{
	return e->want && e->next_seq != 0 && e->next_seq < e->first_seq &&
	       e->first_seq - e->next_seq <= EVENT_FILL_MAX;
}

int event_load(struct event *e, struct store *store)
{
	uint64_t last_seq;
	int rc;

	assert(e->kind == EVENT_MESSAGES && e->nframes == 0);
	if (!e->want && !e->mentions)
		return 0;
	e->from_seq = has_gap(e) ? e->next_seq : e->first_seq;
	rc = load(e, store, &last_seq, NULL);
	/* A part would be a gap. */
	if (rc < 0 || last_seq != e->last_seq)
		drop_frames(e);
	return rc;
}

int event_load_next(struct event *e, struct store *store, uint64_t max,
		    struct err *err)
{
	uint64_t last_seq;
	int rc;

	e->want = true;
	e->from_seq = e->first_seq;
	e->last_seq = e->first_seq + max - 1;
	rc = load(e, store, &last_seq, err);
	e->last_seq = rc < 0 ? e->first_seq - 1 : last_seq;
	return rc;
}

/* The records of a frame of ours that come behind seq. */
static struct str records_after(const struct frame *frame, uint64_t seq,
				struct str *before)
{
	struct str bytes = buf_str(&frame->bytes);
	union wire_body body = { 0 };
	struct str rest;
	struct str left;
	struct wire_message m;
	int rc;

	bytes.data += WIRE_HEADER;
	bytes.len -= WIRE_HEADER;
	rc = wire_get(bytes, wire_schema_of(WIRE_EV_MESSAGES), &body);
	assert(rc == 0);
	rest = body.ev_messages.messages;
	left = rest;
	while (wire_next(&left, &wire_schema_message, &m) > 0 && m.seq <= seq)
		rest = left;
	*before = body.ev_messages.messages;
	before->len -= rest.len;
	return rest;
}

/* Frame i becomes two: up to seq, and behind it. */
static bool split(struct event *e, size_t i, uint64_t seq)
{
	struct event_frame *frames =
		realloc(e->frames, (e->nframes + 1) * sizeof(*frames));
	struct frame *first = NULL;
	struct frame *second = NULL;
	struct str before;
	struct str rest;

	if (frames == NULL)
		return false;
	e->frames = frames;
	rest = records_after(frames[i].frame, seq, &before);
	first = encode(e->group_id, before);
	second = encode(e->group_id, rest);
	if (first == NULL || second == NULL) {
		if (first != NULL)
			frame_unref(first);
		if (second != NULL)
			frame_unref(second);
		return false;
	}
	memmove(&frames[i + 1], &frames[i], (e->nframes - i) * sizeof(*frames));
	e->nframes++;
	frame_unref(frames[i].frame);
	frames[i] = (struct event_frame){ .frame = first, .last_seq = seq };
	frames[i + 1].frame = second;
	return true;
}

bool event_frame_after(struct event *e, uint64_t seq, size_t *frame)
{
	uint64_t begin = e->from_seq;

	for (size_t i = 0; i < e->nframes && begin <= seq + 1; i++) {
		if (begin == seq + 1) {
			*frame = i;
			return true;
		}
		if (e->frames[i].last_seq > seq) {
			*frame = i + 1;
			return split(e, i, seq);
		}
		begin = e->frames[i].last_seq + 1;
	}
	return false;
}
