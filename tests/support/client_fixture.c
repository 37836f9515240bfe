/* SPDX-License-Identifier: MIT */
#include "tests/support/client_fixture.h"

#include <assert.h>
#include <signal.h>

enum { LIMIT_MS = 20000 };

static void request_cb(struct fake_peer *peer, const struct wire_header *h,
		       const union wire_body *body)
{
	struct talk *t = peer->data;
	struct wire_body_ok ok = { 0 };

	if (h->type != WIRE_SET_READ) {
		if (t->on_request != NULL)
			t->on_request(t, h, body);
		return;
	}
	assert(t->seen_count < 4 * TALK_REQUESTS);
	ok.value = body->set_read.seq;
	t->seen_by[t->seen_count] = h->principal;
	t->seen[t->seen_count++] = ok.value;
	if (!t->silent)
		fake_peer_send(peer, WIRE_OK, h->id, h->principal, &ok);
}

static void event_cb(struct client *c, const struct wire_header *h,
		     const void *body)
{
	struct talk *t = c->data;

	(void)body;
	t->events++;
	if (t->on_event != NULL)
		t->on_event(t, h);
}

static void state_cb(struct client *c, bool online, const char *why)
{
	struct talk *t = c->data;

	assert(online == (why == NULL));
	t->online += online;
	t->offline += !online;
	if (t->on_state != NULL)
		t->on_state(t, online);
}

static void restored_cb(struct client *c)
{
	struct talk *t = c->data;

	assert(!c->online);
	t->restored++;
}

static void principal_cb(struct client_principal *pr, const struct err *err)
{
	struct talk *t = pr->data;

	if (t->on_principal != NULL)
		t->on_principal(t, err);
}

static void reply_cb(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct talk *t = req->data;
	size_t i = (size_t)(req - t->req);
	const struct wire_body_ok *ok = body;

	t->replies[i]++;
	t->done++;
	t->codes[i] = err == NULL ? ERR_NONE : err->code;
	/* The first field of all answers that these tests ask for. */
	t->values[i] = err == NULL ? ok->value : 0;
	if (t->on_reply != NULL)
		t->on_reply(t, i, err);
}

static void closed_cb(struct client *c)
{
	struct talk *t = c->data;

	t->closed = true;
}

void talk_start(struct talk *t)
{
	struct client_options options = { .agent = "test/1",
					  .data = t,
					  .patient = t->patient,
					  .on_event = event_cb,
					  .on_state = state_cb,
					  .on_restored = restored_cb };
	int rc;

	signal(SIGPIPE, SIG_IGN); /* as all users of the client do */
	uv_loop_init(&t->loop);
	t->peer.data = t;
	t->peer.on_request = request_cb;
	fake_peer_start(&t->peer, &t->loop);
	options.path = t->peer.path;
	rc = client_start(&t->client, &t->loop, &options);
	assert(rc == 0);
	for (unsigned i = 0; i < TALK_PRINCIPALS; i++) {
		t->who[i].data = t;
		rc = client_open_principal(&t->client, &t->who[i],
					   PRINCIPAL_UID, i, NULL,
					   principal_cb);
		assert(rc == 0);
	}
}

void talk_begin_close(struct talk *t)
{
	if (t->closing)
		return;
	t->closing = true;
	client_close(&t->client, closed_cb);
}

void talk_close(struct talk *t)
{
	talk_begin_close(t);
	while (!t->closed)
		uv_run(&t->loop, UV_RUN_ONCE);
}

void talk_stop(struct talk *t)
{
	int rc;

	talk_close(t);
	fake_peer_close(&t->peer);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	rc = uv_loop_close(&t->loop);
	assert(rc == 0);
}

int talk_submit_type(struct talk *t, size_t i, size_t pr, enum wire_type type,
		     const void *body)
{
	t->req[i].data = t;
	return client_submit(&t->client, &t->req[i], &t->who[pr], type, body, 0,
			     reply_cb);
}

void talk_submit(struct talk *t, size_t i, size_t pr, uint64_t timeout_ms)
{
	const struct wire_body_set_read body = { .group_id = 1, .seq = i + 1 };
	int rc;

	t->req[i].data = t;
	rc = client_submit(&t->client, &t->req[i], &t->who[pr], WIRE_SET_READ,
			   &body, timeout_ms, reply_cb);
	assert(rc == 0);
}

void talk_spin(struct talk *t, int turns)
{
	for (int i = 0; i < turns; i++)
		uv_run(&t->loop, UV_RUN_NOWAIT);
}

void talk_until_done(struct talk *t, size_t count)
{
	uint64_t end = uv_now(&t->loop) + LIMIT_MS;

	while (t->done < count && uv_now(&t->loop) < end)
		uv_run(&t->loop, UV_RUN_ONCE);
	assert(t->done == count);
}

void talk_until_online(struct talk *t)
{
	uint64_t end = uv_now(&t->loop) + LIMIT_MS;

	while (!t->client.online && uv_now(&t->loop) < end)
		uv_run(&t->loop, UV_RUN_ONCE);
	assert(t->client.online);
}

static bool is_ready(const struct talk *t)
{
	for (size_t i = 0; i < TALK_PRINCIPALS; i++)
		if (t->who[i].state != CLIENT_PRINCIPAL_READY)
			return false;
	return t->client.online;
}

void talk_until_ready(struct talk *t)
{
	uint64_t end = uv_now(&t->loop) + LIMIT_MS;

	while (!is_ready(t) && uv_now(&t->loop) < end)
		uv_run(&t->loop, UV_RUN_ONCE);
	assert(is_ready(t));
}
