/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/query.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

static void on_sent(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_sent *sent = body;

	if (http_asks_again(r, err) || !http_replied(r, err))
		return;
	http_put_rate(r, sent->rate_limit, sent->rate_left,
		      sent->rate_reset_ms);
	buf_append_char(&r->text, '{');
	json_put_sent(&r->text, body);
	buf_append_char(&r->text, '}');
	http_answer(r, 201);
}

static void send_item(struct http_request *r)
{
	char key[33];
	struct wire_body_send send = { .group_id = r->group_id,
				       .items = buf_str(&r->wire) };
	struct err err;

	if (gateway_may_send(r->gw, &err) < 0) {
		http_fail(r, &err);
		return;
	}
	/* It makes our own resend after a lost connection harmless. */
	rest_random_key(key);
	send.batch_id = str_of(key);
	http_submit(r, WIRE_SEND, &send, on_sent);
}

/* The body as an item: text/plain is the content itself. */
static int get_item(struct http_request *r, struct wire_item *item,
		    struct buf *mentions, struct err *err)
{
	uint64_t max = r->gw->client.max_content;

	if (max == 0)
		max = WIRE_CONTENT_MAX;
	if (!r->has_body)
		return err_set(err, ERR_BAD_REQUEST, "The body is missing");
	if (!r->is_text)
		return json_get_item(r->json, max, item, mentions, err);
	*item = (struct wire_item){ .content = buf_str(&r->body) };
	if (item->content.len > max)
		return err_set(err, ERR_TOO_LARGE, NULL);
	if (!text_is_utf8(item->content))
		return err_set(err, ERR_BAD_UTF8, NULL);
	return 0;
}

static int get_key(struct http_request *r, struct wire_item *item,
		   struct err *err)
{
	return item->client_id.len > 0 ? 0
				       : rest_get_key(r, &item->client_id, err);
}

void rest_send(struct http_request *r)
{
	struct buf mentions = { 0 };
	struct wire_item item;
	struct err err;
	int rc;

	rc = get_item(r, &item, &mentions, &err);
	if (rc == 0)
		rc = get_key(r, &item, &err);
	if (rc == 0)
		wire_put(&r->wire, &wire_schema_item, &item);
	if (rc == 0 && r->wire.failed)
		rc = err_set(&err, ERR_UNAVAILABLE, NULL);
	buf_release(&mentions);
	if (rc < 0)
		http_fail(r, &err);
	else
		http_with_recalled(r, send_item);
}

static void on_page(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct http_request *r = req->data;
	struct convert_page asked = { .after_seq = r->after_seq,
				      .before_seq = r->before_seq };
	const struct wire_body_messages *page = body;
	struct err changed;

	if (!http_replied(r, err))
		return;
	/* One that ends before what he has of it is another one. */
	if (r->has_epoch &&
	    (page->epoch != r->epoch || r->after_seq > page->last_seq)) {
		err_set(&changed, ERR_EPOCH_CHANGED, NULL);
		rest_epoch_changed(r, &changed, page->epoch, page->first_seq);
		return;
	}
	if (convert_is_cut(r->after_seq, page->first_seq, &changed)) {
		rest_epoch_changed(r, &changed, page->epoch, page->first_seq);
		return;
	}
	buf_append_char(&r->text, '{');
	if (convert_put_page(&r->text, &asked, page) < 0)
		r->text.failed = true;
	buf_append_char(&r->text, '}');
	http_answer(r, 200);
}

static void pull(struct http_request *r)
{
	struct wire_body_pull body = { .group_id = r->group_id,
				       .after_seq = r->after_seq,
				       .before_seq = r->before_seq,
				       .limit = r->page.limit };

	http_submit(r, WIRE_PULL, &body, on_page);
}

/* "epoch": 16 hex digits. */
static int get_epoch(struct http_request *r, struct err *err)
{
	struct buf text = { 0 };
	char *end = NULL;
	int rc = query_get_text(buf_str(&r->query), "epoch", &text, err);

	if (rc == 1) {
		errno = 0;
		r->epoch = strtoull(buf_cstr(&text), &end, 16);
		r->has_epoch = true;
		if (text.len != 16 || *end != '\0' || errno != 0)
			rc = err_set(err, ERR_BAD_REQUEST,
				     "\"epoch\" must be 16 hex digits");
	}
	buf_release(&text);
	return rc;
}

void rest_pull(struct http_request *r)
{
	struct str query = buf_str(&r->query);
	struct err err;
	int rc;

	r->page.limit = 50;
	rc = query_get_u64(query, "limit", WIRE_PAGE_MAX, &r->page.limit, &err);
	if (rc >= 0 && r->page.limit == 0)
		rc = err_set(&err, ERR_BAD_REQUEST, "\"limit\" must be 1 to %d",
			     WIRE_PAGE_MAX);
	if (rc >= 0)
		rc = query_get_u64(query, "after_seq", INT64_MAX, &r->after_seq,
				   &err);
	if (rc >= 0)
		rc = query_get_u64(query, "before_seq", INT64_MAX,
				   &r->before_seq, &err);
	if (rc >= 0)
		rc = get_epoch(r, &err);
	if (rc < 0)
		http_fail(r, &err);
	else
		http_with_group(r, pull);
}

static void on_read_set(struct client_request *req, const struct err *err,
			const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_ok *ok = body;

	if (!http_replied(r, err))
		return;
	buf_printf(&r->text, "{\"last_read_seq\":%" PRIu64 "}", ok->value);
	http_answer(r, 200);
}

static void set_read(struct http_request *r)
{
	struct wire_body_set_read body = { .group_id = r->group_id,
					   .seq = r->after_seq };

	http_submit(r, WIRE_SET_READ, &body, on_read_set);
}

void rest_set_read(struct http_request *r)
{
	struct err err;
	int rc = json_get_u64(r->json, "last_read_seq", INT64_MAX,
			      &r->after_seq, &err);

	if (rc == 0)
		rc = err_set(&err, ERR_BAD_REQUEST,
			     "\"last_read_seq\" is missing");
	if (rc < 0)
		http_fail(r, &err);
	else
		http_with_group(r, set_read);
}
