/* SPDX-License-Identifier: MIT */
/*
 * A store moved into another, verb by verb, from and to each back end: nobody
 * opens it before the end, and then it says what the old one says.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/ctl/migrate.h"
#include "tests/support/import_fixture.h"

static const char *const schemes[] = { "sqlite", "memory", "postgres" };
enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

/* Sends with a batch_id; the answer. */
static struct wire_body_sent send_batch(struct store_fixture *f, uint64_t g,
					const char *batch, const char *id)
{
	struct buf items = { 0 };
	struct store_append op = { .group_id = g,
				   .user = str_of("alice"),
				   .batch_id = str_of(batch) };

	fixture_item(&items, "@bob one", 0, id);
	fixture_item(&items, "@everyone two", 1, "");
	op.items = buf_str(&items);
	import_must(f, store_append(f->s, &op, &f->err));
	buf_release(&items);
	return op.sent;
}

static const uint8_t hash_1[STORE_HASH] = { 1 };
static const uint8_t hash_2[STORE_HASH] = { 2 };

static void add_file(struct store_fixture *f, uint64_t g, const char *name,
		     const uint8_t hash[STORE_HASH])
{
	struct store_media op = { .group_id = g,
				  .user = str_of("alice"),
				  .name = str_of(name),
				  .size = 7 };

	memcpy(op.hash, hash, STORE_HASH);
	import_must(f, store_add_media(f->s, &op, &f->err));
}

/* A group of which some is not kept any more. */
static void add_cut(struct store_fixture *f, const char *name,
		    struct store_keep keep)
{
	struct store_trim op = { .keep = keep, .limit = 10 };

	op.group_id = fixture_group(f, name, "alice", "bob");
	f->now_ms += 1000;
	fixture_begin(f);
	for (int i = 0; i < 5; i++)
		fixture_say(f, op.group_id, "alice", "hi @bob", "", NULL);
	import_must(f, store_trim(f->s, &op, &f->err));
	fixture_commit(f);
	assert_true(op.trimmed > 0);
}

/* Two groups with a hole before, between and behind them, and two cut ones. */
static uint64_t fill(struct store_fixture *f)
{
	const uint8_t token[STORE_TOKEN_HASH] = { 9 };
	uint64_t gone, g, last, id;

	fixture_users(f, "alice bob carol");
	gone = fixture_group(f, "gone", "alice", "");
	g = fixture_group(f, "dev", "alice", "bob carol");
	add_cut(f, "cut", (struct store_keep){ .messages = 2 });
	add_cut(f, "empty", (struct store_keep){ .bytes = 1 });
	last = fixture_group(f, "last", "alice", "");
	(void)fixture_group(f, "ops", "bob", "carol");
	fixture_begin(f);
	add_file(f, gone, "lost", hash_2);
	import_must(f,
		    store_delete_group(f->s, gone, str_of("alice"), &f->err));
	import_must(f,
		    store_delete_group(f->s, last, str_of("alice"), &f->err));
	f->now_ms += 1000;
	(void)send_batch(f, g, "batch", "c-1");
	add_file(f, g, "file", hash_1);
	fixture_edit_one(f, g, "alice", EDIT_REMOVE, "carol");
	import_must(f, store_create_token(f->s, str_of("bob"), token, 0, &id,
					  &f->err));
	import_must(f, store_create_token(f->s, str_of("bob"), hash_1, 0, &id,
					  &f->err));
	import_must(f, store_revoke_token(f->s, id, str_of(""), NULL, &f->err));
	fixture_commit(f);
	return g;
}

static struct store *open_moving(struct store_fixture *f, bool read_only)
{
	const struct store_options options = { .env = &f->env,
					       .read_only = read_only,
					       .moving = true };
	struct store *s;

	assert_int_equal(store_open(&s, f->url, &options, &f->err), 0);
	return s;
}

static void must(struct migration *m, int rc)
{
	if (rc < 0)
		fail_msg("%s", m->err.text);
}

static void begin(struct migration *m, uint64_t identity, bool resumed)
{
	must(m, store_begin(m->to, &m->err));
	must(m, store_move_begin(m->to, identity, &m->resumed, &m->err));
	must(m, store_commit(m->to, &m->err));
	assert_int_equal(m->resumed, resumed);
}

static void assert_closed(struct store_fixture *f)
{
	const struct store_options options = { .env = &f->env,
					       .read_only = true };
	struct store *s;

	assert_true(store_open(&s, f->url, &options, &f->err) < 0);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(f->err.text, "not complete"));
	assert_null(s);
}

static void end(struct migration *m)
{
	struct store_numbers numbers;

	must(m, store_get_numbers(m->from, &numbers, &m->err));
	must(m, store_begin(m->to, &m->err));
	must(m, store_move_end(m->to, &numbers, &m->err));
	must(m, store_commit(m->to, &m->err));
}

