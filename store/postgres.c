/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SET_UP_MS = 5000, OPEN_MS = 20000, LOCK_MS = 1000, LOCK_AGAIN_MS = 50 };

/* Any number that others are not likely to have. */
#define MOVE_LOCK "7308335461112709751"

/* What the URL may say otherwise. A reader, too, asks who takes writes: what a
 * standby shows may be older than what a reader was told to look for, and in
 * another order. */
static const char *const default_names[] = { "connect_timeout",
					     "tcp_user_timeout",
					     "keepalives",
					     "keepalives_idle",
					     "keepalives_interval",
					     "keepalives_count",
					     "target_session_attrs",
					     "fallback_application_name",
					     "dbname",
					     "client_encoding",
					     NULL };

/* What PostgreSQL says without being asked. */
static void on_notice(void *data, const PGresult *r)
{
	struct postgres_store *s = data;
	const char *severity =
		PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity == NULL)
		return;
	if (strcmp(severity, "WARNING") == 0)
		s->warned = true;
	if (strcmp(severity, "FATAL") == 0)
		s->ended = true;
}

/* What must hold of each server that the URL may lead to, also after the
 * first: in the order of `refusals`. */
static const char checks[] =
	"SELECT current_setting('server_version_num')::integer>=150000,"
	"current_setting('server_encoding')='UTF8',"
	"current_setting('synchronous_commit')<>'off',"
	"current_setting('fsync')='on',"
	"current_setting('full_page_writes')='on'";
static const char *const refusals[] = {
	"PostgreSQL is older than version 15",
	"The database's encoding is not UTF8",
	"synchronous_commit is off: what was acknowledged could be lost",
	"fsync is off: what was acknowledged could be lost",
	"full_page_writes is off: what was acknowledged could be lost",
};
enum { REFUSALS = sizeof(refusals) / sizeof(refusals[0]) };

static const char set_up_all[] =
	"SET default_transaction_isolation='read committed';"
	"SET lock_timeout=0;SET statement_timeout=0;SET jit=off;"
	"SET client_min_messages=notice;"
	"SET client_connection_check_interval='500ms';"
	/* A machine that was cut off lets go of its locks as soon as this. */
	"SET tcp_keepalives_idle=10;SET tcp_keepalives_interval=3;"
	"SET tcp_keepalives_count=3;";
static const char set_up_reader[] = "SET default_transaction_read_only=on";
/* A node that has hung, or was cut off, does not keep a group's lock; and who
 * waits for one in vain says so, before his own node gives him up, but after
 * PostgreSQL has looked for a deadlock (deadlock_timeout, a second), or of two
 * that wait for each other both would end, and neither be told to try again. */
static const char set_up_writer[] =
	"SET idle_in_transaction_session_timeout='20s';"
	"SET lock_timeout=" PG_LOCK_MS_SQL;

/* The first sentence of libpq's, which may be several lines. It has addresses
 * and names, so it is for the log, and not for users. */
static int refuse_connection(const struct postgres_store *s, const PGconn *conn,
			     struct err *err)
{
	const char *text = PQerrorMessage(conn);

	if (!s->opening && !s->reaching && !s->base.options.for_log)
		return err_set(err, ERR_UNAVAILABLE,
			       "The store cannot be reached now");
	return err_set(err, ERR_UNAVAILABLE,
		       "Cannot connect to the database: %.*s",
		       (int)strcspn(text, "\n"), text);
}

static int run_checks(const struct postgres_store *s, PGconn *conn,
		      struct err *err)
{
	PGresult *r = pg_script(s, conn, SET_UP_MS, checks);
	int rc = 0;

	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
		rc = refuse_connection(s, conn, err);
	for (int i = 0; rc == 0 && i < REFUSALS; i++) {
		if (strcmp(PQgetvalue(r, 0, i), "t") != 0)
			rc = err_set(err, ERR_UNAVAILABLE, "%s", refusals[i]);
	}
	PQclear(r);
	return rc;
}

static int set_up(const struct postgres_store *s, PGconn *conn, struct err *err)
{
	struct buf sql = { 0 };
	PGresult *r = NULL;
	int rc = run_checks(s, conn, err);

	if (rc < 0)
		return rc;
	buf_append_str(&sql, str_of(set_up_all));
	buf_append_str(&sql, str_of(s->base.options.read_only ? set_up_reader
							      : set_up_writer));
	if (!sql.failed)
		r = pg_script(s, conn, SET_UP_MS, buf_cstr(&sql));
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		rc = refuse_connection(s, conn, err);
	PQclear(r);
	buf_release(&sql);
	return rc;
}

