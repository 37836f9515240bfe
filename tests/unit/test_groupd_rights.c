/* SPDX-License-Identifier: MIT */
/* What an ordinary principal may not do, and what it may. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void only_admins_run_groupd(void **state)
{
	struct wire_name name = { .name = str_of("carol") };
	struct wire_body_add_users add = { 0 };
	struct wire_body_get_status status = { 0 };
	struct wire_body_verify verify = { 0 };
	struct buf names = { 0 };
	struct conn c;

	wire_put(&names, &wire_schema_name, &name);
	add.names = buf_str(&names);
	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_ADD_USERS, P_BIN, &add), ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_GET_STATUS, P_BIN, &status),
			 ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_VERIFY, P_BIN, &verify), ERR_NOT_ADMIN);
	/* The refused request added nobody. */
	assert_int_equal(ask(&c, WIRE_ADD_USERS, P_ROOT, &add), ERR_NONE);
	assert_int_equal(c.body.ok.value, 1);
	assert_int_equal(ask(&c, WIRE_ADD_USERS, P_ROOT, &add), ERR_NONE);
	assert_int_equal(c.body.ok.value, 0);
	assert_int_equal(ask(&c, WIRE_GET_STATUS, P_ROOT, &status), ERR_NONE);
	assert_true(c.body.status.figures.len > 0);
	assert_int_equal(ask(&c, WIRE_VERIFY, P_ROOT, &verify), ERR_NONE);
	assert_int_equal(c.body.verified.problems.len, 0);
	hang_up(&c);
	buf_release(&names);
}

static void everybody_handles_his_own_tokens_only(void **state)
{
	struct wire_body_create_token create = { .user = str_of("daemon") };
	struct wire_body_list_tokens list = { .user = str_of("daemon") };
	struct wire_body_revoke_token revoke;
	struct wire_token_info info;
	struct conn c;
	struct str tokens;

	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_BIN, &create),
			 ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_DAEMON, &create),
			 ERR_NONE);
	revoke.token_id = c.body.token.token_id;
	assert_int_equal(ask(&c, WIRE_LIST_TOKENS, P_BIN, &list),
			 ERR_NOT_ADMIN);
	list.user = str_of("");
	assert_int_equal(ask(&c, WIRE_LIST_TOKENS, P_BIN, &list), ERR_NONE);
	assert_int_equal(c.body.token_list.tokens.len, 0);
	assert_int_not_equal(ask(&c, WIRE_REVOKE_TOKEN, P_BIN, &revoke),
			     ERR_NONE);
	assert_int_equal(ask(&c, WIRE_LIST_TOKENS, P_DAEMON, &list), ERR_NONE);
	tokens = c.body.token_list.tokens;
	assert_int_equal(wire_next(&tokens, &wire_schema_token_info, &info), 1);
	assert_int_equal(info.token_id, revoke.token_id);
	assert_int_equal(tokens.len, 0);
	assert_int_equal(ask(&c, WIRE_REVOKE_TOKEN, P_DAEMON, &revoke),
			 ERR_NONE);
	hang_up(&c);
}

static void a_token_that_expires_is_refused(void **state)
{
	struct wire_body_create_token create = { .expires_ms = 1 };
	struct wire_body_open_principal open = { .kind = PRINCIPAL_TOKEN };
	struct wire_body_list_groups list = { 0 };
	struct timespec pause = { .tv_sec = 1, .tv_nsec = 600000000 };
	char token[WIRE_TOKEN_MAX + 1];
	struct conn c;

	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_BIN, &create),
			 ERR_BAD_REQUEST);
	create.expires_ms = now_ms() + 1500;
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_BIN, &create), ERR_NONE);
	assert_true(str_to_cstr(c.body.token.token, token, sizeof(token)));
	open.token = str_of(token);
	assert_int_equal(ask(&c, WIRE_OPEN_PRINCIPAL, 9, &open), ERR_NONE);
	assert_int_equal(ask(&c, WIRE_LIST_GROUPS, 9, &list), ERR_NONE);
	nanosleep(&pause, NULL);
	assert_int_equal(ask(&c, WIRE_LIST_GROUPS, 9, &list),
			 ERR_UNAUTHENTICATED);
	assert_int_equal(ask(&c, WIRE_OPEN_PRINCIPAL, 10, &open),
			 ERR_UNAUTHENTICATED);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_admins_run_groupd, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			everybody_handles_his_own_tokens_only, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_token_that_expires_is_refused,
						set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
