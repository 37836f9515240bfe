/* SPDX-License-Identifier: MIT */
/*
 * GET /api/groups/{g}/stream: catch-up, then live, for `curl -N`. A line of
 * JSON a message or, for who accepts text/event-stream, an event whose id is
 * the message's number.
 *
 *   feed --wake--> http (the socket takes some) --fill--> feed_read
 *
 * The answer begins when the log can be read from the place that was asked
 * for, so that a refusal is still an HTTP status. Nothing is queued: a client
 * that is slow reads the log again from its cursor.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/query.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

enum {
	BEAT_S = 15 /* something is sent so often, to find who is gone */
};

struct http_stream {
	struct http_request *r; /* borrowed: it owns this */
	struct feed_sub sub;
	struct bearer_user user;
	struct seat seat;
	struct hangup hangup;
	struct wheel_timer beat;
	struct list of_gateway;
	bool events;	/* text/event-stream */
	bool began;	/* the head is on its way */
	bool ready;	/* woken, and not all was read since */
	bool live_told; /* events only */
	bool beating;	/* a sign of life is due */
};

/* Takes data. */
static void put_event(struct buf *b, const char *name, struct buf *data)
{
	buf_printf(b, "event: %s\ndata: ", name);
	buf_append_str(b, buf_str(data));
	buf_append_str(b, str_of("\n\n"));
	b->failed = b->failed || data->failed;
	buf_release(data);
}

static void put_message(struct http_stream *s, const struct wire_message *m)
{
	struct buf *out = &s->r->out;

	if (!s->events) {
		json_put_message_line(out, m);
		return;
	}
	buf_printf(out, "id: %" PRIu64 "\ndata: ", m->seq);
	json_put_message(out, m);
	buf_append_str(out, str_of("\n\n"));
}

static void put_live(struct http_stream *s)
{
	const struct feed_group *g = feed_group_of(&s->sub);
	struct buf data = { 0 };

	s->live_told = true;
	buf_append_char(&data, '{');
	json_put_epoch(&data, g->epoch);
	buf_printf(&data, ",\"last_seq\":%" PRIu64 "}", s->sub.cursor);
	put_event(&s->r->out, "live", &data);
}

/* An event stream says why it ends; a client would connect again else. */
static void put_end(struct http_stream *s)
{
	struct err err = *s->sub.err;
	struct buf data = { 0 };

	if (!s->events)
		return;
	if (s->sub.cut_seq == 0)
		convert_restored(&err);
	buf_printf(&data, "{\"code\":\"%s\",\"detail\":", err_name(err.code));
	json_put_str(&data, str_of(err.text));
	if (s->sub.cut_seq > 0)
		convert_put_start(&data, s->sub.cut_epoch, s->sub.cut_seq);
	buf_append_char(&data, '}');
	put_event(&s->r->out, "end", &data);
}

/* Nothing else is to be said now. */
static void put_beat(struct http_stream *s)
{
	if (s->beating)
		buf_append_str(&s->r->out, str_of(s->events ? ":\n\n" : "\n"));
	s->beating = false;
}

static void count_delivery(const struct http_stream *s,
			   const struct wire_message *m)
{
	struct gateway *gw = s->r->gw;

	gw->meter.deliveries++;
	if (m->seq > s->sub.start_seq)
		meter_fanout(&gw->meter, uv_now(gw->loop), m->time_ms);
}

static enum http_more fill(struct http_request *r)
{
	struct http_stream *s = r->stream;
	struct feed_message *m;
	int rc = 0;

	while (r->out.len < HTTP_PIECE && (rc = feed_read(&s->sub, &m)) == 1) {
		put_message(s, &m->m);
		count_delivery(s, &m->m);
	}
	if (rc < 0) {
		put_end(s);
		return HTTP_END;
	}
	s->ready = rc == 1;
	if (rc == 0 && s->events && !s->live_told && feed_caught_up(&s->sub))
		put_live(s);
	if (rc == 0)
		put_beat(s);
	return HTTP_MORE;
}

static void begin(struct http_stream *s)
{
	s->began = true;
	s->r->gw->meter.streams++;
	list_push(&s->r->gw->streams, &s->of_gateway);
	http_begin_stream(
		s->r, s->events ? "text/event-stream" : "application/x-ndjson",
		fill);
	wheel_arm(&s->r->gw->wheel, &s->beat, BEAT_S);
}

static void on_wake(struct feed_sub *sub)
{
	struct http_stream *s = sub->data;

	s->ready = true;
	if (s->began)
		http_wake(s->r);
	else if (sub->state == FEED_ENDED && sub->cut_seq > 0)
		rest_epoch_changed(s->r, sub->err, sub->cut_epoch,
				   sub->cut_seq);
	else if (sub->state == FEED_ENDED)
		http_fail(s->r, sub->err);
	else if (sub->state == FEED_LIVE)
		begin(s);
}

