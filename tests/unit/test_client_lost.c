/* SPDX-License-Identifier: MIT */
/* Whatever groupd does to the connection, the requests survive it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/client.h"
#include "tests/support/client_fixture.h"

static int set_up(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));

	talk_start(t);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	talk_stop(*state);
	free(*state);
	return 0;
}

static void send_bytes(struct talk *t, enum wire_type type, uint32_t id,
		       const char *body, size_t len)
{
	const struct wire_body_error like = { .code = 1 };
	struct buf b = { 0 };

	/* A header of that type, and then what is no body of it. */
	wire_put_frame(&b, WIRE_ERROR, id, 0, &like);
	buf_truncate(&b, WIRE_HEADER);
	b.data[0] = (char)len;
	b.data[4] = (char)type;
	buf_append(&b, body, len);
	fake_peer_send_bytes(&t->peer, b.data, b.len);
	buf_release(&b);
}

/* Every request that is not SET_READ is answered badly once, then well. */
static void answer_badly_once(struct talk *t, const struct wire_header *h,
			      const union wire_body *body)
{
	const struct wire_body_ok ok = { .value = 1 };
	const struct wire_body_sent sent = { .first_seq = 77 };
	const unsigned how = h->principal % 4;

	(void)body;
	/* What is sent again says so. */
	assert_int_equal(h->resent, t->peer.connected > 1);
	if (t->peer.connected > 1)
		fake_peer_send(&t->peer, WIRE_SENT, h->id, h->principal, &sent);
	else if (how == 0) /* the wrong type of answer */
		fake_peer_send(&t->peer, WIRE_OK, h->id, h->principal, &ok);
	else if (how == 1) /* a body that is cut off */
		send_bytes(t, WIRE_SENT, h->id, "\x01\x02", 2);
	else if (how == 2) /* an answer where an event must be */
		fake_peer_send(&t->peer, WIRE_OK, 0, 0, &ok);
	else /* a type that there is not */
		send_bytes(t, 99, 0, "", 0);
}

static void a_bad_frame_loses_the_connection_and_not_the_request(void **state)
{
	const struct wire_body_send send = { .group_id = 1 };

	(void)state;
	for (size_t how = 0; how < 4; how++) {
		struct talk *t = calloc(1, sizeof(*t));

		t->on_request = answer_badly_once;
		talk_start(t);
		assert_int_equal(talk_submit_type(t, 0, how, WIRE_SEND, &send),
				 0);
		talk_until_done(t, 1);
		assert_int_equal(t->codes[0], ERR_NONE);
		assert_int_equal(t->values[0], 77);
		assert_int_equal(t->peer.connected, 2);
		assert_int_equal(t->offline, 1);
		talk_stop(t);
		free(t);
	}
}

static void a_bye_is_passed_on_and_what_is_pending_is_resent(void **state)
{
	struct talk *t = *state;
	const struct wire_body_ev_bye bye = { .retry_after_ms = 5 };

	t->silent = true;
	talk_submit(t, 0, 0, 0);
	while (t->seen_count == 0)
		uv_run(&t->loop, UV_RUN_ONCE);
	fake_peer_send(&t->peer, WIRE_EV_BYE, 0, 0, &bye);
	while (t->events == 0)
		uv_run(&t->loop, UV_RUN_ONCE);
	t->silent = false;
	fake_peer_drop(&t->peer);
	talk_until_done(t, 1);
	assert_int_equal(t->codes[0], ERR_NONE);
	assert_int_equal(t->seen_count, 2);
}

static void a_groupd_that_does_not_greet_is_left_and_said_so(void **state)
{
	struct talk *t = *state;
	uint64_t begin = uv_now(&t->loop);

	t->peer.mute = true;
	talk_submit(t, 0, 0, CLIENT_HELLO_MS + 1000);
	while (t->offline == 0)
		uv_run(&t->loop, UV_RUN_ONCE);
	assert_true(uv_now(&t->loop) - begin >= CLIENT_HELLO_MS - 10);
	assert_true(uv_now(&t->loop) - begin < CLIENT_HELLO_MS + 1000);
	assert_string_equal(t->client.why, "groupd took the connection, but "
					   "did not greet within 3 s");
	/* It goes on trying, and is there at once when groupd wakes up. */
	t->peer.mute = false;
	talk_until_done(t, 1);
	assert_int_equal(t->codes[0], ERR_NONE);
	assert_int_equal(t->peer.connected, 2);
}

