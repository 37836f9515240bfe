/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/tap.h"

#include <string.h>

#include "daemon/gateway/gateway.h"

enum line {
	LINE_METHOD,
	LINE_TARGET, /* and the version */
	LINE_LF,     /* after a CR */
	LINE_NAME,   /* the first letter of a field, or the last CR */
	LINE_NAME_ON,
	LINE_VALUE,
	LINE_END /* the last LF */
};

enum {
	FIN = 0x80,
	RSV = 0x70,
	OPCODE = 0x0f,
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	OP_CONTINUATION = 0,
	OP_TEXT = 1,
	OP_BINARY = 2,
	OP_CLOSE = 8,
	OP_PONG = 10,
	CLOSE_PROTOCOL = 1002,
	CLOSE_TOO_LARGE = 1009
};

static bool (*refused_name)(struct str name);

void tap_set_refused_names(bool (*refused)(struct str name))
{
	refused_name = refused;
}

void tap_next(struct tap *t)
{
	*t = (struct tap){ .phase = TAP_HEAD };
}

void tap_open_frames(struct tap *t)
{
	*t = (struct tap){ .phase = TAP_FRAMES };
}

static bool refuse(struct tap *t, unsigned int code)
{
	t->phase = TAP_REFUSED;
	t->refusal = code;
	return false;
}

/* Heads. */

static struct str name_of(const struct tap *t)
{
	return str_make(t->name, t->name_len > TAP_NAME_MAX ? 0 : t->name_len);
}

static void add_to_name(struct tap *t, char c)
{
	if (t->name_len < TAP_NAME_MAX)
		t->name[t->name_len++] = c;
	else
		t->name_len = TAP_NAME_MAX + 1;
}

static bool is_method(const struct tap *t)
{
	static const char *const methods[] = { "GET",	 "HEAD",  "POST",
					       "PUT",	 "PATCH", "DELETE",
					       "OPTIONS" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (str_eq(name_of(t), str_of(methods[i])))
			return true;
	}
	return false;
}

/* RFC 9110 5.6.2: tchar */
static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static bool take_method(struct tap *t, char c)
{
	if (c == ' ' && t->name_len > 0) {
		t->line = LINE_TARGET;
		return is_method(t) || refuse(t, 501);
	}
	if (!is_token_char(c))
		return refuse(t, 400);
	add_to_name(t, c);
	return true;
}

static bool begin_value(struct tap *t)
{
	t->line = LINE_VALUE;
	t->is_length = str_eq(name_of(t), str_of("content-length"));
	t->number = 0;
	t->has_number = false;
	t->number_over = false;
	if (refused_name != NULL && refused_name(name_of(t)))
		return refuse(t, 400);
	return true;
}

