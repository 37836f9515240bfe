/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

static void on_members(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_member_list *page = body;
	struct wire_member m;
	struct str list;
	const char *sep = "";

	if (!http_replied(r, err))
		return;
	list = page->members;
	buf_append_str(&r->text, str_of("{\"members\":["));
	while (wire_next(&list, &wire_schema_member, &m) == 1) {
		buf_append_str(&r->text, str_of(sep));
		sep = ",";
		json_put_member(&r->text, &m);
		buf_clear(&r->page.after);
		buf_append_str(&r->page.after, m.name);
	}
	buf_append_str(&r->text, str_of("],\"next_after\":"));
	json_put_str(&r->text, buf_str(&r->page.after));
	buf_printf(&r->text, ",\"total\":%" PRIu64 ",\"complete\":%s}",
		   page->total, page->complete != 0 ? "true" : "false");
	http_answer(r, 200);
}

static void list_members(struct http_request *r)
{
	struct wire_body_list_members body = { .group_id = r->group_id,
					       .after = buf_str(&r->page.after),
					       .limit = r->page.limit };

	http_submit(r, WIRE_LIST_MEMBERS, &body, on_members);
}

void rest_list_members(struct http_request *r)
{
	if (!rest_get_page(r, text_is_user_name))
		return;
	http_with_group(r, list_members);
}

static void on_edited(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_ok *ok = body;

	if (!http_replied(r, err))
		return;
	buf_printf(&r->text, "{\"changed\":%" PRIu64 "}", ok->value);
	http_answer(r, 200);
}

static void edit(struct http_request *r)
{
	struct wire_body_edit_members body = { .group_id = r->group_id,
					       .edits = buf_str(&r->wire) };

	http_submit(r, WIRE_EDIT_MEMBERS, &body, on_edited);
}

static int put_edit(struct http_request *r, struct str name, enum edit_op op,
		    struct err *err)
{
	struct wire_edit e = { .op = op, .name = name };

	if (!text_is_user_name(name))
		return err_set(err, ERR_NO_SUCH_USER, NULL);
	wire_put(&r->wire, &wire_schema_edit, &e);
	return r->wire.failed ? err_set(err, ERR_UNAVAILABLE, NULL) : 0;
}

static int put_edits(struct http_request *r, const char *key, enum edit_op op,
		     struct err *err)
{
	const struct json *names;
	struct str name;
	int rc = json_get_array(r->json, key, 100000, &names, err);

	for (size_t i = 0; rc == 1 && i < json_array_len(names); i++) {
		if (!json_as_str(json_array_at(names, i), &name))
			return err_set(err, ERR_BAD_REQUEST,
				       "\"%s\" must be names", key);
		if (put_edit(r, name, op, err) < 0)
			return err_rc(err);
	}
	return rc < 0 ? rc : 0;
}

void rest_edit_members(struct http_request *r)
{
	struct err err;

	if (put_edits(r, "add", EDIT_ADD, &err) < 0 ||
	    put_edits(r, "remove", EDIT_REMOVE, &err) < 0)
		http_fail(r, &err);
	else
		http_with_group(r, edit);
}

/* The member of the path out of a page that begins with him; false when it
 * has answered. */
static bool find_member(struct http_request *r, const struct err *err,
			const struct wire_body_member_list *page,
			struct wire_member *m)
{
	struct err none;
	struct str list;

	if (!http_replied(r, err))
		return false;
	list = page->members;
	if (wire_next(&list, &wire_schema_member, m) == 1 &&
	    str_eq(m->name, buf_str(&r->match.part[1])))
		return true;
	err_set(&none, ERR_NO_SUCH_USER, "There is no such member");
	http_fail(r, &none);
	return false;
}

static void ask_member(struct http_request *r, client_reply_cb cb)
{
	struct str name = buf_str(&r->match.part[1]);
	struct wire_body_list_members body = { .group_id = r->group_id,
					       .limit = 1 };
	struct err err;

	/*
	 * The page after the last name before his: his own with its last
	 * byte one less, and '~', which sorts behind all that names have.
	 */
	buf_clear(&r->page.after);
	buf_append(&r->page.after, name.data, name.len - 1);
	buf_append_char(&r->page.after, (char)(name.data[name.len - 1] - 1));
	if (r->page.after.len < WIRE_USER_MAX)
		buf_append_char(&r->page.after, '~');
	body.after = buf_str(&r->page.after);
	if (r->page.after.failed) {
		err_set(&err, ERR_UNAVAILABLE, NULL);
		http_fail(r, &err);
		return;
	}
	http_submit(r, WIRE_LIST_MEMBERS, &body, cb);
}

static void on_member(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct http_request *r = req->data;
	struct wire_member m;

	if (!find_member(r, err, body, &m))
		return;
	json_put_member(&r->text, &m);
	http_answer(r, 200);
}

static void get_member(struct http_request *r)
{
	ask_member(r, on_member);
}

static bool name_is_valid(struct http_request *r)
{
	struct err err;

	if (text_is_user_name(buf_str(&r->match.part[1])))
		return true;
	err_set(&err, ERR_NO_SUCH_USER, NULL);
	http_fail(r, &err);
	return false;
}

void rest_get_member(struct http_request *r)
{
	if (name_is_valid(r))
		http_with_group(r, get_member);
}

/* After a change: the member as he is now. */
static void on_put(struct client_request *req, const struct err *err,
		   const void *body)
{
	struct http_request *r = req->data;

	(void)body;
	if (http_replied(r, err))
		ask_member(r, on_member);
}

static void put(struct http_request *r)
{
	struct wire_body_edit_members body = { .group_id = r->group_id,
					       .edits = buf_str(&r->wire) };

	http_submit(r, WIRE_EDIT_MEMBERS, &body, on_put);
}

static enum edit_op op_of(enum role role)
{
	return role == ROLE_ADMIN ? EDIT_ADMIN : EDIT_MEMBER;
}

/* The edit that the body's role asks for, into r->wire. */
static bool get_edit(struct http_request *r, bool needed)
{
	enum role role = ROLE_MEMBER;
	struct err err;
	int rc = convert_get_role(r->json, &role, &err);

	if (rc == 0 && needed)
		rc = err_set(&err, ERR_BAD_REQUEST, "\"role\" is missing");
	if (rc >= 0)
		rc = put_edit(r, buf_str(&r->match.part[1]),
			      rc == 1 ? op_of(role) : EDIT_ADD, &err);
	if (rc < 0)
		http_fail(r, &err);
	return rc >= 0;
}

void rest_put_member(struct http_request *r)
{
	if (get_edit(r, false))
		http_with_group(r, put);
}

/* PATCH changes who is there; it does not add. */
static void on_patch(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct http_request *r = req->data;
	struct wire_member m;

	if (find_member(r, err, body, &m))
		put(r);
}

static void patch(struct http_request *r)
{
	ask_member(r, on_patch);
}

void rest_patch_member(struct http_request *r)
{
	if (get_edit(r, true))
		http_with_group(r, patch);
}

static void on_removed(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct http_request *r = req->data;

	(void)body;
	if (http_replied(r, err))
		http_answer_empty(r, 204);
}

static void remove_member(struct http_request *r)
{
	struct wire_body_edit_members body = { .group_id = r->group_id,
					       .edits = buf_str(&r->wire) };

	http_submit(r, WIRE_EDIT_MEMBERS, &body, on_removed);
}

void rest_delete_member(struct http_request *r)
{
	struct err err;

	if (put_edit(r, buf_str(&r->match.part[1]), EDIT_REMOVE, &err) < 0)
		http_fail(r, &err);
	else
		http_with_group(r, remove_member);
}
