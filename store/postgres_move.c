/* SPDX-License-Identifier: MIT */
/* Another store, moved into this one; and what is compared of it. */
#include "store/postgres.h"

#include <errno.h>
#include <string.h>

#include "lib/list.h"
#include "store/import.h"

static const char moved_from_key[] = "moved_from";

/* Reading. */

struct loose {
	struct postgres_store *s;
	enum store_loose_kind kind;
	store_loose_fn fn;
	void *data;
	struct err *err;
};

static int give_loose(void *data, const PGresult *r, int row)
{
	const struct loose *l = data;
	struct store_loose out = { .kind = l->kind };
	struct str hash;

	if (l->kind == STORE_USER) {
		out.user = pg_column_str(r, row, 0);
		out.created_ms = pg_column(r, row, 1);
		return l->fn(l->data, &out);
	}
	if (l->kind == STORE_TOKEN) {
		out.token_id = pg_column(r, row, 0);
		out.user = pg_column_str(r, row, 1);
		out.created_ms = pg_column(r, row, 2);
		out.expires_ms = pg_column(r, row, 3);
		hash = pg_column_str(r, row, 4);
	} else {
		hash = pg_column_str(r, row, 0);
	}
	if (hash.len != STORE_HASH)
		return pg_corrupt(l->s, "a hash has another length", l->err);
	memcpy(out.hash, hash.data, STORE_HASH);
	return l->fn(l->data, &out);
}

int pg_list_loose(struct store *base, enum store_loose_kind kind,
		  store_loose_fn fn, void *data, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct loose l = { s, kind, fn, data, err };
	char room[PG_AFTER_MAX];
	struct pg_call c;

	if (kind == STORE_USER) {
		pg_use(&c, PG_LOOSE_USERS);
		pg_add_after(&c, str_of(""), room);
	} else if (kind == STORE_TOKEN) {
		pg_use(&c, PG_LOOSE_TOKENS);
		pg_add(&c, 0);
	} else {
		pg_use(&c, PG_LOOSE_GARBAGE);
		pg_add_blob(&c, str_of(""));
	}
	return pg_walk(s, &c, give_loose, &l, err);
}

/* What a group was created with lies by its name. */
static int find_key(struct postgres_store *s, struct str name, struct str *key,
		    struct err *err)
{
	struct str *const strs[] = { key };
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_CREATED_AS);
	pg_add_text(&c, name);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		*key = pg_column_str(r, 0, 1);
		rc = pg_hold(s, strs, 1, err);
	}
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_next_group(struct store *base, uint64_t after_id, uint64_t *group_id,
		  struct str *key, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc;

	if (after_id > PG_NUMBER_MAX)
		return 0;
	pg_use(&c, PG_NEXT_GROUP);
	pg_add(&c, after_id);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		*group_id = pg_column(r, 0, 0);
		rc = find_key(s, pg_column_str(r, 0, 1), key, err);
		rc = rc < 0 ? rc : 1;
	}
	PQclear(r);
	return rc;
}

static int give_key(struct postgres_store *s, const PGresult *r, int row,
		    store_key_fn fn, void *data, struct err *err)
{
	struct str key = pg_column_str(r, row, 1);
	struct store_key k = { .user = pg_column_str(r, row, 0),
			       .first_seq = pg_column(r, row, 2),
			       .last_seq = pg_column(r, row, 3),
			       .off = pg_column(r, row, 4),
			       .time_ms = pg_column(r, row, 5),
			       .warnings = pg_column(r, row, 6) };

	if (key.len < 2)
		return pg_corrupt(s, "a dedupe key is too short", err);
	k.batch = key.data[0] == 'b';
	k.id = str_make(key.data + 1, key.len - 1);
	return fn(data, &k);
}

