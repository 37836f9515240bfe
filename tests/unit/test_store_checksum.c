/* SPDX-License-Identifier: MIT */
/*
 * What SQLite's back end reads is what it wrote, or it says that it is not:
 * pages of the database and frames of its log that were changed, exchanged,
 * zeroed or cut off behind its back; and how a store gets its checksums.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/sqlite_checksum.h"
#include "store/sqlite_log.h"
#include "tests/support/store_fixture.h"

enum { FRAME = SQ_LOG_FRAME_HEADER + SQ_PAGE, MESSAGES = 60 };

/* Bytes of files. */

struct bytes {
	unsigned char *data;
	size_t len;
};

static struct bytes read_bytes(const char *path)
{
	FILE *file = fopen(path, "r");
	struct bytes b = { 0 };
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	b.len = (size_t)st.st_size;
	b.data = malloc(b.len + 1);
	assert_non_null(b.data);
	assert_int_equal(fread(b.data, 1, b.len, file), b.len);
	fclose(file);
	return b;
}

static void write_bytes(const char *path, struct bytes b)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(b.data, 1, b.len, file), b.len);
	assert_int_equal(fclose(file), 0);
}

struct path {
	char text[192];
};

static struct path beside(const struct store_fixture *f, const char *suffix)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "%s%s", f->path, suffix);
	return p;
}

/* What a user sees. */

struct seen {
	struct buf text;
	bool refused;
	struct err err;
};

static int add_message(void *data, const struct wire_message *m)
{
	struct buf *b = data;

	buf_printf(b, "%" PRIu64 " %" PRIu64 " ", m->seq, m->off);
	buf_append_str(b, m->sender);
	buf_append_str(b, m->content);
	buf_append_char(b, '\n');
	return 0;
}

static int add_member(void *data, const struct wire_port_member *m)
{
	buf_append_str(data, m->name);
	buf_append_char(data, '\n');
	return 0;
}

static int add_token(void *data, const struct wire_token_info *t)
{
	buf_append_str(data, t->user);
	buf_append_char(data, '\n');
	return 0;
}

/* Opens the store and reads all that is in it. */
static struct seen look(struct store_fixture *f, bool read_only)
{
	struct store_options options = { .env = &f->env,
					 .read_only = read_only };
	struct seen seen = { 0 };
	struct store *s = NULL;
	int rc = store_open(&s, f->url, &options, &seen.err);

	for (uint64_t g = 1; rc == 0 && g <= 2; g++) {
		rc = store_scan(s, g, 0, add_message, &seen.text, &seen.err);
		if (rc == 0)
			rc = store_export_members(s, g, str_of(""), add_member,
						  &seen.text, &seen.err);
	}
	if (rc == 0)
		rc = store_list_tokens(s, str_of(""), 0, add_token, &seen.text,
				       &seen.err);
	seen.refused = rc < 0;
	store_close(s);
	return seen;
}

static void assert_same_or_refused(const struct seen *seen,
				   const struct buf *before, const char *what)
{
	if (seen->refused) {
		if (strstr(seen->err.text, "damaged") == NULL &&
		    strstr(seen->err.text, "not a store") == NULL &&
		    strstr(seen->err.text, "another program") == NULL)
			fail_msg("%s: refused with \"%s\"", what,
				 seen->err.text);
	} else if (!str_eq(buf_str(&seen->text), buf_str(before))) {
		fail_msg("%s: something else is shown", what);
	}
}

static void fill(struct store_fixture *f, const char *key)
{
	uint8_t hash[STORE_TOKEN_HASH] = { 1 };
	char text[5000];
	uint64_t id;

	if (fixture_find(f, 1, "alice").last_seq == 0) {
		fixture_begin(f);
		assert_int_equal(store_create_token(f->s, str_of("alice"), hash,
						    0, &id, &f->err),
				 0);
		fixture_commit(f);
	}
	for (unsigned i = 0; i < MESSAGES; i++) {
		/* Some of them need pages of their own. */
		memset(text, 'a' + (int)(i % 26), sizeof(text));
		text[i % 7 == 0 ? sizeof(text) - 1 : 30] = '\0';
		if (i % 5 == 0)
			fixture_begin(f);
		fixture_say(f, 1 + i % 2, "alice", text, i == 0 ? key : "",
			    NULL);
		if (i % 5 == 4)
			fixture_commit(f);
	}
}

