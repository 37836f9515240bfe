/* SPDX-License-Identifier: MIT */
#include "lib/json.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "lib/text.h"

/* The two-character escape of a byte, or 0. */
static char short_escape(unsigned int c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static bool needs_escape(unsigned int c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

enum { BLOCK = 32 };

/* None of a block's bytes does: a few instructions on vectors. */
static bool is_plain_block(const uint8_t *s)
{
	uint8_t odd = 0;

	for (size_t i = 0; i < BLOCK; i++)
		odd |= (uint8_t)(s[i] < 0x20) | (s[i] == '"') | (s[i] == '\\') |
		       (s[i] == 0x7f);
	return odd == 0;
}

/* Bytes at the start of s that need no escape. */
static size_t plain_len(struct str s)
{
	const uint8_t *at = (const uint8_t *)s.data;
	size_t n = 0;

	while (s.len - n >= BLOCK && is_plain_block(at + n))
		n += BLOCK;
	/* The last block may begin in the one before. */
	if (n > 0 && n < s.len && s.len - n < BLOCK &&
	    is_plain_block(at + s.len - BLOCK))
		return s.len;
	while (n < s.len && !needs_escape(at[n]))
		n++;
	return n;
}

static struct str behind(struct str s, size_t n)
{
	return str_make(s.data + n, s.len - n);
}

static void put_escape(struct buf *b, unsigned int c)
{
	char e = short_escape(c);

	if (e != 0) {
		buf_append_char(b, '\\');
		buf_append_char(b, e);
	} else {
		buf_printf(b, "\\u%04x", c);
	}
}

void json_put_str(struct buf *b, struct str s)
{
	if (!buf_reserve(b, s.len + 2))
		return;
	buf_append_char(b, '"');
	while (s.len > 0) {
		size_t n = plain_len(s);

		buf_append(b, s.data, n);
		if (n < s.len)
			put_escape(b, (uint8_t)s.data[n++]);
		s = behind(s, n);
	}
	buf_append_char(b, '"');
}

void json_put_time(struct buf *b, uint64_t time_ms)
{
	char text[TEXT_TIME_LEN + 1];

	text_format_time(text, time_ms);
	buf_append_char(b, '"');
	buf_append(b, text, TEXT_TIME_LEN);
	buf_append_char(b, '"');
}

void json_put_epoch(struct buf *b, uint64_t epoch)
{
	buf_printf(b, "\"epoch\":\"%016" PRIx64 "\"", epoch);
}

/* "mentions":["bob","everyone"] from names with a space between. */
static void put_mentions(struct buf *b, struct str names)
{
	const char *sep = "";
	struct str name;

	buf_append_str(b, str_of(",\"mentions\":["));
	while (text_next_word(&names, &name)) {
		buf_append_str(b, str_of(sep));
		json_put_str(b, name);
		sep = ",";
	}
	buf_append_char(b, ']');
}

static char *put(char *at, struct str s)
{
	memcpy(at, s.data, s.len);
	return at + s.len;
}

/* What stands before the sender: one reservation for all of it. */
static void put_message_head(struct buf *b, const struct wire_message *m)
{
	char *at;

	if (!buf_reserve(b, 64 + TEXT_U64_MAX + TEXT_TIME_LEN))
		return;
	at = put(b->data + b->len, str_of("\"sequence_number\":"));
	at = text_format_u64(at, m->seq);
	at = put(at, str_of(",\"timestamp\":\""));
	text_format_time(at, m->time_ms);
	at = put(at + TEXT_TIME_LEN, str_of("\",\"sender\":"));
	*at = '\0';
	b->len = (size_t)(at - b->data);
}

void json_put_message_fields(struct buf *b, const struct wire_message *m)
{
	put_message_head(b, m);
	json_put_str(b, m->sender);
	buf_append_str(b, str_of(",\"content\":"));
	json_put_str(b, m->content);
	buf_append_str(b, m->type == MESSAGE_MEDIA
				  ? str_of(",\"message_type\":\"media\"")
				  : str_of(",\"message_type\":\"text\""));
	if (m->media_url.len > 0) {
		buf_append_str(b, str_of(",\"media_url\":"));
		json_put_str(b, m->media_url);
	}
	if (m->reply_to != 0) {
		buf_append_str(b, str_of(",\"reply_to_seq\":"));
		text_put_u64(b, m->reply_to);
	}
	if (m->mentions.len > 0)
		put_mentions(b, m->mentions);
	if (m->client_id.len > 0) {
		buf_append_str(b, str_of(",\"client_id\":"));
		json_put_str(b, m->client_id);
	}
}

void json_put_message(struct buf *b, const struct wire_message *m)
{
	buf_append_char(b, '{');
	json_put_message_fields(b, m);
	buf_append_char(b, '}');
}

void json_put_message_line(struct buf *b, const struct wire_message *m)
{
	json_put_message(b, m);
	buf_append_char(b, '\n');
}

/* Bytes that json_put_str() appends. */
static size_t str_len(struct str s)
{
	size_t len = s.len + 2;

	while (s.len > 0) {
		size_t n = plain_len(s);

		if (n < s.len)
			len += short_escape((uint8_t)s.data[n++]) != 0
				       ? 1
				       : strlen("u0000");
		s = behind(s, n);
	}
	return len;
}

/* Bytes that put_mentions() appends. */
static size_t mentions_len(struct str names)
{
	size_t len = strlen(",\"mentions\":[]");
	size_t comma = 0;
	struct str name;

	while (text_next_word(&names, &name)) {
		len += comma + str_len(name);
		comma = 1;
	}
	return len;
}

size_t json_message_line_len(const struct wire_message *m)
{
	/* What stands in every line, with the shorter type. */
	size_t len = strlen("{\"sequence_number\":,\"timestamp\":\"\","
			    "\"sender\":,\"content\":,"
			    "\"message_type\":\"text\"}\n") +
		     TEXT_TIME_LEN;

	if (m->type == MESSAGE_MEDIA)
		len += strlen("media") - strlen("text");
	len += text_decimal_len(m->seq) + str_len(m->sender) +
	       str_len(m->content);
	if (m->media_url.len > 0)
		len += strlen(",\"media_url\":") + str_len(m->media_url);
	if (m->reply_to != 0)
		len += strlen(",\"reply_to_seq\":") +
		       text_decimal_len(m->reply_to);
	if (m->mentions.len > 0)
		len += mentions_len(m->mentions);
	if (m->client_id.len > 0)
		len += strlen(",\"client_id\":") + str_len(m->client_id);
	return len;
}

/* Brackets outside of strings, so that the parser never recurses deeper. */
static bool too_deep(struct str text)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

int json_parse(struct json **out, struct str text, size_t max, struct err *err)
{
	size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	json_error_t why;
	json_t *root;

	*out = NULL;
	if (text.len > max)
		return err_set(err, ERR_TOO_LARGE,
			       "More than %zu bytes of JSON are not taken",
			       max);
	if (!text_is_utf8(text))
		return err_set(err, ERR_BAD_UTF8, NULL);
	if (too_deep(text))
		return err_set(err, ERR_BAD_REQUEST,
			       "JSON nested deeper than %d is not taken",
			       JSON_DEPTH_MAX);
	root = json_loadb(text.len == 0 ? "" : text.data, text.len, flags,
			  &why);
	if (root == NULL && json_error_code(&why) == json_error_invalid_utf8)
		return err_set(err, ERR_BAD_UTF8, NULL);
	if (root == NULL)
		return err_set(err, ERR_BAD_REQUEST,
			       "This is not valid JSON (line %d, column %d)",
			       why.line, why.column);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_BAD_REQUEST,
			       "A JSON object is expected");
	}
	*out = (struct json *)root;
	return 0;
}

