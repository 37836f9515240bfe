/* SPDX-License-Identifier: MIT */
/* What headers ask of a media file, and say of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/gateway/disposition.h"
#include "daemon/gateway/media_type.h"
#include "daemon/gateway/range.h"
#include "daemon/gateway/validator.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void a_range_is_one_part_or_nothing(void **state)
{
	static const struct {
		const char *header;
		uint64_t size;
		enum range range;
		uint64_t first;
		uint64_t len;
	} rows[] = {
		{ "", 10, RANGE_ALL, 0, 0 },
		{ "bytes=0-0", 10, RANGE_PART, 0, 1 },
		{ "bytes=0-9", 10, RANGE_PART, 0, 10 },
		{ "bytes=0-10", 10, RANGE_PART, 0, 10 },
		{ "bytes=9-9", 10, RANGE_PART, 9, 1 },
		{ "bytes=3-5", 10, RANGE_PART, 3, 3 },
		{ "BYTES=3-5", 10, RANGE_PART, 3, 3 },
		{ "bytes=003-0005", 10, RANGE_PART, 3, 3 },
		{ "bytes=5-", 10, RANGE_PART, 5, 5 },
		{ "bytes=0-", 10, RANGE_PART, 0, 10 },
		{ "bytes=9-", 10, RANGE_PART, 9, 1 },
		{ "bytes=-1", 10, RANGE_PART, 9, 1 },
		{ "bytes=-10", 10, RANGE_PART, 0, 10 },
		{ "bytes=-11", 10, RANGE_PART, 0, 10 },
		{ "bytes=-99999999999999999999", 10, RANGE_PART, 0, 10 },
		{ "bytes=2-99999999999999999999", 10, RANGE_PART, 2, 8 },
		{ "bytes=2-18446744073709551615", 10, RANGE_PART, 2, 8 },
		{ "bytes=0-0", 1, RANGE_PART, 0, 1 },
		{ "bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=10-10", 10, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=10-20", 10, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=99999999999999999999-", 10, RANGE_UNSATISFIABLE, 0,
		  0 },
		{ "bytes=18446744073709551615-18446744073709551615", 10,
		  RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-0", 0, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-5", 0, RANGE_ALL, 0, 0 },
		{ "bytes=5-3", 10, RANGE_ALL, 0, 0 },
		{ "bytes=20-15", 10, RANGE_ALL, 0, 0 },
		{ "bytes=0-1,3-4", 10, RANGE_ALL, 0, 0 },
		{ "bytes=0-1,", 10, RANGE_ALL, 0, 0 },
		{ "bytes=,0-1", 10, RANGE_ALL, 0, 0 },
		{ "bytes=-", 10, RANGE_ALL, 0, 0 },
		{ "bytes=--1", 10, RANGE_ALL, 0, 0 },
		{ "bytes=", 10, RANGE_ALL, 0, 0 },
		{ "bytes", 10, RANGE_ALL, 0, 0 },
		{ "bytes=5", 10, RANGE_ALL, 0, 0 },
		{ "bytes=a-b", 10, RANGE_ALL, 0, 0 },
		{ "bytes=0-1x", 10, RANGE_ALL, 0, 0 },
		{ "bytes=+1-2", 10, RANGE_ALL, 0, 0 },
		{ "bytes=1 -2", 10, RANGE_ALL, 0, 0 },
		{ "bytes= 1-2", 10, RANGE_ALL, 0, 0 },
		{ "bytes =1-2", 10, RANGE_ALL, 0, 0 },
		{ "bytes=1-2 ", 10, RANGE_ALL, 0, 0 },
		{ "items=0-1", 10, RANGE_ALL, 0, 0 },
		{ "0-1", 10, RANGE_ALL, 0, 0 },
		{ "bytes=0x1-2", 10, RANGE_ALL, 0, 0 },
		{ "bytes=4294967296-4294967297", UINT64_C(1) << 40, RANGE_PART,
		  UINT64_C(1) << 32, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t first = 77, len = 78;
		enum range range = range_of(str_of(rows[i].header),
					    rows[i].size, &first, &len);

		if (range != rows[i].range)
			fail_msg("%s: %d", rows[i].header, (int)range);
		if (range == RANGE_PART &&
		    (first != rows[i].first || len != rows[i].len))
			fail_msg("%s: %d %d", rows[i].header, (int)first,
				 (int)len);
	}
}

static void all_three_forms_of_a_time_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: it is none */
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483648) },
		{ "Sun, 06 Nov 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMTx", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 +0100", -1 },
		{ "Sun, 32 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
		{ "1994-11-06T08:49:37Z", -1 },
		{ "784111777", -1 },
		{ "", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT Sun, 06 Nov 1994 08:49:37 GMT "
		  "Sun, 06 Nov 1994 08:49:37 GMT",
		  -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t seconds = -1;
		bool is_time =
			validator_parse_time(str_of(rows[i].text), &seconds);

		if (is_time != (rows[i].seconds != -1) ||
		    seconds != rows[i].seconds)
			fail_msg("%s", rows[i].text);
	}
}

static void a_time_is_written_in_english(void **state)
{
	struct buf b = { 0 };

	(void)state;
	validator_put_time(&b, UINT64_C(784111777999));
	assert_string_equal(buf_cstr(&b), "Sun, 06 Nov 1994 08:49:37 GMT");
	buf_release(&b);
}

static void a_part_goes_on_only_of_the_same_file(void **state)
{
	static const struct {
		const char *value;
		bool same;
	} rows[] = {
		{ "\"ab\"", true },
		{ "W/\"ab\"", false },
		{ "\"abc\"", false },
		{ "*", false },
		{ "\"x\", \"ab\"", false },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", true },
		{ "Sun, 06 Nov 1994 08:49:36 GMT", false },
		{ "Sun, 06 Nov 1994 08:49:38 GMT", false },
		{ "yesterday", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (validator_is(str_of(rows[i].value), str_of("\"ab\""),
				 UINT64_C(784111777123)) != rows[i].same)
			fail_msg("%s", rows[i].value);
	}
	assert_true(validator_unchanged(str_of("Sun, 06 Nov 1994 08:49:37 GMT"),
					UINT64_C(784111777123)));
	assert_true(validator_unchanged(str_of("Sun, 06 Nov 1995 08:49:37 GMT"),
					UINT64_C(784111777123)));
	assert_false(
		validator_unchanged(str_of("Sun, 06 Nov 1994 08:49:36 GMT"),
				    UINT64_C(784111777123)));
	assert_false(validator_unchanged(str_of("never"), 0));
}

static void only_what_cannot_run_is_shown(void **state)
{
	static const struct {
		const char *name;
		const char *type;
		bool shown;
	} rows[] = {
		{ "a.png", "image/png", true },
		{ "A.PNG", "image/png", true },
		{ "a.b.jpeg", "image/jpeg", true },
		{ "a.jpg", "image/jpeg", true },
		{ "a.gif", "image/gif", true },
		{ "a.webp", "image/webp", true },
		{ "a.mp3", "audio/mpeg", true },
		{ "a.ogg", "audio/ogg", true },
		{ "a.mp4", "video/mp4", true },
		{ "a.txt", "text/plain; charset=utf-8", true },
		{ "a.pdf", "application/pdf", false },
		{ "a.html", "application/octet-stream", false },
		{ "a.htm", "application/octet-stream", false },
		{ "a.xhtml", "application/octet-stream", false },
		{ "a.svg", "application/octet-stream", false },
		{ "a.xml", "application/octet-stream", false },
		{ "a.js", "application/octet-stream", false },
		{ "a.png.html", "application/octet-stream", false },
		{ "png", "application/octet-stream", false },
		{ "a.", "application/octet-stream", false },
		{ "a.pn", "application/octet-stream", false },
		{ "a.pngx", "application/octet-stream", false },
		{ "", "application/octet-stream", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct media_type *t =
			media_type_of(str_of(rows[i].name));

		assert_string_equal(t->type, rows[i].type);
		if (t->shown != rows[i].shown)
			fail_msg("%s", rows[i].name);
	}
}

static void a_disposition_names_a_file(void **state)
{
	static const struct {
		const char *value;
		const char *filename; /* NULL: it is refused; "-": has none */
	} rows[] = {
		{ "attachment; filename=\"a b.txt\"", "a b.txt" },
		{ "attachment; filename=a.txt", "a.txt" },
		{ "ATTACHMENT;FILENAME=\"x\"", "x" },
		{ "attachment ; filename = \"x\" ", "x" },
		{ "attachment; filename=\"x\";", "x" },
		{ "inline; filename=\"x\"; size=12", "x" },
		{ "attachment; filename=\"a;b=c\"", "a;b=c" },
		{ "attachment; filename=\"a\\\"b\"", "a\"b" },
		{ "attachment; filename=\"a\\\\b\"", "a\\b" },
		{ "attachment; filename=\"C:\\x\\y\"", "C:\\x\\y" },
		{ "attachment; filename=\"\"", "" },
		{ "attachment; filename=\"\xe2\x82\xac\"", "\xe2\x82\xac" },
		{ "attachment; filename*=UTF-8''%e2%82%ac%20rates",
		  "\xe2\x82\xac rates" },
		{ "attachment; filename*=utf-8'en'x", "x" },
		{ "attachment; filename=\"y\"; filename*=UTF-8''x", "x" },
		{ "attachment; filename*=UTF-8''x; filename=\"y\"", "x" },
		{ "attachment; filename=a%20b", "a%20b" },
		{ "attachment", "-" },
		{ "attachment; name=\"filename\"", "-" },
		{ "attachment; xfilename=a", "-" },
		{ "", NULL },
		{ ";filename=x", NULL },
		{ "\"attachment\"; filename=x", NULL },
		{ "attachment filename=x", NULL },
		{ "attachment; filename=", NULL },
		{ "attachment; filename", NULL },
		{ "attachment; =x", NULL },
		{ "attachment; filename=\"x", NULL },
		{ "attachment; filename=\"x\\\"", NULL },
		{ "attachment; filename=\"x\"y", NULL },
		{ "attachment; filename=a b", NULL },
		{ "attachment; filename=x; filename=y", NULL },
		{ "attachment; filename*=UTF-8''x; filename*=UTF-8''y", NULL },
		{ "attachment; filename*=ISO-8859-1''x", NULL },
		{ "attachment; filename*=UTF-8'x", NULL },
		{ "attachment; filename*=UTF-8''%zz", NULL },
		{ "attachment; filename*=UTF-8''%00", NULL },
		{ "attachment; filename*=UTF-8''%e", NULL },
		{ "attachment; filename*=x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct disposition d = { 0 };
		int rc = disposition_parse(str_of(rows[i].value), &d);

		if (rc != (rows[i].filename == NULL ? -EINVAL : 0))
			fail_msg("%s: %d", rows[i].value, rc);
		if (rc == 0 && !d.has_filename)
			assert_string_equal("-", rows[i].filename);
		else if (rc == 0)
			assert_string_equal(buf_cstr(&d.filename),
					    rows[i].filename);
		disposition_release(&d);
	}
}

static void the_parts_of_a_form_are_named(void **state)
{
	struct disposition d = { 0 };

	(void)state;
	assert_int_equal(disposition_parse(str_of("Form-Data; name=\"file\"; "
						  "filename=\"5%22 50%.x\""),
					   &d),
			 0);
	assert_string_equal(buf_cstr(&d.type), "form-data");
	assert_true(d.has_name);
	assert_string_equal(buf_cstr(&d.name), "file");
	disposition_unquote_form(&d.filename);
	assert_string_equal(buf_cstr(&d.filename), "5\" 50%.x");
	disposition_release(&d);
}

static void a_file_name_is_given_in_both_forms(void **state)
{
	static const struct {
		const char *name;
		const char *value;
	} rows[] = {
		{ "a b.txt", "inline; filename=\"a b.txt\"" },
		{ "a\"b", "inline; filename=\"a_b\"; filename*=UTF-8''a%22b" },
		{ "50%", "inline; filename=\"50_\"; filename*=UTF-8''50%25" },
		{ "\xe2\x82\xac x", "inline; filename=\"_ x\"; "
				    "filename*=UTF-8''%E2%82%AC%20x" },
		{ "a;b,c", "inline; filename=\"a;b,c\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct disposition d = { 0 };
		struct buf b = { 0 };

		disposition_put(&b, true, str_of(rows[i].name));
		assert_string_equal(buf_cstr(&b), rows[i].value);
		assert_int_equal(disposition_parse(buf_str(&b), &d), 0);
		assert_string_equal(buf_cstr(&d.filename), rows[i].name);
		disposition_release(&d);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_is_one_part_or_nothing),
		cmocka_unit_test(all_three_forms_of_a_time_are_read),
		cmocka_unit_test(a_time_is_written_in_english),
		cmocka_unit_test(a_part_goes_on_only_of_the_same_file),
		cmocka_unit_test(only_what_cannot_run_is_shown),
		cmocka_unit_test(a_disposition_names_a_file),
		cmocka_unit_test(the_parts_of_a_form_are_named),
		cmocka_unit_test(a_file_name_is_given_in_both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