static void make(struct store_fixture *f)
{
	fixture_users(f, "alice bob");
	fixture_group(f, "lunch", "alice", "bob");
	fixture_group(f, "dinner", "alice", "");
	fill(f, "once");
	fixture_seal(f);
	fill(f, "twice");
}

static void close_store(struct store_fixture *f)
{
	store_close(f->s);
	f->s = NULL;
}

/* Pages. */

static unsigned try_database(struct store_fixture *f, struct bytes b,
			     const struct buf *before, const char *what)
{
	struct seen seen;
	bool refused;

	write_bytes(f->path, b);
	seen = look(f, true);
	assert_same_or_refused(&seen, before, what);
	refused = seen.refused;
	buf_release(&seen.text);
	return refused;
}

/* A changed bit in each part of each page, and the whole header. */
static void each_bit_of_the_database_counts(void **state)
{
	struct store_fixture *f = *state;
	struct bytes sound;
	struct seen before;
	unsigned refused = 0;
	unsigned tries = 0;

	make(f);
	close_store(f);
	before = look(f, false);
	assert_false(before.refused);
	sound = read_bytes(f->path);
	assert_int_equal(sound.len % SQ_PAGE, 0);
	for (size_t at = 0; at < sound.len; at += at < 100 ? 3 : 1021) {
		char what[64];

		snprintf(what, sizeof(what), "byte %zu of %zu", at, sound.len);
		sound.data[at] ^= (unsigned char)(1 << at % 8);
		refused += try_database(f, sound, &before.text, what);
		sound.data[at] ^= (unsigned char)(1 << at % 8);
		tries++;
	}
	print_message("%u bits, %u refused\n", tries, refused);
	/* All but those of pages that are not read. */
	assert_true(refused > tries / 2);
	assert_int_equal(try_database(f, sound, &before.text, "sound"), 0);
	buf_release(&before.text);
	free(sound.data);
}

static void exchange(struct bytes b, size_t one, size_t other)
{
	unsigned char page[SQ_PAGE];

	memcpy(page, b.data + one * SQ_PAGE, SQ_PAGE);
	memcpy(b.data + one * SQ_PAGE, b.data + other * SQ_PAGE, SQ_PAGE);
	memcpy(b.data + other * SQ_PAGE, page, SQ_PAGE);
}

static void pages_are_where_they_were(void **state)
{
	struct store_fixture *f = *state;
	struct bytes sound;
	struct bytes bad;
	struct seen before;
	unsigned refused = 0;
	size_t pages;

	make(f);
	close_store(f);
	before = look(f, false);
	sound = read_bytes(f->path);
	pages = sound.len / SQ_PAGE;
	for (size_t i = 1; i + 1 < pages; i++) {
		exchange(sound, i, i + 1);
		refused += try_database(f, sound, &before.text, "exchanged");
		exchange(sound, i, i + 1);
	}
	bad = read_bytes(f->path);
	for (size_t i = 0; i < pages; i++) {
		memcpy(bad.data, sound.data, sound.len);
		memset(bad.data + i * SQ_PAGE, 0, SQ_PAGE);
		refused += try_database(f, bad, &before.text, "zeroed");
		bad.len = i * SQ_PAGE + (i % 2 ? 0 : 700);
		memcpy(bad.data, sound.data, sound.len);
		refused += bad.len == 0 ||
			   try_database(f, bad, &before.text, "cut off");
		bad.len = sound.len;
	}
	print_message("%zu pages, %u refused of %zu\n", pages, refused,
		      3 * pages - 2);
	assert_true(refused > 2 * pages);
	assert_int_equal(try_database(f, sound, &before.text, "sound"), 0);
	buf_release(&before.text);
	free(sound.data);
	free(bad.data);
}

static void a_page_that_is_damaged_is_named(void **state)
{
	struct store_fixture *f = *state;
	struct seen seen;
	struct bytes b;

	make(f);
	close_store(f);
	b = read_bytes(f->path);
	b.data[5000] ^= 4;
	write_bytes(f->path, b);
	seen = look(f, false);
	assert_true(seen.refused);
	assert_int_equal(seen.err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(seen.err.text, "damaged in page 2: restore a "
					      "backup"));
	b.data[5000] ^= 4;
	write_bytes(f->path, b);
	free(b.data);
	f->s = fixture_open(f, false);
	fixture_verify(f);
}

/* Old stores. */

