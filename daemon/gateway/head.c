/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/head.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/gateway/headers.h"
#include "lib/text.h"

enum line {
	LINE_START, /* one empty line may be there (RFC 9112 2.2) */
	LINE_START_LF,
	LINE_METHOD,
	LINE_TARGET,
	LINE_VERSION,
	LINE_LF,   /* behind a CR */
	LINE_NAME, /* the first letter of a field, or the last CR */
	LINE_NAME_ON,
	LINE_VALUE,
	LINE_END /* the last LF */
};

/* What becomes of a field. */
enum what {
	ONE,  /* given on; there may be one of it */
	LIST, /* given on, as one line */
	OWN   /* looked at, and said anew where it matters */
};

enum field {
	FIELD_HOST,
	FIELD_LENGTH,
	FIELD_CONNECTION,
	FIELD_UPGRADE,
	FIELD_KEY,
	FIELD_OTHER,
	FIELD_LISTS = 16,
	FIELD_CODING = FIELD_LISTS,
	FIELDS = FIELD_LISTS + HEAD_LISTS
};

static const struct {
	const char *name;
	enum what what;
} fields[FIELDS] = {
	[FIELD_HOST] = { "host", ONE },
	[FIELD_LENGTH] = { "content-length", OWN },
	[FIELD_CONNECTION] = { "connection", OWN },
	[FIELD_UPGRADE] = { "upgrade", OWN },
	[FIELD_KEY] = { "sec-websocket-key", ONE },
	[FIELD_OTHER] = { "sec-websocket-version", ONE },
	{ "authorization", ONE },
	{ "origin", ONE },
	{ "content-type", ONE },
	{ "content-disposition", ONE },
	{ "expect", ONE },
	{ "idempotency-key", ONE },
	{ "last-event-id", ONE },
	{ "if-range", ONE },
	{ "range", ONE },
	{ "if-modified-since", ONE },
	[FIELD_CODING] = { "transfer-encoding", LIST },
	{ "sec-websocket-protocol", LIST },
	{ "accept", LIST },
	{ "if-match", LIST },
	{ "if-none-match", LIST },
};

void head_release(struct head *h)
{
	buf_release(&h->out);
	buf_release(&h->name);
	buf_release(&h->value);
	for (size_t i = 0; i < HEAD_LISTS; i++)
		buf_release(&h->lists[i]);
	*h = (struct head){ 0 };
}

static bool refuse(struct head *h, int status, const char *why)
{
	h->state = HEAD_REFUSED;
	h->status = status;
	h->why = why;
	return false;
}

static bool malformed(struct head *h)
{
	return refuse(h, 400, "The request is not well-formed HTTP/1.1");
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

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The request line. */

static bool end_method(struct head *h)
{
	static const char *const methods[] = { "GET",	 "HEAD",  "POST",
					       "PUT",	 "PATCH", "DELETE",
					       "OPTIONS" };
	struct str name = buf_str(&h->name);
	bool known = false;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		known = known || str_eq(name, str_of(methods[i]));
	if (!known)
		return refuse(h, 501, "This method is not known");
	h->get = str_eq(name, str_of("GET"));
	h->of_head = str_eq(name, str_of("HEAD"));
	h->options = str_eq(name, str_of("OPTIONS"));
	h->with_body = name.data[0] == 'P';
	h->line = LINE_TARGET;
	return true;
}

/* http://host/path (RFC 9112 3.2.2) -> /path */
static void drop_authority(struct str *target)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(schemes[i]);
		const char *slash;

		if (target->len < n ||
		    strncasecmp(target->data, schemes[i], n) != 0)
			continue;
		slash = memchr(target->data + n, '/', target->len - n);
		if (slash == NULL) {
			*target = str_of("/");
			return;
		}
		target->len -= (size_t)(slash - target->data);
		target->data = slash;
		return;
	}
}

/* "//", "/./" or "/../" in it, which lws would resolve: nothing of ours. */
static bool has_dots(struct str path)
{
	size_t from = 1;

	for (size_t i = 1; i <= path.len; i++) {
		size_t n = i - from;

		if (i < path.len && path.data[i] != '/')
			continue;
		if ((n == 0 && i < path.len) ||
		    (n == 1 && path.data[from] == '.') ||
		    (n == 2 && memcmp(path.data + from, "..", 2) == 0))
			return true;
		from = i + 1;
	}
	return false;
}

/* Each % begins an escape of one byte that is not NUL. */
static bool escapes_are_fine(struct str s)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] != '%')
			continue;
		if (s.len - i < 3 || s.data[i + 1] == '\0' ||
		    s.data[i + 2] == '\0' ||
		    strchr(hex, s.data[i + 1]) == NULL ||
		    strchr(hex, s.data[i + 2]) == NULL ||
		    memcmp(s.data + i + 1, "00", 2) == 0)
			return false;
	}
	return true;
}

