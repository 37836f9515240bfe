/* SPDX-License-Identifier: MIT */
/*
 * Whole groups from elsewhere. What an import brings lies in the tables where
 * it will stay, under the id of the group that it becomes; only what finds a
 * group is missing (its rows in groups, group_names, memberships). Its own row
 * in imports is its lock. What is left of a group that was deleted lies there,
 * too, and is taken away in the same way.
 */
#include "store/postgres.h"

#include <errno.h>
#include <string.h>

#include "lib/text.h"
#include "store/import.h"

/* Finds and locks it. */
static int enter(struct pg_importing *i, struct postgres_store *s,
		 uint64_t import_id, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	i->s = s;
	i->now_ms = import_now_ms(&s->base);
	if (import_id > PG_NUMBER_MAX)
		return import_refuse_unknown(err);
	pg_use(&c, PG_TOUCH_IMPORT);
	pg_add(&c, import_id);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		buf_append_str(&i->record, pg_column_str(r, 0, 0));
		i->last_seq = pg_column(r, 0, 1);
		i->last_off = pg_column(r, 0, 2);
		i->last_jsonl_off = pg_column(r, 0, 3);
		i->last_ms = pg_column(r, 0, 4);
		i->last_bucket = pg_column(r, 0, 5);
	}
	PQclear(r);
	if (rc <= 0)
		return rc < 0 ? rc : import_refuse_unknown(err);
	if (i->record.failed)
		return pg_no_memory(s, err);
	if (wire_get(buf_str(&i->record), &wire_schema_port_group, &i->group) <
	    0)
		return pg_corrupt(s, "an import's record", err);
	return 0;
}

static void leave(struct pg_importing *i)
{
	buf_release(&i->record);
}

int pg_run_import(struct store *base, const struct store_import *op,
		  int (*verb)(struct pg_importing *i, struct err *err),
		  struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_importing i = { .op = op };
	int rc = enter(&i, s, op->import_id, err);

	if (rc == 0)
		rc = pg_save(s, err);
	if (rc == 0)
		rc = pg_end_save(s, verb(&i, err), err);
	leave(&i);
	return rc;
}

/* The group of that name and what it was created with: 0, there is none; or
 * its id. */
static int find_created(struct postgres_store *s, struct str name,
			struct str key, uint64_t *group_id, bool *same_key,
			struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	*group_id = 0;
	*same_key = false;
	if (!text_is_group_name(name))
		return 0;
	pg_use(&c, PG_CREATED_AS);
	pg_add_text(&c, name);
	rc = pg_run(s, &c, &r, err);
	*group_id = rc > 0 ? pg_column(r, 0, 0) : 0;
	*same_key = rc > 0 && str_eq(pg_column_str(r, 0, 1), key);
	PQclear(r);
	return rc < 0 ? rc : 0;
}

static int check_name(struct postgres_store *s, struct str name,
		      struct err *err)
{
	uint64_t group_id;
	bool unused;
	int rc = find_created(s, name, str_of(""), &group_id, &unused, err);

	if (rc == 0 && group_id != 0)
		rc = err_set(err, ERR_GROUP_EXISTS, NULL);
	return rc;
}

uint64_t pg_owner(struct postgres_store *s)
{
	/* Who moves a store is alone, and finds those of his runs before. */
	if (s->base.moving)
		return PG_MOVER;
	while (s->owner == 0)
		s->owner = env_random_u64(s->base.options.env);
	return s->owner;
}

int pg_import_begin(struct store *base, const struct wire_port_group *group,
		    uint64_t *import_id, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct buf record = { 0 };
	struct pg_call c;
	PGresult *r = NULL;
	int rc = check_name(s, group->name, err);

	if (rc < 0)
		return rc;
	wire_put(&record, &wire_schema_port_group, group);
	pg_use(&c, base->moving ? PG_PUT_MOVED : PG_PUT_IMPORT);
	pg_add_blob(&c, buf_str(&record));
	pg_add(&c, group->created_ms);
	pg_add(&c, pg_owner(s));
	pg_add(&c, group->first_seq);
	pg_add(&c, group->first_off);
	pg_add(&c, group->first_jsonl_off);
	if (base->moving)
		pg_add(&c, group->group_id);
	rc = record.failed ? pg_no_memory(s, err) : pg_run(s, &c, &r, err);
	if (rc > 0)
		*import_id = pg_column(r, 0, 0);
	else if (rc == 0)
		rc = import_refuse_id(group->group_id, err);
	PQclear(r);
	buf_release(&record);
	return rc < 0 ? rc : 0;
}

