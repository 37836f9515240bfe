/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/lines.h"
#include "lib/wire.h"

enum { MAX = 16 };

/* Encodes and keeps, as a write that was stored does; the items are then
 * "REPLY:CONTENT|" each. */
static int write_to(struct buf *rest, const char *data, struct buf *out)
{
	struct buf items = { 0 };
	struct err err = { 0 };
	struct wire_item item;
	struct str list;
	int rc = lines_encode(&lines_text, buf_str(rest), str_of(data), MAX,
			      &items, &err);

	buf_clear(out);
	if (rc == 0) {
		list = buf_str(&items);
		while (wire_next(&list, &wire_schema_item, &item) == 1)
			buf_printf(out, "%d:%.*s|", (int)item.reply_to,
				   (int)item.content.len, item.content.data);
		assert_int_equal(list.len, 0);
		assert_int_equal(lines_keep(rest, str_of(data)), 0);
	} else {
		assert_int_equal(rc, err_rc(&err));
	}
	buf_release(&items);
	return rc;
}

static void each_complete_line_is_one_item(void **state)
{
	struct buf rest = { 0 };
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(write_to(&rest, "a\n\nbb\n", &out), 0);
	assert_string_equal(buf_cstr(&out), "0:a|0:|0:bb|");
	assert_int_equal(rest.len, 0);
	buf_release(&rest);
	buf_release(&out);
}

static void a_line_may_come_in_many_writes(void **state)
{
	struct buf rest = { 0 };
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(write_to(&rest, "one\ntw", &out), 0);
	assert_string_equal(buf_cstr(&out), "0:one|");
	assert_int_equal(write_to(&rest, "o", &out), 0);
	assert_string_equal(buf_cstr(&out), "");
	assert_string_equal(buf_cstr(&rest), "two");
	assert_int_equal(write_to(&rest, "\nthree\nf", &out), 0);
	assert_string_equal(buf_cstr(&out), "0:two|0:three|");
	assert_string_equal(buf_cstr(&rest), "f");
	buf_release(&rest);
	buf_release(&out);
}

static void a_reply_keeps_its_number_over_a_cut(void **state)
{
	struct buf rest = { 0 };
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(write_to(&rest, ">1", &out), 0);
	assert_int_equal(write_to(&rest, "2 yes\n> 2\n", &out), 0);
	assert_string_equal(buf_cstr(&out), "12:yes|0:> 2|");
	buf_release(&rest);
	buf_release(&out);
}

static void a_line_too_long_is_refused_and_keeps_the_rest(void **state)
{
	struct buf rest = { 0 };
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(write_to(&rest, "ab", &out), 0);
	assert_int_equal(write_to(&rest, "c\n01234567890123456\n", &out),
			 -EMSGSIZE);
	assert_string_equal(buf_cstr(&rest), "ab");
	assert_int_equal(write_to(&rest, "c\n0123456789012345\n", &out), 0);
	assert_string_equal(buf_cstr(&out), "0:abc|0:0123456789012345|");
	buf_release(&rest);
	buf_release(&out);
}

static void a_remainder_that_never_ends_is_refused_at_once(void **state)
{
	struct buf rest = { 0 };
	struct buf out = { 0 };

	(void)state;
	for (int i = 0; i < MAX + LINES_PREFIX_MAX; i++)
		assert_int_equal(write_to(&rest, "x", &out), 0);
	assert_int_equal(write_to(&rest, "x", &out), -EMSGSIZE);
	assert_int_equal(rest.len, MAX + LINES_PREFIX_MAX);
	buf_release(&rest);
	buf_release(&out);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	struct buf rest = { 0 };
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(write_to(&rest, "ok\n\xff\n", &out), -EILSEQ);
	/* a character cut by the write is whole again */
	assert_int_equal(write_to(&rest, "\xc3", &out), 0);
	assert_int_equal(write_to(&rest, "\xa4\n", &out), 0);
	assert_string_equal(buf_cstr(&out), "0:\xc3\xa4|");
	buf_release(&rest);
	buf_release(&out);
}

static void a_whole_content_is_no_reply_and_keeps_newlines(void **state)
{
	struct buf items = { 0 };
	struct err err;
	struct wire_item item;
	struct str list;

	(void)state;
	assert_int_equal(
		lines_encode_content(str_of(">1 a\nb"), MAX, &items, &err), 0);
	list = buf_str(&items);
	assert_int_equal(wire_next(&list, &wire_schema_item, &item), 1);
	assert_int_equal(item.reply_to, 0);
	assert_true(str_eq(item.content, str_of(">1 a\nb")));
	buf_release(&items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_complete_line_is_one_item),
		cmocka_unit_test(a_line_may_come_in_many_writes),
		cmocka_unit_test(a_reply_keeps_its_number_over_a_cut),
		cmocka_unit_test(a_line_too_long_is_refused_and_keeps_the_rest),
		cmocka_unit_test(
			a_remainder_that_never_ends_is_refused_at_once),
		cmocka_unit_test(text_that_is_not_utf8_is_refused),
		cmocka_unit_test(
			a_whole_content_is_no_reply_and_keeps_newlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
