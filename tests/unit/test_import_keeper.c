/* SPDX-License-Identifier: MIT */
/* What a node does about imports that another node has left in the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "daemon/import_keeper.h"
#include "tests/support/import_fixture.h"

enum { SESSION = 5, START_MS = 1000 };

/* A node without connections; the store's writer is that of another one. */
struct node {
	struct store_fixture f;
	uv_loop_t loop;
	struct store_options options;
	struct sequencer sequencer;
	struct readers readers;
	struct session_host host;
	struct session session;
	struct media media;
	struct import_keeper keeper;
	char notes[128];
	unsigned gone;
	int closed;
};

static void on_event(void *data, struct event *e)
{
	(void)data;
	(void)e;
}

static void on_gone(void *data)
{
	((struct node *)data)->gone++;
}

static int set_up(void **state)
{
	struct node *n = calloc(1, sizeof(*n));
	struct sequencer_options options = { .lanes = 2, .on_event = on_event };
	struct import_keeper_shared shared = { .readers = &n->readers };
	struct err err;

	assert_non_null(n);
	fixture_init(&n->f, "postgres");
	fixture_users(&n->f, "alice");
	uv_loop_init(&n->loop);
	n->options.env = env_system();
	options.url = n->f.url;
	options.store = &n->options;
	assert_int_equal(
		sequencer_start(&n->sequencer, &n->loop, &options, &err), 0);
	assert_int_equal(readers_start(&n->readers, &n->loop, 1, 9, n->f.url,
				       &n->options, &err),
			 0);
	list_init(&n->host.sessions);
	n->session.state = SESSION_READY;
	n->session.serial = SESSION;
	list_push(&n->host.sessions, &n->session.link);
	snprintf(n->notes, sizeof(n->notes), "%s/imports", n->f.dir);
	shared.notes = n->notes;
	n->keeper.on_gone = on_gone;
	n->keeper.data = n;
	assert_int_equal(import_keeper_start(&n->keeper, &n->host,
					     &n->sequencer, &n->media, &shared,
					     &err),
			 0);
	*state = n;
	return 0;
}

static void on_readers_closed(struct readers *r)
{
	container_of(r, struct node, readers)->closed++;
}

static void on_sequencer_closed(struct sequencer *q)
{
	container_of(q, struct node, sequencer)->closed++;
}

static int tear_down(void **state)
{
	struct node *n = *state;

	import_keeper_stop(&n->keeper);
	readers_close(&n->readers, on_readers_closed);
	sequencer_close(&n->sequencer, on_sequencer_closed);
	uv_run(&n->loop, UV_RUN_DEFAULT);
	assert_int_equal(n->closed, 2);
	import_keeper_release(&n->keeper);
	assert_int_equal(uv_loop_close(&n->loop), 0);
	assert_int_equal(rmdir(n->notes), 0);
	fixture_release(&n->f);
	free(n);
	return 0;
}

/* The other node's. */
static uint64_t begin(struct node *n, const char *name)
{
	uint64_t id;

	fixture_begin(&n->f);
	id = import_begin(&n->f, name, 9);
	fixture_commit(&n->f);
	return id;
}

static void leave_all(const struct node *n)
{
	postgres_run(n->f.url,
		     "UPDATE imports SET used=used-interval '61 minutes'");
}

static const char *imports(const struct node *n)
{
	return postgres_run(n->f.url, "SELECT count(*) FROM imports");
}

/* What comes of a look that has begun; so many imports are under way here. */
static void finish(struct node *n, size_t own)
{
	while (n->keeper.looking || n->keeper.count > own)
		uv_run(&n->loop, UV_RUN_ONCE);
}

static void what_another_node_left_is_taken_away(void **state)
{
	struct node *n = *state;

	begin(n, "one");
	begin(n, "two");
	import_keeper_tick(&n->keeper, START_MS);
	finish(n, 0);
	assert_string_equal(imports(n), "2");
	leave_all(n);
	begin(n, "three");
	/* Not before it is time. */
	import_keeper_tick(&n->keeper, START_MS + IMPORT_KEEPER_MS - 1);
	assert_false(n->keeper.looking);
	import_keeper_tick(&n->keeper, START_MS + IMPORT_KEEPER_MS);
	assert_true(n->keeper.looking);
	finish(n, 0);
	assert_string_equal(imports(n), "1");
	assert_int_equal(n->gone, 2);
	fixture_verify(&n->f);
}

