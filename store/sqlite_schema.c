/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/json.h"

/*
 * Why it looks so:
 *  - messages is clustered by (group_id, seq) in one integer, so that a page
 *    of history and a search by offset are one B-tree descent. It is filled
 *    from `hot` (version 5), in order.
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

/*
 * Version 2: messages.jsonl has offsets of its own, metadata and members have
 * times, and there are media files.
 *  - What a message's line needs to be found stands before its content, so
 *    the table is made anew and copy_messages() fills it.
 *  - garbage holds hashes that no media row has: bytes to be thrown away.
 */
static const char schema_2[] =
	"ALTER TABLE groups ADD COLUMN "
	"  first_jsonl_off INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE groups ADD COLUMN tail_jsonl INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE groups ADD COLUMN info_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE groups ADD COLUMN members_ms INTEGER NOT NULL DEFAULT 0;"
	/* The best that version 1 knew. */
	"UPDATE groups SET info_ms=created_ms, members_ms=max(created_ms,"
	"  coalesce((SELECT max(joined_ms) FROM members m"
	"  WHERE m.group_id=groups.group_id),0));"
	"ALTER TABLE messages RENAME TO messages_1;"
	"CREATE TABLE messages("
	"  id INTEGER PRIMARY KEY," /* group_id << 32 | seq */
	"  off INTEGER NOT NULL,"
	"  len INTEGER NOT NULL,"
	"  jsonl_off INTEGER NOT NULL,"
	"  jsonl_len INTEGER NOT NULL,"
	"  rv INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  type INTEGER NOT NULL,"
	"  reply_to INTEGER NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  media_url TEXT,"
	"  mentions TEXT,"
	"  client_id BLOB,"
	"  content BLOB NOT NULL) STRICT;"
	"CREATE TABLE media("
	/* Never used again: readers hold ids. */
	"  media_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  group_id INTEGER NOT NULL,"
	"  name TEXT NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  hash BLOB NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  UNIQUE(group_id, name),"
	"  UNIQUE(group_id, seq)) STRICT;"
	"CREATE INDEX media_of_hash ON media(hash, group_id);"
	"CREATE TABLE garbage(hash BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;";

/*
 * Version 3: mentions are counted without walking over them. n numbers those of
 * a user in a group, and those of everyone in a group, without gap from 1: the
 * difference of two is how many lie between, whoever never reads. Whoever once
 * drops old ones keeps the last of each, or what is left counts from 0.
 */
static const char schema_3[] =
	"ALTER TABLE mentions RENAME TO mentions_2;"
	"CREATE TABLE mentions("
	"  name TEXT NOT NULL,"
	"  group_id INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  n INTEGER NOT NULL,"
	"  PRIMARY KEY(name, group_id, seq)) STRICT, WITHOUT ROWID;"
	"INSERT INTO mentions(name,group_id,seq,n) SELECT name,group_id,seq,"
	"  row_number() OVER (PARTITION BY name,group_id ORDER BY seq)"
	"  FROM mentions_2;"
	"DROP TABLE mentions_2;"
	"ALTER TABLE everyone RENAME TO everyone_2;"
	"CREATE TABLE everyone("
	"  group_id INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  n INTEGER NOT NULL,"
	"  PRIMARY KEY(group_id, seq)) STRICT, WITHOUT ROWID;"
	"INSERT INTO everyone(group_id,seq,sender,n) SELECT group_id,seq,"
	"  sender,row_number() OVER (PARTITION BY group_id ORDER BY seq)"
	"  FROM everyone_2;"
	"DROP TABLE everyone_2;";

/*
 * Version 4: a group may say how much of its log is kept. The columns are what
 * its settings say, read when they are written; the index has only the groups
 * that say anything, so that to look for them costs what they are. What
 * settings from before said under this name was the users' own and drops
 * nothing: it counts once they are written again.
 */