/* The token was revoked, or is over: the next feed_read() ends it. */
static void on_principal(struct bearer_user *user, const struct err *err)
{
	struct http_stream *s = container_of(user, struct http_stream, user);

	if (err != NULL && s->began)
		http_wake(s->r);
}

static void on_beat(struct wheel_timer *t)
{
	struct http_stream *s = container_of(t, struct http_stream, beat);

	if (hangup_vanished(http_socket(s->r))) {
		http_drop(s->r);
		return;
	}
	s->beating = true;
	http_wake(s->r);
	wheel_arm(&s->r->gw->wheel, &s->beat, BEAT_S);
}

void http_stream_free(struct http_stream *s)
{
	if (s == NULL)
		return;
	if (s->began)
		s->r->gw->meter.streams--;
	feed_unsubscribe(&s->sub);
	list_remove(&s->of_gateway);
	seat_leave(&s->seat);
	hangup_leave(&s->hangup);
	list_remove(&s->user.link);
	wheel_disarm(&s->beat);
	free(s);
}

size_t http_streams_behind(const struct gateway *gw)
{
	size_t count = 0;

	for (const struct list *l = gw->streams.next; l != &gw->streams;
	     l = l->next) {
		const struct http_stream *s =
			container_of(l, const struct http_stream, of_gateway);

		count += s->ready && feed_is_behind(&s->sub) &&
			 !feed_is_pulling(&s->sub);
	}
	return count;
}

static void fail_unavailable(struct http_request *r)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, NULL);
	http_fail(r, &err);
}

static void on_seat(struct seat *seat, const struct err *err)
{
	struct http_stream *s = container_of(seat, struct http_stream, seat);
	struct http_request *r = s->r;

	if (err != NULL) {
		http_fail(r, err);
		return;
	}
	list_push(&r->bearer->users, &s->user.link);
	if (feed_subscribe(&r->gw->feed, &s->sub, &r->bearer->principal,
			   r->group_id, r->after_seq, on_wake) < 0)
		fail_unavailable(r);
}

static void start(struct http_request *r)
{
	if (seat_take(&r->gw->seats, &r->stream->seat, r->bearer, on_seat) < 0)
		fail_unavailable(r);
}

/* after_seq, else Last-Event-ID, else from the read pointer on. */
static int get_start(struct http_request *r, struct err *err)
{
	struct buf id = { 0 };
	int rc;

	r->after_seq = FEED_FROM_POINTER;
	rc = query_get_u64(buf_str(&r->query), "after_seq", INT64_MAX,
			   &r->after_seq, err);
	if (rc == 0 && headers_get(r->wsi, HEADER_LAST_EVENT_ID, &id) &&
	    (!text_parse_u64(buf_str(&id), &r->after_seq) ||
	     r->after_seq > INT64_MAX))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "Last-Event-ID must be a message's number");
	buf_release(&id);
	return rc;
}

static void on_gone(struct hangup *hangup)
{
	http_drop(container_of(hangup, struct http_stream, hangup)->r);
}

/* He sends no more. If he has gone, the kernel says so when something is
 * written. */
static void on_end(struct hangup *hangup)
{
	struct http_stream *s =
		container_of(hangup, struct http_stream, hangup);

	s->beating = true;
	if (s->began)
		http_wake(s->r);
}

static struct http_stream *stream_new(struct http_request *r)
{
	struct http_stream *s = calloc(1, sizeof(*s));
	struct buf accept = { 0 };

	if (s == NULL)
		return NULL;
	s->r = r;
	s->sub.data = s;
	s->user.changed = on_principal;
	list_init(&s->user.link);
	list_init(&s->of_gateway);
	wheel_timer_init(&s->beat, on_beat);
	s->hangup.on_end = on_end;
	s->hangup.on_gone = on_gone;
	hangup_watch(&r->gw->hangups, &s->hangup, http_socket(r));
	s->events = headers_get(r->wsi, HEADER_ACCEPT, &accept) &&
		    headers_accept(buf_str(&accept), "text/event-stream");
	buf_release(&accept);
	return s;
}

void rest_stream(struct http_request *r)
{
	struct err err;

	r->stream = stream_new(r);
	if (r->stream == NULL)
		err_set(&err, ERR_UNAVAILABLE, NULL);
	if (r->stream == NULL || get_start(r, &err) < 0)
		http_fail(r, &err);
	else
		http_with_group(r, start);
}
