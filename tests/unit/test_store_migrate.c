/* SPDX-License-Identifier: MIT */
/*
 * Stores of earlier versions are brought to the newest: what was there stays,
 * what is new is right, and what fails on the way changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "lib/json.h"
#include "lib/text.h"
#include "tests/support/store_3.h"
#include "tests/support/store_fixture.h"

/* Version 1 as it was released. Never to be changed. */
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
	"PRAGMA application_id=0x474D5347;"
	"PRAGMA user_version=1;";

/* Two groups between which a deleted one left a gap, one group without a
 * message; a store in which ids and mentions were used. */
static const char rows_1[] =
	"INSERT INTO users(name,created_ms) VALUES('alice',1),('bob',2);"
	"INSERT INTO groups(group_id,name,epoch,created_by,created_ms,"
	"description,settings,max_members,member_count,tail_ms) VALUES"
	"(1,'art',-7,'alice',1000,'of all kinds','{}',1000000,2,1000),"
	"(3,'zoo',8,'bob',2000,NULL,NULL,1000000,2,2000),"
	"(4,'empty',9,'bob',3000,NULL,NULL,1000000,1,3000);"
	"INSERT INTO members VALUES(1,'alice',1,1000,0,0),(1,'bob',0,5000,0,1),"
	"(3,'alice',0,2000,0,0),(3,'bob',1,2000,0,2),(4,'bob',1,900,0,0);"
	"INSERT INTO mentions VALUES('alice',1,2),('alice',3,2);"
	"INSERT INTO everyone VALUES(1,4,'bob'),(3,4,'bob');"
	"INSERT INTO dedupe_0 VALUES(1,'bob',CAST('i\"id\"'||char(10) AS "
	"BLOB),60,60,0,4060,0);"
	"INSERT INTO meta VALUES('dedupe_current',0),('dedupe_start',4000);"
	"INSERT INTO tokens(hash,name,created_ms,expires_ms) "
	"VALUES(zeroblob(32),'bob',1,0);";

enum { MESSAGES = 60 };

/* The n-th message of a group, as version 1 would have stored it. */
static struct wire_message message_1(uint64_t n)
{
	static const char *const contents[] = { "",
						"plain",
						"\"\\\n\t\x01\x7f\r",
						"\xc3\xa9\xe2\x80\xa8",
						"[media x",
						">1 @alice",
						"\x1b[2J" };
	struct wire_message m = { .seq = n,
				  .time_ms = 4000 + n,
				  .reply_to = n % 5 == 0 ? n - 1 : 0,
				  .sender = str_of(n % 2 ? "alice" : "bob"),
				  .content = str_of(contents[n % 7]) };

	if (n % 4 == 0) {
		m.type = MESSAGE_MEDIA;
		m.media_url = str_of("http://x/\"y\"");
	}
	if (n == 2 || n == 4)
		m.mentions = str_of(n == 2 ? "alice" : "alice everyone");
	if (n % 6 == 0)
		m.client_id = str_of("\"id\"\n");
	return m;
}

static void bind_str(sqlite3_stmt *st, int i, struct str s, bool text)
{
	if (s.len == 0)
		sqlite3_bind_null(st, i);
	else if (text)
		sqlite3_bind_text(st, i, s.data, (int)s.len, SQLITE_STATIC);
	else
		sqlite3_bind_blob(st, i, s.data, (int)s.len, SQLITE_STATIC);
}

static void insert_messages(sqlite3 *db, uint64_t g)
{
	sqlite3_stmt *st = NULL;
	uint64_t off = 0;

	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "INSERT INTO messages VALUES(?1,?2,?3,1,?4,"
				   "?5,?6,?7,?8,?9,?10,?11)",
				   -1, &st, NULL),
		SQLITE_OK);
	for (uint64_t n = 1; n <= MESSAGES; n++) {
		struct wire_message m = message_1(n);
		size_t len = text_render_len(&m);

		sqlite3_bind_int64(st, 1, (sqlite3_int64)(g << 32 | n));
		sqlite3_bind_int64(st, 2, (sqlite3_int64)off);
		sqlite3_bind_int64(st, 3, (sqlite3_int64)len);
		sqlite3_bind_int64(st, 4, (sqlite3_int64)m.time_ms);
		sqlite3_bind_int64(st, 5, (sqlite3_int64)m.type);
		sqlite3_bind_int64(st, 6, (sqlite3_int64)m.reply_to);
		bind_str(st, 7, m.sender, true);
		bind_str(st, 8, m.media_url, true);
		bind_str(st, 9, m.mentions, true);
		bind_str(st, 10, m.client_id, false);
		sqlite3_bind_blob(st, 11, m.content.data, (int)m.content.len,
				  SQLITE_STATIC);
		assert_int_equal(sqlite3_step(st), SQLITE_DONE);
		sqlite3_reset(st);
		off += len;
	}
	sqlite3_finalize(st);
}

