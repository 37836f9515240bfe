/* SPDX-License-Identifier: MIT */
/*
 * Two nodes on one store: an import is its node's, a file that one drops while
 * the other drops or adds it is garbage exactly when nobody has it, and of two
 * that wait for each other one is told to begin again.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
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
	assert_int_equal(store_next_garbage(f->s, hash, &f->err), 1);
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
	assert_int_equal(store_next_garbage(f->s, hash, &f->err), 0);
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
	assert_int_equal(store_next_garbage(f->s, hash, &f->err), 1);
	assert_int_equal(store_begin(other, &f->err), 0);
	assert_int_equal(store_next_garbage(other, hash, &f->err), 0);
	store_rollback(other);
	assert_int_equal(store_drop_garbage(f->s, hash, &f->err), 0);
	fixture_commit(f);
	store_close(other);
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
		FIXTURE_ON(postgres,
			   one_of_two_that_wait_for_each_other_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
