/* SPDX-License-Identifier: MIT */
/*
 * Archiving. A step moves messages within the database (postgres_archive.sql).
 * A partition that was walked through is dropped by the next step, before that
 * has a lock of its own on it, over another connection: so the lock that stops
 * all is held for as long as PostgreSQL takes, and not until a commit comes.
 */
#include "store/postgres.h"

#include <errno.h>
#include <inttypes.h>

enum { DROP_MS = 1000 };

/* Whoever does not get the lock at once leaves it to the next round. */
static int drop_partition(const struct postgres_store *s, uint64_t day,
			  struct err *err)
{
	PGconn *conn = pg_connect_another(s, err);
	struct buf sql = { 0 };

	if (conn == NULL)
		return err != NULL ? err_rc(err) : -EIO;
	buf_printf(&sql,
		   "SET lock_timeout=100;SELECT drop_archived(%" PRIu64 ")",
		   day);
	if (!sql.failed)
		PQclear(pg_script(s, conn, DROP_MS, buf_cstr(&sql)));
	buf_release(&sql);
	PQfinish(conn);
	return 0;
}

/* The next partition of which all is old, from op->day on: 0, there is none. */
static int find_partition(struct postgres_store *s, struct store_archive *op,
			  struct pg_days *days, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_OLD_PARTITION);
	pg_add(&c, op->day);
	pg_add(&c, op->before_ms / PG_DAY_MS);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		days->lo = pg_column(r, 0, 0);
		days->hi = pg_column(r, 0, 1);
		op->day = days->lo;
	}
	PQclear(r);
	return rc;
}

static int archive_some(struct postgres_store *s, struct store_archive *op,
			const struct pg_days *days, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_ARCHIVE);
	pg_add(&c, days->lo);
	pg_add(&c, days->hi);
	pg_add(&c, op->after_id);
	pg_add(&c, op->limit);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		op->archived = pg_column(r, 0, 0);
		op->after_id = pg_column(r, 0, 1);
		op->walked = pg_column(r, 0, 2) != 0;
	}
	PQclear(r);
	return rc;
}

int pg_archive(struct store *base, struct store_archive *op, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_days days = { 0 };
	int rc = 0;

	if (op->day > PG_NUMBER_MAX || op->after_id > PG_NUMBER_MAX)
		return 0;
	if (op->walked) {
		rc = drop_partition(s, op->day, err);
		op->walked = false;
		op->after_id = 0;
		op->day++;
		return rc < 0 ? rc : 1;
	}
	rc = find_partition(s, op, &days, err);
	if (rc <= 0)
		return rc;
	rc = pg_need_archive(s, days.lo, err);
	if (rc == 0)
		rc = archive_some(s, op, &days, err);
	return rc < 0 ? rc : 1;
}
