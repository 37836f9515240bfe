/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

enum {
	ALIVE_MS = 250, /* how often options.alive is called in a wait */
	BINARY = 1	/* the format of parameters and results */
};

static const struct {
	const char *sql;
	int ms;
} statements[PG_COUNT] = {
#define PG_ROW(ENUM, ms, sql) [PG_##ENUM] = { sql, ms },
	PG_STATEMENTS(PG_ROW)
#undef PG_ROW
};

/* Results. */

bool pg_is_null(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) != 0;
}

struct str pg_column_str(const PGresult *r, int row, int column)
{
	return str_make(PQgetvalue(r, row, column),
			(size_t)PQgetlength(r, row, column));
}

uint64_t pg_column(const PGresult *r, int row, int column)
{
	struct str bytes = pg_column_str(r, row, column);
	uint64_t value = 0;

	/* smallint, integer, bigint; a NULL has no byte. */
	for (size_t i = 0; i < bytes.len; i++)
		value = value << 8 | (uint8_t)bytes.data[i];
	return value;
}

int pg_hold(struct postgres_store *s, struct str *const *strs, size_t count,
	    struct err *err)
{
	const char *at;

	buf_clear(&s->held);
	for (size_t i = 0; i < count; i++)
		buf_append_str(&s->held, *strs[i]);
	if (s->held.failed)
		return pg_no_memory(s, err);
	at = s->held.data;
	for (size_t i = 0; i < count; i++) {
		strs[i]->data = at;
		at += strs[i]->len;
	}
	return 0;
}

/* Errors. */

int pg_no_memory(struct postgres_store *s, struct err *err)
{
	s->base.broken = s->base.in_transaction;
	return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
}

int pg_corrupt(struct postgres_store *s, const char *what, struct err *err)
{
	s->base.broken = s->base.in_transaction;
	return err_set(err, ERR_UNAVAILABLE,
		       "The store is damaged: %s. Restore a backup", what);
}

static const char *state_of(const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return state == NULL ? "" : state;
}

static bool is_state(const PGresult *r, const char *prefix)
{
	return strncmp(state_of(r), prefix, strlen(prefix)) == 0;
}

/* Gives the connection up: PostgreSQL is away, or does not answer. */
static void lose(struct postgres_store *s)
{
	pg_drop(s);
	s->base.lost = true;
}

/* It may be done, and may be not. */
static int fail_unknown(struct postgres_store *s, struct err *err)
{
	lose(s);
	err_set(err, ERR_OUTCOME_UNKNOWN, NULL);
	return -EINPROGRESS;
}

int pg_fail(struct postgres_store *s, const PGresult *r, struct err *err)
{
	const char *text = NULL;

	s->base.broken = s->base.in_transaction;
	s->base.undone =
		r != NULL && (is_state(r, "40P01") || is_state(r, "40001"));
	if (r != NULL)
		text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	/* A partition that was there is no more. */
	if (r != NULL && is_state(r, "23514")) {
		s->room_now.hi = 0;
		s->room_old.hi = 0;
		s->room_archive.hi = 0;
	}
	if (text == NULL) {
		lose(s);
		return err_set(err, ERR_UNAVAILABLE,
			       "The connection to the database was lost");
	}
	if (is_state(r, "53100"))
		return err_set(err, ERR_OUT_OF_SPACE, NULL);
	if (is_state(r, "25006") || is_state(r, "08") || is_state(r, "57P")) {
		/* A primary no more, or going down: look for it anew. */
		lose(s);
		return err_set(err, ERR_UNAVAILABLE,
			       "The database is not available: %s", text);
	}
	return err_set(err, ERR_UNAVAILABLE, "The store failed: %s", text);
}

/* Waiting. */

/* How long to wait, and for what. */
struct patience {
	uint64_t end;
	int quiet_ms; /* more, whenever something was heard; 0: no more */
	bool heard;
};

/* Waits for the socket, not beyond the end. False: it is too late, or over. */
static bool wait_socket(const struct postgres_store *s, PGconn *conn,
			bool writing, struct patience *p)
{
	struct pollfd fd = { .fd = PQsocket(conn), .events = POLLIN };
	uint64_t now = pg_clock_ms();
	int ms = ALIVE_MS;

	if (fd.fd < 0 || now >= p->end)
		return false;
	if (writing)
		fd.events |= POLLOUT;
	if (p->end - now < ALIVE_MS)
		ms = (int)(p->end - now);
	if (poll(&fd, 1, ms) < 0 && errno != EINTR)
		return false;
	if ((fd.revents & POLLIN) != 0 && p->quiet_ms > 0) {
		p->end = pg_clock_ms() + (uint64_t)p->quiet_ms;
		p->heard = true;
	}
	if (fd.revents == 0 && s->base.options.alive != NULL)
		s->base.options.alive(s->base.options.alive_data);
	return true;
}

