/* SPDX-License-Identifier: MIT */
/*
 * The store as a whole: counted, copied under writers, renewed, exchanged.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/store_fixture.h"

static uint64_t add_file(struct store_fixture *f, uint64_t g, const char *name,
			 uint8_t byte)
{
	struct store_media op = { .group_id = g,
				  .user = str_of("alice"),
				  .name = str_of(name),
				  .size = 1000 + byte };

	memset(op.hash, byte, sizeof(op.hash));
	fixture_begin(f);
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	fixture_commit(f);
	return op.media_id;
}

static void say(struct store_fixture *f, uint64_t g, const char *text)
{
	struct wire_body_sent sent;

	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", text, "", &sent), 0);
	fixture_commit(f);
}

/* Two groups, five messages of which three are files of two contents. */
static uint64_t fill(struct store_fixture *f)
{
	uint64_t g, other;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "team", "alice", "bob");
	other = fixture_group(f, "ops", "alice", "");
	say(f, g, "one");
	say(f, g, "two");
	add_file(f, g, "b", 2);
	add_file(f, g, "a", 1);
	add_file(f, other, "c", 2);
	return g;
}

static int take_content(void *data, const uint8_t hash[STORE_HASH],
			uint64_t size)
{
	buf_printf(data, "%d %" PRIu64 "; ", hash[0], size);
	return 0;
}

static void all_is_counted_and_each_content_once(void **state)
{
	struct store_fixture *f = *state;
	struct store_totals t;
	struct buf text = { 0 };

	assert_int_equal(store_count_all(f->s, &t, &f->err), 0);
	assert_int_equal(t.groups + t.users + t.messages + t.media, 0);
	fill(f);
	assert_int_equal(store_count_all(f->s, &t, &f->err), 0);
	assert_int_equal(t.groups, 2);
	assert_int_equal(t.users, 2);
	assert_int_equal(t.messages, 5);
	assert_int_equal(t.media, 2);
	assert_int_equal(t.media_bytes, 1001 + 1002);
	assert_int_equal(
		store_list_contents(f->s, take_content, &text, &f->err), 0);
	assert_string_equal(buf_cstr(&text), "1 1001; 2 1002; ");
	buf_release(&text);
}

static uint64_t identity_of(struct store *s)
{
	uint64_t identity = 0;
	struct err err;

	assert_int_equal(store_identity(s, &identity, &err), 0);
	assert_true(identity != 0);
	return identity;
}

static void renewing_changes_epochs_and_identity_alone(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = fill(f);
	struct wire_group before = fixture_find(f, g, "alice");
	uint64_t epoch = before.epoch, last = before.last_seq;
	uint64_t identity = identity_of(f->s);
	struct wire_group after;

	assert_true(identity_of(f->s) == identity);
	fixture_begin(f);
	assert_int_equal(store_renew(f->s, &f->err), 0);
	fixture_commit(f);
	after = fixture_find(f, g, "alice");
	assert_true(after.epoch != epoch);
	assert_int_equal(after.last_seq, last);
	assert_true(fixture_find(f, g + 1, "alice").epoch != after.epoch);
	assert_true(identity_of(f->s) != identity);
	fixture_verify(f);
}

/* Nobody else may go on with what he knew of it. */
static void a_shared_store_is_not_renewed(void **state)
{
	struct store_fixture *f = *state;
	uint64_t identity = identity_of(f->s);

	fixture_begin(f);
	assert_int_equal(store_renew(f->s, &f->err), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	assert_non_null(strstr(f->err.text, "groupd-cluster(7)"));
	fixture_commit(f);
	assert_true(identity_of(f->s) == identity);
}

static void a_reader_cannot_renew(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);

	assert_int_equal(store_renew(reader, &f->err), -EINVAL);
	store_close(reader);
}

static void a_store_in_no_file_is_not_copied(void **state)
{
	struct store_fixture *f = *state;
	const struct store_copy copy = { .path = "/nonexistent/copy" };
	struct buf path = { 0 };

	assert_int_equal(store_snapshot(f->s, &f->err), 0);
	assert_int_equal(store_copy(f->s, &copy, &f->err), -EINVAL);
	store_release(f->s);
	assert_int_equal(store_file(f->url, &path, &f->err), -EINVAL);
	assert_int_equal(store_exchange(f->url, "a", "b", &f->err), -EINVAL);
}

/* SQLite. */

static char *path_of(const struct store_fixture *f, const char *name)
{
	static char paths[4][192];
	static size_t next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name);
	return path;
}

static void remove_store(const struct store_fixture *f, const char *name)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s", path_of(f, name),
			 suffixes[i]);
		unlink(path);
	}
}

static struct store *open_named(struct store_fixture *f, const char *name)
{
	const struct store_options options = { .env = &f->env };
	char url[256];
	struct store *s = NULL;