uint64_t pg_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t pg_end_of(const struct postgres_store *s, int ms)
{
	uint64_t end = pg_clock_ms() +
		       (uint64_t)(s->opening && ms < OPEN_MS ? OPEN_MS : ms);

	return s->base.deadline_ms != 0 && s->base.deadline_ms < end
		       ? s->base.deadline_ms
		       : end;
}

int pg_check_time(struct postgres_store *s, int ms, struct err *err)
{
	if (ms == PG_WALK_MS)
		s->base.deadline_ms = 0;
	if (s->base.deadline_ms == 0 || pg_clock_ms() < s->base.deadline_ms)
		return 0;
	s->base.broken = s->base.in_transaction;
	s->base.lost = true;
	return err_set(err, ERR_UNAVAILABLE,
		       "The database did not answer in time");
}

/* Makes it until the deadline. False: it is late, or conn says why. */
static bool connect_in_time(const struct postgres_store *s, PGconn *conn)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	if (PQstatus(conn) == CONNECTION_BAD)
		return false;
	while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
		struct pollfd p = { .fd = PQsocket(conn), .events = POLLIN };
		uint64_t now = pg_clock_ms();

		if (next == PGRES_POLLING_WRITING)
			p.events = POLLOUT;
		if (now >= s->base.deadline_ms ||
		    poll(&p, 1, (int)(s->base.deadline_ms - now)) <= 0)
			return false;
		next = PQconnectPoll(conn);
	}
	return next == PGRES_POLLING_OK;
}

PGconn *pg_connect_another(const struct postgres_store *s, struct err *err)
{
	const char *const values[] = {
		"2",	      "3000",	"1",
		"10",	      "3",	"3",
		"read-write", "groupd", buf_cstr(&s->url),
		"UTF8",	      NULL
	};
	/* What stands before dbname is overruled by the URL in it. */
	bool hurry = s->base.deadline_ms != 0;
	PGconn *conn = hurry ? PQconnectStartParams(default_names, values, 1)
			     : PQconnectdbParams(default_names, values, 1);

	if (conn == NULL) {
		err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
		return NULL;
	}
	if (hurry ? !connect_in_time(s, conn) : PQstatus(conn) != CONNECTION_OK)
		refuse_connection(s, conn, err);
	else if (PQsetnonblocking(conn, 1) == 0 && set_up(s, conn, err) == 0)
		return conn;
	PQfinish(conn);
	return NULL;
}

/* Whether it has ended while nobody looked: a server that restarts says so to
 * who is idle, or at least closes. Better found before a commit is asked for,
 * whose outcome would then be unknown. */
static bool has_ended(struct postgres_store *s)
{
	struct pollfd p = { .fd = PQsocket(s->conn), .events = POLLIN };

	if (PQtransactionStatus(s->conn) != PQTRANS_IDLE)
		return false;
	while (!s->ended && poll(&p, 1, 0) > 0) {
		if (!PQconsumeInput(s->conn))
			return true;
		/* Has on_notice() hear what has come. */
		(void)PQisBusy(s->conn);
	}
	return s->ended;
}

/* Takes the lock that tells who writes: 1, 0: somebody else has it. */
static int try_lock(const struct postgres_store *s, struct err *err)
{
	PGresult *r = pg_script(
		s, s->conn, SET_UP_MS,
		s->base.options.moving
			? "SELECT pg_try_advisory_lock(" MOVE_LOCK ")"
			: "SELECT pg_try_advisory_lock_shared(" MOVE_LOCK ")");
	int rc;

	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
		rc = strcmp(PQgetvalue(r, 0, 0), "t") == 0;
	else
		rc = refuse_connection(s, s->conn, err);
	PQclear(r);
	return rc;
}

/* Who moves a store into the database is alone with it, and each writer that is
 * connected keeps him out: all hold one lock, on each connection anew.
 * PostgreSQL takes a moment to notice that who was there before has gone. */
