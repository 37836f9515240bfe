/* SPDX-License-Identifier: MIT */
/*
 * What one node has to know of the others that share its database, and of
 * groupctl migrate: connections, windows, clocks, who writes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/store_fixture.h"

#define HOUR UINT64_C(3600000)

/* How many may connect to the database; -1: any number. */
static void limit_connections(const struct store_fixture *f, int count)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I "
		 "CONNECTION LIMIT %d',current_database()); END $$",
		 count);
	postgres_run(f->url, sql);
}

static void midnight_needs_no_connection_to_be_free(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	/* In its last hour a day makes the next. */
	f->now_ms += 24 * HOUR - f->now_ms % (24 * HOUR) - 1;
	fixture_begin(f);
	fixture_commit(f);
	limit_connections(f, 1);
	f->now_ms++;
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "id", NULL), 0);
	fixture_commit(f);
	/* What is not there has to be made. */
	f->now_ms += 24 * HOUR;
	assert_true(store_reach(f->s, &f->err) < 0);
	assert_non_null(strstr(f->err.text, "too many connections"));
	/* Which is for the log: a user is not told of the database. */
	assert_true(store_begin(f->s, &f->err) < 0);
	assert_string_equal(f->err.text, "The store cannot be reached now");
	limit_connections(f, -1);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "id2", NULL), 0);
	fixture_commit(f);
}

/* Opened as a node opens it; what it warns of. */
struct node {
	struct store *s;
	char warned[ERR_TEXT_MAX];
	unsigned warnings;
};

static void on_warning(void *data, const char *text)
{
	struct node *n = data;

	snprintf(n->warned, sizeof(n->warned), "%s", text);
	n->warnings++;
}

static int open_node(struct store_fixture *f, struct node *n,
		     struct store_options options)
{
	*n = (struct node){ 0 };
	options.env = &f->env;
	options.warn = on_warning;
	options.warn_data = n;
	return store_open(&n->s, f->url, &options, &f->err);
}

/* Whether alice's message of that id had been stored before. */
static bool is_known(struct store_fixture *f, struct store *s, uint64_t g,
		     const char *id)
{
	struct store *own = f->s;
	struct wire_body_sent sent;

	f->s = s;
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", id, &sent), 0);
	fixture_commit(f);
	f->s = own;
	return sent.duplicate != 0;
}

static void the_longest_window_holds_for_all(void **state)
{
	struct store_fixture *f = *state;
	struct node wide;
	struct node narrow;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	assert_false(is_known(f, f->s, g, "a"));
	assert_int_equal(
		open_node(f, &wide,
			  (struct store_options){ .dedupe_window_ms =
							  7 * 24 * HOUR - 1 }),
		0);
	/* At once, though the others have not heard of it yet. */
	assert_false(is_known(f, wide.s, g, "b"));
	assert_true(is_known(f, f->s, g, "b"));
	assert_true(is_known(f, wide.s, g, "a"));
	for (unsigned day = 1; day <= 7; day++) {
		f->now_ms += 24 * HOUR;
		assert_true(is_known(f, f->s, g, "a"));
		assert_true(is_known(f, wide.s, g, "b"));
	}
	assert_int_equal(wide.warnings, 0);
	store_close(wide.s);
	/* Who comes later is told, and keeps to it. */
	assert_int_equal(open_node(f, &narrow, (struct store_options){ 0 }), 0);
	assert_non_null(strstr(narrow.warned, "dedupe_window of 7 days"));
	assert_true(is_known(f, narrow.s, g, "b"));
	for (unsigned day = 1; day <= 8; day++) {
		f->now_ms += 24 * HOUR;
		assert_true(is_known(f, narrow.s, g, "b") == (day > 1));
	}
	assert_int_equal(narrow.warnings, 1);
	store_close(narrow.s);
	assert_string_equal(postgres_run(f->url, "SELECT count(*) FROM dedupe "
						 "WHERE key='ia'"),
			    "0");
}

/* A window of two days and an archive reach over midnight; messages do not. */
static void what_reaches_over_midnight_is_no_room_for_messages(void **state)
{
	struct store_fixture *f = *state;
	struct node wide;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	f->now_ms += 96 * HOUR - f->now_ms % (48 * HOUR);
	assert_int_equal(open_node(f, &wide,
				   (struct store_options){ .dedupe_window_ms =
								   48 * HOUR }),
			 0);
	assert_false(is_known(f, wide.s, g, "a"));
	postgres_run(f->url, "SELECT need_room('archives',max(lo),0,1) "
			     "FROM partitions WHERE parent='messages'");
	f->now_ms += 24 * HOUR - 1;
	assert_false(is_known(f, wide.s, g, "b"));
	f->now_ms++;
	assert_false(is_known(f, wide.s, g, "c"));
	/* A node has made one of the two, and died. */
	postgres_run(f->url, "SELECT need_room('messages',max(hi),0,1) "
			     "FROM partitions WHERE parent='messages'");
	f->now_ms += 24 * HOUR;
	assert_false(is_known(f, wide.s, g, "d"));
	store_close(wide.s);
}

