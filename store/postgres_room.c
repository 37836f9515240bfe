/* SPDX-License-Identifier: MIT */
/*
 * What a writer looks at in its database now and then, over its own connection:
 * whether there are partitions for today and tomorrow, what the others say of
 * the time that ids are known, and whether the clocks agree.
 *
 * Partitions are made before they are needed: for today, and in its last hour
 * for tomorrow, so that midnight finds its own; not sooner, since whoever looks
 * for a key looks in each partition of dedupe. That is over a connection of
 * its own, which holds no lock of a group while it waits for others that make
 * the same; so it cannot be part of a deadlock, wherever the transaction stands
 * that needs one.
 */
#include "store/postgres.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ROOM_MS = 10000,
	TOMORROW_MS = 500,  /* of what can wait */
	AHEAD_MS = 3600000, /* how long before midnight tomorrow begins */
	LOOK_MS = 60000,    /* how often it is looked at */
	CLOCK_MS = 5000,    /* what clocks may differ by, and nobody says so */
	/* An old partition in which there was room stays for an hour. */
	ROOM_OLD_MS = 1800000
};

static const char days_key[] = "dedupe_days";

static uint64_t own_days(const struct postgres_store *s)
{
	return (s->base.options.dedupe_window_ms + PG_DAY_MS - 1) / PG_DAY_MS;
}

uint64_t pg_generation(const struct postgres_store *s, uint64_t now_ms,
		       uint64_t *from)
{
	uint64_t day = now_ms / PG_DAY_MS;

	*from = day > s->days ? day - s->days : 0;
	return day;
}

static void warn(const struct postgres_store *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(const struct postgres_store *s, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (s->base.options.warn == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	s->base.options.warn(s->base.options.warn_data, text);
}

/* Looking. */

struct look {
	bool today;
	bool tomorrow;
	uint64_t days;
	uint64_t moved_from;
	uint64_t before_ms; /* our clock */
	uint64_t clock_ms;
	uint64_t after_ms;
};

static int ask_once(struct postgres_store *s, struct look *l, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	l->before_ms = env_now_ms(s->base.options.env);
	pg_use(&c, PG_LOOK);
	pg_add(&c, l->before_ms / PG_DAY_MS);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		/* Of messages, and of ids. */
		l->today = pg_column(r, 0, 0) >= 2;
		l->tomorrow = pg_column(r, 0, 1) >= 2;
		l->days = pg_column(r, 0, 2);
		l->moved_from = pg_column(r, 0, 3);
		l->clock_ms = pg_column(r, 0, 4);
		l->after_ms = env_now_ms(s->base.options.env);
	}
	PQclear(r);
	return rc < 0 ? rc : 0;
}

/* Again where the connection was lost unnoticed. */
static int ask_look(struct postgres_store *s, struct look *l, struct err *err)
{
	bool had = s->conn != NULL;
	struct err why;
	int rc = ask_once(s, l, &why);

	if (rc < 0 && had && s->conn == NULL && !s->base.in_transaction)
		rc = ask_once(s, l, &why);
	if (rc < 0 && err != NULL)
		*err = why;
	return rc;
}

/* A node whose window is shorter keeps ids for as long as the others say. */
static void note_days(struct postgres_store *s, uint64_t days)
{
	if (days < own_days(s))
		days = own_days(s);
	if (days > own_days(s) && days != s->days)
		warn(s,
		     "a dedupe_window of %" PRIu64 " days, which another node "
		     "has or had, holds for this one, too, which has %" PRIu64,
		     days, own_days(s));
	s->days = days;
}

static int check_clock(struct postgres_store *s, const struct look *l,
		       struct err *err)
{
	bool ahead = l->before_ms > l->clock_ms;
	uint64_t off = ahead			   ? l->before_ms - l->clock_ms
		       : l->clock_ms > l->after_ms ? l->clock_ms - l->after_ms
						   : 0;
	const char *where = ahead ? "ahead of" : "behind";

	if (!s->base.options.check_clock || off <= CLOCK_MS) {
		s->clock_told = false;
		return 0;
	}
	if (off > PG_DAY_MS) {
		s->base.broken = s->base.in_transaction;
		return err_set(err, ERR_UNAVAILABLE,
			       "The clock of this machine is %" PRIu64
			       " s %s the database's, so it cannot write: set "
			       "it right",
			       off / 1000, where);
	}
	if (!s->clock_told)
		warn(s,
		     "the clock of this machine is %" PRIu64
		     " s %s the database's, and messages get their times from "
		     "it",
		     off / 1000, where);
	s->clock_told = true;
	return 0;
}

static int look(struct postgres_store *s, struct look *l, struct err *err)
{
	int rc = ask_look(s, l, err);

	if (rc < 0)
		return rc;
	if (l->moved_from != 0 && !s->base.options.moving) {
		s->base.broken = s->base.in_transaction;
		return move_refuse_open(err);
	}
	note_days(s, l->days);
	return check_clock(s, l, err);
}

int pg_look_first(struct postgres_store *s, struct err *err)
{
	struct pg_call c;
	struct look l;
	int rc;

	s->days = own_days(s);
	if (s->base.options.read_only || s->base.options.moving)
		return 0;
	pg_use(&c, PG_META_RAISE);
	pg_add_text(&c, str_of(days_key));
	pg_add(&c, s->days);
	rc = pg_run(s, &c, NULL, err);
	return rc < 0 ? rc : look(s, &l, err);
}

/* Making. */

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
		const char *parent, uint64_t day, uint64_t count,
		struct pg_days *days, struct err *err)
{
	uint64_t today = env_now_ms(s->base.options.env) / PG_DAY_MS;
	struct buf sql = { 0 };
	PGresult *r = NULL;
	int rc = 0;

