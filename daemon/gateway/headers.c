/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/headers.h"

#include <libwebsockets.h>

#include "daemon/gateway/head.h"
#include "daemon/gateway/route.h"

enum { VALUE_MAX = HEAD_OUT_MAX };

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

/* The names of those that lws does not know. */
static const char *custom_name(enum header which)
{
	return which == HEADER_LAST_EVENT_ID ? "last-event-id:"
					     : "idempotency-key:";
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
		return get_custom(wsi, custom_name(which), out);
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
		buf_append(out, piece, (size_t)n);
	}
}
