/* SPDX-License-Identifier: MIT */
/*
 * The two tiers of SQLite's back end: what is sent, and is sealed by and by, is
 * the same for everybody at each point of that, over crashes and failures. That
 * each verb keeps the contract wherever messages lie, the tests of the contract
 * prove (FIXTURE_ON_SQLITE).
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/move.h"
#include "store/sqlite_checksum.h"
#include "store/sqlite_hot.h"
#include "tests/support/store_fixture.h"

static int add_line(void *data, const struct wire_message *m)
{
	struct buf *out = data;

	buf_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " ", m->seq, m->off,
		   m->jsonl_off);
	text_render(out, m);
	json_put_message_line(out, m);
	return 0;
}

static int add_mention(void *data, const struct wire_mention *m)
{
	buf_printf(data, "mention %" PRIu64 " %" PRIu64 "\n", m->group_id,
		   m->seq);
	return 0;
}

static int add_member(void *data, const struct wire_port_member *m)
{
	buf_printf(data, "member %.*s %" PRIu64 "\n", (int)m->name.len,
		   m->name.data, m->last_read_seq);
	return 0;
}

static int add_key(void *data, const struct store_key *k)
{
	struct buf *keys = data;

	buf_printf(keys,
		   "%d %.*s %.*s %" PRIu64 "-%" PRIu64 " %" PRIu64 " %" PRIu64
		   " %" PRIu64 "\n",
		   k->batch, (int)k->user.len, k->user.data, (int)k->id.len,
		   k->id.data, k->first_seq, k->last_seq, k->off, k->time_ms,
		   k->warnings);
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keys come in no order. */
static void add_keys(struct store_fixture *f, struct store *s, uint64_t g,
		     struct buf *out)
{
	struct buf keys = { 0 };
	char *lines[2000];
	size_t n = 0;

	assert_int_equal(store_list_keys(s, g, add_key, &keys, &f->err), 0);
	buf_append_char(&keys, '\0');
	for (char *line = strtok(keys.data, "\n"); line != NULL && n < 2000;
	     line = strtok(NULL, "\n"))
		lines[n++] = line;
	qsort(lines, n, sizeof(lines[0]), compare_lines);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "key %s\n", lines[i]);
	buf_release(&keys);
}

/* All that a store shows of a group. */
static void show_group(struct store_fixture *f, struct store *s, uint64_t id,
		       struct buf *out)
{
	static const char *const users[] = { "alice", "bob" };
	struct wire_group g;
	uint64_t seq;
	uint64_t off;

	for (size_t i = 0; i < 2; i++) {
		if (store_find_group(s, id, str_of(""), str_of(users[i]), &g,
				     &f->err) < 0) {
			buf_printf(out, "%s: %s\n", users[i], f->err.text);
			continue;
		}
		buf_printf(out,
			   "%s: %" PRIu64 "..%" PRIu64 " %" PRIu64 " %" PRIu64
			   " %" PRIu64 " read %" PRIu64 " %" PRIu64 " %" PRIu64
			   "\n",
			   users[i], g.first_seq, g.last_seq, g.size,
			   g.jsonl_size, g.mtime_ms, g.last_read_seq,
			   g.read_off, g.mentions);
		for (uint64_t at = g.first_off; at < g.size; at += 13) {
			assert_int_equal(store_seek(s, id, LOG_TEXT, at, &seq,
						    &off, &f->err),
					 0);
			buf_printf(out, "%" PRIu64 ":%" PRIu64 " ", seq, off);
		}
		assert_int_equal(store_list_mentions(s, str_of(users[i]),
						     str_of(""), 0, add_mention,
						     out, &f->err),
				 0);
	}
	assert_int_equal(store_scan(s, id, 0, add_line, out, &f->err), 0);
	assert_int_equal(store_export_members(s, id, str_of(""), add_member,
					      out, &f->err),
			 0);
	add_keys(f, s, id, out);
	assert_false(out->failed);
}

static void show(struct store_fixture *f, struct store *s, struct buf *out)
{
	struct store_totals totals;

	buf_clear(out);
	for (uint64_t id = 1; id <= 4; id++)
		show_group(f, s, id, out);
	assert_int_equal(store_count_all(s, &totals, &f->err), 0);
	buf_printf(out, "%" PRIu64 " messages\n", totals.messages);
}

static void assert_shows(struct store_fixture *f, struct store *s,
			 const struct buf *expected)
{
	struct buf now = { 0 };

	show(f, s, &now);
	if (!str_eq(buf_str(&now), buf_str(expected)))
		fail_msg("before:\n%.*s\nnow:\n%.*s", (int)expected->len,
			 expected->data, (int)now.len, now.data);
	buf_release(&now);
}

/* Three groups that are written to in turn, with all that a message may have;
 * one of them trimmed, and a fourth that is deleted. */
