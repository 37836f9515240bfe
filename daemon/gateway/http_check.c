/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/headers.h"
#include "daemon/gateway/http.h"

/* What pages of an allowed origin may send and read. */
static const char cors_send[] =
	"Authorization, Content-Type, Idempotency-Key, If-Match, "
	"If-None-Match, Last-Event-ID, Range";
static const char cors_read[] =
	"ETag, Content-Range, Retry-After, RateLimit-Limit, "
	"RateLimit-Remaining, RateLimit-Reset";

/* RFC 9112 9.3: HTTP/1.0 ends with its answer. */
static bool keeps_alive(const struct http_request *r, struct str version)
{
	struct buf value = { 0 };
	bool keep = str_eq(version, str_of("HTTP/1.1")) && !r->gw->stopping;

	if (keep && headers_get(r->wsi, HEADER_CONNECTION, &value))
		keep = !headers_list_has_word(buf_str(&value), "close");
	buf_release(&value);
	return keep;
}

static bool expects_continue(const struct http_request *r)
{
	struct buf value = { 0 };
	bool expects = headers_get(r->wsi, HEADER_EXPECT, &value) &&
		       headers_list_has_word(buf_str(&value), "100-continue");

	buf_release(&value);
	return expects;
}

void http_check_connection(struct http_request *r)
{
	struct buf version = { 0 };

	headers_get(r->wsi, HEADER_VERSION, &version);
	r->keep = keeps_alive(r, buf_str(&version));
	r->expects = str_eq(buf_str(&version), str_of("HTTP/1.1")) &&
		     expects_continue(r);
	buf_release(&version);
}

bool http_check_origin(struct http_request *r, unsigned int method)
{
	struct buf host = { 0 };
	bool allowed;

	if (!headers_get(r->wsi, HEADER_ORIGIN, &r->origin))
		return true;
	headers_get(r->wsi, HEADER_HOST, &host);
	allowed = gateway_origin_allowed(r->gw->options, buf_str(&r->origin),
					 buf_str(&host));
	buf_release(&host);
	if (allowed)
		return true;
	buf_release(&r->origin);
	/* What only reads is answered; the browser keeps it from the page. */
	if (method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS)
		return true;
	http_fail_with(r, 403, ERR_BAD_REQUEST,
		       "Pages of this origin may not use this service", NULL,
		       NULL);
	return false;
}

void http_put_cors(struct buf *out, const struct http_request *r)
{
	if (r->origin.len == 0)
		return;
	buf_append_str(out, str_of("Access-Control-Allow-Origin: "));
	buf_append_str(out, buf_str(&r->origin));
	buf_append_str(out, str_of("\r\nVary: Origin\r\n"
				   "Access-Control-Expose-Headers: "));
	buf_append_str(out, str_of(cors_read));
	buf_append_str(out, str_of("\r\n"));
}

void http_answer_options(struct http_request *r, unsigned int methods)
{
	struct buf headers = { 0 };

	buf_append_str(&headers, str_of("Allow: "));
	route_put_allowed(&headers, methods);
	buf_append_str(&headers, str_of("\r\n"));
	if (r->origin.len > 0) {
		buf_append_str(&headers,
			       str_of("Access-Control-Allow-Methods: "));
		route_put_allowed(&headers, methods);
		buf_printf(&headers,
			   "\r\nAccess-Control-Allow-Headers: %s\r\n"
			   "Access-Control-Max-Age: 600\r\n",
			   cors_send);
	}
	http_answer_with(r, 204, NULL, buf_cstr(&headers));
	buf_release(&headers);
}

bool http_is_known(const struct http_request *r)
{
	struct buf tags = { 0 };
	bool known = headers_get(r->wsi, HEADER_IF_NONE_MATCH, &tags) &&
		     headers_tags_have(buf_str(&tags), buf_str(&r->etag), true);

	buf_release(&tags);
	return known;
}
