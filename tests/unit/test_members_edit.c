/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fs/members_edit.h"
#include "lib/wire.h"

/* Parses; the edits are "OP NAME|" each. */
static int parse(const char *text, struct buf *out, struct err *err)
{
	static const char *const OPS[] = { "add", "member", "admin", "remove" };
	struct buf edits = { 0 };
	struct wire_edit edit;
	struct str list;
	int rc = members_edit_parse(str_of(text), &edits, err);

	buf_clear(out);
	list = buf_str(&edits);
	while (rc == 0 && wire_next(&list, &wire_schema_edit, &edit) == 1)
		buf_printf(out, "%s %.*s|", OPS[edit.op], (int)edit.name.len,
			   edit.name.data);
	buf_release(&edits);
	return rc;
}

static void every_command_is_understood(void **state)
{
	struct buf out = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
		parse("bob\n+eve\ncarol admin\ndan member\n-zoe\n", &out, &err),
		0);
	assert_string_equal(buf_cstr(&out), "add bob|add eve|admin carol|"
					    "member dan|remove zoe|");
	buf_release(&out);
}

static void blanks_comments_and_carriage_returns_say_nothing(void **state)
{
	struct buf out = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(parse("\n  \t\n# bob\n  #x\r\n \tbob\tadmin \r\n-eve",
			       &out, &err),
			 0);
	assert_string_equal(buf_cstr(&out), "admin bob|remove eve|");
	assert_int_equal(parse("", &out, &err), 0);
	assert_string_equal(buf_cstr(&out), "");
	buf_release(&out);
}

/* As an editor's user does it, who sees the role. */
static void a_sign_may_stand_before_a_line_with_a_role(void **state)
{
	struct buf out = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
		parse("-bob member\n-eve admin\n+zoe admin\n+dan member\n",
		      &out, &err),
		0);
	assert_string_equal(buf_cstr(&out), "remove bob|remove eve|"
					    "admin zoe|member dan|");
	buf_release(&out);
}

static void a_bad_line_is_named_by_its_number(void **state)
{
	static const char *const BAD[] = {
		"a\nb\nbob owner\n", "a\nb\n+bob owner\n",
		"a\n\n-bob owner\n", "a\nb\nbob admin now\n",
		"a\nb\nBob\n",	     "a\nb\n+\n",
		"a\nb\n--bob\n",     "a\nb\n.bob\n"
	};
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(parse(BAD[i], &out, &err), -EINVAL);
		assert_non_null(strstr(err.text, "Line 3 "));
	}
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_understood),
		cmocka_unit_test(
			blanks_comments_and_carriage_returns_say_nothing),
		cmocka_unit_test(a_sign_may_stand_before_a_line_with_a_role),
		cmocka_unit_test(a_bad_line_is_named_by_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