/* So that lws gives us the target as it was sent. */
static void put_target(struct buf *out, struct str s)
{
	bool query = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '%' || c == ';' || c == '+' || c == '&' ||
		    (c == '?' && query))
			buf_printf(out, "%%%02X", (unsigned char)c);
		else
			buf_append_char(out, c);
		query = query || c == '?';
	}
}

static bool end_target(struct head *h)
{
	struct str target = buf_str(&h->value);
	const char *mark;
	struct str path;

	if (h->options && str_eq(target, str_of("*")))
		target = str_of("/*");
	drop_authority(&target);
	if (target.len == 0 || target.data[0] != '/' ||
	    !escapes_are_fine(target))
		return malformed(h);
	mark = memchr(target.data, '?', target.len);
	path = str_make(target.data, mark == NULL
					     ? target.len
					     : (size_t)(mark - target.data));
	if (has_dots(path))
		return refuse(h, 404, "There is nothing at this path");
	buf_append_str(&h->out, buf_str(&h->name));
	buf_append_char(&h->out, ' ');
	put_target(&h->out, target);
	buf_append_char(&h->out, ' ');
	buf_clear(&h->value);
	h->line = LINE_VERSION;
	return true;
}

static bool end_version(struct head *h)
{
	struct str version = buf_str(&h->value);

	h->old = str_eq(version, str_of("HTTP/1.0"));
	if (!h->old && !str_eq(version, str_of("HTTP/1.1"))) {
		if (version.len == 8 && memcmp(version.data, "HTTP/", 5) == 0)
			return refuse(h, 505,
				      "Only HTTP/1.1 and HTTP/1.0 are spoken");
		return malformed(h);
	}
	buf_append_str(&h->out, version);
	buf_append_str(&h->out, str_of("\r\n"));
	h->line = LINE_LF;
	return true;
}

static bool take_method(struct head *h, char c)
{
	if (c == ' ' && h->name.len > 0)
		return end_method(h);
	if (!is_token_char(c))
		return malformed(h);
	buf_append_char(&h->name, c);
	return true;
}

static bool take_target(struct head *h, char c)
{
	if (c == ' ')
		return end_target(h);
	if (is_control(c) || c == '\t')
		return malformed(h);
	buf_append_char(&h->value, c);
	return true;
}

static bool take_version(struct head *h, char c)
{
	if (c == '\r')
		return end_version(h);
	if (is_control(c))
		return malformed(h);
	buf_append_char(&h->value, c);
	return true;
}

/* Fields. */

/* Twice the same is one; anything else would make two lengths of one body. */
static bool end_length(struct head *h, struct str value, bool again)
{
	uint64_t length;

	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return malformed(h);
	}
	if (value.len == 0)
		return malformed(h);
	if (!text_parse_u64(value, &length) || length > INT64_MAX)
		return refuse(h, 413, "The body is too large");
	if (again && length != h->length)
		return malformed(h);
	h->length = length;
	return true;
}

static bool end_own(struct head *h, size_t field, struct str value, bool again)
{
	switch ((enum field)field) {
	case FIELD_LENGTH:
		return end_length(h, value, again);
	case FIELD_CONNECTION:
		h->connection_close = h->connection_close ||
				      headers_list_has_word(value, "close");
		h->connection_upgrade = h->connection_upgrade ||
					headers_list_has_word(value, "upgrade");
		return true;
	case FIELD_UPGRADE:
		h->upgrade =
			h->upgrade || headers_list_has_word(value, "websocket");
		return true;
	default:
		return true;
	}
}

/* RFC 9110 4.2.3: the characters of uri-host [ ":" port ]. */
static bool is_host(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (!is_token_char(c) &&
		    (c == '\0' || strchr("();=,:[]", c) == NULL))
			return false;
	}
	return value.len > 0;
}

/* 16 bytes in base64. */
static bool is_key(struct str value)
{
	if (value.len != 24 || memcmp(value.data + 22, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = value.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '+' && c != '/')
			return false;
	}
	return true;
}

static void put_field(struct head *h, struct str name, struct str value)
{
	buf_append_str(&h->out, name);
	buf_append_str(&h->out, str_of(": "));
	buf_append_str(&h->out, value);
	buf_append_str(&h->out, str_of("\r\n"));
}

static bool end_one(struct head *h, size_t field, struct str value, bool again)
{
	if (again)
		return refuse(h, 400, "A header is there twice");
	if (field == FIELD_HOST && !is_host(value))
		return refuse(h, 400, "Host is no name of a host");
	if (field == FIELD_KEY && !is_key(value))
		return refuse(h, 400, "Sec-WebSocket-Key is not 16 bytes");
	if (value.len > 0)
		put_field(h, buf_str(&h->name), value);
	return true;
}

