/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/rest.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/query.h"
#include "daemon/gateway/reporter.h"
#include "lib/env.h"
#include "lib/text.h"

static void healthz(struct http_request *r)
{
	buf_append_str(&r->text, str_of("{\"status\":\"ok\"}\n"));
	http_answer(r, 200);
}

/* What wants one comes another way: front.c. */
static void upgrade_required(struct http_request *r)
{
	http_fail_with(r, 426, ERR_BAD_REQUEST,
		       "This is for a WebSocket: ask for an upgrade",
		       "Upgrade: websocket\r\n", NULL);
}

static void on_ready(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct http_request *r = req->data;

	(void)body;
	if (http_replied(r, err))
		healthz(r);
}

/* Asked for what a reader of groupd's finds in its store: whether it can. */
static void readyz(struct http_request *r)
{
	struct wire_body_get_metrics body = { 0 };
	struct err err;

	if (r->gw->client.online && !r->gw->stopping) {
		http_submit(r, WIRE_GET_METRICS, &body, on_ready);
		return;
	}
	err_set(&err, ERR_UNAVAILABLE, NULL);
	http_fail(r, &err);
}

static void on_metrics(struct client_request *req, const struct err *err,
		       const void *body)
{
	const struct wire_body_metrics *metrics = body;
	struct http_request *r = req->data;

	if (!http_replied(r, err))
		return;
	buf_append_str(&r->text, metrics->text);
	http_answer_with(r, 200, "text/plain; version=0.0.4; charset=utf-8",
			 NULL);
}

/* groupd knows the figures of all gateways, ours at once. */
static void metrics(struct http_request *r)
{
	struct wire_body_get_metrics body = { 0 };
	struct err err;

	if (r->gw->client.online) {
		reporter_tell(r->gw);
		http_submit(r, WIRE_GET_METRICS, &body, on_metrics);
		return;
	}
	err_set(&err, ERR_UNAVAILABLE, NULL);
	http_fail(r, &err);
}

const struct route rest_routes[] = {
	{ HTTP_GET, "/", rest_web_html, true },
	{ HTTP_GET, "/app.js", rest_web_js, true },
	{ HTTP_GET, "/app.css", rest_web_css, true },
	{ HTTP_POST, "/api/groups/*/messages", rest_send, false },
	{ HTTP_GET, "/api/groups/*/messages", rest_pull, false },
	{ HTTP_GET, "/api/groups/*/stream", rest_stream, false },
	{ HTTP_POST, "/api/groups", rest_create_group, false },
	{ HTTP_GET, "/api/groups", rest_list_groups, false },
	{ HTTP_GET, "/api/groups/*", rest_get_group, false },
	{ HTTP_PATCH, "/api/groups/*", rest_patch_group, false },
	{ HTTP_DELETE, "/api/groups/*", rest_delete_group, false },
	{ HTTP_GET, "/api/mentions", rest_mentions, false },
	{ HTTP_GET, "/api/groups/*/members", rest_list_members, false },
	{ HTTP_POST, "/api/groups/*/members", rest_edit_members, false },
	{ HTTP_GET, "/api/groups/*/members/*", rest_get_member, false },
	{ HTTP_PUT, "/api/groups/*/members/*", rest_put_member, false },
	{ HTTP_PATCH, "/api/groups/*/members/*", rest_patch_member, false },
	{ HTTP_DELETE, "/api/groups/*/members/*", rest_delete_member, false },
	{ HTTP_PUT, "/api/groups/*/read", rest_set_read, false },
	{ HTTP_POST, "/api/groups/*/media", rest_upload, false },
	{ HTTP_GET, "/api/groups/*/media", rest_list_media, false },
	{ HTTP_GET, "/api/groups/*/media/*", rest_download, false },
	{ HTTP_GET, "/api/ws", upgrade_required, true },
	{ HTTP_GET, "/healthz", healthz, true },
	{ HTTP_GET, "/readyz", readyz, true },
	{ HTTP_GET, "/metrics", metrics, true },
	{ HTTP_GET, NULL, NULL, false },
};

bool rest_takes_text(const struct route_match *m)
{
	return m->route->handle == rest_send;
}

bool rest_takes_pieces(const struct route_match *m)
{
	return m->route->handle == rest_upload;
}

int rest_get_key(const struct http_request *r, struct str *key, struct err *err)
{
	*key = buf_str(&r->key);
	if (key->len > WIRE_KEY_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "Idempotency-Key is longer than %d bytes",
			       WIRE_KEY_MAX);
	if (!text_is_utf8(*key))
		return err_set(err, ERR_BAD_UTF8, NULL);
	return 0;
}

bool rest_get_page(struct http_request *r, bool (*is_after)(struct str text))
{
	struct str query = buf_str(&r->query);
	struct err err;
	int rc;

	r->page.limit = WIRE_PAGE_MAX;
	rc = query_get_u64(query, "limit", WIRE_PAGE_MAX, &r->page.limit, &err);
	r->page.all = rc == 0;
	if (rc == 1 && r->page.limit == 0)
		rc = err_set(&err, ERR_BAD_REQUEST, "\"limit\" must be 1 to %d",
			     WIRE_PAGE_MAX);
	if (rc >= 0)
		rc = query_get_text(query, "after", &r->page.after, &err);
	if (rc >= 0 && is_after != NULL && r->page.after.len > 0 &&
	    !is_after(buf_str(&r->page.after)))
		rc = err_set(&err, ERR_BAD_NAME, NULL);
	if (rc < 0)
		http_fail(r, &err);
	return rc >= 0;
}

void rest_begin_item(struct http_request *r)
{
	const struct buf *b = &r->text;

	if (b->len > 0 && b->data[b->len - 1] != '[')
		buf_append_char(&r->text, ',');
}

void rest_end_item(struct http_request *r, struct str name)
{
	buf_clear(&r->page.after);
	buf_append_str(&r->page.after, name);
	/* Else the next page would be the first one again. */
	r->text.failed = r->text.failed || r->page.after.failed;
}

void rest_end_page(struct http_request *r, bool complete)
{
	buf_append_str(&r->text, str_of("],\"next_after\":"));
	json_put_str(&r->text, buf_str(&r->page.after));
	buf_printf(&r->text, ",\"complete\":%s}", complete ? "true" : "false");
	http_answer(r, 200);
}

void rest_random_key(char out[33])
{
	const struct env *env = env_system();

	snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, env_random_u64(env),
		 env_random_u64(env));
}

void rest_epoch_changed(struct http_request *r, const struct err *err,
			uint64_t epoch, uint64_t first_seq)
{
	struct buf extra = { 0 };

	convert_put_start(&extra, epoch, first_seq);
	http_fail_with(r, err_http_status(err->code), err->code, err->text,
		       NULL, buf_cstr(&extra));
	buf_release(&extra);
}
