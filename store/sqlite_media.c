/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <string.h>

#include "store/input.h"

/* The row that a step has found, if it has. */
static int take_number(struct sqlite_store *s, sqlite3_stmt *st, uint64_t *out,
		       struct err *err)
{
	int rc = sq_step(s, st, err);

	if (rc > 0) {
		*out = sq_column(st, 0);
		sqlite3_reset(st);
	}
	return rc;
}

int sq_check_media_name(struct sqlite_store *s, const struct store_media *op,
			struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_MEDIA_BY_NAME);
	uint64_t id;
	int rc;

	sq_bind(st, 1, op->group_id);
	sq_bind_text(st, 2, op->name);
	rc = take_number(s, st, &id, err);
	return rc > 0 ? input_refuse_media_name(op->name, err) : rc;
}

int sq_insert_media(struct sqlite_store *s, struct store_media *op,
		    const struct wire_body_sent *sent, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_INSERT_MEDIA);
	int rc;

	sq_bind(st, 1, op->group_id);
	sq_bind_text(st, 2, op->name);
	sq_bind(st, 3, sent->first_seq);
	sq_bind(st, 4, sent->time_ms);
	sq_bind(st, 5, op->size);
	sq_bind_hash(st, 6, op->hash);
	sq_bind_text(st, 7, op->user);
	sq_bind(st, 8, op->media_id);
	rc = sq_run(s, st, err);
	if (rc < 0)
		return rc;
	op->media_id = (uint64_t)sqlite3_last_insert_rowid(s->db);
	return sq_drop_garbage(&s->base, op->hash, err);
}

int sq_find_sent_media(struct sqlite_store *s, struct store_media *op,
		       const struct wire_body_sent *sent, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_MEDIA_OF_SEQ);
	int rc;

	sq_bind(st, 1, op->group_id);
	sq_bind(st, 2, sent->first_seq);
	rc = take_number(s, st, &op->media_id, err);
	return rc < 0 ? rc : 0;
}

/* Fills m from a row of SQ_MEDIA_COLUMNS; its strs stay the row's. */
static void read_media(sqlite3_stmt *st, struct wire_media *m)
{
	m->media_id = sq_column(st, 0);
	m->group_id = sq_column(st, 1);
	m->seq = sq_column(st, 2);
	m->time_ms = sq_column(st, 3);
	m->size = sq_column(st, 4);
	m->name = sq_column_str(st, 5);
	m->sender = sq_column_str(st, 6);
	m->hash = sq_column_str(st, 7);
}

/* Moves the strs of m from a row into s->held. */
static int hold_media(struct sqlite_store *s, struct wire_media *m,
		      struct err *err)
{
	struct str *const strs[] = { &m->name, &m->sender, &m->hash };

	return sq_hold(s, strs, sizeof(strs) / sizeof(strs[0]), err);
}

/* 1: *out is filled. 0: there is none. */
static int take_media(struct sqlite_store *s, sqlite3_stmt *st,
		      struct wire_media *out, struct err *err)
{
	int rc = sq_step(s, st, err);

	if (rc <= 0)
		return rc;
	read_media(st, out);
	rc = hold_media(s, out, err);
	sqlite3_reset(st);
	return rc < 0 ? rc : 1;
}

static int find_media(struct sqlite_store *s, uint64_t media_id,
		      uint64_t group_id, struct str name,
		      struct wire_media *out, struct err *err)
{
	sqlite3_stmt *st;

	if (media_id > INT64_MAX || (media_id == 0 && group_id > SQ_GROUP_MAX))
		return 0;
	if (media_id != 0) {
		st = sq_use(s, SQ_MEDIA_BY_ID);
		sq_bind(st, 1, media_id);
	} else {
		st = sq_use(s, SQ_MEDIA_BY_NAME);
		sq_bind(st, 1, group_id);
		sq_bind_text(st, 2, name);
	}
	return take_media(s, st, out, err);
}

int sq_find_media(struct store *base, uint64_t media_id, uint64_t group_id,
		  struct str name, struct str user, struct wire_media *out,
		  struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	enum role role = ROLE_NONE;
	int found;
	int rc = sq_view_enter(s, err);

	if (rc < 0)
		return rc;
	found = find_media(s, media_id, group_id, name, out, err);
	if (found > 0)
		group_id = out->group_id;
	/* What an unknown id would belong to is no group of the user either. */
	if (found >= 0 && user.len > 0 && (found > 0 || media_id == 0))
		rc = sq_role(s, group_id, user, &role, err);
	sq_view_leave(s);
	if (found < 0)
		rc = found;
	if (rc == 0 && user.len > 0 && role == ROLE_NONE)
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc < 0 || found <= 0)
		*out = (struct wire_media){ 0 };
	return rc < 0 ? rc : found;
}

int sq_list_media(struct store *base, uint64_t group_id, struct str after,
		  store_media_fn fn, void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct wire_media m;
	sqlite3_stmt *st;
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return 0;
	st = sq_use(s, SQ_MEDIA_OF);
	sq_bind(st, 1, group_id);
	sq_bind_after(st, 2, after);
	while ((rc = sq_step(s, st, err)) > 0) {
		read_media(st, &m);
		rc = fn(data, &m);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_hash_used(struct store *base, const uint8_t hash[STORE_HASH], bool *used,
		 struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_HASH_USED);
	uint64_t one;
	int rc;

	sq_bind_hash(st, 1, hash);
	rc = take_number(s, st, &one, err);
	*used = rc > 0;
	return rc < 0 ? rc : 0;
}

int sq_next_garbage(struct store *base, const uint8_t *after,
		    uint8_t hash[STORE_HASH], struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_GARBAGE);
	struct str found;
	int rc;

	sq_bind_blob(st, 1,
		     str_make((const char *)after,
			      after == NULL ? 0 : (size_t)STORE_HASH));
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	found = sq_column_str(st, 0);
	if (found.len == STORE_HASH)
		memcpy(hash, found.data, found.len);
	else
		rc = sq_fail(s, SQLITE_CORRUPT, err);
	sqlite3_reset(st);
	return rc;
}

int sq_drop_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		    struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_DROP_GARBAGE);

	sq_bind_hash(st, 1, hash);
	return sq_run(s, st, err);
}
