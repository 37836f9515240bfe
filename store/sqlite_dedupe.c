/* SPDX-License-Identifier: MIT */
/*
 * What was appended before: by the keys in the rows of `hot`, then by two
 * tables, the generations. A row of hot belongs to one too, by its id, since
 * meta has where they begin; its keys come into that table when it is sealed.
 *
 * Nearly all that is sent is new, and a look into both tables for nothing costs
 * more than storing it. So the writer has a filter of what each of them has,
 * learned behind the start, when there is nothing else to do, and with each
 * commit; until then, and where it is not sure, it looks.
 */
#include "store/sqlite.h"

#include <assert.h>
#include <string.h>

#include "lib/table.h"
#include "store/import.h"

/* As the tables have it: 'b' and a batch_id, or 'i' and a client_id. */
struct stored_key {
	char bytes[1 + WIRE_KEY_MAX];
	size_t len;
};

static struct stored_key make_key(const struct sq_key *key)
{
	struct stored_key out;

	assert(key->id.len > 0 && key->id.len <= WIRE_KEY_MAX);
	out.bytes[0] = key->kind == HOT_BATCH ? 'b' : 'i';
	memcpy(out.bytes + 1, key->id.data, key->id.len);
	out.len = key->id.len + 1;
	return out;
}

/* Learning what the tables have. */

static uint64_t filter_hash(uint32_t hash)
{
	return table_hash_u64(hash);
}

static void unlearn(struct sq_learned *l)
{
	sq_filter_clear(&l->filter);
	l->whole = false;
	l->blind = false;
	l->group_id = 0;
	buf_release(&l->name);
	buf_release(&l->key);
}

void sq_known_close(struct sqlite_store *s)
{
	for (unsigned i = 0; i < 2; i++)
		unlearn(&s->dedupe_keys[i]);
}

/* A table that was emptied may be full again. */
void sq_known_undone(struct sqlite_store *s)
{
	s->dedupe_known = false;
	if (s->dedupe_turned)
		sq_known_close(s);
	s->dedupe_turned = false;
}

/* Where the next step goes on. */
static bool note_place(struct sq_learned *l, sqlite3_stmt *st)
{
	l->group_id = sq_column(st, 0);
	buf_clear(&l->name);
	buf_clear(&l->key);
	buf_append_str(&l->name, sq_column_str(st, 1));
	buf_append_str(&l->key, sq_column_str(st, 2));
	return !l->name.failed && !l->key.failed;
}

static bool learn_key(struct sqlite_store *s, struct sq_learned *l,
		      uint64_t group_id, struct str user, struct str stored)
{
	const struct str id = str_make(stored.data + 1, stored.len - 1);

	return stored.len > 0 &&
	       sq_filter_add(&l->filter, filter_hash(hot_hash_key(
						 s->hot, group_id, user, id)));
}

/* What cannot be read, now or ever, is looked for as if there were no filter:
 * who does so is told. */
static void learn_some(struct sqlite_store *s, struct sq_learned *l,
		       sqlite3_stmt *st, unsigned limit)
{
	unsigned n = 0;
	int result;
	bool ok = true;

	sq_bind(st, 1, l->group_id);
	sq_bind_after(st, 2, buf_str(&l->name));
	sq_bind_blob(st, 3, buf_str(&l->key));
	sq_bind(st, 4, limit);
	while (ok && (result = sqlite3_step(st)) == SQLITE_ROW) {
		ok = learn_key(s, l, sq_column(st, 0), sq_column_str(st, 1),
			       sq_column_str(st, 2));
		if (ok && ++n == limit)
			ok = note_place(l, st);
	}
	sqlite3_reset(st);
	l->blind = !ok || result != SQLITE_DONE;
	l->whole = !l->blind && n < limit;
}

bool sq_learn_known(struct sqlite_store *s, unsigned limit)
{
	bool more = false;

	for (unsigned i = 0; i < 2; i++) {
		struct sq_learned *l = &s->dedupe_keys[i];

		if (!l->whole && !l->blind)
			learn_some(s, l,
				   sq_use(s, i == 0 ? SQ_DEDUPE_0_KEYS
						    : SQ_DEDUPE_1_KEYS),
				   limit);
		more = more || (!l->whole && !l->blind);
	}
	return more;
}

