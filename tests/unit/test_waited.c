/* SPDX-License-Identifier: MIT */
#include "fs/waited.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void who_waited_is_known_for_a_moment(void **state)
{
	struct waited w = { 0 };

	(void)state;
	assert_false(waited_recently(&w, 7, 100));
	waited_note(&w, 7, 100);
	assert_true(waited_recently(&w, 7, 100));
	assert_true(waited_recently(&w, 7, 100 + WAITED_MS - 1));
	assert_false(waited_recently(&w, 7, 100 + WAITED_MS));
}

static void nobody_else_is_taken_for_him(void **state)
{
	struct waited w = { 0 };

	(void)state;
	waited_note(&w, 7, 100);
	assert_false(waited_recently(&w, 8, 100));
	assert_false(waited_recently(&w, 7 + WAITED_SLOTS, 100));
	assert_false(waited_recently(&w, (UINT64_C(1) << 32) + 7, 100));
	/* One in the same place makes him wait again, no more. */
	waited_note(&w, 7 + WAITED_SLOTS, 100);
	assert_false(waited_recently(&w, 7, 100));
}

static void a_thread_that_has_no_number_always_waits(void **state)
{
	struct waited w = { 0 };

	(void)state;
	waited_note(&w, 0, 100);
	assert_false(waited_recently(&w, 0, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waited_is_known_for_a_moment),
		cmocka_unit_test(nobody_else_is_taken_for_him),
		cmocka_unit_test(a_thread_that_has_no_number_always_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
