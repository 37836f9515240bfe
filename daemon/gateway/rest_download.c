/* SPDX-License-Identifier: MIT */
/*
 * GET /api/groups/{g}/media, and of one file in it.
 *
 *   FIND_MEDIA --> head --> (the socket takes some) fill --READ_MEDIA--> ...
 *
 * At most two pieces of a file are here: one being written, one that was asked
 * for meanwhile. Its reader stays a member or gets no more: each piece is
 * asked for in his name, and groupd tells when he is removed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/gateway/disposition.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/media_type.h"
#include "daemon/gateway/range.h"
#include "daemon/gateway/rest.h"
#include "daemon/gateway/validator.h"
#include "lib/text.h"

enum { PIECE = 256 << 10 /* bytes asked for at a time */ };

struct http_download {
	struct http_request *r; /* borrowed: it owns this */
	struct list link;	/* in gw->downloads, once it began */
	struct bearer_user user;

	uint64_t media_id;
	uint64_t at, end; /* what is still to be given */
	struct buf piece; /* of it, from at on */
};

void http_download_free(struct http_download *d)
{
	if (d == NULL)
		return;
	list_remove(&d->link);
	list_remove(&d->user.link);
	buf_release(&d->piece);
	free(d);
}

/* Who may not go on. */

void http_downloads_on_event(struct gateway *gw,
			     const struct wire_header *header, const void *body)
{
	const struct wire_body_ev_member *member = body;
	const struct wire_body_ev_deleted *deleted = body;
	bool removed = header->type == WIRE_EV_MEMBER &&
		       member->change == MEMBER_REMOVED;

	if (!removed && header->type != WIRE_EV_DELETED)
		return;
	for (struct list *l = gw->downloads.next; l != &gw->downloads;
	     l = l->next) {
		struct http_request *r =
			container_of(l, struct http_download, link)->r;

		if (removed ? r->group_id == member->group_id &&
				      str_eq(member->user,
					     str_of(r->bearer->principal.name))
			    : r->group_id == deleted->group_id)
			http_drop(r);
	}
}

/* The token was revoked, or is over. */
static void on_principal(struct bearer_user *user, const struct err *err)
{
	struct http_download *d =
		container_of(user, struct http_download, user);

	if (err != NULL)
		http_drop(d->r);
}

/* The bytes. */

static void on_piece(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct http_request *r = req->data;
	struct http_download *d = r->download;
	const struct wire_body_text *text = body;

	r->pending = false;
	if (err == NULL && text->data.len > 0 &&
	    text->data.len <= d->end - d->at)
		buf_append_str(&d->piece, text->data);
	if (d->piece.len > 0 && !d->piece.failed)
		http_wake(r);
	else
		http_drop(r);
}

static void ask(struct http_request *r)
{
	const struct http_download *d = r->download;
	uint64_t left = d->end - d->at;
	const struct wire_body_read_media body = { .media_id = d->media_id,
						   .offset = d->at,
						   .size = left < PIECE
								   ? left
								   : PIECE };

	r->pending = client_submit(&r->gw->client, &r->req,
				   &r->bearer->principal, WIRE_READ_MEDIA,
				   &body, CLIENT_TIMEOUT_MS, on_piece) == 0;
	if (!r->pending)
		http_drop(r);
}

static enum http_more fill(struct http_request *r)
{
	struct http_download *d = r->download;

	if (d->piece.len > 0) {
		buf_append_str(&r->out, buf_str(&d->piece));
		d->at += d->piece.len;
		buf_release(&d->piece);
	}
	if (d->at == d->end)
		return HTTP_END;
	if (!r->pending)
		ask(r);
	return HTTP_MORE;
}

/* The head. */

static void put_etag(struct buf *b, const struct wire_body_media *m)
{
	buf_append_char(b, '"');
	for (size_t i = 0; i < m->hash.len; i++)
		buf_printf(b, "%02x", (unsigned char)m->hash.data[i]);
	buf_append_char(b, '"');
}

/* A file never changes; but who may see it does, so it is asked again. */
static void put_headers(struct buf *b, const struct wire_body_media *m)
{
	buf_append_str(b, str_of("Cache-Control: private, no-cache\r\n"
				 "Last-Modified: "));
	validator_put_time(b, m->time_ms);
	buf_append_str(b, str_of("\r\nAccept-Ranges: bytes\r\n"
				 "Content-Security-Policy: sandbox\r\n"
				 "Content-Disposition: "));
	disposition_put(b, media_type_of(m->name)->shown, m->name);
	buf_append_str(b, str_of("\r\n"));
}

/* RFC 9110 13.2.2: a time counts only without a list of tags. */
static bool is_known(const struct http_request *r, uint64_t time_ms)
{
	struct buf value = { 0 };
	bool known;

	if (headers_get(r->wsi, HEADER_IF_NONE_MATCH, &value))
		known = http_is_known(r);
	else
		known = headers_get(r->wsi, HEADER_IF_MODIFIED_SINCE, &value) &&
			validator_unchanged(buf_str(&value), time_ms);
	buf_release(&value);
	return known;
}