static void fill(struct store_fixture *f)
{
	struct store_trim trim = { .keep.messages = 20, .limit = 1000 };
	struct buf items = { 0 };
	uint64_t g[4];

	fixture_users(f, "alice bob");
	g[0] = fixture_group(f, "one", "alice", "bob");
	g[1] = fixture_group(f, "two", "bob", "alice");
	g[2] = fixture_group(f, "three", "alice", "");
	g[3] = fixture_group(f, "four", "alice", "bob");
	for (unsigned i = 0; i < 120; i++) {
		static const char *const texts[] = { "hi", "@bob here\nthere",
						     "", "@everyone" };
		struct store_append op = {
			.group_id = g[i % 4],
			.user = str_of(i % 3 == 0 && i % 4 != 2 ? "bob"
								: "alice"),
			.batch_id = str_of("")
		};
		char id[16];

		buf_clear(&items);
		for (unsigned k = 0; k <= i % 3; k++) {
			snprintf(id, sizeof(id), "c%u", i - i % 5 + k);
			fixture_item(&items, texts[(i + k) % 4], 0,
				     i % 2 == 0 ? id : "");
		}
		snprintf(id, sizeof(id), "b%u", i);
		if (i % 5 < 3)
			op.batch_id = str_of(id);
		op.items = buf_str(&items);
		f->now_ms += 1000;
		fixture_begin(f);
		assert_int_equal(store_append(f->s, &op, &f->err), 0);
		fixture_commit(f);
	}
	fixture_begin(f);
	trim.group_id = g[1];
	assert_int_equal(store_trim(f->s, &trim, &f->err), 0);
	assert_true(trim.trimmed > 0);
	assert_int_equal(
		store_delete_group(f->s, g[3], str_of("alice"), &f->err), 0);
	fixture_commit(f);
	buf_release(&items);
}

static const char hot_rows[] = "SELECT count(*) FROM hot";
static const char sealed_rows[] = "SELECT count(*) FROM messages";

static void sealing_changes_nothing_at_any_step(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	struct store_tend op = { .limit = 7, .all = true };
	struct buf before = { 0 };
	unsigned steps = 0;
	int rc = 1;

	fill(f);
	assert_int_equal(fixture_number(f, sealed_rows), 0);
	show(f, f->s, &before);
	assert_shows(f, reader, &before);
	fixture_verify(f);
	while (rc > 0) {
		rc = store_tend(f->s, &op, &f->err);
		assert_true(rc >= 0);
		steps++;
		assert_shows(f, f->s, &before);
		assert_shows(f, reader, &before);
		fixture_verify(f);
	}
	assert_true(steps > 20);
	assert_int_equal(op.wait_ms, UINT64_MAX);
	assert_int_equal(fixture_number(f, hot_rows), 0);
	assert_true(fixture_number(f, sealed_rows) > 0);
	/* And nothing comes of it twice. */
	fixture_reopen(f);
	assert_shows(f, f->s, &before);
	store_close(reader);
	buf_release(&before);
}

static void what_is_sealed_goes_on_where_it_was(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	struct wire_group g;

	fill(f);
	g = fixture_find(f, 1, "alice");
	fixture_seal_some(f, 7, 3);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "alice", "next", "", &sent), 0);
	assert_int_equal(sent.first_seq, g.last_seq + 1);
	assert_int_equal(sent.offset, g.size);
	fixture_commit(f);
	fixture_seal(f);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "alice", "next", "", &sent), 0);
	assert_int_equal(sent.first_seq, g.last_seq + 2);
	fixture_commit(f);
	fixture_verify(f);
	assert_int_equal(fixture_number(f, "SELECT min(id)>100 FROM hot"), 1);
}

static void a_view_holds_what_is_sealed_meanwhile(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	struct store *other = fixture_open(f, true);
	struct buf before = { 0 };
	struct buf after = { 0 };

	fill(f);
	fixture_seal_some(f, 7, 5);
	show(f, f->s, &before);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "bob", "@alice", "new", NULL), 0);
	assert_int_equal(fixture_say(f, 2, "bob", "@alice", "new", NULL), 0);
	assert_shows(f, reader, &before);
	fixture_commit(f);
	assert_shows(f, reader, &before);
	show(f, f->s, &after);
	for (unsigned i = 0; i < 3; i++) {
		fixture_seal(f);
		assert_int_equal(fixture_number(f, hot_rows), 0);
		assert_shows(f, reader, &before);
		assert_shows(f, other, &after);
		fixture_begin(f);
		assert_int_equal(fixture_say(f, 3, "alice", "more", "", NULL),
				 0);
		fixture_commit(f);
		show(f, f->s, &after);
	}
	store_release(reader);
	assert_shows(f, reader, &after);
	/* Its writer may go, and come again. */
	fixture_reopen(f);
	assert_shows(f, reader, &after);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 3, "alice", "again", "", NULL), 0);
	fixture_commit(f);
	show(f, f->s, &after);
	assert_shows(f, reader, &after);
	store_close(other);
	store_close(reader);
	buf_release(&before);
	buf_release(&after);
}

