/* SPDX-License-Identifier: MIT */
/* The connections of a process by their user's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/gateway/ws_users.h"

static size_t count(const struct ws_user *user)
{
	size_t n = 0;

	for (const struct list *l = user->conns.next; l != &user->conns;
	     l = l->next)
		n++;
	return n;
}

static void who_has_several_connections_is_one_user(void **state)
{
	struct table users = { 0 };
	struct list a, b, other;
	struct ws_user *bob = ws_users_join(&users, str_of("bob"), &a);

	(void)state;
	assert_non_null(bob);
	assert_ptr_equal(ws_users_join(&users, str_of("bob"), &b), bob);
	assert_ptr_not_equal(ws_users_join(&users, str_of("bo"), &other), bob);
	assert_int_equal(users.count, 2);
	assert_int_equal(count(bob), 2);
	assert_ptr_equal(ws_users_find(&users, str_of("bob")), bob);
	assert_null(ws_users_find(&users, str_of("bobby")));
	ws_users_leave(&users, bob, &a);
	assert_ptr_equal(bob->conns.next, &b);
	assert_int_equal(count(bob), 1);
	ws_users_leave(&users, bob, &b);
	assert_null(ws_users_find(&users, str_of("bob")));
	ws_users_leave(&users, ws_users_find(&users, str_of("bo")), &other);
	assert_int_equal(users.count, 0);
	table_release(&users);
}

static void who_never_joined_may_leave(void **state)
{
	struct table users = { 0 };
	struct list link;

	(void)state;
	list_init(&link);
	ws_users_leave(&users, NULL, &link);
	assert_int_equal(users.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_several_connections_is_one_user),
		cmocka_unit_test(who_never_joined_may_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
