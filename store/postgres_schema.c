/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres_functions.h"

/*
 * Why it looks so:
 *  - The key of what belongs to a group begins with group_id, and of what
 *    belongs to a user with his name; no statement joins the two. So tables
 *    can be spread over machines by their first column (Citus), and each
 *    statement still goes to one of them.
 *  - groups has what changes with each message, and little else: its row is
 *    the group's lock, and written anew with each append (HOT: no index is on
 *    what changes). Long texts lie in infos.
 *  - messages is partitioned by `bucket`, the day (UTC) of the message's time:
 *    at 5,000,000,000 messages a day that is the smallest part in which old
 *    history can be archived and dropped, and a small store has some hundred
 *    partitions a year, of which each statement plans the one it needs. What
 *    is imported with older times goes into partitions of a month. There is no
 *    DEFAULT partition: one would have to be searched, under a lock that stops
 *    all, whenever another is attached (postgres_room.c).
 *  - segments has a row a group and bucket: where in the log it begins.
 *  - dedupe is partitioned by generation, in days; old ones are dropped whole.
 *  - Names are "C": their order is that of their bytes, as everywhere else.
 *  - What may hold any byte is bytea: text has no NUL.
 *  - memberships is members by user, in the order in which his groups are
 *    listed. An import has members, but neither these nor a row in groups.
 */
