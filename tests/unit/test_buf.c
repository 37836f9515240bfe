/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"

static void an_empty_one_reads_as_an_empty_string(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_string_equal(buf_cstr(&b), "");
	assert_true(str_eq(buf_str(&b), str_of("")));
	buf_clear(&b);
	buf_truncate(&b, 0);
	buf_consume(&b, 0);
	buf_release(&b);
	buf_release(&b);
}

static void appends_keep_the_end_terminated(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		buf_append_char(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_int_equal(b.data[b.len], 0);
		assert_true(b.cap > b.len);
	}
	buf_append_str(&b, str_of("end"));
	assert_memory_equal(b.data + 1000, "end", 4);
	buf_release(&b);
}

static void printf_grows_where_the_text_is_longer(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int width = 0; width < 700; width++) {
		buf_clear(&b);
		buf_printf(&b, "<%*d>", width, 7);
		assert_int_equal(b.len, strlen(buf_cstr(&b)));
		assert_int_equal(b.len, (width < 1 ? 1 : width) + 2);
		assert_int_equal(b.data[b.len - 2], '7');
	}
	buf_release(&b);
}

static void consume_drops_the_front(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_printf(&b, "hello world");
	buf_consume(&b, 6);
	assert_string_equal(buf_cstr(&b), "world");
	buf_truncate(&b, 2);
	assert_string_equal(buf_cstr(&b), "wo");
	buf_consume(&b, 2);
	assert_string_equal(buf_cstr(&b), "");
	buf_release(&b);
}

static void failure_is_sticky_until_cleared(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_append_char(&b, 'x');
	assert_false(buf_reserve(&b, SIZE_MAX - 1));
	assert_true(b.failed);
	buf_append_char(&b, 'y');
	buf_printf(&b, "z");
	assert_string_equal(buf_cstr(&b), "x");
	buf_clear(&b);
	assert_false(b.failed);
	buf_append_char(&b, 'y');
	assert_string_equal(buf_cstr(&b), "y");
	buf_release(&b);
}

static void str_to_cstr_refuses_what_does_not_fit(void **state)
{
	char out[4] = "???";

	(void)state;
	assert_true(str_to_cstr(str_of("abc"), out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(str_to_cstr(str_of("abcd"), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(str_to_cstr(str_make("a\0", 2), out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_reads_as_an_empty_string),
		cmocka_unit_test(appends_keep_the_end_terminated),
		cmocka_unit_test(printf_grows_where_the_text_is_longer),
		cmocka_unit_test(consume_drops_the_front),
		cmocka_unit_test(failure_is_sticky_until_cleared),
		cmocka_unit_test(str_to_cstr_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
