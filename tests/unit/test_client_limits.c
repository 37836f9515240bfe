/* SPDX-License-Identifier: MIT */
/* Sizes: the largest frames, full buffers, and what is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client.h"
#include "tests/support/client_fixture.h"

enum { MIB = 1 << 20 };

struct big {
	struct talk talk;
	char *bytes;	 /* WIRE_FRAME_MAX of them */
	size_t received; /* bytes of items that the peer got */
	size_t sent;	 /* of messages that it sends */
	struct client_request pull;
	size_t pulled; /* bytes that came back intact */
};

static void on_request(struct talk *t, const struct wire_header *h,
		       const union wire_body *body)
{
	struct big *b = container_of(t, struct big, talk);
	const struct wire_body_sent sent = { .first_seq = 1 };
	const struct wire_body_messages messages = {
		.messages = str_make(b->bytes, b->sent)
	};

	if (h->type == WIRE_PULL) {
		fake_peer_send(&t->peer, WIRE_MESSAGES, h->id, h->principal,
			       &messages);
		return;
	}
	assert_int_equal(h->type, WIRE_SEND);
	if (memcmp(body->send.items.data, b->bytes, body->send.items.len) == 0)
		b->received += body->send.items.len;
	fake_peer_send(&t->peer, WIRE_SENT, h->id, h->principal, &sent);
}

static int set_up(void **state)
{
	struct big *b = calloc(1, sizeof(*b));

	b->bytes = malloc(WIRE_FRAME_MAX);
	for (size_t i = 0; i < WIRE_FRAME_MAX; i++)
		b->bytes[i] = (char)(i * 31 + i / 4096);
	b->talk.on_request = on_request;
	talk_start(&b->talk);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct big *b = *state;

	talk_stop(&b->talk);
	free(b->bytes);
	free(b);
	return 0;
}

static int send_items(struct big *b, size_t i, size_t len)
{
	const struct wire_body_send send = { .group_id = 1,
					     .items = str_make(b->bytes, len) };

	return talk_submit_type(&b->talk, i, i % TALK_PRINCIPALS, WIRE_SEND,
				&send);
}

/* The longest list with which the body is just WIRE_FRAME_MAX. */
static size_t longest_items(void)
{
	const struct wire_body_send none = { .group_id = 1 };

	/* The length itself takes 4 bytes instead of 1. */
	return WIRE_FRAME_MAX - wire_size(wire_schema_of(WIRE_SEND), &none) - 3;
}

static size_t longest_messages(void)
{
	const struct wire_body_messages none = { 0 };

	return WIRE_FRAME_MAX -
	       wire_size(wire_schema_of(WIRE_MESSAGES), &none) - 3;
}

static void pulled(struct client_request *req, const struct err *err,
		   const void *body)
{
	struct big *b = req->data;
	const struct wire_body_messages *a = body;

	assert_null(err);
	if (memcmp(a->messages.data, b->bytes, a->messages.len) == 0)
		b->pulled = a->messages.len;
}

static void pull(struct big *b)
{
	const struct wire_body_pull body = { .group_id = 1, .limit = 1 };

	b->pull.data = b;
	b->pulled = 0;
	assert_int_equal(client_submit(&b->talk.client, &b->pull,
				       &b->talk.who[0], WIRE_PULL, &body, 20000,
				       pulled),
			 0);
	while (b->pull.client != NULL)
		uv_run(&b->talk.loop, UV_RUN_ONCE);
	assert_int_equal(b->pulled, b->sent);
}

static void the_largest_request_arrives(void **state)
{
	struct big *b = *state;

	assert_int_equal(send_items(b, 0, longest_items()), 0);
	assert_int_equal(b->talk.req[0].frame.len,
			 WIRE_HEADER + WIRE_FRAME_MAX);
	talk_until_done(&b->talk, 1);
	assert_int_equal(b->talk.codes[0], ERR_NONE);
	assert_int_equal(b->received, longest_items());
	assert_int_equal(b->talk.peer.connected, 1);
}

static void one_byte_more_is_refused_at_once(void **state)
{
	struct big *b = *state;

	assert_int_equal(send_items(b, 0, longest_items() + 1), -EMSGSIZE);
	assert_null(b->talk.req[0].client);
	/* The request may be used again. */
	assert_int_equal(send_items(b, 0, 10), 0);
	talk_until_done(&b->talk, 1);
}

static void the_largest_answer_arrives(void **state)
{
	struct big *b = *state;

	b->sent = longest_messages();
	pull(b);
	assert_int_equal(b->talk.peer.connected, 1);
}

