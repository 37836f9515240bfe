/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres_sql.h"

/* Each brings a store from version `from` to from + 1, in one transaction with
 * the new number. */
static const struct migration {
	uint64_t from;
	const char *script;
} migrations[] = {
	{ 0, pg_schema_1 },
};

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == PG_VERSION,
	       "one migration leads to each version");

/* Any number that others are not likely to have. */
#define SCHEMA_LOCK "7308335461112709733"
enum { SCHEMA_MS = 60000 };

/* Runs a script; the first number of its last rows, if any. */
static int run(struct postgres_store *s, const char *sql, uint64_t *number,
	       struct err *err)
{
	PGresult *r = pg_script(s, s->conn, SCHEMA_MS, sql);
	ExecStatusType status = PQresultStatus(r);
	int rc = 0;

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		rc = pg_fail(s, r, err);
	else if (status == PGRES_TUPLES_OK && PQntuples(r) > 0 &&
		 number != NULL)
		*number = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return rc;
}

/* 0: there is no store yet. */
static int read_version(struct postgres_store *s, uint64_t *version,
			struct err *err)
{
	uint64_t tables = 0;
	int rc = run(s,
		     "SELECT count(*) FROM pg_tables "
		     "WHERE schemaname=current_schema()",
		     &tables, err);

	*version = 0;
	if (rc < 0 || tables == 0)
		return rc;
	rc = run(s, "SELECT v FROM meta WHERE k='version'", version, err);
	if (rc == 0 && *version > 0)
		return 0;
	/* Whatever the tables are, none says that they are ours. */
	return rc < 0 && s->conn == NULL
		       ? rc
		       : err_set(err, ERR_UNAVAILABLE,
				 "The database is another program's: its "
				 "tables are not those of groupd");
}

static int check_version(const struct postgres_store *s, uint64_t version,
			 struct err *err)
{
	if (version > PG_VERSION)
		return err_set(err, ERR_UNAVAILABLE,
			       "The database has format %" PRIu64
			       ", this groupd knows up to %d: use a newer one",
			       version, PG_VERSION);
	if (!s->base.options.read_only || version == PG_VERSION)
		return 0;
	if (version > 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "The database has format %" PRIu64
			       ": only a writer brings it to format %d",
			       version, PG_VERSION);
	err_set(err, ERR_UNAVAILABLE, "There is no store in the database");
	return -ENOENT;
}

static int migrate(struct postgres_store *s, const struct migration *m,
		   struct err *err)
{
	struct buf end = { 0 };
	int rc = run(s, m->script, NULL, err);

	buf_printf(&end,
		   "INSERT INTO meta(k,v) VALUES('version',%" PRIu64
		   ") ON CONFLICT(k) DO UPDATE SET v=excluded.v",
		   m->from + 1);
	/* Its first bits are the kernel's randomness, or a test's. */
	if (m->from == 0)
		buf_printf(&end,
			   ";INSERT INTO meta(k,v) VALUES('identity',"
			   "%" PRId64 ")",
			   (int64_t)(env_random_u64(s->base.options.env) | 1));
	if (rc == 0 && end.failed)
		rc = pg_no_memory(s, err);
	if (rc == 0)
		rc = run(s, buf_cstr(&end), NULL, err);
	buf_release(&end);
	return rc;
}

/* Several nodes may come at once: the lock, which goes with the transaction,
 * lets one of them do it, and the others look again. */
static int apply(struct postgres_store *s, struct err *err)
{
	uint64_t version = 0;
	int rc = run(s,
		     "BEGIN;SET LOCAL lock_timeout=0;"
		     "SELECT pg_advisory_xact_lock(" SCHEMA_LOCK ")",
		     NULL, err);

	if (rc == 0)
		rc = read_version(s, &version, err);
	if (rc == 0)
		rc = check_version(s, version, err);
	while (rc == 0 && version < PG_VERSION) {
		rc = migrate(s, &migrations[version], err);
		version++;
	}
	if (rc == 0)
		rc = run(s, "COMMIT", NULL, err);
	/* What failed is undone with the connection. */
	if (rc < 0)
		pg_drop(s);
	return rc;
}

int pg_schema_check(struct postgres_store *s, struct err *err)
{
	uint64_t version = 0;
	int rc = read_version(s, &version, err);

	if (rc == 0)
		rc = check_version(s, version, err);
	if (rc < 0 || version == PG_VERSION)
		return rc;
	return apply(s, err);
}

int pg_get_meta(struct postgres_store *s, const char *name, uint64_t *value,
		struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_META_GET);
	pg_add_text(&c, str_of(name));
	rc = pg_run(s, &c, &r, err);
	*value = rc > 0 ? pg_column(r, 0, 0) : 0;
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_set_meta(struct postgres_store *s, const char *name, uint64_t value,
		struct err *err)
{
	struct pg_call c;
	int rc;

	pg_use(&c, PG_META_SET);
	pg_add_text(&c, str_of(name));
	pg_add(&c, value);
	rc = pg_run(s, &c, NULL, err);
	return rc < 0 ? rc : 0;
}
