/* SPDX-License-Identifier: MIT */
/* The answer to a request: its head, its body, and how it is written. */
#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/http.h"
#include "daemon/gateway/problem.h"
#include "daemon/gateway/rest.h"

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

/* The next piece of the body. */
static enum http_more fill_text(struct http_request *r)
{
	size_t left = r->text.len - r->text_given;
	size_t piece = left > HTTP_PIECE ? HTTP_PIECE : left;

	buf_append(&r->out, r->text.data + r->text_given, piece);
	r->text_given += piece;
	return piece == left ? HTTP_END : HTTP_MORE;
}

/* A large one stays where it is: it would only be copied and freed. */
static void put_body(struct http_request *r)
{
	if (r->text.len > HTTP_PIECE && !r->is_head) {
		r->fill = fill_text;
		return;
	}
	if (!r->is_head)
		buf_append_str(&r->out, buf_str(&r->text));
	buf_release(&r->text);
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
	put_body(r);
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
	struct err said = *err;
	const char *headers = NULL;
	int status;

	convert_restored(&said);
	status = err_http_status(said.code);
	if (status == 401)
		headers = "WWW-Authenticate: Bearer\r\n";
	else if (status == 503 || status == 429)
		put_retry_after(&r->headers, &said);
	http_put_rate(r, said.rate_limit, 0, said.rate_reset_ms);
	http_fail_with(r, status, said.code, said.text, headers, NULL);
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

/* Another piece may be written at once; there is nothing to write. */
enum { GO_ON = 2, IDLE = 3 };

/* As http_write(), or one of these. */
static int write_piece(struct http_request *r)
{
	size_t left, piece;
	uint8_t *at;

	if (r->fill != NULL && r->written == r->out.len && !r->ended &&
	    lws_partial_buffered(r->wsi) == 0 && !refill(r)) {
		lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
		/* Until http_wake(). */
		lws_rx_flow_control(r->wsi, 0);
		return r->ended ? 1 : IDLE;
	}
	if (r->out.failed)
		return -1;
	left = r->out.len - r->written;
	piece = left > HTTP_PIECE ? HTTP_PIECE : left;
	if (piece > 0) {
		at = (uint8_t *)r->out.data + r->written;
		if (lws_write(r->wsi, at, piece, LWS_WRITE_HTTP) < 0)
			return -1;
		r->written += piece;
		r->gw->meter.written += piece;
	}
	if (lws_partial_buffered(r->wsi) != 0)
		return 0;
	if (left == piece && (r->fill == NULL || r->ended))
		return 1;
	return GO_ON;
}

int http_write(struct http_request *r)
{
	/* A text lies ready. What comes piece by piece waits for a turn of its
	 * own: there it is seen that a client has gone. */
	int pieces = r->fill == fill_text ? HTTP_TURN : 1;
	int rc = GO_ON;

	if (r->dropped)
		return -1;
	if (!r->answered || r->draining || r->stall.lingers)
		return 0;
	stall_end(&r->stall);
	if (r->written == 0)
		r->written = LWS_PRE;
	for (int i = 0; rc == GO_ON && i < pieces; i++)
		rc = write_piece(r);
	if (rc == IDLE)
		return 0;
	if (rc == 1 || rc < 0)
		return rc;
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