static bool end_list(struct head *h, size_t field, struct str value, bool again)
{
	struct buf *list = &h->lists[field - FIELD_LISTS];

	if (again)
		buf_append_str(list, str_of(", "));
	buf_append_str(list, value);
	return true;
}

static bool end_field(struct head *h)
{
	struct str name = buf_str(&h->name),
		   value = headers_trim(buf_str(&h->value));
	size_t i = 0;
	bool again;

	h->line = LINE_LF;
	while (i < FIELDS && !str_eq(name, str_of(fields[i].name)))
		i++;
	if (i == FIELDS)
		return true;
	again = (h->seen & 1U << i) != 0;
	h->seen |= 1U << i;
	switch (fields[i].what) {
	case OWN:
		return end_own(h, i, value, again);
	case ONE:
		return end_one(h, i, value, again);
	case LIST:
		return end_list(h, i, value, again);
	}
	return false;
}

static bool take_name(struct head *h, char c)
{
	bool first = h->line == LINE_NAME;

	if (first && c == '\r') {
		h->line = LINE_END;
		return true;
	}
	if (first)
		buf_clear(&h->name);
	if (!first && c == ':') {
		h->line = LINE_VALUE;
		buf_clear(&h->value);
		return true;
	}
	/* A blank at the start would go on with the line before. */
	if (!is_token_char(c))
		return malformed(h);
	h->line = LINE_NAME_ON;
	buf_append_char(&h->name, lower(c));
	return true;
}

static bool take_value(struct head *h, char c)
{
	if (c == '\r')
		return end_field(h);
	if (is_control(c))
		return malformed(h);
	buf_append_char(&h->value, c);
	return true;
}

/* The end. */

static bool has(const struct head *h, enum field field)
{
	return (h->seen & 1U << field) != 0;
}

/* What the fields say together. */
static bool check(struct head *h)
{
	if (!h->old && !has(h, FIELD_HOST))
		return refuse(h, 400, "A Host header is needed");
	if (has(h, FIELD_CODING) && (h->old || has(h, FIELD_LENGTH)))
		return malformed(h);
	if (h->upgrade && h->connection_upgrade && h->get && !h->old &&
	    !has(h, FIELD_KEY))
		return refuse(h, 400, "Sec-WebSocket-Key is missing");
	return true;
}

static void put_lists(struct head *h)
{
	for (size_t i = 0; i < HEAD_LISTS; i++) {
		struct buf *list = &h->lists[i];

		/* That there is a coding matters, whatever it is. */
		if (has(h, (enum field)(FIELD_LISTS + i)))
			put_field(h, str_of(fields[FIELD_LISTS + i].name),
				  list->len > 0 ? buf_str(list)
						: str_of("none"));
		h->out.failed = h->out.failed || list->failed;
	}
}

static bool end_head(struct head *h)
{
	if (!check(h))
		return false;
	put_lists(h);
	if (h->upgrade && h->connection_upgrade && h->get && !h->old)
		buf_append_str(&h->out, str_of("upgrade: websocket\r\n"
					       "connection: upgrade\r\n"));
	else if (h->connection_close)
		buf_append_str(&h->out, str_of("connection: close\r\n"));
	/* Without one lws would wait for 100 MiB. */
	if ((h->with_body && !has(h, FIELD_CODING)) || h->length > 0)
		buf_printf(&h->out, "content-length: %" PRIu64 "\r\n",
			   h->length);
	buf_append_str(&h->out, str_of("\r\n"));
	if (h->out.failed || h->name.failed || h->value.failed)
		return refuse(h, 503, "There is no memory for this now");
	buf_release(&h->name);
	buf_release(&h->value);
	h->state = HEAD_DONE;
	return true;
}

static bool take_line_end(struct head *h, char c)
{
	if (c != '\n')
		return malformed(h);
	if (h->line == LINE_END)
		return end_head(h);
	h->line = h->line == LINE_START_LF ? LINE_METHOD : LINE_NAME;
	return true;
}

static bool take(struct head *h, char c)
{
	switch ((enum line)h->line) {
	case LINE_START:
		h->line = c == '\r' ? LINE_START_LF : LINE_METHOD;
		return c == '\r' || take_method(h, c);
	case LINE_METHOD:
		return take_method(h, c);
	case LINE_TARGET:
		return take_target(h, c);
	case LINE_VERSION:
		return take_version(h, c);
	case LINE_NAME:
	case LINE_NAME_ON:
		return take_name(h, c);
	case LINE_VALUE:
		return take_value(h, c);
	case LINE_START_LF:
	case LINE_LF:
	case LINE_END:
		return take_line_end(h, c);
	}
	return false;
}

size_t head_take(struct head *h, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && h->state == HEAD_OPEN) {
		if (++h->taken > HEAD_MAX)
			refuse(h, 431,
			       "The request line and headers are too large");
		else if (take(h, data[at]))
			at++;
	}
	return at;
}
