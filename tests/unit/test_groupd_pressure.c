/* SPDX-License-Identifier: MIT */
/* Who sends much and reads late loses nothing. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

enum { PRESSURE = 2000 };

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			two_thousand_unread_answers_come_in_order, set_up,
			tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
