/* SPDX-License-Identifier: MIT */
/* The live groups: who is online in one, and watches that are being made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/group.h"

static void a_user_with_two_watches_is_online_once(void **state)
{
	struct group_pending hold = { 0 };
	struct groups groups = { 0 };
	struct group_user *bob;
	struct group_user *eve;
	struct group *g;

	(void)state;
	list_init(&hold.link);
	assert_int_equal(groups_begin(&groups, 7, &hold), 0);
	g = groups_find(&groups, 7);
	assert_int_equal(group_online(g), 0);
	bob = group_arrive(g, str_of("bob"));
	assert_non_null(bob);
	assert_ptr_equal(group_arrive(g, str_of("bob")), bob);
	eve = group_arrive(g, str_of("eve"));
	assert_ptr_not_equal(eve, bob);
	assert_int_equal(group_online(g), 2);
	group_leave(g, bob);
	assert_int_equal(group_online(g), 2);
	group_leave(g, bob);
	assert_int_equal(group_online(g), 1);
	group_leave(g, eve);
	assert_int_equal(group_online(g), 0);
	groups_end(&groups, &hold);
	assert_null(groups_find(&groups, 7));
	table_release(&groups.by_id);
}

static void only_the_watch_that_was_ended_is_forgotten(void **state)
{
	struct group_pending p[4] = {
		{ .principal = 1, .kind = WATCH_PRESENT },
		{ .principal = 1, .kind = WATCH_QUIET },
		{ .principal = 2, .kind = WATCH_PRESENT },
		{ .principal = 1, .kind = WATCH_PRESENT }, /* asked later */
	};
	struct groups groups = { 0 };
	struct group *g;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(groups_begin(&groups, 7, &p[i]), 0);
	g = groups_find(&groups, 7);
	group_forget_pending(g, 1, WATCH_PRESENT);
	assert_int_equal(groups_begin(&groups, 7, &p[3]), 0);
	assert_true(p[0].forgotten);
	assert_false(p[1].forgotten);
	assert_false(p[2].forgotten);
	assert_false(p[3].forgotten);
	for (int i = 0; i < 4; i++)
		groups_end(&groups, &p[i]);
	table_release(&groups.by_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_with_two_watches_is_online_once),
		cmocka_unit_test(only_the_watch_that_was_ended_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