static int load_dedupe(struct sqlite_store *s, struct err *err)
{
	uint64_t current = 0;
	int rc;

	if (s->dedupe_known)
		return 0;
	rc = sq_get_meta(s, "dedupe_current", &current, err);
	if (rc == 0)
		rc = sq_get_meta(s, "dedupe_start", &s->dedupe_start_ms, err);
	if (rc == 0)
		rc = sq_get_meta(s, "dedupe_hot", &s->dedupe_hot, err);
	if (rc == 0)
		rc = sq_get_meta(s, "dedupe_hot_before", &s->dedupe_hot_before,
				 err);
	s->dedupe_current = current == 1 ? 1 : 0;
	s->dedupe_known = rc == 0;
	return rc;
}

/* Empties the older generation and goes on in it, once the current one has
 * lasted a whole window: an id is so kept for one to two windows. */
int sq_turn_known(struct sqlite_store *s, uint64_t now_ms, struct err *err)
{
	uint64_t next = hot_next(s->hot);
	unsigned other;
	int rc = load_dedupe(s, err);

	if (rc < 0)
		return rc;
	other = 1 - s->dedupe_current;
	if (s->dedupe_start_ms > 0 &&
	    (now_ms < s->dedupe_start_ms ||
	     now_ms - s->dedupe_start_ms < s->base.options.dedupe_window_ms))
		return 0;
	s->dedupe_turned = true;
	rc = sq_run(
		s,
		sq_use(s, other == 0 ? SQ_DEDUPE_0_CLEAR : SQ_DEDUPE_1_CLEAR),
		err);
	if (rc == 0)
		rc = sq_set_meta(s, "dedupe_current", other, err);
	if (rc == 0)
		rc = sq_set_meta(s, "dedupe_start", now_ms, err);
	if (rc == 0)
		rc = sq_set_meta(s, "dedupe_hot_before", s->dedupe_hot, err);
	if (rc == 0)
		rc = sq_set_meta(s, "dedupe_hot", next, err);
	if (rc < 0)
		return rc;
	s->dedupe_hot_before = s->dedupe_hot;
	s->dedupe_hot = next;
	unlearn(&s->dedupe_keys[other]);
	s->dedupe_keys[other].whole = true;
	s->dedupe_current = other;
	s->dedupe_start_ms = now_ms;
	return 0;
}

int sq_known_from(struct sqlite_store *s, uint64_t *id, struct err *err)
{
	return sq_get_meta(s, "dedupe_hot_before", id, err);
}

void sq_read_known(sqlite3_stmt *st, enum hot_key kind, struct sq_known *out)
{
	uint64_t seq = sq_seq(sq_column(st, 0));
	bool batch = kind == HOT_BATCH;

	*out = (struct sq_known){ .first_seq = batch ? sq_column(st, 9) : seq,
				  .last_seq = seq,
				  .off = sq_column(st, batch ? 10 : 1),
				  .time_ms = sq_column(st, SQ_KNOWN_MS),
				  .warnings = sq_column(st, batch ? 11 : 5) };
}

/* 1: the row has the key, and it counts still. */
static int look_at(struct sqlite_store *s, const struct sq_key *key,
		   uint64_t id, struct sq_known *out, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_HOT_KNOWN);
	int rc;

	sq_bind(st, 1, id);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	sq_read_known(st, key->kind, out);
	rc = str_eq(sq_column_str(st, SQ_KNOWN_SENDER), key->user) &&
	     str_eq(sq_column_str(st, key->kind == HOT_BATCH ? SQ_KNOWN_BATCH
							     : SQ_KNOWN_ITEM),
		    key->id);
	sqlite3_reset(st);
	return rc;
}