	snprintf(url, sizeof(url), "sqlite:%s", path_of(f, name));
	if (store_open(&s, url, &options, &f->err) < 0)
		fail_msg("%s: %s", url, f->err.text);
	return s;
}

static int take_seq(void *data, const struct wire_message *m)
{
	*(uint64_t *)data = m->seq;
	return 0;
}

static uint64_t last_of(struct store *s, uint64_t g)
{
	uint64_t last = 0;
	struct err err;

	assert_int_equal(store_scan(s, g, 0, take_seq, &last, &err), 0);
	return last;
}

/* Somebody else writes between any two steps. */
struct busy {
	struct store_fixture *f;
	uint64_t group_id;
	unsigned steps;
	uint64_t done;
	bool give_up;
};

static bool step_busy(void *data, uint64_t done, uint64_t total)
{
	struct busy *b = data;

	assert_true(done >= b->done && done <= total);
	b->done = done;
	b->steps++;
	say(b->f, b->group_id, "written meanwhile");
	return b->give_up;
}

static void no_problem(void *data, const char *text)
{
	(void)data;
	fail_msg("%s", text);
}

/* Large enough for several steps. */
static void fill_large(struct store_fixture *f, uint64_t g)
{
	static char text[60000];
	struct wire_body_sent sent;

	memset(text, 'x', sizeof(text) - 1);
	fixture_begin(f);
	for (int i = 0; i < 300; i++)
		assert_int_equal(fixture_say(f, g, "alice", text, "", &sent),
				 0);
	fixture_commit(f);
}