void json_free(struct json *j)
{
	json_decref((json_t *)j);
}

static const json_t *value_of(const struct json *j)
{
	return (const json_t *)j;
}

/* The member, or NULL when there is none or it is null. */
static const json_t *member(const struct json *j, const char *key)
{
	const json_t *v = json_object_get(value_of(j), key);

	return json_is_null(v) ? NULL : v;
}

static int wrong(struct err *err, const char *key, const char *what)
{
	return err_set(err, ERR_BAD_REQUEST, "\"%s\" must be %s", key, what);
}

int json_get_str(const struct json *j, const char *key, size_t max_bytes,
		 struct str *out, struct err *err)
{
	const json_t *v = member(j, key);

	if (v == NULL)
		return 0;
	if (!json_is_string(v))
		return wrong(err, key, "a string");
	if (json_string_length(v) > max_bytes)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" is longer than %zu bytes", key,
			       max_bytes);
	*out = str_make(json_string_value(v), json_string_length(v));
	return 1;
}

int json_get_u64(const struct json *j, const char *key, uint64_t max,
		 uint64_t *out, struct err *err)
{
	const json_t *v = member(j, key);

	if (v == NULL)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return wrong(err, key, "a whole number, 0 or above");
	if ((uint64_t)json_integer_value(v) > max)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" must not be above %" PRIu64, key, max);
	*out = (uint64_t)json_integer_value(v);
	return 1;
}