/* However long it rests, its session is there. */
static void what_is_under_way_here_is_left_alone(void **state)
{
	struct node *n = *state;
	struct event e = { .kind = EVENT_IMPORTING, .session = SESSION };

	e.group_id = begin(n, "ours");
	import_keeper_event(&n->keeper, &e);
	leave_all(n);
	import_keeper_tick(&n->keeper, START_MS);
	finish(n, 1);
	assert_string_equal(imports(n), "1");
	assert_true(import_keeper_owns(&n->keeper, SESSION, e.group_id));
	assert_int_equal(n->gone, 0);
}

static void what_somebody_comes_back_to_is_left_alone(void **state)
{
	struct node *n = *state;
	struct buf records = { 0 };
	uint64_t id = begin(n, "slow");

	leave_all(n);
	import_keeper_tick(&n->keeper, START_MS);
	/* It is found, and the loop has not heard of it yet. */
	while (readers_load(&n->readers) > 0)
		usleep(1000);
	assert_int_equal(n->keeper.nleft, 1);
	fixture_begin(&n->f);
	import_must(&n->f,
		    import_give(&n->f, store_import_members, id, &records));
	fixture_commit(&n->f);
	finish(n, 0);
	assert_string_equal(imports(n), "1");
	fixture_begin(&n->f);
	import_must(&n->f,
		    import_give(&n->f, store_import_members, id, &records));
	fixture_commit(&n->f);
}

/* Another node deletes a group that leaves a rest, which this one is to take
 * away: more members than go in one step. */
static uint64_t delete_large(struct node *n)
{
	uint64_t g = fixture_group(&n->f, "large", "alice", "");

	postgres_run(n->f.url, "INSERT INTO members SELECT 1,'user'||n,0,0,0,0 "
			       "FROM generate_series(1,500) n");
	fixture_begin(&n->f);
	assert_int_equal(
		store_delete_group(n->f.s, g, str_of("alice"), &n->f.err), 1);
	assert_int_equal(import_keeper_note(&n->keeper, g, &n->f.err), 0);
	fixture_commit(&n->f);
	return g;
}

/* Until the look with which it begins is over: something that is not there is
 * taken away behind it, on the same lane. */
static void begin_keeping(struct node *n)
{
	const struct event none = { .kind = EVENT_DELETED, .more = true };

	import_keeper_event(&n->keeper, &none);
	finish(n, 0);
	n->gone = 0;
}

static void the_rest_of_a_deleted_group_is_taken_away(void **state)
{
	struct node *n = *state;
	struct event e = { .kind = EVENT_DELETED, .more = true };

	begin_keeping(n);
	e.group_id = delete_large(n);
	import_keeper_event(&n->keeper, &e);
	finish(n, 0);
	assert_string_equal(imports(n), "0");
	assert_int_equal(n->gone, 1);
	fixture_verify(&n->f);
}

static void so_it_is_at_the_next_start(void **state)
{
	struct node *n = *state;
	struct import_keeper_shared shared = { .readers = &n->readers,
					       .notes = n->notes };
	struct err err;

	begin_keeping(n);
	delete_large(n);
	import_keeper_release(&n->keeper);
	assert_int_equal(import_keeper_start(&n->keeper, &n->host,
					     &n->sequencer, &n->media, &shared,
					     &err),
			 0);
	while (n->gone == 0)
		uv_run(&n->loop, UV_RUN_ONCE);
	assert_string_equal(imports(n), "0");
	fixture_verify(&n->f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_another_node_left_is_taken_away),
		TEST(what_is_under_way_here_is_left_alone),
		TEST(what_somebody_comes_back_to_is_left_alone),
		TEST(the_rest_of_a_deleted_group_is_taken_away),
		TEST(so_it_is_at_the_next_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
