/* SPDX-License-Identifier: MIT */
/*
 * Messages as lines, names, times, mentions. FILES: lib/text.c lib/text_line.c
 *
 * Input: a byte of kinds, an URL up to a NUL, content. A rendered line holds
 * nothing that steers a terminal, is as long as was said, and read back gives
 * what was sent.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/query.h"
#include "lib/text.h"

/* RFC 3629 once more, in another way: the code point at s, or -1. */
static int32_t code_point(const uint8_t *s, size_t left, size_t *len)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	int32_t c = n == 1 ? s[0] : s[0] & (0xff >> (n + 1));

	*len = n;
	if ((s[0] >= 0x80 && s[0] < 0xc0) || s[0] >= 0xf8 || n > left)
		return -1;
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return -1;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	return c;
}

static bool steers(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* Whether it is UTF-8; *harmless: nothing in it steers a terminal. */
static bool look(struct str s, bool *harmless)
{
	const uint8_t *at = (const uint8_t *)s.data;
	size_t len = 0;

	*harmless = true;
	for (size_t i = 0; i < s.len; i += len) {
		int32_t c = code_point(at + i, s.len - i, &len);

		if (c < 0)
			return false;
		*harmless = *harmless && !steers(c);
	}
	return true;
}

static void check_escape(struct str s)
{
	struct buf escaped = { 0 }, back = { 0 };
	bool harmless;
	bool utf8 = look(s, &harmless);

	assert(utf8 == text_is_utf8(s));
	text_escape(&escaped, s);
	if (utf8)
		assert(look(buf_str(&escaped), &harmless) && harmless);
	assert(text_unescape(&back, buf_str(&escaped)) == 0);
	assert(str_eq(buf_str(&back), s));
	buf_clear(&back);
	if (text_unescape(&back, s) < 0)
		assert(back.len == 0);
	buf_release(&escaped);
	buf_release(&back);
}

/* What stands before a mark of so many bytes at its end; the line goes on. */
static struct str take(struct str *line, const char *mark)
{
	const char *at = memmem(line->data, line->len, mark, strlen(mark));
	struct str head;

	assert(at != NULL);
	head = str_make(line->data, (size_t)(at - line->data));
	*line = str_make(at + strlen(mark),
			 line->len - head.len - strlen(mark));
	return head;
}

static bool begins(struct str s, const char *with)
{
	return s.len >= strlen(with) && memcmp(s.data, with, strlen(with)) == 0;
}

static bool is_reply(struct str s)
{
	size_t n = 1;

	while (n < s.len && s.data[n] >= '0' && s.data[n] <= '9')
		n++;
	return begins(s, ">") && n > 1 && n < s.len && s.data[n] == ' ';
}

/* TEXT, read as the header says that it can be. */
static void check_text(struct str text, const struct wire_message *m)
{
	struct buf content = { 0 }, url = { 0 };
	uint64_t reply_to = 0;

	if (is_reply(text)) {
		struct str number = take(&text, " ");

		assert(text_parse_u64(str_make(number.data + 1, number.len - 1),
				      &reply_to));
	}
	assert(reply_to == m->reply_to);
	assert(begins(text, "[media ") == (m->type == MESSAGE_MEDIA));
	if (m->type == MESSAGE_MEDIA) {
		(void)take(&text, "[media ");
		assert(text_unescape(&url, take(&text, "] ")) == 0);
		assert(str_eq(buf_str(&url), m->media_url));
	}
	assert(text_unescape(&content, text) == 0);
	assert(str_eq(buf_str(&content), m->content));
	buf_release(&content);
	buf_release(&url);
}

static void check_line(const struct wire_message *m)
{
	struct buf b = { 0 };
	struct str line;
	uint64_t seq, time_ms;
	bool harmless;

	text_render(&b, m);
	assert(b.len == text_render_len(m));
	line = buf_str(&b);
	assert(line.data[--line.len] == '\n');
	assert(text_parse_u64(take(&line, "\t"), &seq) && seq == m->seq);
	assert(text_parse_time(take(&line, "\t"), &time_ms) &&
	       time_ms == m->time_ms);
	assert(str_eq(take(&line, "\t"), m->sender));
	if (look(line, &harmless))
		assert(harmless);
	else
		assert(!text_is_utf8(m->content) ||
		       !text_is_utf8(m->media_url));
	check_text(line, m);
	buf_release(&b);
}

static void check_typed(struct str line)
{
	struct buf b = { 0 };
	struct str content;
	uint64_t reply_to;

	text_parse_line(line, &reply_to, &content);
	if (reply_to != 0)
		buf_printf(&b, ">%llu ", (unsigned long long)reply_to);
	buf_append_str(&b, content);
	assert(str_eq(buf_str(&b), line));
	buf_release(&b);
}

static void check_mentions(struct str content)
{
	struct str name, word, list = content;
	size_t pos = 0, before = 0;

	while (text_next_mention(content, &pos, &name)) {
		assert(pos > before && pos <= content.len);
		assert(name.data > content.data && name.data[-1] == '@');
		assert(text_is_user_name(name) ||
		       str_eq(name, str_of("everyone")));
		before = pos;
	}
	assert(pos == content.len);
	while (text_next_word(&list, &word))
		assert(word.len > 0 &&
		       memchr(word.data, ' ', word.len) == NULL);
}

static void check_numbers(struct str s)
{
	char time[TEXT_TIME_LEN + 1];
	struct buf b = { 0 };
	uint64_t v;

	if (text_parse_time(s, &v)) {
		text_format_time(time, v);
		assert(str_eq(str_of(time), s));
	}
	if (text_parse_u64(s, &v)) {
		text_put_u64(&b, v);
		assert(b.len == text_decimal_len(v) && b.len <= TEXT_U64_MAX);
		while (s.len > 1 && s.data[0] == '0')
			s = str_make(s.data + 1, s.len - 1);
		assert(str_eq(buf_str(&b), s));
	}
	buf_release(&b);
}

static void check_names(struct str s)
{
	struct buf url = { 0 }, back = { 0 };
	bool harmless;

	if (text_is_group_name(s))
		assert(s.len <= WIRE_NAME_MAX);
	if (text_is_user_name(s))
		assert(s.len <= WIRE_USER_MAX &&
		       (text_is_group_name(s) || s.data[0] == '_'));
	if (!text_is_file_name(s))
		return;
	assert(look(s, &harmless) && harmless && s.len <= WIRE_FILE_MAX);
	text_media_url(&url, s);
	assert(query_decode(&back, buf_str(&url)) == 0);
	assert(begins(buf_str(&back), "media/"));
	assert(str_eq(str_make(back.data + 6, back.len - 6), s));
	buf_release(&url);
	buf_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t kinds = fuzz_byte(&in);
	struct str url = fuzz_until(&in, '\0');
	char *copy = fuzz_copy(in);
	struct str content = str_make(copy, in.len);
	struct wire_message m = {
		.seq = (uint64_t)kinds << (kinds % 57),
		.time_ms = UINT64_C(253402300799999) / (1 + kinds),
		.sender = str_of("bob"),
		.content = content,
		.type = kinds & 1 ? MESSAGE_MEDIA : MESSAGE_TEXT,
		.media_url = kinds & 1 ? url : str_of(""),
		.reply_to = kinds & 2 ? kinds * UINT64_C(0x101010101010101) : 0,
	};

	check_escape(content);
	check_line(&m);
	check_typed(content);
	check_mentions(content);
	check_numbers(content);
	check_names(content);
	free(copy);
	return 0;
}