/* Puts a store of version 1 where the fixture's is. */
static void make_store_1(struct store_fixture *f)
{
	sqlite3 *db = NULL;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(remove(f->path), 0);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL; BEGIN",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, schema_1, NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, rows_1, NULL, NULL, NULL), SQLITE_OK);
	insert_messages(db, 1);
	insert_messages(db, 3);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
}

/* Both logs as they are rendered; each message is what version 1 stored. */
struct logs {
	struct buf text;
	struct buf json;
	uint64_t next;
};

static int take_message(void *data, const struct wire_message *m)
{
	struct wire_message was;
	struct logs *logs = data;

	assert_int_equal(m->seq, logs->next);
	was = message_1(logs->next++);
	assert_int_equal(m->off, logs->text.len);
	assert_int_equal(m->jsonl_off, logs->json.len);
	text_render(&logs->text, &was);
	json_put_message_line(&logs->json, &was);
	assert_int_equal(m->off + m->len, logs->text.len);
	assert_int_equal(m->jsonl_off + m->jsonl_len, logs->json.len);
	assert_true(str_eq(m->content, was.content));
	assert_true(str_eq(m->media_url, was.media_url));
	assert_true(str_eq(m->mentions, was.mentions));
	assert_true(str_eq(m->client_id, was.client_id));
	assert_int_equal(m->time_ms, was.time_ms);
	return 0;
}

static void assert_log(struct store_fixture *f, uint64_t g)
{
	struct logs logs = { .next = 1 };
	struct wire_group group = fixture_find(f, g, "alice");
	uint64_t line = 0;
	uint64_t seq;
	uint64_t off;

	assert_int_equal(store_scan(f->s, g, 0, take_message, &logs, &f->err),
			 0);
	assert_int_equal(logs.next, MESSAGES + 1);
	assert_int_equal(group.size, logs.text.len);
	assert_int_equal(group.jsonl_size, logs.json.len);
	assert_int_equal(group.first_jsonl_off, 0);
	for (size_t i = 0; i < logs.json.len; i++) {
		line += i == 0 || logs.json.data[i - 1] == '\n';
		assert_int_equal(
			store_seek(f->s, g, LOG_JSONL, i, &seq, &off, &f->err),
			0);
		assert_int_equal(seq, line);
	}
	buf_release(&logs.text);
	buf_release(&logs.json);
}

static void version_1_gains_the_offsets_of_its_json(void **state)
{
	struct store_fixture *f = *state;

	make_store_1(f);
	f->s = fixture_open(f, false);
	fixture_verify(f);
	assert_log(f, 1);
	assert_log(f, 3);
	assert_int_equal(fixture_find(f, 4, "bob").jsonl_size, 0);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(fixture_number(f, "PRAGMA user_version"), 6);
	assert_int_equal(
		fixture_number(f, "SELECT count(*) FROM sqlite_schema WHERE "
				  "name IN ('messages_1',"
				  "'mentions_2','everyone_2')"),
		0);
	/* Content comes last, so that numbers are read without it. */
	assert_int_equal(
		fixture_number(
			f,
			"SELECT cid=(SELECT max(cid) FROM "
			"pragma_table_info('messages')) FROM "
			"pragma_table_info('messages') WHERE name='content'"),
		1);
	f->s = fixture_open(f, false);
	assert_log(f, 1);
}

static void version_1_keeps_all_it_had(void **state)
{
	struct store_fixture *f = *state;
	uint8_t hash[STORE_TOKEN_HASH] = { 0 };
	char user[WIRE_USER_MAX + 1];
	struct wire_body_sent sent;
	struct wire_group group;
	struct wire_info info;
	uint64_t expires;

	make_store_1(f);
	f->s = fixture_open(f, false);
	group = fixture_find(f, 1, "alice");
	assert_int_equal(group.epoch, (uint64_t)-7);
	assert_int_equal(group.member_count, 2);
	assert_int_equal(group.mentions, 2);
	assert_int_equal(group.info_ms, 1000);
	/* The last that is known is when bob came. */
	assert_int_equal(group.members_ms, 5000);
	assert_int_equal(fixture_find(f, 3, "bob").last_read_seq, 2);
	/* Never before the group itself. */
	assert_int_equal(fixture_find(f, 4, "bob").members_ms, 3000);
	assert_int_equal(store_get_info(f->s, 1, str_of("bob"), &info, &f->err),
			 0);
	assert_true(str_eq(info.description, str_of("of all kinds")));
	assert_int_equal(store_find_token(f->s, hash, user, &expires, &f->err),
			 0);
	assert_string_equal(user, "bob");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "bob", "again", "\"id\"\n", &sent),
			 0);
	assert_int_equal(sent.duplicate, 1);
	assert_int_equal(fixture_say(f, 1, "bob", "new", "", &sent), 0);
	assert_int_equal(sent.first_seq, MESSAGES + 1);
	assert_int_equal(fixture_say(f, 1, "bob", "@alice", "", &sent), 0);
	assert_int_equal(fixture_say(f, 1, "bob", "@everyone", "", &sent), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, 1, "alice").mentions, 4);
	fixture_verify(f);
	assert_int_equal(fixture_group(f, "new", "bob", ""), 5);
}

