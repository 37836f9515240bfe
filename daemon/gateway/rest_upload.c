/* SPDX-License-Identifier: MIT */
/*
 * POST /api/groups/{g}/media: a file, and the message that brings it. The
 * body goes on to groupd as it comes, a piece at a time:
 *
 *   headers --> group (a member?) --> name (free?) --> begin, make room
 *     body  --> piece --WRITE_MEDIA--> groupd       the socket is not read
 *     end   --> SEND_MEDIA --> 201                  while a request is out
 *   broken  --> DROP_MEDIA
 *
 * An upload's key is of this attempt alone; the client's Idempotency-Key is
 * that of the message. So who sends again does not meet what is left of the
 * first attempt, whichever gateway has that.
 *
 * When its request goes away, an upload stays until groupd has answered what
 * was asked and has forgotten what was begun.
 */
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/disposition.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/multipart.h"
#include "daemon/gateway/query.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

enum {
	PIECE = 256 << 10,	     /* bytes given to groupd at a time */
	OVERHEAD_MAX = 64 << 10,     /* of a form, without file and content */
	STALL_S = 30,		     /* nothing came for so long: cut */
	SEND_BYTES_PER_MS = 16 << 10 /* groupd hashes and syncs so fast */
};

struct http_upload {
	struct http_request *r; /* borrowed: it owns this; NULL: it is gone */
	struct gateway *gw;	/* borrowed */
	struct list link;	/* in gw->uploads when r is gone */
	struct bearer *bearer;	/* one reference then */
	struct client_request req;
	struct wheel_timer tick;
	unsigned int idle_s; /* nothing came for so long */

	uint64_t group_id;
	char key[33];
	struct buf name;
	struct buf content;
	struct buf piece;   /* bytes of the file that groupd has not */
	uint64_t written;   /* bytes that it has */
	uint64_t received;  /* bytes of the body */
	uint64_t file_size; /* bytes of them that are the file's */

	struct multipart form;
	bool is_form;
	bool in_file, in_content; /* where the form's data goes */
	bool has_file, has_content;

	bool begun; /* groupd may have heard of it */
	bool ready; /* it takes pieces */
	bool busy;  /* a request is out */
	bool full;  /* it could not be submitted: at the next tick */
	bool ended; /* the body is complete */
	bool sent;
};

static void go(struct http_upload *u);

/* The end. */

static void destroy(struct http_upload *u)
{
	list_remove(&u->link);
	bearer_put(u->bearer);
	free(u);
}

static void on_dropped(struct client_request *req, const struct err *err,
		       const void *body)
{
	(void)err;
	(void)body;
	destroy(req->data);
}

/* No deadline: where groupd is away, this waits for it. */
static void drop(struct http_upload *u)
{
	const struct wire_body_drop_media body = { .group_id = u->group_id,
						   .key = str_of(u->key) };

	if (client_submit(&u->gw->client, &u->req, &u->bearer->principal,
			  WIRE_DROP_MEDIA, &body, 0, on_dropped) < 0)
		destroy(u);
}

void http_upload_free(struct http_request *r)
{
	struct http_upload *u = r->upload;

	if (u == NULL)
		return;
	r->upload = NULL;
	u->r = NULL;
	wheel_disarm(&u->tick);
	multipart_release(&u->form);
	buf_release(&u->name);
	buf_release(&u->content);
	buf_release(&u->piece);
	u->bearer = r->bearer;
	r->bearer = NULL;
	list_push(&u->gw->uploads, &u->link);
	if (u->busy && !u->begun) {
		client_cancel(&u->req);
		u->busy = false;
	}
	/* What is out is waited for, so that the drop comes after it. */
	if (u->busy)
		return;
	if (u->begun && !u->sent)
		drop(u);
	else
		destroy(u);
}

void http_uploads_release(struct gateway *gw)
{
	struct list *l;

	while ((l = list_pop(&gw->uploads)) != NULL) {
		struct http_upload *u =
			container_of(l, struct http_upload, link);

		client_cancel(&u->req);
		destroy(u);
	}
}

static void fail(struct http_upload *u, const struct err *err)
{
	/* The body may be wrong before the group is known. */
	resolve_cancel(&u->r->resolve);
	if (!u->r->answered)
		http_fail(u->r, err);
}

/* groupd. */

/* 0, or it was refused. When too much is on its way to groupd already, the
 * next tick tries again. */
