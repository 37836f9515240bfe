/* SPDX-License-Identifier: MIT */
/* Who sends much and reads late loses nothing; who never reads is let go. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

enum {
	PRESSURE = 2000,
	/* Mentions, of 40 bytes and more each: so many are more than a socket
	 * and `output` hold, and less than `output_hard`; of the second number
	 * even that is full. */
	MENTIONS = 1000, /* of one SEND */
	LATE = 8 * MENTIONS,
	FULL = 4 << 10,
	FULL_HARD = 1 << 20,
	ENDLESS = 60 * MENTIONS
};

static void two_thousand_unread_answers_come_in_order(void **state)
{
	struct wire_item item = { .content = str_of("pressed") };
	struct wire_body_send body = { 0 };
	struct buf items = { 0 };
	struct conn c;
	uint32_t answered = 0;
	uint32_t first;

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	greet(&c, *state);
	body.group_id = create_group(&c);
	first = c.id + 1;
	/* Nothing is read until all is sent. */
	for (int i = 0; i < PRESSURE; i++)
		write_frame(&c, WIRE_SEND, P_ROOT, &body);
	while (answered < PRESSURE) {
		assert_true(next_frame(&c));
		if (c.header.id == 0) {
			/* Told of the new group. */
			assert_int_equal(c.header.type, WIRE_EV_MEMBER);
			continue;
		}
		assert_int_equal(c.header.type, WIRE_SENT);
		assert_int_equal(c.header.id, first + answered);
		assert_int_equal(c.body.sent.first_seq, ++answered);
	}
	assert_false(readable(&c, QUIET_MS));
	assert_int_equal(read_at(&c, P_ROOT, body.group_id, 0, 1), ERR_NONE);
	hang_up(&c);
	buf_release(&items);
}

static void make_narrow(struct fixture *f)
{
	f->groupd.host.limits.output = FULL;
	f->groupd.host.limits.output_hard = FULL_HARD;
}

static void narrow(struct fixture *f)
{
	f->on_started = make_narrow;
}

static int set_up_narrow(void **state)
{
	return set_up_changed(state, true, narrow);
}

static void mention(struct conn *c, uint64_t group_id, int count)
{
	const struct wire_item item = { .content = str_of("@daemon") };
	struct wire_body_send body = { .group_id = group_id };
	struct buf items = { 0 };

	for (int i = 0; i < MENTIONS; i++)
		wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	for (; count > 0; count -= MENTIONS)
		assert_int_equal(ask(c, WIRE_SEND, P_ROOT, &body), ERR_NONE);
	buf_release(&items);
}

/* The numbers of the mentions that come, one after the other from `from` on,
 * until one is `to` or the connection ends; the last of them. */
static uint64_t mentioned(struct conn *c, uint64_t from, uint64_t to)
{
	uint64_t last = from - 1;

	while (last < to && next_frame(c)) {
		assert_int_equal(c->header.type, WIRE_EV_MENTION);
		assert_int_equal(c->body.ev_mention.seq, ++last);
	}
	return last;
}

static void
who_reads_late_has_each_mention_and_who_never_does_ends(void **state)
{
	struct conn sender;
	struct conn idle;
	uint64_t id;

	greet(&sender, *state);
	id = create_group(&sender);
	greet(&idle, *state);
	mention(&sender, id, LATE);
	assert_int_equal(mentioned(&idle, 1, LATE), LATE);
	assert_false(readable(&idle, QUIET_MS));
	mention(&sender, id, ENDLESS);
	assert_in_range(mentioned(&idle, LATE + 1, LATE + ENDLESS), LATE + 1,
			LATE + ENDLESS - 1);
	assert_int_equal(say(&sender, P_ROOT, id, "@daemon"), ERR_NONE);
	hang_up(&idle);
	hang_up(&sender);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			two_thousand_unread_answers_come_in_order, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			who_reads_late_has_each_mention_and_who_never_does_ends,
			set_up_narrow, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