static void readers_wait_for_the_writer_to_migrate(void **state)
{
	struct store_fixture *f = *state;
	struct store_options options = { .env = &f->env, .read_only = true };
	struct store *reader = NULL;

	make_store_1(f);
	assert_true(store_open(&reader, f->url, &options, &f->err) < 0);
	assert_non_null(strstr(f->err.text, "format 1"));
	f->s = fixture_open(f, false);
	assert_int_equal(store_open(&reader, f->url, &options, &f->err), 0);
	store_close(reader);
}

/* SQLite's hook for new connections: the disk is full at once. */
static int no_more_pages(sqlite3 *db, const char **message,
			 const struct sqlite3_api_routines *api)
{
	(void)message;
	(void)api;
	return sqlite3_exec(db, "PRAGMA max_page_count=1", NULL, NULL, NULL);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
	struct store_fixture *f = *state;
	void (*entry)(void) = (void (*)(void))no_more_pages;
	struct store_options options = { .env = &f->env };
	struct store *s = NULL;

	make_store_1(f);
	sqlite3_auto_extension(entry);
	assert_int_equal(store_open(&s, f->url, &options, &f->err), -ENOSPC);
	sqlite3_cancel_auto_extension(entry);
	assert_null(s);
	assert_int_equal(f->err.code, ERR_OUT_OF_SPACE);
	assert_int_equal(fixture_number(f, "PRAGMA user_version"), 1);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM messages"),
			 2 * MESSAGES);
	f->s = fixture_open(f, false);
	fixture_verify(f);
	assert_log(f, 3);
}

/* What its settings said of retention was free text then: it drops nothing
 * until somebody says it again. */
static void version_3_gains_a_retention(void **state)
{
	struct store_fixture *f = *state;
	struct store_trim op = { .group_id = 1, .limit = 100 };
	struct store_set_info info = { .group_id = 1,
				       .by = str_of("root"),
				       .set = INFO_SETTINGS };
	struct wire_info was;
	char settings[64];
	sqlite3 *db = NULL;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(remove(f->path), 0);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	for (size_t i = 0; store_3[i] != NULL; i++)
		assert_int_equal(sqlite3_exec(db, store_3[i], NULL, NULL, NULL),
				 SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(fixture_number(f, "PRAGMA user_version"), 3);
	f->s = fixture_open(f, false);
	fixture_verify(f);
	assert_int_equal(fixture_find(f, 1, "bob").mentions, 4);
	assert_int_equal(fixture_find(f, 1, "bob").size, 238);
	fixture_begin(f);
	assert_int_equal(store_trim(f->s, &op, &f->err), 0);
	assert_int_equal(op.first_seq, 1);
	assert_int_equal(store_get_info(f->s, 1, str_of("root"), &was, &f->err),
			 0);
	assert_true(str_to_cstr(was.settings, settings, sizeof(settings)));
	info.settings = str_of(settings);
	assert_int_equal(store_set_info(f->s, &info, &f->err), 0);
	assert_int_equal(store_trim(f->s, &op, &f->err), 0);
	assert_int_equal(op.first_seq, 5);
	assert_int_equal(op.first_off, 185);
	fixture_commit(f);
	fixture_verify(f);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(fixture_number(f, "PRAGMA user_version"), 6);
	f->s = fixture_open(f, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			version_1_gains_the_offsets_of_its_json,
			fixture_start_sqlite, fixture_stop),
		cmocka_unit_test_setup_teardown(version_1_keeps_all_it_had,
						fixture_start_sqlite,
						fixture_stop),
		cmocka_unit_test_setup_teardown(version_3_gains_a_retention,
						fixture_start_sqlite,
						fixture_stop),
		cmocka_unit_test_setup_teardown(
			readers_wait_for_the_writer_to_migrate,
			fixture_start_sqlite, fixture_stop),
		cmocka_unit_test_setup_teardown(
			a_migration_that_fails_changes_nothing,
			fixture_start_sqlite, fixture_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
