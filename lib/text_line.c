/* SPDX-License-Identifier: MIT */
#include "lib/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct str str_from(struct str s, size_t n)
{
	return str_make(s.data + n, s.len - n);
}

enum byte_class {
	PLAIN,
	SHORT, /* backslash and a letter */
	HEX,   /* \xNN */
	LEAD   /* PLAIN or HEX: what follows decides */
};

static enum byte_class class_of(uint8_t c)
{
	if (c == '\\' || c == '\n' || c == '\t' || c == '\r')
		return SHORT;
	if (c < 0x20 || c == 0x7f)
		return HEX;
	if (c == 0xc2 || c == 0xd8 || c == 0xe2)
		return LEAD;
	return PLAIN;
}

size_t text_hidden_len(const uint8_t *s, size_t left)
{
	if (left < 2)
		return 0;
	if (s[0] == 0xc2) /* C1: U+0080-9F */
		return s[1] >= 0x80 && s[1] <= 0x9f ? 2 : 0;
	if (s[0] == 0xd8) /* U+061C */
		return s[1] == 0x9c ? 2 : 0;
	if (left < 3 || s[0] != 0xe2)
		return 0;
	if (s[1] == 0x80) /* U+200E/F, U+2028-E */
		return s[2] == 0x8e || s[2] == 0x8f ||
				       (s[2] >= 0xa8 && s[2] <= 0xae)
			       ? 3
			       : 0;
	/* U+2066-9 */
	return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9 ? 3 : 0;
}

/* A stretch of bytes that are all written the same way. */
struct span {
	enum byte_class how; /* not LEAD */
	size_t len;	     /* at least 1 */
};

enum { BLOCK = 32 };

/* Loops of this form over so many bytes become a few instructions on vectors;
 * most text is ASCII. */
static bool is_ascii_block(const uint8_t *s)
{
	uint8_t odd = 0;

	for (size_t i = 0; i < BLOCK; i++)
		odd |= (uint8_t)((int8_t)s[i] < 0x20) | (s[i] == '\\') |
		       (s[i] == 0x7f);
	return odd == 0;
}

static bool is_plain_block(const uint8_t *s)
{
	uint8_t odd = 0;

	for (size_t i = 0; i < BLOCK; i++)
		odd |= (uint8_t)(s[i] < 0x20) | (s[i] == '\\') |
		       (s[i] == 0x7f) | (s[i] == 0xc2) | (s[i] == 0xd8) |
		       (s[i] == 0xe2);
	return odd == 0;
}

/* Bytes at the start of s that are PLAIN, as far as that is quickly seen. */
static size_t plain_blocks(const uint8_t *s, size_t len)
{
	size_t n = 0;

	while (len - n >= BLOCK &&
	       (is_ascii_block(s + n) || is_plain_block(s + n)))
		n += BLOCK;
	/* The last block may begin in the one before. */
	if (n > 0 && n < len && len - n < BLOCK &&
	    is_plain_block(s + len - BLOCK))
		n = len;
	return n;
}

/* The next stretch of s, which is not empty. */
static struct span next_span(struct str s)
{
	const uint8_t *at = (const uint8_t *)s.data;
	size_t n = plain_blocks(at, s.len);

	while (n < s.len) {
		enum byte_class how = class_of(at[n]);
		size_t hidden = 1;

		if (how == LEAD) {
			hidden = text_hidden_len(at + n, s.len - n);
			how = hidden == 0 ? PLAIN : HEX;
		}
		if (how != PLAIN)
			return n > 0 ? (struct span){ PLAIN, n }
				     : (struct span){ how, hidden };
		n++;
		if (n % BLOCK == 0)
			n += plain_blocks(at + n, s.len - n);
	}
	return (struct span){ PLAIN, n };
}

static void put_hex(struct buf *b, const char *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)data[i];
		char out[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

		buf_append(b, out, sizeof(out));
	}
}

static void put_short(struct buf *b, char c)
{
	char out[2] = { '\\', c };

	if (c == '\n')
		out[1] = 'n';
	else if (c == '\t')
		out[1] = 't';
	else if (c == '\r')
		out[1] = 'r';
	buf_append(b, out, sizeof(out));
}

void text_escape(struct buf *b, struct str s)
{
	while (s.len > 0) {
		struct span span = next_span(s);

		if (span.how == PLAIN)
			buf_append(b, s.data, span.len);
		else if (span.how == SHORT)
			put_short(b, s.data[0]);
		else
			put_hex(b, s.data, span.len);
		s = str_from(s, span.len);
	}
}

