/* SPDX-License-Identifier: MIT */
#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"

enum { MAX = 1000 };

static enum err_code refusal(const char *text, size_t len)
{
	struct json *j = NULL;
	struct err err = { 0 };
	int rc = json_parse(&j, str_make(text, len), MAX, &err);

	json_free(j);
	return rc == 0 ? ERR_NONE : err.code;
}

static enum err_code refusal_of(const char *text)
{
	return refusal(text, strlen(text));
}

static void rubbish_is_refused_as_bad_request(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"1",
		"\"x\"",
		"null",
		"{\"a\":}",
		"{\"a\":1}x",
		"{'a':1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":NaN}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":99999999999999999999}",
		"{\"a\":1e999}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\\u0000\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(refusal_of(bad[i]), ERR_BAD_REQUEST);
}

static void bad_utf8_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(refusal_of("{\"a\":\"\xff\"}"), ERR_BAD_UTF8);
	assert_int_equal(refusal_of("{\"a\":\"\xc0\x80\"}"), ERR_BAD_UTF8);
	assert_int_equal(refusal_of("{\"a\":\"\xed\xa0\x80\"}"), ERR_BAD_UTF8);
}

static void size_is_checked_before_parsing(void **state)
{
	char text[MAX + 1];

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(refusal(text, MAX + 1), ERR_TOO_LARGE);
	assert_int_equal(refusal(text, MAX), ERR_BAD_REQUEST);
}

static void sixteen_levels_are_taken_and_seventeen_refused(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int levels = 16; levels <= 17; levels++) {
		buf_clear(&b);
		buf_append_str(&b, str_of("{\"a\":"));
		for (int i = 1; i < levels; i++)
			buf_append_char(&b, '[');
		for (int i = 1; i < levels; i++)
			buf_append_char(&b, ']');
		buf_append_char(&b, '}');
		assert_int_equal(refusal_of(buf_cstr(&b)),
				 levels == 16 ? ERR_NONE : ERR_BAD_REQUEST);
	}
	buf_release(&b);
	assert_int_equal(refusal_of("{\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[\"}"),
			 ERR_NONE);
}

static void getters_check_kind_and_range(void **state)
{
	struct json *j;
	struct err err;
	struct str s;
	uint64_t n = 7;

	(void)state;
	assert_int_equal(json_parse(&j,
				    str_of("{\"n\":5,\"neg\":-1,\"f\":1.5,"
					   "\"s\":\"abc\",\"z\":null}"),
				    MAX, &err),
			 0);
	assert_int_equal(json_get_u64(j, "none", 9, &n, &err), 0);
	assert_int_equal(json_get_u64(j, "z", 9, &n, &err), 0);
	assert_int_equal(n, 7);
	assert_int_equal(json_get_u64(j, "n", 5, &n, &err), 1);
	assert_int_equal(n, 5);
	assert_int_equal(json_get_u64(j, "n", 4, &n, &err), -EINVAL);
	assert_int_equal(json_get_u64(j, "neg", 9, &n, &err), -EINVAL);
	assert_int_equal(json_get_u64(j, "f", 9, &n, &err), -EINVAL);
	assert_int_equal(json_get_u64(j, "s", 9, &n, &err), -EINVAL);
	assert_int_equal(json_get_str(j, "s", 3, &s, &err), 1);
	assert_true(str_eq(s, str_of("abc")));
	assert_int_equal(json_get_str(j, "s", 2, &s, &err), -EINVAL);
	assert_int_equal(json_get_str(j, "n", 9, &s, &err), -EINVAL);
	assert_int_equal(json_get_str(NULL, "n", 9, &s, &err), 0);
	json_free(j);
}