static void run(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

/* Runs what a query makes of the schema of `new`, a row a statement. */
static void run_each(sqlite3 *db, const char *query)
{
	sqlite3_stmt *st = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL),
			 SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		run(db, (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
}

/* As format 5 had it, by SQLite alone. */
static void make_old(const struct store_fixture *f)
{
	struct path old = beside(f, ".old");
	sqlite3 *db = NULL;
	char sql[256];

	assert_int_equal(sqlite3_open(old.text, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS new", f->path);
	run(db, "PRAGMA application_id=0x474D5347; PRAGMA user_version=5");
	run(db, sql);
	run_each(db, "SELECT sql FROM new.sqlite_schema WHERE sql IS NOT NULL "
		     "AND name NOT LIKE 'sqlite_%' AND type<>'trigger' "
		     "AND name<>'admins' ORDER BY type DESC");
	run_each(db, "SELECT 'INSERT INTO main.'||name||' SELECT * FROM new.'"
		     "||name FROM new.sqlite_schema WHERE type='table' "
		     "AND name NOT LIKE 'sqlite_%'");
	run(db, "DELETE FROM main.meta WHERE k LIKE 'count_%';"
		"DELETE FROM main.sqlite_sequence; INSERT INTO "
		"main.sqlite_sequence SELECT * FROM new.sqlite_sequence");
	sqlite3_close(db);
	assert_int_equal(rename(old.text, f->path), 0);
}

static unsigned char reserved(const struct store_fixture *f)
{
	struct bytes b = read_bytes(f->path);
	unsigned char bytes = b.data[20];

	free(b.data);
	return bytes;
}

struct told {
	unsigned times;
	char last[256];
};

static void on_warning(void *data, const char *text)
{
	struct told *told = data;

	told->times++;
	snprintf(told->last, sizeof(told->last), "%s", text);
}

static void an_old_store_gains_checksums(void **state)
{
	struct store_fixture *f = *state;
	struct path fresh = beside(f, ".new");
	struct told told = { 0 };
	struct store_options options = { .env = &f->env,
					 .warn = on_warning,
					 .warn_data = &told };
	struct bytes rubbish = { (unsigned char *)"rubbish", 7 };
	struct wire_body_sent sent;
	struct seen before;
	struct seen after;

	make(f);
	close_store(f);
	before = look(f, false);
	make_old(f);
	assert_int_equal(reserved(f), 0);
	after = look(f, true);
	assert_true(after.refused); /* by a reader */
	assert_non_null(strstr(after.err.text, "format 5"));
	/* A crash on the way has left what it had of it. */
	write_bytes(fresh.text, rubbish);
	assert_int_equal(store_open(&f->s, f->url, &options, &f->err), 0);
	assert_int_equal(told.times, 1);
	assert_non_null(strstr(told.last, "with checksums"));
	assert_int_equal(access(fresh.text, F_OK), -1);
	fixture_verify(f);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "alice", "x", "twice", &sent), 0);
	assert_int_equal(sent.duplicate, 1);
	fixture_commit(f);
	fixture_reopen(f);
	close_store(f);
	assert_int_equal(reserved(f), SQ_PAGE_CHECKSUM);
	assert_int_equal(fixture_number(f, "PRAGMA user_version"), 6);
	assert_int_equal(fixture_number(f, "SELECT journal_mode='wal' FROM "
					   "pragma_journal_mode"),
			 1);
	after = look(f, false);
	assert_false(after.refused);
	assert_true(str_eq(buf_str(&before.text), buf_str(&after.text)));
	buf_release(&before.text);
	buf_release(&after.text);
	f->s = fixture_open(f, false);
}

static void a_rewrite_that_fails_changes_nothing(void **state)
{
	struct store_fixture *f = *state;
	struct store_options options = { .env = &f->env };
	struct path fresh = beside(f, ".new");
	struct path inside = beside(f, ".new/x");
	struct seen before;
	struct seen after;

	make(f);
	close_store(f);
	before = look(f, false);
	make_old(f);
	assert_int_equal(mkdir(fresh.text, 0700), 0);
	assert_int_equal(mkdir(inside.text, 0700), 0);
	assert_true(store_open(&f->s, f->url, &options, &f->err) < 0);
	assert_non_null(strstr(f->err.text, ".new"));
	assert_int_equal(reserved(f), 0);
	rmdir(inside.text);
	rmdir(fresh.text);
	after = look(f, false);
	assert_false(after.refused);
	assert_true(str_eq(buf_str(&before.text), buf_str(&after.text)));
	buf_release(&before.text);
	buf_release(&after.text);
	f->s = fixture_open(f, false);
}

/* The log. */

/* Where each commit of a log ends, as its frames say. */
struct commits {
	size_t end[200];
	size_t count;
	unsigned char salt[8];
};

static struct commits commits_of(struct bytes log)
{
	struct commits c = { 0 };

	memcpy(c.salt, log.data + 16, sizeof(c.salt));
	for (size_t at = SQ_LOG_HEADER; at + FRAME <= log.len; at += FRAME) {
		const unsigned char *frame = log.data + at;

		if (memcmp(frame + 8, c.salt, sizeof(c.salt)) != 0)
			break;
		if (memcmp(frame + 4, "\0\0\0\0", 4) != 0) {
			assert_true(c.count < 200);
			c.end[c.count++] = at + FRAME;
		}
	}
	return c;
}

static int find(const struct path *path, struct bytes log,
		struct sq_log_damage *damage)
{
	struct err err;
	int rc;

	write_bytes(path->text, log);
	rc = sq_log_find_damage(path->text, damage, &err);
	if (rc < 0)
		fail_msg("%s", err.text);
	return rc;
}

/* A log with what an older use of it has left behind its end. */
static struct bytes make_log(struct store_fixture *f, size_t *used)
{
	struct commits c;
	struct bytes log;
	struct path wal = beside(f, "-wal");

	make(f);
	/* Enough that it begins anew. */
	for (unsigned i = 0; i < 6; i++)
		fill(f, "");
	log = read_bytes(wal.text);
	c = commits_of(log);
	assert_true(c.count > 3);
	*used = c.end[c.count - 1];
	return log;
}

static void damage_in_a_log_is_no_torn_commit(void **state)
{
	struct store_fixture *f = *state;
	struct path copy = beside(f, ".log");
	struct sq_log_damage damage;
	struct commits c;
	size_t used;
	struct bytes log = make_log(f, &used);
	unsigned missed = 0;
	size_t commit = 0;

	c = commits_of(log);
	assert_int_equal(find(&copy, log, &damage), 0);
	for (size_t at = 0; at < log.len; at += at < used ? 4999 : 50021) {
		int found;

		while (commit + 1 < c.count && at >= c.end[commit])
			commit++;
		log.data[at] ^= (unsigned char)(1 << at % 8);
		found = find(&copy, log, &damage);
		log.data[at] ^= (unsigned char)(1 << at % 8);
		if (at >= used || at >= c.end[c.count - 2]) {
			if (found)
				fail_msg("byte %zu is not of what counts", at);
			continue;
		}
		if (!found)
			missed++;
		else if (damage.whole != (at < SQ_LOG_HEADER || commit == 0
						  ? 0
						  : c.end[commit - 1]))
			fail_msg("byte %zu: whole up to %" PRIu64, at,
				 damage.whole);
	}
	assert_int_equal(missed, 0);
	unlink(copy.text);
	free(log.data);
}

/* What a power cut may leave of the last commit: any of its sectors, and of
 * the others what was there before. */
static void a_torn_commit_is_no_damage(void **state)
{
	struct store_fixture *f = *state;
	struct path copy = beside(f, ".log");
	struct path wal = beside(f, "-wal");
	struct sq_log_damage damage;
	size_t used;
	struct bytes old = make_log(f, &used);
	struct bytes log;
	size_t end;

	fixture_begin(f);
	for (unsigned i = 0; i < 20; i++)
		fixture_say(f, 1, "alice", "some text, twenty times", "", NULL);
	fixture_commit(f);
	log = read_bytes(wal.text);
	end = commits_of(log).end[commits_of(log).count - 1];
	assert_true(end > used);
	srandom(7);
	for (unsigned round = 0; round < 60; round++) {
		struct bytes torn = { malloc(log.len), log.len };

		assert_non_null(torn.data);
		memcpy(torn.data, log.data, log.len);
		for (size_t at = used; at < end;) {
			size_t next = (at / 512 + 1) * 512;

			if (random() % 3 == 0 && next <= old.len)
				memcpy(torn.data + at, old.data + at,
				       next - at);
			at = next;
		}
		if (find(&copy, torn, &damage) != 0)
			fail_msg("round %u: called damage at byte %" PRIu64,
				 round, damage.at);
		if (round % 2 == 0)
			torn.len = used + (size_t)random() % (end - used);
		if (find(&copy, torn, &damage) != 0)
			fail_msg("round %u: cut off, and called damage", round);
		free(torn.data);
	}
	unlink(copy.text);
	free(old.data);
	free(log.data);
}

static void a_store_with_a_damaged_log_is_not_opened(void **state)
{
	struct store_fixture *f = *state;
	struct path wal = beside(f, "-wal");
	char stop_here[64];
	struct bytes log;
	struct bytes db;
	struct seen seen;
	size_t used;
	struct commits c;

	log = make_log(f, &used);
	c = commits_of(log);
	db = read_bytes(f->path);
	close_store(f);
	write_bytes(f->path, db);
	log.data[c.end[1] + 100] ^= 1;
	write_bytes(wal.text, log);
	snprintf(stop_here, sizeof(stop_here), "keep its first %zu bytes",
		 c.end[1]);
	for (unsigned i = 0; i < 2; i++) {
		seen = look(f, i == 0);
		assert_true(seen.refused);
		assert_non_null(strstr(seen.err.text, "log "));
		assert_non_null(strstr(seen.err.text, stop_here));
	}
	/* As the page says: what was stored before is there. */
	assert_int_equal(truncate(wal.text, (off_t)c.end[1]), 0);
	f->s = fixture_open(f, false);
	fixture_verify(f);
	free(log.data);
	free(db.data);
}

static void flip(const char *path, size_t at)
{
	FILE *file = fopen(path, "r+");
	int byte;

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ 16, file), byte ^ 16);
	assert_int_equal(fclose(file), 0);
}