static void compare(struct migration *m)
{
	must(m, migrate_compare(m));
	if (m->differences > 0)
		fail_msg("%s", buf_cstr(&m->different));
}

/* What the new store does from then on. */
static void go_on(struct store_fixture *old, struct store_fixture *f,
		  uint64_t g)
{
	struct store_numbers before, after;
	struct wire_body_sent sent;
	char user[WIRE_USER_MAX + 1];
	const uint8_t token[STORE_TOKEN_HASH] = { 9 };
	uint64_t expires, id;

	import_must(f, store_get_numbers(old->s, &before, &f->err));
	import_must(f, store_get_numbers(f->s, &after, &f->err));
	assert_int_equal(after.identity, before.identity);
	assert_int_equal(after.media_id, before.media_id);
	fixture_begin(f);
	sent = send_batch(f, g, "batch", "");
	assert_true(sent.duplicate);
	assert_int_equal(sent.first_seq, 1);
	assert_int_equal(sent.last_seq, 2);
	sent = send_batch(f, g, "", "c-1");
	assert_int_equal(sent.first_seq, 4);
	assert_int_equal(sent.last_seq, 4);
	import_must(f, store_create_token(f->s, str_of("bob"), hash_2, 0, &id,
					  &f->err));
	assert_int_equal(id, before.token_id + 1);
	fixture_commit(f);
	assert_int_equal(fixture_group(f, "next", "alice", ""),
			 before.group_id + 1);
	import_must(f, store_find_token(f->s, token, user, &expires, &f->err));
	assert_string_equal(user, "bob");
	fixture_verify(f);
}

static void move(const char *from, const char *to)
{
	struct store_fixture old, new;
	struct migration m = { 0 };
	struct store_import_end half;
	uint64_t identity, g;
	struct wire_port_group group = import_group_named("half", 0);

	fixture_init(&old, from);
	fixture_init(&new, to);
	g = fill(&old);
	if (store_is_shared(old.s))
		assert_true(fixture_archive(&old, 2 * old.now_ms, 3) > 0);
	m.from = fixture_open(&old, true);
	must(&m, store_identity(m.from, &identity, &m.err));
	/* Memory goes with its last handle: this reader keeps it. */
	m.read = open_moving(&new, true);
	store_close(new.s);
	m.to = open_moving(&new, false);

	begin(&m, identity, false);
	assert_closed(&new);
	/* Broken off in the middle of a group, and by another. */
	must(&m, store_begin(m.to, &m.err));
	group.group_id = g;
	must(&m, store_import_begin(m.to, &group, &half.import_id, &m.err));
	assert_int_equal(half.import_id, g);
	must(&m, store_commit(m.to, &m.err));
	store_close(m.to);
	m.to = open_moving(&new, false);
	assert_closed(&new);
	must(&m, store_begin(m.to, &m.err));
	assert_int_equal(
		store_move_begin(m.to, identity + 2, &m.resumed, &m.err),
		-EINVAL);
	store_rollback(m.to);
	begin(&m, identity, true);
	must(&m, migrate_copy(&m));
	compare(&m);

	/* All of it anew, undone once. */
	must(&m, store_begin(m.to, &m.err));
	must(&m, store_move_reset(m.to, &m.err));
	store_rollback(m.to);
	compare(&m);
	must(&m, store_begin(m.to, &m.err));
	must(&m, store_move_reset(m.to, &m.err));
	must(&m, store_commit(m.to, &m.err));
	must(&m, migrate_compare(&m));
	assert_true(m.differences > 0);
	m.differences = 0;
	buf_clear(&m.different);
	must(&m, migrate_copy(&m));
	compare(&m);
	end(&m);
	store_close(m.to);
	new.s = fixture_open(&new, false);
	go_on(&old, &new, g);

	buf_release(&m.different);
	store_close(m.read);
	store_close(m.from);
	fixture_release(&new);
	fixture_release(&old);
}

static void what_was_moved_is_what_it_was(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCHEMES * SCHEMES; i++)
		move(schemes[i / SCHEMES], schemes[i % SCHEMES]);
}

static void what_has_something_is_not_moved_into(void **state)
{
	for (size_t i = 0; i < SCHEMES; i++) {
		struct store_fixture f;
		struct store *s;
		bool resumed;

		fixture_init(&f, schemes[i]);
		fixture_users(&f, "alice");
		s = open_moving(&f, true);
		store_close(f.s);
		f.s = open_moving(&f, false);
		fixture_begin(&f);
		assert_int_equal(store_move_begin(f.s, 7, &resumed, &f.err),
				 -EINVAL);
		assert_non_null(strstr(f.err.text, "not empty"));
		store_rollback(f.s);
		store_close(s);
		fixture_release(&f);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_moved_is_what_it_was),
		cmocka_unit_test(what_has_something_is_not_moved_into),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