static void what_is_taken_back_was_never_there(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	struct store_append op = { .group_id = 1, .user = str_of("alice") };
	struct wire_body_sent sent;
	struct buf before = { 0 };
	struct buf items = { 0 };

	fill(f);
	show(f, f->s, &before);
	fixture_begin(f);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			fixture_say(f, 1 + i % 2, "alice", "x", "new", NULL),
			0);
	assert_shows(f, reader, &before);
	store_rollback(f->s);
	assert_shows(f, f->s, &before);
	fixture_verify(f);
	/* A batch that is refused at its end. */
	fixture_item(&items, "first", 0, "undone");
	fixture_item(&items, "second", 0, "");
	fixture_item(&items, "third", 9999, "");
	op.items = buf_str(&items);
	op.batch_id = str_of("undone");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "alice", "kept", "kept", NULL), 0);
	assert_true(store_append(f->s, &op, &f->err) < 0);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	assert_int_equal(fixture_say(f, 1, "alice", "x", "undone", &sent), 0);
	assert_int_equal(sent.duplicate, 0);
	assert_int_equal(fixture_say(f, 1, "alice", "x", "kept", &sent), 0);
	assert_int_equal(sent.duplicate, 1);
	assert_shows(f, reader, &before);
	fixture_commit(f);
	fixture_verify(f);
	show(f, f->s, &before);
	assert_shows(f, reader, &before);
	fixture_reopen(f);
	assert_shows(f, f->s, &before);
	store_close(reader);
	buf_release(&items);
	buf_release(&before);
}

/* In another process, which ends without closing anything. */
static void seal_and_die(struct store_fixture *f, uint64_t limit,
			 unsigned steps)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		f->s = fixture_open(f, false);
		fixture_seal_some(f, limit, steps);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_crash_after_any_step_loses_nothing(void **state)
{
	struct store_fixture *f = *state;
	struct buf before = { 0 };

	fill(f);
	show(f, f->s, &before);
	for (unsigned i = 0; fixture_number(f, hot_rows) > 0; i++) {
		store_close(f->s); /* never forked with an open store */
		f->s = NULL;
		seal_and_die(f, 5 + i, 1 + i % 4);
		f->s = fixture_open(f, false);
		assert_shows(f, f->s, &before);
		fixture_verify(f);
		assert_true(i < 100);
	}
	buf_release(&before);
}

/* What is sealed, and not deleted: a round that is broken off each time would
 * come to no end where others have few steps. */
static void what_a_crash_left_is_passed_over_at_once(void **state)
{
	struct store_fixture *f = *state;
	struct store_tend op = { .limit = 10, .all = true };
	unsigned steps = 0;

	fixture_users(f, "alice");
	fixture_group(f, "a", "alice", "");
	fixture_begin(f);
	for (unsigned i = 0; i < 200; i++)
		fixture_say(f, 1, "alice", "x", "", NULL);
	fixture_commit(f);
	store_close(f->s);
	f->s = NULL;
	seal_and_die(f, 10, 18);
	f->s = fixture_open(f, false);
	assert_int_equal(fixture_number(f, hot_rows), 200);
	assert_int_equal(fixture_number(f, sealed_rows), 180);
	while (fixture_number(f, sealed_rows) < 200) {
		assert_int_equal(store_tend(f->s, &op, &f->err), 1);
		steps++;
	}
	assert_true(steps <= 3);
	fixture_seal(f);
	fixture_verify(f);
	assert_int_equal(fixture_number(f, hot_rows), 0);
}

/* Sends and seals until it is killed; says after each commit how many. */
static void work_until_killed(struct store_fixture *f, uint64_t group_id,
			      int fd)
{
	f->s = fixture_open(f, false);
	for (uint64_t n = fixture_find(f, group_id, "alice").last_seq;;) {
		fixture_begin(f);
		for (unsigned i = 0; i < 5; i++) {
			char id[32];

			snprintf(id, sizeof(id), "id-%" PRIu64, ++n);
			if (fixture_say(f, group_id, "alice", "text", id,
					NULL) < 0)
				_exit(1);
		}
		fixture_commit(f);
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
		fixture_seal_some(f, 3, (unsigned)(n % 3));
	}
}