static int submit(struct http_upload *u, enum wire_type type, const void *body,
		  uint64_t timeout_ms, client_reply_cb cb)
{
	struct err err;
	int rc =
		client_submit(&u->gw->client, &u->req, &u->r->bearer->principal,
			      type, body, timeout_ms, cb);

	u->busy = rc == 0;
	u->full = rc == -EBUSY;
	if (rc == 0 || rc == -EBUSY)
		return rc;
	err_set(&err, ERR_UNAVAILABLE, NULL);
	fail(u, &err);
	return rc;
}

/* True: it is a success of a request that is still there. */
static bool replied(struct http_upload *u, const struct err *err)
{
	u->busy = false;
	if (u->r == NULL) {
		if (u->sent && err == NULL)
			destroy(u);
		else
			drop(u);
		return false;
	}
	if (err != NULL) {
		u->sent = false;
		fail(u, err);
	}
	return err == NULL && !u->r->answered;
}

static void on_sent(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct http_upload *u = req->data;
	const struct wire_body_sent *sent = body;
	struct buf *text;

	if (!replied(u, err))
		return;
	http_put_rate(u->r, sent->rate_limit, sent->rate_left,
		      sent->rate_reset_ms);
	text = &u->r->text;
	buf_append_char(text, '{');
	json_put_sent(text, sent);
	buf_append_str(text, str_of(",\"name\":"));
	json_put_str(text, buf_str(&u->name));
	buf_printf(text, ",\"size\":%" PRIu64 ",\"media_url\":\"", u->written);
	text_media_url(text, buf_str(&u->name));
	buf_append_str(text, str_of("\"}"));
	http_answer(u->r, 201);
}

static void send_file(struct http_upload *u)
{
	const struct wire_body_send_media body = {
		.group_id = u->group_id,
		.key = str_of(u->key),
		.batch_id = buf_str(&u->r->key),
		.name = buf_str(&u->name),
		.content = buf_str(&u->content)
	};

	u->sent = submit(u, WIRE_SEND_MEDIA, &body,
			 CLIENT_TIMEOUT_MS + u->written / SEND_BYTES_PER_MS,
			 on_sent) == 0;
}

static void on_written(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct http_upload *u = req->data;

	(void)body;
	if (replied(u, err))
		go(u);
}

/* The request holds a copy, so the piece is free for what comes. */
static void write_piece(struct http_upload *u)
{
	const struct wire_body_write_media body = { .group_id = u->group_id,
						    .key = str_of(u->key),
						    .off = u->written,
						    .data = buf_str(
							    &u->piece) };

	if (submit(u, WIRE_WRITE_MEDIA, &body, CLIENT_TIMEOUT_MS, on_written) <
	    0)
		return;
	u->written += u->piece.len;
	buf_clear(&u->piece);
}

/* What is next, when nothing is out. */
static void go(struct http_upload *u)
{
	if (u->busy || u->r->answered)
		return;
	if (u->piece.len >= PIECE || (u->ended && u->piece.len > 0))
		write_piece(u);
	else if (u->ended)
		send_file(u);
	if (u->r->answered)
		return;
	if (u->busy || u->full || u->ended)
		lws_rx_flow_control(u->r->wsi, 0);
	else
		lws_rx_flow_control(u->r->wsi, 1);
}

/* The beginning. */

static void on_room(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct http_upload *u = req->data;

	(void)body;
	if (!replied(u, err))
		return;
	u->ready = true;
	http_continue(u->r);
	go(u);
}

/* What the file has at least: what is too large, or more than is left for this
 * user, is refused before it is sent. */
static uint64_t least_size(const struct http_upload *u)
{
	uint64_t other = u->is_form ? OVERHEAD_MAX + WIRE_CONTENT_MAX : 0;

	return u->r->length > other ? u->r->length - other : 0;
}

static void make_room(struct http_upload *u)
{
	const struct wire_body_write_media body = { .group_id = u->group_id,
						    .key = str_of(u->key),
						    .off = least_size(u),
						    .resize = 1 };
	struct err err;

	/* The next tick is for pieces. */
	if (submit(u, WIRE_WRITE_MEDIA, &body, CLIENT_TIMEOUT_MS, on_room) !=
	    -EBUSY)
		return;
	err_set(&err, ERR_UNAVAILABLE, NULL);
	fail(u, &err);
}

