/* SPDX-License-Identifier: MIT */
/* Another store, moved into this one; and what that reads of the other. */
#include "store/sqlite.h"

#include <string.h>

static const char moved_from_key[] = "moved_from";

/* Reading. */

static const enum sq_statement lists[] = { [STORE_USER] = SQ_LOOSE_USERS,
					   [STORE_TOKEN] = SQ_LOOSE_TOKENS,
					   [STORE_GARBAGE] = SQ_LOOSE_GARBAGE };

static int read_loose(struct sqlite_store *s, sqlite3_stmt *st,
		      struct store_loose *l, struct err *err)
{
	struct str hash = str_make(NULL, 0);

	if (l->kind == STORE_GARBAGE) {
		hash = sq_column_str(st, 0);
	} else {
		l->user = sq_column_str(st, 0);
		l->created_ms = sq_column(st, 1);
	}
	if (l->kind == STORE_USER)
		return 0;
	if (l->kind == STORE_TOKEN) {
		l->token_id = sq_column(st, 2);
		l->expires_ms = sq_column(st, 3);
		hash = sq_column_str(st, 4);
	}
	if (hash.len != STORE_HASH)
		return sq_fail(s, SQLITE_CORRUPT, err);
	memcpy(l->hash, hash.data, STORE_HASH);
	return 0;
}