	buf_printf(&sql,
		   "SELECT * FROM need_room('%s',%" PRIu64 ",%" PRIu64
		   ",%" PRIu64 ")",
		   parent, day, today, count);
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
		      uint64_t today)
{
	struct buf sql = { 0 };

	buf_printf(&sql, "SET lock_timeout=100;SELECT drop_keys(%" PRIu64 ")",
		   today);
	if (!sql.failed)
		PQclear(pg_script(s, conn, ROOM_MS, buf_cstr(&sql)));
	buf_release(&sql);
}

/* Ids lie in one partition for as long as they are known, so that two have to
 * be looked into, whatever the window. */
static int make_day(struct postgres_store *s, PGconn *conn, uint64_t day,
		    struct err *err)
{
	struct pg_days days;
	int rc = make(s, conn, "messages", day, 1, &days, err);

	return rc < 0 ? rc : make(s, conn, "dedupe", day, s->days, &days, err);
}

static int make_days(struct postgres_store *s, uint64_t day, uint64_t soon,
		     struct err *err)
{
	PGconn *conn = pg_connect_another(s, err);
	int rc;

	if (conn == NULL)
		return err_rc(err);
	rc = make_day(s, conn, day, err);
	if (rc == 0 && soon > day)
		rc = make_day(s, conn, soon, err);
	if (rc == 0)
		drop_keys(s, conn, day);
	PQfinish(conn);
	return rc;
}

/* Gives what is done aside a deadline, of ms at most where others wait for it;
 * what it was. */
static uint64_t hurry(struct postgres_store *s, uint64_t ms)
{
	uint64_t was = s->base.deadline_ms;
	uint64_t end = pg_clock_ms() + ms;

	if (was > end ||
	    (was == 0 && s->base.in_transaction && !s->base.options.moving))
		s->base.deadline_ms = end;
	return was;
}

static bool has_room(const struct pg_days *days, uint64_t day)
{
	return day >= days->lo && day < days->hi;
}

int pg_need_room(struct postgres_store *s, struct err *err)
{
	uint64_t now_ms = env_now_ms(s->base.options.env);
	uint64_t day = now_ms / PG_DAY_MS;
	uint64_t soon = (now_ms + AHEAD_MS) / PG_DAY_MS;
	struct look l;
	struct err why = { .code = ERR_NONE };
	int rc;

	if (has_room(&s->room_now, day) && has_room(&s->room_now, soon) &&
	    pg_clock_ms() < s->look_ms)
		return 0;
	rc = look(s, &l, err);
	if (rc < 0)
		return rc;
	if (!l.today || (soon > day && !l.tomorrow)) {
		uint64_t was = hurry(s, l.today ? TOMORROW_MS : PG_WRITE_MS);

		rc = make_days(s, day, soon, &why);
		s->base.deadline_ms = was;
	}
	/* Tomorrow can wait until there is a connection to be had: it is looked
	 * for again, and an append that does not find it says so. */
	if (rc < 0 && !l.today) {
		if (err != NULL)
			*err = why;
		return rc;
	}
	s->room_now = (struct pg_days){ day, soon + 1 };
	s->look_ms = pg_clock_ms() + LOOK_MS;
	return 0;
}

static int make_aside(struct postgres_store *s, const char *parent,
		      uint64_t day, struct pg_days *days, struct err *err)
{
	uint64_t was = hurry(s, PG_WRITE_MS);
	PGconn *conn = pg_connect_another(s, err);
	int rc = -EIO;

	if (conn != NULL)
		rc = make(s, conn, parent, day, 1, days, err);
	PQfinish(conn);
	s->base.deadline_ms = was;
	return rc;
}

static bool has_old_room(const struct pg_days *days, uint64_t since_ms,
			 uint64_t day)
{
	return has_room(days, day) && pg_clock_ms() - since_ms < ROOM_OLD_MS;
}

int pg_need_room_at(struct postgres_store *s, uint64_t time_ms, struct err *err)
{
	uint64_t day = time_ms / PG_DAY_MS;

	/* What was looked at long ago may be gone. */
	if ((has_room(&s->room_now, day) && pg_clock_ms() < s->look_ms) ||
	    has_old_room(&s->room_old, s->room_old_ms, day))
		return 0;
	s->room_old_ms = pg_clock_ms();
	return make_aside(s, "messages", day, &s->room_old, err);
}

int pg_need_archive(struct postgres_store *s, uint64_t day, struct err *err)
{
	if (has_old_room(&s->room_archive, s->room_archive_ms, day))
		return 0;
	s->room_archive_ms = pg_clock_ms();
	return make_aside(s, "archives", day, &s->room_archive, err);
}