/* RFC 9110 14.2: only GET knows ranges. */
static enum range range_asked(const struct http_request *r,
			      const struct wire_body_media *m, uint64_t *first,
			      uint64_t *len)
{
	struct buf value = { 0 };
	enum range range = RANGE_ALL;
	bool same =
		!headers_get(r->wsi, HEADER_IF_RANGE, &value) ||
		validator_is(buf_str(&value), buf_str(&r->etag), m->time_ms);

	buf_clear(&value);
	if (!r->is_head && same && headers_get(r->wsi, HEADER_RANGE, &value))
		range = range_of(buf_str(&value), m->size, first, len);
	buf_release(&value);
	return range;
}

static void refuse_range(struct http_request *r, uint64_t size)
{
	struct buf headers = { 0 };

	buf_printf(&headers, "Content-Range: bytes */%" PRIu64 "\r\n", size);
	http_fail_with(r, 416, ERR_BAD_REQUEST,
		       "The file does not have these bytes", buf_cstr(&headers),
		       NULL);
	buf_release(&headers);
}

/* Takes the headers so far, and adds to them. */
static void begin(struct http_download *d, const struct wire_body_media *m,
		  struct buf *headers)
{
	struct http_request *r = d->r;
	uint64_t first = 0, len = m->size;
	enum range range = range_asked(r, m, &first, &len);
	int status = range == RANGE_PART ? 206 : 200;

	if (range == RANGE_UNSATISFIABLE) {
		refuse_range(r, m->size);
		return;
	}
	if (range == RANGE_PART)
		buf_printf(headers,
			   "Content-Range: bytes %" PRIu64 "-%" PRIu64
			   "/%" PRIu64 "\r\n",
			   first, first + len - 1, m->size);
	d->at = range == RANGE_PART ? first : 0;
	d->end = range == RANGE_PART ? first + len : m->size;
	list_push(&r->gw->downloads, &d->link);
	list_push(&r->bearer->users, &d->user.link);
	http_begin_body(r, status, media_type_of(m->name)->type,
			(int64_t)(d->end - d->at), buf_cstr(headers), fill);
}

static void on_found(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_media *m = body;
	struct buf headers = { 0 };
	struct err failed;

	if (!http_replied(r, err))
		return;
	r->download->media_id = m->media_id;
	put_etag(&r->etag, m);
	put_headers(&headers, m);
	if (r->etag.failed || headers.failed) {
		err_set(&failed, ERR_UNAVAILABLE, NULL);
		http_fail(r, &failed);
	} else if (is_known(r, m->time_ms)) {
		http_begin_body(r, 304, NULL, HTTP_NO_LENGTH,
				buf_cstr(&headers), NULL);
	} else {
		begin(r->download, m, &headers);
	}
	buf_release(&headers);
}

static void find(struct http_request *r)
{
	const struct wire_body_find_media body = {
		.group_id = r->group_id, .name = buf_str(&r->match.part[1])
	};

	http_submit(r, WIRE_FIND_MEDIA, &body, on_found);
}

void rest_download(struct http_request *r)
{
	struct http_download *d = calloc(1, sizeof(*d));
	struct err err;

	if (d == NULL) {
		err_set(&err, ERR_UNAVAILABLE, NULL);
		http_fail(r, &err);
		return;
	}
	d->r = r;
	d->user.changed = on_principal;
	list_init(&d->link);
	list_init(&d->user.link);
	r->download = d;
	if (text_is_file_name(buf_str(&r->match.part[1]))) {
		http_with_group(r, find);
		return;
	}
	err_set(&err, ERR_NO_SUCH_FILE, NULL);
	http_fail(r, &err);
}

/* The list. */

static void put_file(struct buf *b, const struct wire_media *m)
{
	buf_append_str(b, str_of("{\"name\":"));
	json_put_str(b, m->name);
	buf_printf(b, ",\"size\":%" PRIu64 ",\"sender\":", m->size);
	json_put_str(b, m->sender);
	buf_printf(b,
		   ",\"sequence_number\":%" PRIu64 ",\"timestamp\":", m->seq);
	json_put_time(b, m->time_ms);
	buf_append_char(b, '}');
}

static void list_files(struct http_request *r);

/* Each page appends; r->page.after is where it ended. */
static void on_files(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_media_list *page = body;
	struct wire_media m;
	struct str list;

	if (!http_replied(r, err))
		return;
	list = page->files;
	while (wire_next(&list, &wire_schema_media, &m) == 1 &&
	       !r->text.failed) {
		rest_begin_item(r);
		put_file(&r->text, &m);
		rest_end_item(r, m.name);
	}
	if (page->complete == 0 && r->page.all && !r->text.failed) {
		list_files(r);
		return;
	}
	rest_end_page(r, page->complete != 0);
}

static void list_files(struct http_request *r)
{
	const struct wire_body_list_media body = { .group_id = r->group_id,
						   .after = buf_str(
							   &r->page.after),
						   .limit = r->page.limit };

	http_submit(r, WIRE_LIST_MEDIA, &body, on_files);
}

void rest_list_media(struct http_request *r)
{
	if (!rest_get_page(r, text_is_file_name))
		return;
	buf_append_str(&r->text, str_of("{\"files\":["));
	http_with_group(r, list_files);
}