static void a_copy_is_what_the_snapshot_sees(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = fill(f);
	struct busy busy = { .f = f, .group_id = g };
	const struct store_copy copy = { .path = path_of(f, "copy.db"),
					 .step = step_busy,
					 .data = &busy };
	struct store_verify verify = { .problem = no_problem };
	struct store *reader;
	struct store *copied;
	struct stat st;
	uint64_t last;

	fill_large(f, g);
	last = last_of(f->s, g);
	reader = fixture_open(f, true);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	say(f, g, "after the snapshot");
	assert_int_equal(store_copy(reader, &copy, &f->err), 0);
	store_release(reader);
	store_close(reader);
	assert_true(busy.steps > 2);
	assert_int_equal(stat(copy.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(busy.done, st.st_size);
	copied = open_named(f, "copy.db");
	assert_int_equal(last_of(copied, g), last);
	assert_int_equal(last_of(f->s, g), last + 1 + busy.steps);
	assert_int_equal(store_verify(copied, &verify, &f->err), 0);
	assert_int_equal(verify.messages, last + 1);
	assert_true(identity_of(copied) == identity_of(f->s));
	store_close(copied);
	remove_store(f, "copy.db");
}

static void a_copy_that_is_given_up_leaves_nothing(void **state)
{
	struct store_fixture *f = *state;
	struct busy busy = { .f = f, .give_up = true };
	const struct store_copy copy = { .path = path_of(f, "copy.db"),
					 .step = step_busy,
					 .data = &busy };
	struct store *reader;

	busy.group_id = fill(f);
	fill_large(f, busy.group_id);
	reader = fixture_open(f, true);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	assert_int_equal(store_copy(reader, &copy, &f->err), -ECANCELED);
	store_release(reader);
	store_close(reader);
	assert_int_equal(busy.steps, 1);
	assert_int_equal(access(copy.path, F_OK), -1);
}

static void a_copy_overwrites_nothing(void **state)
{
	struct store_fixture *f = *state;
	const struct store_copy copy = { .path = f->path };
	struct store *reader = fixture_open(f, true);

	assert_int_equal(store_snapshot(reader, &f->err), 0);
	assert_int_equal(store_copy(reader, &copy, &f->err), -EIO);
	store_release(reader);
	store_close(reader);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void the_identity_is_kept(void **state)
{
	struct store_fixture *f = *state;
	uint64_t identity = identity_of(f->s);

	fixture_reopen(f);
	assert_true(identity_of(f->s) == identity);
}

/* The old store (7 messages, the last two in its log alone), and a fresh one
 * (1 message). Returns with the writer closed, as a crash leaves it. */
static void set_up_exchange(struct store_fixture *f)
{
	struct store *reader;
	struct store_fixture fresh = *f;
	uint64_t g = fill(f);

	say(f, g, "six");
	say(f, g, "seven");
	/* Who reads keeps the writer's end from merging the log. */
	reader = fixture_open(f, true);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	store_close(f->s);
	f->s = NULL;
	store_close(reader);
	fresh.s = open_named(f, "fresh.db");
	fixture_users(&fresh, "alice");
	g = fixture_group(&fresh, "team", "alice", "");
	say(&fresh, g, "restored");
	store_close(fresh.s);
	unlink(path_of(f, "fresh.db.lock"));
}

static void assert_exchanged(struct store_fixture *f)
{
	struct store *kept = open_named(f, "kept.db");
	struct store_totals t;

	assert_int_equal(store_count_all(kept, &t, &f->err), 0);
	assert_int_equal(t.messages, 7);
	store_close(kept);
	f->s = fixture_open(f, false);
	assert_int_equal(store_count_all(f->s, &t, &f->err), 0);
	assert_int_equal(t.messages, 1);
	fixture_verify(f);
	assert_int_equal(access(path_of(f, "fresh.db"), F_OK), -1);
	remove_store(f, "kept.db");
}

static void move(const struct store_fixture *f, const char *from,
		 const char *to)
{
	assert_int_equal(rename(path_of(f, from), path_of(f, to)), 0);
}

/* Each row is what a crash after that many of its steps leaves. */
static void an_exchange_goes_on_from_any_point(void **state)
{
	struct store_fixture *f = *state;

	for (int steps = 0; steps <= 4; steps++) {
		set_up_exchange(f);
		assert_int_equal(access(path_of(f, "test.db-wal"), F_OK), 0);
		if (steps > 0)
			move(f, "test.db", "kept.db");
		if (steps > 1)
			move(f, "test.db-wal", "kept.db-wal");
		if (steps > 2)
			unlink(path_of(f, "test.db-shm"));
		if (steps > 3)
			move(f, "fresh.db", "test.db");
		for (int again = 0; again < 2; again++)
			assert_int_equal(
				store_exchange(f->url, path_of(f, "fresh.db"),
					       path_of(f, "kept.db"), &f->err),
				0);
		assert_exchanged(f);
		store_close(f->s);
		remove_store(f, "test.db");
		f->s = fixture_open(f, false);
	}
}

static void an_exchange_needs_no_old_store(void **state)
{
	struct store_fixture *f = *state;

	set_up_exchange(f);
	remove_store(f, "test.db");
	assert_int_equal(store_exchange(f->url, path_of(f, "fresh.db"),
					path_of(f, "kept.db"), &f->err),
			 0);
	assert_int_equal(access(path_of(f, "kept.db"), F_OK), -1);
	f->s = fixture_open(f, false);
	fixture_verify(f);
}

static void a_store_that_is_written_is_not_exchanged(void **state)
{
	struct store_fixture *f = *state;

	set_up_exchange(f);
	f->s = fixture_open(f, false);
	assert_int_equal(store_exchange(f->url, path_of(f, "fresh.db"),
					path_of(f, "kept.db"), &f->err),
			 -EBUSY);
	assert_int_equal(access(path_of(f, "fresh.db"), F_OK), 0);
	assert_int_equal(last_of(f->s, 1), 6);
	remove_store(f, "fresh.db");
}

static void what_is_kept_overwrites_nothing(void **state)
{
	struct store_fixture *f = *state;

	set_up_exchange(f);
	assert_int_equal(link(path_of(f, "fresh.db"), path_of(f, "kept.db")),
			 0);
	assert_int_equal(store_exchange(f->url, path_of(f, "fresh.db"),
					path_of(f, "kept.db"), &f->err),
			 -EIO);
	remove_store(f, "kept.db");
	remove_store(f, "fresh.db");
	f->s = fixture_open(f, false);
	assert_int_equal(last_of(f->s, 1), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(all_is_counted_and_each_content_once),
		FIXTURE_ON(sqlite, renewing_changes_epochs_and_identity_alone),
		FIXTURE_ON(memory, renewing_changes_epochs_and_identity_alone),
		FIXTURE_ON(postgres, a_shared_store_is_not_renewed),
		FIXTURE_ON_EACH(a_reader_cannot_renew),
		FIXTURE_ON(memory, a_store_in_no_file_is_not_copied),
		FIXTURE_ON(postgres, a_store_in_no_file_is_not_copied),
		FIXTURE_ON(sqlite, a_copy_is_what_the_snapshot_sees),
		FIXTURE_ON(sqlite, a_copy_that_is_given_up_leaves_nothing),
		FIXTURE_ON(sqlite, a_copy_overwrites_nothing),
		FIXTURE_ON(sqlite, the_identity_is_kept),
		FIXTURE_ON(postgres, the_identity_is_kept),
		FIXTURE_ON(sqlite, an_exchange_goes_on_from_any_point),
		FIXTURE_ON(sqlite, an_exchange_needs_no_old_store),
		FIXTURE_ON(sqlite, a_store_that_is_written_is_not_exchanged),
		FIXTURE_ON(sqlite, what_is_kept_overwrites_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