/* Members. */

enum { ROLES, JOINED_MS, JOINED_SEQ, READ, MEMBER_NUMBERS };

struct member_rows {
	struct pg_array names;
	struct pg_array numbers[MEMBER_NUMBERS];
	uint64_t count;
};

static void begin_members(struct member_rows *m)
{
	pg_array_begin(&m->names, PG_TYPE_TEXT);
	for (size_t i = 0; i < MEMBER_NUMBERS; i++)
		pg_array_begin(&m->numbers[i], PG_TYPE_BIGINT);
}

static void release_members(struct member_rows *m)
{
	pg_array_release(&m->names);
	for (size_t i = 0; i < MEMBER_NUMBERS; i++)
		pg_array_release(&m->numbers[i]);
}

/* The refusal of record n, from 0. */
static int refuse_member(const struct pg_importing *i, uint64_t n,
			 bool is_double, struct err *err)
{
	struct str records = i->op->records;
	struct wire_port_member m = { 0 };

	for (uint64_t k = 0; k <= n; k++) {
		if (wire_next(&records, &wire_schema_port_member, &m) <= 0)
			return import_refuse_list(err);
	}
	if (is_double)
		import_refuse_double(m.name, err);
	else
		err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			(int)m.name.len, m.name.data);
	return import_at_line(i->op, n, err);
}

static int insert_members(const struct pg_importing *i, struct member_rows *m,
			  struct err *err)
{
	struct pg_call c;
	PGresult *r = NULL;
	bool failed = m->names.buf.failed;
	int rc;

	if (m->count == 0)
		return 0;
	pg_use(&c, PG_IMPORT_MEMBERS);
	pg_add(&c, i->op->import_id);
	pg_add_array(&c, &m->names);
	for (size_t k = 0; k < MEMBER_NUMBERS; k++) {
		pg_add_array(&c, &m->numbers[k]);
		failed = failed || m->numbers[k].buf.failed;
	}
	rc = failed ? pg_no_memory(i->s, err) : pg_run(i->s, &c, &r, err);
	if (rc > 0)
		rc = refuse_member(i, pg_column(r, 0, 0) - 1,
				   pg_column(r, 0, 1) != 0, err);
	PQclear(r);
	return rc;
}

/* The records before the first that is bad by itself are looked at first: the
 * line that is told is that of the first fault. */
static int import_members(struct pg_importing *i, struct err *err)
{
	struct str records = i->op->records;
	uint64_t last_seq = i->group.last_seq;
	struct member_rows rows = { 0 };
	struct wire_port_member m;
	struct err why;
	int bad = 0;
	int rc;

	begin_members(&rows);
	while ((rc = wire_next(&records, &wire_schema_port_member, &m)) > 0) {
		bad = import_check_member(&m, last_seq, i->now_ms, &why);
		if (bad < 0)
			break;
		pg_array_add_str(&rows.names, m.name);
		pg_array_add(&rows.numbers[ROLES], m.role == ROLE_ADMIN);
		pg_array_add(&rows.numbers[JOINED_MS], m.joined_ms);
		pg_array_add(&rows.numbers[JOINED_SEQ], m.joined_seq);
		pg_array_add(&rows.numbers[READ], import_pointer(&m, last_seq));
		rows.count++;
	}
	rc = rc < 0 ? import_refuse_list(err) : insert_members(i, &rows, err);
	if (rc == 0 && bad < 0) {
		*err = why;
		rc = import_at_line(i->op, rows.count, err);
	}
	release_members(&rows);
	return rc;
}

int pg_import_members(struct store *base, const struct store_import *op,
		      struct err *err)
{
	return pg_run_import(base, op, import_members, err);
}

/* Media. */

/* The message that brings the file: fills who sent it and when. 0: it is no
 * such message. */
