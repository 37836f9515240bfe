/* SPDX-License-Identifier: MIT */
/*
 * A restore that is ready is done at the next start, whatever crash came in
 * between.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/restore.h"
#include "daemon/restore_files.h"
#include "daemon/staging.h"
#include "tests/support/store_fixture.h"

#define STAMP "20261124T120003.120Z"

struct scene {
	struct store_fixture f;
	struct config config;
};

static const char *at(const struct scene *s, const char *name)
{
	static char paths[4][256];
	static size_t next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", s->f.dir, name);
	return path;
}

static bool is_there(const struct scene *s, const char *name)
{
	return access(at(s, name), F_OK) == 0;
}

static void put(const struct scene *s, const char *name, const char *text)
{
	FILE *file = fopen(at(s, name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

/* A store with one group of that name. */
static void make_store(struct scene *s, const char *file, const char *group)
{
	struct store_fixture f = s->f;

	snprintf(f.url, sizeof(f.url), "sqlite:%s", at(s, file));
	f.s = fixture_open(&f, false);
	fixture_users(&f, "alice");
	fixture_group(&f, group, "alice", "");
	store_close(f.s);
}

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	fixture_init(&s->f, "sqlite");
	store_close(s->f.s);
	s->f.s = NULL;
	unlink(s->f.path);
	unlink(at(s, "test.db.lock")); /* or it is a store that was emptied */
	snprintf(s->config.data, sizeof(s->config.data), "%s", s->f.dir);
	snprintf(s->config.store, sizeof(s->config.store), "%s", s->f.url);
	make_store(s, "test.db", "before");
	assert_int_equal(mkdir(at(s, "media"), 0700), 0);
	put(s, "media/old", "old");
	assert_int_equal(mkdir(at(s, "restore"), 0700), 0);
	assert_int_equal(mkdir(at(s, "restore/media"), 0700), 0);
	put(s, "restore/media/new", "new");
	make_store(s, "restore/groupd.db", "restored");
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	store_close(s->f.s);
	staging_remove(s->f.dir);
	free(s);
	return 0;
}

static void make_ready(struct scene *s)
{
	const struct restore_files files = {
		.id = 77, .stamp = "2026-11-24T12:00:03.120Z"
	};

	assert_int_equal(
		restore_files_strip(at(s, "restore/groupd.db"), &s->f.err), 0);
	assert_int_equal(restore_files_ready(s->f.dir, &files, &s->f.err), 0);
	assert_false(is_there(s, "restore"));
}

static bool has_group(struct scene *s, const char *file, const char *group)
{
	struct store_fixture f = s->f;
	struct wire_group found;
	bool there;

	snprintf(f.url, sizeof(f.url), "sqlite:%s", at(s, file));
	f.s = fixture_open(&f, false);
	there = store_find_group(f.s, 0, str_of(group), str_of("alice"), &found,
				 &f.err) == 0;
	store_close(f.s);
	return there;
}

static void assert_restored(struct scene *s)
{
	struct restore_files files;

	assert_true(has_group(s, "test.db", "restored"));
	assert_true(has_group(s, "test.db.before-restore-" STAMP, "before"));
	assert_true(is_there(s, "media/new"));
	assert_true(is_there(s, "media.before-restore-" STAMP "/old"));
	assert_false(is_there(s, "restore.ready"));
	assert_true(restore_files_was_done(s->f.dir, 77, &files));
	assert_string_equal(files.stamp, "2026-11-24T12:00:03.120Z");
	assert_false(restore_files_was_done(s->f.dir, 78, &files));
}

static void what_is_not_ready_is_not_done(void **state)
{
	struct scene *s = *state;

	assert_int_equal(restore_apply(&s->config, &s->f.err), 0);
	assert_true(has_group(s, "test.db", "before"));
	assert_true(is_there(s, "media/old"));
	assert_false(is_there(s, "last-restore"));
}

static void what_is_ready_is_done_once(void **state)
{
	struct scene *s = *state;

	make_ready(s);
	assert_int_equal(restore_apply(&s->config, &s->f.err), 0);
	assert_int_equal(restore_apply(&s->config, &s->f.err), 0);
	assert_restored(s);
}

static void move(struct scene *s, const char *from, const char *to)
{
	assert_int_equal(rename(at(s, from), at(s, to)), 0);
}

/* Each row is what a crash after that many of the steps leaves. */
static void it_is_done_from_any_point_on(void **state)
{
	static const char *const steps[][2] = {
		{ "test.db", "test.db.before-restore-" STAMP },
		{ "restore.ready/groupd.db", "test.db" },
		{ "media", "media.before-restore-" STAMP },
		{ "restore.ready/media", "media" },
		{ "restore.ready/complete", "last-restore" },
	};
	enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

	for (size_t done = 0; done <= STEPS; done++) {
		struct scene *s = *state;

		make_ready(s);
		for (size_t i = 0; i < done; i++)
			move(s, steps[i][0], steps[i][1]);
		assert_int_equal(restore_apply(&s->config, &s->f.err), 0);
		assert_restored(s);
		tear_down(state);
		set_up(state);
	}
}

static void a_machine_without_a_store_gets_one(void **state)
{
	struct scene *s = *state;

	make_ready(s);
	unlink(s->f.path);
	staging_remove(at(s, "media"));
	assert_int_equal(restore_apply(&s->config, &s->f.err), 0);
	assert_true(has_group(s, "test.db", "restored"));
	assert_true(is_there(s, "media/new"));
}

static void another_groupd_is_not_robbed_of_its_store(void **state)
{
	struct scene *s = *state;

	make_ready(s);
	s->f.s = fixture_open(&s->f, false);
	assert_int_equal(restore_apply(&s->config, &s->f.err), -EBUSY);
	assert_true(is_there(s, "restore.ready/groupd.db"));
	assert_true(is_there(s, "media/old"));
}

static void a_note_that_says_nothing_stops_the_start(void **state)
{
	struct scene *s = *state;

	make_ready(s);
	put(s, "restore.ready/complete", "x\n");
	assert_true(restore_apply(&s->config, &s->f.err) < 0);
	assert_true(has_group(s, "test.db", "before"));
}

static void a_database_with_a_log_is_not_made_ready(void **state)
{
	struct scene *s = *state;

	put(s, "restore/groupd.db-wal", "frames");
	assert_true(restore_files_strip(at(s, "restore/groupd.db"), &s->f.err) <
		    0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_not_ready_is_not_done),
		T(what_is_ready_is_done_once),
		T(it_is_done_from_any_point_on),
		T(a_machine_without_a_store_gets_one),
		T(another_groupd_is_not_robbed_of_its_store),
		T(a_note_that_says_nothing_stops_the_start),
		T(a_database_with_a_log_is_not_made_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
