/* SPDX-License-Identifier: MIT */
/*
 * Two nodes on one store: an import is its node's, a file that one drops while
 * the other drops or adds it is garbage exactly when nobody has it, old
 * messages are taken once, whoever is at it, and of two that wait for each
 * other one is told to begin again.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/import_fixture.h"

static void an_import_of_another_node_is_left_alone(void **state)
{
	struct store_fixture *f = *state;
	struct store *other = fixture_open(f, false);
	struct buf records = { 0 };
	uint64_t found = 0;
	uint64_t id;

	fixture_users(f, "alice");
	fixture_begin(f);
	id = import_begin(f, "copy", 9);
	fixture_commit(f);
	assert_int_equal(store_next_import(f->s, 0, &found, &f->err), 1);
	assert_int_equal(found, id);
	assert_int_equal(store_next_import(other, 0, &found, &f->err), 0);
	postgres_run(f->url,
		     "UPDATE imports SET used=used-interval '61 minutes'");
	assert_int_equal(store_next_import(other, 0, &found, &f->err), 1);
	assert_int_equal(found, id);
	/* Somebody goes on with it. */
	fixture_begin(f);
	import_must(f, import_give(f, store_import_members, id, &records));
	fixture_commit(f);
	assert_int_equal(store_next_import(other, 0, &found, &f->err), 0);
	store_close(other);
}

/* What the other node does meanwhile. */
struct other {
	struct store *s;
	uint64_t group_id;
	bool add; /* or it deletes the group */
	int rc;
	struct err err;
};

static void *run_other(void *data)
{
	struct other *o = data;
	struct store_media op = { .group_id = o->group_id,
				  .user = str_of("alice"),
				  .name = str_of("new"),
				  .size = 10 };

	memset(op.hash, 7, sizeof(op.hash));
	o->rc = store_begin(o->s, &o->err);
	if (o->rc == 0 && o->add)
		o->rc = store_add_media(o->s, &op, &o->err);
	else if (o->rc == 0)
		o->rc = store_delete_group(o->s, o->group_id, op.user, &o->err);
	if (o->rc == 0)
		o->rc = store_commit(o->s, &o->err);
	return NULL;
}

static void add_file(struct store_fixture *f, uint64_t g)
{
	struct store_media op = { .group_id = g,
				  .user = str_of("alice"),
				  .name = str_of("old"),
				  .size = 10 };

	memset(op.hash, 7, sizeof(op.hash));
	fixture_begin(f);
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	fixture_commit(f);
}

/* One deletes the group `mine`, and before it commits, the other waits. */
static void do_at_once(struct store_fixture *f, uint64_t mine, uint64_t others,
		       bool add)
{
	struct other o = { .s = fixture_open(f, false),
			   .group_id = others,
			   .add = add };
	pthread_t thread;

	fixture_begin(f);
	assert_int_equal(
		store_delete_group(f->s, mine, str_of("alice"), &f->err), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_other, &o), 0);
	/* It may also be done with it, which is what the test is about. */
	for (int i = 0;
	     i < 200 &&
	     strcmp(postgres_run(f->url,
				 "SELECT count(*) FROM pg_stat_activity "
				 "WHERE wait_event_type='Lock'"),
		    "0") == 0;
	     i++)
		usleep(1000);
	fixture_commit(f);
	pthread_join(thread, NULL);
	if (o.rc < 0)
		fail_msg("the other: %s", o.err.text);
	store_close(o.s);
}

static void a_file_that_two_drop_at_once_is_garbage(void **state)
{
	struct store_fixture *f = *state;
	uint8_t hash[STORE_HASH];
	uint64_t one, two;

	fixture_users(f, "alice");
	one = fixture_group(f, "one", "alice", "");
	two = fixture_group(f, "two", "alice", "");
	add_file(f, one);
	add_file(f, two);
	do_at_once(f, one, two, false);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 1);
	assert_int_equal(hash[0], 7);
	fixture_verify(f);
}