static int find_sender(struct postgres_store *s, uint64_t group_id,
		       const struct wire_media *media,
		       char sender[WIRE_USER_MAX + 1], uint64_t *time_ms,
		       struct err *err)
{
	struct buf url = { 0 };
	struct wire_message m;
	PGresult *r;
	int rc;

	if (media->seq == 0 || media->seq > PG_NUMBER_MAX)
		return 0;
	text_media_url(&url, media->name);
	if (url.failed)
		return pg_no_memory(s, err);
	rc = pg_read_log(s, group_id, media->seq - 1, 1, PG_NUMBER_MAX, &r,
			 err);
	if (rc > 0) {
		pg_read_message(r, 0, &m);
		rc = m.seq == media->seq && m.type == MESSAGE_MEDIA &&
		     str_eq(m.media_url, buf_str(&url)) &&
		     str_to_cstr(m.sender, sender, WIRE_USER_MAX + 1);
		*time_ms = m.time_ms;
	}
	PQclear(r);
	buf_release(&url);
	return rc;
}

int pg_import_media(struct store *base, const struct store_import *op,
		    const struct wire_media *media, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_importing i = { .op = op };
	struct store_media file = { .group_id = op->import_id,
				    .media_id =
					    base->moving ? media->media_id : 0,
				    .name = media->name,
				    .size = media->size };
	char sender[WIRE_USER_MAX + 1];
	uint64_t time_ms = 0;
	int rc = enter(&i, s, op->import_id, err);

	if (rc == 0)
		rc = find_sender(s, op->import_id, media, sender, &time_ms,
				 err);
	if (rc == 0)
		rc = import_refuse_media(media, err);
	if (rc > 0)
		rc = pg_check_media_name(s, &file, err);
	if (rc == 0) {
		file.user = str_of(sender);
		memcpy(file.hash, media->hash.data, STORE_HASH);
		rc = pg_insert_media(s, &file, media->seq, time_ms, err);
	}
	leave(&i);
	return rc;
}

/* The end. */

static int check_members(const struct pg_importing *i, uint64_t import_id,
			 struct err *err)
{
	struct pg_call c;
	PGresult *r;
	uint64_t count = 0;
	uint64_t admins = 0;
	int rc;

	pg_use(&c, PG_COUNT_MEMBERS);
	pg_add(&c, import_id);
	rc = pg_run(i->s, &c, &r, err);
	if (rc > 0) {
		count = pg_column(r, 0, 0);
		admins = pg_column(r, 0, 1);
	}
	PQclear(r);
	if (rc < 0)
		return rc;
	if (admins == 0)
		return import_refuse_no_admin(err);
	if (count > i->group.max_members)
		return import_refuse_full(count, i->group.max_members, err);
	return 0;
}

/* Of a group that is moved: nobody is told of it. */

static int moved_row(const struct pg_importing *i, const struct wire_group *g,
		     struct err *err)
{
	const uint64_t numbers[] = { g->created_ms,   i->group.max_members,
				     g->epoch,	      g->info_ms,
				     g->members_ms,   g->first_seq,
				     g->first_off,    g->first_jsonl_off,
				     g->last_seq,     g->size,
				     g->jsonl_size,   g->mtime_ms,
				     g->member_count, i->last_bucket };
	struct pg_call c;

	pg_use(&c, PG_MOVED_GROUP);
	pg_add(&c, g->group_id);
	pg_add_text(&c, g->name);
	pg_add_text(&c, g->created_by);
	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
		pg_add(&c, numbers[k]);
	return pg_run(i->s, &c, NULL, err);
}

static int moved_name(const struct pg_importing *i, struct str key,
		      const struct wire_group *g, struct err *err)
{
	struct pg_call c;
	int rc;

	pg_use(&c, PG_MOVED_NAME);
	pg_add_text(&c, g->name);
	pg_add(&c, g->group_id);
	pg_add_text(&c, g->created_by);
	pg_add_bytes(&c, key);
	rc = pg_run(i->s, &c, NULL, err);
	return rc == 0 ? err_set(err, ERR_GROUP_EXISTS, NULL) : rc;
}

