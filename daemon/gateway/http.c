/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/http.h"

#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>

#include "daemon/gateway/front.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/problem.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

struct http_request *http_new(struct gateway *gw, struct lws *wsi)
{
	struct http_request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	gw->requests++;
	r->gw = gw;
	r->wsi = wsi;
	r->req.data = r;
	r->resolve.data = r;
	return r;
}

void http_free(struct http_request *r)
{
	if (r == NULL)
		return;
	r->gw->requests--;
	http_stream_free(r->stream);
	resolve_cancel(&r->resolve);
	if (r->pending)
		client_cancel(&r->req);
	bearer_put(r->bearer);
	route_match_release(&r->match);
	json_free(r->json);
	buf_release(&r->query);
	buf_release(&r->body);
	buf_release(&r->key);
	buf_release(&r->text);
	buf_release(&r->wire);
	buf_release(&r->page.after);
	buf_release(&r->out);
	free(r);
}

enum { NO_LENGTH = -1 /* the end of the connection is the end */ };

static void put_room(struct buf *out)
{
	static const char room[LWS_PRE];

	buf_append(out, room, sizeof(room));
}

static void put_head(struct buf *out, int status, const char *type,
		     int64_t length, const char *headers)
{
	put_room(out);
	buf_printf(out, "HTTP/1.1 %d %s\r\nServer: groupfs\r\n", status,
		   problem_title(status));
	if (type != NULL)
		buf_printf(out, "Content-Type: %s\r\n", type);
	/* RFC 9110: a 204 has no length. */
	if (status != 204 && length != NO_LENGTH)
		buf_printf(out, "Content-Length: %" PRIi64 "\r\n", length);
	buf_append_str(out, str_of("Cache-Control: no-store\r\n"
				   "X-Content-Type-Options: nosniff\r\n"));
	if (headers != NULL)
		buf_append_str(out, str_of(headers));
	/* Always: see front.h. */
	buf_append_str(out, str_of("Connection: close\r\n\r\n"));
}

static void finish(struct http_request *r, int status, const char *type,
		   const char *headers)
{
	assert(!r->answered);
	r->answered = true;
	if (r->text.failed) {
		buf_release(&r->text);
		status = 503;
		type = NULL;
	}
	put_head(&r->out, status, type, (int64_t)r->text.len, headers);
	buf_append_str(&r->out, buf_str(&r->text));
	buf_release(&r->text);
	/* A client that is still sending would see a reset, not the answer. */
	if (r->draining)
		return;
	/* lws gives no WRITEABLE to an HTTP connection that it does not read.
	 */
	lws_rx_flow_control(r->wsi, 1);
	lws_callback_on_writable(r->wsi);
}

void http_begin_stream(struct http_request *r, const char *type,
		       enum http_more (*fill)(struct http_request *r))
{
	assert(!r->answered && !r->draining);
	r->answered = true;
	r->fill = fill;
	put_head(&r->out, 200, type, NO_LENGTH, NULL);
	lws_rx_flow_control(r->wsi, 1);
	lws_callback_on_writable(r->wsi);
}

void http_wake(struct http_request *r)
{
	lws_callback_on_writable(r->wsi);
}

void http_answer(struct http_request *r, int status)
{
	finish(r, status, "application/json", NULL);
}

void http_answer_empty(struct http_request *r, int status)
{
	buf_clear(&r->text);
	finish(r, status, NULL, NULL);
}

void http_fail_with(struct http_request *r, int status, enum err_code code,
		    const char *detail, const char *headers, const char *extra)
{
	buf_clear(&r->text);
	problem_put(&r->text, status, code, detail, extra);
	finish(r, status, "application/problem+json", headers);
}

void http_fail(struct http_request *r, const struct err *err)
{
	const char *headers = NULL;
	int status = err_http_status(err->code);

	if (status == 401)
		headers = "WWW-Authenticate: Bearer\r\n";
	else if (status == 503 || status == 429)
		headers = "Retry-After: 1\r\n";
	http_fail_with(r, status, err->code, err->text, headers, NULL);
}

/* All of out is written: what comes behind it. False: nothing, now or ever. */
static bool refill(struct http_request *r)
{
	buf_clear(&r->out);
	put_room(&r->out);
	r->written = LWS_PRE;
	r->ended = r->fill(r) == HTTP_END;
	return r->out.len > LWS_PRE;
}