static void any_text_comes_back_as_it_was(void **state)
{
	static const char text[] = "a\"\\\b\f\n\r\t\x01\x1f\x7f\0\xc3\xa9"
				   "\xe2\x80\xa8\xf0\x9f\x98\x80/";
	struct str in = str_make(text, sizeof(text) - 1), out;
	struct buf b = { 0 };
	struct json *j;
	struct err err;

	(void)state;
	buf_append_str(&b, str_of("{\"t\":"));
	json_put_str(&b, in);
	buf_append_char(&b, '}');
	assert_int_equal(json_parse(&j, buf_str(&b), MAX, &err), 0);
	assert_int_equal(json_get_str(j, "t", MAX, &out, &err), 1);
	assert_true(str_eq(in, out));
	json_free(j);
	buf_release(&b);
}

/* Text is looked at in blocks: at each place of one, and of the rest. */
static void an_escape_is_found_at_any_place(void **state)
{
	static const char marks[] = "\"\\\n\x01\x1f\x7f";
	static const char *const escaped[] = {
		"\\\"", "\\\\", "\\n", "\\u0001", "\\u001f", "\\u007f"
	};
	struct buf in = { 0 }, out = { 0 }, want = { 0 };

	(void)state;
	for (size_t i = 0; i < 6 * 100; i++) {
		buf_clear(&in);
		buf_clear(&out);
		buf_clear(&want);
		buf_append_char(&want, '"');
		for (size_t at = 0; at < 100; at++) {
			bool is_mark = at == i / 6;
			char c = is_mark ? marks[i % 6] : '\xff';

			buf_append_char(&in, c);
			if (is_mark)
				buf_append_str(&want, str_of(escaped[i % 6]));
			else
				buf_append_char(&want, c);
		}
		buf_append_char(&want, '"');
		json_put_str(&out, buf_str(&in));
		assert_string_equal(buf_cstr(&out), buf_cstr(&want));
	}
	buf_release(&in);
	buf_release(&out);
	buf_release(&want);
}

static void a_message_has_the_fields_of_the_contract(void **state)
{
	struct wire_message m = { .seq = 3,
				  .type = MESSAGE_MEDIA,
				  .reply_to = 2,
				  .sender = str_of("alice"),
				  .content = str_of("a\nb"),
				  .media_url = str_of("u"),
				  .mentions = str_of("bob everyone"),
				  .client_id = str_of("k") };
	struct buf b = { 0 };

	(void)state;
	json_put_message(&b, &m);
	assert_string_equal(
		buf_cstr(&b),
		"{\"sequence_number\":3,"
		"\"timestamp\":\"1970-01-01T00:00:00.000Z\","
		"\"sender\":\"alice\",\"content\":\"a\\nb\","
		"\"message_type\":\"media\",\"media_url\":\"u\","
		"\"reply_to_seq\":2,\"mentions\":[\"bob\",\"everyone\"],"
		"\"client_id\":\"k\"}");
	buf_clear(&b);
	json_put_epoch(&b, 255);
	assert_string_equal(buf_cstr(&b), "\"epoch\":\"00000000000000ff\"");
	buf_release(&b);
}

static void keys_are_walked_and_objects_shown_a_member_a_line(void **state)
{
	struct buf b = { 0 };
	struct json *j;
	struct err err;
	struct str key;

	(void)state;
	assert_int_equal(
		json_parse(&j, str_of("{\"z\":1,\"a\":{\"b\":[]}}"), MAX, &err),
		0);
	assert_true(json_key_at(j, 0, &key));
	assert_true(str_eq(key, str_of("z")));
	assert_true(json_key_at(j, 1, &key));
	assert_true(str_eq(key, str_of("a")));
	assert_false(json_key_at(j, 2, &key));
	json_put_pretty(&b, j);
	assert_string_equal(buf_cstr(&b),
			    "{\n  \"z\": 1,\n  \"a\": {\n    \"b\": []\n"
			    "  }\n}");
	buf_clear(&b);
	json_put_value(&b, j);
	assert_string_equal(buf_cstr(&b), "{\"z\":1,\"a\":{\"b\":[]}}");
	buf_release(&b);
	json_free(j);
}

