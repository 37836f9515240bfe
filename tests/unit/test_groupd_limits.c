/* SPDX-License-Identifier: MIT */
/* What a user may send and open, frame by frame; on sqlite and in memory. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

enum { RATE = 4, CONNECTIONS = 3 };

static void limit(struct fixture *f)
{
	f->env = &fixture_still;
	f->config.rate_messages_per_second = RATE;
	f->config.max_connections_per_user = CONNECTIONS;
}

static int set_up_sqlite_limited(void **state)
{
	return set_up_changed(state, false, limit);
}

static int set_up_memory_limited(void **state)
{
	return set_up_changed(state, true, limit);
}

/* A batch of `count` messages, with these keys. */
static enum err_code send_batch(struct conn *c, uint64_t group_id, int count,
				const char *batch_id, const char *client_id,
				bool resent)
{
	struct wire_item item = { .content = str_of("x"),
				  .client_id = str_of(client_id) };
	struct wire_body_send body = { .group_id = group_id,
				       .batch_id = str_of(batch_id) };
	struct buf items = { 0 };
	struct buf frame = { 0 };

	for (int i = 0; i < count; i++)
		wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	wire_put_frame(&frame, WIRE_SEND, ++c->id, P_ROOT, &body);
	if (resent)
		wire_mark_resent(&frame);
	assert_int_equal(send(c->fd, frame.data, frame.len, MSG_NOSIGNAL),
			 frame.len);
	buf_release(&items);
	buf_release(&frame);
	assert_true(next_frame(c));
	assert_int_equal(c->header.id, c->id);
	return c->header.type == WIRE_SENT ? ERR_NONE
					   : (enum err_code)c->body.error.code;
}

static uint64_t last_seq(struct conn *c, uint64_t group_id)
{
	const struct wire_body_find_group find = { .group_id = group_id };

	assert_int_equal(ask(c, WIRE_FIND_GROUP, P_ROOT, &find), ERR_NONE);
	return c->body.group.last_seq;
}

static void too_many_messages_are_refused_and_not_stored(void **state)
{
	static const char text[] =
		"You may send 4 messages a second (rate_messages_per_second): "
		"the next one in 0.3 s";
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	for (uint64_t i = 0; i < RATE; i++) {
		assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_NONE);
		assert_int_equal(c.body.sent.rate_limit, RATE);
		assert_int_equal(c.body.sent.rate_left, RATE - 1 - i);
		assert_int_equal(c.body.sent.rate_reset_ms, 250 * (i + 1));
	}
	assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_RATE_LIMITED);
	assert_true(str_eq(c.body.error.text, str_of(text)));
	assert_int_equal(c.body.error.retry_after_ms, 250);
	assert_int_equal(c.body.error.rate_limit, RATE);
	assert_int_equal(c.body.error.rate_reset_ms, 1000);
	assert_int_equal(last_seq(&c, id), RATE);
	/* Others are others. */
	assert_int_equal(say(&c, P_DAEMON, id, "x"), ERR_NONE);
	fixture_now += 250;
	assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_NONE);
	assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_RATE_LIMITED);
	assert_int_equal(last_seq(&c, id), RATE + 2);
	hang_up(&c);
}

static void a_long_batch_goes_when_nothing_is_owed(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	assert_int_equal(send_batch(&c, id, 3 * RATE, "", "", false), ERR_NONE);
	assert_int_equal(c.body.sent.last_seq, 3 * RATE);
	assert_int_equal(c.body.sent.rate_left, 0);
	assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_RATE_LIMITED);
	fixture_now += 2000;
	assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_RATE_LIMITED);
	assert_int_equal(c.body.error.retry_after_ms, 250);
	fixture_now += 250;
	assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_NONE);
	hang_up(&c);
}

static void what_is_sent_again_gets_the_answer_that_was_lost(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	assert_int_equal(send_batch(&c, id, RATE, "b1", "", false), ERR_NONE);
	assert_int_equal(send_batch(&c, id, RATE, "b1", "", true), ERR_NONE);
	assert_int_equal(c.body.sent.duplicate, 1);
	assert_int_equal(c.body.sent.first_seq, 1);
	assert_int_equal(c.body.sent.last_seq, RATE);
	/* Who says so of what was never sent gains nothing. */
	assert_int_equal(send_batch(&c, id, 1, "b2", "", true),
			 ERR_RATE_LIMITED);
	assert_int_equal(c.body.error.retry_after_ms, 250);
	assert_int_equal(last_seq(&c, id), RATE);
	hang_up(&c);
}

static void a_known_client_id_is_answered_and_costs_nothing(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	assert_int_equal(send_batch(&c, id, 1, "b1", "c1", false), ERR_NONE);
	assert_int_equal(c.body.sent.rate_left, RATE - 1);
	assert_int_equal(send_batch(&c, id, 1, "b2", "c1", false), ERR_NONE);
	assert_int_equal(c.body.sent.duplicate, 1);
	assert_int_equal(c.body.sent.rate_left, RATE - 1);
	assert_int_equal(send_batch(&c, id, RATE - 1, "b3", "", false),
			 ERR_NONE);
	assert_int_equal(send_batch(&c, id, 1, "b4", "c1", false), ERR_NONE);
	assert_int_equal(c.body.sent.duplicate, 1);
	assert_int_equal(c.body.sent.first_seq, 1);
	assert_int_equal(send_batch(&c, id, 1, "b5", "c2", false),
			 ERR_RATE_LIMITED);
	assert_int_equal(last_seq(&c, id), RATE);
	fixture_now += 250;
	assert_int_equal(send_batch(&c, id, 1, "b5", "c2", false), ERR_NONE);
	assert_int_equal(c.body.sent.duplicate, 0);
	hang_up(&c);
}