/* Until the next result can be taken without waiting. */
static bool wait_result(const struct postgres_store *s, PGconn *conn,
			struct patience *p)
{
	for (;;) {
		int left = PQflush(conn);

		if (left < 0)
			return false;
		if (left == 0 && !PQisBusy(conn))
			return true;
		if (!wait_socket(s, conn, left > 0, p))
			return false;
		if (!PQconsumeInput(conn))
			return false;
	}
}

static PGresult *answer(const struct postgres_store *s, PGconn *conn,
			struct patience *p)
{
	PGresult *last = NULL;

	for (;;) {
		PGresult *r;

		if (!wait_result(s, conn, p))
			break;
		r = PQgetResult(conn);
		if (r == NULL)
			return last;
		/* The first error counts; what follows is its echo. */
		if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(r);
			continue;
		}
		PQclear(last);
		last = r;
	}
	PQclear(last);
	return NULL;
}

PGresult *pg_answer(const struct postgres_store *s, PGconn *conn, int ms)
{
	struct patience p = { .end = pg_end_of(s, ms) };

	return answer(s, conn, &p);
}

PGresult *pg_script(const struct postgres_store *s, PGconn *conn, int ms,
		    const char *sql)
{
	return PQsendQuery(conn, sql) ? pg_answer(s, conn, ms) : NULL;
}

/* Statements. */