/* While it is at work: SQLite would not look at the sums again. */
static void a_frame_is_checked_when_it_is_read(void **state)
{
	struct store_fixture *f = *state;
	struct path wal = beside(f, "-wal");
	struct seen before;
	unsigned refused = 0;
	size_t used;
	struct bytes log = make_log(f, &used);

	before = look(f, true);
	assert_false(before.refused);
	for (size_t at = SQ_LOG_HEADER; at < used; at += 10007) {
		struct seen seen;

		flip(wal.text, at);
		seen = look(f, true);
		assert_same_or_refused(&seen, &before.text, "a frame");
		refused += seen.refused;
		flip(wal.text, at);
		buf_release(&seen.text);
	}
	print_message("%u refused\n", refused);
	assert_true(refused > 10);
	/* What is damaged is not merged into the database either. */
	for (size_t at = SQ_LOG_HEADER + FRAME / 2; at < used; at += FRAME)
		flip(wal.text, at);
	for (unsigned i = 0; i < 4 && f->s != NULL; i++) {
		int rc = 0;

		for (unsigned n = 0; n < 300 && rc == 0; n++) {
			rc = store_begin(f->s, &f->err);
			if (rc == 0)
				rc = fixture_say(f, 1, "alice", "more", "",
						 NULL);
			if (rc == 0)
				rc = store_commit(f->s, &f->err);
		}
		if (rc < 0)
			close_store(f);
	}
	assert_null(f->s);
	buf_release(&before.text);
	free(log.data);
	before = look(f, false);
	assert_true(before.refused);
	buf_release(&before.text);
	assert_int_equal(unlink(wal.text), 0);
}

