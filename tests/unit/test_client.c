/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "lib/client.h"
#include "tests/support/fake_peer.h"

enum { MANY = 1000 };

struct fixture {
	uv_loop_t loop;
	struct fake_peer peer;
	struct client client;
	struct client_principal alice;
	struct client_request req[MANY];
	size_t done, want;	   /* callbacks that ran, that are waited for */
	enum err_code codes[MANY]; /* in the order of the callbacks */
	uint64_t values[MANY];
	uint64_t seen[4 * MANY]; /* SET_READ seqs as they came */
	size_t seen_count;
	size_t drop_at; /* the connection is dropped at this request */
	bool silent;
	bool rubbish;
	bool cancel_rest;
	bool closed;
};

static void answer(struct fake_peer *peer, const struct wire_header *h,
		   const union wire_body *body)
{
	struct fixture *f = peer->data;
	struct wire_body_ok ok = { 0 };

	if (h->type == WIRE_SET_READ) {
		ok.value = body->set_read.seq;
		f->seen[f->seen_count++] = ok.value;
	}
	if (f->drop_at != 0 && f->seen_count == f->drop_at) {
		f->drop_at = 0;
		fake_peer_drop(peer);
	} else if (f->rubbish) {
		f->rubbish = false;
		fake_peer_send_bytes(peer, "\xff\xff\xff\xff rubbish rubbish",
				     20);
	} else if (!f->silent) {
		fake_peer_send(peer, WIRE_OK, h->id, h->principal, &ok);
	}
}

static void event(struct client *c, const struct wire_header *h,
		  const void *body)
{
	(void)c;
	(void)h;
	(void)body;
}

static void done(struct client_request *req, const struct err *err,
		 const void *body)
{
	struct fixture *f = req->data;
	const struct wire_body_ok *ok = body;

	f->codes[f->done] = err == NULL ? ERR_NONE : err->code;
	f->values[f->done++] = err == NULL ? ok->value : 0;
	if (f->cancel_rest)
		for (size_t i = 0; i < MANY; i++)
			client_cancel(&f->req[i]);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct client_options options = { .agent = "test/1",
					  .on_event = event };

	uv_loop_init(&f->loop);
	f->peer.data = f;
	f->peer.on_request = answer;
	fake_peer_start(&f->peer, &f->loop);
	options.path = f->peer.path;
	assert_int_equal(client_start(&f->client, &f->loop, &options), 0);
	assert_int_equal(client_open_principal(&f->client, &f->alice,
					       PRINCIPAL_UID, 1, NULL, NULL),
			 0);
	*state = f;
	return 0;
}

static void closed(struct client *c)
{
	struct fixture *f = container_of(c, struct fixture, client);

	f->closed = true;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->client.p != NULL)
		client_close(&f->client, closed);
	fake_peer_close(&f->peer);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void submit(struct fixture *f, size_t i, uint64_t timeout)
{
	const struct wire_body_set_read body = { .group_id = 1, .seq = i + 1 };

	f->req[i].data = f;
	assert_int_equal(client_submit(&f->client, &f->req[i], &f->alice,
				       WIRE_SET_READ, &body, timeout, done),
			 0);
}

static void run_until(struct fixture *f, size_t count)
{
	uint64_t end = uv_now(&f->loop) + 20000;

	while (f->done < count && uv_now(&f->loop) < end)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->done, count);
}

static void assert_all_in_order(struct fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(f->codes[i], ERR_NONE);
		assert_int_equal(f->values[i], i + 1);
	}
}

static void a_thousand_in_flight_are_answered_in_order(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MANY; i++)
		submit(f, i, 0);
	assert_int_equal(f->done, 0);
	run_until(f, MANY);
	assert_all_in_order(f, MANY);
	assert_int_equal(f->seen_count, MANY);
	assert_string_equal(f->alice.name, "alice");
}

static void frames_may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;

	f->peer.byte_by_byte = true;
	for (size_t i = 0; i < 20; i++)
		submit(f, i, 0);
	run_until(f, 20);
	assert_all_in_order(f, 20);
}

static void a_lost_connection_resends_in_order(void **state)
{
	struct fixture *f = *state;

	f->drop_at = 300;
	for (size_t i = 0; i < MANY; i++)
		submit(f, i, 0);
	run_until(f, MANY);
	assert_all_in_order(f, MANY);
	assert_true(f->peer.connected == 2);
	/* What the second connection got is ascending without a hole. */
	for (size_t i = 301; i < f->seen_count; i++)
		assert_int_equal(f->seen[i], f->seen[i - 1] + 1);
}

static void rubbish_drops_the_connection_and_is_survived(void **state)
{
	struct fixture *f = *state;

	f->rubbish = true;
	submit(f, 0, 0);
	run_until(f, 1);
	assert_int_equal(f->codes[0], ERR_NONE);
	assert_int_equal(f->peer.connected, 2);
}