/* A string of random bytes of the kinds that matter, valid UTF-8. */
static struct str random_text(char *out, size_t max, const char *const *parts,
			      size_t count)
{
	size_t len = 0;
	size_t want = (size_t)random() % max;

	for (;;) {
		struct str part = str_of(parts[(size_t)random() % count]);

		/* The last part stands for NUL. */
		if (part.len == 0)
			part.len = 1;
		if (len + part.len > want)
			return str_make(out, len);
		memcpy(out + len, part.data, part.len);
		len += part.len;
	}
}

static struct str random_names(char *out, size_t max)
{
	static const char *const names[] = { " ", "bob", "everyone",
					     " ", "x",	 "a.b-c_d" };

	return random_text(out, max, names, 6);
}

static void assert_line_len(const struct wire_message *m)
{
	struct buf b = { 0 };

	json_put_message_line(&b, m);
	assert_false(b.failed);
	if (json_message_line_len(m) != b.len)
		fail_msg("%zu, not %zu: %s", json_message_line_len(m), b.len,
			 buf_cstr(&b));
	buf_release(&b);
}

static void the_length_of_a_line_is_known_without_building_it(void **state)
{
	static const char *const nasty[] = {
		"a",	   "\"",       "\\",	   "\b",
		"\f",	   "\n",       "\r",	   "\t",
		"\x01",	   "\x1b",     "\x1f",	   "\x7f",
		"\x20",	   "/",	       "\xc3\xa9", "\xe2\x80\xa8",
		"<",	   "\xc2\x80", "@bob",	   "\xf0\x9f\x98\x80",
		"\\u0000", ""
	};
	const size_t count = sizeof(nasty) / sizeof(nasty[0]);
	char content[400], url[60], id[20], names[60];

	(void)state;
	srandom(5);
	for (unsigned i = 0; i < 20000; i++) {
		struct wire_message m = {
			.seq = (uint64_t)random() >> random() % 31,
			.time_ms = (uint64_t)random() * 1000,
			.type = (uint64_t)random() % 2,
			.sender = str_of("alice"),
			.content = random_text(content, 400, nasty, count),
			.media_url = random_text(url, 60, nasty, count),
			.mentions = random_names(names, 60),
			.client_id = random_text(id, 20, nasty, count),
			.reply_to = i % 3 == 0 ? (uint64_t)random() : 0,
		};

		assert_line_len(&m);
	}
}

static void the_length_of_a_line_is_known_at_its_edges(void **state)
{
	static const uint64_t numbers[] = {
		0, 1, 9, 10, 999, 1000, UINT64_MAX
	};
	char every_byte[256];
	struct wire_message m = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		m.seq = numbers[i];
		m.reply_to = numbers[i];
		assert_line_len(&m);
	}
	for (unsigned i = 0; i < 256; i++)
		every_byte[i] = (char)i;
	m.content = str_make(every_byte, sizeof(every_byte));
	assert_line_len(&m);
	m.mentions = str_of("  ");
	assert_line_len(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rubbish_is_refused_as_bad_request),
		cmocka_unit_test(bad_utf8_is_told_apart),
		cmocka_unit_test(size_is_checked_before_parsing),
		cmocka_unit_test(
			sixteen_levels_are_taken_and_seventeen_refused),
		cmocka_unit_test(getters_check_kind_and_range),
		cmocka_unit_test(any_text_comes_back_as_it_was),
		cmocka_unit_test(an_escape_is_found_at_any_place),
		cmocka_unit_test(a_message_has_the_fields_of_the_contract),
		cmocka_unit_test(
			keys_are_walked_and_objects_shown_a_member_a_line),
		cmocka_unit_test(
			the_length_of_a_line_is_known_without_building_it),
		cmocka_unit_test(the_length_of_a_line_is_known_at_its_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