/* Under a reader the log goes into the file only as far as he sees: of pages
 * that were new then, those that were written again stay out, and others behind
 * them do not. */
static void a_page_that_waits_in_the_log_is_sound(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader;
	struct bytes db;
	unsigned holes = 0;

	make(f);
	fixture_reopen(f);
	fixture_seal(f);
	reader = fixture_open(f, true);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	fill(f, "");
	fixture_seal(f);
	fixture_reopen(f);
	db = read_bytes(f->path);
	for (size_t i = 0; i < db.len; i += SQ_PAGE)
		holes += db.data[i] == 0 &&
			 memcmp(db.data + i, db.data + i + 1, SQ_PAGE - 1) == 0;
	print_message("%u of %zu pages are not there\n", holes,
		      db.len / SQ_PAGE);
	assert_true(holes > 0);
	fixture_verify(f);
	store_release(reader);
	store_close(reader);
	free(db.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_start_sqlite,            \
					fixture_stop)
		TEST(each_bit_of_the_database_counts),
		TEST(pages_are_where_they_were),
		TEST(a_page_that_is_damaged_is_named),
		TEST(an_old_store_gains_checksums),
		TEST(a_rewrite_that_fails_changes_nothing),
		TEST(damage_in_a_log_is_no_torn_commit),
		TEST(a_torn_commit_is_no_damage),
		TEST(a_store_with_a_damaged_log_is_not_opened),
		TEST(a_frame_is_checked_when_it_is_read),
		TEST(a_page_that_waits_in_the_log_is_sound),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
