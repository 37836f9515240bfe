/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <inttypes.h>
#include <stdlib.h>

/*
 * Why it looks so:
 *  - messages is clustered by (group_id, seq) in one integer, so that a page
 *    of history, the tail and a search by offset are one B-tree descent. The
 *    end of a group's log is its last row: no other row is written per
 *    message. Only a log that retention emptied needs groups.tail_*.
 *  - Users and members are keyed by name: names never change, pages go by
 *    name, and so neither a join nor a sort is needed for 100,000 members;
 *    the check of membership is one descent. members_of serves "my groups";
 *    groups are few a user (at most some 10,000), and a page of them sorts
 *    his memberships behind the name it goes on from, and no others.
 *  - dedupe has two generations; the older one is emptied as a whole, which
 *    costs no search and keeps no index on time.
 *  - content comes last: what only needs numbers never reads its pages.
 */
static const char schema_1[] =
	"CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE users("
	"  user_id INTEGER PRIMARY KEY,"
	"  name TEXT NOT NULL UNIQUE,"
	"  created_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE groups("
	/* Never used again: readers hold ids. */
	"  group_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  epoch INTEGER NOT NULL,"
	"  created_by TEXT NOT NULL,"
	"  create_key BLOB,"
	"  created_ms INTEGER NOT NULL,"
	"  description TEXT,"
	"  avatar_url TEXT,"
	"  settings TEXT,"
	"  max_members INTEGER NOT NULL,"
	"  member_count INTEGER NOT NULL DEFAULT 0,"
	"  first_seq INTEGER NOT NULL DEFAULT 1,"
	"  first_off INTEGER NOT NULL DEFAULT 0,"
	"  tail_seq INTEGER NOT NULL DEFAULT 0,"
	"  tail_off INTEGER NOT NULL DEFAULT 0,"
	"  tail_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE members("
	"  group_id INTEGER NOT NULL,"
	"  name TEXT NOT NULL,"
	"  role INTEGER NOT NULL,"
	"  joined_ms INTEGER NOT NULL,"
	"  joined_seq INTEGER NOT NULL,"
	"  last_read_seq INTEGER NOT NULL,"
	"  PRIMARY KEY(group_id, name)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX members_of ON members(name, group_id);"
	"CREATE TABLE messages("
	"  id INTEGER PRIMARY KEY," /* group_id << 32 | seq */
	"  off INTEGER NOT NULL,"
	"  len INTEGER NOT NULL,"
	"  rv INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  type INTEGER NOT NULL,"
	"  reply_to INTEGER NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  media_url TEXT,"
	"  mentions TEXT,"
	"  client_id BLOB,"
	"  content BLOB NOT NULL) STRICT;"
	"CREATE TABLE mentions("
	"  name TEXT NOT NULL,"
	"  group_id INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  PRIMARY KEY(name, group_id, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE everyone("
	"  group_id INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  PRIMARY KEY(group_id, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE tokens("
	"  token_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  hash BLOB NOT NULL UNIQUE,"
	"  name TEXT NOT NULL,"
	"  created_ms INTEGER NOT NULL,"
	"  expires_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX tokens_of ON tokens(name, token_id);"
	"CREATE TABLE dedupe_0("
	"  group_id INTEGER NOT NULL,"
	"  name TEXT NOT NULL,"
	"  key BLOB NOT NULL," /* 'b' or 'i', then the id */
	"  first_seq INTEGER NOT NULL,"
	"  last_seq INTEGER NOT NULL,"
	"  off INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  warnings INTEGER NOT NULL,"
	"  PRIMARY KEY(group_id, name, key)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE dedupe_1("
	"  group_id INTEGER NOT NULL,"
	"  name TEXT NOT NULL,"
	"  key BLOB NOT NULL,"
	"  first_seq INTEGER NOT NULL,"
	"  last_seq INTEGER NOT NULL,"
	"  off INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  warnings INTEGER NOT NULL,"
	"  PRIMARY KEY(group_id, name, key)) STRICT, WITHOUT ROWID;"
	"PRAGMA application_id=0x474D5347;";

/* Each brings a store from version `from` to from + 1, in one transaction
 * with the new number. */
static const struct migration {
	int from;
	const char *sql;
} migrations[] = {
	{ 0, schema_1 },
};

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == SQ_USER_VERSION,
	       "one migration leads to each version");

int sq_exec(struct sqlite_store *s, const char *sql, struct err *err)
{
	int result = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return result == SQLITE_OK ? 0 : sq_fail(s, result, err);
}

int sq_pragma(struct sqlite_store *s, const char *sql, int64_t *out,
	      struct err *err)
{
	sqlite3_stmt *st = NULL;
	int result = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	int rc;

	if (result != SQLITE_OK)
		return sq_fail(s, result, err);
	rc = sq_step(s, st, err);
	if (rc > 0 && out != NULL)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc < 0 ? rc : 0;
}

/* Reads what kind of file it is, before anything in it is changed. */
static int read_version(struct sqlite_store *s, int64_t *version,
			struct err *err)
{
	int64_t application_id = 0;
	int64_t tables = 0;
	int rc = sq_pragma(s, "PRAGMA application_id", &application_id, err);

	if (rc == 0)
		rc = sq_pragma(s, "PRAGMA user_version", version, err);
	if (rc == 0)
		rc = sq_pragma(s, "SELECT count(*) FROM sqlite_schema", &tables,
			       err);
	if (rc < 0)
		return rc;
	if (application_id == 0 && *version == 0 && tables == 0)
		return 0; /* new, or its making was cut short */
	if (application_id != SQ_APPLICATION_ID)
		return err_set(err, ERR_UNAVAILABLE,
			       "%s is a database of another program",
			       buf_cstr(&s->path));
	if (*version > SQ_USER_VERSION)
		return err_set(err, ERR_UNAVAILABLE,
			       "%s has format %" PRId64
			       ", this groupd knows up to %d: use a newer one",
			       buf_cstr(&s->path), *version, SQ_USER_VERSION);
	return 0;
}

int sq_schema_check(struct sqlite_store *s, struct err *err)
{
	int64_t version = 0;
	int rc = read_version(s, &version, err);

	if (rc == 0 && s->base.options.read_only && version != SQ_USER_VERSION)
		return err_set(err, ERR_UNAVAILABLE,
			       "%s has format %" PRId64 ": only the writer "
			       "brings it to format %d",
			       buf_cstr(&s->path), version, SQ_USER_VERSION);
	return rc;
}

static int migrate(struct sqlite_store *s, const struct migration *m,
		   struct err *err)
{
	struct buf sql;
	int rc;

	buf_init(&sql);
	buf_printf(&sql, "BEGIN IMMEDIATE;%sPRAGMA user_version=%d;COMMIT;",
		   m->sql, m->from + 1);
	rc = sql.failed ? sq_no_memory(s, err)
			: sq_exec(s, buf_cstr(&sql), err);
	buf_release(&sql);
	return rc;
}

int sq_schema_apply(struct sqlite_store *s, struct err *err)
{
	int64_t version = 0;
	int rc = sq_pragma(s, "PRAGMA user_version", &version, err);

	while (rc == 0 && version < SQ_USER_VERSION) {
		rc = migrate(s, &migrations[version], err);
		version++;
	}
	return rc;
}