static void a_killed_sealer_loses_nothing_acknowledged(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	char id[32];

	fixture_users(f, "alice");
	fixture_group(f, "lunch", "alice", "");
	srandom(12);
	for (unsigned round = 0; round < 8; round++) {
		uint64_t acked;
		uint64_t there;

		store_close(f->s);
		f->s = NULL;
		acked = fixture_kill_at_work(f, 1, work_until_killed,
					     random() % 20000);
		fixture_reopen(f);
		there = fixture_find(f, 1, "alice").last_seq;
		assert_true(there >= acked);
		assert_int_equal(there % 5, 0);
		fixture_verify(f);
		for (uint64_t n = 1; n <= there; n += 1 + there / 40) {
			snprintf(id, sizeof(id), "id-%" PRIu64, n);
			fixture_begin(f);
			assert_int_equal(
				fixture_say(f, 1, "alice", "text", id, &sent),
				0);
			assert_int_equal(sent.duplicate, 1);
			assert_int_equal(sent.first_seq, n);
			fixture_commit(f);
		}
	}
}

/* A reader where no writer is: it says what it sees, each time it is asked. */
static void read_elsewhere(struct store_fixture *f, int in, int out)
{
	struct store *reader = fixture_open(f, true);
	struct buf seen = { 0 };
	char what;

	while (read(in, &what, 1) == 1) {
		if (what == 'b' && store_snapshot(reader, &f->err) < 0)
			_exit(1);
		if (what == 'e')
			store_release(reader);
		show(f, reader, &seen);
		if (write(out, &seen.len, sizeof(seen.len)) !=
			    sizeof(seen.len) ||
		    write(out, seen.data, seen.len) != (ssize_t)seen.len)
			_exit(1);
	}
	_exit(0);
}

static void assert_elsewhere(int in, int out, char what,
			     const struct buf *expected)
{
	char got[4096];
	size_t len;

	assert_int_equal(write(out, &what, 1), 1);
	assert_int_equal(read(in, &len, sizeof(len)), sizeof(len));
	assert_int_equal(len, expected->len);
	for (size_t at = 0; at < len;) {
		size_t part = len - at < sizeof(got) ? len - at : sizeof(got);
		ssize_t n = read(in, got, part);

		assert_true(n > 0);
		assert_memory_equal(got, expected->data + at, (size_t)n);
		at += (size_t)n;
	}
}

static void a_reader_without_a_writer_sees_the_same(void **state)
{
	struct store_fixture *f = *state;
	struct buf first = { 0 };
	struct buf now = { 0 };
	int to[2];
	int from[2];
	pid_t pid;

	fill(f);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(to[1]);
		close(from[0]);
		read_elsewhere(f, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	f->s = fixture_open(f, false);
	show(f, f->s, &first);
	assert_elsewhere(from[0], to[1], '.', &first);
	assert_elsewhere(from[0], to[1], 'b', &first);
	for (unsigned i = 0; i < 3; i++) {
		fixture_begin(f);
		fixture_say(f, 1, "alice", "never", "x", NULL);
		store_rollback(f->s);
		fixture_begin(f);
		fixture_say(f, 3, "alice", "more", "", NULL);
		fixture_commit(f);
		fixture_seal_some(f, 9, 9);
		assert_elsewhere(from[0], to[1], '.', &first);
	}
	show(f, f->s, &now);
	assert_elsewhere(from[0], to[1], 'e', &now);
	fixture_seal(f);
	assert_elsewhere(from[0], to[1], '.', &now);
	fixture_reopen(f);
	fixture_begin(f);
	fixture_say(f, 1, "bob", "@alice more", "y", NULL);
	fixture_commit(f);
	show(f, f->s, &now);
	assert_elsewhere(from[0], to[1], '.', &now);
	close(to[1]);
	close(from[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	buf_release(&first);
	buf_release(&now);
}

static void version_4_gains_a_hot_tier(void **state)
{
	static const char to_version_4[] =
		"DROP INDEX admins; DROP TRIGGER group_added;"
		"DROP TRIGGER group_deleted; DROP TRIGGER user_added;"
		"DROP TRIGGER user_deleted;"
		"DELETE FROM meta WHERE k LIKE 'count_%';"
		"DROP TABLE hot; UPDATE groups SET tail_seq=0,tail_off=0,"
		"tail_jsonl=0,tail_ms=created_ms WHERE EXISTS (SELECT 1 FROM "
		"messages WHERE id>>32=group_id);"
		"DELETE FROM meta WHERE k LIKE 'hot%' OR k LIKE 'dedupe_hot%';"
		"PRAGMA user_version=4;";
	struct store_fixture *f = *state;
	struct store_trim trim = { .group_id = 3,
				   .keep.age_ms = 1,
				   .limit = 1000 };
	struct buf before = { 0 };
	sqlite3 *db = NULL;

	fill(f);
	/* One that retention has emptied. */
	f->now_ms += 5000;
	fixture_begin(f);
	assert_int_equal(store_trim(f->s, &trim, &f->err), 0);
	assert_int_equal(trim.left, 0);
	fixture_commit(f);
	fixture_seal(f);
	show(f, f->s, &before);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE,
					 sq_checksum_vfs()),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, to_version_4, NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	f->s = fixture_open(f, false);
	assert_shows(f, f->s, &before);
	fixture_verify(f);
	fixture_begin(f);
	fixture_say(f, 1, "bob", "@alice more", "y", NULL);
	fixture_say(f, 3, "alice", "more", "y", NULL);
	fixture_commit(f);
	fixture_verify(f);
	show(f, f->s, &before);
	fixture_seal(f);
	assert_shows(f, f->s, &before);
	fixture_verify(f);
	buf_release(&before);
}

static void who_comes_back_has_not_read_what_he_said(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	for (unsigned i = 0; i < 100; i++)
		fixture_say(f, g, i < 90 ? "alice" : "bob", "hi", "", NULL);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 100);
	assert_int_equal(fixture_find(f, g, "alice").last_read_seq, 90);
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "bob", EDIT_REMOVE, "bob"), 0);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "bob"), 0);
	fixture_commit(f);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 50);
		assert_int_equal(fixture_find(f, g, "alice").last_read_seq, 90);
		fixture_seal(f);
		fixture_verify(f);
	}
	fixture_begin(f);
	fixture_say(f, g, "bob", "hi", "", NULL);
	fixture_commit(f);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 101);
		fixture_seal(f);
	}
}