static void a_clock_that_is_wrong_is_told(void **state)
{
	static const struct {
		int64_t off_ms;
		const char *warning;
		const char *refusal;
	} rows[] = { { 0, NULL, NULL },
		     { 20000, "ahead of", NULL },
		     { -20000, "behind", NULL },
		     { 25 * (int64_t)HOUR, NULL, "ahead of" },
		     { -25 * (int64_t)HOUR, NULL, "behind" } };
	struct store_fixture *f = *state;
	struct node n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_options options = { .check_clock = true };
		bool good = rows[i].refusal == NULL;

		f->now_ms = env_now_ms(env_system()) + (uint64_t)rows[i].off_ms;
		assert_true((open_node(f, &n, options) == 0) == good);
		if (rows[i].refusal != NULL)
			assert_non_null(strstr(f->err.text, rows[i].refusal));
		assert_int_equal(n.warnings, rows[i].warning != NULL);
		if (rows[i].warning != NULL)
			assert_non_null(strstr(n.warned, rows[i].warning));
		store_close(n.s);
		options.read_only = true;
		assert_int_equal(open_node(f, &n, options), 0);
		store_close(n.s);
		options.read_only = false;
		options.check_clock = false;
		assert_int_equal(open_node(f, &n, options), 0);
		assert_int_equal(n.warnings, 0);
		store_close(n.s);
	}
}

static void end_connections(const struct store_fixture *f)
{
	postgres_run(f->url,
		     "SELECT count(pg_terminate_backend(pid,5000)) "
		     "FROM pg_stat_activity WHERE datname=current_database() "
		     "AND pid<>pg_backend_pid()");
}

static void assert_kept_out(struct store_fixture *f, bool moving)
{
	const struct store_options options = { .env = &f->env,
					       .moving = moving };
	struct store *s;

	assert_int_equal(store_open(&s, f->url, &options, &f->err), -EBUSY);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(f->err.text, moving ? "A groupd has this"
						   : "is being moved into"));
}

/* Also when the connection of the one was lost, and the other came then. */
static void a_node_and_who_moves_a_store_keep_each_other_out(void **state)
{
	struct store_fixture *f = *state;
	struct store_options moving = { .env = &f->env, .moving = true };
	struct store *mover;

	assert_kept_out(f, true);
	end_connections(f);
	assert_int_equal(store_open(&mover, f->url, &moving, &f->err), 0);
	assert_kept_out(f, false);
	assert_int_equal(store_begin(f->s, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.text, "is being moved into"));
	end_connections(f);
	fixture_begin(f);
	fixture_commit(f);
	assert_int_equal(store_begin(mover, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.text, "A groupd has this"));
	end_connections(f);
	assert_int_equal(store_begin(mover, &f->err), 0);
	assert_int_equal(store_commit(mover, &f->err), 0);
	assert_int_equal(store_begin(f->s, &f->err), -EBUSY);
	store_close(mover);
}

/* One that was broken off, and nobody is at it: a node that was there before
 * does not write either. */
static void what_is_not_moved_completely_is_not_written_to(void **state)
{
	struct store_fixture *f = *state;
	struct node n;

	postgres_run(f->url, "INSERT INTO meta VALUES('moved_from',7)");
	end_connections(f);
	assert_true(store_begin(f->s, &f->err) < 0);
	assert_non_null(strstr(f->err.text, "not complete"));
	assert_true(open_node(f, &n, (struct store_options){ 0 }) < 0);
	assert_non_null(strstr(f->err.text, "not complete"));
	postgres_run(f->url, "DELETE FROM meta WHERE k='moved_from'");
	fixture_begin(f);
	fixture_commit(f);
}

/* A group with so many members that it does not go in one step; one of them is
 * in none that comes later. */
static uint64_t make_large(struct store_fixture *f, bool again)
{
	enum { MEMBERS = 300 };
	struct store_create op = { .name = str_of("large"),
				   .creator = str_of("alice") };
	struct buf edits = { 0 };

	for (unsigned i = 0; i < MEMBERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%u", i);
		fixture_edit(&edits, EDIT_ADD, name);
	}
	if (!again)
		fixture_edit(&edits, EDIT_ADD, "zoe");
	op.members = buf_str(&edits);
	fixture_begin(f);
	assert_int_equal(store_create_group(f->s, &op, &f->err), 0);
	fixture_commit(f);
	buf_release(&edits);
	return op.group_id;
}

