/* SPDX-License-Identifier: MIT */
/*
 * What a store that nodes share adds to the contract: transactions of appends
 * only, more than one writer, and what others changed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/memory.h"
#include "tests/support/store_fixture.h"

enum { OPS = 6 };

/* A transaction of appends. */
struct appends {
	struct store_append op[OPS];
	struct store_append *ops[OPS];
	struct buf items[OPS];
	struct err errs[OPS];
	size_t count;
};

static struct buf *add(struct appends *a, uint64_t group_id, const char *user)
{
	size_t i = a->count++;

	assert_true(i < OPS);
	a->op[i] = (struct store_append){ .group_id = group_id,
					  .user = str_of(user) };
	a->ops[i] = &a->op[i];
	return &a->items[i];
}

static int append_all(struct store *s, struct appends *a, struct err *err)
{
	int rc;

	for (size_t i = 0; i < a->count; i++)
		a->op[i].items = buf_str(&a->items[i]);
	rc = store_append_all(s, a->ops, a->errs, a->count, err);
	for (size_t i = 0; i < a->count; i++)
		buf_release(&a->items[i]);
	return rc;
}

/* The log as "SENDER:CONTENT ", for its order. */
static int take_said(void *data, const struct wire_message *m)
{
	buf_printf(data, "%.*s:%.*s ", (int)m->sender.len, m->sender.data,
		   (int)m->content.len, m->content.data);
	return 0;
}

