/* SPDX-License-Identifier: MIT */
/* Requests that write to groups; on the group's lane, in its transaction. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/auth.h"
#include "daemon/handlers.h"
#include "lib/json.h"

/* Loop: the bound that may have changed since the store was opened. */
static int check_items(struct request *r)
{
	struct str items = r->body.send.items;
	struct wire_item item;
	int rc;

	while ((rc = wire_next(&items, &wire_schema_item, &item)) > 0) {
		if (item.content.len > r->max_content)
			return err_set(&r->err, ERR_TOO_LARGE,
				       "A message has %zu bytes, at most %llu "
				       "are allowed",
				       item.content.len,
				       (unsigned long long)r->max_content);
	}
	if (rc < 0)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "The list of messages cannot be decoded");
	return 0;
}

/*
 * A send may have been stored before: what the client sends again because its
 * connection was lost has the batch_id that it had, and what a person's
 * program sends again the client_id. Over the limit it gets the answer that
 * was lost, and not a refusal: that says that nothing was stored. So the store
 * is asked, on the group's lane, where the first one may still be waiting.
 * What is new is refused at once.
 */
static int charge_send(struct request *r)
{
	struct str items = r->body.send.items;
	struct wire_item item;
	uint64_t count = 0;
	bool keyed = true;

	if (r->handlers->rate->per_second == 0)
		return 0;
	while (wire_next(&items, &wire_schema_item, &item) > 0) {
		keyed = keyed && item.client_id.len > 0;
		count++;
	}
	return request_charge(r, count, keyed || r->resent);
}

static int begin_send(struct request *r)
{
	const struct wire_body_send *body = &r->body.send;
	int rc = check_items(r);

	r->want =
		groups_watched(&r->handlers->registry->groups, body->group_id);
	r->known = nodes_next(r->handlers->nodes, body->group_id);
	if (rc == 0)
		rc = charge_send(r);
	r->append = (struct store_append){
		.group_id = body->group_id,
		.user = request_user(r),
		.batch_id = body->batch_id,
		.items = body->items,
		.only_known = r->over.code != ERR_NONE,
	};
	r->op.append = &r->append;
	return rc;
}

static bool finish_send(struct request *r)
{
	if (r->err.code == ERR_NONE)
		request_put_sent(r);
	return false;
}

int request_tell_sent(struct request *r, struct list *events,
		      const struct wire_body_sent *sent, bool mentions)
{
	const struct event news = { .first_seq = sent->first_seq,
				    .last_seq = sent->last_seq,
				    .next_seq = r->known,
				    .want = r->want,
				    .mentions = mentions };

	if (event_add_messages(events, r->group_id, &news) < 0)
		return request_no_memory(r);
	return 0;
}

/* The lane has appended it. */
static int write_send(struct request *r, struct store *store,
		      struct list *events)
{
	const struct store_append *op = &r->append;

	if (r->err.code != ERR_NONE) {
		request_note_refusal(r, store, op->group_id);
		return err_rc(&r->err);
	}
	r->group_id = op->group_id;
	r->sent = op->sent;
	if (request_check_over(r) < 0)
		return err_rc(&r->err);
	if (op->sent.duplicate == 0) {
		r->op.appended = op->sent.last_seq - op->sent.first_seq + 1;
		if (request_tell_sent(r, events, &op->sent, op->mentions) < 0)
			return err_rc(&r->err);
	}
	return 0;
}

/* Only an admin of the group may add, so only for him passwd is asked. */
static int prepare_edit_members(struct request *r, struct store *store)
{
	const struct wire_body_edit_members *body = &r->body.edit_members;
	enum role role;
	int rc = store_role(store, body->group_id, request_user(r), &role,
			    &r->err);

	if (rc < 0 || role != ROLE_ADMIN)
		return rc;
	return request_prepare_edits(r, store, body->edits);
}

