/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/gateway/recall.h"

static int set_up(void **state)
{
	static struct recall r;

	recall_init(&r, 42);
	*state = &r;
	return 0;
}

static int tear_down(void **state)
{
	recall_release(*state);
	return 0;
}

static struct str numbered(char text[16], unsigned i)
{
	(void)snprintf(text, 16, "g%u", i);
	return str_of(text);
}

static void what_one_user_found_no_other_finds(void **state)
{
	struct recall *r = *state;

	recall_note(r, str_of("alice"), str_of("dev"), 7);
	assert_int_equal(recall_find(r, str_of("alice"), str_of("dev")), 7);
	assert_int_equal(recall_find(r, str_of("eve"), str_of("dev")), 0);
	assert_int_equal(recall_find(r, str_of("alic"), str_of("edev")), 0);
	recall_forget(r, str_of("eve"), str_of("dev"));
	assert_int_equal(recall_find(r, str_of("alice"), str_of("dev")), 7);
}

static void the_last_one_of_a_name_counts(void **state)
{
	struct recall *r = *state;

	recall_note(r, str_of("alice"), str_of("dev"), 7);
	recall_note(r, str_of("alice"), str_of("dev"), 8);
	assert_int_equal(recall_find(r, str_of("alice"), str_of("dev")), 8);
	recall_forget(r, str_of("alice"), str_of("dev"));
	assert_int_equal(recall_find(r, str_of("alice"), str_of("dev")), 0);
}

static void the_one_used_longest_ago_goes(void **state)
{
	struct recall *r = *state;
	char text[16];

	for (unsigned i = 1; i <= RECALL_MAX; i++)
		recall_note(r, str_of("alice"), numbered(text, i), i);
	assert_int_equal(recall_find(r, str_of("alice"), str_of("g1")), 1);
	recall_note(r, str_of("alice"), str_of("more"), 1000000);
	assert_int_equal(r->table.count, RECALL_MAX);
	assert_int_equal(recall_find(r, str_of("alice"), str_of("g1")), 1);
	assert_int_equal(recall_find(r, str_of("alice"), str_of("g2")), 0);
	assert_int_equal(recall_find(r, str_of("alice"), str_of("g3")), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_one_user_found_no_other_finds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_one_of_a_name_counts,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_one_used_longest_ago_goes,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