/* Bytes that text_escape() appends. */
static size_t escaped_len(struct str s)
{
	size_t len = 0;

	while (s.len > 0) {
		struct span span = next_span(s);

		if (span.how == PLAIN)
			len += span.len;
		else if (span.how == SHORT)
			len += 2;
		else
			len += 4 * span.len;
		s = str_from(s, span.len);
	}
	return len;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Appends what the escape at the start of s stands for, and returns its
 * bytes; 0 when it is none. */
static size_t unescape_one(struct buf *b, struct str s)
{
	int high;
	int low;

	if (s.len < 2)
		return 0;
	switch (s.data[1]) {
	case '\\':
		buf_append_char(b, '\\');
		return 2;
	case 'n':
		buf_append_char(b, '\n');
		return 2;
	case 't':
		buf_append_char(b, '\t');
		return 2;
	case 'r':
		buf_append_char(b, '\r');
		return 2;
	case 'x':
		break;
	default:
		return 0;
	}
	if (s.len < 4)
		return 0;
	high = hex_value(s.data[2]);
	low = hex_value(s.data[3]);
	if (high < 0 || low < 0)
		return 0;
	buf_append_char(b, (char)(uint8_t)(high << 4 | low));
	return 4;
}

int text_unescape(struct buf *b, struct str s)
{
	size_t start = b->len;

	while (s.len > 0) {
		const char *mark = memchr(s.data, '\\', s.len);
		size_t plain = mark == NULL ? s.len : (size_t)(mark - s.data);
		size_t n;

		buf_append(b, s.data, plain);
		s = str_from(s, plain);
		if (s.len == 0)
			break;
		n = unescape_one(b, s);
		if (n == 0) {
			buf_truncate(b, start);
			return -EINVAL;
		}
		s = str_from(s, n);
	}
	return 0;
}

/*
 * Lines
 */

/* ">DIGITS " */
static bool reads_as_reply(struct str s)
{
	size_t i = 1;

	if (s.len == 0 || s.data[0] != '>')
		return false;
	while (i < s.len && is_digit(s.data[i]))
		i++;
	return i > 1 && i < s.len && s.data[i] == ' ';
}

static bool reads_as_media(struct str s)
{
	struct str mark = str_of("[media ");

	return s.len >= mark.len && str_eq(str_make(s.data, mark.len), mark);
}

/*
 * TEXT is read as: a reply's mark if there is one, then a media mark if there
 * is one, then content. So content may look like a mark only behind a media
 * mark; behind a reply's mark it may still look like another reply's.
 */
static bool must_hide_first(const struct wire_message *m)
{
	if (m->type == MESSAGE_MEDIA)
		return false;
	return reads_as_media(m->content) ||
	       (m->reply_to == 0 && reads_as_reply(m->content));
}

/* What ends the URL of a media mark, or makes it two words. */
static bool is_url_mark(char c)
{
	return c == ' ' || c == ']';
}

static void put_url(struct buf *b, struct str url)
{
	while (url.len > 0) {
		size_t n = 0;

		while (n < url.len && !is_url_mark(url.data[n]))
			n++;
		text_escape(b, str_make(url.data, n));
		url = str_from(url, n);
		if (url.len > 0) {
			put_hex(b, url.data, 1);
			url = str_from(url, 1);
		}
	}
}

/* Bytes that put_url() appends: a cut at an ASCII byte changes no escape. */
static size_t url_len(struct str url)
{
	size_t len = escaped_len(url);

	for (size_t i = 0; i < url.len; i++) {
		if (is_url_mark(url.data[i]))
			len += 3;
	}
	return len;
}

size_t text_decimal_len(uint64_t v)
{
	size_t n = 1;

	while (v >= 10) {
		v /= 10;
		n++;
	}
	return n;
}

void text_put_u64(struct buf *b, uint64_t v)
{
	char digits[TEXT_U64_MAX];

	buf_append(b, digits, (size_t)(text_format_u64(digits, v) - digits));
}

static void put_text(struct buf *b, const struct wire_message *m)
{
	struct str content = m->content;

	if (m->reply_to != 0) {
		buf_append_char(b, '>');
		text_put_u64(b, m->reply_to);
		buf_append_char(b, ' ');
	}
	if (m->type == MESSAGE_MEDIA) {
		buf_append_str(b, str_of("[media "));
		put_url(b, m->media_url);
		buf_append_str(b, str_of("] "));
	}
	if (must_hide_first(m)) {
		put_hex(b, content.data, 1);
		content = str_from(content, 1);
	}
	text_escape(b, content);
}

/* All before TEXT, and room for TEXT where nothing in it is escaped: one
 * reservation a line. */
static bool put_head(struct buf *b, const struct wire_message *m)
{
	char *at;

	if (!buf_reserve(b, TEXT_U64_MAX + TEXT_TIME_LEN + m->sender.len +
				    m->content.len + 4))
		return false;
	at = text_format_u64(b->data + b->len, m->seq);
	*at++ = '\t';
	text_format_time(at, m->time_ms);
	at += TEXT_TIME_LEN;
	*at++ = '\t';
	if (m->sender.len > 0)
		memcpy(at, m->sender.data, m->sender.len);
	at += m->sender.len;
	*at++ = '\t';
	b->len = (size_t)(at - b->data);
	return true;
}

void text_render(struct buf *b, const struct wire_message *m)
{
	if (!put_head(b, m))
		return;
	put_text(b, m);
	buf_append_char(b, '\n');
}

size_t text_render_len(const struct wire_message *m)
{
	size_t len = text_decimal_len(m->seq) + 1 + TEXT_TIME_LEN + 1 +
		     m->sender.len + 1 + escaped_len(m->content) + 1;

	if (m->reply_to != 0)
		len += 1 + text_decimal_len(m->reply_to) + 1;
	if (m->type == MESSAGE_MEDIA)
		len += strlen("[media ") + url_len(m->media_url) + strlen("] ");
	if (must_hide_first(m))
		len += 3;
	return len;
}

void text_parse_line(struct str line, uint64_t *reply_to, struct str *content)
{
	const char *space;
	struct str number;

	*reply_to = 0;
	*content = line;
	if (!reads_as_reply(line) || line.data[1] == '0')
		return;
	space = memchr(line.data, ' ', line.len);
	assert(space != NULL);
	number = str_make(line.data + 1, (size_t)(space - line.data) - 1);
	if (text_parse_u64(number, reply_to))
		*content = str_from(line, number.len + 2);
}
