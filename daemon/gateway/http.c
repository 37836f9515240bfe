/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/http.h"

#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/socket.h>
#include <unistd.h>

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
	r->resolve.for_whom = FIND_FOR_REQUEST;
	stall_init(&r->stall);
	return r;
}

void http_free(struct http_request *r)
{
	if (r == NULL)
		return;
	r->gw->requests--;
	stall_end(&r->stall);
	http_stream_free(r->stream);
	http_download_free(r->download);
	resolve_cancel(&r->resolve);
	if (r->pending)
		client_cancel(&r->req);
	http_upload_free(r);
	bearer_put(r->bearer);
	route_match_release(&r->match);
	json_free(r->json);
	buf_release(&r->query);
	buf_release(&r->body);
	buf_release(&r->key);
	buf_release(&r->origin);
	buf_release(&r->etag);
	buf_release(&r->text);
	buf_release(&r->wire);
	buf_release(&r->page.after);
	buf_release(&r->headers);
	buf_release(&r->out);
	free(r);
}

static void put_room(struct buf *out)
{
	static const char room[LWS_PRE];

	buf_append(out, room, sizeof(room));
}

/* r: NULL before there is a request. */
static void put_head(struct buf *out, const struct http_request *r, int status,
		     const char *type, int64_t length, const char *headers)
{
	bool keep = r != NULL && r->keep;

	buf_printf(out, "HTTP/1.1 %d %s\r\nServer: groupfs\r\n", status,
		   problem_title(status));
	if (type != NULL)
		buf_printf(out, "Content-Type: %s\r\n", type);
	/* RFC 9110 8.6: a 204 has none, a 304 that of the 200. */
	if (status != 204 && status != 304 && length != HTTP_NO_LENGTH)
		buf_printf(out, "Content-Length: %" PRIi64 "\r\n", length);
	if (headers == NULL || strstr(headers, "Cache-Control:") == NULL)
		buf_append_str(out, str_of("Cache-Control: no-store\r\n"));
	buf_append_str(out, str_of("X-Content-Type-Options: nosniff\r\n"));
	if (headers != NULL)
		buf_append_str(out, str_of(headers));
	if (r != NULL)
		buf_append_str(out, buf_str(&r->headers));
	if (r != NULL && r->etag.len > 0)
		buf_printf(out, "ETag: %s\r\n", buf_cstr(&r->etag));
	if (r != NULL)
		http_put_cors(out, r);
	buf_printf(out, "Connection: %s\r\n\r\n",
		   keep ? "keep-alive" : "close");
}

void http_answer_with(struct http_request *r, int status, const char *type,
		      const char *headers)
{
	assert(!r->answered);
	r->answered = true;
	if (r->text.failed) {
		buf_release(&r->text);
		status = 503;
		type = NULL;
	}
	if (status >= 300)
		r->keep = r->keep && (!r->has_body || r->draining || r->ran);
	meter_request(&r->gw->meter, r->writes, status);
	put_room(&r->out);
	put_head(&r->out, r, status, type, (int64_t)r->text.len, headers);
	if (!r->is_head)
		buf_append_str(&r->out, buf_str(&r->text));
	buf_release(&r->text);
	/* A client that is still sending would see a reset, not the answer. */
	if (r->draining)
		lws_rx_flow_control(r->wsi, 1);
	else
		http_wake(r);
}

void http_begin_body(struct http_request *r, int status, const char *type,
		     int64_t length, const char *headers,
		     enum http_more (*fill)(struct http_request *r))
{
	assert(!r->answered && !r->draining);
	r->answered = true;
	r->keep = r->keep && (length != HTTP_NO_LENGTH || fill == NULL);
	r->fill = r->is_head ? NULL : fill;
	meter_request(&r->gw->meter, r->writes, status);
	put_room(&r->out);
	put_head(&r->out, r, status, type, length, headers);
	http_wake(r);
}

void http_begin_stream(struct http_request *r, const char *type,
		       enum http_more (*fill)(struct http_request *r))
{
	http_begin_body(r, 200, type, HTTP_NO_LENGTH, NULL, fill);
}

/* lws gives no WRITEABLE to an HTTP connection that it does not read. */
void http_wake(struct http_request *r)
{
	lws_rx_flow_control(r->wsi, 1);
	lws_callback_on_writable(r->wsi);
}

int http_socket(const struct http_request *r)
{
	return lws_get_socket_fd(r->wsi);
}