int http_write(struct http_request *r)
{
	size_t left, piece;
	uint8_t *at;
	int flags = LWS_WRITE_HTTP;

	if (!r->answered || r->draining)
		return 0;
	if (r->written == 0)
		r->written = LWS_PRE;
	if (r->fill != NULL && r->written == r->out.len && !r->ended &&
	    lws_partial_buffered(r->wsi) == 0 && !refill(r)) {
		lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
		return r->ended ? 1 : 0;
	}
	if (r->out.failed)
		return -1;
	left = r->out.len - r->written;
	piece = left > HTTP_PIECE ? HTTP_PIECE : left;
	if (piece > 0) {
		at = (uint8_t *)r->out.data + r->written;
		if (lws_write(r->wsi, at, piece,
			      (enum lws_write_protocol)flags) < 0)
			return -1;
		r->written += piece;
	}
	if (left == piece && lws_partial_buffered(r->wsi) == 0 &&
	    (r->fill == NULL || r->ended))
		return 1;
	lws_set_timeout(r->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_WRITE_S);
	lws_callback_on_writable(r->wsi);
	return 0;
}

void http_refuse(struct lws *wsi, int status, const char *detail,
		 const char *headers)
{
	struct buf body = { 0 }, out = { 0 };

	problem_put(&body, status,
		    status == 401 ? ERR_UNAUTHENTICATED : ERR_BAD_REQUEST,
		    detail, NULL);
	put_head(&out, status, "application/problem+json", (int64_t)body.len,
		 headers);
	buf_append_str(&out, buf_str(&body));
	if (!out.failed)
		(void)lws_write(wsi, (uint8_t *)out.data + LWS_PRE,
				out.len - LWS_PRE, LWS_WRITE_HTTP);
	buf_release(&body);
	buf_release(&out);
}

static void fail_code(struct http_request *r, enum err_code code)
{
	struct err err;

	err_set(&err, code, NULL);
	http_fail(r, &err);
}

void http_submit(struct http_request *r, enum wire_type type, const void *body,
		 client_reply_cb cb)
{
	assert(!r->pending);
	r->req.data = r;
	if (client_submit(&r->gw->client, &r->req, &r->bearer->principal, type,
			  body, CLIENT_TIMEOUT_MS, cb) < 0) {
		fail_code(r, ERR_UNAVAILABLE);
		return;
	}
	r->pending = true;
}

bool http_replied(struct http_request *r, const struct err *err)
{
	r->pending = false;
	if (err != NULL)
		http_fail(r, err);
	return err == NULL;
}

static void on_group(struct resolve *resolve, const struct err *err)
{
	struct http_request *r = resolve->data;

	if (err != NULL) {
		http_fail(r, err);
		return;
	}
	r->group_id = resolve->group.group_id;
	r->with_group(r);
}

void http_with_group(struct http_request *r,
		     void (*next)(struct http_request *r))
{
	struct err err;

	r->with_group = next;
	if (resolve_start(&r->resolve, &r->gw->client, &r->bearer->principal,
			  buf_str(&r->match.part[0]), on_group, &err) < 0)
		http_fail(r, &err);
}

/* The token of "Bearer TOKEN", or the ticket of who shows none. */
static int authenticate(struct http_request *r, struct err *err)
{
	struct buf header = { 0 };
	struct str ticket = front_ticket(r->wsi);
	struct str token;
	int rc;

	if (!headers_get(r->wsi, HEADER_AUTHORIZATION, &header) &&
	    ticket.len > 0)
		rc = bearer_get_ticket(&r->gw->bearers, ticket, &r->bearer,
				       err);
	else if (!headers_bearer(buf_str(&header), &token))
		rc = err_set(err, ERR_UNAUTHENTICATED, NULL);
	else
		rc = bearer_get(&r->gw->bearers, token, &r->bearer, err);
	buf_release(&header);
	return rc;
}

/* True: it was refused. */
static bool refuse_origin(struct http_request *r, unsigned int method)
{
	struct buf origin = { 0 }, host = { 0 };
	bool refused = false;

	if (method != HTTP_GET && headers_get(r->wsi, HEADER_ORIGIN, &origin)) {
		headers_get(r->wsi, HEADER_HOST, &host);
		refused = !gateway_origin_allowed(
			r->gw->options, buf_str(&origin), buf_str(&host));
	}
	buf_release(&origin);
	buf_release(&host);
	if (refused)
		http_fail_with(r, 403, ERR_BAD_REQUEST,
			       "Pages of this origin may not use this service",
			       NULL, NULL);
	return refused;
}