/* By pages, each behind the last row of the one before. */
int pg_list_keys(struct store *base, uint64_t group_id, store_key_fn fn,
		 void *data, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	char room[PG_AFTER_MAX];
	PGresult *last = NULL;
	struct pg_call c;
	uint64_t from;
	int count = PG_PAGE;
	int rc = 0;

	if (group_id > PG_NUMBER_MAX)
		return 0;
	(void)pg_generation(s, env_now_ms(base->options.env), &from);
	pg_use(&c, PG_KEYS_OF);
	pg_add(&c, group_id);
	pg_add(&c, from);
	pg_add_after(&c, str_of(""), room);
	pg_add_blob(&c, str_of(""));
	while (rc == 0 && count == PG_PAGE) {
		PGresult *r;

		count = pg_run(s, &c, &r, err);
		PQclear(last);
		last = r;
		if (count < 0)
			rc = count;
		for (int row = 0; rc == 0 && row < count; row++)
			rc = give_key(s, r, row, fn, data, err);
		for (int i = 0; count == PG_PAGE && i < 2; i++) {
			c.values[2 + i] = PQgetvalue(r, count - 1, i);
			c.lengths[2 + i] = PQgetlength(r, count - 1, i);
		}
	}
	PQclear(last);
	return rc < 0 ? rc : 0;
}

int pg_get_numbers(struct store *base, struct store_numbers *out,
		   struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc = pg_identity(base, &out->identity, err);

	if (rc < 0)
		return rc;
	pg_use(&c, PG_LAST_NUMBERS);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		out->group_id = pg_column(r, 0, 0);
		out->media_id = pg_column(r, 0, 1);
		out->token_id = pg_column(r, 0, 2);
	}
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_moved_from(struct store *base, uint64_t *identity, struct err *err)
{
	return pg_get_meta(pg_of(base), moved_from_key, identity, err);
}

/* Writing. */

int pg_move_begin(struct store *base, uint64_t identity, struct err *err)
{
	return pg_set_meta(pg_of(base), moved_from_key, identity, err);
}

int pg_move_reset(struct store *base, struct err *err)
{
	return pg_do(pg_of(base), PG_MOVE_RESET, err);
}

enum { LOOSE_NAME, LOOSE_CREATED, LOOSE_ID, LOOSE_EXPIRES, LOOSE_HASH, LOOSES };
static const enum pg_type loose_types[LOOSES] = { PG_TYPE_TEXT, PG_TYPE_BIGINT,
						  PG_TYPE_BIGINT,
						  PG_TYPE_BIGINT,
						  PG_TYPE_BYTEA };

/* Which columns a kind has, from and up to. */
static const struct kind {
	enum pg_statement put;
	int from;
	int to;
} kinds[] = { [STORE_USER] = { PG_PUT_USERS, LOOSE_NAME, LOOSE_CREATED },
	      [STORE_TOKEN] = { PG_PUT_TOKENS, LOOSE_NAME, LOOSE_HASH },
	      [STORE_GARBAGE] = { PG_PUT_GARBAGE, LOOSE_HASH, LOOSE_HASH } };

static void add_loose(struct pg_array *columns, const struct store_loose *l)
{
	pg_array_add_str(&columns[LOOSE_NAME], l->user);
	pg_array_add(&columns[LOOSE_CREATED], l->created_ms);
	pg_array_add(&columns[LOOSE_ID], l->token_id);
	pg_array_add(&columns[LOOSE_EXPIRES], l->expires_ms);
	pg_array_add_blob(&columns[LOOSE_HASH],
			  str_make((const char *)l->hash, STORE_HASH));
}

static int put_kind(struct postgres_store *s, enum store_loose_kind kind,
		    const struct store_loose *rows, size_t count,
		    struct err *err)
{
	struct pg_array columns[LOOSES] = { 0 };
	struct pg_call c;
	bool failed = false;
	int rc = 0;

	for (size_t i = 0; i < LOOSES; i++)
		pg_array_begin(&columns[i], loose_types[i]);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].kind == kind)
			add_loose(columns, &rows[i]);
	}
	pg_use(&c, kinds[kind].put);
	for (int i = kinds[kind].from; i <= kinds[kind].to; i++) {
		pg_add_array(&c, &columns[i]);
		failed = failed || columns[i].buf.failed;
	}
	if (failed)
		rc = pg_no_memory(s, err);
	else if (columns[LOOSE_HASH].count > 0)
		rc = pg_run(s, &c, NULL, err);
	for (size_t i = 0; i < LOOSES; i++)
		pg_array_release(&columns[i]);
	return rc < 0 ? rc : 0;
}