static void a_greeted_connection_is_not_left_for_being_idle(void **state)
{
	struct talk *t = *state;
	uint64_t end;

	talk_until_online(t);
	end = uv_now(&t->loop) + CLIENT_HELLO_MS + 300;
	talk_submit(t, 0, 0, 60000); /* keeps the loop going */
	t->silent = true;
	while (uv_now(&t->loop) < end)
		uv_run(&t->loop, UV_RUN_ONCE);
	assert_int_equal(t->peer.connected, 1);
	assert_int_equal(t->offline, 0);
}

static void the_first_thing_told_is_that_it_is_online(void **state)
{
	struct talk *t = *state;

	talk_until_online(t);
	talk_spin(t, 5);
	assert_int_equal(t->online, 1);
	assert_int_equal(t->offline, 0);
}

static void each_principal_keeps_its_order_when_resent(void **state)
{
	struct talk *t = *state;
	uint64_t last[TALK_PRINCIPALS] = { 0 };
	size_t from;

	t->silent = true;
	talk_until_online(t);
	for (size_t i = 0; i < 400; i++)
		talk_submit(t, i, (i * 7 + i / 13) % TALK_PRINCIPALS, 0);
	while (t->seen_count < 400)
		uv_run(&t->loop, UV_RUN_ONCE);
	fake_peer_drop(&t->peer);
	t->silent = false;
	from = t->seen_count;
	/* And what comes new meanwhile is behind them. */
	for (size_t i = 400; i < 800; i++)
		talk_submit(t, i, (i * 7 + i / 13) % TALK_PRINCIPALS, 0);
	talk_until_done(t, 800);
	assert_int_equal(t->seen_count, from + 800);
	for (size_t i = from; i < t->seen_count; i++) {
		size_t pr = 0;

		while (t->who[pr].id != t->seen_by[i])
			pr++;
		assert_true(t->seen[i] > last[pr]);
		last[pr] = t->seen[i];
	}
}

static void a_token_gone_meanwhile_refuses_what_was_sent(void **state)
{
	struct talk *t = *state;

	t->silent = true;
	talk_submit(t, 0, 0, 0);
	while (t->seen_count == 0)
		uv_run(&t->loop, UV_RUN_ONCE);
	t->peer.refuse_code = ERR_UNAUTHENTICATED;
	fake_peer_drop(&t->peer);
	talk_until_done(t, 1);
	assert_int_equal(t->codes[0], ERR_UNAUTHENTICATED);
	assert_int_equal(t->seen_count, 1);
	assert_int_equal(t->who[0].state, CLIENT_PRINCIPAL_REFUSED);
}

static void a_principal_that_groupd_cannot_open_now_is_asked_again(void **state)
{
	struct talk *t = *state;

	t->peer.refuse_code = ERR_UNAVAILABLE;
	talk_submit(t, 0, 0, 0);
	talk_until_online(t);
	talk_spin(t, 20);
	assert_int_equal(t->done, 0);
	assert_int_equal(t->who[0].state, CLIENT_PRINCIPAL_OPENING);
	t->peer.refuse_code = 0;
	talk_until_done(t, 1);
	assert_int_equal(t->codes[0], ERR_NONE);
}

static void ignore(struct client *c, const struct wire_header *h,
		   const void *body)
{
	(void)c;
	(void)h;
	(void)body;
}