static int find_hot(struct sqlite_store *s, const struct sq_key *key,
		    uint32_t hash, struct sq_known *out, struct err *err)
{
	uint64_t id = 0;
	int rc = load_dedupe(s, err);

	if (rc < 0)
		return rc;
	do {
		id = hot_find_key(s->hot, key->kind, key->group_id, hash, id,
				  s->hot_limit);
		if (id < s->dedupe_hot_before)
			id = 0; /* forgotten */
		if (id != 0)
			rc = look_at(s, key, id, out, err);
	} while (rc == 0 && id != 0);
	return rc;
}

int sq_find_known(struct sqlite_store *s, const struct sq_key *key,
		  struct sq_known *out, struct err *err)
{
	const struct stored_key stored = make_key(key);
	uint32_t hash = hot_hash_key(s->hot, key->group_id, key->user, key->id);
	int rc = find_hot(s, key, hash, out, err);

	for (unsigned i = 0; rc == 0 && i < 2; i++) {
		const struct sq_learned *l = &s->dedupe_keys[i];
		sqlite3_stmt *st;

		if (l->whole &&
		    !sq_filter_may_have(&l->filter, filter_hash(hash)))
			continue;
		st = sq_use(s, i == 0 ? SQ_DEDUPE_0_GET : SQ_DEDUPE_1_GET);
		sq_bind(st, 1, key->group_id);
		sq_bind_text(st, 2, key->user);
		sq_bind_blob(st, 3, str_make(stored.bytes, stored.len));
		rc = sq_step(s, st, err);
		if (rc > 0) {
			out->first_seq = sq_column(st, 0);
			out->last_seq = sq_column(st, 1);
			out->off = sq_column(st, 2);
			out->time_ms = sq_column(st, 3);
			out->warnings = sq_column(st, 4);
			sqlite3_reset(st);
		}
	}
	return rc;
}

static int put(struct sqlite_store *s, unsigned generation,
	       const struct sq_key *key, const struct sq_known *known,
	       struct err *err)
{
	const struct stored_key stored = make_key(key);
	sqlite3_stmt *st =
		sq_use(s, generation == 0 ? SQ_DEDUPE_0_PUT : SQ_DEDUPE_1_PUT);

	if (!learn_key(s, &s->dedupe_keys[generation], key->group_id, key->user,
		       str_make(stored.bytes, stored.len)))
		return sq_no_memory(s, err);
	sq_bind(st, 1, key->group_id);
	sq_bind_text(st, 2, key->user);
	sq_bind_blob(st, 3, str_make(stored.bytes, stored.len));
	sq_bind(st, 4, known->first_seq);
	sq_bind(st, 5, known->last_seq);
	sq_bind(st, 6, known->off);
	sq_bind(st, 7, known->time_ms);
	sq_bind(st, 8, known->warnings);
	return sq_run(s, st, err);
}

int sq_put_known(struct sqlite_store *s, const struct sq_key *key,
		 const struct sq_known *known, uint64_t now_ms, struct err *err)
{
	int rc = sq_turn_known(s, now_ms, err);

	return rc < 0 ? rc : put(s, s->dedupe_current, key, known, err);
}

int sq_seal_known(struct sqlite_store *s, uint64_t id, const struct sq_key *key,
		  const struct sq_known *known, struct err *err)
{
	int rc = load_dedupe(s, err);

	if (rc < 0 || id < s->dedupe_hot_before)
		return rc;
	return put(s,
		   id >= s->dedupe_hot ? s->dedupe_current
				       : 1 - s->dedupe_current,
		   key, known, err);
}

int sq_remember(struct sqlite_store *s, uint64_t group_id,
		const struct store_key *k, struct err *err)
{
	const struct sq_key key = { .group_id = group_id,
				    .user = k->user,

				    .kind = k->batch ? HOT_BATCH : HOT_ITEM,
				    .id = k->id };
	struct sq_known known;
	int rc = sq_find_known(s, &key, &known, err);

	if (rc > 0)
		return import_refuse_client_id(k->user, known.first_seq, err);
	known = (struct sq_known){ .first_seq = k->first_seq,
				   .last_seq = k->last_seq,
				   .off = k->off,
				   .time_ms = k->time_ms,
				   .warnings = k->warnings };
	return rc < 0 ? rc
		      : sq_put_known(s, &key, &known,
				     env_now_ms(s->base.options.env), err);
}
