/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* The items of JSON lines: "REPLY:CONTENT|" each. */
static int json_lines(const char *data, struct buf *out, struct err *err)
{
	struct buf items = { 0 };
	struct wire_item item;
	struct str list;
	int rc = lines_encode(&lines_json, str_of(""), str_of(data), MAX,
			      &items, err);

	buf_clear(out);
	list = buf_str(&items);
	while (rc == 0 && wire_next(&list, &wire_schema_item, &item) == 1)
		buf_printf(out, "%d:%.*s|", (int)item.reply_to,
			   (int)item.content.len, item.content.data);
	buf_release(&items);
	return rc;
}

static void
a_line_of_json_is_a_message_and_a_blank_one_says_nothing(void **state)
{
	struct buf out = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(json_lines("{\"content\":\"a\\nb\"}\n \t\r\n\n"
				    "{\"content\":\"c\",\"reply_to_seq\":7,"
				    "\"sequence_number\":9}\nrest",
				    &out, &err),
			 0);
	assert_string_equal(buf_cstr(&out), "0:a\nb|7:c|");
	buf_release(&out);
}

static void what_is_no_message_in_json_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *line;
		enum err_code code;
	} BAD[] = {
		{ "not json\n", ERR_BAD_REQUEST },
		{ "[]\n", ERR_BAD_REQUEST },
		{ "{}\n", ERR_BAD_REQUEST },
		{ "{\"content\":7}\n", ERR_BAD_REQUEST },
		{ "{\"content\":\"seventeen bytes..\"}\n", ERR_TOO_LARGE },
		{ "{\"content\":\"\xff\"}\n", ERR_BAD_UTF8 },
		{ "{\"content\":\"a\",\"mentions\":[\"A b\"]}\n",
		  ERR_BAD_REQUEST },
		{ "{\"content\":\"a\",\"message_type\":\"x\"}\n",
		  ERR_BAD_REQUEST },
	};
	struct buf two = { 0 };
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct err err = { 0 };

		assert_int_not_equal(json_lines(BAD[i].line, &out, &err), 0);
		assert_int_equal(err.code, BAD[i].code);
		assert_null(strstr(err.text, "line 1:"));
		buf_clear(&two);
		buf_printf(&two, "{\"content\":\"\"}\n%s", BAD[i].line);
		assert_int_not_equal(json_lines(buf_cstr(&two), &out, &err), 0);
		assert_int_equal(err.code, BAD[i].code);
		assert_non_null(strstr(err.text, "line 2: "));
	}
	buf_release(&two);
	buf_release(&out);
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
		cmocka_unit_test(
			a_line_of_json_is_a_message_and_a_blank_one_says_nothing),
		cmocka_unit_test(
			what_is_no_message_in_json_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
