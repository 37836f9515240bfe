/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/err.h"
#include "lib/str.h"
#include "lib/text.h"

static void every_code_is_found_by_its_name(void **state)
{
	(void)state;
	for (int i = 1; i < ERR_COUNT; i++) {
		enum err_code code = (enum err_code)i;

		assert_int_equal(err_code_of(err_name(code)), code);
		assert_true(err_errno(code) > 0);
		assert_in_range(err_http_status(code), 400, 599);
		assert_true(strlen(err_sentence(code)) > 0);
	}
	assert_int_equal(err_code_of("none_such"), ERR_NONE);
}

static void the_table_says_what_the_contract_says(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_LAST_ADMIN), "last_admin");
	assert_int_equal(err_http_status(ERR_EPOCH_CHANGED), 410);
	assert_int_equal(err_errno(ERR_RATE_LIMITED), EDQUOT);
	assert_int_equal(err_errno(ERR_BAD_UTF8), EILSEQ);
}

static void a_full_disk_and_a_full_quota_are_out_of_space(void **state)
{
	(void)state;
	assert_int_equal(err_of_file(ENOSPC), ERR_OUT_OF_SPACE);
	assert_int_equal(err_of_file(EDQUOT), ERR_OUT_OF_SPACE);
	assert_int_equal(err_of_file(EIO), ERR_UNAVAILABLE);
}

static void an_unknown_code_is_unavailable(void **state)
{
	struct err err;

	(void)state;
	assert_string_equal(err_name((enum err_code)255), "unavailable");
	assert_int_equal(err_http_status(ERR_NONE), 503);
	assert_int_equal(err_set(&err, (enum err_code)200, NULL), -EIO);
	assert_int_equal(err_rc(&err), -EIO);
}

static void what_is_kept_is_a_copy(void **state)
{
	struct err err;
	const struct err *kept;

	(void)state;
	err_set(&err, ERR_BAD_NAME, "no name: %s", "A");
	err.retry_after_ms = 7;
	kept = err_keep(&err);
	err_set(&err, ERR_TOO_LARGE, NULL);
	assert_int_equal(kept->code, ERR_BAD_NAME);
	assert_string_equal(kept->text, "no name: A");
	assert_int_equal(kept->retry_after_ms, 7);
	err_drop(kept);
	err_drop(NULL);
}

static void set_fills_the_sentence_of_the_table(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_NO_SUCH_USER, NULL), -ENOENT);
	assert_string_equal(err.text, "There is no such user");
	assert_int_equal(err_set(NULL, ERR_TOO_LARGE, "x"), -EMSGSIZE);
	assert_int_equal(err_set(&err, ERR_BAD_NAME, "no name: %s", "A"),
			 -EINVAL);
	assert_string_equal(err.text, "no name: A");
}

static void wrap_puts_the_prefix_before(void **state)
{
	struct err err;
	struct err none = { 0 };

	(void)state;
	(void)err_set(&err, ERR_OUT_OF_SPACE, "disk full");
	assert_int_equal(err_wrap(&err, "group %d", 7), -ENOSPC);
	assert_string_equal(err.text, "group 7: disk full");
	assert_int_equal(err_rc(&none), 0);
}

static void a_long_text_is_cut_between_characters(void **state)
{
	struct err err;
	char text[400];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', sizeof(text));
		for (size_t i = shift; i + 4 < sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 4);
		text[sizeof(text) - 1] = '\0';
		(void)err_set(&err, ERR_BAD_REQUEST, "%s", text);
		assert_true(text_is_utf8(str_of(err.text)));
		assert_true(strlen(err.text) > ERR_TEXT_MAX - 6);
		(void)err_wrap(&err, "%s", "prefix");
		assert_true(text_is_utf8(str_of(err.text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_is_found_by_its_name),
		cmocka_unit_test(the_table_says_what_the_contract_says),
		cmocka_unit_test(a_full_disk_and_a_full_quota_are_out_of_space),
		cmocka_unit_test(an_unknown_code_is_unavailable),
		cmocka_unit_test(what_is_kept_is_a_copy),
		cmocka_unit_test(set_fills_the_sentence_of_the_table),
		cmocka_unit_test(wrap_puts_the_prefix_before),
		cmocka_unit_test(a_long_text_is_cut_between_characters),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
