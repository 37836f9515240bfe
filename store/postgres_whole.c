/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <string.h>

/* The numbers of the one row of a statement without parameters. */
static int ask_numbers(struct store *base, enum pg_statement which,
		       uint64_t *const *out, int count, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, which);
	rc = pg_run(pg_of(base), &c, &r, err);
	for (int i = 0; rc > 0 && i < count; i++)
		*out[i] = pg_column(r, 0, i);
	PQclear(r);
	return rc < 0 ? rc : 0;
}

static int ask_number(struct store *base, enum pg_statement which,
		      uint64_t *out, struct err *err)
{
	return ask_numbers(base, which, &out, 1, err);
}

int pg_count(struct store *base, struct store_counts *out, struct err *err)
{
	int rc = ask_number(base, PG_COUNT_GROUPS, &out->groups, err);

	return rc < 0 ? rc : ask_number(base, PG_COUNT_USERS, &out->users, err);
}

/* log: what was written since the last checkpoint. */
int pg_size(struct store *base, struct store_size *out, struct err *err)
{
	uint64_t *const numbers[] = { &out->data, &out->log };

	return ask_numbers(base, PG_SIZE, numbers, 2, err);
}

int pg_count_all(struct store *base, struct store_totals *out, struct err *err)
{
	uint64_t *const contents[] = { &out->media, &out->media_bytes };
	int rc = ask_number(base, PG_COUNT_GROUPS, &out->groups, err);

	if (rc == 0)
		rc = ask_number(base, PG_COUNT_USERS, &out->users, err);
	if (rc == 0)
		rc = ask_number(base, PG_COUNT_MESSAGES, &out->messages, err);
	if (rc == 0)
		rc = ask_numbers(base, PG_COUNT_CONTENTS, contents, 2, err);
	return rc;
}

struct contents {
	struct postgres_store *s;
	store_content_fn fn;
	void *data;
	struct err *err;
};

static int give_content(void *data, const PGresult *r, int row)
{
	const struct contents *c = data;
	struct str hash = pg_column_str(r, row, 0);
	uint8_t bytes[STORE_HASH];

	if (hash.len != STORE_HASH)
		return pg_corrupt(c->s, "a hash has another length", c->err);
	memcpy(bytes, hash.data, hash.len);
	return c->fn(c->data, bytes, pg_column(r, row, 1));
}

int pg_list_contents(struct store *base, store_content_fn fn, void *data,
		     struct err *err)
{
	struct contents contents = { pg_of(base), fn, data, err };
	struct pg_call c;

	pg_use(&c, PG_CONTENTS);
	pg_add_blob(&c, str_of(""));
	return pg_walk(pg_of(base), &c, give_content, &contents, err);
}

static int refuse_whole(const char *what, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "A store in PostgreSQL is %s with PostgreSQL's own "
		       "tools: see groupd-cluster(7)",
		       what);
}

int pg_copy(struct store *base, const struct store_copy *copy, struct err *err)
{
	(void)base;
	(void)copy;
	return refuse_whole("backed up", err);
}

int pg_renew(struct store *base, struct err *err)
{
	(void)base;
	return refuse_whole("restored", err);
}
