/* SPDX-License-Identifier: MIT */
/* What a client sends again, because its answer was lost, may be done: then it
 * is no refusal. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

/* "-bob +eve =carol *dave": removed, added, a member, an admin. */
static enum err_code edit_all(struct conn *c, uint32_t principal,
			      uint64_t group_id, const char *edits, bool again)
{
	struct wire_body_edit_members body = { .group_id = group_id };
	struct buf list = { 0 };
	char copy[128];
	char *rest = copy;
	enum err_code code;

	assert_true(str_to_cstr(str_of(edits), copy, sizeof(copy)));
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		const struct wire_edit edit = {
			.op = word[0] == '-'   ? EDIT_REMOVE
			      : word[0] == '=' ? EDIT_MEMBER
			      : word[0] == '*' ? EDIT_ADMIN
					       : EDIT_ADD,
			.name = str_of(word + 1)
		};

		wire_put(&list, &wire_schema_edit, &edit);
	}
	body.edits = buf_str(&list);
	code = again ? ask_again(c, WIRE_EDIT_MEMBERS, principal, &body)
		     : ask(c, WIRE_EDIT_MEMBERS, principal, &body);
	buf_release(&list);
	return code;
}

/* "bin daemon*": all of them, by name, admins with a star. */
static void assert_members(struct conn *c, uint32_t principal,
			   uint64_t group_id, const char *expected)
{
	const struct wire_body_list_members body = { .group_id = group_id };
	struct buf text = { 0 };
	struct wire_member m;
	struct str list;

	assert_int_equal(ask(c, WIRE_LIST_MEMBERS, principal, &body), ERR_NONE);
	list = c->body.member_list.members;
	while (wire_next(&list, &wire_schema_member, &m) > 0)
		buf_printf(&text, "%s%.*s%s", text.len > 0 ? " " : "",
			   (int)m.name.len, m.name.data,
			   m.role == ROLE_ADMIN ? "*" : "");
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

struct row {
	const char *before; /* what else has happened, or NULL */
	const char *sent;
	enum err_code code;    /* sent again; */
	enum err_code refused; /* and for the first time */
	const char *members;
	uint64_t changed;
};

/* In turn, by daemon, an admin, in a group with bin and root, an admin. */
static void edits_that_were_carried_out_are_done(void **state)
{
	static const struct row rows[] = {
		{ "-bin", "-bin", ERR_NONE, ERR_NO_SUCH_USER, "daemon* root*",
		  1 },
		/* What is not as it wants it is carried out. */
		{ NULL, "+sys -bin", ERR_NONE, ERR_NO_SUCH_USER,
		  "daemon* root* sys", 2 },
		{ "+bin -sys", "*bin -sys =bin", ERR_NONE, ERR_NO_SUCH_USER,
		  "bin daemon* root*", 3 },
		{ "-bin", "+bin -bin -sys", ERR_NONE, ERR_NO_SUCH_USER,
		  "daemon* root*", 3 },
		/* What was refused the first time is refused again. */
		{ NULL, "-bin -sys -nobodys", ERR_NONE, ERR_NO_SUCH_USER,
		  "daemon* root*", 3 },
		{ NULL, "+nobodys", ERR_NO_SUCH_USER, ERR_NO_SUCH_USER,
		  "daemon* root*", 0 },
		{ NULL, "-bin +nobodys", ERR_NO_SUCH_USER, ERR_NO_SUCH_USER,
		  "daemon* root*", 0 },
		/* He has demoted himself. */
		{ "+bin =daemon", "+bin =daemon", ERR_NONE, ERR_NOT_ADMIN,
		  "bin daemon root*", 2 },
		{ NULL, "-bin =daemon", ERR_NOT_ADMIN, ERR_NOT_ADMIN,
		  "bin daemon root*", 0 },
		{ NULL, "-sys", ERR_NONE, ERR_NOT_ADMIN, "bin daemon root*",
		  1 },
		/* He has left, and others with him. */
		{ "-daemon", "-daemon", ERR_NONE, ERR_NO_SUCH_GROUP,
		  "bin root*", 1 },
		{ NULL, "-sys -daemon", ERR_NONE, ERR_NO_SUCH_GROUP,
		  "bin root*", 2 },
		{ NULL, "-bin", ERR_NO_SUCH_GROUP, ERR_NO_SUCH_GROUP,
		  "bin root*", 0 },
		{ NULL, "+sys", ERR_NO_SUCH_GROUP, ERR_NO_SUCH_GROUP,
		  "bin root*", 0 },
	};
	struct conn c;
	struct conn fresh;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	assert_int_equal(edit_all(&c, P_ROOT, id, "+bin *daemon", false),
			 ERR_NONE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		if (row->before != NULL)
			assert_int_equal(
				edit_all(&c, P_ROOT, id, row->before, false),
				ERR_NONE);
		/* As over the next connection. */
		greet(&fresh, *state);
		assert_int_equal(
			edit_all(&fresh, P_DAEMON, id, row->sent, false),
			row->refused);
		assert_int_equal(
			edit_all(&fresh, P_DAEMON, id, row->sent, true),
			row->code);
		if (row->code == ERR_NONE)
			assert_int_equal(fresh.body.ok.value, row->changed);
		hang_up(&fresh);
		assert_members(&c, P_ROOT, id, row->members);
	}
	hang_up(&c);
}

static void what_is_deleted_was_deleted(void **state)
{
	struct wire_body_delete_group body = { 0 };
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	body.group_id = id = create_group(&c);
	assert_int_equal(ask_again(&c, WIRE_DELETE_GROUP, P_DAEMON, &body),
			 ERR_NOT_ADMIN);
	/* To who is no member, a group of others and none are the same. */
	assert_int_equal(ask_again(&c, WIRE_DELETE_GROUP, P_BIN, &body),
			 ERR_NONE);
	body.group_id = id + 1;
	assert_int_equal(ask_again(&c, WIRE_DELETE_GROUP, P_BIN, &body),
			 ERR_NONE);
	assert_int_equal(read_at(&c, P_BIN, id, 0, 1), ERR_NO_SUCH_GROUP);
	assert_members(&c, P_ROOT, id, "daemon root*");
	body.group_id = id;
	assert_int_equal(ask(&c, WIRE_DELETE_GROUP, P_ROOT, &body), ERR_NONE);
	assert_int_equal(ask_again(&c, WIRE_DELETE_GROUP, P_ROOT, &body),
			 ERR_NONE);
	assert_int_equal(ask(&c, WIRE_DELETE_GROUP, P_ROOT, &body),
			 ERR_NO_SUCH_GROUP);
	hang_up(&c);
}

static void who_says_that_he_left_is_told_no_more_of_the_group(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	assert_int_equal(edit_all(&c, P_BIN, id, "-bin", true), ERR_NONE);
	assert_int_equal(edit_all(&c, P_BIN, id + 1, "-bin", true), ERR_NONE);
	assert_int_equal(read_at(&c, P_BIN, id, 0, 1), ERR_NO_SUCH_GROUP);
	assert_int_equal(read_at(&c, P_BIN, id + 1, 0, 1), ERR_NO_SUCH_GROUP);
	hang_up(&c);
}

static void a_token_that_is_gone_was_revoked(void **state)
{
	const struct wire_body_create_token create = { .user = str_of(
							       "daemon") };
	struct wire_body_revoke_token revoke = { 0 };
	struct conn c;

	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_ROOT, &create), ERR_NONE);
	revoke.token_id = c.body.token.token_id;
	assert_int_equal(ask(&c, WIRE_REVOKE_TOKEN, P_ROOT, &revoke), ERR_NONE);
	assert_int_equal(ask_again(&c, WIRE_REVOKE_TOKEN, P_ROOT, &revoke),
			 ERR_NONE);
	assert_int_equal(ask(&c, WIRE_REVOKE_TOKEN, P_ROOT, &revoke),
			 ERR_BAD_REQUEST);
	hang_up(&c);
}

