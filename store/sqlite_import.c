/* SPDX-License-Identifier: MIT */
/*
 * Whole groups from elsewhere. What an import brings lies in the tables where
 * it will stay, under the id of the group that it becomes; only the row in
 * `groups` is missing, through which all that a user may see is found. Until
 * then meta holds, under "import/ID", what that row will say.
 */
#include "store/sqlite.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/import.h"

/* One verb under way. */
struct importing {
	struct sqlite_store *s;
	const struct store_import *op;
	struct buf row; /* what meta says; group's strs point into it */
	struct wire_port_group group;
	struct sq_tail tail;
	uint64_t now_ms;
};

struct sq_import_key sq_import_key(uint64_t import_id)
{
	struct sq_import_key key;

	snprintf(key.text, sizeof(key.text), "import/%010" PRIu64, import_id);
	return key;
}

/* All that an import brings lies in messages. */
static int last_message(struct sqlite_store *s, uint64_t import_id,
			struct sq_tail *tail, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_TAIL);
	int rc;

	sq_bind(st, 1, sq_id(import_id, 0));
	sq_bind(st, 2, sq_id(import_id, SQ_SEQ_MAX));
	rc = sq_step(s, st, err);
	if (rc > 0) {
		tail->seq = sq_seq(sq_column(st, 0));
		tail->off = sq_column(st, 1);
		tail->jsonl_off = sq_column(st, 2);
		tail->time_ms = sq_column(st, 3);
		sqlite3_reset(st);
	}
	return rc < 0 ? rc : 0;
}

/* Finds the import and where its log stands. */
static int enter(struct importing *i, struct sqlite_store *s,
		 uint64_t import_id, struct err *err)
{
	const struct sq_import_key key = sq_import_key(import_id);
	sqlite3_stmt *st = sq_use(s, SQ_META_GET);
	int rc;

	i->s = s;
	i->now_ms = import_now_ms(&s->base);
	if (import_id > SQ_GROUP_MAX)
		return import_refuse_unknown(err);
	sq_bind_text(st, 1, str_of(key.text));
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc < 0 ? rc : import_refuse_unknown(err);
	buf_append_str(&i->row, sq_column_str(st, 0));
	sqlite3_reset(st);
	/* It is being dropped. */
	if (i->row.len == 0 && !i->row.failed)
		return import_refuse_unknown(err);
	if (i->row.failed)
		return sq_no_memory(s, err);
	if (wire_get(buf_str(&i->row), &wire_schema_port_group, &i->group) < 0)
		return sq_fail(s, SQLITE_CORRUPT, err);
	i->tail = (struct sq_tail){ .seq = i->group.first_seq - 1,
				    .off = i->group.first_off,
				    .jsonl_off = i->group.first_jsonl_off,
				    .time_ms = i->group.created_ms };
	return last_message(s, import_id, &i->tail, err);
}

static void leave(struct importing *i)
{
	buf_release(&i->row);
}

int sq_check_import(struct sqlite_store *s, uint64_t import_id, struct err *err)
{
	struct importing i = { 0 };
	int rc = enter(&i, s, import_id, err);

	leave(&i);
	return rc;
}

static int check_name(struct sqlite_store *s, struct str name, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_GROUP_BY_NAME);
	int rc;

	sq_bind_text(st, 1, name);
	rc = sq_step(s, st, err);
	sqlite3_reset(st);
	return rc > 0 ? err_set(err, ERR_GROUP_EXISTS, NULL) : rc;
}

/* A row that is there for a moment takes an id that nobody gets again; wanted
 * 0: any. */
static int reserve_id(struct sqlite_store *s, uint64_t wanted, uint64_t *id,
		      struct err *err)
{
	sqlite3_stmt *st = sq_change(s, SQ_RESERVE_GROUP, wanted);
	int rc;

	sq_bind(st, 1, wanted);
	rc = sq_run(s, st, err);
	if (rc < 0)
		return rc;
	*id = (uint64_t)sqlite3_last_insert_rowid(s->db);
	st = sq_change(s, SQ_DELETE_GROUP, *id);
	sq_bind(st, 1, *id);
	rc = sq_run(s, st, err);
	if (rc == 0 && *id > SQ_GROUP_MAX)
		rc = err_set(err, ERR_OUT_OF_SPACE,
			     "The store has used up all group numbers");
	return rc;
}