static void say_again(struct store_fixture *f, struct store_append *op,
		      const struct wire_body_sent *first)
{
	fixture_begin(f);
	assert_int_equal(store_append(f->s, op, &f->err), 0);
	fixture_commit(f);
	assert_int_equal(op->sent.duplicate, 1);
	assert_int_equal(op->sent.first_seq, first->first_seq);
	assert_int_equal(op->sent.last_seq, first->last_seq);
	assert_int_equal(op->sent.offset, first->offset);
	assert_int_equal(op->sent.time_ms, first->time_ms);
	assert_int_equal(op->sent.warnings, first->warnings);
}

/* By its batch_id, and by its client_ids. */
static void keys_outlive_sealing(void **state)
{
	struct store_fixture *f = *state;
	struct store_append op = { .user = str_of("alice") };
	struct wire_body_sent first;
	struct buf items = { 0 };

	fixture_users(f, "alice");
	op.group_id = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	fixture_say(f, op.group_id, "alice", "x", "i2", NULL);
	fixture_commit(f);
	fixture_item(&items, "a", 0, "i1");
	fixture_item(&items, "b", 0, "");
	/* Known already: the batch ends with the message before it. */
	fixture_item(&items, "c", 0, "i2");
	op.items = buf_str(&items);
	op.batch_id = str_of("b1");
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	fixture_commit(f);
	first = op.sent;
	assert_int_equal(first.first_seq, 2);
	assert_int_equal(first.last_seq, 3);
	for (unsigned i = 0; i < 4; i++) {
		struct wire_body_sent sent;

		say_again(f, &op, &first);
		fixture_begin(f);
		assert_int_equal(
			fixture_say(f, op.group_id, "alice", "a", "i1", &sent),
			0);
		fixture_commit(f);
		assert_int_equal(sent.duplicate, 1);
		assert_int_equal(sent.first_seq, 2);
		if (i == 1)
			fixture_seal_some(f, 2, 1);
		if (i == 2)
			fixture_seal(f);
		fixture_reopen(f);
	}
	assert_int_equal(fixture_find(f, op.group_id, "alice").last_seq, 3);
	buf_release(&items);
}

static void append_many(struct store_fixture *f, unsigned count,
			uint64_t reply_to, const char *batch_id, int expected)
{
	struct store_append op = { .group_id = 1,
				   .user = str_of("bob"),
				   .batch_id = str_of(batch_id) };
	struct buf items = { 0 };
	char id[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "m%u", i);
		fixture_item(&items, i % 50 == 3 ? "@alice x" : "x",
			     i + 1 == count ? reply_to : 0,
			     i % 3 == 0 ? id : "");
	}
	op.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &op, &f->err), expected);
	buf_release(&items);
}

/* A batch so large that it is sealed at once, and what was before it; as the
 * store in memory has it. */
static void large(struct store_fixture *f, struct buf *out)
{
	fill(f);
	fixture_begin(f);
	fixture_say(f, 1, "bob", "one before", "k1", NULL);
	append_many(f, HOT_BULK, 999999, "refused", -EINVAL);
	append_many(f, HOT_BULK - 1, 0, "", 0);
	fixture_commit(f);
	fixture_begin(f);
	fixture_say(f, 1, "alice", "never", "k2", NULL);
	append_many(f, 2 * HOT_BULK, 0, "never", 0);
	store_rollback(f->s);
	fixture_begin(f);
	append_many(f, 2 * HOT_BULK, 0, "batch", 0);
	fixture_say(f, 1, "alice", "one behind", "k2", NULL);
	append_many(f, 2 * HOT_BULK, 0, "batch", 0);
	append_many(f, 2 * HOT_BULK, 0, "again", 0);
	fixture_commit(f);
	fixture_verify(f);
	show(f, f->s, out);
}