static void assert_said(struct store_fixture *f, uint64_t g,
			const char *expected)
{
	struct buf text = { 0 };

	assert_int_equal(store_scan(f->s, g, 0, take_said, &text, &f->err), 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void each_append_of_all_is_answered_for_itself(void **state)
{
	struct store_fixture *f = *state;
	struct appends a = { 0 };
	uint64_t lunch;
	uint64_t work;

	fixture_users(f, "alice bob eve");
	lunch = fixture_group(f, "lunch", "alice", "bob");
	work = fixture_group(f, "work", "bob", "");
	fixture_item(add(&a, work, "bob"), "one", 0, "");
	fixture_item(add(&a, lunch, "eve"), "let me in", 0, "");
	fixture_item(add(&a, lunch, "alice"), "two", 0, "c1");
	fixture_item(add(&a, lunch, "bob"), "reply", 7, "");
	fixture_item(add(&a, lunch, "alice"), "two", 0, "c1");
	fixture_item(add(&a, lunch, "bob"), "three @alice", 1, "");
	a.op[0].batch_id = str_of("b1");
	a.op[1].sent.first_seq = 99;
	assert_int_equal(append_all(f->s, &a, &f->err), 0);

	assert_int_equal(a.errs[0].code, ERR_NONE);
	assert_int_equal(a.op[0].sent.first_seq, 1);
	assert_int_equal(a.op[0].sent.duplicate, 0);
	assert_int_equal(a.errs[1].code, ERR_NO_SUCH_GROUP);
	assert_int_equal(a.op[1].sent.first_seq, 0);
	assert_int_equal(a.errs[2].code, ERR_NONE);
	assert_int_equal(a.op[2].sent.first_seq, 1);
	assert_int_equal(a.errs[3].code, ERR_BAD_REQUEST);
	assert_int_equal(a.op[3].sent.first_seq, 0);
	assert_int_equal(a.errs[4].code, ERR_NONE);
	assert_int_equal(a.op[4].sent.duplicate, 1);
	assert_int_equal(a.op[4].sent.first_seq, 1);
	assert_int_equal(a.errs[5].code, ERR_NONE);
	assert_int_equal(a.op[5].sent.first_seq, 2);
	assert_true(a.op[5].mentions);
	assert_int_equal(a.op[5].end_off, fixture_find(f, lunch, "bob").size);
	assert_said(f, work, "bob:one ");
	assert_said(f, lunch, "alice:two bob:three @alice ");
	assert_int_equal(fixture_find(f, lunch, "bob").last_read_seq, 2);
	fixture_verify(f);
}

static void appends_of_a_group_keep_their_order(void **state)
{
	struct store_fixture *f = *state;
	struct appends a = { 0 };
	uint64_t g[2];

	fixture_users(f, "alice");
	g[0] = fixture_group(f, "one", "alice", "");
	g[1] = fixture_group(f, "two", "alice", "");
	for (unsigned i = 0; i < OPS; i++) {
		char content[16];

		snprintf(content, sizeof(content), "m%u", i);
		fixture_item(add(&a, g[1 - i % 2], "alice"), content, 0, "");
	}
	assert_int_equal(append_all(f->s, &a, &f->err), 0);
	assert_said(f, g[1], "alice:m0 alice:m2 alice:m4 ");
	assert_said(f, g[0], "alice:m1 alice:m3 alice:m5 ");
	for (unsigned i = 0; i < OPS; i++)
		assert_int_equal(a.op[i].sent.first_seq, i / 2 + 1);
}

static void what_is_refused_before_the_store_stores_nothing(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	struct appends a = { 0 };
	struct appends b = { 0 };
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_item(add(&a, g, "alice"), "\xff", 0, "");
	fixture_item(add(&a, g, ""), "who?", 0, "");
	assert_int_equal(append_all(f->s, &a, &f->err), 0);
	assert_int_equal(a.errs[0].code, ERR_BAD_UTF8);
	assert_int_equal(a.errs[1].code, ERR_NO_SUCH_GROUP);
	assert_int_equal(append_all(f->s, &b, &f->err), 0);

	fixture_item(add(&b, g, "alice"), "read only", 0, "");
	assert_true(append_all(reader, &b, &f->err) < 0);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	store_close(reader);
	assert_said(f, g, "");
}

static void a_sent_batch_is_known_to_all_writers(void **state)
{
	struct store_fixture *f = *state;
	struct store *other = fixture_open(f, false);
	struct appends a = { 0 };
	struct appends again = { 0 };
	struct appends known = { 0 };
	uint64_t g;

	assert_true(store_is_shared(f->s));
	assert_true(store_is_shared(other));
	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_item(add(&a, g, "alice"), "one", 0, "");
	fixture_item(add(&again, g, "alice"), "one", 0, "");
	fixture_item(add(&again, g, "alice"), "two", 0, "");
	fixture_item(add(&known, g, "alice"), "one", 0, "");
	a.op[0].batch_id = str_of("b1");
	again.op[0].batch_id = str_of("b1");
	known.op[0].batch_id = str_of("b2");
	known.op[0].only_known = true;
	assert_int_equal(append_all(f->s, &a, &f->err), 0);
	assert_int_equal(append_all(other, &again, &f->err), 0);
	assert_int_equal(again.op[0].sent.duplicate, 1);
	assert_int_equal(again.op[0].sent.first_seq, 1);
	assert_int_equal(again.op[1].sent.first_seq, 2);
	assert_int_equal(append_all(f->s, &known, &f->err), 0);
	assert_int_equal(known.op[0].sent.duplicate, 0);
	assert_said(f, g, "alice:one alice:two ");
	store_close(other);
	fixture_verify(f);
}

static void one_machine_has_one_writer_and_no_changes_of_others(void **state)
{
	struct store_fixture *f = *state;
	struct store_options options = { .env = &f->env };
	struct store *other = NULL;

	assert_false(store_is_shared(f->s));
	assert_int_equal(store_open(&other, f->url, &options, &f->err), -EBUSY);
}

static int take_version(void *data, const struct store_version *v)
{
	buf_printf(data, "%" PRIu64 ":%" PRIu64 ":%" PRIu64 " ", v->group_id,
		   v->last_seq, v->member_version);
	assert_true(v->info_ms > 0);
	return 0;
}

static int take_change(void *data, const struct store_member_change *c)
{
	static const char *const changes[] = { "+", "-", "=" };

	assert_true(c->group_id > 0);
	buf_printf(data, "%" PRIu64 "%s%.*s/%.*s", c->version,
		   changes[c->change], (int)c->user.len, c->user.data,
		   (int)c->by.len, c->by.data);
	if (c->role == ROLE_ADMIN)
		buf_printf(data, "!");
	if (c->last_read_seq > 0)
		buf_printf(data, "@%" PRIu64, c->last_read_seq);
	buf_printf(data, "/%.*s ", (int)c->group.len, c->group.data);
	return 0;
}

static void assert_changes(struct store_fixture *f, uint64_t g, uint64_t after,
			   const char *expected)
{
	struct buf text = { 0 };

	assert_int_equal(
		store_list_changes(f->s, g, after, take_change, &text, &f->err),
		0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void assert_user_changes(struct store_fixture *f, const char *user,
				uint64_t after, const char *expected)
{
	struct buf text = { 0 };

	assert_int_equal(store_list_user_changes(f->s, str_of(user), after,
						 take_change, &text, &f->err),
			 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void edit(struct store_fixture *f, uint64_t g, const char *by,
		 enum edit_op op, const char *name)
{
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, by, op, name), 0);
	fixture_commit(f);
}

static void each_change_of_a_member_has_a_number(void **state)
{
	struct store_fixture *f = *state;
	struct buf text = { 0 };
	char expected[64];
	uint64_t ids[3];
	uint64_t g;

	fixture_users(f, "alice bob carol");
	g = fixture_group(f, "lunch", "alice", "");
	assert_changes(f, g, 0, "1+alice/alice!/lunch ");
	fixture_begin(f);
	for (int i = 0; i < 60; i++)
		assert_int_equal(fixture_say(f, g, "alice", "hello", "", NULL),
				 0);
	fixture_commit(f);
	edit(f, g, "alice", EDIT_ADD, "bob");
	edit(f, g, "alice", EDIT_ADD, "bob");
	edit(f, g, "alice", EDIT_ADMIN, "bob");
	edit(f, g, "bob", EDIT_REMOVE, "alice");
	assert_changes(f, g, 1,
		       "2+bob/alice@10/lunch 3=bob/alice!/lunch "
		       "4-alice/bob/lunch ");
	assert_changes(f, g, 3, "4-alice/bob/lunch ");
	assert_changes(f, g, 4, "");
	assert_changes(f, g + 100, 0, "");
	ids[0] = g;
	ids[1] = g + 100;
	ids[2] = g;
	assert_int_equal(
		store_list_versions(f->s, ids, 2, take_version, &text, &f->err),
		0);
	snprintf(expected, sizeof(expected), "%" PRIu64 ":60:4 ", g);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static int take_user_version(void *data, struct str user, uint64_t version)
{
	buf_printf(data, "%.*s:%" PRIu64 " ", (int)user.len, user.data,
		   version);
	return 0;
}

static void assert_user_version(struct store_fixture *f, const char *user,
				const char *expected)
{
	const struct str names[2] = { str_of("nobody"), str_of(user) };
	struct buf text = { 0 };

	assert_int_equal(store_list_user_versions(f->s, names, 2,
						  take_user_version, &text,
						  &f->err),
			 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void each_change_of_a_user_has_a_number(void **state)
{
	struct store_fixture *f = *state;
	uint64_t lunch;
	uint64_t work;

	fixture_users(f, "alice bob carol");
	assert_user_version(f, "bob", "bob:0 ");
	lunch = fixture_group(f, "lunch", "alice", "bob");
	work = fixture_group(f, "work", "bob", "carol");
	edit(f, lunch, "alice", EDIT_ADMIN, "bob");
	edit(f, lunch, "bob", EDIT_REMOVE, "bob");
	assert_user_version(f, "bob", "bob:4 ");
	assert_user_version(f, "carol", "carol:1 ");
	assert_user_changes(f, "bob", 0,
			    "1+bob/alice/lunch 2+bob/bob!/work "
			    "3=bob/alice!/lunch 4-bob/bob/lunch ");
	assert_user_changes(f, "carol", 1, "");

	fixture_begin(f);
	assert_int_equal(store_delete_group(f->s, work, str_of("bob"), &f->err),
			 0);
	fixture_commit(f);
	assert_user_changes(f, "bob", 4, "5-bob/bob/work ");
	assert_user_changes(f, "carol", 1, "2-carol/bob/work ");
	assert_changes(f, work, 0, "");
	assert_user_version(f, "carol", "carol:2 ");
}

static void what_is_not_committed_or_refused_is_no_change(void **state)
{
	struct store_fixture *f = *state;
	struct store *other = fixture_open(f, false);
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "bob"), 0);
	store_rollback(f->s);
	fixture_begin(f);
	assert_true(fixture_edit_one(f, g, "alice", EDIT_REMOVE, "alice") < 0);
	assert_int_equal(f->err.code, ERR_LAST_ADMIN);
	fixture_commit(f);
	assert_changes(f, g, 1, "");
	assert_user_version(f, "bob", "bob:0 ");
	edit(f, g, "alice", EDIT_ADD, "bob");
	assert_changes(f, g, 1, "2+bob/alice/lunch ");
	store_close(other);
}

static void flushed_pointers_only_move_forward(void **state)
{
	struct store_fixture *f = *state;
	struct store_pointer pointers[] = {
		{ 0, str_of("bob"), 3 },    { 0, str_of("carol"), 2 },
		{ 0, str_of("dave"), 99 },  { 0, str_of("eve"), 1 },
		{ 77, str_of("alice"), 1 }, { 0, str_of("No name"), 1 },
	};
	const size_t count = sizeof(pointers) / sizeof(pointers[0]);
	uint64_t g;

	fixture_users(f, "alice bob carol dave eve");
	g = fixture_group(f, "lunch", "alice", "bob carol dave");
	for (size_t i = 0; i < count; i++) {
		if (pointers[i].group_id == 0)
			pointers[i].group_id = g;
	}
	fixture_begin(f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fixture_say(f, g, "alice", "hello", "", NULL),
				 0);
	fixture_commit(f);
	fixture_begin(f);
	assert_int_equal(store_flush_reads(f->s, pointers, count, &f->err), 0);
	fixture_commit(f);
	pointers[0].seq = 2;
	pointers[1].seq = 4;
	fixture_begin(f);
	assert_int_equal(store_flush_reads(f->s, pointers, 2, &f->err), 0);
	assert_int_equal(store_flush_reads(f->s, NULL, 0, &f->err), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 3);
	assert_int_equal(fixture_find(f, g, "carol").last_read_seq, 4);
	assert_int_equal(fixture_find(f, g, "dave").last_read_seq, 5);
	assert_int_equal(fixture_find(f, g, "alice").last_read_seq, 5);
}

static int take_first(void *data, const struct store_member_change *c)
{
	*(uint64_t *)data = c->version;
	return 1;
}

/* The other back ends keep them for a time, not a number. */
static void old_changes_are_forgotten(void **state)
{
	struct store_fixture *f = *state;
	uint64_t first = 0;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "");
	for (unsigned i = 0; i < MEM_CHANGES_KEPT; i++)
		edit(f, g, "alice", i % 2 == 0 ? EDIT_ADD : EDIT_REMOVE, "bob");
	assert_int_equal(
		store_list_changes(f->s, g, 0, take_first, &first, &f->err), 0);
	assert_int_equal(first, 2);
}

static void a_url_is_shown_without_its_password(void **state)
{
	static const char *const rows[][2] = {
		{ "sqlite:/a/b:c@d.db", "sqlite:/a/b:c@d.db" },
		{ "postgresql://h/db", "postgresql://h/db" },
		{ "postgresql://u@h/db", "postgresql://u@h/db" },
		{ "postgresql://u:p@h1,h2:5/db", "postgresql://u@h1,h2:5/db" },
		{ "postgresql://u:p@/:?x@h/db", "postgresql://u@h/db" },
		{ "postgresql://h/db?password=p", "postgresql://h/db" },
		{ "postgresql:///db?host=/tmp", "postgresql:///db?host=/tmp" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = { 0 };

		store_show(&out, rows[i][0]);
		assert_string_equal(buf_cstr(&out), rows[i][1]);
		buf_release(&out);
	}
}

static int note_gone(void *data, size_t index)
{
	unsigned *gone = data;

	*gone |= 1U << index;
	return 0;
}

static void tokens_that_are_none_any_more_are_named(void **state)
{
	struct store_fixture *f = *state;
	uint8_t hashes[4][STORE_TOKEN_HASH];
	uint64_t id[4] = { 0 };
	unsigned gone = 0;

	fixture_users(f, "alice");
	for (size_t i = 0; i < 4; i++)
		memset(hashes[i], (int)(i + 1), STORE_TOKEN_HASH);
	fixture_begin(f);
	/* For ever, revoked, expired; the fourth never was. */
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			store_create_token(f->s, str_of("alice"), hashes[i],
					   i == 2 ? f->now_ms + 1000 : 0,
					   &id[i], &f->err),
			0);
	fixture_commit(f);
	assert_int_equal(store_list_gone_tokens(
				 f->s,
				 (const uint8_t(*)[STORE_TOKEN_HASH])hashes, 4,
				 note_gone, &gone, &f->err),
			 0);
	assert_int_equal(gone, 1U << 3);
	fixture_begin(f);
	assert_int_equal(
		store_revoke_token(f->s, id[1], str_of(""), hashes[1], &f->err),
		0);
	fixture_commit(f);
	f->now_ms += 1000;
	gone = 0;
	assert_int_equal(store_list_gone_tokens(
				 f->s,
				 (const uint8_t(*)[STORE_TOKEN_HASH])hashes, 4,
				 note_gone, &gone, &f->err),
			 0);
	assert_int_equal(gone, 1U << 1 | 1U << 2 | 1U << 3);
	assert_int_equal(
		store_list_gone_tokens(f->s, NULL, 0, note_gone, NULL, &f->err),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(each_append_of_all_is_answered_for_itself),
		FIXTURE_ON(shared_memory,
			   each_append_of_all_is_answered_for_itself),
		FIXTURE_ON_EACH(appends_of_a_group_keep_their_order),
		FIXTURE_ON(shared_memory, appends_of_a_group_keep_their_order),
		FIXTURE_ON_EACH(
			what_is_refused_before_the_store_stores_nothing),
		FIXTURE_ON(shared_memory,
			   what_is_refused_before_the_store_stores_nothing),
		FIXTURE_ON_EACH(flushed_pointers_only_move_forward),
		FIXTURE_ON(shared_memory, flushed_pointers_only_move_forward),
		FIXTURE_ON(sqlite,
			   one_machine_has_one_writer_and_no_changes_of_others),
		FIXTURE_ON(memory,
			   one_machine_has_one_writer_and_no_changes_of_others),
		FIXTURE_ON_SHARED(a_sent_batch_is_known_to_all_writers),
		FIXTURE_ON_SHARED(each_change_of_a_member_has_a_number),
		FIXTURE_ON_SHARED(each_change_of_a_user_has_a_number),
		cmocka_unit_test(a_url_is_shown_without_its_password),
		FIXTURE_ON_SHARED(tokens_that_are_none_any_more_are_named),
		FIXTURE_ON_SHARED(
			what_is_not_committed_or_refused_is_no_change),
		FIXTURE_ON(shared_memory, old_changes_are_forgotten),
	};

	return cmocka_run_group_tests_name("store shared", tests, NULL, NULL);
}