/* Heap in use, mapped blocks included. 0 under a sanitizer. */
static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void memory_of_large_frames_is_given_back(void **state)
{
	struct big *b = *state;
	size_t before;

	/* Small ones first, so that all buffers are there. */
	b->sent = 10;
	pull(b);
	assert_int_equal(send_items(b, 0, 10), 0);
	talk_until_done(&b->talk, 1);
	before = heap();

	b->sent = longest_messages();
	pull(b);
	assert_int_equal(send_items(b, 1, longest_items()), 0);
	talk_until_done(&b->talk, 2);
	/* The peer's own buffer goes with its connection. */
	fake_peer_drop(&b->talk.peer);
	while (b->talk.online < 2)
		uv_run(&b->talk.loop, UV_RUN_ONCE);
	b->sent = 10;
	pull(b);
	assert_true(heap() < before + 2 * MIB);
}

/* The same without losing the connection, seen from the client alone. */
static void a_small_frame_after_a_large_one_shrinks_the_buffer(void **state)
{
	struct big *b = *state;
	size_t before;

	b->sent = 10;
	pull(b);
	before = heap();
	b->sent = longest_messages();
	pull(b);
	b->sent = 10;
	pull(b);
	assert_true(heap() < before + 2 * MIB);
}

static void a_peer_that_stops_reading_gets_all_of_it_later(void **state)
{
	struct big *b = *state;
	size_t sum = 0;

	talk_until_ready(&b->talk);
	fake_peer_pause(&b->talk.peer);
	for (size_t i = 0; i < 500; i++) {
		size_t len = 1 + (i * 7919) % 60000;

		assert_int_equal(send_items(b, i, len), 0);
		sum += len;
		if (i % 50 == 0)
			talk_spin(&b->talk, 1);
	}
	talk_spin(&b->talk, 20);
	assert_int_equal(b->talk.done, 0);
	fake_peer_resume(&b->talk.peer);
	talk_until_done(&b->talk, 500);
	assert_int_equal(b->received, sum);
	assert_int_equal(b->talk.peer.connected, 1);
}

static void a_connection_lost_in_the_midst_of_a_write_is_made_good(void **state)
{
	struct big *b = *state;

	talk_until_ready(&b->talk);
	fake_peer_pause(&b->talk.peer);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(send_items(b, i, 4 * MIB), 0);
	talk_spin(&b->talk, 20);
	assert_true(b->talk.req[0].sent);
	fake_peer_drop(&b->talk.peer);
	talk_until_done(&b->talk, 4);
	assert_int_equal(b->received, (size_t)16 * MIB);
	assert_int_equal(b->talk.peer.connected, 2);
}

static void too_much_in_flight_is_busy_until_some_is_answered(void **state)
{
	struct big *b = *state;
	size_t n = 0;

	talk_until_ready(&b->talk);
	fake_peer_pause(&b->talk.peer);
	while (send_items(b, n, 8 * MIB) == 0)
		n++;
	assert_int_equal(n, CLIENT_IN_FLIGHT_MAX / (8 * MIB) - 1);
	assert_int_equal(send_items(b, n, 8 * MIB), -EBUSY);
	assert_null(b->talk.req[n].client);
	fake_peer_resume(&b->talk.peer);
	talk_until_done(&b->talk, n);
	assert_int_equal(send_items(b, n, 8 * MIB), 0);
	talk_until_done(&b->talk, n + 1);
}

static void one_that_is_full_still_comes_back_from_a_lost_connection(void **s)
{
	struct big *b = *s;
	size_t n = 0;
	size_t len = longest_items() / 4;

	talk_until_ready(&b->talk);
	fake_peer_pause(&b->talk.peer);
	/* Full to the last byte: not even a small one fits. */
	while (send_items(b, n, len) == 0 || (len /= 2) > 0)
		n += b->talk.req[n].client != NULL;
	talk_spin(&b->talk, 5);
	fake_peer_drop(&b->talk.peer);
	talk_until_done(&b->talk, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(b->talk.codes[i], ERR_NONE);
	assert_int_equal(b->talk.peer.connected, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(the_largest_request_arrives),
		T(one_byte_more_is_refused_at_once),
		T(the_largest_answer_arrives),
		T(memory_of_large_frames_is_given_back),
		T(a_small_frame_after_a_large_one_shrinks_the_buffer),
		T(a_peer_that_stops_reading_gets_all_of_it_later),
		T(a_connection_lost_in_the_midst_of_a_write_is_made_good),
		T(too_much_in_flight_is_busy_until_some_is_answered),
		T(one_that_is_full_still_comes_back_from_a_lost_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