static int put_row(struct sqlite_store *s, uint64_t import_id,
		   const struct wire_port_group *group, struct err *err)
{
	const struct sq_import_key key = sq_import_key(import_id);
	struct buf row = { 0 };
	sqlite3_stmt *st;
	int rc;

	wire_put(&row, &wire_schema_port_group, group);
	if (row.failed) {
		rc = sq_no_memory(s, err);
	} else {
		st = sq_use(s, SQ_PUT_IMPORT);
		sq_bind_text(st, 1, str_of(key.text));
		sq_bind_blob(st, 2, buf_str(&row));
		rc = sq_run(s, st, err);
	}
	buf_release(&row);
	return rc;
}

/* The id of a group that is moved, behind all groups that are there; an import
 * of it that was dropped leaves it free. */
static int check_id(struct sqlite_store *s, uint64_t id, struct err *err)
{
	struct sq_import_key key;
	uint64_t at_least = id - 1;
	sqlite3_stmt *st;
	int rc;

	if (id == 0 || id > SQ_GROUP_MAX)
		return import_refuse_id(id, err);
	rc = sq_next_group_id(s, &at_least, err);
	if (rc != 0)
		return rc < 0 ? rc : import_refuse_id(id, err);
	key = sq_import_key(id);
	st = sq_use(s, SQ_META_GET);
	sq_bind_text(st, 1, str_of(key.text));
	rc = sq_step(s, st, err);
	sqlite3_reset(st);
	return rc > 0 ? import_refuse_id(id, err) : rc;
}

int sq_import_begin(struct store *base, const struct wire_port_group *group,
		    uint64_t *import_id, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	uint64_t wanted = base->moving ? group->group_id : 0;
	uint64_t id = 0;
	int rc = check_name(s, group->name, err);

	if (rc == 0 && base->moving)
		rc = check_id(s, wanted, err);
	if (rc == 0)
		rc = sq_save(s, err);
	if (rc < 0)
		return rc;
	rc = reserve_id(s, wanted, &id, err);
	if (rc == 0)
		rc = put_row(s, id, group, err);
	rc = sq_end_save(s, rc, err);
	if (rc == 0)
		*import_id = id;
	return rc;
}

/* Members. */

static int check_new_member(const struct importing *i, struct str name,
			    struct err *err)
{
	sqlite3_stmt *st = sq_use(i->s, SQ_JOINED);
	bool found;
	int rc;

	sq_bind(st, 1, i->op->import_id);
	sq_bind_text(st, 2, name);
	rc = sq_step(i->s, st, err);
	sqlite3_reset(st);
	if (rc > 0)
		return import_refuse_double(name, err);
	if (rc == 0)
		rc = sq_find_user(&i->s->base, name, &found, err);
	if (rc == 0 && !found)
		rc = err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			     (int)name.len, name.data);
	return rc;
}

static int import_member(const struct importing *i,
			 const struct wire_port_member *m, struct err *err)
{
	uint64_t last_seq = i->group.last_seq;
	sqlite3_stmt *st;
	int rc = import_check_member(m, last_seq, i->now_ms, err);

	if (rc == 0)
		rc = check_new_member(i, m->name, err);
	if (rc < 0)
		return rc;
	st = sq_change(i->s, SQ_INSERT_MEMBER, i->op->import_id);
	sq_bind(st, 1, i->op->import_id);
	sq_bind_text(st, 2, m->name);
	sq_bind(st, 3, m->role);
	sq_bind(st, 4, m->joined_ms);
	sq_bind(st, 5, m->joined_seq);
	sq_bind(st, 6, import_pointer(m, last_seq));
	return sq_run(i->s, st, err);
}

static int import_members(struct importing *i, struct err *err)
{
	struct str records = i->op->records;
	struct wire_port_member m;
	uint64_t n = 0;
	int rc;

	while ((rc = wire_next(&records, &wire_schema_port_member, &m)) > 0) {
		if (import_member(i, &m, err) < 0)
			return import_at_line(i->op, n, err);
		n++;
	}
	return rc < 0 ? import_refuse_list(err) : 0;
}

/* Runs a verb as one step: all of it, or nothing. */
static int run_verb(struct store *base, const struct store_import *op,
		    int (*verb)(struct importing *i, struct err *err),
		    struct err *err)
{
	struct importing i = { .op = op };
	struct sqlite_store *s = sq_of(base);
	int rc = enter(&i, s, op->import_id, err);

	if (rc == 0)
		rc = sq_save(s, err);
	if (rc == 0)
		rc = sq_end_save(s, verb(&i, err), err);
	if (rc < 0)
		/* What was undone may have turned the generations. */
		sq_known_undone(s);
	leave(&i);
	return rc;
}

int sq_import_members(struct store *base, const struct store_import *op,
		      struct err *err)
{
	return run_verb(base, op, import_members, err);
}