static void attach_is_cancelled_once_the_client_closes(void **state)
{
	struct talk *t = *state;
	struct client_options options = { .agent = "test/1",
					  .on_event = ignore };
	struct client c;
	int fd[2];
	char byte;

	assert_int_equal(client_start(&c, &t->loop, &options), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	client_close(&c, NULL);
	assert_int_equal(client_attach(&c, fd[0]), -ECANCELED);
	assert_int_equal(read(fd[1], &byte, 1), 0); /* it closed fd[0] */
	close(fd[1]);
	while (c.p != NULL)
		uv_run(&t->loop, UV_RUN_ONCE);
}

static void an_attached_one_that_does_not_greet_is_lost_too(void **state)
{
	struct talk *t = *state;
	struct client_options options = { .agent = "test/1",
					  .on_event = ignore };
	struct client c;
	char bytes[256];
	ssize_t n;
	int fd[2];

	assert_int_equal(client_start(&c, &t->loop, &options), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(client_attach(&c, fd[0]), 0);
	while (strstr(c.why, "did not greet") == NULL)
		uv_run(&t->loop, UV_RUN_ONCE);
	talk_spin(t, 3);
	n = read(fd[1], bytes, sizeof(bytes));
	assert_true(n > WIRE_HEADER); /* HELLO, and then the end */
	assert_int_equal(read(fd[1], bytes, sizeof(bytes)), 0);
	close(fd[1]);
	client_close(&c, NULL);
	while (c.p != NULL)
		uv_run(&t->loop, UV_RUN_ONCE);
}

/* Nothing is answered on the first connection. */
static void answer_the_second(struct talk *t, const struct wire_header *h,
			      const union wire_body *body)
{
	const struct wire_body_status status = { .figures = str_of("") };

	(void)body;
	if (t->peer.connected < 2)
		return;
	assert_int_equal(h->type, WIRE_GET_STATUS);
	fake_peer_send(&t->peer, WIRE_STATUS, h->id, h->principal, &status);
}

static void what_names_a_group_goes_to_no_other_store(void **state)
{
	const struct wire_body_send send = { .group_id = 1 };
	const struct wire_body_get_status status = { 0 };
	struct talk *t = *state;

	t->on_request = answer_the_second;
	t->silent = true;
	t->peer.store = 11;
	talk_until_ready(t);
	assert_int_equal(t->client.store, 11);
	talk_submit_type(t, 0, 0, WIRE_SEND, &send);
	talk_submit_type(t, 1, 1, WIRE_GET_STATUS, &status);
	talk_submit(t, 2, 2, 0);
	talk_spin(t, 20);
	t->peer.store = 12;
	fake_peer_drop(&t->peer);
	talk_until_done(t, 3);
	assert_int_equal(t->codes[0], ERR_EPOCH_CHANGED);
	assert_int_equal(t->codes[1], ERR_NONE);
	assert_int_equal(t->codes[2], ERR_EPOCH_CHANGED);
	assert_int_equal(t->restored, 1);
	assert_int_equal(t->client.store, 12);
	/* Each once, and what comes now is sent. */
	t->silent = false;
	talk_submit(t, 3, 2, 0);
	talk_until_done(t, 4);
	assert_int_equal(t->codes[3], ERR_NONE);
	assert_int_equal(t->replies[0] + t->replies[1] + t->replies[2], 3);
}

static void the_same_store_again_is_not_restored(void **state)
{
	struct talk *t = *state;

	t->peer.store = 11;
	t->silent = true;
	talk_submit(t, 0, 0, 0);
	while (t->seen_count == 0)
		uv_run(&t->loop, UV_RUN_ONCE);
	t->silent = false;
	fake_peer_drop(&t->peer);
	talk_until_done(t, 1);
	assert_int_equal(t->codes[0], ERR_NONE);
	assert_int_equal(t->restored, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		cmocka_unit_test(
			a_bad_frame_loses_the_connection_and_not_the_request),
		T(a_bye_is_passed_on_and_what_is_pending_is_resent),
		T(what_names_a_group_goes_to_no_other_store),
		T(the_same_store_again_is_not_restored),
		T(a_groupd_that_does_not_greet_is_left_and_said_so),
		T(a_greeted_connection_is_not_left_for_being_idle),
		T(the_first_thing_told_is_that_it_is_online),
		T(each_principal_keeps_its_order_when_resent),
		T(a_token_gone_meanwhile_refuses_what_was_sent),
		T(a_principal_that_groupd_cannot_open_now_is_asked_again),
		T(attach_is_cancelled_once_the_client_closes),
		T(an_attached_one_that_does_not_greet_is_lost_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