static void a_large_batch_is_sealed_at_once(void **state)
{
	struct store_fixture *f = *state;
	struct store_fixture memory;
	struct buf expected = { 0 };
	struct buf got = { 0 };

	fixture_init(&memory, "memory");
	large(&memory, &expected);
	large(f, &got);
	assert_shows(f, f->s, &expected);
	assert_true(fixture_number(f, sealed_rows) > 2 * HOT_BULK);
	fixture_seal_some(f, 9, 9);
	assert_shows(f, f->s, &expected);
	fixture_reopen(f);
	assert_shows(f, f->s, &expected);
	fixture_seal(f);
	assert_shows(f, f->s, &expected);
	fixture_verify(f);
	fixture_release(&memory);
	buf_release(&expected);
	buf_release(&got);
}

/* The connection that was opened last: SQLite's hook hands on no data. */
static sqlite3 *limited;

static int note_connection(sqlite3 *db, const char **message,
			   const struct sqlite3_api_routines *api)
{
	(void)message;
	(void)api;
	limited = db;
	return SQLITE_OK;
}

/* The writer, whose connection is the one that is `limited`. */
static void reopen_limited(struct store_fixture *f)
{
	void (*entry)(void) = (void (*)(void))note_connection;

	sqlite3_auto_extension(entry);
	fixture_reopen(f);
	sqlite3_cancel_auto_extension(entry);
}

static void a_full_disk_stops_sealing_only(void **state)
{
	struct store_fixture *f = *state;
	struct store_tend op = { .all = true };
	struct buf before = { 0 };
	unsigned failed = 0;
	int64_t pages;
	char sql[64];
	int rc = 1;

	reopen_limited(f);
	fill(f);
	show(f, f->s, &before);
	pages = fixture_number(f, "PRAGMA page_count");
	for (unsigned i = 0; rc != 0; i++) {
		snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%" PRId64,
			 pages + 2 * failed);
		sqlite3_exec(limited, sql, NULL, NULL, NULL);
		op.limit = 1 + i % 40;
		rc = store_tend(f->s, &op, &f->err);
		if (rc < 0) {
			assert_int_equal(f->err.code, ERR_OUT_OF_SPACE);
			failed++;
		}
		assert_shows(f, f->s, &before);
		assert_true(i < 1000);
	}
	assert_true(failed > 0);
	assert_int_equal(fixture_number(f, hot_rows), 0);
	fixture_verify(f);
	buf_release(&before);
}

/* The read(2) or write(2) of SQLite's that fails, counted from now on. */
static unsigned fails_in;

static bool fails(void)
{
	if (fails_in == 0 || --fails_in > 0)
		return false;
	errno = EIO;
	return true;
}

static ssize_t failing_read(int fd, void *out, size_t len, off_t at)
{
	return fails() ? -1 : pread(fd, out, len, at);
}

static ssize_t failing_write(int fd, const void *in, size_t len, off_t at)
{
	return fails() ? -1 : pwrite(fd, in, len, at);
}

/* SQLite calls by these from then on; NULL: as ever. */
static void set_calls(sqlite3_syscall_ptr reads, sqlite3_syscall_ptr writes)
{
	static const char *const reading[] = { "pread", "pread64" };
	static const char *const writing[] = { "pwrite", "pwrite64" };
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	for (size_t i = 0; i < 2; i++) {
		vfs->xSetSystemCall(vfs, reading[i], reads);
		vfs->xSetSystemCall(vfs, writing[i], writes);
	}
}

/* With hardly any cache a step reads all the time. */
static void reopen_uncached(struct store_fixture *f)
{
	reopen_limited(f);
	sqlite3_exec(limited, "PRAGMA cache_size=4; PRAGMA cache_spill=0", NULL,
		     NULL, NULL);
}

/* A step in which a call fails. 1: there is more to seal; the handle is good
 * for it, or new. */
static int seal_and_fail(struct store_fixture *f, unsigned n, unsigned *broken,
			 unsigned *unknown)
{
	struct store_tend op = { .limit = 5 + n, .all = true };
	int rc;

	fails_in = 1 + n * 4;
	rc = store_tend(f->s, &op, &f->err);
	fails_in = 0;
	if (rc >= 0)
		return rc;
	*broken += rc != -EINPROGRESS;
	*unknown += rc == -EINPROGRESS;
	/* groupd ends there, and begins anew. */
	if (rc == -EINPROGRESS)
		reopen_uncached(f);
	return 1;
}