/* Messages. */

/* Whether its client_id is remembered here: who moves a store brings what is
 * remembered of it by itself. */
static bool is_remembered(const struct importing *i,
			  const struct wire_message *m)
{
	const struct store *base = &i->s->base;

	return m->client_id.len > 0 && !base->moving &&
	       import_is_recent(m->time_ms, i->now_ms,
				base->options.dedupe_window_ms);
}

static int remember(const struct importing *i, const struct wire_message *m,
		    struct err *err)
{
	const struct store_key key = { .user = m->sender,
				       .id = m->client_id,
				       .first_seq = m->seq,
				       .last_seq = m->seq,
				       .off = m->off,
				       .time_ms = m->time_ms };

	return sq_remember(i->s, i->op->import_id, &key, err);
}

static struct import_point point_of(const struct importing *i)
{
	return (struct import_point){ .next_seq = i->tail.seq + 1,
				      .last_seq = i->group.last_seq,
				      .after_ms = i->tail.time_ms,
				      .now_ms = i->now_ms,
				      .max_content =
					      i->s->base.options.max_content };
}

static int import_message(struct importing *i, const struct wire_message *in,
			  struct err *err)
{
	struct import_point point;
	uint64_t group_id = i->op->import_id;
	struct wire_message m = *in;
	int rc;

	point = point_of(i);
	rc = import_check_message(in, &point, err);
	if (rc < 0)
		return rc;
	m.off = i->tail.off;
	m.jsonl_off = i->tail.jsonl_off;
	m.len = text_render_len(&m);
	m.jsonl_len = json_message_line_len(&m);
	if (is_remembered(i, &m))
		rc = remember(i, &m, err);
	if (rc == 0)
		rc = sq_insert_message(i->s, group_id, &m, err);
	if (rc == 0 && m.mentions.len > 0)
		rc = sq_import_mentions(i->s, group_id, &m, err);
	i->tail.seq = m.seq;
	i->tail.off = m.off + m.len;
	i->tail.jsonl_off = m.jsonl_off + m.jsonl_len;
	i->tail.time_ms = m.time_ms;
	return rc;
}

static int import_messages(struct importing *i, struct err *err)
{
	struct str records = i->op->records;
	struct wire_message m;
	uint64_t n = 0;
	int rc;

	while ((rc = wire_next(&records, &wire_schema_message, &m)) > 0) {
		if (import_message(i, &m, err) < 0)
			return import_at_line(i->op, n, err);
		n++;
	}
	return rc < 0 ? import_refuse_list(err) : 0;
}

int sq_import_messages(struct store *base, const struct store_import *op,
		       struct err *err)
{
	return run_verb(base, op, import_messages, err);
}

/* Media. */

/* The message that brings the file: fills who sent it and when. 0: it is no
 * such message. */
static int find_sender(struct sqlite_store *s, uint64_t group_id,
		       const struct wire_media *media,
		       char sender[WIRE_USER_MAX + 1], uint64_t *time_ms,
		       struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_MESSAGE);
	struct buf url = { 0 };
	struct wire_message m;
	int rc;

	text_media_url(&url, media->name);
	if (url.failed)
		return sq_no_memory(s, err);
	sq_bind(st, 1, sq_id(group_id, media->seq & SQ_SEQ_MAX));
	rc = sq_step(s, st, err);
	if (rc > 0) {
		sq_read_message(st, &m);
		rc = m.seq == media->seq && m.type == MESSAGE_MEDIA &&
		     str_eq(m.media_url, buf_str(&url)) &&
		     str_to_cstr(m.sender, sender, WIRE_USER_MAX + 1);
		*time_ms = m.time_ms;
		sqlite3_reset(st);
	}
	buf_release(&url);
	return rc;
}

int sq_import_media(struct store *base, const struct store_import *op,
		    const struct wire_media *media, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct importing i = { .op = op };
	struct store_media file = { .group_id = op->import_id,
				    .media_id =
					    base->moving ? media->media_id : 0,
				    .name = media->name,
				    .size = media->size };
	struct wire_body_sent sent = { .first_seq = media->seq };
	char sender[WIRE_USER_MAX + 1];
	int rc = enter(&i, s, op->import_id, err);

	if (rc == 0)
		rc = find_sender(s, op->import_id, media, sender, &sent.time_ms,
				 err);
	if (rc == 0)
		rc = import_refuse_media(media, err);
	if (rc > 0)
		rc = sq_check_media_name(s, &file, err);
	if (rc == 0) {
		file.user = str_of(sender);
		memcpy(file.hash, media->hash.data, STORE_HASH);
		rc = sq_insert_media(s, &file, &sent, err);
	}
	leave(&i);
	return rc;
}

