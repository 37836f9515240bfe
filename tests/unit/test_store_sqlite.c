/* SPDX-License-Identifier: MIT */
/*
 * What only SQLite's back end promises: files, formats, crashes, a full disk,
 * size.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "lib/text.h"
#include "store/sqlite_checksum.h"
#include "tests/support/faulty_store.h"
#include "tests/support/store_fixture.h"

static int start(void **state)
{
	struct store_fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	fixture_init(f, "sqlite");
	*state = f;
	return 0;
}

static int stop(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

/* Runs SQL on the closed store's file, as a program would that knows of its
 * checksums. */
static void run_sql(struct store_fixture *f, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE,
					 sq_checksum_vfs()),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void assert_refused(struct store_fixture *f, const char *why)
{
	struct store_options options = { .env = &f->env };
	struct store *s = NULL;

	assert_true(store_open(&s, f->url, &options, &f->err) < 0);
	assert_null(s);
	if (strstr(f->err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, why);
}

static void foreign_newer_and_damaged_files_are_refused(void **state)
{
	struct store_fixture *f = *state;
	FILE *file;

	store_close(f->s);
	f->s = NULL;
	run_sql(f, "PRAGMA user_version=7");
	assert_refused(f, "format 7");
	run_sql(f, "PRAGMA user_version=6; PRAGMA application_id=7");
	assert_refused(f, "another program");
	run_sql(f, "PRAGMA application_id=0x474D5347");
	fixture_reopen(f);
	store_close(f->s);
	f->s = NULL;
	file = fopen(f->path, "w");
	assert_non_null(file);
	for (unsigned i = 0; i < 1000; i++)
		fputs("this is no database\n", file);
	fclose(file);
	assert_refused(f, "not a store");
}

static void a_store_of_format_0_is_brought_to_the_newest(void **state)
{
	struct store_fixture *f = *state;
	struct store_options options = { .env = &f->env, .read_only = true };
	struct store *reader = NULL;
	FILE *file;

	char lock[192];

	/* Its making was cut short: the file is there, and empty. */
	store_close(f->s);
	f->s = NULL;
	file = fopen(f->path, "w");
	assert_non_null(file);
	fclose(file);
	/* One that was made has lost all that it held. */
	assert_refused(f, "is empty, and was not");
	snprintf(lock, sizeof(lock), "%s.lock", f->path);
	assert_int_equal(unlink(lock), 0);
	assert_true(store_open(&reader, f->url, &options, &f->err) < 0);
	fixture_reopen(f);
	fixture_users(f, "alice");
	fixture_group(f, "lunch", "alice", "");
	fixture_verify(f);
}

static void the_files_are_the_owners_alone(void **state)
{
	struct store_fixture *f = *state;
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };

	fixture_users(f, "alice");
	for (size_t i = 0; i < 4; i++) {
		char path[192];
		struct stat st;

		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static int count_line(void *data, const struct wire_message *m)
{
	(void)m;
	++*(uint64_t *)data;
	return 0;
}

static void a_snapshot_does_not_move(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	uint64_t lines = 0;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	fixture_begin(f);
	fixture_say(f, g, "alice", "hi", "", NULL);
	fixture_commit(f);
	store_scan(reader, g, 0, count_line, &lines, &f->err);
	assert_int_equal(lines, 0);
	store_release(reader);
	fixture_begin(f);
	fixture_say(f, g, "alice", "not yet", "", NULL);
	store_scan(reader, g, 0, count_line, &lines, &f->err);
	assert_int_equal(lines, 1);
	fixture_commit(f);
	store_close(reader);
}

/* The connection that was opened with few pages; SQLite's hook for new
 * connections hands on no data. */
static sqlite3 *limited;

static int limit_pages(sqlite3 *db, const char **message,
		       const struct sqlite3_api_routines *api)
{
	(void)message;
	(void)api;
	limited = db;
	return sqlite3_exec(db, "PRAGMA max_page_count=120", NULL, NULL, NULL);
}

static void a_full_disk_is_rolled_back_and_goes_on(void **state)
{
	struct store_fixture *f = *state;
	void (*entry)(void) = (void (*)(void))limit_pages;
	char content[2000];
	uint64_t acked = 0;
	uint64_t g;
	int rc = 0;

	memset(content, 'x', sizeof(content));
	content[sizeof(content) - 1] = '\0';
	sqlite3_auto_extension(entry);
	fixture_reopen(f);
	sqlite3_cancel_auto_extension(entry);
	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	for (unsigned i = 0; i < 1000 && rc == 0; i++) {
		fixture_begin(f);
		rc = fixture_say(f, g, "alice", content, "", NULL);
		if (rc == 0)
			rc = store_commit(f->s, &f->err);
		if (rc == 0)
			acked++;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(f->err.code, ERR_OUT_OF_SPACE);
	/* Found by the append or only by the commit. */
	store_rollback(f->s);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, acked);
	sqlite3_exec(limited, "PRAGMA max_page_count=100000", NULL, NULL, NULL);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", content, "", NULL), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, acked + 1);
	fixture_verify(f);
}

/* Writes until it is killed; says after each commit how many there are. */
static void write_until_killed(struct store_fixture *f, uint64_t g, int fd)
{
	f->s = fixture_open(f, false);
	for (uint64_t n = fixture_find(f, g, "alice").last_seq;;) {
		fixture_begin(f);
		for (unsigned i = 0; i < 3; i++) {
			char id[32];

			snprintf(id, sizeof(id), "id-%" PRIu64, ++n);
			if (fixture_say(f, g, "alice", "text", id, NULL) < 0)
				_exit(1);
		}
		fixture_commit(f);
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

static void a_killed_writer_loses_nothing_acknowledged(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	srandom(11);
	for (unsigned round = 0; round < 30; round++) {
		uint64_t acked;
		uint64_t there;

		store_close(f->s); /* never forked with an open store */
		f->s = NULL;
		acked = fixture_kill_at_work(f, g, write_until_killed,
					     random() % 20000);
		fixture_reopen(f);
		there = fixture_find(f, g, "alice").last_seq;
		assert_true(there >= acked);
		assert_int_equal(there % 3, 0); /* whole transactions */
		fixture_verify(f);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int add_len(void *data, const struct wire_message *m)
{
	struct buf *b = data;

	/* A page at a time, as a reader does it. */
	if (b->len > 1 << 20)
		buf_clear(b);
	text_render(b, m);
	return 0;
}

static void a_million_empty_lines_are_one_batch(void **state)
{
	struct store_fixture *f = *state;
	struct store_append op = { .user = str_of("alice") };
	struct buf items = { 0 };
	double begin;

	fixture_users(f, "alice");
	op.group_id = fixture_group(f, "log", "alice", "");
	for (unsigned i = 0; i < 1000000; i++)
		fixture_item(&items, "", 0, "");
	op.items = buf_str(&items);
	op.batch_id = str_of("once");
	begin = seconds();
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	fixture_commit(f);
	print_message("1,000,000 empty lines: %.2f s\n", seconds() - begin);
	assert_int_equal(op.sent.last_seq, 1000000);
	fixture_reopen(f);
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	fixture_commit(f);
	assert_int_equal(op.sent.duplicate, 1);
	fixture_verify(f);
	buf_release(&items);
}

static void a_mebibyte_of_lines_is_one_batch(void **state)
{
	struct store_fixture *f = *state;
	struct store_append op = { .user = str_of("alice") };
	struct buf items = { 0 };
	struct buf page = { 0 };
	double begin;
	double took;
	uint64_t size;

	fixture_users(f, "alice");
	op.group_id = fixture_group(f, "log", "alice", "");
	for (unsigned i = 0; i < (1 << 20) / 41; i++)
		fixture_item(&items, "/usr/share/doc/a-package/copyright-0123x",
			     0, "");
	op.items = buf_str(&items);
	begin = seconds();
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	fixture_commit(f);
	print_message("1 MiB of 41-byte lines: %.3f s\n", seconds() - begin);
	for (unsigned i = 0; i < 9; i++) {
		fixture_begin(f);
		assert_int_equal(store_append(f->s, &op, &f->err), 0);
		fixture_commit(f);
	}
	size = fixture_find(f, op.group_id, "alice").size;
	begin = seconds();
	assert_int_equal(
		store_scan(f->s, op.group_id, 0, add_len, &page, &f->err), 0);
	took = seconds() - begin;
	print_message("scan and render: %.0f MB/s\n",
		      (double)size / took / 1e6);
	fixture_verify(f);
	buf_release(&page);
	buf_release(&items);
}

static void commits(struct store_fixture *f, uint64_t g, unsigned senders)
{
	double begin = seconds();
	unsigned rounds = 0;

	while (seconds() - begin < 0.5) {
		fixture_begin(f);
		for (unsigned i = 0; i < senders; i++) {
			char id[40];

			snprintf(id, sizeof(id), "%u-%u-%u", senders, rounds,
				 i);
			assert_int_equal(fixture_say(f, g, "alice",
						     "some 100 bytes of text "
						     "that one would write to "
						     "a group of his friends",
						     id, NULL),
					 0);
		}
		fixture_commit(f);
		rounds++;
	}
	print_message("%u a commit: %.0f commits/s, %.0f messages/s\n", senders,
		      rounds / (seconds() - begin),
		      rounds * senders / (seconds() - begin));
}

static void senders_share_a_commit(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "log", "alice", "");
	commits(f, g, 1);
	commits(f, g, 64);
	fixture_verify(f);
}

static void a_hundred_thousand_members_are_one_edit(void **state)
{
	struct store_fixture *f = *state;
	struct store_edit op = { .by = str_of("alice") };
	struct buf edits = { 0 };
	double begin;
	bool added;

	fixture_users(f, "alice");
	op.group_id = fixture_group(f, "crowd", "alice", "");
	fixture_begin(f);
	for (unsigned i = 0; i < 100000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%u", i * 7919 % 100000);
		fixture_edit(&edits, EDIT_ADD, name);
		store_add_user(f->s, str_of(name), &added, &f->err);
	}
	op.edits = buf_str(&edits);
	begin = seconds();
	assert_int_equal(store_edit_members(f->s, &op, &f->err), 0);
	fixture_commit(f);
	print_message("100,000 members: %.2f s\n", seconds() - begin);
	assert_int_equal(op.count, 100000);
	free(op.changes);
	assert_int_equal(fixture_find(f, op.group_id, "alice").member_count,
			 100001);
	buf_release(&edits);
}

static void count_problem(void *data, const char *text)
{
	(void)text;
	++*(unsigned *)data;
}

static const char a_stray[] =
	"INSERT INTO messages SELECT (7<<32)+1,off,len,jsonl_off,"
	"jsonl_len,rv,time_ms,type,reply_to,sender,media_url,mentions,"
	"client_id,content FROM messages LIMIT 1";
static const char *const faults[] = {
	/* Of what is not sealed. */
	"DELETE FROM hot WHERE seq=2",
	"DELETE FROM hot WHERE seq=5",
	"UPDATE hot SET off=off+1 WHERE seq=2",
	"UPDATE hot SET content=x'414243' WHERE seq=3",
	"UPDATE hot SET time_ms=5 WHERE seq=3",
	"UPDATE hot SET jsonl_off=jsonl_off+1 WHERE seq=2",
	"UPDATE hot SET jsonl_len=jsonl_len+1 WHERE seq=4",
	"UPDATE hot SET client_id=x'41' WHERE seq=1",
	"UPDATE hot SET type=0 WHERE seq=5",
	"UPDATE hot SET seq=9 WHERE seq=4",
	"UPDATE hot SET seq=4 WHERE seq=5",
	"UPDATE groups SET tail_seq=2",
	"UPDATE groups SET tail_ms=0,tail_off=1",
	/* From here on all is sealed. */
	"DELETE FROM messages WHERE id=(1<<32)+2",
	"DELETE FROM messages WHERE id=(1<<32)+5",
	"UPDATE groups SET tail_seq=4",
	"UPDATE groups SET tail_off=tail_off+1",
	"UPDATE groups SET tail_jsonl=tail_jsonl+1",
	"UPDATE groups SET tail_ms=5",
	"UPDATE messages SET off=off+1 WHERE id=(1<<32)+2",
	"UPDATE messages SET content=x'414243' WHERE id=(1<<32)+3",
	"UPDATE messages SET time_ms=5 WHERE id=(1<<32)+3",
	"UPDATE groups SET member_count=9",
	"UPDATE members SET last_read_seq=99",
	"UPDATE messages SET jsonl_off=jsonl_off+1 WHERE id=(1<<32)+2",
	"UPDATE messages SET jsonl_len=jsonl_len+1 WHERE id=(1<<32)+4",
	"UPDATE messages SET client_id=x'41' WHERE id=(1<<32)+1",
	"UPDATE groups SET first_jsonl_off=1",
	"UPDATE media SET seq=1",
	"UPDATE media SET seq=77",
	"UPDATE media SET group_id=2",
	"UPDATE media SET name='b'",
	"UPDATE media SET sender='bob'",
	"UPDATE media SET hash=x'00'",
	"UPDATE messages SET type=0 WHERE id=(1<<32)+5",
	"INSERT INTO garbage SELECT hash FROM media",
	/* Rows of nothing, or that contradict others. */
	"INSERT INTO members VALUES(9,'bob',0,1,0,0)",
	"INSERT INTO mentions VALUES('bob',9,1,1)",
	"INSERT INTO everyone VALUES(9,1,'bob',1)",
	"INSERT INTO dedupe_0 VALUES(9,'bob',x'6941',1,1,0,1,0)",
	"INSERT INTO dedupe_1 VALUES(9,'bob',x'6241',1,1,0,1,0)",
	"UPDATE members SET role=2 WHERE name='bob'",
	"UPDATE members SET role=0",
	"UPDATE members SET joined_seq=77 WHERE name='bob'",
	"UPDATE members SET group_id=9 WHERE name='bob'",
	"UPDATE members SET name='bo b' WHERE name='bob'",
	"DELETE FROM members WHERE name='bob'",
	"UPDATE groups SET name='../x' WHERE group_id=1",
	"UPDATE messages SET sender='' WHERE id=(1<<32)+2",
	"UPDATE messages SET reply_to=4 WHERE id=(1<<32)+4",
	"UPDATE messages SET rv=9 WHERE id=(1<<32)+4",
	"UPDATE tokens SET hash=x'00'",
	"DELETE FROM mentions",
	"UPDATE mentions SET seq=1",
	"UPDATE mentions SET name='alice'",
	"DELETE FROM everyone",
	"UPDATE everyone SET sender='bob'",
	"UPDATE everyone SET seq=2",
	"DELETE FROM dedupe_0 WHERE key=x'696b33';"
	"DELETE FROM dedupe_1 WHERE key=x'696b33'",
	"UPDATE dedupe_0 SET last_seq=1,first_seq=1;"
	"UPDATE dedupe_1 SET last_seq=1,first_seq=1",
	"UPDATE dedupe_0 SET name='bob'; UPDATE dedupe_1 SET name='bob'",
	"DELETE FROM sqlite_sequence WHERE name='groups'",
	"UPDATE sqlite_sequence SET seq=0 WHERE name='tokens'",
	"UPDATE sqlite_sequence SET seq=0 WHERE name='media'",
	"UPDATE meta SET v=7 WHERE k='dedupe_current'",
	"UPDATE meta SET v=9 WHERE k='count_users'",
	"DELETE FROM meta WHERE k='count_groups'",
	/* Two messages, exchanged between groups. */
	"UPDATE messages SET id=7 WHERE id=(1<<32)+2;"
	"UPDATE messages SET id=(1<<32)+2 WHERE id=(2<<32)+1;"
	"UPDATE messages SET id=(2<<32)+1 WHERE id=7",
	"INSERT INTO mentions VALUES('alice',1,2,2)",
	"INSERT INTO everyone VALUES(1,2,'bob',0)",
	a_stray,
};

/* Something in each table. */
static void make_rows(struct store_fixture *f, uint64_t g)
{
	uint8_t hash[STORE_TOKEN_HASH] = { 2 };
	uint64_t id = fixture_group(f, "other", "alice", "");

	fixture_begin(f);
	fixture_say(f, id, "alice", "of another length", "", NULL);
	fixture_say(f, g, "alice", "some text", "", NULL);
	fixture_say(f, g, "alice", "some text", "k2", NULL);
	fixture_say(f, g, "alice", "@bob text", "k3", NULL);
	fixture_say(f, g, "alice", "@everyone", "k4", NULL);
	assert_int_equal(
		store_create_token(f->s, str_of("bob"), hash, 0, &id, &f->err),
		0);
	fixture_commit(f);
}

static void the_audit_finds_what_is_wrong(void **state)
{
	bool sealed = false;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct store_fixture f;
		unsigned problems = 0;
		struct store_verify v = { .problem = count_problem,
					  .data = &problems };
		struct store_media file = { .user = str_of("alice"),
					    .name = str_of("a"),
					    .hash = { 1 } };
		uint64_t g;

		fixture_init(&f, "sqlite");
		fixture_users(&f, "alice bob");
		g = fixture_group(&f, "lunch", "alice", "bob");
		make_rows(&f, g);
		fixture_begin(&f);
		file.group_id = g;
		assert_int_equal(store_add_media(f.s, &file, &f.err), 0);
		fixture_commit(&f);
		fixture_verify(&f);
		sealed = sealed || strstr(faults[i], " messages ") != NULL ||
			 strstr(faults[i], "FROM messages") != NULL;
		if (sealed)
			fixture_seal(&f);
		fixture_verify(&f);
		store_close(f.s);
		run_sql(&f, faults[i]);
		f.s = fixture_open(&f, false);
		assert_int_equal(store_verify(f.s, &v, &f.err), 0);
		if (problems == 0)
			fail_msg("not found: %s", faults[i]);
		fixture_release(&f);
	}
}

static void a_commit_of_unknown_outcome_ends_the_handle(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	for (unsigned i = 0; i < 2; i++) {
		enum faulty_kind kind = i == 0 ? FAULTY_LOST : FAULTY_STORED;

		f->s = faulty_store_new(f->s);
		assert_non_null(f->s);
		faulty_store_plan(f->s, FAULTY_COMMIT, kind, 1, 1);
		fixture_begin(f);
		assert_int_equal(fixture_say(f, g, "alice", "x", "id", NULL),
				 0);
		assert_int_equal(store_commit(f->s, &f->err), -EINPROGRESS);
		assert_int_equal(f->err.code, ERR_OUTCOME_UNKNOWN);
		assert_int_equal(store_begin(f->s, &f->err), -EINPROGRESS);
		fixture_reopen(f);
		assert_int_equal(fixture_find(f, g, "alice").last_seq, i);
	}
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "id", &sent), 0);
	assert_int_equal(sent.duplicate, 1);
	fixture_commit(f);
}

static void a_planned_fault_breaks_the_transaction(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	f->s = faulty_store_new(f->s);
	assert_non_null(f->s);
	faulty_store_plan(f->s, FAULTY_APPEND, FAULTY_FULL, 2, 1);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "", NULL), 0);
	assert_int_equal(fixture_say(f, g, "alice", "x", "", NULL), -ENOSPC);
	assert_int_equal(fixture_say(f, g, "alice", "x", "", NULL), -EIO);
	store_rollback(f->s);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "", NULL), 0);
	fixture_commit(f);
	assert_int_equal(faulty_store_calls(f->s, FAULTY_APPEND), 3);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(foreign_newer_and_damaged_files_are_refused),
		TEST(a_store_of_format_0_is_brought_to_the_newest),
		TEST(the_files_are_the_owners_alone),
		TEST(a_snapshot_does_not_move),
		TEST(a_full_disk_is_rolled_back_and_goes_on),
		TEST(a_killed_writer_loses_nothing_acknowledged),
		TEST(senders_share_a_commit),
		TEST(a_mebibyte_of_lines_is_one_batch),
		TEST(a_million_empty_lines_are_one_batch),
		TEST(a_hundred_thousand_members_are_one_edit),
		TEST(a_commit_of_unknown_outcome_ends_the_handle),
		TEST(a_planned_fault_breaks_the_transaction),
		cmocka_unit_test(the_audit_finds_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