static void an_io_error_stops_a_step_only(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	struct buf before = { 0 };
	unsigned broken = 0;
	unsigned unknown = 0;
	int rc = 1;

	fill(f);
	show(f, f->s, &before);
	reopen_uncached(f);
	set_calls((sqlite3_syscall_ptr)failing_read,
		  (sqlite3_syscall_ptr)failing_write);
	for (unsigned n = 0; rc > 0; n++) {
		rc = seal_and_fail(f, n, &broken, &unknown);
		assert_shows(f, f->s, &before);
		assert_shows(f, reader, &before);
		fixture_verify(f);
		assert_true(n < 1000);
	}
	set_calls(NULL, NULL);
	/* Within a step, and at its end. */
	assert_true(broken > 3);
	assert_true(unknown > 0);
	assert_int_equal(fixture_number(f, hot_rows), 0);
	fixture_reopen(f);
	assert_shows(f, f->s, &before);
	store_close(reader);
	buf_release(&before);
}

/* Where nobody ever comes to seal, commits do it. */
static void the_hot_tier_is_bounded(void **state)
{
	struct store_fixture *f = *state;
	char *content = malloc(60001);
	struct wire_group g;

	assert_non_null(content);
	memset(content, 'x', 60000);
	content[60000] = '\0';
	fixture_users(f, "alice");
	fixture_group(f, "a", "alice", "");
	fixture_group(f, "b", "alice", "");
	for (unsigned i = 0; i < 20; i++) {
		fixture_begin(f);
		for (unsigned k = 0; k < 60; k++)
			fixture_say(f, 1 + k % 2, "alice", content, "", NULL);
		fixture_commit(f);
	}
	/* Those behind the bound have sealed more than they have added. */
	assert_true(fixture_number(f, "SELECT sum(len) FROM messages") >
		    20 * 60 * INT64_C(60000) - HOT_HARD_BYTES);
	assert_true(fixture_number(f, "SELECT sum(len) FROM hot") < HOT_BYTES);
	g = fixture_find(f, 1, "alice");
	assert_int_equal(g.last_seq, 20 * 30);
	fixture_reopen(f);
	assert_int_equal(fixture_find(f, 1, "alice").size, g.size);
	free(content);
}

static void old_rows_are_sealed_when_there_is_time(void **state)
{
	struct store_fixture *f = *state;
	struct store_tend op = { .limit = 0 };

	assert_int_equal(store_tend(f->s, &op, &f->err), 0);
	assert_int_equal(op.wait_ms, UINT64_MAX);
	fixture_users(f, "alice");
	fixture_group(f, "a", "alice", "");
	fixture_begin(f);
	fixture_say(f, 1, "alice", "x", "", NULL);
	fixture_commit(f);
	f->now_ms += 1000;
	assert_int_equal(store_tend(f->s, &op, &f->err), 0);
	assert_int_equal(op.wait_ms, HOT_SOFT_MS - 1000);
	assert_int_equal(fixture_number(f, hot_rows), 1);
	f->now_ms += HOT_SOFT_MS;
	while (store_tend(f->s, &op, &f->err) > 0)
		;
	assert_int_equal(op.wait_ms, UINT64_MAX);
	assert_int_equal(fixture_number(f, hot_rows), 0);
	assert_int_equal(fixture_number(f, sealed_rows), 1);
}

/* A reader's thread: each view is whole, and none is older than the one before
 * it. */
struct watching {
	struct store *s;
	atomic_bool *end;
	const char *wrong;
	uint64_t views;
};

static int follow(void *data, const struct wire_message *m)
{
	struct wire_group *at = data;

	if (m->seq != at->last_seq + 1 || m->off != at->size)
		return -EINVAL;
	at->last_seq = m->seq;
	at->size = m->off + m->len;
	return 0;
}

static void *watch(void *arg)
{
	struct watching *w = arg;
	uint64_t last[4] = { 0 };

	while (w->wrong == NULL && !atomic_load(w->end)) {
		uint64_t id = 1 + w->views++ % 3;
		struct wire_group at = { 0 };
		struct wire_group g;
		struct err err;
		int rc = store_snapshot(w->s, &err);

		if (rc == 0)
			rc = store_find_group(w->s, id, str_of(""),
					      str_of("alice"), &g, &err);
		if (rc == 0)
			rc = store_scan(w->s, id, 0, follow, &at, &err);
		store_release(w->s);
		if (rc < 0)
			w->wrong = "a verb failed";
		else if (at.last_seq != g.last_seq || at.size != g.size)
			w->wrong = "the log and its end differ";
		else if (g.last_read_seq != g.last_seq)
			w->wrong = "the pointer and the log differ";
		else if (g.last_seq < last[id])
			w->wrong = "it went back";
		last[id] = g.last_seq;
	}
	return NULL;
}

