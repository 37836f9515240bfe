/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/headers.h"

#include <libwebsockets.h>
#include <strings.h>

#include "daemon/gateway/route.h"

enum { VALUE_MAX = 4096 };

/* The tokens that lws knows; -1: it is none of them. */
static int token_of(enum header which)
{
	static const int tokens[] = {
		[HEADER_AUTHORIZATION] = WSI_TOKEN_HTTP_AUTHORIZATION,
		[HEADER_ORIGIN] = WSI_TOKEN_ORIGIN,
		[HEADER_HOST] = WSI_TOKEN_HOST,
		[HEADER_TRANSFER_ENCODING] = WSI_TOKEN_HTTP_TRANSFER_ENCODING,
		[HEADER_CONTENT_LENGTH] = WSI_TOKEN_HTTP_CONTENT_LENGTH,
		[HEADER_CONTENT_TYPE] = WSI_TOKEN_HTTP_CONTENT_TYPE,
		[HEADER_ACCEPT] = WSI_TOKEN_HTTP_ACCEPT,
		[HEADER_CONNECTION] = WSI_TOKEN_CONNECTION,
		[HEADER_VERSION] = WSI_TOKEN_HTTP,
		[HEADER_EXPECT] = WSI_TOKEN_HTTP_EXPECT,
		[HEADER_IF_MATCH] = WSI_TOKEN_HTTP_IF_MATCH,
		[HEADER_IF_NONE_MATCH] = WSI_TOKEN_HTTP_IF_NONE_MATCH,
		[HEADER_IDEMPOTENCY_KEY] = -1,
		[HEADER_LAST_EVENT_ID] = -1,
		[HEADER_WS_VERSION] = WSI_TOKEN_VERSION,
		[HEADER_WS_PROTOCOL] = WSI_TOKEN_PROTOCOL,
		[HEADER_UPGRADE_PATH] = WSI_TOKEN_GET_URI,
		[HEADER_CONTENT_DISPOSITION] =
			WSI_TOKEN_HTTP_CONTENT_DISPOSITION,
		[HEADER_RANGE] = WSI_TOKEN_HTTP_RANGE,
		[HEADER_IF_RANGE] = WSI_TOKEN_HTTP_IF_RANGE,
		[HEADER_IF_MODIFIED_SINCE] = WSI_TOKEN_HTTP_IF_MODIFIED_SINCE,
	};

	return tokens[which];
}

static bool get_custom(struct lws *wsi, const char *name, struct buf *out)
{
	char value[VALUE_MAX];
	int len = (int)strlen(name);
	int n = lws_hdr_custom_length(wsi, name, len);

	if (n < 0 || n >= VALUE_MAX)
		return false;
	n = lws_hdr_custom_copy(wsi, value, (int)sizeof(value), name, len);
	if (n < 0)
		return false;
	buf_append(out, value, (size_t)n);
	return true;
}

bool headers_get(struct lws *wsi, enum header which, struct buf *out)
{
	char value[VALUE_MAX];
	enum lws_token_indexes token;
	int n;

	if (token_of(which) < 0)
		return get_custom(wsi,
				  which == HEADER_LAST_EVENT_ID
					  ? "last-event-id:"
					  : "idempotency-key:",
				  out);
	token = (enum lws_token_indexes)token_of(which);
	n = lws_hdr_total_length(wsi, token);
	if (n <= 0 || n >= VALUE_MAX)
		return false;
	n = lws_hdr_copy(wsi, value, (int)sizeof(value), token);
	if (n < 0)
		return false;
	buf_append(out, value, (size_t)n);
	return true;
}

bool headers_doubled(struct lws *wsi, enum header which)
{
	return lws_hdr_fragment_length(
		       wsi, (enum lws_token_indexes)token_of(which), 1) > 0;
}

