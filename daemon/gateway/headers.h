/* SPDX-License-Identifier: MIT */
/*
 * What the headers of a request say.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_HEADERS_H
#define GROUPFS_DAEMON_GATEWAY_HEADERS_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/str.h"

struct lws;

enum header {
	HEADER_AUTHORIZATION,
	HEADER_ORIGIN,
	HEADER_HOST,
	HEADER_TRANSFER_ENCODING,
	HEADER_CONTENT_LENGTH,
	HEADER_CONTENT_TYPE,
	HEADER_ACCEPT,
	HEADER_CONNECTION,
	HEADER_VERSION, /* "HTTP/1.1" */
	HEADER_EXPECT,
	HEADER_IF_MATCH,
	HEADER_IF_NONE_MATCH,
	HEADER_IDEMPOTENCY_KEY,
	HEADER_LAST_EVENT_ID,
	HEADER_WS_VERSION,
	HEADER_WS_PROTOCOL,
	HEADER_UPGRADE_PATH, /* the path of a GET */
	HEADER_CONTENT_DISPOSITION,
	HEADER_RANGE,
	HEADER_IF_RANGE,
	HEADER_IF_MODIFIED_SINCE
};

/* Appends the value; false when there is none. */
bool headers_get(struct lws *wsi, enum header which, struct buf *out);
/* An enum http_method, 0 for any other. */
unsigned int headers_method(struct lws *wsi);
/* Appends the query as it was sent, arguments with '&' between. */
void headers_query(struct lws *wsi, struct buf *out);

/* Without the blanks around it. */
struct str headers_trim(struct str s);
/* "Bearer TOKEN" -> TOKEN */
bool headers_bearer(struct str value, struct str *token);
/* value is this media type, with or without parameters. */
bool headers_media_type(struct str value, const char *type);
/* The list of an Accept header names this type; a bare star does not count. */
bool headers_accept(struct str list, const char *type);
/* The comma-separated list has this item; in any case of letters. */
bool headers_list_has(struct str list, const char *item);
bool headers_list_has_word(struct str list, const char *word);
/* The list of entity tags of If-None-Match or If-Match has one that is this
 * (quoted) one; a star stands for any. weak: "W/" makes no difference (RFC
 * 9110 13.1). */
bool headers_tags_have(struct str list, struct str tag, bool weak);
/* One of them (strong) begins with this text within its quotes, and a dash. */
bool headers_tags_begin(struct str list, struct str text);

#endif