struct event *request_members_event(struct request *r, struct store *store,
				    struct list *events, enum event_kind kind,
				    uint64_t group_id)
{
	struct wire_group group;
	struct event *e;

	if (store_find_group(store, group_id, str_of(""), str_of(""), &group,
			     &r->err) < 0)
		return NULL;
	e = event_add(events, kind, group_id);
	if (e == NULL) {
		request_no_memory(r);
		return NULL;
	}
	str_to_cstr(group.name, e->group, sizeof(e->group));
	str_to_cstr(request_user(r), e->by, sizeof(e->by));
	return e;
}

static int begin_edit_members(struct request *r)
{
	r->known = nodes_version(r->handlers->nodes,
				 r->body.edit_members.group_id);
	return 0;
}

/* The changes of other nodes that come before ours. */
struct before {
	struct list *events;
	uint64_t version; /* of our first one */
};

static int take_version(void *data, const struct store_version *v)
{
	uint64_t *version = data;

	*version = v->member_version;
	return 0;
}

static int take_before(void *data, const struct store_member_change *c)
{
	struct before *b = data;

	return c->version >= b->version ? 1 : event_add_change(b->events, c);
}

/* Where nodes share the store: which version ours have made, in the
 * transaction that holds the group, and what of others is to be told before
 * them. */
static int add_before(struct request *r, struct store *store,
		      struct list *events, size_t count, uint64_t *version)
{
	uint64_t group_id = r->body.edit_members.group_id;
	struct before before = { .events = events };
	int rc;

	*version = 0;
	if (r->handlers->nodes == NULL)
		return 0;
	rc = store_list_versions(store, &group_id, 1, take_version, version,
				 &r->err);
	before.version = *version - count + 1;
	if (rc < 0 || r->known == 0 || r->known + 1 >= before.version)
		return rc;
	return store_list_changes(store, group_id, r->known, take_before,
				  &before, &r->err);
}

static int write_edit_members(struct request *r, struct store *store,
			      struct list *events)
{
	const struct wire_body_edit_members *body = &r->body.edit_members;
	struct store_edit op = { .group_id = body->group_id,
				 .by = request_user(r),
				 .edits = body->edits };
	struct event *e = NULL;
	uint64_t done = 0;
	uint64_t version;
	int rc = request_add_users(r, store);

	if (rc < 0)
		return rc;
	rc = store_edit_members(store, &op, &r->err);
	if (rc < 0)
		rc = request_edit_again(r, store, &op, &done);
	if (rc < 0) {
		request_note_refusal(r, store, body->group_id);
		return rc;
	}
	/* Who says that he left before need not have been there. */
	r->group_id = done > 0 && op.count == 0 ? 0 : body->group_id;
	if (op.count > 0) {
		rc = add_before(r, store, events, op.count, &version);
		if (rc == 0)
			e = request_members_event(r, store, events,
						  EVENT_MEMBERS,
						  body->group_id);
		if (e == NULL) {
			free(op.changes);
			return rc < 0 ? rc : err_rc(&r->err);
		}
		e->changes = op.changes;
		e->count = op.count;
		e->version = version;
	} else {
		free(op.changes);
	}
	return request_answer_ok(r, op.count + done);
}

static int check_settings(struct request *r)
{
	struct str settings = r->body.create_group.settings;
	struct json *json;

	if (settings.len == 0)
		return 0;
	if (json_parse(&json, settings, WIRE_SETTINGS_MAX, &r->err) < 0)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "The settings must be a JSON object");
	json_free(json);
	return 0;
}

static int prepare_create_group(struct request *r, struct store *store)
{
	int rc = check_settings(r);

	if (rc == 0)
		rc = request_prepare_user(r, store, request_user(r));
	if (rc < 0)
		return rc;
	return request_prepare_edits(r, store, r->body.create_group.members);
}

/* Room for changes grows by doubling. */
struct collecting {
	struct event *event;
	size_t cap;
};