static void a_file_that_another_adds_meanwhile_is_none(void **state)
{
	struct store_fixture *f = *state;
	uint8_t hash[STORE_HASH];
	uint64_t one, two;

	fixture_users(f, "alice");
	one = fixture_group(f, "one", "alice", "");
	two = fixture_group(f, "two", "alice", "");
	add_file(f, one);
	do_at_once(f, one, two, true);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 0);
	fixture_verify(f);
}

static void garbage_that_one_takes_is_not_taken_by_two(void **state)
{
	struct store_fixture *f = *state;
	struct store *other = fixture_open(f, false);
	uint8_t hash[STORE_HASH];
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "one", "alice", "");
	add_file(f, g);
	fixture_begin(f);
	assert_int_equal(store_delete_group(f->s, g, str_of("alice"), &f->err),
			 0);
	fixture_commit(f);
	fixture_begin(f);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 1);
	assert_int_equal(store_begin(other, &f->err), 0);
	assert_int_equal(store_next_garbage(other, NULL, hash, &f->err), 0);
	store_rollback(other);
	assert_int_equal(store_drop_garbage(f->s, hash, &f->err), 0);
	fixture_commit(f);
	store_close(other);
}

enum { SENT = 60, HELD = 4 };

/* Messages 1 to SENT, each with a file; those of the other group too. */
static uint64_t make_log(struct store_fixture *f, const char *name)
{
	uint64_t g = fixture_group(f, name, "alice", "bob");

	fixture_begin(f);
	for (int i = 1; i <= SENT; i++) {
		struct store_media op = { .group_id = g,
					  .user = str_of("alice"),
					  .content = str_of("@bob"),
					  .size = 10 };
		char file[16];

		snprintf(file, sizeof(file), "f%d", i);
		op.name = str_of(file);
		memset(op.hash, i, sizeof(op.hash));
		assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	}
	fixture_commit(f);
	return g;
}

static int trim_few(struct store *s, struct store_trim *op, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc == 0)
		rc = store_trim(s, op, err);
	return rc == 0 ? store_commit(s, err) : rc;
}

static void who_comes_to_a_trim_takes_nothing_and_waits_for_nobody(void **state)
{
	struct store_fixture *f = *state;
	struct store *other = fixture_open(f, false);
	struct store_trim mine = { .keep = { .messages = HELD }, .limit = 7 };
	struct store_trim others;

	fixture_users(f, "alice bob");
	mine.group_id = make_log(f, "one");
	others = mine;
	fixture_begin(f);
	assert_int_equal(store_trim(f->s, &mine, &f->err), 0);
	assert_int_equal(mine.trimmed, 7);
	assert_int_equal(trim_few(other, &others, &f->err), 0);
	assert_int_equal(others.trimmed, 0);
	assert_int_equal(others.left, 0);
	assert_int_equal(others.first_seq, 1);
	fixture_commit(f);
	assert_int_equal(trim_few(other, &others, &f->err), 0);
	assert_int_equal(others.trimmed, 7);
	assert_int_equal(others.first_seq, 15);
	assert_int_equal(others.left, SENT - HELD - 14);
	store_close(other);
	fixture_verify(f);
}

struct sweeper {
	struct store *s;
	uint64_t groups[2];
	uint64_t took;
	int rc;
	struct err err;
};

static void *sweep(void *data)
{
	struct sweeper *w = data;
	bool done = false;

	while (w->rc == 0 && !done) {
		done = true;
		for (int i = 0; w->rc == 0 && i < 2; i++) {
			struct store_trim op = { .group_id = w->groups[i],
						 .keep = { .messages = HELD },
						 .limit = 1 };

			w->rc = trim_few(w->s, &op, &w->err);
			w->took += op.trimmed;
			done = done && op.first_seq == SENT - HELD + 1;
		}
	}
	return NULL;
}