static void readers_see_whole_views_while_it_seals(void **state)
{
	struct store_fixture *f = *state;
	atomic_bool end = false;
	struct watching w[2] = { { .end = &end }, { .end = &end } };
	pthread_t threads[2];

	fixture_users(f, "alice");
	fixture_group(f, "one", "alice", "");
	fixture_group(f, "two", "alice", "");
	fixture_group(f, "three", "alice", "");
	for (size_t i = 0; i < 2; i++) {
		w[i].s = fixture_open(f, true);
		assert_int_equal(
			pthread_create(&threads[i], NULL, watch, &w[i]), 0);
	}
	for (unsigned i = 0; i < 400; i++) {
		fixture_begin(f);
		for (unsigned k = 0; k < 5; k++)
			fixture_say(f, 1 + (i + k) % 3, "alice", "text", "",
				    NULL);
		if (i % 7 == 3)
			store_rollback(f->s);
		else
			fixture_commit(f);
		if (i % 50 > 20)
			fixture_seal_some(f, 11, 2);
	}
	atomic_store(&end, true);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		if (w[i].wrong != NULL)
			fail_msg("%s", w[i].wrong);
		assert_true(w[i].views > 1);
		store_close(w[i].s);
	}
	fixture_verify(f);
}

/* Links are 32 bits wide. */
static void ids_have_more_than_32_bits(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t before = (UINT64_C(1) << 32) - 300;
	struct hot_index *x = hot_index_new(&f->env, before);
	struct hot_view view;

	assert_non_null(x);
	assert_true(hot_load_begin(x, 1500));
	for (uint64_t i = 0; i < 3000; i++) {
		const struct hot_entry e = {
			.group_id = 1 + i % 7,
			.seq = 1 + i / 7,
			.user = str_of("alice"),
			.client_id = str_make((const char *)&i, sizeof(i))
		};

		assert_true(hot_add(x, &e));
		if (i == 1900)
			hot_load_end(x);
	}
	hot_undo(x, before + 1 + 2800);
	hot_view_begin(x, &view);
	hot_forget(x, before + 400);
	for (uint64_t i = 0; i < 3000; i++) {
		uint64_t id = i < 2800 ? before + 1 + i : 0;

		if (i == 1400) {
			hot_view_end(x, &view);
			hot_forget(x, before + 1400);
		}
		assert_int_equal(
			hot_find_seq(x, 1 + i % 7, 1 + i / 7, UINT64_MAX), id);
		assert_int_equal(
			hot_find_key(x, HOT_ITEM, 1 + i % 7,
				     hot_hash_key(x, 1 + i % 7, str_of("alice"),
						  str_make((const char *)&i,
							   sizeof(i))),
				     0, UINT64_MAX),
			id);
	}
	assert_int_equal(hot_find_seq(x, 1, 1, UINT64_MAX), 0);
	for (uint64_t g = 1; g <= 7; g++) {
		assert_int_equal(hot_find_last(x, g, UINT64_MAX),
				 before + 2800 - 7 + g);
		assert_int_equal(hot_find_last(x, g, before + 1407 + g),
				 before + 1407 + g);
		assert_int_equal(hot_find_last(x, g, before + 1399), 0);
	}
	hot_forget(x, before + 2800);
	assert_int_equal(hot_find_last(x, 1, UINT64_MAX), 0);
	hot_index_drop(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(sqlite, sealing_changes_nothing_at_any_step),
		FIXTURE_ON(sqlite, what_is_sealed_goes_on_where_it_was),
		FIXTURE_ON(sqlite, a_view_holds_what_is_sealed_meanwhile),
		FIXTURE_ON(sqlite, what_is_taken_back_was_never_there),
		FIXTURE_ON(sqlite, a_crash_after_any_step_loses_nothing),
		FIXTURE_ON(sqlite, what_a_crash_left_is_passed_over_at_once),
		FIXTURE_ON(sqlite, a_killed_sealer_loses_nothing_acknowledged),
		FIXTURE_ON(sqlite, a_reader_without_a_writer_sees_the_same),
		FIXTURE_ON(sqlite, version_4_gains_a_hot_tier),
		FIXTURE_ON_SQLITE(who_comes_back_has_not_read_what_he_said),
		FIXTURE_ON_SQLITE(keys_outlive_sealing),
		FIXTURE_ON(sqlite, a_large_batch_is_sealed_at_once),
		FIXTURE_ON(sqlite, a_full_disk_stops_sealing_only),
		FIXTURE_ON(sqlite, an_io_error_stops_a_step_only),
		FIXTURE_ON(sqlite, the_hot_tier_is_bounded),
		FIXTURE_ON(sqlite, old_rows_are_sealed_when_there_is_time),
		FIXTURE_ON(sqlite, readers_see_whole_views_while_it_seals),
		FIXTURE_ON(sqlite, ids_have_more_than_32_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
