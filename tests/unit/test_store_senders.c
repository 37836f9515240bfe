/* SPDX-License-Identifier: MIT */
/*
 * Who may send, and how: at each moment as it is then, however lately he has
 * sent; also within a transaction, and after one that was taken back. A back
 * end may remember what it knows of senders: nothing of that is to be seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/move.h"
#include "tests/support/store_fixture.h"

static void assert_sends(struct store_fixture *f, uint64_t g, const char *user,
			 uint64_t seq)
{
	struct wire_body_sent sent;

	assert_int_equal(fixture_say(f, g, user, "x", "", &sent), 0);
	assert_int_equal(sent.first_seq, seq);
}

static void assert_is_out(struct store_fixture *f, uint64_t g, const char *user)
{
	assert_true(fixture_say(f, g, user, "x", "", NULL) < 0);
	assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
}

static void edit(struct store_fixture *f, uint64_t g, enum edit_op op,
		 const char *name)
{
	assert_int_equal(fixture_edit_one(f, g, "alice", op, name), 0);
}

static void who_is_removed_sends_no_more(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_sends(f, g, "bob", 1);
	assert_sends(f, g, "alice", 2);
	edit(f, g, EDIT_REMOVE, "bob");
	assert_is_out(f, g, "bob");
	assert_sends(f, g, "alice", 3);
	fixture_commit(f);
	fixture_begin(f);
	assert_is_out(f, g, "bob");
	edit(f, g, EDIT_ADD, "bob");
	assert_sends(f, g, "bob", 4);
	fixture_commit(f);
	fixture_begin(f);
	assert_sends(f, g, "bob", 5);
	edit(f, g, EDIT_REMOVE, "bob");
	fixture_commit(f);
	fixture_begin(f);
	assert_is_out(f, g, "bob");
	fixture_commit(f);
}

static void what_is_taken_back_lets_nobody_in_or_out(void **state)
{
	struct store_fixture *f = *state;
	struct store_edit op = { .by = str_of("alice") };
	struct buf edits = { 0 };

	fixture_users(f, "alice bob carl");
	op.group_id = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_sends(f, op.group_id, "bob", 1);
	fixture_commit(f);
	fixture_begin(f);
	edit(f, op.group_id, EDIT_REMOVE, "bob");
	edit(f, op.group_id, EDIT_ADD, "carl");
	assert_is_out(f, op.group_id, "bob");
	assert_sends(f, op.group_id, "carl", 2);
	assert_sends(f, op.group_id, "alice", 3);
	store_rollback(f->s);
	fixture_begin(f);
	assert_is_out(f, op.group_id, "carl");
	assert_sends(f, op.group_id, "bob", 2);
	/* One edit of these is refused, and so is the other. */
	fixture_edit(&edits, EDIT_REMOVE, "bob");
	fixture_edit(&edits, EDIT_REMOVE, "carl");
	op.edits = buf_str(&edits);
	assert_true(store_edit_members(f->s, &op, &f->err) < 0);
	assert_sends(f, op.group_id, "bob", 3);
	fixture_commit(f);
	fixture_begin(f);
	assert_sends(f, op.group_id, "alice", 4);
	fixture_commit(f);
	fixture_verify(f);
	buf_release(&edits);
}

static void a_group_that_is_gone_takes_nothing(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_sends(f, g, "bob", 1);
	assert_sends(f, g, "alice", 2);
	fixture_commit(f);
	fixture_begin(f);
	assert_int_equal(store_delete_group(f->s, g, str_of("alice"), &f->err),
			 0);
	assert_is_out(f, g, "bob");
	store_rollback(f->s);
	fixture_begin(f);
	assert_sends(f, g, "bob", 3);
	fixture_commit(f);
	fixture_begin(f);
	assert_int_equal(store_delete_group(f->s, g, str_of("alice"), &f->err),
			 0);
	fixture_commit(f);
	fixture_begin(f);
	assert_is_out(f, g, "bob");
	assert_is_out(f, g, "alice");
	fixture_commit(f);
	assert_true(fixture_group(f, "lunch", "bob", "") != g);
}