int sq_list_loose(struct store *base, enum store_loose_kind kind,
		  store_loose_fn fn, void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, lists[kind]);
	int rc;

	while ((rc = sq_step(s, st, err)) > 0) {
		struct store_loose l = { .kind = kind };

		rc = read_loose(s, st, &l, err);
		if (rc == 0)
			rc = fn(data, &l);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_next_group(struct store *base, uint64_t after_id, uint64_t *group_id,
		  struct str *key, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct str *const strs[] = { key };
	sqlite3_stmt *st;
	int rc;

	if (after_id > SQ_GROUP_MAX)
		return 0;
	st = sq_use(s, SQ_NEXT_KEY);
	sq_bind(st, 1, after_id);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	*group_id = sq_column(st, 0);
	*key = sq_column_str(st, 1);
	rc = sq_hold(s, strs, 1, err);
	sqlite3_reset(st);
	return rc < 0 ? rc : 1;
}

static int list_keys(struct sqlite_store *s, uint64_t group_id, store_key_fn fn,
		     void *data, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_KEYS_OF);
	int rc;

	sq_bind(st, 1, group_id);
	while ((rc = sq_step(s, st, err)) > 0) {
		struct str key = sq_column_str(st, 1);
		struct store_key k = { .user = sq_column_str(st, 0),
				       .first_seq = sq_column(st, 2),
				       .last_seq = sq_column(st, 3),
				       .off = sq_column(st, 4),
				       .time_ms = sq_column(st, 5),
				       .warnings = sq_column(st, 6) };

		if (key.len < 2) {
			rc = sq_fail(s, SQLITE_CORRUPT, err);
			break;
		}
		k.batch = key.data[0] == 'b';
		k.id = str_make(key.data + 1, key.len - 1);
		rc = fn(data, &k);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc;
}

/* One that a row of hot has. */
static int give_hot_key(sqlite3_stmt *st, enum hot_key kind, store_key_fn fn,
			void *data)
{
	int column = kind == HOT_BATCH ? SQ_KNOWN_BATCH : SQ_KNOWN_ITEM;
	struct store_key k = { .user = sq_column_str(st, SQ_KNOWN_SENDER),
			       .id = sq_column_str(st, column),
			       .batch = kind == HOT_BATCH };
	struct sq_known known;

	if (k.id.len == 0)
		return 0;
	sq_read_known(st, kind, &known);
	k.first_seq = known.first_seq;
	k.last_seq = known.last_seq;
	k.off = known.off;
	k.time_ms = known.time_ms;
	k.warnings = known.warnings;
	return fn(data, &k);
}

/* Of what is trimmed, too. */
static int list_hot_keys(struct sqlite_store *s, uint64_t group_id,
			 store_key_fn fn, void *data, struct err *err)
{
	struct sq_walk w = { .s = s,
			     .hot = SQ_HOT_KEYS_OF,
			     .group_id = group_id,
			     .to = SQ_SEQ_MAX };
	struct sq_floor floor;
	uint64_t from;
	int rc = sq_floor(s, group_id, &floor, err);

	if (rc <= 0)
		return rc;
	rc = sq_known_from(s, &from, err);
	if (rc < 0)
		return rc;
	w.seq = floor.sealed + 1;
	while ((rc = sq_walk_next(&w, err)) > 0) {
		if (w.id < from)
			continue;
		rc = give_hot_key(w.st, HOT_ITEM, fn, data);
		if (rc == 0)
			rc = give_hot_key(w.st, HOT_BATCH, fn, data);
		if (rc != 0)
			break;
	}
	sq_walk_end(&w);
	return rc;
}

int sq_list_keys(struct store *base, uint64_t group_id, store_key_fn fn,
		 void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return 0;
	rc = sq_view_enter(s, err);
	if (rc < 0)
		return rc;
	rc = list_hot_keys(s, group_id, fn, data, err);
	if (rc == 0)
		rc = list_keys(s, group_id, fn, data, err);
	sq_view_leave(s);
	return rc < 0 ? rc : 0;
}

static int last_number(struct sqlite_store *s, const char *table,
		       uint64_t *number, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_LAST_NUMBER);
	int rc;

	sq_bind_text(st, 1, str_of(table));
	rc = sq_step(s, st, err);
	*number = rc > 0 ? sq_column(st, 0) : 0;
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_get_numbers(struct store *base, struct store_numbers *out,
		   struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc = sq_identity(base, &out->identity, err);

	if (rc == 0)
		rc = last_number(s, "groups", &out->group_id, err);
	if (rc == 0)
		rc = last_number(s, "media", &out->media_id, err);
	if (rc == 0)
		rc = last_number(s, "tokens", &out->token_id, err);
	return rc;
}

int sq_moved_from(struct store *base, uint64_t *identity, struct err *err)
{
	return sq_get_meta(sq_of(base), moved_from_key, identity, err);
}

/* Writing. */

int sq_move_begin(struct store *base, uint64_t identity, struct err *err)
{
	int rc = sq_set_meta(sq_of(base), moved_from_key, identity, err);

	/* What groups that were deleted have left: their numbers may come
	 * again. */
	return rc < 0 ? rc : sq_seal_all(sq_of(base), err);
}

int sq_move_reset(struct store *base, struct err *err)
{
	struct sqlite_store *s = sq_of(base);

	s->dedupe_known = false;
	sq_senders_clear(s->senders);
	return sq_exec(s,
		       "DELETE FROM users; DELETE FROM groups;"
		       "DELETE FROM members; DELETE FROM messages;"
		       "DELETE FROM mentions; DELETE FROM everyone;"
		       "DELETE FROM tokens; DELETE FROM dedupe_0;"
		       "DELETE FROM dedupe_1; DELETE FROM media;"
		       "DELETE FROM garbage; DELETE FROM sqlite_sequence;"
		       "DELETE FROM meta WHERE k>='import/' AND k<'import0'",
		       err);
}

static int put_loose(struct sqlite_store *s, const struct store_loose *l,
		     struct err *err)
{
	static const enum sq_statement puts[] = { [STORE_USER] = SQ_PUT_USER,
						  [STORE_TOKEN] = SQ_PUT_TOKEN,
						  [STORE_GARBAGE] =
							  SQ_PUT_GARBAGE };
	sqlite3_stmt *st = sq_use(s, puts[l->kind]);

	if (l->kind == STORE_GARBAGE) {
		sq_bind_hash(st, 1, l->hash);
		return sq_run(s, st, err);
	}
	sq_bind_text(st, 1, l->user);
	sq_bind(st, 2, l->created_ms);
	if (l->kind == STORE_TOKEN) {
		sq_bind(st, 3, l->token_id);
		sq_bind(st, 4, l->expires_ms);
		sq_bind_hash(st, 5, l->hash);
	}
	return sq_run(s, st, err);
}

int sq_move_loose(struct store *base, const struct store_loose *rows,
		  size_t count, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc = sq_save(s, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = put_loose(s, &rows[i], err);
	return sq_end_save(s, rc, err);
}

int sq_move_keys(struct store *base, uint64_t import_id,
		 const struct store_key *keys, size_t count, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc = sq_check_import(s, import_id, err);

	if (rc == 0)
		rc = sq_save(s, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = sq_remember(s, import_id, &keys[i], err);
	if (rc < 0)
		/* What is undone may have turned the generations. */
		sq_known_undone(s);
	return sq_end_save(s, rc, err);
}

static int put_number(struct sqlite_store *s, const char *table,
		      uint64_t number, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_FORGET_NUMBER);
	int rc;

	sq_bind_text(st, 1, str_of(table));
	rc = sq_run(s, st, err);
	if (rc < 0)
		return rc;
	st = sq_use(s, SQ_PUT_NUMBER);
	sq_bind_text(st, 1, str_of(table));
	sq_bind(st, 2, number);
	return sq_run(s, st, err);
}

int sq_move_end(struct store *base, const struct store_numbers *numbers,
		struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_DELETE_META);
	int rc;

	sq_bind_text(st, 1, str_of(moved_from_key));
	rc = sq_run(s, st, err);
	if (rc == 0)
		rc = sq_set_identity(s, numbers->identity, err);
	if (rc == 0)
		rc = put_number(s, "groups", numbers->group_id, err);
	if (rc == 0)
		rc = put_number(s, "media", numbers->media_id, err);
	if (rc == 0)
		rc = put_number(s, "tokens", numbers->token_id, err);
	return rc;
}