/* The end. */

/* 1: it ended with this key before. */
static int find_ended(struct sqlite_store *s, struct store_import_end *op,
		      struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_GROUP_BY_NAME);
	int rc;

	if (op->key.len == 0)
		return 0;
	sq_bind_text(st, 1, op->name);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	op->existed = sq_column(st, 0) == op->import_id &&
		      str_eq(sq_column_str(st, 2), op->key);
	sqlite3_reset(st);
	if (op->existed)
		op->group_id = op->import_id;
	return op->existed;
}

static int count_members(const struct importing *i, uint64_t import_id,
			 uint64_t *count, struct err *err)
{
	sqlite3_stmt *st = sq_use(i->s, SQ_COUNT_MEMBERS);
	uint64_t admins;
	int rc;

	sq_bind(st, 1, import_id);
	rc = sq_step(i->s, st, err);
	if (rc < 0)
		return rc;
	assert(rc > 0);
	*count = sq_column(st, 0);
	admins = sq_column(st, 1);
	sqlite3_reset(st);
	if (admins == 0)
		return import_refuse_no_admin(err);
	if (*count > i->group.max_members)
		return import_refuse_full(*count, i->group.max_members, err);
	return 0;
}

int sq_delete_import(struct sqlite_store *s, uint64_t import_id,
		     struct err *err)
{
	const struct sq_import_key key = sq_import_key(import_id);
	sqlite3_stmt *st = sq_use(s, SQ_DELETE_META);

	sq_bind_text(st, 1, str_of(key.text));
	return sq_run(s, st, err);
}

/* What a new group has of its own. */
static struct wire_group new_group(const struct importing *i)
{
	const struct store *base = &i->s->base;

	return (struct wire_group){ .epoch = env_random_u64(base->options.env),
				    .info_ms = i->now_ms,
				    .members_ms = i->now_ms,
				    .mtime_ms = i->tail.time_ms };
}

static void bind_tail(sqlite3_stmt *st, const struct importing *i,
		      const struct wire_group *own)
{
	bool empty = i->group.first_seq > i->group.last_seq;

	sq_bind(st, 20, i->tail.seq);
	sq_bind(st, 21, i->tail.off);
	sq_bind(st, 22, i->tail.jsonl_off);
	sq_bind(st, 23, empty ? own->mtime_ms : i->tail.time_ms);
}

static int show_group(struct importing *i, const struct store_import_end *op,
		      uint64_t members, struct err *err)
{
	sqlite3_stmt *st = sq_change(i->s, SQ_SHOW_GROUP, op->import_id);
	const struct wire_port_group *g = &i->group;
	const struct wire_group own =
		op->kept != NULL ? *op->kept : new_group(i);
	int rc;

	sq_bind(st, 1, op->import_id);
	sq_bind_text(st, 2, g->name);
	sq_bind(st, 3, own.epoch);
	sq_bind_text(st, 4, g->created_by);
	sq_bind_bytes(st, 5, op->key);
	sq_bind(st, 6, g->created_ms);
	sq_bind_text(st, 7, g->description);
	sq_bind_text(st, 8, g->avatar_url);
	sq_bind_text(st, 9, g->settings);
	sq_bind(st, 10, g->max_members);
	sq_bind(st, 11, members);
	sq_bind(st, 12, own.info_ms);
	sq_bind(st, 13, own.members_ms);
	sq_bind_keep(st, 14, g->settings);
	sq_bind(st, 17, g->first_seq);
	sq_bind(st, 18, g->first_off);
	sq_bind(st, 19, g->first_jsonl_off);
	bind_tail(st, i, &own);
	rc = sq_run(i->s, st, err);
	return rc < 0 ? rc : sq_delete_import(i->s, op->import_id, err);
}

int sq_import_end(struct store *base, struct store_import_end *op,
		  struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct importing i = { 0 };
	uint64_t members = 0;
	int rc = find_ended(s, op, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = enter(&i, s, op->import_id, err);
	if (rc == 0 && i.tail.seq != i.group.last_seq)
		rc = import_refuse_end(i.tail.seq, i.group.last_seq, err);
	if (rc == 0)
		rc = check_name(s, i.group.name, err);
	if (rc == 0)
		rc = count_members(&i, op->import_id, &members, err);
	if (rc == 0)
		rc = show_group(&i, op, members, err);
	if (rc == 0)
		op->group_id = op->import_id;
	leave(&i);
	return rc;
}