unsigned int headers_method(struct lws *wsi)
{
	static const struct {
		enum lws_token_indexes token;
		enum http_method method;
	} methods[] = { { WSI_TOKEN_GET_URI, HTTP_GET },
			{ WSI_TOKEN_POST_URI, HTTP_POST },
			{ WSI_TOKEN_PUT_URI, HTTP_PUT },
			{ WSI_TOKEN_PATCH_URI, HTTP_PATCH },
			{ WSI_TOKEN_DELETE_URI, HTTP_DELETE },
			{ WSI_TOKEN_HEAD_URI, HTTP_HEAD },
			{ WSI_TOKEN_OPTIONS_URI, HTTP_OPTIONS } };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (lws_hdr_total_length(wsi, methods[i].token) > 0)
			return (unsigned int)methods[i].method;
	}
	return 0;
}

void headers_put_encoded(struct buf *out, struct str decoded)
{
	for (size_t i = 0; i < decoded.len; i++) {
		char c = decoded.data[i];

		if (c == '%' || c == '&')
			buf_printf(out, "%%%02X", (unsigned int)c);
		else
			buf_append_char(out, c);
	}
}

void headers_query(struct lws *wsi, struct buf *out)
{
	char piece[VALUE_MAX];
	int n;

	for (int i = 0;
	     (n = lws_hdr_copy_fragment(wsi, piece, (int)sizeof(piece),
					WSI_TOKEN_HTTP_URI_ARGS, i)) > 0;
	     i++) {
		if (i > 0)
			buf_append_char(out, '&');
		headers_put_encoded(out, str_make(piece, (size_t)n));
	}
}

static struct str trim(struct str s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 &&
	       (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool headers_bearer(struct str value, struct str *token)
{
	static const char scheme[] = "Bearer ";
	size_t n = sizeof(scheme) - 1;

	if (value.len <= n || strncasecmp(value.data, scheme, n) != 0)
		return false;
	*token = trim(str_make(value.data + n, value.len - n));
	return token->len > 0;
}

bool headers_media_type(struct str value, const char *type)
{
	const char *end =
		value.len == 0 ? NULL : memchr(value.data, ';', value.len);

	if (end != NULL)
		value.len = (size_t)(end - value.data);
	value = trim(value);
	return value.len == strlen(type) &&
	       strncasecmp(value.data, type, value.len) == 0;
}

/* Takes the next item off a comma-separated list; false at its end. */
static bool next_item(struct str *list, struct str *item)
{
	const char *comma;
	size_t len;

	if (list->data == NULL)
		return false;
	comma = list->len == 0 ? NULL : memchr(list->data, ',', list->len);
	len = comma == NULL ? list->len : (size_t)(comma - list->data);
	*item = trim(str_make(list->data, len));
	*list = comma == NULL ? str_make(NULL, 0)
			      : str_make(comma + 1, list->len - len - 1);
	return true;
}

bool headers_list_has(struct str list, const char *item)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (str_eq(part, str_of(item)))
			return true;
	}
	return false;
}

bool headers_list_has_word(struct str list, const char *word)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (part.len == strlen(word) &&
		    strncasecmp(part.data, word, part.len) == 0)
			return true;
	}
	return false;
}

/* Our own tags hold no comma. */
bool headers_tags_have(struct str list, struct str tag, bool weak)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (weak && part.len > 2 && memcmp(part.data, "W/", 2) == 0)
			part = str_make(part.data + 2, part.len - 2);
		if (str_eq(part, tag) || str_eq(part, str_of("*")))
			return true;
	}
	return false;
}

bool headers_tags_begin(struct str list, struct str text)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (str_eq(part, str_of("*")))
			return true;
		if (part.len > text.len + 2 && part.data[0] == '"' &&
		    memcmp(part.data + 1, text.data, text.len) == 0 &&
		    part.data[text.len + 1] == '-')
			return true;
	}
	return false;
}

bool headers_accept(struct str list, const char *type)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (headers_media_type(part, type))
			return true;
	}
	return false;
}