/* True: it was refused. */
static bool refuse_body(struct http_request *r, unsigned int method)
{
	struct buf value = { 0 };
	uint64_t length = 0;
	bool chunked, named, number = true;

	chunked = headers_get(r->wsi, HEADER_TRANSFER_ENCODING, &value);
	buf_clear(&value);
	named = headers_get(r->wsi, HEADER_CONTENT_LENGTH, &value);
	if (named)
		number = text_parse_u64(buf_str(&value), &length);
	buf_clear(&value);
	r->is_text = headers_get(r->wsi, HEADER_CONTENT_TYPE, &value) &&
		     headers_media_type(buf_str(&value), "text/plain");
	buf_release(&value);
	r->length = length;
	r->has_body = chunked || length > 0;
	r->draining = !chunked && length > 0 && length <= HTTP_DRAIN_MAX;
	if (chunked)
		http_fail_with(r, 411, ERR_BAD_REQUEST,
			       "A chunked body is not taken: name its length",
			       NULL, NULL);
	else if (!number)
		http_fail_with(r, 400, ERR_BAD_REQUEST,
			       "Content-Length is no number", NULL, NULL);
	else if (length > r->gw->options->max_body)
		http_fail_with(r, 413, ERR_TOO_LARGE, "The body is too large",
			       NULL, NULL);
	else if (!named && method == HTTP_POST)
		http_fail_with(r, 411, ERR_BAD_REQUEST,
			       "A body is needed, with its Content-Length",
			       NULL, NULL);
	return r->answered;
}

/* True: it was refused. */
static bool refuse_route(struct http_request *r, unsigned int method,
			 struct str path)
{
	struct buf allow = { 0 };
	int rc = route_find(rest_routes, method, path, &r->match);

	if (rc == -ENOENT) {
		http_fail_with(r, 404, ERR_BAD_REQUEST,
			       "There is nothing at this path", NULL, NULL);
	} else if (rc < 0) {
		buf_append_str(&allow, str_of("Allow: "));
		route_put_allowed(&allow, r->match.allowed);
		buf_append_str(&allow, str_of("\r\n"));
		http_fail_with(r, 405, ERR_BAD_REQUEST,
			       "This path does not know that method",
			       buf_cstr(&allow), NULL);
	}
	buf_release(&allow);
	return rc < 0;
}

/* True: it was refused. */
static bool refuse_type(struct http_request *r)
{
	struct buf type = { 0 };
	bool fine;

	fine = !r->has_body || r->is_text ||
	       !headers_get(r->wsi, HEADER_CONTENT_TYPE, &type) ||
	       headers_media_type(buf_str(&type), "application/json");
	if (fine && r->is_text && r->has_body && !rest_takes_text(&r->match))
		fine = false;
	buf_release(&type);
	if (!fine)
		http_fail_with(r, 415, ERR_BAD_REQUEST,
			       "Bodies are application/json", NULL, NULL);
	return !fine;
}

int http_begin(struct http_request *r, struct str path)
{
	unsigned int method = headers_method(r->wsi);
	struct err err;

	if (method == 0) {
		http_fail_with(r, 405, ERR_BAD_REQUEST,
			       "This method is not known", NULL, NULL);
		return 1;
	}
	headers_query(r->wsi, &r->query);
	headers_get(r->wsi, HEADER_IDEMPOTENCY_KEY, &r->key);
	if (refuse_body(r, method) || refuse_route(r, method, path) ||
	    refuse_origin(r, method) || refuse_type(r))
		return r->draining ? 0 : 1;
	if (!r->match.route->open && authenticate(r, &err) < 0) {
		http_fail(r, &err);
		return r->draining ? 0 : 1;
	}
	if (r->has_body)
		return 0;
	http_run(r);
	return 1;
}

void http_body(struct http_request *r, struct str piece)
{
	if (r->answered || r->body.len > r->gw->options->max_body)
		return;
	buf_append_str(&r->body, piece);
}

void http_run(struct http_request *r)
{
	struct err err;

	r->draining = false;
	if (r->answered) {
		lws_callback_on_writable(r->wsi);
		return;
	}
	if (r->body.failed) {
		fail_code(r, ERR_UNAVAILABLE);
		return;
	}
	if (r->has_body && !r->is_text &&
	    json_parse(&r->json, buf_str(&r->body), r->gw->options->max_body,
		       &err) < 0) {
		http_fail(r, &err);
		return;
	}
	r->match.route->handle(r);
}
