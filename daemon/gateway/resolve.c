/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/resolve.h"

#include "lib/text.h"

static void on_group(struct client_request *req, const struct err *err,
		     const void *body);

static int submit(struct resolve *r, struct str name, uint64_t id)
{
	struct wire_body_find_group find = {
		.group_id = id, .name = name, .for_whom = (uint64_t)r->for_whom
	};
	int rc = client_submit(r->client, &r->req, r->principal,
			       WIRE_FIND_GROUP, &find, r->timeout_ms, on_group);

	r->pending = rc == 0;
	return rc;
}

static void on_group(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct resolve *r = req->data;
	uint64_t id = r->id;
	struct err refused;

	r->pending = false;
	r->id = 0;
	if (err != NULL && err->code == ERR_NO_SUCH_GROUP && id != 0) {
		r->by_name = false;
		if (submit(r, str_of(""), id) == 0)
			return;
		err_set(&refused, ERR_UNAVAILABLE, NULL);
		err = &refused;
	}
	if (err == NULL) {
		const struct wire_body_group *g = body;

		r->group = *g;
		if (!str_to_cstr(g->name, r->name, sizeof(r->name)) ||
		    !str_to_cstr(g->created_by, r->created_by,
				 sizeof(r->created_by))) {
			err_set(&refused, ERR_UNAVAILABLE, NULL);
			err = &refused;
		}
		r->group.name = str_of(r->name);
		r->group.created_by = str_of(r->created_by);
		if (err == NULL && r->by_name && r->recall != NULL)
			recall_note(r->recall, str_of(r->principal->name),
				    r->group.name, r->group.group_id);
	}
	r->cb(r, err);
}

int resolve_start(struct resolve *r, struct client *c,
		  struct client_principal *p, struct str group,
		  uint64_t timeout_ms, resolve_cb cb, struct err *err)
{
	bool is_name = text_is_group_name(group);

	r->client = c;
	r->principal = p;
	r->req.data = r;
	r->cb = cb;
	r->timeout_ms = timeout_ms;
	r->id = 0;
	r->by_name = true;
	r->recalled = false;
	if (!text_parse_u64(group, &r->id))
		r->id = 0;
	if (!is_name)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (submit(r, group, 0) < 0)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	return 0;
}

bool resolve_recall(struct resolve *r, const struct client_principal *p,
		    struct str group)
{
	uint64_t id = recall_find(r->recall, str_of(p->name), group);

	if (id == 0 || !str_to_cstr(group, r->name, sizeof(r->name)))
		return false;
	r->recalled = true;
	r->group = (struct wire_body_group){ .group_id = id,
					     .name = str_of(r->name) };
	return true;
}

bool resolve_was_wrong(struct resolve *r, const struct client_principal *p,
		       const struct err *err)
{
	if (!r->recalled || err == NULL ||
	    (err->code != ERR_NO_SUCH_GROUP && err->code != ERR_NOT_MEMBER))
		return false;
	r->recalled = false;
	recall_forget(r->recall, str_of(p->name), str_of(r->name));
	return true;
}

void resolve_cancel(struct resolve *r)
{
	if (r->pending)
		client_cancel(&r->req);
	r->pending = false;
}