static void on_begun(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct http_upload *u = req->data;

	if (u->r != NULL && least_size(u) == 0)
		on_room(req, err, body);
	else if (replied(u, err))
		make_room(u);
}

static void begin(struct http_upload *u)
{
	const struct wire_body_write_media body = { .group_id = u->group_id,
						    .key = str_of(u->key),
						    .resize = 1 };
	struct err err;
	int rc =
		submit(u, WIRE_WRITE_MEDIA, &body, CLIENT_TIMEOUT_MS, on_begun);

	u->begun = rc == 0;
	if (rc != -EBUSY)
		return;
	err_set(&err, ERR_UNAVAILABLE, NULL);
	fail(u, &err);
}

static void on_name(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct http_upload *u = req->data;
	struct err taken;

	(void)body;
	u->busy = false;
	if (u->r->answered)
		return;
	if (err != NULL && err->code == ERR_NO_SUCH_FILE) {
		begin(u);
	} else if (err != NULL) {
		fail(u, err);
	} else {
		err_set(&taken, ERR_FILE_EXISTS, NULL);
		fail(u, &taken);
	}
}

/* Who sends a second time finds his own file. */
static void with_group(struct http_request *r)
{
	struct http_upload *u = r->upload;
	const struct wire_body_find_media body = { .group_id = r->group_id,
						   .name = buf_str(&u->name) };

	u->group_id = r->group_id;
	if (u->name.len == 0 || r->key.len > 0)
		begin(u);
	else
		(void)submit(u, WIRE_FIND_MEDIA, &body, CLIENT_TIMEOUT_MS,
			     on_name);
}

/* The body. */

static int check_name(struct str name, struct err *err)
{
	return text_is_file_name(name)
		       ? 0
		       : err_set(err, ERR_BAD_NAME,
				 "That is no name for a media file");
}

static uint64_t max_content(const struct http_upload *u)
{
	uint64_t max = u->gw->client.max_content;

	return max == 0 ? WIRE_CONTENT_MAX : max;
}

static int on_part(void *data, struct disposition *d)
{
	struct http_upload *u = data;
	bool is_file = d->has_filename && d->filename.len > 0;

	u->in_file = is_file;
	u->in_content = !d->has_filename &&
			str_eq(buf_str(&d->name), str_of("content"));
	if ((is_file && u->has_file) || (u->in_content && u->has_content))
		return -EEXIST;
	u->has_file |= is_file;
	u->has_content |= u->in_content;
	if (is_file && u->name.len == 0)
		buf_append_str(&u->name, buf_str(&d->filename));
	return 0;
}

static int on_data(void *data, struct str bytes)
{
	struct http_upload *u = data;

	if (u->in_file) {
		buf_append_str(&u->piece, bytes);
		u->file_size += bytes.len;
	} else if (u->in_content) {
		if (u->content.len + bytes.len > max_content(u))
			return -EMSGSIZE;
		buf_append_str(&u->content, bytes);
	}
	return 0;
}

static const struct multipart_ops form_ops = { .part = on_part,
					       .data = on_data };

static int feed_form(struct http_upload *u, struct str bytes, struct err *err)
{
	int rc = multipart_feed(&u->form, bytes);

	if (rc == -ENOMEM)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	if (rc == -EMSGSIZE)
		return err_set(err, ERR_TOO_LARGE, NULL);
	if (rc == -EEXIST)
		return err_set(err, ERR_BAD_REQUEST,
			       "A form brings one file and one \"content\"");
	if (rc < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "The body is no multipart/form-data");
	if (u->received - u->file_size > OVERHEAD_MAX + u->content.len)
		return err_set(err, ERR_BAD_REQUEST,
			       "A form may have %d bytes beside the file and "
			       "the content",
			       OVERHEAD_MAX);
	return u->has_file ? check_name(buf_str(&u->name), err) : 0;
}

void http_upload_body(struct http_upload *u, struct str bytes)
{
	struct http_request *r = u->r;
	struct err err;
	int rc = 0;

	u->idle_s = 0;
	u->received += bytes.len;
	/* lws tells of an empty body, too: behind its end. */
	if (r->answered || bytes.len == 0)
		return;
	r->expects = false;
	r->draining = r->length - u->received <= HTTP_DRAIN_MAX;
	if (u->is_form)
		rc = feed_form(u, bytes, &err);
	else
		buf_append_str(&u->piece, bytes);
	if (rc == 0 && (u->piece.failed || u->content.failed ||
			u->name.failed || u->piece.len > WIRE_TEXT_MAX))
		rc = err_set(&err, ERR_UNAVAILABLE, NULL);
	if (rc < 0)
		fail(u, &err);
	else if (u->ready && u->piece.len >= PIECE)
		go(u);
}

