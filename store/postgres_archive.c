/* SPDX-License-Identifier: MIT */
/*
 * Archiving. A step moves messages within the database (postgres_archive.sql).
 * A partition that was walked through is dropped by the next step, before that
 * has a lock of its own on it, over another connection: so the lock that stops
 * all is held for as long as PostgreSQL takes, and not until a commit comes.
 * The step that finds no more drops a month of archives, if one is empty.
 */
#include "store/postgres.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { DROP_MS = 1000 };

/* Whoever does not get the lock at once leaves it to the next round. */
static int drop(const struct postgres_store *s, const char *sql,
		struct err *err)
{
	PGconn *conn = pg_connect_another(s, err);

	if (conn == NULL)
		return err != NULL ? err_rc(err) : -EIO;
	PQclear(pg_script(s, conn, DROP_MS, sql));
	PQfinish(conn);
	return 0;
}

static int drop_partition(const struct postgres_store *s, uint64_t day,
			  struct err *err)
{
	char sql[96];

	snprintf(sql, sizeof(sql),
		 "SET lock_timeout=100;"
		 "SELECT drop_emptied('messages',%" PRIu64 ")",
		 day);
	return drop(s, sql, err);
}

/* The end of a round. */
static int drop_months(const struct postgres_store *s, struct err *err)
{
	return drop(s, "SET lock_timeout=100;SELECT drop_months()", err);
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
	pg_add(&c, STORE_TRIM_BYTES);
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
		return rc < 0 ? rc : drop_months(s, err);
	rc = pg_need_archive(s, days.lo, err);
	if (rc == 0)
		rc = archive_some(s, op, &days, err);
	return rc < 0 ? rc : 1;
}