void http_drop(struct http_request *r)
{
	r->dropped = true;
	/* lws would first write what it still holds, however long that takes.
	 */
	shutdown(lws_get_socket_fd(r->wsi), SHUT_RDWR);
	lws_set_timeout(r->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

void http_answer(struct http_request *r, int status)
{
	if (status != 200 || r->etag.len == 0 || !http_is_known(r)) {
		http_answer_with(r, status, "application/json", NULL);
		return;
	}
	buf_clear(&r->text);
	http_answer_with(r, 304, NULL, NULL);
}

void http_answer_empty(struct http_request *r, int status)
{
	buf_clear(&r->text);
	http_answer_with(r, status, NULL, NULL);
}

/* Whole seconds, rounded up: what is told may not be too early. */
static uint64_t seconds(uint64_t ms)
{
	return ms / 1000 + (ms % 1000 != 0);
}

void http_put_rate(struct http_request *r, uint64_t limit, uint64_t left,
		   uint64_t reset_ms)
{
	if (limit == 0)
		return;
	buf_printf(&r->headers,
		   "RateLimit-Limit: %" PRIu64
		   "\r\nRateLimit-Remaining: %" PRIu64
		   "\r\nRateLimit-Reset: %" PRIu64 "\r\n",
		   limit, left, seconds(reset_ms));
}

/* Without a better knowledge a second. */
static void put_retry_after(struct buf *headers, const struct err *err)
{
	buf_printf(headers, "Retry-After: %" PRIu64 "\r\n",
		   err->retry_after_ms == 0 ? 1 : seconds(err->retry_after_ms));
}

void http_fail_with(struct http_request *r, int status, enum err_code code,
		    const char *detail, const char *headers, const char *extra)
{
	if (r->match.route != NULL && r->match.route->handle == rest_send)
		meter_refused(&r->gw->meter, code);
	buf_clear(&r->text);
	problem_put(&r->text, status, code, detail, extra);
	http_answer_with(r, status, "application/problem+json", headers);
}

void http_fail(struct http_request *r, const struct err *err)
{
	const char *headers = NULL;
	int status = err_http_status(err->code);

	if (status == 401)
		headers = "WWW-Authenticate: Bearer\r\n";
	else if (status == 503 || status == 429)
		put_retry_after(&r->headers, err);
	http_put_rate(r, err->rate_limit, 0, err->rate_reset_ms);
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

	if (r->dropped)
		return -1;
	if (!r->answered || r->draining || r->stall.lingers)
		return 0;
	stall_end(&r->stall);
	if (r->written == 0)
		r->written = LWS_PRE;
	if (r->fill != NULL && r->written == r->out.len && !r->ended &&
	    lws_partial_buffered(r->wsi) == 0 && !refill(r)) {
		lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
		/* Until http_wake(). */
		lws_rx_flow_control(r->wsi, 0);
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
		r->gw->meter.written += piece;
	}
	if (left == piece && lws_partial_buffered(r->wsi) == 0 &&
	    (r->fill == NULL || r->ended))
		return 1;
	lws_set_timeout(r->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_WRITE_S);
	lws_callback_on_writable(r->wsi);
	stall_wait(&r->gw->stalls, &r->stall, r->wsi);
	return 0;
}

bool http_linger(struct http_request *r)
{
	return stall_linger(&r->gw->stalls, &r->stall, r->wsi,
			    r->has_body && !r->ran);
}

static enum err_code code_of(int status)
{
	switch (status) {
	case 401:
		return ERR_UNAUTHENTICATED;
	case 413:
	case 431:
		return ERR_TOO_LARGE;
	case 429:
		return ERR_RATE_LIMITED;
	default:
		return ERR_BAD_REQUEST;
	}
}

static void put_refusal(struct buf *out, int status, const char *detail,
			const char *headers, bool with_body)
{
	struct buf body = { 0 };

	problem_put(&body, status, code_of(status), detail, NULL);
	put_head(out, NULL, status, "application/problem+json",
		 (int64_t)body.len, headers);
	if (with_body)
		buf_append_str(out, buf_str(&body));
	buf_release(&body);
}

void http_put_refusal(struct buf *out, int status, const char *detail,
		      bool with_body)
{
	put_refusal(out, status, detail, NULL, with_body);
}

void http_refuse(struct lws *wsi, int status, const char *detail,
		 const char *headers)
{
	struct gateway *gw = lws_context_user(lws_get_context(wsi));
	struct buf out = { 0 };

	meter_request(&gw->meter, false, status);
	put_room(&out);
	put_refusal(&out, status, detail, headers, true);
	if (!out.failed)
		(void)lws_write(wsi, (uint8_t *)out.data + LWS_PRE,
				out.len - LWS_PRE, LWS_WRITE_HTTP);
	buf_release(&out);
}

void http_refuse_socket(int fd, const struct err *err)
{
	struct buf out = { 0 }, headers = { 0 };
	char rest[4096];

	put_retry_after(&headers, err);
	put_refusal(&out, err_http_status(err->code), err->text,
		    buf_cstr(&headers), true);
	if (!out.failed)
		(void)send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_release(&headers);
	buf_release(&out);
	/* Closed with something unread it would be reset, and the answer might
	 * be lost: so what has come is taken. */
	(void)shutdown(fd, SHUT_WR);
	(void)recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
	close(fd);
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
	struct client_principal *p =
		r->bearer == NULL ? NULL : &r->bearer->principal;

	assert(!r->pending);
	r->req.data = r;
	if (client_submit(&r->gw->client, &r->req, p, type, body,
			  CLIENT_TIMEOUT_MS, cb) < 0) {
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
static bool refuse_body(struct http_request *r)
{
	struct buf value = { 0 };
	uint64_t length = 0;
	bool chunked;

	chunked = headers_get(r->wsi, HEADER_TRANSFER_ENCODING, &value);
	buf_clear(&value);
	/* A number: head.c took no other. */
	if (headers_get(r->wsi, HEADER_CONTENT_LENGTH, &value))
		(void)text_parse_u64(buf_str(&value), &length);
	buf_clear(&value);
	r->is_text = headers_get(r->wsi, HEADER_CONTENT_TYPE, &value) &&
		     headers_media_type(buf_str(&value), "text/plain");
	buf_release(&value);
	r->length = length;
	r->has_body = chunked || length > 0;
	r->draining = !chunked && !r->expects && length > 0 &&
		      length <= HTTP_DRAIN_MAX;
	if (chunked)
		http_fail_with(r, 411, ERR_BAD_REQUEST,
			       "A chunked body is not taken: name its length",
			       NULL, NULL);
	return r->answered;
}

/* True: it was refused. */
static bool refuse_route(struct http_request *r, unsigned int method,
			 struct str path)
{
	struct buf allow = { 0 };
	int rc;

	if (r->is_head)
		method = HTTP_GET;
	rc = route_find(rest_routes, method, path, &r->match);
	if (method == HTTP_OPTIONS && rc == -ENOTSUP) {
		http_answer_options(r, r->match.allowed);
	} else if (method == HTTP_OPTIONS && str_eq(path, str_of("/*"))) {
		http_answer_options(r, HTTP_ANY);
	} else if (rc == -ENOENT) {
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

	if (rest_takes_pieces(&r->match))
		return false;
	if (r->length > r->gw->options->max_body) {
		http_fail_with(r, 413, ERR_TOO_LARGE, "The body is too large",
			       NULL, NULL);
		return true;
	}
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

void http_continue(struct http_request *r)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct buf out = { 0 };

	if (!r->expects || !r->has_body)
		return;
	r->expects = false;
	r->draining = r->length <= HTTP_DRAIN_MAX;
	put_room(&out);
	buf_append_str(&out, str_of(text));
	if (!out.failed)
		(void)lws_write(r->wsi, (uint8_t *)out.data + LWS_PRE,
				out.len - LWS_PRE, LWS_WRITE_HTTP);
	buf_release(&out);
}

int http_begin(struct http_request *r, struct str path)
{
	unsigned int method = headers_method(r->wsi);
	struct err err;

	r->writes = (method &
		     (HTTP_POST | HTTP_PUT | HTTP_PATCH | HTTP_DELETE)) != 0;
	if (method == 0) {
		http_fail_with(r, 405, ERR_BAD_REQUEST,
			       "This method is not known", NULL, NULL);
		return 1;
	}
	r->is_head = method == HTTP_HEAD;
	headers_query(r->wsi, &r->query);
	headers_get(r->wsi, HEADER_IDEMPOTENCY_KEY, &r->key);
	http_check_connection(r);
	if (refuse_body(r) || !http_check_origin(r, method) ||
	    refuse_route(r, method, path) || refuse_type(r))
		return r->draining ? 0 : 1;
	if (!r->match.route->open && authenticate(r, &err) < 0) {
		http_fail(r, &err);
		return r->draining ? 0 : 1;
	}
	if (rest_takes_pieces(&r->match))
		r->match.route->handle(r);
	else
		http_continue(r);
	if (r->has_body)
		return 0;
	http_run(r);
	return 1;
}

void http_body(struct http_request *r, struct str piece)
{
	if (r->upload != NULL)
		http_upload_body(r->upload, piece);
	if (r->upload != NULL || r->answered ||
	    r->body.len > r->gw->options->max_body)
		return;
	buf_append_str(&r->body, piece);
}

void http_run(struct http_request *r)
{
	struct err err;

	/* lws tells the end of an empty body, too. */
	if (r->ran)
		return;
	r->ran = true;
	r->draining = false;
	if (r->answered) {
		http_wake(r);
		return;
	}
	if (r->upload != NULL) {
		http_upload_end(r->upload);
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
