/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/http.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/front.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

enum {
	EDIT_BYTES = 8, /* of a member in a list for groupd, or more */
	FEW_ROWS = 1000,
	ROWS_PER_MS = 2 /* are written by a slow store */
};

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
	r->resolve.recall = &gw->recall;
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

static void fail_code(struct http_request *r, enum err_code code)
{
	struct err err;

	err_set(&err, code, NULL);
	http_fail(r, &err);
}

/* Rows that groupd writes for it where each member, or message, is one. */
static uint64_t rows_of(const struct http_request *r, enum wire_type type)
{
	const struct wire_body_group *g = &r->resolve.group;

	switch (type) {
	case WIRE_CREATE_GROUP:
	case WIRE_EDIT_MEMBERS:
		return r->wire.len / EDIT_BYTES;
	case WIRE_DELETE_GROUP:
		return g->member_count + g->last_seq - g->first_seq;
	default:
		return 0;
	}
}

/* What is large takes longer than a client is to wait for a store that has
 * gone: it is not given up while it goes on. */
static uint64_t time_left(struct http_request *r, enum wire_type type)
{
	uint64_t left = gateway_time_left(r->gw, &r->until_ms);
	uint64_t rows = rows_of(r, type);

	return rows < FEW_ROWS ? left : CLIENT_TIMEOUT_MS + rows / ROWS_PER_MS;
}

void http_submit(struct http_request *r, enum wire_type type, const void *body,
		 client_reply_cb cb)
{
	struct client_principal *p =
		r->bearer == NULL ? NULL : &r->bearer->principal;
	uint64_t left = time_left(r, type);

	assert(!r->pending);
	r->req.data = r;
	if (left == 0 || client_submit(&r->gw->client, &r->req, p, type, body,
				       left, cb) < 0) {
		fail_code(r, ERR_UNAVAILABLE);
		return;
	}
	r->pending = true;
}

bool http_replied(struct http_request *r, const struct err *err)
{
	r->pending = false;
	r->until_ms = 0;
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
	uint64_t left = gateway_time_left(r->gw, &r->until_ms);
	struct err err;

	r->with_group = next;
	if (left == 0)
		fail_code(r, ERR_UNAVAILABLE);
	else if (resolve_start(
			 &r->resolve, &r->gw->client, &r->bearer->principal,
			 buf_str(&r->match.part[0]), left, on_group, &err) < 0)
		http_fail(r, &err);
}

void http_with_recalled(struct http_request *r,
			void (*next)(struct http_request *r))
{
	if (!resolve_recall(&r->resolve, &r->bearer->principal,
			    buf_str(&r->match.part[0]))) {
		http_with_group(r, next);
		return;
	}
	r->with_group = next;
	r->group_id = r->resolve.group.group_id;
	next(r);
}

bool http_asks_again(struct http_request *r, const struct err *err)
{
	if (!resolve_was_wrong(&r->resolve, &r->bearer->principal, err))
		return false;
	r->pending = false;
	http_with_group(r, r->with_group);
	return true;
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
