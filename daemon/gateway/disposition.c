/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/disposition.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "daemon/gateway/query.h"

static bool is_token(char c)
{
	return isalnum((unsigned char)c) ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_space(struct str *s)
{
	while (s->len > 0 && (s->data[0] == ' ' || s->data[0] == '\t')) {
		s->data++;
		s->len--;
	}
}

static bool take_char(struct str *s, char c)
{
	if (s->len == 0 || s->data[0] != c)
		return false;
	s->data++;
	s->len--;
	return true;
}

static struct str take_token(struct str *s)
{
	struct str token = str_make(s->data, 0);

	while (token.len < s->len && is_token(s->data[token.len]))
		token.len++;
	s->data += token.len;
	s->len -= token.len;
	return token;
}

static int take_quoted(struct str *s, struct buf *out)
{
	size_t i = 1;

	for (; i < s->len && s->data[i] != '"'; i++) {
		if (s->data[i] == '\\' && i + 1 < s->len &&
		    (s->data[i + 1] == '"' || s->data[i + 1] == '\\'))
			i++;
		buf_append_char(out, s->data[i]);
	}
	if (i >= s->len)
		return -EINVAL;
	s->data += i + 1;
	s->len -= i + 1;
	return 0;
}

static int take_value(struct str *s, struct buf *out)
{
	struct str token;

	if (s->len > 0 && s->data[0] == '"')
		return take_quoted(s, out);
	token = take_token(s);
	buf_append_str(out, token);
	return token.len > 0 ? 0 : -EINVAL;
}

/* UTF-8'language'percent-encoded */
static int decode_extended(struct str value, struct buf *out)
{
	static const char charset[] = "utf-8'";
	size_t n = sizeof(charset) - 1;
	const char *quote;

	if (value.len <= n || strncasecmp(value.data, charset, n) != 0)
		return -EINVAL;
	value = str_make(value.data + n, value.len - n);
	quote = memchr(value.data, '\'', value.len);
	if (quote == NULL)
		return -EINVAL;
	quote++;
	return query_decode(
		out, str_make(quote, value.len - (size_t)(quote - value.data)));
}

static bool is_named(struct str key, const char *name)
{
	return key.len == strlen(name) &&
	       strncasecmp(key.data, name, key.len) == 0;
}

struct seen {
	bool extended;
	bool plain;
};

static int put_param(struct disposition *d, struct str key, struct buf *value,
		     struct seen *seen)
{
	if (is_named(key, "filename*")) {
		if (seen->extended)
			return -EINVAL;
		seen->extended = true;
		d->has_filename = true;
		buf_clear(&d->filename);
		return decode_extended(buf_str(value), &d->filename);
	}
	if (is_named(key, "filename")) {
		if (seen->plain)
			return -EINVAL;
		seen->plain = true;
		d->has_filename = true;
		if (!seen->extended)
			buf_append_str(&d->filename, buf_str(value));
	} else if (is_named(key, "name")) {
		if (d->has_name)
			return -EINVAL;
		d->has_name = true;
		buf_append_str(&d->name, buf_str(value));
	}
	return 0;
}

static int take_param(struct str *s, struct disposition *d, struct seen *seen)
{
	struct buf value = { 0 };
	struct str key;
	int rc = -EINVAL;

	skip_space(s);
	key = take_token(s);
	skip_space(s);
	if (key.len > 0 && take_char(s, '=')) {
		skip_space(s);
		rc = take_value(s, &value);
	}
	if (rc == 0)
		rc = put_param(d, key, &value, seen);
	if (value.failed)
		rc = -ENOMEM;
	buf_release(&value);
	skip_space(s);
	return rc;
}

int disposition_parse(struct str value, struct disposition *d)
{
	struct seen seen = { 0 };
	struct str type;
	int rc = 0;

	skip_space(&value);
	type = take_token(&value);
	for (size_t i = 0; i < type.len; i++)
		buf_append_char(&d->type,
				(char)tolower((unsigned char)type.data[i]));
	skip_space(&value);
	if (type.len == 0)
		return -EINVAL;
	while (rc == 0 && take_char(&value, ';')) {
		skip_space(&value);
		/* A ';' at the end is what some clients write. */
		if (value.len > 0)
			rc = take_param(&value, d, &seen);
	}
	if (rc == 0 && value.len > 0)
		rc = -EINVAL;
	if (rc == 0 && (d->type.failed || d->name.failed || d->filename.failed))
		rc = -ENOMEM;
	return rc;
}

void disposition_release(struct disposition *d)
{
	buf_release(&d->type);
	buf_release(&d->name);
	buf_release(&d->filename);
}

void disposition_unquote_form(struct buf *filename)
{
	size_t to = 0;

	for (size_t i = 0; i < filename->len; i++) {
		char c = filename->data[i];

		if (filename->len - i >= 3 &&
		    memcmp(filename->data + i, "%22", 3) == 0) {
			c = '"';
			i += 2;
		}
		filename->data[to++] = c;
	}
	if (to < filename->len)
		buf_truncate(filename, to);
}

void disposition_put(struct buf *b, bool shown, struct str filename)
{
	bool plain = true;

	buf_append_str(b, str_of(shown ? "inline" : "attachment"));
	buf_append_str(b, str_of("; filename=\""));
	for (size_t i = 0; i < filename.len; i++) {
		char c = filename.data[i];
		bool fine = c >= ' ' && c <= '~' && c != '"' && c != '\\' &&
			    c != '%';

		plain = plain && fine;
		/* One for a character, however many bytes it has. */
		if (((unsigned char)c & 0xc0) != 0x80)
			buf_append_char(b, fine ? c : '_');
	}
	buf_append_char(b, '"');
	if (plain)
		return;
	buf_append_str(b, str_of("; filename*=UTF-8''"));
	for (size_t i = 0; i < filename.len; i++) {
		char c = filename.data[i];

		if (isalnum((unsigned char)c) || strchr("-._~", c) != NULL)
			buf_append_char(b, c);
		else
			buf_printf(b, "%%%02X", (unsigned char)c);
	}
}
