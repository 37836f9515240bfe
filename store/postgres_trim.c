/* SPDX-License-Identifier: MIT */
/*
 * Retention. A step is one function in the database, under the group's lock
 * (postgres_trim.sql). What the settings say is noted in the group's row, so
 * that a look for what is overdue reads no settings.
 */
#include "store/postgres.h"

#include <assert.h>

#include "store/keep.h"

/* No number of PostgreSQL's is beyond such a bound. */
static void add_bound(struct pg_call *c, uint64_t bound)
{
	pg_add(c, bound > PG_NUMBER_MAX ? PG_NUMBER_MAX : bound);
}

static void add_keep(struct pg_call *c, const struct store_keep *keep)
{
	add_bound(c, keep->age_ms);
	add_bound(c, keep->messages);
	add_bound(c, keep->bytes);
}

int pg_set_keep(struct postgres_store *s, uint64_t group_id,
		struct str settings, struct err *err)
{
	struct store_keep keep;
	struct pg_call c;
	int rc;

	/* Settings are checked before they come here. */
	keep_of_settings(settings, &keep, NULL);
	pg_use(&c, PG_SET_KEEP);
	pg_add(&c, group_id);
	add_keep(&c, &keep);
	rc = pg_run(s, &c, NULL, err);
	return rc < 0 ? rc : 0;
}

int pg_trim(struct store *base, struct store_trim *op, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	if (op->group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	pg_use(&c, PG_TRIM);
	pg_add(&c, op->group_id);
	pg_add(&c, env_now_ms(base->options.env));
	add_keep(&c, &op->keep);
	/* It is added to a number. */
	pg_add(&c, op->limit > UINT32_MAX ? UINT32_MAX : op->limit);
	pg_add(&c, STORE_TRIM_BYTES);
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc < 0)
		return rc;
	assert(rc == 1);
	if (pg_column(r, 0, 0) == PG_OK) {
		op->first_seq = pg_column(r, 0, 1);
		op->first_off = pg_column(r, 0, 2);
		op->first_jsonl_off = pg_column(r, 0, 3);
		op->trimmed = pg_column(r, 0, 4);
		op->left = pg_column(r, 0, 5);
		rc = 0;
	} else {
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	}
	PQclear(r);
	return rc;
}

int pg_list_overdue(struct store *base, const struct store_keep *keep,
		    size_t count, uint64_t *after_id, store_overdue_fn fn,
		    void *data, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rows;
	int rc = 0;

	if (*after_id > PG_NUMBER_MAX)
		return 0;
	pg_use(&c, keep_has_bound(keep) ? PG_OVERDUE : PG_OVERDUE_KEPT);
	pg_add(&c, *after_id);
	pg_add(&c, count);
	add_keep(&c, keep);
	pg_add(&c, env_now_ms(base->options.env));
	rows = pg_run(pg_of(base), &c, &r, err);
	for (int row = 0; rc == 0 && row < rows; row++) {
		*after_id = pg_column(r, row, 0);
		if (pg_column(r, row, 1) != 0)
			rc = fn(data, *after_id);
	}
	PQclear(r);
	if (rows < 0)
		return rows;
	return rc != 0 ? (rc < 0 ? rc : 1) : (size_t)rows == count;
}