static int lock_store(const struct postgres_store *s, struct err *err)
{
	uint64_t end = pg_clock_ms() + (s->opening ? LOCK_MS : 0);
	int rc = s->base.options.read_only ? 1 : try_lock(s, err);

	while (rc == 0 && pg_clock_ms() < end) {
		(void)poll(NULL, 0, LOCK_AGAIN_MS);
		rc = try_lock(s, err);
	}
	if (rc != 0)
		return rc < 0 ? rc : 0;
	err_set(err, ERR_UNAVAILABLE,
		s->base.options.moving
			? "A groupd has this database open, or somebody else "
			  "is moving a store into it: stop them first"
			: "A store is being moved into this database: wait "
			  "until 'groupctl migrate' says that it is done");
	return -EBUSY;
}

static int connect_anew(struct postgres_store *s, struct err *err)
{
	int rc;

	s->conn = pg_connect_another(s, err);
	if (s->conn == NULL)
		return err != NULL ? err_rc(err) : -EIO;
	s->ended = false;
	s->ending = false;
	s->look_ms = 0;
	PQsetNoticeReceiver(s->conn, on_notice, s);
	memset(s->prepared, 0, sizeof(s->prepared));
	rc = lock_store(s, err);
	if (rc < 0)
		pg_drop(s);
	return rc;
}

int pg_connect(struct postgres_store *s, struct err *err)
{
	int rc;

	pg_take_end(s);
	if (s->conn != NULL && has_ended(s))
		pg_drop(s);
	if (s->conn != NULL)
		return 0;
	/* A new connection would not have what was open on the old one. */
	if (s->base.in_transaction || s->base.in_snapshot) {
		s->base.broken = s->base.in_transaction;
		s->base.lost = true;
		return err_set(err, ERR_UNAVAILABLE,
			       "The connection to the database was lost");
	}
	rc = connect_anew(s, err);
	s->base.lost = s->base.lost || rc < 0;
	return rc;
}

void pg_drop(struct postgres_store *s)
{
	PQfinish(s->conn);
	s->conn = NULL;
	s->base.broken = s->base.in_transaction;
}

static void pg_close(struct store *base)
{
	struct postgres_store *s = pg_of(base);

	PQfinish(s->conn);
	buf_release(&s->url);
	buf_release(&s->held);
	buf_release(&s->names);
	for (size_t i = 0; i < PG_ITEM_ARRAYS; i++)
		pg_array_release(&s->items[i]);
	free(s);
}

/* Also what the first append would connect for. */
static int pg_reach(struct store *base, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	int rc;

	s->reaching = true;
	rc = pg_connect(s, err);
	if (rc == 0 && !base->options.read_only)
		rc = pg_need_room(s, err);
	s->reaching = false;
	return rc;
}

/* Over a new connection, where the old one was lost unnoticed: nothing was
 * asked of it yet, and what it said is no refusal. */
static int begin_again(struct postgres_store *s, enum pg_statement begin,
		       struct err *err)
{
	err->code = ERR_NONE;
	return pg_do(s, begin, err);
}

static int pg_begin(struct store *base, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	bool had = s->conn != NULL;
	int rc = pg_need_room(s, err);

	if (rc < 0)
		return rc;
	rc = pg_do(s, PG_BEGIN_WRITE, err);
	return rc < 0 && had && s->conn == NULL
		       ? begin_again(s, PG_BEGIN_WRITE, err)
		       : rc;
}

static void pg_rollback(struct store *base)
{
	struct postgres_store *s = pg_of(base);
	struct err unused;

	if (s->conn == NULL)
		return;
	/* What cannot be ended here is ended with its connection. */
	if (pg_do(s, PG_ROLLBACK, &unused) < 0)
		pg_drop(s);
}

static int pg_commit(struct store *base, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	bool done;
	int rc;

	pg_use(&c, PG_COMMIT);
	rc = pg_run_commit(s, &c, &r, NULL, err);
	/* A transaction that had failed ends with ROLLBACK, in peace. */
	done = rc >= 0 && strcmp(PQcmdStatus(r), "COMMIT") == 0;
	PQclear(r);
	if (rc >= 0 && !done)
		return err_set(err, ERR_UNAVAILABLE,
			       "The store has undone the transaction");
	if (rc < 0 && s->conn != NULL &&
	    PQtransactionStatus(s->conn) != PQTRANS_IDLE)
		pg_drop(s);
	return rc < 0 ? rc : 0;
}

