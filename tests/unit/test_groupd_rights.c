/* SPDX-License-Identifier: MIT */
/* What an ordinary principal may not do, and what it may. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

static void stop_the_clock(struct fixture *f)
{
	f->env = &fixture_still;
}

static int set_up_stopped(void **state)
{
	return set_up_changed(state, true, stop_the_clock);
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

/* Opens principal 9 with a token of P_BIN that has a second left, by the
 * fixture's clock; its text. */
static struct str open_with_token(struct conn *c, uint64_t now_ms,
				  char token[WIRE_TOKEN_MAX + 1])
{
	struct wire_body_create_token create = { .expires_ms = now_ms + 1000 };
	struct wire_body_open_principal open = { .kind = PRINCIPAL_TOKEN };
	struct wire_body_list_groups list = { 0 };

	assert_int_equal(ask(c, WIRE_CREATE_TOKEN, P_BIN, &create), ERR_NONE);
	assert_true(
		str_to_cstr(c->body.token.token, token, WIRE_TOKEN_MAX + 1));
	open.token = str_of(token);
	assert_int_equal(ask(c, WIRE_OPEN_PRINCIPAL, 9, &open), ERR_NONE);
	assert_int_equal(ask(c, WIRE_LIST_GROUPS, 9, &list), ERR_NONE);
	return open.token;
}

static void a_token_that_expires_is_closed(void **state)
{
	struct wire_body_create_token create = { .expires_ms = 1 };
	struct wire_body_open_principal open = { .kind = PRINCIPAL_TOKEN };
	char token[WIRE_TOKEN_MAX + 1];
	struct conn c;

	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_BIN, &create),
			 ERR_BAD_REQUEST);
	open.token = open_with_token(&c, env_now_ms(env_system()), token);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_EV_PRINCIPAL);
	assert_int_equal(c.header.principal, 9);
	assert_int_equal(c.body.ev_principal.code, ERR_UNAUTHENTICATED);
	assert_int_equal(ask(&c, WIRE_OPEN_PRINCIPAL, 10, &open),
			 ERR_UNAUTHENTICATED);
	hang_up(&c);
}

/* Its time is over sooner than groupd thought when it looked last. */
static void an_expired_token_that_is_not_closed_yet_is_refused(void **state)
{
	struct wire_body_list_groups list = { 0 };
	char token[WIRE_TOKEN_MAX + 1];
	struct conn c;

	greet(&c, *state);
	open_with_token(&c, atomic_load(&fixture_now), token);
	fixture_now += 1000;
	assert_int_equal(ask(&c, WIRE_LIST_GROUPS, 9, &list),
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
		cmocka_unit_test_setup_teardown(a_token_that_expires_is_closed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_expired_token_that_is_not_closed_yet_is_refused,
			set_up_stopped, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