/* A log of two days, of which one is archived, with mentions and a file. */
static void fill(struct store_fixture *f, uint64_t g)
{
	enum { LINES = 1500 };
	struct store_append op = { .group_id = g, .user = str_of("alice") };
	struct store_media file = { .group_id = g,
				    .user = str_of("alice"),
				    .name = str_of("a.txt"),
				    .hash = { 7 },
				    .size = 3 };
	struct buf items = { 0 };

	for (unsigned i = 0; i < LINES; i++)
		fixture_item(&items, i % 100 == 0 ? "@everyone" : "@zoe", 0,
			     "");
	op.items = buf_str(&items);
	for (unsigned day = 0; day < 2; day++) {
		fixture_begin(f);
		assert_int_equal(store_append(f->s, &op, &f->err), 0);
		fixture_commit(f);
		f->now_ms += 24 * HOUR;
	}
	fixture_begin(f);
	assert_int_equal(store_add_media(f->s, &file, &f->err), 0);
	fixture_commit(f);
	assert_true(fixture_archive(f, f->now_ms - 24 * HOUR, 10000) > 0);
	buf_release(&items);
}

static int count_group(void *data, const struct wire_group *g)
{
	*(uint64_t *)data = g->group_id;
	return 0;
}

/* The id of his only group; 0: he has none. */
static uint64_t group_of(struct store_fixture *f, const char *user)
{
	uint64_t id = 0;

	assert_int_equal(store_list_groups(f->s, str_of(user), str_of(""),
					   count_group, &id, &f->err),
			 0);
	return id;
}

static void what_a_large_group_leaves_goes_in_steps(void **state)
{
	struct store_fixture *f = *state;
	struct wire_group out;
	uint64_t left = 0;
	uint64_t old;
	uint64_t g;
	unsigned steps = 0;
	int rc;

	fixture_users(f, "alice zoe");
	postgres_run(f->url, "INSERT INTO users(name,created_ms) SELECT "
			     "'user'||n,1 FROM generate_series(0,299) n");
	old = make_large(f, false);
	fill(f, old);
	fixture_begin(f);
	assert_int_equal(
		store_delete_group(f->s, old, str_of("alice"), &f->err), 1);
	fixture_commit(f);
	assert_true(store_find_group(f->s, old, str_of(""), str_of(""), &out,
				     &f->err) < 0);
	assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
	assert_int_equal(group_of(f, "zoe"), 0);
	fixture_verify(f);
	assert_int_equal(store_next_import(f->s, 0, &left, &f->err), 1);
	assert_int_equal(left, old);
	/* Its name is free, and who is in the new one is told nothing of the
	 * old one any more. */
	g = make_large(f, true);
	assert_int_equal(group_of(f, "user99"), g);
	do {
		fixture_begin(f);
		rc = store_import_drop(f->s, old, &f->err);
		fixture_commit(f);
		fixture_verify(f);
		steps++;
	} while (rc == 1);
	assert_int_equal(rc, 0);
	assert_true(steps >= 3);
	assert_int_equal(store_next_import(f->s, 0, &left, &f->err), 0);
	assert_int_equal(group_of(f, "user99"), g);
	assert_int_equal(fixture_find(f, g, "user299").member_count, 301);
	assert_string_equal(
		postgres_run(f->url,
			     "SELECT (SELECT count(*) FROM messages)+"
			     "(SELECT count(*) FROM archives)+"
			     "(SELECT count(*) FROM segments)+"
			     "(SELECT count(*) FROM mentions)+"
			     "(SELECT count(*) FROM everyone)+"
			     "(SELECT count(*) FROM media)+"
			     "(SELECT count(*) FROM members WHERE group_id=1)+"
			     "(SELECT count(*) FROM changes WHERE group_id=1)"),
		"0");
	assert_string_equal(
		postgres_run(f->url, "SELECT count(*) FROM garbage"), "1");
	assert_string_equal(
		postgres_run(f->url, "SELECT string_agg(change::text,',' ORDER "
				     "BY version) FROM user_changes WHERE name="
				     "'zoe'"),
		"0,1");
	assert_string_equal(
		postgres_run(f->url, "SELECT string_agg(change::text,',' ORDER "
				     "BY version) FROM user_changes WHERE name="
				     "'user99'"),
		"0,0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(postgres, what_a_large_group_leaves_goes_in_steps),
		FIXTURE_ON(postgres, midnight_needs_no_connection_to_be_free),
		FIXTURE_ON(postgres, the_longest_window_holds_for_all),
		FIXTURE_ON(postgres,
			   what_reaches_over_midnight_is_no_room_for_messages),
		FIXTURE_ON(postgres, a_clock_that_is_wrong_is_told),
		FIXTURE_ON(postgres,
			   a_node_and_who_moves_a_store_keep_each_other_out),
		FIXTURE_ON(postgres,
			   what_is_not_moved_completely_is_not_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