static bool is_good(const PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* Until when to wait at first. */
static int first_ms(const struct postgres_store *s, enum pg_statement which)
{
	int ms = statements[which].ms;

	if (ms == PG_LONG_MS)
		return s->base.options.moving ? PG_MOVE_MS : PG_WRITE_MS;
	/* A look of a writer is waited for like what it writes. */
	if (ms == PG_READ_MS && s->base.in_transaction)
		return PG_WRITE_MS;
	return ms;
}

static int prepare(struct postgres_store *s, enum pg_statement which,
		   struct err *err)
{
	char name[16];
	PGresult *r = NULL;
	int rc = 0;

	if (s->prepared[which])
		return 0;
	snprintf(name, sizeof(name), "s%d", (int)which);
	if (PQsendPrepare(s->conn, name, statements[which].sql, 0, NULL))
		r = pg_answer(s, s->conn, first_ms(s, which));
	if (is_good(r))
		s->prepared[which] = true;
	else
		rc = pg_fail(s, r, err);
	PQclear(r);
	return rc;
}

static bool send_call(struct postgres_store *s, const struct pg_call *c)
{
	static const int formats[PG_PARAMS_MAX] = {
		BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY,
		BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY,
		BINARY, BINARY, BINARY, BINARY, BINARY, BINARY
	};
	char name[16];

	snprintf(name, sizeof(name), "s%d", (int)c->which);
	return PQsendQueryPrepared(s->conn, name, c->count, c->values,
				   c->lengths, formats, BINARY) != 0;
}

static PGresult *take_answer(struct postgres_store *s, enum pg_statement which)
{
	int ms = first_ms(s, which);
	struct patience p = { .end = pg_end_of(s, ms) };
	PGresult *r;

	if (statements[which].ms == PG_LONG_MS)
		p.quiet_ms = ms;
	r = answer(s, s->conn, &p);
	/* What takes long takes as long as it takes, once it has begun. */
	if (p.heard)
		s->base.deadline_ms = 0;
	return r;
}

/* Asks; *out is what came, NULL when the connection is lost. */
static int ask(struct postgres_store *s, const struct pg_call *c,
	       PGresult **out, struct err *err)
{
	int rc;

	*out = NULL;
	rc = pg_check_time(s, statements[c->which].ms, err);
	if (rc == 0)
		rc = pg_connect(s, err);
	if (rc == 0)
		rc = prepare(s, c->which, err);
	if (rc < 0)
		return rc;
	s->warned = false;
	if (send_call(s, c))
		*out = take_answer(s, c->which);
	return 0;
}

int pg_run(struct postgres_store *s, const struct pg_call *c, PGresult **out,
	   struct err *err)
{
	PGresult *r;
	int rc = ask(s, c, &r, err);

	if (out != NULL)
		*out = NULL;
	if (rc == 0)
		rc = is_good(r) ? PQntuples(r) : pg_fail(s, r, err);
	if (rc >= 0 && out != NULL)
		*out = r;
	else
		PQclear(r);
	return rc;
}

void pg_end_view(struct postgres_store *s)
{
	struct pg_call c;

	pg_use(&c, PG_ROLLBACK);
	if (s->conn == NULL)
		return;
	s->ending = prepare(s, PG_ROLLBACK, NULL) == 0 && send_call(s, &c) &&
		    PQflush(s->conn) >= 0;
	if (!s->ending)
		pg_drop(s);
}

void pg_take_end(struct postgres_store *s)
{
	PGresult *r;

	if (!s->ending || s->conn == NULL)
		return;
	s->ending = false;
	r = pg_answer(s, s->conn, PG_WRITE_MS);
	if (!is_good(r))
		pg_drop(s);
	PQclear(r);
}

int pg_do(struct postgres_store *s, enum pg_statement which, struct err *err)
{
	struct pg_call c;
	int rc;

	pg_use(&c, which);
	rc = pg_run(s, &c, NULL, err);
	return rc < 0 ? rc : 0;
}

/* An ERROR is PostgreSQL's word that it did not happen. A connection that
 * ends (FATAL, PANIC, or without a word) may have ended behind the commit; and
 * after a WARNING it is durable here, but not where it must be, too. */
static bool is_unknown(const struct postgres_store *s, const PGresult *r)
{
	const char *severity;

	if (r == NULL)
		return true;
	if (is_good(r))
		return s->warned;
	severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	return severity == NULL || strcmp(severity, "ERROR") != 0;
}

/* Deadlocks and the like; and a partition that was there is no more. */
static bool is_transient(const PGresult *r)
{
	return is_state(r, "40") || is_state(r, "23514");
}

int pg_run_commit(struct postgres_store *s, const struct pg_call *c,
		  PGresult **out, bool *again, struct err *err)
{
	PGresult *r;
	int rc = ask(s, c, &r, err);

	if (out != NULL)
		*out = NULL;
	if (rc == 0 && is_unknown(s, r)) {
		rc = fail_unknown(s, err);
	} else if (rc == 0) {
		if (again != NULL)
			*again = !is_good(r) && is_transient(r);
		rc = is_good(r) ? PQntuples(r) : pg_fail(s, r, err);
	}
	if (rc >= 0 && out != NULL)
		*out = r;
	else
		PQclear(r);
	return rc;
}

/* Many at once. */

/* What comes before the first of them. */
static bool send_begin(struct postgres_store *s, const struct pg_calls *calls)
{
	struct pg_call c;

	pg_use(&c, PG_BEGIN_WRITE);
	if (!send_call(s, &c))
		return false;
	pg_use(&c, PG_LOCK_WAIT);
	pg_add(&c, calls->lock_ms);
	return calls->lock_ms == 0 || send_call(s, &c);
}

/* *quiet_ms: how long to wait for the next sign of one that takes long. */
static int send_all(struct postgres_store *s, const struct pg_calls *calls,
		    int *quiet_ms, struct err *err)
{
	struct pg_call c;
	int rc = 0;

	if (!send_begin(s, calls))
		return pg_fail(s, NULL, err);
	for (size_t i = 0; rc == 0 && i < calls->n; i++) {
		rc = calls->add(calls->data, i, &c, err);
		if (rc == 0 && statements[c.which].ms == PG_LONG_MS)
			*quiet_ms = first_ms(s, c.which);
		if (rc == 0 && !send_call(s, &c))
			rc = pg_fail(s, NULL, err);
	}
	if (rc < 0)
		return rc;
	pg_use(&c, PG_COMMIT);
	/* libpq sends when it likes, also what it says it did not; and a COMMIT
	 * that has come is executed, whatever follows. */
	if (!send_call(s, &c) || !PQpipelineSync(s->conn))
		return fail_unknown(s, err);
	return 0;
}

/* The next result of a pipeline, and the end of it: NULL when it is lost. */
static PGresult *take_one(const struct postgres_store *s, struct patience *p)
{
	PGresult *r;

	if (!wait_result(s, s->conn, p))
		return NULL;
	r = PQgetResult(s->conn);
	if (r != NULL && wait_result(s, s->conn, p))
		PQclear(PQgetResult(s->conn));
	return r;
}

/* The results of what begins it, n calls and COMMIT: *bad is the first that
 * failed, of call *at. */
static bool take_all(const struct postgres_store *s,
		     const struct pg_calls *calls, struct patience *p,
		     PGresult **out, PGresult **bad, size_t *at)
{
	size_t first = calls->lock_ms == 0 ? 1 : 2;
	size_t n = calls->n;
	PGresult *r;

	for (size_t i = 0; i < first + n + 1; i++) {
		r = take_one(s, p);
		if (r == NULL)
			return false;
		if (!is_good(r) && *bad == NULL) {
			*bad = r;
			*at = i >= first ? i - first : n;
		} else if (i >= first && i < first + n) {
			out[i - first] = r;
		} else {
			PQclear(r);
		}
	}
	if (!wait_result(s, s->conn, p))
		return false;
	r = PQgetResult(s->conn);
	PQclear(r);
	return r != NULL && PQexitPipelineMode(s->conn) != 0;
}

/* What it came to. */
static int end_all(struct postgres_store *s, bool complete, const PGresult *bad,
		   bool *again, struct err *err)
{
	if ((complete && bad == NULL && !s->warned))
		return 0;
	if (!complete || bad == NULL || is_unknown(s, bad))
		return fail_unknown(s, err);
	*again = is_transient(bad);
	pg_fail(s, bad, err);
	/* What failed within it is still open. */
	if (s->conn != NULL) {
		struct err unused;

		if (pg_do(s, PG_ROLLBACK, &unused) < 0)
			pg_drop(s);
	}
	return err != NULL ? err_rc(err) : -EIO;
}

/* The last ones only where somebody is in a hurry. */
static int prepare_all(struct postgres_store *s, bool hurry, struct err *err)
{
	static const enum pg_statement needed[] = {
		PG_BEGIN_WRITE,	   PG_COMMIT,	 PG_APPEND_PLAIN,  PG_APPEND,
		PG_APPEND_OR_NONE, PG_LOCK_WAIT, PG_APPEND_IF_FREE
	};
	size_t count = sizeof(needed) / sizeof(needed[0]) - (hurry ? 0 : 2);
	int rc = pg_check_time(s, PG_WRITE_MS, err);

	if (rc == 0)
		rc = pg_connect(s, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = prepare(s, needed[i], err);
	return rc;
}

int pg_run_all(struct postgres_store *s, const struct pg_calls *calls,
	       PGresult **out, struct pg_failure *failure, struct err *err)
{
	struct patience p = { 0 };
	PGresult *bad = NULL;
	size_t n = calls->n;
	size_t at = n;
	bool complete;
	int rc = prepare_all(s, calls->lock_ms != 0, err);

	*failure = (struct pg_failure){ .locked = n };
	for (size_t i = 0; i < n; i++)
		out[i] = NULL;
	if (rc < 0)
		return rc;
	s->warned = false;
	if (!PQenterPipelineMode(s->conn))
		return pg_fail(s, NULL, err);
	rc = send_all(s, calls, &p.quiet_ms, err);
	if (rc < 0) {
		/* What was sent is undone with the connection. */
		pg_drop(s);
		return rc;
	}
	p.end = pg_end_of(s, PG_WRITE_MS);
	complete = take_all(s, calls, &p, out, &bad, &at);
	if (p.heard)
		s->base.deadline_ms = 0;
	rc = end_all(s, complete, bad, &failure->again, err);
	if (bad != NULL && is_state(bad, "55P03"))
		failure->locked = at;
	PQclear(bad);
	return rc;
}

void pg_free_all(PGresult **results, size_t n)
{
	for (size_t i = 0; i < n; i++)
		PQclear(results[i]);
}

int pg_save(struct postgres_store *s, struct err *err)
{
	return pg_do(s, PG_SAVE, err);
}

int pg_end_save(struct postgres_store *s, int rc, struct err *err)
{
	struct err unused;
	int undo_rc;

	/* A broken transaction is undone as a whole. */
	if (s->base.broken)
		return rc;
	if (rc >= 0)
		return pg_do(s, PG_KEEP, err);
	undo_rc = pg_do(s, PG_UNDO, &unused);
	if (undo_rc == 0)
		undo_rc = pg_do(s, PG_KEEP, &unused);
	if (undo_rc < 0 && err != NULL)
		*err = unused;
	return undo_rc < 0 ? undo_rc : rc;
}
