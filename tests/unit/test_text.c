/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/text.h"

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static bool is_group(const char *s)
{
	return text_is_group_name(str_of(s));
}

static bool is_user(const char *s)
{
	return text_is_user_name(str_of(s));
}

static void names_are_taken_or_refused_whole(void **state)
{
	char longest[66];

	(void)state;
	assert_true(is_group("a"));
	assert_true(is_group("0.b_c-d"));
	assert_false(is_group(""));
	assert_false(is_group("_a"));
	assert_false(is_group(".me"));
	assert_false(is_group("A"));
	assert_false(is_group("a/b"));
	assert_false(is_group("a\n"));
	assert_true(is_user("_apt"));
	assert_true(is_user("www-data"));
	assert_false(is_user("-x"));
	assert_false(is_user("everyone"));
	assert_false(text_is_user_name(str_make("a\0", 2)));
	memset(longest, 'a', sizeof(longest));
	assert_true(text_is_group_name(str_make(longest, 64)));
	assert_false(text_is_group_name(str_make(longest, 65)));
	assert_true(text_is_user_name(str_make(longest, 32)));
	assert_false(text_is_user_name(str_make(longest, 33)));
}

/* Appends a code point as UTF-8 would write it, also where it may not. */
static void put_code_point(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_append_char(b, (char)c);
	} else if (c < 0x800) {
		buf_append_char(b, (char)(uint8_t)(0xc0 | c >> 6));
		buf_append_char(b, (char)(uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_append_char(b, (char)(uint8_t)(0xe0 | c >> 12));
		buf_append_char(b, (char)(uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_append_char(b, (char)(uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_append_char(b, (char)(uint8_t)(0xf0 | c >> 18));
		buf_append_char(b, (char)(uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_append_char(b, (char)(uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_append_char(b, (char)(uint8_t)(0x80 | (c & 0x3f)));
	}
}

static void exactly_the_code_points_of_unicode_are_utf8(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (uint32_t c = 0; c < 0x140000; c++) {
		bool valid = c < 0xd800 || (c > 0xdfff && c < 0x110000);

		buf_clear(&b);
		put_code_point(&b, c);
		assert_int_equal(text_is_utf8(buf_str(&b)), valid);
		if (c >= 0x80 && valid) {
			struct str cut = str_make(b.data, b.len - 1);

			assert_false(text_is_utf8(cut));
		}
	}
	buf_release(&b);
}

static void bad_utf8_is_found_at_any_place(void **state)
{
	static const char *const bad[] = {
		"\x80",		"\xc0\x80",	    "\xc1\xbf",
		"\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80",
		"\xff",		"\xe2\x82",	    "\xc3\x28",
	};

	(void)state;
	assert_true(text_is_utf8(str_make(NULL, 0)));
	assert_true(text_is_utf8(str_make("a\0b", 3)));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t before = 0; before < 20; before++) {
			struct buf b = { 0 };

			for (size_t k = 0; k < before; k++)
				buf_append_char(&b, 'a');
			assert_true(text_is_utf8(buf_str(&b)));
			buf_append_str(&b, str_of(bad[i]));
			assert_false(text_is_utf8(buf_str(&b)));
			buf_append_str(&b, str_of("bbbbbbbbbb"));
			assert_false(text_is_utf8(buf_str(&b)));
			buf_release(&b);
		}
	}
}

static void times_are_those_of_the_c_library(void **state)
{
	uint64_t seed = 2463534242;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t t = next_random(&seed) % 253402300800000;
		time_t seconds = (time_t)(t / 1000);
		char out[TEXT_TIME_LEN + 1];
		char want[64];
		struct tm tm;
		uint64_t back;

		text_format_time(out, t);
		assert_non_null(gmtime_r(&seconds, &tm));
		assert_int_equal(
			strftime(want, sizeof(want), "%Y-%m-%dT%T.", &tm), 20);
		assert_memory_equal(out, want, 20);
		assert_int_equal(strlen(out), TEXT_TIME_LEN);
		assert_true(text_parse_time(str_of(out), &back));
		assert_true(back == t);
	}
}

static void times_at_the_ends_are_clamped_and_checked(void **state)
{
	static const char *const bad[] = {
		"2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z",
		"2026-00-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z",
		"2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z",
		"2026-01-01T00:00:60.000Z", "2026-01-01 00:00:00.000Z",
		"2026-01-01T00:00:00.000z", "2026-01-01T00:00:00.00Z",
		"1969-12-31T23:59:59.999Z", "+026-01-01T00:00:00.000Z",
		"9999-12-99T23:59:59.999Z",
	};
	char out[TEXT_TIME_LEN + 1];
	uint64_t t;

	(void)state;
	text_format_time(out, 0);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
	text_format_time(out, UINT64_MAX);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
	assert_true(text_parse_time(str_of("2024-02-29T01:02:03.004Z"), &t));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_parse_time(str_of(bad[i]), &t));
}

static void assert_escaped(const char *in, size_t len, const char *want)
{
	struct buf b = { 0 };
	struct buf back = { 0 };

	text_escape(&b, str_make(in, len));
	assert_string_equal(buf_cstr(&b), want);
	assert_int_equal(text_unescape(&back, buf_str(&b)), 0);
	assert_true(str_eq(buf_str(&back), str_make(in, len)));
	buf_release(&b);
	buf_release(&back);
}

static void escapes_are_those_of_the_header(void **state)
{
	(void)state;
	assert_escaped("a\\b\nc\td\re", 9, "a\\\\b\\nc\\td\\re");
	assert_escaped("\0\x1b\x7f", 3, "\\x00\\x1b\\x7f");
	assert_escaped("\xc2\x85\xc2\xa0", 4, "\\xc2\\x85\xc2\xa0");
	assert_escaped("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8");
	assert_escaped("\xe2\x80\x8d", 3, "\xe2\x80\x8d");
	assert_escaped("\xc3\xa9 \xf0\x9f\x98\x80", 7,
		       "\xc3\xa9 \xf0\x9f\x98\x80");
}

static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == '\\';
}

static void exactly_the_listed_code_points_are_escaped(void **state)
{
	struct buf in = { 0 };
	struct buf out = { 0 };

	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++) {
		buf_clear(&in);
		buf_clear(&out);
		put_code_point(&in, c);
		text_escape(&out, buf_str(&in));
		assert_int_equal(!str_eq(buf_str(&in), buf_str(&out)),
				 is_hidden(c));
	}
	buf_release(&in);
	buf_release(&out);
}

/* Text is looked at in blocks: at each place of one, and of the rest. */
static void an_escape_is_found_at_any_place(void **state)
{
	static const struct {
		const char *in, *out;
	} marks[] = { { "\\", "\\\\" },
		      { "\n", "\\n" },
		      { "\x1f", "\\x1f" },
		      { "\x7f", "\\x7f" },
		      { "\xc2\x9f", "\\xc2\\x9f" },
		      { "\xd8\x9c", "\\xd8\\x9c" },
		      { "\xe2\x80\xae", "\\xe2\\x80\\xae" },
		      { "\xe2\x82\xac", "\xe2\x82\xac" },
		      { "\xc2\xa0", "\xc2\xa0" } };
	static const char *const fills[] = { "a", "\xd0\xb6" };
	struct buf in = { 0 };
	struct buf want = { 0 };

	(void)state;
	for (size_t i = 0; i < 100 * sizeof(marks) / sizeof(marks[0]); i++) {
		const char *fill = fills[i % 2];

		for (size_t at = 0; at < 100; at++) {
			bool is_mark = at == i / 9;

			buf_append_str(
				&in, str_of(is_mark ? marks[i % 9].in : fill));
			buf_append_str(&want, str_of(is_mark ? marks[i % 9].out
							     : fill));
		}
		assert_escaped(in.data, in.len, buf_cstr(&want));
		buf_clear(&in);
		buf_clear(&want);
	}
	buf_release(&in);
	buf_release(&want);
}

static void an_unknown_or_cut_escape_is_refused(void **state)
{
	static const char *const bad[] = { "\\",    "a\\",  "\\q",
					   "\\x",   "\\x1", "\\xg1",
					   "\\x1g", "\\N",  "\\\\\\" };
	struct buf b = { 0 };

	(void)state;
	buf_append_str(&b, str_of("kept"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(text_unescape(&b, str_of(bad[i])), -EINVAL);
		assert_string_equal(buf_cstr(&b), "kept");
	}
	assert_int_equal(text_unescape(&b, str_of("\\x4A\\x4a")), 0);
	assert_string_equal(buf_cstr(&b), "keptJJ");
	buf_release(&b);
}

static void assert_line(const struct wire_message *m, const char *text)
{
	struct buf b = { 0 };
	struct buf want = { 0 };

	text_render(&b, m);
	buf_printf(&want, "7\t2026-11-24T12:00:03.120Z\talice\t%s\n", text);
	assert_string_equal(buf_cstr(&b), buf_cstr(&want));
	assert_int_equal(text_render_len(m), b.len);
	buf_release(&b);
	buf_release(&want);
}

static struct wire_message message(uint64_t reply_to, const char *content)
{
	return (struct wire_message){ .seq = 7,
				      .time_ms = 1795521603120,
				      .sender = str_of("alice"),
				      .reply_to = reply_to,
				      .content = str_of(content) };
}

static void lines_read_as_the_contract_says(void **state)
{
	struct wire_message m = message(0, "hi");

	(void)state;
	assert_line(&m, "hi");
	m = message(12, "yes");
	assert_line(&m, ">12 yes");
	m = message(0, ">12 yes");
	assert_line(&m, "\\x3e12 yes");
	m = message(0, ">12");
	assert_line(&m, ">12");
	m = message(0, "> quoted");
	assert_line(&m, "> quoted");
	m = message(3, ">12 yes");
	assert_line(&m, ">3 >12 yes");
	m = message(0, "[media x] y");
	assert_line(&m, "\\x5bmedia x] y");
	m = message(3, "[media x] y");
	assert_line(&m, ">3 \\x5bmedia x] y");
	m = message(UINT64_MAX, "[media");
	m.type = MESSAGE_MEDIA;
	m.media_url = str_of("https://h/a b]\t");
	assert_line(&m, ">18446744073709551615 "
			"[media https://h/a\\x20b\\x5d\\t] [media");
	m = message(0, "");
	assert_line(&m, "");
}

/* A reader of TEXT as anybody may write one: marks first, then unescape. */
struct reading {
	uint64_t reply_to;
	bool media;
	struct buf url;
	struct buf content;
};

static void read_text(struct str text, struct reading *r)
{
	static const char mark[] = "[media ";
	const char *end = text.data + text.len;
	const char *at = text.data;
	const char *p = at;

	if (p < end && *p == '>') {
		uint64_t v = 0;

		for (p++; p < end && *p >= '0' && *p <= '9'; p++)
			v = v * 10 + (uint64_t)(*p - '0');
		if (p > at + 1 && p < end && *p == ' ') {
			r->reply_to = v;
			at = p + 1;
		}
	}
	if ((size_t)(end - at) >= strlen(mark) &&
	    memcmp(at, mark, strlen(mark)) == 0) {
		at += strlen(mark);
		p = memchr(at, ']', (size_t)(end - at));
		assert_non_null(p);
		r->media = true;
		assert_null(memchr(at, ' ', (size_t)(p - at)));
		assert_int_equal(
			text_unescape(&r->url, str_make(at, (size_t)(p - at))),
			0);
		assert_int_equal(p[1], ' ');
		at = p + 2;
	}
	assert_int_equal(
		text_unescape(&r->content, str_make(at, (size_t)(end - at))),
		0);
}

/* Pieces that are marks, halves of marks, and code points of each class. */
static void put_random_text(struct buf *b, uint64_t *seed)
{
	static const char *const pieces[] = {
		">", "1",   "0",     " ",  "[media ", "[",  "media", "] ",
		"]", ">5 ", "\\x3e", "\\", "\n",      "\t", "x",     "@bob",
	};
	size_t count = next_random(seed) % 8;

	for (size_t i = 0; i < count; i++) {
		uint64_t r = next_random(seed);

		if (r % 4 != 0) {
			r = next_random(seed);
			buf_append_str(b, str_of(pieces[r % 16]));
		} else if (r % 3 == 0) {
			put_code_point(b, (uint32_t)(r >> 8) % 0x110000);
		} else if (r % 3 == 1) {
			put_code_point(b, (uint32_t)(r >> 8) % 0x100);
		} else {
			put_code_point(b, 0x2000 + (uint32_t)(r >> 8) % 0x80);
		}
	}
}

static void assert_round_trip(const struct wire_message *m)
{
	struct buf line = { 0 };
	struct reading r = { 0 };
	const char *at;

	text_render(&line, m);
	assert_int_equal(line.len, text_render_len(m));
	assert_int_equal(line.data[line.len - 1], '\n');
	assert_null(memchr(line.data, '\n', line.len - 1));
	at = line.data;
	for (int i = 0; i < 3; i++)
		at = strchr(at, '\t') + 1;
	read_text(str_make(at, (size_t)(line.data + line.len - 1 - at)), &r);
	assert_true(r.reply_to == m->reply_to);
	assert_int_equal(r.media, m->type == MESSAGE_MEDIA);
	if (r.media)
		assert_true(str_eq(buf_str(&r.url), m->media_url));
	assert_true(str_eq(buf_str(&r.content), m->content));
	buf_release(&line);
	buf_release(&r.url);
	buf_release(&r.content);
}

static void text_gives_back_what_was_sent(void **state)
{
	uint64_t seed = 123456789;
	struct buf content = { 0 };
	struct buf url = { 0 };

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct wire_message m = message(0, "");

		buf_clear(&content);
		buf_clear(&url);
		put_random_text(&content, &seed);
		put_random_text(&url, &seed);
		m.content = buf_str(&content);
		m.media_url = buf_str(&url);
		m.seq = next_random(&seed) >> (next_random(&seed) % 64);
		m.reply_to =
			next_random(&seed) % 2 == 0 ? 0 : next_random(&seed);
		m.type = next_random(&seed) % 2 == 0 ? MESSAGE_TEXT
						     : MESSAGE_MEDIA;
		assert_round_trip(&m);
	}
	buf_release(&content);
	buf_release(&url);
}

/* The store checks for UTF-8; should bytes rot, length and line still agree. */
static void random_bytes_have_the_length_they_are_said_to_have(void **state)
{
	uint64_t seed = 987654321;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char bytes[40];
		struct wire_message m = message(i % 3 == 0 ? 5 : 0, "");
		size_t len = next_random(&seed) % sizeof(bytes);
		struct buf exact = { 0 };

		for (size_t k = 0; k < len; k++) {
			uint64_t r = next_random(&seed);
			static const uint8_t lead[] = { 0xc2, 0xd8, 0xe2, 0x80,
							0x81, 0x9c, 0xa8, ' ' };

			bytes[k] = (char)(r % 2 == 0 ? (uint8_t)(r >> 8)
						     : lead[(r >> 8) % 8]);
		}
		buf_append(&exact, bytes, len);
		m.content = buf_str(&exact);
		m.media_url = m.content;
		m.type = i % 2 == 0 ? MESSAGE_TEXT : MESSAGE_MEDIA;
		assert_round_trip(&m);
		buf_release(&exact);
	}
}

static void assert_parsed(const char *line, uint64_t reply_to,
			  const char *content)
{
	uint64_t got;
	struct str rest;

	text_parse_line(str_of(line), &got, &rest);
	assert_true(got == reply_to);
	assert_true(str_eq(rest, str_of(content)));
}

static void a_written_line_may_begin_with_a_reply(void **state)
{
	(void)state;
	assert_parsed(">12 yes", 12, "yes");
	assert_parsed(">12  yes", 12, " yes");
	assert_parsed(">12 ", 12, "");
	assert_parsed(">18446744073709551615 x", UINT64_MAX, "x");
	assert_parsed(">18446744073709551616 x", 0, ">18446744073709551616 x");
	assert_parsed(">012 yes", 0, ">012 yes");
	assert_parsed(">0 yes", 0, ">0 yes");
	assert_parsed(">12", 0, ">12");
	assert_parsed(">12\tx", 0, ">12\tx");
	assert_parsed("> 12 x", 0, "> 12 x");
	assert_parsed(" >12 x", 0, " >12 x");
	assert_parsed("", 0, "");
}

static void assert_mentions(const char *content, const char *want)
{
	struct buf got = { 0 };
	size_t pos = 0;
	struct str name;

	while (text_next_mention(str_of(content), &pos, &name)) {
		buf_append_str(&got, name);
		buf_append_char(&got, ',');
	}
	assert_string_equal(buf_cstr(&got), want);
	assert_false(text_next_mention(str_of(content), &pos, &name));
	buf_release(&got);
}

static void mentions_begin_at_a_word_boundary(void **state)
{
	(void)state;
	assert_mentions("@bob", "bob,");
	assert_mentions("hi @bob, @alice!", "bob,alice,");
	assert_mentions("@bob. (@a.b-) @everyone", "bob,a.b,everyone,");
	assert_mentions("x@bob 1@bob _@bob .@bob -@bob /@bob X@bob", "");
	assert_mentions("\xc3\xa9@bob \xc3\xa9 @bob", "bob,");
	assert_mentions("@@bob", "");
	assert_mentions("@ @. @- @B @", "");
	assert_mentions("@bob@alice", "bob,");
	assert_mentions("@bobX @bob\xc3\xa9 @bob's @_apt", "bob,_apt,");
	assert_mentions("@aaaaaaaaaabbbbbbbbbbccccccccccdd",
			"aaaaaaaaaabbbbbbbbbbccccccccccdd,");
	assert_mentions("@aaaaaaaaaabbbbbbbbbbccccccccccddd", "");
	assert_mentions("", "");
}

static void only_plain_numbers_that_fit_are_numbers(void **state)
{
	uint64_t v;

	(void)state;
	assert_true(text_parse_u64(str_of("0"), &v) && v == 0);
	assert_true(text_parse_u64(str_of("007"), &v) && v == 7);
	assert_true(text_parse_u64(str_of("18446744073709551615"), &v) &&
		    v == UINT64_MAX);
	assert_false(text_parse_u64(str_of("18446744073709551616"), &v));
	assert_false(text_parse_u64(str_of("99999999999999999999"), &v));
	assert_false(text_parse_u64(str_of(""), &v));
	assert_false(text_parse_u64(str_of("+1"), &v));
	assert_false(text_parse_u64(str_of("-1"), &v));
	assert_false(text_parse_u64(str_of(" 1"), &v));
	assert_false(text_parse_u64(str_of("1 "), &v));
	assert_false(text_parse_u64(str_of("0x1"), &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_or_refused_whole),
		cmocka_unit_test(exactly_the_code_points_of_unicode_are_utf8),
		cmocka_unit_test(bad_utf8_is_found_at_any_place),
		cmocka_unit_test(times_are_those_of_the_c_library),
		cmocka_unit_test(times_at_the_ends_are_clamped_and_checked),
		cmocka_unit_test(escapes_are_those_of_the_header),
		cmocka_unit_test(exactly_the_listed_code_points_are_escaped),
		cmocka_unit_test(an_escape_is_found_at_any_place),
		cmocka_unit_test(an_unknown_or_cut_escape_is_refused),
		cmocka_unit_test(lines_read_as_the_contract_says),
		cmocka_unit_test(text_gives_back_what_was_sent),
		cmocka_unit_test(
			random_bytes_have_the_length_they_are_said_to_have),
		cmocka_unit_test(a_written_line_may_begin_with_a_reply),
		cmocka_unit_test(mentions_begin_at_a_word_boundary),
		cmocka_unit_test(only_plain_numbers_that_fit_are_numbers),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