const char *const pg_schema_1[] = {
	"CREATE SEQUENCE group_ids",
	"CREATE SEQUENCE media_ids",
	"CREATE SEQUENCE token_ids",
	"CREATE TABLE meta("
	"  k text COLLATE \"C\" PRIMARY KEY,"
	"  v bigint NOT NULL)",

	/* By user. version counts user_changes. */
	"CREATE TABLE users("
	"  name text COLLATE \"C\" PRIMARY KEY,"
	"  created_ms bigint NOT NULL,"
	"  version bigint NOT NULL DEFAULT 0) WITH (fillfactor=80)",
	"CREATE TABLE user_changes("
	"  name text COLLATE \"C\" NOT NULL,"
	"  version bigint NOT NULL,"
	"  group_id bigint NOT NULL,"
	"  group_name text COLLATE \"C\" NOT NULL,"
	"  change smallint NOT NULL,"
	"  role smallint NOT NULL,"
	"  by_name text COLLATE \"C\" NOT NULL,"
	"  last_read_seq bigint NOT NULL,"
	"  at_ms bigint NOT NULL,"
	"  PRIMARY KEY(name, version))",
	"CREATE TABLE memberships("
	"  name text COLLATE \"C\" NOT NULL,"
	"  group_name text COLLATE \"C\" NOT NULL,"
	"  group_id bigint NOT NULL,"
	"  PRIMARY KEY(name, group_name))",
	"CREATE TABLE tokens("
	"  hash bytea PRIMARY KEY,"
	"  token_id bigint NOT NULL,"
	"  name text COLLATE \"C\" NOT NULL,"
	"  created_ms bigint NOT NULL,"
	"  expires_ms bigint NOT NULL)",
	"CREATE INDEX tokens_by_id ON tokens(token_id)",
	"CREATE INDEX tokens_of ON tokens(name, token_id)",

	/* By the group's name. */
	"CREATE TABLE group_names("
	"  name text COLLATE \"C\" PRIMARY KEY,"
	"  group_id bigint NOT NULL,"
	"  created_by text COLLATE \"C\" NOT NULL,"
	"  create_key bytea)",

	/* By group. */
	"CREATE TABLE groups("
	"  group_id bigint PRIMARY KEY,"
	"  epoch bigint NOT NULL,"
	"  name text COLLATE \"C\" NOT NULL,"
	"  created_by text COLLATE \"C\" NOT NULL,"
	"  created_ms bigint NOT NULL,"
	"  first_seq bigint NOT NULL DEFAULT 1,"
	"  first_off bigint NOT NULL DEFAULT 0,"
	"  first_jsonl_off bigint NOT NULL DEFAULT 0,"
	"  last_seq bigint NOT NULL DEFAULT 0,"
	"  last_off bigint NOT NULL DEFAULT 0," /* where the log ends */
	"  last_jsonl_off bigint NOT NULL DEFAULT 0,"
	"  last_ms bigint NOT NULL,"
	"  last_bucket bigint NOT NULL DEFAULT -1,"
	"  member_count bigint NOT NULL DEFAULT 0,"
	"  member_version bigint NOT NULL DEFAULT 0," /* counts changes */
	"  max_members bigint NOT NULL,"
	"  info_ms bigint NOT NULL,"
	"  members_ms bigint NOT NULL) WITH (fillfactor=50)",
	"CREATE TABLE infos("
	"  group_id bigint PRIMARY KEY,"
	"  description bytea,"
	"  avatar_url text COLLATE \"C\","
	"  settings bytea)",
	"CREATE TABLE members("
	"  group_id bigint NOT NULL,"
	"  name text COLLATE \"C\" NOT NULL,"
	"  role smallint NOT NULL,"
	"  joined_ms bigint NOT NULL,"
	"  joined_seq bigint NOT NULL,"
	"  last_read_seq bigint NOT NULL,"
	"  PRIMARY KEY(group_id, name)) WITH (fillfactor=80)",
	"CREATE TABLE changes("
	"  group_id bigint NOT NULL,"
	"  version bigint NOT NULL,"
	"  change smallint NOT NULL,"
	"  role smallint NOT NULL,"
	"  name text COLLATE \"C\" NOT NULL,"
	"  by_name text COLLATE \"C\" NOT NULL,"
	"  last_read_seq bigint NOT NULL,"
	"  at_ms bigint NOT NULL,"
	"  PRIMARY KEY(group_id, version))",
	"CREATE TABLE messages("
	"  group_id bigint NOT NULL,"
	"  bucket bigint NOT NULL,"
	"  seq bigint NOT NULL,"
	"  off bigint NOT NULL,"
	"  len bigint NOT NULL,"
	"  jsonl_off bigint NOT NULL,"
	"  jsonl_len bigint NOT NULL,"
	"  time_ms bigint NOT NULL,"
	"  reply_to bigint NOT NULL,"
	"  rv smallint NOT NULL," /* how its lines are rendered */
	"  type smallint NOT NULL,"
	"  sender text COLLATE \"C\" NOT NULL,"
	"  media_url text COLLATE \"C\","
	"  mentions text COLLATE \"C\","
	"  client_id bytea,"
	"  content bytea NOT NULL,"
	"  PRIMARY KEY(group_id, bucket, seq)) PARTITION BY RANGE(bucket)",
	"CREATE TABLE segments("
	"  group_id bigint NOT NULL,"
	"  bucket bigint NOT NULL,"
	"  first_seq bigint NOT NULL,"
	"  first_off bigint NOT NULL,"
	"  first_jsonl_off bigint NOT NULL,"
	"  first_ms bigint NOT NULL,"
	"  PRIMARY KEY(group_id, bucket))",
	/* key: 'b' and a batch_id, or 'i' and a client_id. */
	"CREATE TABLE dedupe("
	"  group_id bigint NOT NULL,"
	"  name text COLLATE \"C\" NOT NULL,"
	"  key bytea NOT NULL,"
	"  gen bigint NOT NULL,"
	"  first_seq bigint NOT NULL,"
	"  last_seq bigint NOT NULL,"
	"  off bigint NOT NULL,"
	"  time_ms bigint NOT NULL,"
	"  warnings smallint NOT NULL,"
	"  PRIMARY KEY(group_id, name, key, gen)) PARTITION BY RANGE(gen)",
	/* n: without gap from 1, of a user in a group, of everyone in one; the
	 * difference of two is how many lie between. */
	"CREATE TABLE mentions("
	"  group_id bigint NOT NULL,"
	"  name text COLLATE \"C\" NOT NULL,"
	"  seq bigint NOT NULL,"
	"  n bigint NOT NULL,"
	"  PRIMARY KEY(group_id, name, seq))",
	"CREATE TABLE everyone("
	"  group_id bigint NOT NULL,"
	"  seq bigint NOT NULL,"
	"  sender text COLLATE \"C\" NOT NULL,"
	"  n bigint NOT NULL,"
	"  PRIMARY KEY(group_id, seq))",
	"CREATE TABLE media("
	"  group_id bigint NOT NULL,"
	"  name bytea NOT NULL,"
	"  media_id bigint NOT NULL,"
	"  seq bigint NOT NULL,"
	"  time_ms bigint NOT NULL,"
	"  size bigint NOT NULL,"
	"  hash bytea NOT NULL,"
	"  sender text COLLATE \"C\" NOT NULL,"
	"  PRIMARY KEY(group_id, name),"
	"  UNIQUE(group_id, seq))",
	"CREATE INDEX media_by_id ON media(media_id)",
	"CREATE INDEX media_of_hash ON media(hash, group_id)",
	/* What an import's row in groups will say; record: a wire port_group.
	 */
	"CREATE TABLE imports("
	"  group_id bigint PRIMARY KEY,"
	"  record bytea NOT NULL," /* empty: it is being dropped */
	"  last_seq bigint NOT NULL DEFAULT 0,"
	"  last_off bigint NOT NULL DEFAULT 0,"
	"  last_jsonl_off bigint NOT NULL DEFAULT 0,"
	"  last_ms bigint NOT NULL,"
	"  last_bucket bigint NOT NULL DEFAULT -1,"
	/* Who has begun it, and when somebody was last at it. */
	"  owner bigint NOT NULL,"
	"  used timestamptz NOT NULL DEFAULT clock_timestamp())",

	/* By hash, or small and everywhere. */
	"CREATE TABLE garbage(hash bytea PRIMARY KEY)",
	/* The partitions that there are: buckets from lo on, below hi. */
	"CREATE TABLE partitions("
	"  parent text NOT NULL,"
	"  lo bigint NOT NULL,"
	"  hi bigint NOT NULL,"
	"  name text NOT NULL,"
	"  PRIMARY KEY(parent, lo))",
	NULL,
};

/* Each brings a store from version `from` to from + 1, in one transaction with
 * the new number. */
static const struct migration {
	uint64_t from;
	const char *const *tables; /* lists that end with NULL */
	const char *const *functions;
	const char *const *rest_functions;
} migrations[] = {
	{ 0, pg_schema_1, pg_functions_1, pg_rest_functions_1 },
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

static int run_all(struct postgres_store *s, const char *const *scripts,
		   struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && scripts[i] != NULL; i++)
		rc = run(s, scripts[i], NULL, err);
	return rc;
}

static int migrate(struct postgres_store *s, const struct migration *m,
		   struct err *err)
{
	struct buf end = { 0 };
	int rc = run_all(s, m->tables, err);

	if (rc == 0)
		rc = run_all(s, m->functions, err);
	if (rc == 0)
		rc = run_all(s, m->rest_functions, err);
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
	int rc = run(s, "BEGIN;SELECT pg_advisory_xact_lock(" SCHEMA_LOCK ")",
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