static const char schema_4[] =
	"ALTER TABLE groups ADD COLUMN keep_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE groups ADD COLUMN "
	"  keep_messages INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE groups ADD COLUMN keep_bytes INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX groups_kept ON groups(group_id) WHERE " SQ_IS_KEPT ";";

/*
 * Version 5: what is sent goes to the end of `hot`, which has no index, since
 * a message among many groups would dirty a leaf of each table that it is in.
 * groups.tail_* is how far a group is moved from there to messages, from now on
 * of each group that has any; meta has the last row that was deleted, so that
 * no row has the number of another.
 */
static const char schema_5[] =
	"CREATE TABLE hot("
	"  id INTEGER PRIMARY KEY,"
	"  group_id INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  off INTEGER NOT NULL,"
	"  len INTEGER NOT NULL,"
	"  jsonl_off INTEGER NOT NULL,"
	"  jsonl_len INTEGER NOT NULL,"
	"  rv INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  type INTEGER NOT NULL,"
	"  reply_to INTEGER NOT NULL,"
	"  sender TEXT NOT NULL,"
	"  client_id BLOB,"
	/* Of the last message of a batch: what its batch_id is known by. */
	"  batch_id BLOB,"
	"  batch_first INTEGER,"
	"  batch_off INTEGER,"
	"  batch_warnings INTEGER,"
	"  warnings INTEGER NOT NULL,"
	"  media_url TEXT,"
	"  mentions TEXT,"
	"  content BLOB NOT NULL) STRICT;"
	"UPDATE groups SET (tail_seq,tail_off,tail_jsonl,tail_ms)="
	"  (SELECT id&4294967295,off+len,jsonl_off+jsonl_len,time_ms"
	"   FROM messages WHERE id BETWEEN group_id<<32"
	"   AND group_id<<32|4294967295 ORDER BY id DESC LIMIT 1) "
	"WHERE EXISTS (SELECT 1 FROM messages WHERE id BETWEEN group_id<<32"
	"  AND group_id<<32|4294967295);";

/*
 * Version 6: each page has a checksum (sqlite_checksum.h). And who asks does
 * not count: how many groups and users there are stands in meta, by triggers,
 * so that no statement can forget it; and of members there is an index of the
 * admins, who are few.
 */
static const char schema_6[] =
	"CREATE INDEX admins ON members(group_id) WHERE role=1;"
	"INSERT INTO meta(k,v) VALUES"
	"  ('count_groups',(SELECT count(*) FROM groups)),"
	"  ('count_users',(SELECT count(*) FROM users));"
	"CREATE TRIGGER group_added AFTER INSERT ON groups BEGIN"
	"  UPDATE meta SET v=v+1 WHERE k='count_groups'; END;"
	"CREATE TRIGGER group_deleted AFTER DELETE ON groups BEGIN"
	"  UPDATE meta SET v=v-1 WHERE k='count_groups'; END;"
	"CREATE TRIGGER user_added AFTER INSERT ON users BEGIN"
	"  UPDATE meta SET v=v+1 WHERE k='count_users'; END;"
	"CREATE TRIGGER user_deleted AFTER DELETE ON users BEGIN"
	"  UPDATE meta SET v=v-1 WHERE k='count_users'; END;";

static int copy_messages(struct sqlite_store *s, struct err *err);

/* Each brings a store from version `from` to from + 1, in one transaction
 * with the new number: the script, then what SQL cannot say. */
