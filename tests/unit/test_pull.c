/* SPDX-License-Identifier: MIT */
/* Pages of messages. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

enum { COUNT = 60, SIZE = 50000 };

static uint64_t fill(struct conn *c)
{
	static char text[SIZE + 1];
	uint64_t id = create_group(c);

	memset(text, 'x', SIZE);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(say(c, P_ROOT, id, text), ERR_NONE);
	return id;
}

/* Pulls a page of consecutive messages; their number, and the first's seq. */
static uint64_t pull(struct conn *c, const struct wire_body_pull *body,
		     uint64_t *first)
{
	struct wire_message m;
	struct str list;
	uint64_t n = 0;

	assert_int_equal(ask(c, WIRE_PULL, P_ROOT, body), ERR_NONE);
	list = c->body.messages.messages;
	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		if (n == 0)
			*first = m.seq;
		assert_int_equal(m.seq, *first + n);
		n++;
	}
	assert_int_equal(list.len, 0);
	return n;
}

static void big_messages_are_paged_backwards_without_a_hole(void **state)
{
	struct wire_body_pull body = { .before_seq = WIRE_U64 };
	uint64_t next = COUNT + 1;
	unsigned pages = 0;
	struct conn c;

	greet(&c, *state);
	body.group_id = fill(&c);
	while (next > 1) {
		uint64_t first = 0;
		uint64_t n = pull(&c, &body, &first);

		assert_true(n > 0);
		assert_int_equal(first + n, next);
		next = first;
		body.before_seq = first;
		pages++;
	}
	assert_in_range(pages, 3, 4);
	hang_up(&c);
}

static void a_backward_page_has_one_message_at_least(void **state)
{
	struct wire_body_pull body = { .before_seq = 40, .max_bytes = 10 };
	uint64_t first = 0;
	struct conn c;

	greet(&c, *state);
	body.group_id = fill(&c);
	assert_int_equal(pull(&c, &body, &first), 1);
	assert_int_equal(first, 39);
	hang_up(&c);
}

static void with_both_bounds_a_page_ascends(void **state)
{
	struct wire_body_pull body = { .after_seq = 5,
				       .before_seq = 40,
				       .max_bytes = 3 * SIZE };
	uint64_t first = 0;
	struct conn c;

	greet(&c, *state);
	body.group_id = fill(&c);
	assert_int_equal(pull(&c, &body, &first), 2);
	assert_int_equal(first, 6);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			big_messages_are_paged_backwards_without_a_hole,
			set_up_memory, tear_down),
		cmocka_unit_test_setup_teardown(
			a_backward_page_has_one_message_at_least, set_up_memory,
			tear_down),
		cmocka_unit_test_setup_teardown(with_both_bounds_a_page_ascends,
						set_up_memory, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
