/* SPDX-License-Identifier: MIT */
/*
 * Most subscribers wait for the next message, and get the same bytes: so they
 * are joined once, and written at once to each whose socket takes them, one
 * system call for all that is new. Whoever waits for anything else (a replay,
 * a page of the log, his socket, a frame that goes first) reads message by
 * message, as do all where a message mentions somebody.
 *
 * Where many groups have something new at the same time, a connection that is
 * in several of them reads once, behind that, what is new of all: so it gets it
 * in one write, too, whose bytes are a copy of its own, which is a small part
 * of what a system call costs.
 */
#include "daemon/gateway/ws.h"

#include <libwebsockets.h>

static void put_message(struct buf *b, const struct ws_group *g,
			const struct wire_message *m)
{
	buf_append_str(b, buf_str(&g->head));
	json_put_message_fields(b, m);
}

static bool encode(const struct ws_group *g, struct feed_message *m)
{
	struct buf *b = &m->encoded;

	if (b->len > 0)
		return !b->failed;
	ws_frame_room(b);
	put_message(b, g, &m->m);
	buf_append_char(b, '}');
	return !b->failed;
}

void ws_append_message(struct buf *out, struct ws_sub *sub,
		       struct feed_message *m)
{
	bool replay = m->m.seq <= sub->feed.start_seq;
	size_t start;

	if (m->shared && !encode(sub->group, m)) {
		out->failed = true;
		return;
	}
	if (m->shared && !replay) {
		buf_append_str(out, ws_frame_bytes(&m->encoded));
		return;
	}
	start = ws_batch_begin(out);
	if (m->shared) /* but its last brace */
		buf_append(out, m->encoded.data + LWS_PRE,
			   m->encoded.len - LWS_PRE - 1);
	else
		put_message(out, sub->group, &m->m);
	buf_append_str(out, replay ? str_of(",\"replay\":true}") : str_of("}"));
	ws_batch_end(out, start);
}

/* The next messages after the sub's cursor, as one write. */
static struct str join(struct ws_sub *sub, struct ws_run *run, uint64_t known)
{
	uint64_t seq = sub->feed.cursor + 1;
	struct meter *meter = &sub->conn->gw->meter;
	struct feed_message *m;

	buf_clear(&run->bytes);
	run->last = 0;
	meter_run_begin(meter);
	while (seq <= known && run->bytes.len < WS_SLICE_BYTES) {
		m = feed_peek(&sub->feed, seq);
		if (m == NULL || m->m.mentions.len > 0)
			break;
		if (!encode(sub->group, m)) {
			buf_release(&m->encoded);
			break;
		}
		if (!meter_run_add(meter, m->m.time_ms))
			break;
		buf_append_str(&run->bytes, ws_frame_bytes(&m->encoded));
		run->last = seq++;
	}
	if (run->bytes.failed)
		run->last = 0;
	run->group_id = sub->group->group_id;
	run->epoch = feed_group_of(&sub->feed)->epoch;
	run->first = sub->feed.cursor + 1;
	run->known = known;
	return buf_str(&run->bytes);
}

/* *last 0: there is none. */
static struct str run_for(struct ws_sub *sub, uint64_t *last)
{
	const struct feed_group *g = feed_group_of(&sub->feed);
	struct ws_run *run = &sub->conn->gw->run;
	struct str bytes = buf_str(&run->bytes);

	if (run->group_id != g->group_id || run->epoch != g->epoch ||
	    run->first != sub->feed.cursor + 1 || run->known != g->last_seq)
		bytes = join(sub, run, g->last_seq);
	*last = run->last;
	return bytes;
}

/* Nothing of a run is a replay: who gets it had read all before. */
static void count(struct gateway *gw, const struct ws_run *run)
{
	gw->meter.deliveries += run->last - run->first + 1;
	meter_run_given(&gw->meter, uv_now(gw->loop));
}

bool ws_write_run(struct ws_sub *sub)
{
	struct ws_conn *c = sub->conn;
	struct str bytes;
	uint64_t last;

	if (sub->feed.state != FEED_LIVE || !sub->live_told ||
	    sub->note != NULL || !list_empty(&c->ready) || !ws_may_write(c))
		return false;
	bytes = run_for(sub, &last);
	if (last == 0 || !feed_skip(&sub->feed, last))
		return false;
	count(c->gw, &c->gw->run);
	return ws_write_bytes(c, bytes) && feed_caught_up(&sub->feed);
}

bool ws_gather(struct ws_sub *sub)
{
	struct ws_conn *c = sub->conn;

	if (!feed_turn_is_wide(&c->gw->feed))
		return false;
	if (list_empty(&sub->ready))
		list_push(&c->ready, &sub->ready);
	if (list_empty(&c->gathered))
		list_push(&c->gw->gathered, &c->gathered);
	return true;
}

void ws_flush(struct feed *f)
{
	struct gateway *gw = container_of(f, struct gateway, feed);
	struct list *el;

	while ((el = list_pop(&gw->gathered)) != NULL) {
		struct ws_conn *c = container_of(el, struct ws_conn, gathered);

		ws_pump(c);
	}
}
