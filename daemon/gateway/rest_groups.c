/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/rest.h"
#include "lib/table.h"
#include "lib/text.h"

static void on_created(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_group *g = body;

	if (!http_replied(r, err))
		return;
	buf_printf(&r->text,
		   "{\"group_id\":%" PRIu64 ",\"name\":", g->group_id);
	json_put_str(&r->text, g->name);
	buf_append_char(&r->text, '}');
	http_answer(r, 201);
}

/* member_ids as edits. */
static int put_members(struct http_request *r, struct err *err)
{
	const struct json *ids;
	int rc = json_get_array(r->json, "member_ids", 100000, &ids, err);

	for (size_t i = 0; rc == 1 && i < json_array_len(ids); i++) {
		struct wire_edit edit = { .op = EDIT_ADD };

		if (!json_as_str(json_array_at(ids, i), &edit.name))
			return err_set(err, ERR_BAD_REQUEST,
				       "\"member_ids\" must be names");
		if (!text_is_user_name(edit.name))
			return err_set(err, ERR_BAD_NAME, NULL);
		wire_put(&r->wire, &wire_schema_edit, &edit);
	}
	if (r->wire.failed)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	return rc < 0 ? rc : 0;
}

static int get_group(struct http_request *r, struct wire_body_create_group *c,
		     struct buf *settings, struct err *err)
{
	const struct json *object;
	int rc = json_get_str(r->json, "name", 1024, &c->name, err);

	if (rc == 0)
		return err_set(err, ERR_BAD_REQUEST, "\"name\" is missing");
	if (rc == 1 && !text_is_group_name(c->name))
		return err_set(err, ERR_BAD_NAME, NULL);
	if (rc >= 0)
		rc = json_get_str(r->json, "description", WIRE_DESCRIPTION_MAX,
				  &c->description, err);
	if (rc >= 0)
		rc = json_get_object(r->json, "settings", &object, err);
	if (rc == 1) {
		json_put_value(settings, object);
		if (settings->len > WIRE_SETTINGS_MAX)
			return err_set(err, ERR_BAD_REQUEST,
				       "\"settings\" are too large");
		c->settings = buf_str(settings);
	}
	return rc < 0 ? rc : put_members(r, err);
}

void rest_create_group(struct http_request *r)
{
	struct wire_body_create_group create = { 0 };
	struct buf settings = { 0 };
	struct err err;
	char key[33];
	int rc = get_group(r, &create, &settings, &err);

	if (rc == 0 && r->key.len > WIRE_KEY_MAX)
		rc = err_set(&err, ERR_BAD_REQUEST,
			     "Idempotency-Key is longer than %d bytes",
			     WIRE_KEY_MAX);
	rest_random_key(key);
	create.key = r->key.len > 0 ? buf_str(&r->key) : str_of(key);
	create.members = buf_str(&r->wire);
	if (rc < 0)
		http_fail(r, &err);
	else
		http_submit(r, WIRE_CREATE_GROUP, &create, on_created);
	buf_release(&settings);
}

static void list_groups(struct http_request *r);

/* Each page appends; r->page.after is the last name so far. */
static void on_groups(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_group_list *page = body;
	struct str list = { 0 };
	struct wire_group g;
	int rc;

	if (!http_replied(r, err))
		return;
	list = page->groups;
	while ((rc = wire_next(&list, &wire_schema_group, &g)) == 1) {
		rest_begin_item(r);
		json_put_group(&r->text, &g, NULL);
		rest_end_item(r, g.name);
		if (r->text.failed)
			break;
	}
	if (page->complete == 0 && r->page.all && rc == 0) {
		list_groups(r);
		return;
	}
	rest_end_page(r, page->complete != 0);
}

static void list_groups(struct http_request *r)
{
	struct wire_body_list_groups body = { .after = buf_str(&r->page.after),
					      .limit = r->page.limit };

	http_submit(r, WIRE_LIST_GROUPS, &body, on_groups);
}

void rest_list_groups(struct http_request *r)
{
	if (!rest_get_page(r, text_is_group_name))
		return;
	buf_append_str(&r->text, str_of("{\"groups\":["));
	list_groups(r);
}

static void on_info(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_group *b = &r->resolve.group;
	struct wire_group g = { 0 };

	if (!http_replied(r, err))
		return;
#define COPY(kind, name, bound) g.name = b->name;
	WIRE_GROUP_FIELDS(COPY)
#undef COPY
	json_put_group(&r->text, &g, body);
	/* Of the metadata, then of all: see if_match(). */
	buf_printf(&r->etag, "\"%016" PRIx64 "-%016" PRIx64 "\"",
		   json_info_tag(body), table_hash_bytes(buf_str(&r->text)));
	http_answer(r, 200);
}

static void get_info(struct http_request *r, client_reply_cb cb)
{
	struct wire_body_get_info body = { .group_id = r->group_id };

	http_submit(r, WIRE_GET_INFO, &body, cb);
}

static void get_group_info(struct http_request *r)
{
	get_info(r, on_info);
}

void rest_get_group(struct http_request *r)
{
	http_with_group(r, get_group_info);
}

static void on_info_set(struct client_request *req, const struct err *err,
			const void *body)
{
	struct http_request *r = req->data;

	(void)body;
	if (http_replied(r, err))
		get_info(r, on_info);
}

/*
 * If-Match: the tag of a GET. Only its part of the metadata counts, since only
 * that is changed: else a group in use could never be. 0 or -errno and err.
 */
static int if_match(struct http_request *r, const struct wire_body_info *info,
		    uint64_t *if_tag, struct err *err)
{
	struct buf tags = { 0 }, tag = { 0 };
	bool there = headers_get(r->wsi, HEADER_IF_MATCH, &tags);
	int rc = 0;

	*if_tag = there ? json_info_tag(info) : 0;
	buf_printf(&tag, "%016" PRIx64, *if_tag);
	if (there && !headers_tags_begin(buf_str(&tags), buf_str(&tag)))
		rc = err_set(err, ERR_PRECONDITION_FAILED, NULL);
	buf_release(&tags);
	buf_release(&tag);
	return rc;
}

/* The metadata as it is, to compare with. */
static void on_old_info(struct client_request *req, const struct err *err,
			const void *body)
{
	struct http_request *r = req->data;
	struct wire_body_set_info set = { .group_id = r->group_id };
	struct buf settings = { 0 };
	struct err why;
	int rc;

	if (!http_replied(r, err))
		return;
	rc = json_get_info(r->json, &set, &settings, &why);
	if (rc == 0)
		rc = json_check_info(r->json, body, &why);
	if (rc == 0)
		rc = if_match(r, body, &set.if_tag, &why);
	if (rc == 0)
		http_submit(r, WIRE_SET_INFO, &set, on_info_set);
	else
		http_fail(r, &why);
	buf_release(&settings);
}

static void patch_group(struct http_request *r)
{
	get_info(r, on_old_info);
}

void rest_patch_group(struct http_request *r)
{
	http_with_group(r, patch_group);
}

static void on_deleted(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct http_request *r = req->data;

	(void)body;
	if (http_replied(r, err))
		http_answer_empty(r, 204);
}

static void delete_group(struct http_request *r)
{
	struct wire_body_delete_group body = { .group_id = r->group_id };

	http_submit(r, WIRE_DELETE_GROUP, &body, on_deleted);
}

void rest_delete_group(struct http_request *r)
{
	http_with_group(r, delete_group);
}