static void what_is_refused_otherwise_costs_nothing(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	for (int i = 0; i < 3 * RATE; i++)
		assert_int_equal(say(&c, P_BIN, id, "x"), ERR_NO_SUCH_GROUP);
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_ADD, "bin"), ERR_NONE);
	assert_int_equal(say(&c, P_BIN, id, "x"), ERR_NONE);
	assert_int_equal(c.body.sent.rate_left, RATE - 1);
	hang_up(&c);
}

static void a_media_file_is_a_message_too(void **state)
{
	const struct wire_body_send_media media = { .group_id = 1,
						    .key = str_of("k1"),
						    .name = str_of("a.txt") };
	struct wire_body_write_media piece = { .key = str_of("k1"),
					       .resize = 1 };
	struct wire_body_send_media body = media;
	struct buf frame = { 0 };
	struct conn c;

	greet(&c, *state);
	body.group_id = piece.group_id = create_group(&c);
	assert_int_equal(ask(&c, WIRE_WRITE_MEDIA, P_ROOT, &piece), ERR_NONE);
	assert_int_equal(send_batch(&c, body.group_id, RATE, "", "", false),
			 ERR_NONE);
	assert_int_equal(ask(&c, WIRE_SEND_MEDIA, P_ROOT, &body),
			 ERR_RATE_LIMITED);
	fixture_now += 250;
	/* The upload was not lost by it. */
	assert_int_equal(ask(&c, WIRE_SEND_MEDIA, P_ROOT, &body), ERR_NONE);
	assert_int_equal(c.body.sent.first_seq, RATE + 1);
	assert_int_equal(c.body.sent.rate_limit, RATE);
	wire_put_frame(&frame, WIRE_SEND_MEDIA, ++c.id, P_ROOT, &body);
	wire_mark_resent(&frame);
	assert_int_equal(send(c.fd, frame.data, frame.len, MSG_NOSIGNAL),
			 frame.len);
	buf_release(&frame);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_SENT);
	assert_int_equal(c.body.sent.duplicate, 1);
	hang_up(&c);
}

static enum err_code take(struct conn *c, uint32_t principal, bool open)
{
	const struct wire_body_take_connection body = { .open = open };

	return ask(c, WIRE_TAKE_CONNECTION, principal, &body);
}

static uint64_t drop(struct conn *c, uint32_t principal)
{
	const struct wire_body_drop_connection body = { 0 };

	assert_int_equal(ask(c, WIRE_DROP_CONNECTION, principal, &body),
			 ERR_NONE);
	return c->body.ok.value;
}

static void connections_count_over_all_sessions(void **state)
{
	const struct wire_body_close_principal close = { 0 };
	struct conn a;
	struct conn b;

	greet(&a, *state);
	greet(&b, *state);
	for (uint64_t i = 0; i < CONNECTIONS; i++) {
		assert_int_equal(take(i % 2 == 0 ? &a : &b, P_ROOT, false),
				 ERR_NONE);
		assert_int_equal((i % 2 == 0 ? &a : &b)->body.ok.value, i + 1);
	}
	assert_int_equal(take(&b, P_ROOT, false), ERR_RATE_LIMITED);
	assert_in_range(b.body.error.retry_after_ms, 1, 60000);
	assert_non_null(memmem(b.body.error.text.data, b.body.error.text.len,
			       "at most 3 are allowed", 21));
	assert_int_equal(take(&b, P_DAEMON, false), ERR_NONE);
	/* What is open already is counted, and then no other is taken. */
	assert_int_equal(take(&b, P_ROOT, true), ERR_NONE);
	assert_int_equal(b.body.ok.value, CONNECTIONS + 1);
	assert_int_equal(drop(&a, P_ROOT), CONNECTIONS);
	assert_int_equal(take(&a, P_ROOT, false), ERR_RATE_LIMITED);
	assert_int_equal(drop(&a, P_ROOT), CONNECTIONS - 1);
	assert_int_equal(take(&a, P_ROOT, false), ERR_NONE);
	/* Nobody gives back what he has not. */
	assert_int_equal(drop(&a, P_ROOT), CONNECTIONS - 1);
	assert_int_equal(drop(&a, P_ROOT), CONNECTIONS - 1);
	/* With its principal, with its session. */
	assert_int_equal(ask(&b, WIRE_CLOSE_PRINCIPAL, P_ROOT, &close),
			 ERR_NONE);
	assert_int_equal(take(&a, P_ROOT, false), ERR_NONE);
	assert_int_equal(a.body.ok.value, 1);
	hang_up(&a);
	open_uid(&b, P_ROOT, 0);
	/* Until groupd has seen that a is gone. */
	do {
		assert_int_equal(take(&b, P_ROOT, true), ERR_NONE);
		assert_in_range(b.body.ok.value, 1, 2);
		drop(&b, P_ROOT);
	} while (b.body.ok.value > 0);
	hang_up(&b);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, set_up_sqlite_limited,           \
					tear_down),                            \
		cmocka_unit_test_setup_teardown(name, set_up_memory_limited,   \
						tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(too_many_messages_are_refused_and_not_stored),
		TEST(a_long_batch_goes_when_nothing_is_owed),
		TEST(what_is_sent_again_gets_the_answer_that_was_lost),
		TEST(a_known_client_id_is_answered_and_costs_nothing),
		TEST(what_is_refused_otherwise_costs_nothing),
		TEST(a_media_file_is_a_message_too),
		TEST(connections_count_over_all_sessions),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
