/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/query.h"

#include <inttypes.h>

#include "lib/text.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int query_decode(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.data[i] != '%') {
			buf_append_char(b, s.data[i]);
			continue;
		}
		if (s.len - i < 3)
			return -EINVAL;
		high = hex_digit(s.data[i + 1]);
		low = hex_digit(s.data[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		buf_append_char(b, (char)(high * 16 + low));
		i += 2;
	}
	return 0;
}

/* Takes the text up to the next sep off s. */
static struct str cut(struct str *s, char sep)
{
	struct str head = *s;
	const char *at = s->len == 0 ? NULL : memchr(s->data, sep, s->len);

	if (at != NULL)
		head.len = (size_t)(at - s->data);
	s->data = at == NULL ? NULL : at + 1;
	s->len = at == NULL ? 0 : s->len - head.len - 1;
	return head;
}

/* The raw value of key: how often it is there. */
static int find(struct str query, const char *key, struct str *value)
{
	int count = 0;

	while (query.len > 0) {
		struct str rest = cut(&query, '&');
		struct str name = cut(&rest, '=');

		if (!str_eq(name, str_of(key)))
			continue;
		*value = rest;
		count++;
	}
	return count;
}

int query_get_u64(struct str query, const char *key, uint64_t max,
		  uint64_t *out, struct err *err)
{
	struct str value = { 0 };
	int count = find(query, key, &value);
	struct buf text = { 0 };
	uint64_t n = 0;
	bool number;

	if (count == 0)
		return 0;
	number = count == 1 && query_decode(&text, value) == 0 &&
		 text_parse_u64(buf_str(&text), &n);
	buf_release(&text);
	if (!number)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" must be one whole number, 0 or above",
			       key);
	if (n > max)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" must not be above %" PRIu64, key, max);
	*out = n;
	return 1;
}

/* As forms are sent: a plus is a blank. */
static int decode_form(struct buf *out, struct str value)
{
	struct str piece;

	while (value.len > 0) {
		bool plus;

		piece = cut(&value, '+');
		plus = value.data != NULL;
		if (query_decode(out, piece) < 0)
			return -EINVAL;
		if (plus)
			buf_append_char(out, ' ');
		if (!plus)
			break;
	}
	return 0;
}

int query_get_text(struct str query, const char *key, struct buf *out,
		   struct err *err)
{
	struct str value = { 0 };
	int count = find(query, key, &value);

	if (count == 0)
		return 0;
	if (count > 1 || decode_form(out, value) < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" must be one percent-encoded text", key);
	return 1;
}