void http_upload_end(struct http_upload *u)
{
	struct err err;

	u->ended = true;
	if (u->is_form && (!multipart_complete(&u->form) || !u->has_file)) {
		err_set(&err, ERR_BAD_REQUEST,
			u->has_file ? "The form ends before its last boundary"
				    : "The form brings no file");
		fail(u, &err);
	} else if (u->ready) {
		go(u);
	}
}

/* lws would end the connection 10 seconds after any piece of the body. */
static void on_tick(struct wheel_timer *t)
{
	struct http_upload *u = container_of(t, struct http_upload, tick);
	struct http_request *r = u->r;

	if ((u->ended && !u->full) || (r->answered && !r->draining))
		return;
	lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
	wheel_arm(&u->gw->wheel, &u->tick, 1);
	if (u->full)
		go(u);
	else if (u->busy || (!u->ready && !r->answered))
		u->idle_s = 0;
	else if (++u->idle_s > STALL_S)
		http_drop(r);
}

/* The request. */

/* The name in ?name=, in the Content-Disposition, or, of a form, later. */
static int get_name(struct http_upload *u, struct err *err)
{
	struct http_request *r = u->r;
	struct disposition d = { 0 };
	struct buf header = { 0 };
	int rc = query_get_text(buf_str(&r->query), "name", &u->name, err);

	if (rc == 0 && !u->is_form &&
	    headers_get(r->wsi, HEADER_CONTENT_DISPOSITION, &header)) {
		if (disposition_parse(buf_str(&header), &d) < 0)
			rc = err_set(err, ERR_BAD_REQUEST,
				     "Content-Disposition is not well formed");
		buf_append_str(&u->name, buf_str(&d.filename));
	}
	if (rc == 0 && u->name.len == 0 && !u->is_form)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "A file needs a name: ?name=, or filename in a "
			     "Content-Disposition");
	if (rc >= 0 && (u->name.len > 0 || rc == 1))
		rc = check_name(buf_str(&u->name), err);
	disposition_release(&d);
	buf_release(&header);
	return rc;
}

static int get_content(struct http_upload *u, struct err *err)
{
	int rc = query_get_text(buf_str(&u->r->query), "content", &u->content,
				err);

	if (rc < 0)
		return rc;
	u->has_content = rc == 1;
	if (u->content.len > max_content(u))
		return err_set(err, ERR_TOO_LARGE, NULL);
	return 0;
}

static int get_form(struct http_upload *u, struct err *err)
{
	struct buf type = { 0 };
	int rc = 0;

	headers_get(u->r->wsi, HEADER_CONTENT_TYPE, &type);
	u->is_form = headers_media_type(buf_str(&type), "multipart/form-data");
	if (u->is_form &&
	    multipart_start(&u->form, buf_str(&type), &form_ops, u) < 0)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The Content-Type names no boundary");
	buf_release(&type);
	return rc;
}

static struct http_upload *upload_new(struct http_request *r)
{
	struct http_upload *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->r = r;
	u->gw = r->gw;
	u->req.data = u;
	list_init(&u->link);
	wheel_timer_init(&u->tick, on_tick);
	rest_random_key(u->key);
	return u;
}

void rest_upload(struct http_request *r)
{
	struct http_upload *u = upload_new(r);
	struct str key;
	struct err err;
	int rc;

	if (u == NULL) {
		err_set(&err, ERR_UNAVAILABLE, NULL);
		http_fail(r, &err);
		return;
	}
	r->upload = u;
	lws_rx_flow_control(r->wsi, 0);
	wheel_arm(&r->gw->wheel, &u->tick, 1);
	rc = rest_get_key(r, &key, &err);
	if (rc == 0)
		rc = get_form(u, &err);
	if (rc == 0)
		rc = get_name(u, &err);
	if (rc == 0)
		rc = get_content(u, &err);
	if (rc < 0)
		http_fail(r, &err);
	else
		http_with_group(r, with_group);
}