/* How many has he? */
static size_t tokens_of(struct conn *c, const char *user)
{
	const struct wire_body_list_tokens list = { .user = str_of(user) };
	struct wire_token_info t;
	struct str tokens;
	size_t count = 0;

	assert_int_equal(ask(c, WIRE_LIST_TOKENS, P_ROOT, &list), ERR_NONE);
	tokens = c->body.token_list.tokens;
	while (wire_next(&tokens, &wire_schema_token_info, &t) > 0)
		count++;
	return count;
}

static void a_token_is_made_once(void **state)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	struct wire_body_create_token create = { .user = str_of("daemon"),
						 .key = str_of(secret) };
	char token[WIRE_TOKEN_MAX + 1];
	struct conn c;

	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_ROOT, &create), ERR_NONE);
	assert_true(str_to_cstr(c.body.token.token, token, sizeof(token)));
	assert_true(c.body.token.token_id > 0);
	assert_int_equal(ask_again(&c, WIRE_CREATE_TOKEN, P_ROOT, &create),
			 ERR_NONE);
	assert_true(str_eq(c.body.token.token, str_of(token)));
	assert_int_equal(tokens_of(&c, "daemon"), 1);
	/* It belongs to this key and user alone. */
	create.user = str_of("bin");
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_ROOT, &create),
			 ERR_BAD_REQUEST);
	create.key = str_of("0123456789abcdef0123456789abcdee");
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_ROOT, &create), ERR_NONE);
	assert_false(str_eq(c.body.token.token, str_of(token)));
	create.key = str_of("too short");
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_ROOT, &create),
			 ERR_BAD_REQUEST);
	hang_up(&c);
}

static void share_store(struct fixture *f)
{
	snprintf(f->config.store, sizeof(f->config.store), "memory:shared/%s",
		 buf_cstr(&f->dir));
}

static int set_up_shared(void **state)
{
	return set_up_changed(state, true, share_store);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down),              \
		cmocka_unit_test_setup_teardown(name, set_up_shared,           \
						tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(edits_that_were_carried_out_are_done),
		TEST(what_is_deleted_was_deleted),
		TEST(who_says_that_he_left_is_told_no_more_of_the_group),
		TEST(a_token_that_is_gone_was_revoked),
		TEST(a_token_is_made_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