int json_get_bool(const struct json *j, const char *key, bool *out,
		  struct err *err)
{
	const json_t *v = member(j, key);

	if (v == NULL)
		return 0;
	if (!json_is_boolean(v))
		return wrong(err, key, "true or false");
	*out = json_is_true(v);
	return 1;
}

int json_get_array(const struct json *j, const char *key, size_t max_items,
		   const struct json **out, struct err *err)
{
	const json_t *v = member(j, key);

	if (v == NULL)
		return 0;
	if (!json_is_array(v))
		return wrong(err, key, "an array");
	if (json_array_size(v) > max_items)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" has more than %zu items", key,
			       max_items);
	*out = (const struct json *)v;
	return 1;
}

int json_get_object(const struct json *j, const char *key,
		    const struct json **out, struct err *err)
{
	const json_t *v = member(j, key);

	if (v == NULL)
		return 0;
	if (!json_is_object(v))
		return wrong(err, key, "an object");
	*out = (const struct json *)v;
	return 1;
}

size_t json_array_len(const struct json *array)
{
	return json_array_size(value_of(array));
}

const struct json *json_array_at(const struct json *array, size_t i)
{
	assert(i < json_array_len(array));
	return (const struct json *)json_array_get(value_of(array), i);
}

bool json_as_str(const struct json *j, struct str *out)
{
	const json_t *v = value_of(j);

	if (!json_is_string(v))
		return false;
	*out = str_make(json_string_value(v), json_string_length(v));
	return true;
}

bool json_is_object_value(const struct json *j)
{
	return json_is_object(value_of(j));
}

static int put_piece(const char *data, size_t len, void *to)
{
	struct buf *b = (struct buf *)to;

	buf_append(b, data, len);
	return b->failed ? -1 : 0;
}

static void dump(struct buf *b, const struct json *j, size_t flags)
{
	if (json_dump_callback(value_of(j), put_piece, b,
			       flags | JSON_ENCODE_ANY) != 0)
		b->failed = true;
}

void json_put_value(struct buf *b, const struct json *j)
{
	dump(b, j, JSON_COMPACT);
}

void json_put_pretty(struct buf *b, const struct json *j)
{
	dump(b, j, JSON_INDENT(2));
}

/* json_object_iter() wants the object writable; nothing here changes it. */
bool json_key_at(const struct json *j, size_t i, struct str *key)
{
	json_t *object = (json_t *)(uintptr_t)value_of(j);
	void *at = json_object_iter(object);

	while (at != NULL && i-- > 0)
		at = json_object_iter_next(object, at);
	if (at != NULL)
		*key = str_make(json_object_iter_key(at),
				json_object_iter_key_len(at));
	return at != NULL;
}