static int add_change(void *data, const struct wire_member *m)
{
	struct collecting *c = data;
	struct event *e = c->event;
	struct store_change *change;

	if (e->count == c->cap) {
		size_t cap = c->cap == 0 ? 8 : c->cap * 2;
		struct store_change *more =
			realloc(e->changes, cap * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		e->changes = more;
		c->cap = cap;
	}
	change = &e->changes[e->count++];
	*change = (struct store_change){ .change = MEMBER_ADDED,
					 .role = (enum role)m->role };
	str_to_cstr(m->name, change->user, sizeof(change->user));
	return 0;
}

static int announce_group(struct request *r, struct store *store,
			  struct list *events, uint64_t group_id)
{
	struct collecting c = { .event = request_members_event(r, store, events,
							       EVENT_MEMBERS,
							       group_id) };

	if (c.event == NULL)
		return err_rc(&r->err);
	return store_list_members(store, group_id, str_of(""), add_change, &c,
				  &r->err);
}

static int write_create_group(struct request *r, struct store *store,
			      struct list *events)
{
	const struct wire_body_create_group *body = &r->body.create_group;
	struct store_create op = {
		.name = body->name,
		.creator = request_user(r),
		.description = body->description,
		.settings = body->settings,
		.members = body->members,
		.key = body->key,
	};
	struct wire_body_group answer;
	struct wire_group group;
	int rc = request_add_users(r, store);

	if (rc == 0)
		rc = store_create_group(store, &op, &r->err);
	if (rc == 0 && !op.existed)
		rc = announce_group(r, store, events, op.group_id);
	if (rc == 0)
		rc = store_find_group(store, op.group_id, str_of(""),
				      request_user(r), &group, &r->err);
	if (rc < 0)
		return rc;
	r->group_id = op.group_id;
	_Static_assert(sizeof(answer) == sizeof(group), "one list of fields");
	memcpy(&answer, &group, sizeof(answer));
	return request_answer(r, &answer);
}

static int write_delete_group(struct request *r, struct store *store,
			      struct list *events)
{
	uint64_t group_id = r->body.delete_group.group_id;
	int rc = store_delete_group(store, group_id, request_user(r), &r->err);
	struct event *e;

	/* Sent before, it may have been done; and for whom the group is not
	 * there it is deleted. */
	if (r->resent && r->err.code == ERR_NO_SUCH_GROUP) {
		r->err.code = ERR_NONE;
		return request_answer_ok(r, 1);
	}
	if (rc < 0) {
		request_note_refusal(r, store, group_id);
		return rc;
	}
	if (rc > 0 &&
	    import_keeper_note(r->handlers->imports, group_id, &r->err) < 0)
		return err_rc(&r->err);
	e = event_add(events, EVENT_DELETED, group_id);
	if (e == NULL)
		return request_no_memory(r);
	e->more = rc > 0;
	return request_answer_ok(r, 1);
}

static int write_set_read(struct request *r, struct store *store,
			  struct list *events)
{
	const struct wire_body_set_read *body = &r->body.set_read;
	struct event *e;
	uint64_t stored;
	int rc = store_set_read(store, body->group_id, request_user(r),
				body->seq, &stored, &r->err);

	if (rc < 0) {
		request_note_refusal(r, store, body->group_id);
		return rc;
	}
	r->group_id = body->group_id;
	if (rc > 0) {
		e = request_members_event(r, store, events, EVENT_READ,
					  r->group_id);
		if (e == NULL)
			return err_rc(&r->err);
		e->last_seq = stored;
		e->session = r->peer->session.serial;
		e->request = r->id;
	}
	return request_answer_ok(r, stored);
}

/* The same where the store is shared: checked here, and then kept until it is
 * written with others. */
static int read_set_read(struct request *r, struct store *store)
{
	const struct wire_body_set_read *body = &r->body.set_read;
	struct request_pointer *p = &r->pointer;
	struct wire_group group;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	p->seq = body->seq == WIRE_READ_ALL ? group.last_seq : body->seq;
	if (p->seq > group.last_seq)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "There is no message %" PRIu64
			       " yet: the last is %" PRIu64,
			       p->seq, group.last_seq);
	p->stored = group.last_read_seq;
	str_to_cstr(group.name, p->group, sizeof(p->group));
	p->buffered = true;
	return request_answer_ok(r, p->stored);
}