static void a_sent_write_ends_unknown_at_its_deadline(void **state)
{
	struct fixture *f = *state;

	f->silent = true;
	submit(f, 0, 150);
	run_until(f, 1);
	assert_int_equal(f->seen_count, 1);
	assert_int_equal(f->codes[0], ERR_OUTCOME_UNKNOWN);
}

static void an_unsent_write_ends_unavailable_at_its_deadline(void **state)
{
	struct fixture *f = *state;

	f->peer.version = 99; /* it is never greeted */
	submit(f, 0, 150);
	run_until(f, 1);
	assert_int_equal(f->seen_count, 0);
	assert_int_equal(f->codes[0], ERR_UNAVAILABLE);
	assert_non_null(strstr(f->client.why, "version"));
}

static void a_refused_principal_refuses_its_requests(void **state)
{
	struct fixture *f = *state;

	f->peer.refuse_code = ERR_UNAUTHENTICATED;
	submit(f, 0, 0);
	run_until(f, 1);
	submit(f, 1, 0);
	assert_int_equal(f->done, 1);
	run_until(f, 2);
	assert_int_equal(f->codes[0], ERR_UNAUTHENTICATED);
	assert_int_equal(f->codes[1], ERR_UNAUTHENTICATED);
	assert_int_equal(f->seen_count, 0);
}

static void a_revoked_principal_fails_what_is_pending(void **state)
{
	struct fixture *f = *state;
	const struct wire_body_ev_principal ev = {
		.code = ERR_UNAUTHENTICATED
	};

	f->silent = true;
	submit(f, 0, 0);
	while (f->seen_count == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	fake_peer_send(&f->peer, WIRE_EV_PRINCIPAL, 0, f->alice.id, &ev);
	run_until(f, 1);
	assert_int_equal(f->codes[0], ERR_UNAUTHENTICATED);
	assert_int_equal(f->alice.state, CLIENT_PRINCIPAL_REFUSED);
}

static void a_callback_may_cancel_all_others(void **state)
{
	struct fixture *f = *state;

	f->cancel_rest = true;
	for (size_t i = 0; i < 50; i++)
		submit(f, i, 0);
	run_until(f, 1);
	for (size_t i = 0; i < 50; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->done, 1);
	client_close_principal(&f->alice);
}

static void close_calls_back_what_is_pending(void **state)
{
	struct fixture *f = *state;

	f->silent = true;
	for (size_t i = 0; i < 10; i++)
		submit(f, i, 0);
	while (f->seen_count < 10)
		uv_run(&f->loop, UV_RUN_ONCE);
	client_close(&f->client, closed);
	assert_int_equal(f->done, 0);
	while (!f->closed)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->done, 10);
	assert_int_equal(f->codes[9], ERR_UNAVAILABLE);
}

static void away_is_said_in_words(void **state)
{
	struct fixture *f = *state;
	struct client_options options = { .agent = "test/1",
					  .on_event = event,
					  .path = "/tmp/no-such-groupd.sock" };
	struct client c;
	uint64_t end = uv_now(&f->loop) + 5000;

	assert_int_equal(client_start(&c, &f->loop, &options), 0);
	while (strstr(c.why, "No such file") == NULL && uv_now(&f->loop) < end)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_string_equal(c.why, "groupd does not answer at "
				   "/tmp/no-such-groupd.sock: No such file or "
				   "directory");
	assert_false(c.online);
	client_close(&c, NULL);
	while (c.p != NULL)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void attach_replaces_the_connection_and_greets(void **state)
{
	struct fixture *f = *state;
	struct client_options options = { .agent = "test/1",
					  .on_event = event };
	struct client c;
	int a[2], b[2];
	char byte[256];

	assert_int_equal(client_start(&c, &f->loop, &options), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	assert_int_equal(client_attach(&c, a[0]), 0);
	assert_true(read(a[1], byte, sizeof(byte)) > WIRE_HEADER);
	assert_int_equal(client_attach(&c, b[0]), 0);
	assert_true(read(b[1], byte, sizeof(byte)) > WIRE_HEADER);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(read(a[1], byte, sizeof(byte)), 0);
	client_close(&c, NULL);
	while (c.p != NULL)
		uv_run(&f->loop, UV_RUN_ONCE);
	close(a[1]);
	close(b[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_thousand_in_flight_are_answered_in_order),
		T(frames_may_come_byte_by_byte),
		T(a_lost_connection_resends_in_order),
		T(rubbish_drops_the_connection_and_is_survived),
		T(a_sent_write_ends_unknown_at_its_deadline),
		T(an_unsent_write_ends_unavailable_at_its_deadline),
		T(a_refused_principal_refuses_its_requests),
		T(a_revoked_principal_fails_what_is_pending),
		T(a_callback_may_cancel_all_others),
		T(close_calls_back_what_is_pending),
		T(away_is_said_in_words),
		T(attach_replaces_the_connection_and_greets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