int pg_move_loose(struct store *base, const struct store_loose *rows,
		  size_t count, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	int rc = put_kind(s, STORE_USER, rows, count, err);

	if (rc == 0)
		rc = put_kind(s, STORE_TOKEN, rows, count, err);
	if (rc == 0)
		rc = put_kind(s, STORE_GARBAGE, rows, count, err);
	return rc;
}

/* Keys. */

enum { KEY_NUMBERS = 5, KEY_NAME = KEY_NUMBERS, KEY_KEY, KEY_COLUMNS };

struct moved_keys {
	struct store_import op;
	const struct store_key *keys;
	size_t count;
	struct pg_array columns[KEY_COLUMNS];
	struct buf key;
};

static void add_key(struct moved_keys *m, const struct store_key *k)
{
	const uint64_t numbers[KEY_NUMBERS] = { k->first_seq, k->last_seq,
						k->off, k->time_ms,
						k->warnings };

	for (size_t i = 0; i < KEY_NUMBERS; i++)
		pg_array_add(&m->columns[i], numbers[i]);
	buf_clear(&m->key);
	buf_append_char(&m->key, k->batch ? 'b' : 'i');
	buf_append_str(&m->key, k->id);
	pg_array_add_str(&m->columns[KEY_NAME], k->user);
	pg_array_add_blob(&m->columns[KEY_KEY], buf_str(&m->key));
}

static int put_keys(struct pg_importing *i, struct moved_keys *m,
		    struct err *err)
{
	uint64_t now_ms = env_now_ms(i->s->base.options.env);
	uint64_t from;
	struct pg_call c;
	bool failed = m->key.failed;
	int rc = pg_need_room(i->s, err);

	if (rc < 0)
		return rc;
	pg_use(&c, PG_MOVE_KEYS);
	pg_add(&c, m->op.import_id);
	pg_add(&c, pg_generation(i->s, now_ms, &from));
	for (size_t k = 0; k < KEY_COLUMNS; k++) {
		pg_add_array(&c, &m->columns[k]);
		failed = failed || m->columns[k].buf.failed;
	}
	if (failed)
		return pg_no_memory(i->s, err);
	rc = pg_run(i->s, &c, NULL, err);
	if (rc >= 0 && (size_t)rc != m->count)
		return import_refuse_list(err);
	return rc < 0 ? rc : 0;
}

static int move_keys(struct pg_importing *i, struct err *err)
{
	const struct store_import *op = i->op;
	/* Its op is ours, not const: */
	struct moved_keys m = *container_of(op, const struct moved_keys, op);
	int rc;

	for (size_t k = 0; k < KEY_COLUMNS; k++)
		pg_array_begin(&m.columns[k], k < KEY_NUMBERS ? PG_TYPE_BIGINT
					      : k == KEY_NAME ? PG_TYPE_TEXT
							      : PG_TYPE_BYTEA);
	for (size_t k = 0; k < m.count; k++)
		add_key(&m, &m.keys[k]);
	rc = put_keys(i, &m, err);
	for (size_t k = 0; k < KEY_COLUMNS; k++)
		pg_array_release(&m.columns[k]);
	buf_release(&m.key);
	return rc;
}

int pg_move_keys(struct store *base, uint64_t import_id,
		 const struct store_key *keys, size_t count, struct err *err)
{
	const struct moved_keys m = { .op = { .import_id = import_id },
				      .keys = keys,
				      .count = count };

	return count == 0 ? 0 : pg_run_import(base, &m.op, move_keys, err);
}

int pg_move_end(struct store *base, const struct store_numbers *numbers,
		struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	int rc;

	pg_use(&c, PG_PUT_NUMBERS);
	pg_add(&c, numbers->group_id);
	pg_add(&c, numbers->media_id);
	pg_add(&c, numbers->token_id);
	rc = pg_run(s, &c, NULL, err);
	if (rc >= 0)
		rc = pg_set_meta(s, "identity", numbers->identity, err);
	return rc < 0 ? rc : pg_do(s, PG_MOVE_DONE, err);
}
