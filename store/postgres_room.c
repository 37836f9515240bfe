/* SPDX-License-Identifier: MIT */
/*
 * Partitions, made before they are needed: for today and for tomorrow, so that
 * midnight finds its own. A handle remembers for which days it has asked.
 *
 * They are made over a connection of their own, which holds no lock of a group
 * while it waits for others that make the same; so it cannot be part of a
 * deadlock, wherever the transaction stands that needs one.
 */
#include "store/postgres.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	ROOM_MS = 10000,
	/* A partition in which there was room stays for an hour. */
	ROOM_OLD_MS = 1800000,
	/* Archives have whole months, also of one that goes on. */
	MONTH = 31
};

static uint64_t generation_days(const struct postgres_store *s)
{
	return (s->base.options.dedupe_window_ms + PG_DAY_MS - 1) / PG_DAY_MS;
}

uint64_t pg_generation(const struct postgres_store *s, uint64_t now_ms,
		       uint64_t *from)
{
	uint64_t days = generation_days(s);
	uint64_t day = now_ms / PG_DAY_MS;
	uint64_t generation = day - day % days;

	*from = generation > days ? generation - days : 0;
	return generation;
}

static int fail(const PGconn *conn, const PGresult *r, struct err *err)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (text == NULL)
		text = PQerrorMessage(conn);
	return err_set(err, ERR_UNAVAILABLE,
		       "There is no room for a new day's messages: %s", text);
}

/* Makes one where there is none; *days is what it covers. */
static int make(const struct postgres_store *s, PGconn *conn,
		const char *parent, uint64_t day, uint64_t today,
		struct pg_days *days, struct err *err)
{
	struct buf sql = { 0 };
	PGresult *r = NULL;
	int rc = 0;

	buf_printf(&sql,
		   "SELECT * FROM need_room('%s',%" PRIu64 ",%" PRIu64 ")",
		   parent, day, today);
	if (!sql.failed)
		r = pg_script(s, conn, ROOM_MS, buf_cstr(&sql));
	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1) {
		rc = fail(conn, r, err);
	} else {
		days->lo = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
		days->hi = strtoull(PQgetvalue(r, 0, 1), NULL, 10);
	}
	PQclear(r);
	buf_release(&sql);
	return rc;
}

/* Ids that are forgotten go as a whole. That needs a lock which stops others:
 * whoever does not get it at once leaves it to the next. */
static void drop_keys(const struct postgres_store *s, PGconn *conn,
		      uint64_t before)
{
	struct buf sql = { 0 };

	buf_printf(&sql, "SET lock_timeout=100;SELECT drop_keys(%" PRIu64 ")",
		   before);
	if (!sql.failed)
		PQclear(pg_script(s, conn, ROOM_MS, buf_cstr(&sql)));
	buf_release(&sql);
}

static int make_day(struct postgres_store *s, PGconn *conn, uint64_t day,
		    struct err *err)
{
	uint64_t today = env_now_ms(s->base.options.env) / PG_DAY_MS;
	struct pg_days days;
	uint64_t from;
	uint64_t generation = pg_generation(s, day * PG_DAY_MS, &from);
	int rc = make(s, conn, "messages", day, today, &days, err);

	return rc < 0 ? rc
		      : make(s, conn, "dedupe", generation, today, &days, err);
}

static bool has_room(const struct pg_days *days, uint64_t day)
{
	return day >= days->lo && day < days->hi;
}

int pg_need_room(struct postgres_store *s, struct err *err)
{
	uint64_t now_ms = env_now_ms(s->base.options.env);
	uint64_t day = now_ms / PG_DAY_MS;
	uint64_t from;
	PGconn *conn;
	int rc;

	if (day == s->room_now.lo && s->room_now.hi > 0)
		return 0;
	conn = pg_connect_another(s, err);
	if (conn == NULL)
		return err != NULL ? err_rc(err) : -EIO;
	rc = make_day(s, conn, day, err);
	if (rc == 0)
		rc = make_day(s, conn, day + 1, err);
	if (rc == 0)
		s->room_now = (struct pg_days){ day, day + 1 };
	(void)pg_generation(s, now_ms, &from);
	/* One more: another node's window may be longer. */
	if (rc == 0 && from > generation_days(s))
		drop_keys(s, conn, from - generation_days(s));
	PQfinish(conn);
	return rc;
}

static int make_old(struct postgres_store *s, const char *parent, uint64_t day,
		    uint64_t today, struct pg_days *days, struct err *err)
{
	PGconn *conn = pg_connect_another(s, err);
	int rc;

	if (conn == NULL)
		return err != NULL ? err_rc(err) : -EIO;
	rc = make(s, conn, parent, day, today, days, err);
	PQfinish(conn);
	return rc;
}

int pg_need_room_at(struct postgres_store *s, uint64_t time_ms, struct err *err)
{
	uint64_t day = time_ms / PG_DAY_MS;
	uint64_t now = pg_clock_ms();
	int rc;

	if (has_room(&s->room_now, day) ||
	    (has_room(&s->room_old, day) && now - s->room_old_ms < ROOM_OLD_MS))
		return 0;
	rc = make_old(s, "messages", day,
		      env_now_ms(s->base.options.env) / PG_DAY_MS, &s->room_old,
		      err);
	s->room_old_ms = now;
	return rc;
}

int pg_need_archive(struct postgres_store *s, uint64_t day, struct err *err)
{
	return has_room(&s->room_archive, day)
		       ? 0
		       : make_old(s, "archives", day, day + 2 * MONTH,
				  &s->room_archive, err);
}