/* A move that begins anew: the same numbers are nobody's yet. */
static void a_store_that_is_emptied_knows_nobody(void **state)
{
	struct store_fixture *f = *state;
	const struct store_options moving = { .env = &f->env, .moving = true };
	bool resumed;
	uint64_t g;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(store_open(&f->s, f->url, &moving, &f->err), 0);
	fixture_begin(f);
	assert_int_equal(store_move_begin(f->s, 7, &resumed, &f->err), 0);
	fixture_commit(f);
	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	assert_sends(f, g, "alice", 1);
	assert_int_equal(store_move_reset(f->s, &f->err), 0);
	assert_is_out(f, g, "alice");
	fixture_commit(f);
}

static uint64_t call_everyone(struct store_fixture *f, uint64_t g,
			      const char *user)
{
	struct wire_body_sent sent;

	assert_int_equal(fixture_say(f, g, user, "@everyone", "", &sent), 0);
	return sent.warnings;
}

/* The role of who calls, and how many there are, count as they are now. */
static void who_may_call_everyone_is_asked_each_time(void **state)
{
	struct store_fixture *f = *state;
	char names[8 * 101];
	size_t len = 0;
	uint64_t g;

	for (unsigned i = 0; i < STORE_EVERYONE_MAX; i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len,
					"u%03u ", i);
	fixture_users(f, "alice");
	fixture_users(f, names);
	g = fixture_group(f, "large", "alice", names);
	fixture_begin(f);
	assert_int_equal(call_everyone(f, g, "u001"), WARN_MENTION_DROPPED);
	edit(f, g, EDIT_ADMIN, "u001");
	assert_int_equal(call_everyone(f, g, "u001"), 0);
	assert_int_equal(call_everyone(f, g, "u002"), WARN_MENTION_DROPPED);
	fixture_commit(f);
	fixture_begin(f);
	edit(f, g, EDIT_MEMBER, "u001");
	assert_int_equal(call_everyone(f, g, "u001"), WARN_MENTION_DROPPED);
	edit(f, g, EDIT_REMOVE, "u003");
	assert_int_equal(call_everyone(f, g, "u001"), 0);
	assert_int_equal(call_everyone(f, g, "u002"), 0);
	fixture_commit(f);
}

/* More than is remembered at first, and then at most of a set. */
static void many_are_known_as_each_is(void **state)
{
	enum { GROUPS = 3000 };
	struct store_fixture *f = *state;
	static uint64_t g[GROUPS];
	char name[16];

	fixture_users(f, "alice bob carol");
	fixture_begin(f);
	for (unsigned i = 0; i < GROUPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		g[i] = fixture_new_group(f, name, "alice", "bob carol");
	}
	fixture_commit(f);
	for (unsigned round = 0; round < 3; round++) {
		fixture_begin(f);
		for (unsigned i = 0; i < GROUPS; i++) {
			assert_sends(f, g[i], "alice", 2 * round + 1);
			assert_sends(f, g[i], round < 2 ? "bob" : "carol",
				     2 * round + 2);
		}
		fixture_commit(f);
	}
	fixture_begin(f);
	for (unsigned i = 0; i < GROUPS; i += 2)
		edit(f, g[i], EDIT_REMOVE, "bob");
	for (unsigned i = 0; i < GROUPS; i++) {
		if (i % 2 == 0)
			assert_is_out(f, g[i], "bob");
		else
			assert_sends(f, g[i], "bob", 7);
	}
	fixture_commit(f);
	fixture_verify(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(who_is_removed_sends_no_more),
		FIXTURE_ON_EACH(what_is_taken_back_lets_nobody_in_or_out),
		FIXTURE_ON_EACH(a_group_that_is_gone_takes_nothing),
		FIXTURE_ON(sqlite, a_store_that_is_emptied_knows_nobody),
		FIXTURE_ON_EACH(who_may_call_everyone_is_asked_each_time),
		FIXTURE_ON(sqlite, many_are_known_as_each_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