static int moved_info(const struct pg_importing *i, struct err *err)
{
	struct pg_call c;

	pg_use(&c, PG_MOVED_INFO);
	pg_add(&c, i->group.group_id);
	pg_add_bytes(&c, i->group.description);
	pg_add_text(&c, i->group.avatar_url);
	pg_add_bytes(&c, i->group.settings);
	return pg_run(i->s, &c, NULL, err);
}

static int show_moved(const struct pg_importing *i,
		      const struct store_import_end *op, struct err *err)
{
	struct pg_call c;
	int rc = moved_name(i, op->key, op->kept, err);

	if (rc >= 0)
		rc = moved_row(i, op->kept, err);
	if (rc >= 0)
		rc = moved_info(i, err);
	if (rc >= 0) {
		pg_use(&c, PG_MOVED_MEMBERS);
		pg_add(&c, op->import_id);
		pg_add_text(&c, op->kept->name);
		rc = pg_run(i->s, &c, NULL, err);
	}
	if (rc >= 0) {
		pg_use(&c, PG_MOVED_DONE);
		pg_add(&c, op->import_id);
		rc = pg_run(i->s, &c, NULL, err);
	}
	return rc < 0 ? rc : 0;
}

static int show_group(struct pg_importing *i, const struct store_import_end *op,
		      struct err *err)
{
	const struct wire_port_group *g = &i->group;
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_SHOW_IMPORT);
	pg_add(&c, op->import_id);
	pg_add_text(&c, g->name);
	pg_add_text(&c, g->created_by);
	pg_add_bytes(&c, op->key);
	pg_add(&c, env_random_u64(i->s->base.options.env));
	pg_add(&c, g->created_ms);
	pg_add(&c, g->max_members);
	pg_add_bytes(&c, g->description);
	pg_add_text(&c, g->avatar_url);
	pg_add_bytes(&c, g->settings);
	pg_add(&c, env_now_ms(i->s->base.options.env));
	rc = pg_run(i->s, &c, &r, err);
	/* Somebody has taken the name since it was looked for. */
	if (rc > 0 && pg_column(r, 0, 0) != 0)
		rc = err_set(err, ERR_GROUP_EXISTS, NULL);
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_import_end(struct store *base, struct store_import_end *op,
		  struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_importing i = { 0 };
	uint64_t group_id;
	bool same_key;
	int rc = find_created(s, op->name, op->key, &group_id, &same_key, err);

	if (rc < 0)
		return rc;
	op->existed = op->key.len > 0 && same_key && group_id == op->import_id;
	if (op->existed) {
		op->group_id = group_id;
		return 0;
	}
	rc = enter(&i, s, op->import_id, err);
	if (rc == 0 && i.last_seq != i.group.last_seq)
		rc = import_refuse_end(i.last_seq, i.group.last_seq, err);
	if (rc == 0)
		rc = check_name(s, i.group.name, err);
	if (rc == 0)
		rc = check_members(&i, op->import_id, err);
	if (rc == 0)
		rc = op->kept != NULL ? show_moved(&i, op, err)
				      : show_group(&i, op, err);
	if (rc == 0)
		rc = pg_set_keep(s, op->import_id, i.group.settings, err);
	if (rc == 0)
		op->group_id = op->import_id;
	leave(&i);
	return rc;
}

int pg_import_drop(struct store *base, uint64_t import_id, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	if (import_id > PG_NUMBER_MAX)
		return 0;
	pg_use(&c, PG_DROP_IMPORT);
	pg_add(&c, import_id);
	pg_add(&c, IMPORT_DROP_FEW);
	pg_add(&c, env_now_ms(base->options.env));
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc > 0)
		rc = pg_column(r, 0, 0) != 0;
	PQclear(r);
	return rc;
}

int pg_next_import(struct store *base, uint64_t after_id, uint64_t *import_id,
		   struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc;

	if (after_id > PG_NUMBER_MAX)
		return 0;
	pg_use(&c, PG_NEXT_IMPORT);
	pg_add(&c, after_id);
	pg_add(&c, pg_owner(s));
	rc = pg_run(s, &c, &r, err);
	if (rc > 0)
		*import_id = pg_column(r, 0, 0);
	PQclear(r);
	return rc;
}
