/* SPDX-License-Identifier: MIT */
/*
 * Sent again after it was put away: SQLite's back end learns by and by which
 * keys it has, and tells a duplicate at each point of that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/table.h"
#include "store/sqlite_filter.h"
#include "tests/support/store_fixture.h"

enum {
	ENTRIES = 900000, /* of three parts of the filter */
	KEYS = 1000,
	WINDOW_MS = 24 * 3600 * 1000
};

static void what_is_in_it_is_found(void **state)
{
	struct sq_filter f = { .count = { 0 } };
	unsigned wrong = 0;

	(void)state;
	assert_false(sq_filter_may_have(&f, table_hash_u64(1)));
	for (uint64_t i = 0; i < ENTRIES; i++)
		assert_true(sq_filter_add(&f, table_hash_u64(i)));
	assert_non_null(f.parts[2]);
	for (uint64_t i = 0; i < ENTRIES; i++)
		assert_true(sq_filter_may_have(&f, table_hash_u64(i)));
	for (uint64_t i = ENTRIES; i < 2 * ENTRIES; i++)
		wrong += sq_filter_may_have(&f, table_hash_u64(i));
	/* Some 1.3 % of each part. */
	assert_in_range(wrong, ENTRIES / 500, ENTRIES / 20);
	sq_filter_clear(&f);
	assert_null(f.parts[0]);
	assert_false(sq_filter_may_have(&f, table_hash_u64(1)));
}

static void key_of(char id[16], unsigned i)
{
	snprintf(id, 16, "key-%u", i);
}

/* Each in a commit of its own: so it is learned with the commits, too. */
static void say_key(struct store_fixture *f, uint64_t g, unsigned i,
		    bool duplicate)
{
	struct wire_body_sent sent;
	char id[16];

	key_of(id, i);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", id, &sent), 0);
	fixture_commit(f);
	assert_int_equal(sent.duplicate, duplicate);
	if (duplicate)
		assert_int_equal(sent.first_seq, i + 1);
}

static uint64_t start(struct store_fixture *f)
{
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	for (unsigned i = 0; i < KEYS; i++) {
		char id[16];

		key_of(id, i);
		assert_int_equal(fixture_say(f, g, "alice", "x", id, NULL), 0);
	}
	fixture_commit(f);
	fixture_seal(f);
	return g;
}

static void a_key_is_known_before_it_is_learned(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = start(f);

	for (unsigned i = 0; i < KEYS; i += 37)
		say_key(f, g, i, true);
	fixture_reopen(f);
	for (unsigned i = 0; i < KEYS; i += 37)
		say_key(f, g, KEYS - 1 - i, true);
	fixture_reopen(f);
	for (unsigned i = 0; i < KEYS; i += 37) {
		say_key(f, g, i, true);
		fixture_seal_some(f, 41, 1);
	}
	fixture_seal(f);
	for (unsigned i = 0; i < KEYS; i++)
		say_key(f, g, i, true);
	say_key(f, g, KEYS, false);
	fixture_seal(f);
	say_key(f, g, KEYS, true);
	fixture_verify(f);
}

/* The older generation is emptied, and its filter; then it is not. */
static void what_was_not_forgotten_is_known(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = start(f);
	uint64_t then = f->now_ms;

	/* In a window, so that both generations have some. */
	f->now_ms += WINDOW_MS + 1;
	say_key(f, g, KEYS, false);
	fixture_seal(f);
	f->now_ms += WINDOW_MS + 1;
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "new", NULL), 0);
	store_rollback(f->s);
	f->now_ms = then + WINDOW_MS + 1;
	say_key(f, g, 7, true);
	fixture_seal(f);
	say_key(f, g, 8, true);
	/* And in a commit that goes on. */
	f->now_ms += WINDOW_MS + 1;
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "new", NULL), 0);
	fixture_commit(f);
	fixture_begin(f);
	f->now_ms += WINDOW_MS + 1;
	assert_int_equal(fixture_say(f, g, "alice", "x", "newer", NULL), 0);
	fixture_commit(f);
	say_key(f, g, 9, false);
}

static void a_refusal_forgets_nothing(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = start(f);

	fixture_begin(f);
	for (unsigned i = 0; i < 20; i++) {
		struct buf items = { 0 };
		struct store_append op = { .group_id = g,
					   .user = str_of("alice") };

		fixture_item(&items, "x", 0, "refused");
		fixture_item(&items, "x", 9999999, "");
		op.items = buf_str(&items);
		assert_true(store_append(f->s, &op, &f->err) < 0);
		buf_release(&items);
	}
	fixture_commit(f);
	for (unsigned i = 0; i < KEYS; i += 101)
		say_key(f, g, i, true);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", "refused", NULL), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, KEYS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_it_is_found),
		FIXTURE_ON(sqlite, a_key_is_known_before_it_is_learned),
		FIXTURE_ON(sqlite, what_was_not_forgotten_is_known),
		FIXTURE_ON(sqlite, a_refusal_forgets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
