/* SPDX-License-Identifier: MIT */
/*
 * Whole groups out and in: EXPORT on a mover, in a snapshot a request, none of
 * which goes behind the message that was the last one at the start; IMPORT on
 * the lane, a bounded part a request, by the session that has begun it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth.h"
#include "daemon/handlers.h"
#include "daemon/page.h"
#include "lib/text.h"

enum {
	EXPORT_PIECE = 768 << 10, /* bytes of a file an answer */
	UNKNOWN_MAX = 20	  /* names in a refusal, as far as they fit */
};

/* EXPORT */

/* Whom the store is asked for: groupd itself where an admin asks. */
static struct str export_user(const struct request *r)
{
	return r->admin ? str_of("") : request_user(r);
}

static int find_group(struct request *r, struct store *store,
		      struct wire_group *out)
{
	const struct wire_body_export *body = &r->body.export;

	if (!r->admin)
		return request_find_group(r, store, body->group_id, body->name,
					  out);
	return store_find_group(store, body->group_id, body->name, str_of(""),
				out, &r->err);
}

static int export_group(struct request *r, struct store *store,
			const struct wire_group *g, struct page *page)
{
	struct wire_port_group out = { .group_id = g->group_id,
				       .epoch = g->epoch,
				       .first_seq = g->first_seq,
				       .first_off = g->first_off,
				       .first_jsonl_off = g->first_jsonl_off,
				       .last_seq = g->last_seq,
				       .member_count = g->member_count };
	struct wire_info info;
	int rc = store_get_info(store, g->group_id, export_user(r), &info,
				&r->err);

	if (rc < 0)
		return rc;
	out.name = info.name;
	out.description = info.description;
	out.avatar_url = info.avatar_url;
	out.created_by = info.created_by;
	out.created_ms = info.created_ms;
	out.max_members = info.max_members;
	out.settings = info.settings;
	wire_put(&page->records, &wire_schema_port_group, &out);
	return 0;
}

/* A walk over the members, of which each caller sees what he may. */
struct members {
	struct page *page;
	const struct request *request;
	uint64_t group_id;
	uint64_t last_seq;
};

static uint64_t at_most(uint64_t seq, uint64_t last_seq)
{
	return seq < last_seq ? seq : last_seq;
}

/* With the one that is not stored yet. */
static uint64_t pointer_of(const struct members *list,
			   const struct wire_port_member *m)
{
	struct pointers *pointers = list->request->handlers->pointers;
	uint64_t known =
		pointers == NULL
			? 0
			: pointers_find(pointers, list->group_id, m->name);

	return known > m->last_read_seq ? known : m->last_read_seq;
}

static int add_member(void *data, const struct wire_port_member *m)
{
	const struct members *list = data;
	const struct request *r = list->request;
	struct wire_port_member out = *m;

	out.joined_seq = at_most(m->joined_seq, list->last_seq);
	out.last_read_seq = at_most(pointer_of(list, m), list->last_seq);
	if (!r->admin && !str_eq(m->name, request_user(r)))
		out.last_read_seq = PORT_UNKNOWN;
	return page_add(list->page, &wire_schema_port_member, &out);
}

/* A walk over the files, without those that came meanwhile. */
struct files {
	struct page *page;
	uint64_t last_seq;
};

static int add_file(void *data, const struct wire_media *m)
{
	const struct files *list = data;

	if (m->seq > list->last_seq)
		return 0;
	return page_add(list->page, &wire_schema_media, m);
}

static int export_bytes(struct request *r, struct store *store,
			uint64_t group_id, struct page *page)
{
	const struct wire_body_export *body = &r->body.export;
	uint8_t hash[STORE_HASH];
	struct wire_media media;
	int rc = store_find_media(store, body->media_id, 0, str_of(""),
				  export_user(r), &media, &r->err);

	if (rc < 0)
		return rc;
	if (rc == 0 || media.group_id != group_id ||
	    media.hash.len != STORE_HASH)
		return err_set(&r->err, ERR_NO_SUCH_FILE, NULL);
	memcpy(hash, media.hash.data, STORE_HASH);
	page->complete = body->offset >= media.size ||
			 media.size - body->offset <= EXPORT_PIECE;
	return media_read(r->handlers->media, hash, body->offset, EXPORT_PIECE,
			  &page->records, &r->err);
}