static void two_that_sweep_at_once_take_everything_once(void **state)
{
	struct store_fixture *f = *state;
	struct sweeper w[2] = { 0 };
	pthread_t threads[2];
	uint8_t hash[STORE_HASH];
	int garbage = 0;

	fixture_users(f, "alice bob");
	w[0].groups[0] = make_log(f, "one");
	w[0].groups[1] = make_log(f, "two");
	memcpy(w[1].groups, w[0].groups, sizeof(w[1].groups));
	for (int i = 0; i < 2; i++) {
		w[i].s = fixture_open(f, false);
		assert_int_equal(
			pthread_create(&threads[i], NULL, sweep, &w[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		if (w[i].rc < 0)
			fail_msg("sweeper %d: %s", i, w[i].err.text);
		store_close(w[i].s);
	}
	assert_int_equal(w[0].took + w[1].took, 2 * (SENT - HELD));
	for (int i = 0; i < 2; i++) {
		struct wire_group g = fixture_find(f, w[0].groups[i], "bob");

		assert_int_equal(g.first_seq, SENT - HELD + 1);
		assert_int_equal(g.mentions, HELD);
	}
	fixture_verify(f);
	/* Both had each file. */
	fixture_begin(f);
	while (store_next_garbage(f->s, NULL, hash, &f->err) > 0) {
		garbage++;
		assert_int_equal(store_drop_garbage(f->s, hash, &f->err), 0);
	}
	fixture_commit(f);
	assert_int_equal(garbage, SENT - HELD);
}

struct adding {
	struct store *s;
	const char *name;
	int rc;
	struct err err;
};

static void *run_adding(void *data)
{
	struct adding *a = data;
	bool added;

	a->rc = store_add_user(a->s, str_of(a->name), &added, &a->err);
	return NULL;
}

/* Each waits for the other: one of them is undone, is said to be, and can be
 * run again. */
static void one_of_two_that_wait_for_each_other_is_undone(void **state)
{
	struct store_fixture *f = *state;
	struct adding mine = { .s = f->s, .name = "bob" };
	struct adding others = { .s = fixture_open(f, false), .name = "alice" };
	struct adding *loser;
	struct err err;
	pthread_t thread;
	bool added;

	fixture_begin(f);
	assert_false(store_was_undone(f->s));
	assert_int_equal(store_begin(others.s, &err), 0);
	assert_int_equal(store_add_user(f->s, str_of("alice"), &added, &err),
			 0);
	assert_int_equal(store_add_user(others.s, str_of("bob"), &added, &err),
			 0);
	assert_int_equal(pthread_create(&thread, NULL, run_adding, &others), 0);
	run_adding(&mine);
	/* Who is left waits for no longer than that. */
	if (mine.rc < 0)
		store_rollback(f->s);
	pthread_join(thread, NULL);
	assert_true((mine.rc < 0) != (others.rc < 0));
	loser = mine.rc < 0 ? &mine : &others;
	assert_int_equal(loser->err.code, ERR_UNAVAILABLE);
	assert_int_equal(store_was_undone(f->s), loser == &mine);
	assert_int_equal(store_was_undone(others.s), loser == &others);
	store_rollback(f->s);
	store_rollback(others.s);
	assert_int_equal(store_begin(loser->s, &err), 0);
	assert_false(store_was_undone(loser->s));
	run_adding(loser);
	assert_int_equal(loser->rc, 0);
	store_rollback(loser->s);
	store_close(others.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(postgres, an_import_of_another_node_is_left_alone),
		FIXTURE_ON(postgres, a_file_that_two_drop_at_once_is_garbage),
		FIXTURE_ON(postgres,
			   a_file_that_another_adds_meanwhile_is_none),
		FIXTURE_ON(postgres,
			   garbage_that_one_takes_is_not_taken_by_two),
		FIXTURE_ON(
			postgres,
			who_comes_to_a_trim_takes_nothing_and_waits_for_nobody),
		FIXTURE_ON(postgres,
			   two_that_sweep_at_once_take_everything_once),
		FIXTURE_ON(postgres,
			   one_of_two_that_wait_for_each_other_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