static bool take_name(struct tap *t, char c)
{
	bool first = t->line == LINE_NAME;

	if (first && c == '\r') {
		t->line = LINE_END;
		return true;
	}
	if (first)
		t->name_len = 0;
	if (!first && c == ':')
		return begin_value(t);
	/* A blank at the start would go on with the line before. */
	if (!is_token_char(c))
		return refuse(t, 400);
	t->line = LINE_NAME_ON;
	add_to_name(t, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
	return true;
}

static bool take_digit(struct tap *t, char c)
{
	if (c == ' ' || c == '\t') {
		t->number_over = t->has_number;
		return true;
	}
	if (c < '0' || c > '9' || t->number_over)
		return refuse(t, 400);
	if (t->number > (UINT64_MAX >> 1) / 10 - 1)
		return refuse(t, 413);
	t->number = t->number * 10 + (uint64_t)(c - '0');
	t->has_number = true;
	return true;
}

/* Twice the same is one; anything else would make two lengths of one body. */
static bool end_length(struct tap *t)
{
	if (!t->has_number || (t->has_length && t->length != t->number))
		return refuse(t, 400);
	t->has_length = true;
	t->length = t->number;
	return true;
}

static bool take_value(struct tap *t, char c)
{
	if (c == '\r') {
		t->line = LINE_LF;
		return !t->is_length || end_length(t);
	}
	if (is_control(c))
		return refuse(t, 400);
	return !t->is_length || take_digit(t, c);
}

static bool take_line_end(struct tap *t, char c)
{
	if (c != '\n')
		return refuse(t, 400);
	if (t->line == LINE_LF) {
		t->line = LINE_NAME;
		return true;
	}
	t->left = t->length;
	t->phase = t->left > 0 ? TAP_BODY : TAP_HELD;
	return true;
}

static bool take_head(struct tap *t, char c)
{
	if (++t->head_len > TAP_HEAD_MAX)
		return refuse(t, 431);
	switch ((enum line)t->line) {
	case LINE_METHOD:
		return take_method(t, c);
	case LINE_TARGET:
		if (c == '\r')
			t->line = LINE_LF;
		return c == '\r' || !is_control(c) || refuse(t, 400);
	case LINE_NAME:
	case LINE_NAME_ON:
		return take_name(t, c);
	case LINE_VALUE:
		return take_value(t, c);
	case LINE_LF:
	case LINE_END:
		return take_line_end(t, c);
	}
	return false;
}

/* Frames. */

static size_t header_size(const struct tap *t)
{
	size_t size = 2;

	if ((t->header[1] & LENGTH) == LENGTH_16)
		size += 2;
	else if ((t->header[1] & LENGTH) == LENGTH_64)
		size += 8;
	return (t->header[1] & MASKED) != 0 ? size + 4 : size;
}

/* The first two bytes, which say all but the length. */
static bool check_frame_start(struct tap *t)
{
	unsigned int opcode = t->header[0] & OPCODE;
	bool final = (t->header[0] & FIN) != 0;

	if ((t->header[0] & RSV) != 0 || (t->header[1] & MASKED) == 0)
		return refuse(t, CLOSE_PROTOCOL);
	if (opcode >= OP_CLOSE) {
		if (opcode > OP_PONG || !final ||
		    (t->header[1] & LENGTH) >= LENGTH_16)
			return refuse(t, CLOSE_PROTOCOL);
		return true;
	}
	if (opcode > OP_BINARY || t->in_message != (opcode == OP_CONTINUATION))
		return refuse(t, CLOSE_PROTOCOL);
	t->in_message = !final;
	return true;
}

static bool end_frame_header(struct tap *t)
{
	unsigned int form = t->header[1] & LENGTH;
	size_t bytes = form == LENGTH_16 ? 2 : form == LENGTH_64 ? 8 : 0;
	uint64_t length = form;

	if (bytes > 0)
		length = 0;
	for (size_t i = 0; i < bytes; i++)
		length = length << 8 | t->header[2 + i];
	/* The shortest form must be taken, and the top bit is zero. */
	if ((form == LENGTH_16 && length < LENGTH_16) ||
	    (form == LENGTH_64 && (length <= UINT16_MAX || length >> 63 != 0)))
		return refuse(t, CLOSE_PROTOCOL);
	if (length > GATEWAY_WS_MAX)
		return refuse(t, CLOSE_TOO_LARGE);
	t->left = length;
	t->have = 0;
	return true;
}

static bool take_frame_byte(struct tap *t, char c)
{
	t->header[t->have++] = (uint8_t)c;
	if (t->have == 2 && !check_frame_start(t))
		return false;
	if (t->have < 2 || t->have < header_size(t))
		return true;
	return end_frame_header(t);
}

static size_t skip(struct tap *t, size_t len)
{
	size_t n = t->left < len ? (size_t)t->left : len;

	t->left -= n;
	return n;
}

size_t tap_take(struct tap *t, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		switch (t->phase) {
		case TAP_HEAD:
			if (!take_head(t, data[at]))
				return at;
			at++;
			break;
		case TAP_BODY:
			at += skip(t, len - at);
			if (t->left == 0)
				t->phase = TAP_HELD;
			break;
		case TAP_FRAMES:
			if (t->left > 0)
				at += skip(t, len - at);
			else if (!take_frame_byte(t, data[at]))
				return at;
			else
				at++;
			break;
		case TAP_HELD:
		case TAP_REFUSED:
			return at;
		}
	}
	return at;
}