static int pg_snapshot(struct store *base, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	bool had = s->conn != NULL;
	uint64_t version;
	int rc = pg_do(s, PG_BEGIN_VIEW, err);

	if (rc < 0 && had && s->conn == NULL)
		rc = begin_again(s, PG_BEGIN_VIEW, err);
	/* The view is that of the first look. */
	if (rc == 0)
		rc = pg_get_meta(s, "version", &version, err);
	if (rc < 0)
		pg_rollback(base);
	return rc;
}

static void pg_release(struct store *base)
{
	pg_end_view(pg_of(base));
}

static const struct store_ops postgres_ops = {
	.close = pg_close,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.snapshot = pg_snapshot,
	.release = pg_release,
	.append = pg_append,
	.append_all = pg_append_all,
	.create_group = pg_create_group,
	.delete_group = pg_delete_group,
	.edit_members = pg_edit_members,
	.set_read = pg_set_read,
	.flush_reads = pg_flush_reads,
	.find_group = pg_find_group,
	.list_groups = pg_list_groups,
	.scan = pg_scan,
	.seek = pg_seek,
	.role = pg_role,
	.identity = pg_identity,
	.shared = true,
	.list_versions = pg_list_versions,
	.list_changes = pg_list_changes,
	.list_user_versions = pg_list_user_versions,
	.list_user_changes = pg_list_user_changes,
	/* postgres_rest.h */
	.set_info = pg_set_info,
	.get_info = pg_get_info,
	.add_media = pg_add_media,
	.find_media = pg_find_media,
	.list_media = pg_list_media,
	.trim = pg_trim,
	.list_overdue = pg_list_overdue,
	.archive = pg_archive,
	.hash_used = pg_hash_used,
	.next_garbage = pg_next_garbage,
	.drop_garbage = pg_drop_garbage,
	.list_mentions = pg_list_mentions,
	.export_members = pg_export_members,
	.import_begin = pg_import_begin,
	.import_members = pg_import_members,
	.import_messages = pg_import_messages,
	.import_media = pg_import_media,
	.import_end = pg_import_end,
	.import_drop = pg_import_drop,
	.next_import = pg_next_import,
	.add_user = pg_add_user,
	.find_user = pg_find_user,
	.find_users = pg_find_users,
	.add_users = pg_add_users,
	.list_users = pg_list_users,
	.create_token = pg_create_token,
	.revoke_token = pg_revoke_token,
	.find_token = pg_find_token,
	.list_gone_tokens = pg_list_gone_tokens,
	.list_tokens = pg_list_tokens,
	.count = pg_count,
	.size = pg_size,
	.count_all = pg_count_all,
	.list_contents = pg_list_contents,
	.copy = pg_copy,
	.renew = pg_renew,
	.verify = pg_verify,
	.list_loose = pg_list_loose,
	.next_group = pg_next_group,
	.list_keys = pg_list_keys,
	.get_numbers = pg_get_numbers,
	.moved_from = pg_moved_from,
	.move_begin = pg_move_begin,
	.move_reset = pg_move_reset,
	.move_loose = pg_move_loose,
	.move_keys = pg_move_keys,
	.move_end = pg_move_end,
	.reach = pg_reach,
};

/* What libpq says of a URL may show the password in it. */
static int check_url(const struct postgres_store *s, struct err *err)
{
	PQconninfoOption *parsed = PQconninfoParse(buf_cstr(&s->url), NULL);
	int rc = 0;

	if (parsed == NULL)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The store's URL is not understood: it is "
			     "postgresql://USER@HOST/DATABASE, with %%XX for "
			     "what is special");
	PQconninfoFree(parsed);
	return rc;
}

int postgres_store_open(struct store **out, const char *url,
			const struct store_options *options, struct err *err)
{
	struct postgres_store *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	s->base.ops = &postgres_ops;
	s->base.options = *options;
	s->opening = true;
	buf_printf(&s->url, "postgresql:%s", url);
	if (s->url.failed)
		rc = pg_no_memory(s, err);
	if (rc == 0)
		rc = check_url(s, err);
	if (rc == 0)
		rc = pg_connect(s, err);
	if (rc == 0)
		rc = pg_schema_check(s, err);
	if (rc == 0)
		rc = pg_look_first(s, err);
	if (rc < 0) {
		pg_close(&s->base);
		return rc;
	}
	s->opening = false;
	*out = &s->base;
	return 0;
}