static const struct migration {
	int from;
	const char *sql;
	int (*finish)(struct sqlite_store *s, struct err *err);
} migrations[] = {
	{ 0, schema_1, NULL }, { 1, schema_2, copy_messages },
	{ 2, schema_3, NULL }, { 3, schema_4, NULL },
	{ 4, schema_5, NULL }, { SQ_NO_CHECKSUMS, schema_6, NULL },
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

/* The columns of messages in version 1, in their order. */
#define COLUMNS_1                                                              \
	"id,off,len,rv,time_ms,type,reply_to,sender,media_url,mentions,"       \
	"client_id,content"
enum { COLUMNS_1_COUNT = 12 };

/* What a line of messages.jsonl is made of. */
static struct wire_message read_message_1(sqlite3_stmt *st)
{
	return (struct wire_message){ .seq = sq_seq(sq_column(st, 0)),
				      .time_ms = sq_column(st, 4),
				      .type = sq_column(st, 5),
				      .reply_to = sq_column(st, 6),
				      .sender = sq_column_str(st, 7),
				      .media_url = sq_column_str(st, 8),
				      .mentions = sq_column_str(st, 9),
				      .client_id = sq_column_str(st, 10),
				      .content = sq_column_str(st, 11) };
}

static int copy_rows(struct sqlite_store *s, sqlite3_stmt *from,
		     sqlite3_stmt *to, struct err *err)
{
	uint64_t group_id = 0;
	uint64_t off = 0;
	int rc;

	while ((rc = sq_step(s, from, err)) > 0) {
		struct wire_message m = read_message_1(from);
		size_t len = json_message_line_len(&m);

		/* A group's messages follow each other. */
		if (sq_column(from, 0) >> 32 != group_id)
			off = 0;
		group_id = sq_column(from, 0) >> 32;
		for (int i = 0; i < COLUMNS_1_COUNT; i++) {
			if (sqlite3_bind_value(to, i + 1,
					       sqlite3_column_value(from, i)) !=
			    SQLITE_OK)
				return sq_no_memory(s, err);
		}
		sq_bind(to, COLUMNS_1_COUNT + 1, off);
		sq_bind(to, COLUMNS_1_COUNT + 2, len);
		rc = sq_run(s, to, err);
		if (rc < 0)
			return rc;
		off += len;
	}
	return rc;
}

/* Only C knows how long a line of JSON is. */
static int copy_messages(struct sqlite_store *s, struct err *err)
{
	sqlite3_stmt *from = NULL;
	sqlite3_stmt *to = NULL;
	int result = sqlite3_prepare_v2(
		s->db, "SELECT " COLUMNS_1 " FROM messages_1 ORDER BY id", -1,
		&from, NULL);
	int rc;

	if (result == SQLITE_OK)
		result = sqlite3_prepare_v2(
			s->db,
			"INSERT INTO messages(" COLUMNS_1
			",jsonl_off,jsonl_len) "
			"VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
			"?14)",
			-1, &to, NULL);
	rc = result == SQLITE_OK ? copy_rows(s, from, to, err)
				 : sq_fail(s, result, err);
	sqlite3_finalize(from);
	sqlite3_finalize(to);
	return rc < 0 ? rc : sq_exec(s, "DROP TABLE messages_1", err);
}

/* What fails leaves the transaction open: closing the file undoes it. */
static int migrate(struct sqlite_store *s, const struct migration *m,
		   struct err *err)
{
	char end[64];
	int rc = sq_exec(s, "BEGIN IMMEDIATE", err);

	if (rc == 0)
		rc = sq_exec(s, m->sql, err);
	if (rc == 0 && m->finish != NULL)
		rc = m->finish(s, err);
	snprintf(end, sizeof(end), "PRAGMA user_version=%d; COMMIT",
		 m->from + 1);
	return rc < 0 ? rc : sq_exec(s, end, err);
}

/* A migration may have written each page anew: its log would stay as large as
 * the store. */
static int shorten_log(struct sqlite_store *s, struct err *err)
{
	return sq_pragma(s, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, err);
}

int sq_schema_apply(struct sqlite_store *s, struct err *err)
{
	int64_t version = 0;
	int rc = sq_pragma(s, "PRAGMA user_version", &version, err);

	if (rc < 0 || version == SQ_USER_VERSION)
		return rc;
	while (rc == 0 && version < SQ_USER_VERSION) {
		if (version == SQ_NO_CHECKSUMS && !sq_checksum_is_on(s->db))
			rc = sq_rewrite(s, err);
		if (rc == 0)
			rc = migrate(s, &migrations[version], err);
		version++;
	}
	return rc < 0 ? rc : shorten_log(s, err);
}