static bool finish_set_read(struct request *r)
{
	struct request_pointer *p = &r->pointer;
	struct handlers *h = r->handlers;
	struct event e = { .kind = EVENT_READ,
			   .group_id = r->group_id,
			   .last_seq = p->seq,
			   .session = r->peer->session.serial,
			   .request = r->id };
	uint64_t known;
	int rc;

	if (r->err.code != ERR_NONE || !p->buffered)
		return false;
	known = pointers_find(h->pointers, r->group_id, request_user(r));
	if (known < p->stored)
		known = p->stored;
	if (p->seq <= known) {
		request_answer_ok(r, known);
		return false;
	}
	rc = pointers_move(h->pointers, r->group_id, request_user(r), p->seq);
	if (rc < 0) {
		p->buffered = false;
		return request_write(r) == 0;
	}
	str_to_cstr(str_of(p->group), e.group, sizeof(e.group));
	str_to_cstr(request_user(r), e.by, sizeof(e.by));
	h->event(h->data, &e);
	request_answer_ok(r, p->seq);
	return false;
}

/* It is as the request wants it: sent before, it may have been done. */
static bool is_set(const struct wire_info *is,
		   const struct wire_body_set_info *want)
{
	return ((want->set & INFO_DESCRIPTION) == 0 ||
		str_eq(is->description, want->description)) &&
	       ((want->set & INFO_AVATAR_URL) == 0 ||
		str_eq(is->avatar_url, want->avatar_url)) &&
	       ((want->set & INFO_SETTINGS) == 0 ||
		str_eq(is->settings, want->settings)) &&
	       ((want->set & INFO_MAX_MEMBERS) == 0 ||
		is->max_members == want->max_members);
}

/* Other nodes write, too: nobody changes it between the look and the change. */
static int lock_info(struct request *r, struct store *store)
{
	const struct store_set_info nothing = {
		.group_id = r->body.set_info.group_id, .by = request_user(r)
	};

	return store_is_shared(store) ? store_set_info(store, &nothing, &r->err)
				      : 0;
}

/* In the transaction that changes it. */
static int check_info_tag(struct request *r, struct store *store)
{
	const struct wire_body_set_info *body = &r->body.set_info;
	struct wire_body_info body_info;
	struct wire_info info;
	int rc;

	if (body->if_tag == 0)
		return 0;
	rc = lock_info(r, store);
	if (rc < 0)
		return rc;
	rc = store_get_info(store, body->group_id, request_user(r), &info,
			    &r->err);
	if (rc < 0)
		return rc;
#define COPY(kind, name, bound) body_info.name = info.name;
	WIRE_INFO_FIELDS(COPY)
#undef COPY
	if (json_info_tag(&body_info) == body->if_tag ||
	    (r->resent && is_set(&info, body)))
		return 0;
	return err_set(&r->err, ERR_PRECONDITION_FAILED, NULL);
}

static int write_set_info(struct request *r, struct store *store,
			  struct list *events)
{
	const struct wire_body_set_info *body = &r->body.set_info;
	const struct store_set_info op = {
		.group_id = body->group_id,
		.by = request_user(r),
		.set = (unsigned)body->set,
		.description = body->description,
		.avatar_url = body->avatar_url,
		.settings = body->settings,
		.max_members = body->max_members,
	};
	int rc = check_info_tag(r, store);

	(void)events;
	if (rc == 0)
		rc = store_set_info(store, &op, &r->err);
	if (rc < 0) {
		request_note_refusal(r, store, body->group_id);
		return rc;
	}
	r->group_id = body->group_id;
	return request_answer_ok(r, 1);
}

const struct handler handlers_writing[] = {
	{ .type = WIRE_SEND,
	  .begin = begin_send,
	  .write = write_send,
	  .finish = finish_send },
	{ .type = WIRE_EDIT_MEMBERS,
	  .begin = begin_edit_members,
	  .prepare = prepare_edit_members,
	  .write = write_edit_members },
	{ .type = WIRE_CREATE_GROUP,
	  .prepare = prepare_create_group,
	  .write = write_create_group },
	{ .type = WIRE_DELETE_GROUP, .write = write_delete_group },
	{ .type = WIRE_SET_READ,
	  .write = write_set_read,
	  .buffered = read_set_read,
	  .finish = finish_set_read },
	{ .type = WIRE_SET_INFO, .write = write_set_info },
	{ .type = WIRE_NONE },
};