static int export_part(struct request *r, struct store *store,
		       const struct wire_group *group, struct page *page)
{
	const struct wire_body_export *body = &r->body.export;
	struct members members = { page, r, group->group_id, body->last_seq };
	struct files files = { page, body->last_seq };

	switch (body->part) {
	case PORT_GROUP:
		return export_group(r, store, group, page);
	case PORT_MEMBERS:
		return store_export_members(store, group->group_id, body->after,
					    add_member, &members, &r->err);
	case PORT_MESSAGES:
		page->limit = UINT64_MAX;
		page->max_bytes = WIRE_TEXT_MAX;
		page->before = at_most(body->last_seq, group->last_seq) + 1;
		if (body->after_seq + 1 < group->first_seq)
			return err_set(&r->err, ERR_EPOCH_CHANGED,
				       "The messages before %" PRIu64
				       " went while it was exported: begin "
				       "again",
				       group->first_seq);
		return store_scan(store, group->group_id, body->after_seq,
				  page_add_message, page, &r->err);
	case PORT_MEDIA:
		return store_list_media(store, group->group_id, body->after,
					add_file, &files, &r->err);
	default:
		return export_bytes(r, store, group->group_id, page);
	}
}

static int read_export(struct request *r, struct store *store)
{
	struct page page = { .limit = page_limit(0), .complete = true };
	struct wire_body_exported answer;
	struct wire_group group;
	int rc = find_group(r, store, &group);

	if (rc < 0)
		return rc;
	rc = export_part(r, store, &group, &page);
	rc = page_error(r, &page, rc);
	answer = (struct wire_body_exported){ .records = buf_str(&page.records),
					      .complete = page.complete };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

/* IMPORT */

static int check_owner(struct request *r, uint64_t import_id)
{
	if (import_keeper_owns(r->handlers->imports, r->peer->session.serial,
			       import_id))
		return 0;
	return err_set(&r->err, ERR_BAD_REQUEST,
		       "This import was broken off and nothing of it is left: "
		       "begin it again");
}

static int begin_import(struct request *r)
{
	const struct wire_body_import *body = &r->body.import;

	if (body->part == PORT_GROUP &&
	    !import_keeper_has_room(r->handlers->imports))
		return err_set(&r->err, ERR_UNAVAILABLE,
			       "There are too many imports at once");
	/* An END that was sent before may have been carried out. */
	if (body->part == PORT_GROUP || (body->part == PORT_END && r->resent))
		return 0;
	return check_owner(r, body->import_id);
}

/* Names that are not known here, for a refusal. */
struct unknown {
	struct buf names;
	size_t count;
};

static size_t count_members(struct str records)
{
	struct wire_port_member m;
	size_t count = 0;

	while (wire_next(&records, &wire_schema_port_member, &m) > 0)
		count++;
	return count;
}

/* Who is not stored yet is noted, or unknown. */
static void note_missing(struct request *r, struct str user,
			 struct unknown *unknown)
{
	const struct wire_name record = { .name = user };

	if (r->body.import.add_users != 0 || auth_has_account(user))
		wire_put(&r->extra, &wire_schema_name, &record);
	else if (++unknown->count <= UNKNOWN_MAX)
		buf_printf(&unknown->names, "%s%.*s",
			   unknown->count > 1 ? ", " : "", (int)user.len,
			   user.data);
}

static int find_unknown(struct request *r, struct store *store,
			struct unknown *unknown)
{
	struct str records = r->body.import.records;
	struct request_names n;
	struct wire_port_member m;
	int rc = request_names_init(r, &n, count_members(records));

	while (rc == 0 &&
	       wire_next(&records, &wire_schema_port_member, &m) > 0) {
		/* The verb refuses it, by its line. */
		if (text_is_user_name(m.name))
			n.names[n.count++] = m.name;
	}
	if (rc == 0)
		rc = request_names_find(r, store, &n);
	for (size_t i = 0;
	     rc == 0 && i < n.count && unknown->count <= UNKNOWN_MAX; i++) {
		if (!n.found[i])
			note_missing(r, n.names[i], unknown);
	}
	request_names_release(&n);
	if (rc < 0)
		return rc;
	return r->extra.failed || unknown->names.failed ? request_no_memory(r)
							: 0;
}

/* As many of them as fit the sentence. */
static int refuse_unknown(struct request *r, struct unknown *unknown)
{
	enum { ROOM = 120 };
	bool more = unknown->count > UNKNOWN_MAX;

	while (unknown->names.len > ROOM) {
		const char *all = buf_cstr(&unknown->names);

		buf_truncate(&unknown->names,
			     (size_t)(strrchr(all, ',') - all));
		more = true;
	}
	return err_set(&r->err, ERR_NO_SUCH_USER,
		       "These members are no users here: %s%s. Add them first, "
		       "or import with --add-users",
		       buf_cstr(&unknown->names), more ? " and others" : "");
}

static int prepare_members(struct request *r, struct store *store)
{
	struct unknown unknown = { 0 };
	int rc = find_unknown(r, store, &unknown);

	if (rc == 0 && unknown.count > 0)
		rc = refuse_unknown(r, &unknown);
	buf_release(&unknown.names);
	return rc;
}

static struct media_upload upload_of(const struct request *r,
				     uint64_t import_id)
{
	return (struct media_upload){ .group_id = import_id,
				      .user = request_user(r),
				      .key = str_of(IMPORT_KEEPER_UPLOAD) };
}

static int at_line(struct request *r)
{
	return err_wrap(&r->err, "line %" PRIu64, r->body.import.line);
}

/* What was sent of the file is what its record says. */
static int prepare_media(struct request *r)
{
	const struct media_upload u = upload_of(r, r->body.import.import_id);
	struct str records = r->body.import.records;
	struct wire_media media;
	int rc;

	if (wire_next(&records, &wire_schema_media, &media) <= 0)
		return err_set(&r->err, ERR_BAD_REQUEST, NULL);
	rc = media_seal(r->handlers->media, &u, r->media.hash, &r->media.size,
			&r->media.found, &r->err);
	if (rc < 0)
		return rc;
	if (!r->media.found) {
		err_set(&r->err, ERR_BAD_REQUEST,
			"The bytes of a file are missing");
		return at_line(r);
	}
	if (media.size == r->media.size && media.hash.len == STORE_HASH &&
	    memcmp(media.hash.data, r->media.hash, STORE_HASH) == 0)
		return 0;
	err_set(&r->err, ERR_BAD_REQUEST,
		"The bytes of %.*s are not those that its size and sha256 say",
		(int)media.name.len, media.name.data);
	return at_line(r);
}

static int prepare_import(struct request *r, struct store *store)
{
	switch (r->body.import.part) {
	case PORT_MEMBERS:
		return prepare_members(r, store);
	case PORT_MEDIA:
		return prepare_media(r);
	default:
		return 0;
	}
}

/* Of the line itself, and not of what is here already. */
static bool is_fault(const struct err *err)
{
	return err->code != ERR_GROUP_EXISTS && err->code != ERR_UNAVAILABLE &&
	       err->code != ERR_OUT_OF_SPACE;
}

static int write_begin(struct request *r, struct store *store,
		       struct list *events)
{
	struct str records = r->body.import.records;
	struct wire_port_group group;
	struct event *e;
	uint64_t id;
	int rc;

	if (wire_next(&records, &wire_schema_port_group, &group) <= 0)
		return err_set(&r->err, ERR_BAD_REQUEST, NULL);
	rc = store_import_begin(store, &group, &id, &r->err);
	if (rc < 0)
		return is_fault(&r->err) ? at_line(r) : rc;
	rc = import_keeper_note(r->handlers->imports, id, &r->err);
	if (rc < 0)
		return rc;
	e = event_add(events, EVENT_IMPORTING, id);
	if (e == NULL)
		return request_no_memory(r);
	e->session = r->peer->session.serial;
	str_to_cstr(request_user(r), e->by, sizeof(e->by));
	return request_answer_ok(r, id);
}

static int write_members(struct request *r, struct store *store,
			 const struct store_import *op)
{
	int rc = request_add_users(r, store);

	if (rc == 0)
		rc = store_import_members(store, op, &r->err);
	return rc < 0 ? rc : request_answer_ok(r, 0);
}

/* The bound that may have changed since the store was opened. */
static int check_messages(struct request *r, const struct store_import *op,
			  uint64_t *count)
{
	struct str records = op->records;
	struct wire_message m;

	while (wire_next(&records, &wire_schema_message, &m) > 0) {
		if (m.content.len > r->max_content) {
			err_set(&r->err, ERR_TOO_LARGE,
				"The message has %zu bytes, more than %" PRIu64,
				m.content.len, r->max_content);
			return err_wrap(&r->err, "line %" PRIu64,
					op->line + *count);
		}
		(*count)++;
	}
	return 0;
}

static int write_messages(struct request *r, struct store *store,
			  const struct store_import *op)
{
	uint64_t count = 0;
	int rc = check_messages(r, op, &count);

	if (rc == 0)
		rc = store_import_messages(store, op, &r->err);
	if (rc < 0)
		return rc;
	r->op.appended = count;
	return request_answer_ok(r, count);
}

/* As SEND_MEDIA: the bytes are there for good before that is committed. */
static int write_media(struct request *r, struct store *store,
		       const struct store_import *op)
{
	const struct media_upload u = upload_of(r, op->import_id);
	struct media *media = r->handlers->media;
	struct media_placing placing = { .upload = &u, .hash = r->media.hash };
	int rc = media_ready(media, &placing, &r->err);

	if (rc < 0)
		return rc;
	rc = store_import_media(store, op, &r->err);
	if (rc < 0)
		media_undo(media, &placing);
	if (rc == 0)
		rc = media_settle(media, &placing, &r->err);
	return rc < 0 ? rc : request_answer_ok(r, 0);
}

/* Room for changes grows by doubling. */
struct showing {
	struct event *event;
	size_t cap;
};

static int add_change(void *data, const struct wire_port_member *m)
{
	struct showing *s = data;
	struct event *e = s->event;

	if (e->count == s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		void *more = realloc(e->changes, cap * sizeof(*e->changes));

		if (more == NULL)
			return -ENOMEM;
		e->changes = more;
		s->cap = cap;
	}
	e->changes[e->count] = (struct store_change){
		.change = MEMBER_ADDED,
		.role = (enum role)m->role,
		.last_read_seq = m->last_read_seq,
	};
	str_to_cstr(m->name, e->changes[e->count].user,
		    sizeof(e->changes[0].user));
	e->count++;
	return 0;
}

static int write_end(struct request *r, struct store *store,
		     struct list *events)
{
	const struct wire_body_import *body = &r->body.import;
	struct store_import_end op = { .import_id = body->import_id,
				       .name = body->name,
				       .key = body->key };
	struct showing s = { 0 };
	int rc = store_import_end(store, &op, &r->err);

	if (rc < 0)
		return rc;
	if (op.existed)
		return request_answer_ok(r, op.group_id);
	if (event_add(events, EVENT_IMPORTED, op.group_id) == NULL)
		return request_no_memory(r);
	s.event = request_members_event(r, store, events, EVENT_MEMBERS,
					op.group_id);
	if (s.event == NULL)
		return err_rc(&r->err);
	rc = store_export_members(store, op.group_id, str_of(""), add_change,
				  &s, &r->err);
	return rc < 0 ? rc : request_answer_ok(r, op.group_id);
}

static int write_import(struct request *r, struct store *store,
			struct list *events)
{
	const struct wire_body_import *body = &r->body.import;
	const struct store_import op = { .import_id = body->import_id,
					 .records = body->records,
					 .line = body->line };

	switch (body->part) {
	case PORT_GROUP:
		return write_begin(r, store, events);
	case PORT_MEMBERS:
		return write_members(r, store, &op);
	case PORT_MESSAGES:
		return write_messages(r, store, &op);
	case PORT_MEDIA:
		return write_media(r, store, &op);
	default:
		return write_end(r, store, events);
	}
}

static void forget(struct readers_job *job, struct store *store)
{
	struct request *r = request_of_job(job);
	const struct media_upload u = upload_of(r, r->body.import.import_id);

	(void)store;
	media_forget(r->handlers->media, &u);
}

/* The next file has the same name as an upload: it waits for this. */
static bool finish_import(struct request *r)
{
	if (r->body.import.part != PORT_MEDIA || r->err.code != ERR_NONE ||
	    r->media.forgotten || r->handlers->stopping)
		return false;
	r->media.forgotten = true;
	return request_work(r, forget) == 0;
}

static int begin_import_bytes(struct request *r)
{
	return check_owner(r, r->body.import_bytes.import_id);
}

static int read_import_bytes(struct request *r, struct store *store)
{
	const struct wire_body_import_bytes *body = &r->body.import_bytes;
	const struct media_upload u = upload_of(r, body->import_id);
	struct media *media = r->handlers->media;
	uint64_t size = 0;
	int rc = 0;

	(void)store;
	if (body->offset == 0)
		rc = media_resize(media, &u, 0, &r->err);
	if (rc == 0 && body->data.len > 0)
		rc = media_write(media, &u, body->offset, body->data, &size,
				 &r->err);
	return rc < 0 ? rc : request_answer_ok(r, size);
}

const struct handler handlers_port[] = {
	{ .type = WIRE_EXPORT, .read = read_export, .mover = true },
	{ .type = WIRE_IMPORT,
	  .begin = begin_import,
	  .prepare = prepare_import,
	  .write = write_import,
	  .finish = finish_import,
	  .admin_only = true,
	  .mover = true },
	{ .type = WIRE_IMPORT_BYTES,
	  .read = read_import_bytes,
	  .begin = begin_import_bytes,
	  .admin_only = true,
	  .mover = true },
	{ .type = WIRE_NONE },
};
