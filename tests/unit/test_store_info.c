/* SPDX-License-Identifier: MIT */
/*
 * A group's metadata, the times of its changes, and a user's unread mentions,
 * on every back end.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/store_fixture.h"

static struct wire_info info_of(struct store_fixture *f, uint64_t g)
{
	struct wire_info out;

	if (store_get_info(f->s, g, str_of("alice"), &out, &f->err) < 0)
		fail_msg("get_info: %s", f->err.text);
	return out;
}

static void assert_str(struct str s, const char *expected)
{
	if (!str_eq(s, str_of(expected)))
		fail_msg("\"%.*s\", not \"%s\"", (int)s.len,
			 s.len > 0 ? s.data : "", expected);
}

static void metadata_is_what_the_creation_says(void **state)
{
	struct store_fixture *f = *state;
	struct store_create op = { .name = str_of("lunch"),
				   .creator = str_of("alice"),
				   .description = str_of("where\nand when"),
				   .settings = str_of("{\"a\": 1}") };
	struct wire_info info;

	fixture_users(f, "alice");
	fixture_begin(f);
	assert_int_equal(store_create_group(f->s, &op, &f->err), 0);
	fixture_commit(f);
	info = info_of(f, op.group_id);
	assert_int_equal(info.group_id, op.group_id);
	assert_str(info.name, "lunch");
	assert_str(info.description, "where\nand when");
	assert_str(info.avatar_url, "");
	assert_str(info.created_by, "alice");
	assert_str(info.settings, "{\"a\": 1}");
	assert_int_equal(info.created_ms, f->now_ms);
	assert_int_equal(info.info_ms, f->now_ms);
	assert_int_equal(info.max_members, STORE_MEMBERS_MAX);
	assert_int_equal(info.first_off, 0);
}

static void a_change_touches_only_what_it_names(void **state)
{
	struct store_fixture *f = *state;
	struct store_set_info op = { .by = str_of("alice"),
				     .set = INFO_ALL,
				     .description = str_of("d"),
				     .avatar_url = str_of("http://a/b"),
				     .settings = str_of("{}"),
				     .max_members = 5 };
	struct wire_info info;

	fixture_users(f, "alice");
	op.group_id = fixture_group(f, "lunch", "alice", "");
	f->now_ms += 1000;
	fixture_begin(f);
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	op.set = INFO_AVATAR_URL | INFO_DESCRIPTION;
	op.description = str_of("");
	op.avatar_url = str_of("http://c");
	op.settings = str_of("rubbish that is not named");
	op.max_members = 0;
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	fixture_commit(f);
	info = info_of(f, op.group_id);
	assert_str(info.description, "");
	assert_str(info.avatar_url, "http://c");
	assert_str(info.settings, "{}");
	assert_int_equal(info.max_members, 5);
	assert_int_equal(info.info_ms, f->now_ms);
	f->now_ms += 1000;
	op.set = 0;
	fixture_begin(f);
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	fixture_commit(f);
	assert_int_equal(info_of(f, op.group_id).info_ms, f->now_ms - 1000);
}

static void metadata_is_for_members_and_changed_by_admins(void **state)
{
	struct store_fixture *f = *state;
	struct store_set_info op = { .by = str_of("bob"),
				     .set = INFO_DESCRIPTION,
				     .description = str_of("mine") };
	struct wire_info out;

	fixture_users(f, "alice bob eve");
	op.group_id = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(store_set_info(f->s, &op, &f->err), -EACCES);
	assert_int_equal(f->err.code, ERR_NOT_ADMIN);
	op.set = 0;
	assert_int_equal(store_set_info(f->s, &op, &f->err), -EACCES);
	op.by = str_of("eve");
	assert_int_equal(store_set_info(f->s, &op, &f->err), -ENOENT);
	assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
	op.by = str_of("");
	assert_int_equal(store_set_info(f->s, &op, &f->err), -ENOENT);
	fixture_commit(f);
	assert_int_equal(
		store_get_info(f->s, op.group_id, str_of("bob"), &out, &f->err),
		0);
	assert_str(out.description, "");
	assert_int_equal(
		store_get_info(f->s, op.group_id, str_of("eve"), &out, &f->err),
		-ENOENT);
	assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
	assert_int_equal(out.name.len, 0);
	assert_int_equal(
		store_get_info(f->s, UINT64_MAX, str_of("bob"), &out, &f->err),
		-ENOENT);
	assert_int_equal(
		store_get_info(f->s, op.group_id, str_of(""), &out, &f->err),
		0);
	assert_str(out.name, "lunch");
}

/* What is refused must leave all else of the same request undone. */
static void refuse(struct store_fixture *f, struct store_set_info *op,
		   enum err_code code)
{
	op->set |= INFO_DESCRIPTION;
	op->description = str_of(op->description.len > 0 ? op->description.data
							 : "not stored");
	f->err.code = ERR_NONE;
	assert_true(store_set_info(f->s, op, &f->err) < 0);
	assert_int_equal(f->err.code, code);
	assert_true(f->err.text[0] != '\0');
	op->set = 0;
	op->description = str_of("");
}

static void bad_metadata_is_refused_as_a_whole(void **state)
{
	static const char *const bad[] = { "[]", "1", "{", "\"x\"",
					   "{\"a\":1,\"a\":2}" };
	struct store_fixture *f = *state;
	struct store_set_info op = { .by = str_of("alice") };
	char *big = malloc(WIRE_SETTINGS_MAX + 2);

	assert_non_null(big);
	memset(big, 'x', WIRE_SETTINGS_MAX + 1);
	big[WIRE_SETTINGS_MAX + 1] = '\0';
	fixture_users(f, "alice bob");
	op.group_id = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		op.set = INFO_SETTINGS;
		op.settings = str_of(bad[i]);
		refuse(f, &op, ERR_BAD_REQUEST);
	}
	op.set = INFO_SETTINGS;
	op.settings = str_of("{\"a\":\"\xff\"}");
	refuse(f, &op, ERR_BAD_UTF8);
	op.set = INFO_SETTINGS;
	op.settings = str_of(big);
	refuse(f, &op, ERR_TOO_LARGE);
	op.set = INFO_AVATAR_URL;
	op.avatar_url = str_of("has space");
	refuse(f, &op, ERR_BAD_REQUEST);
	op.set = INFO_AVATAR_URL;
	op.avatar_url = str_make(big, WIRE_URL_MAX + 1);
	refuse(f, &op, ERR_TOO_LARGE);
	op.description = str_of("\xff");
	refuse(f, &op, ERR_BAD_UTF8);
	op.description = str_of(big);
	refuse(f, &op, ERR_TOO_LARGE);
	op.set = INFO_ALL + 1;
	refuse(f, &op, ERR_BAD_REQUEST);
	fixture_commit(f);
	assert_str(info_of(f, op.group_id).description, "");
	free(big);
}

static void a_group_is_created_with_good_settings_only(void **state)
{
	struct store_fixture *f = *state;
	struct store_create op = { .name = str_of("lunch"),
				   .creator = str_of("alice"),
				   .settings = str_of("[1]") };

	fixture_users(f, "alice");
	fixture_begin(f);
	assert_int_equal(store_create_group(f->s, &op, &f->err), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	op.settings = str_of("{}");
	assert_int_equal(store_create_group(f->s, &op, &f->err), 0);
	fixture_commit(f);
}

static void max_members_bounds_who_is_added(void **state)
{
	static const uint64_t bad[] = { 0, 1, STORE_MEMBERS_MAX + 1,
					UINT64_MAX };
	struct store_fixture *f = *state;
	struct store_set_info op = { .by = str_of("alice"),
				     .set = INFO_MAX_MEMBERS };

	fixture_users(f, "alice bob carl");
	op.group_id = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		op.max_members = bad[i];
		assert_int_equal(store_set_info(f->s, &op, &f->err), -EINVAL);
		assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	}
	op.max_members = 2;
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_ADD, "carl"),
		-ENOSPC);
	assert_int_equal(f->err.code, ERR_GROUP_FULL);
	op.max_members = 3;
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_ADD, "carl"), 0);
	fixture_commit(f);
	fixture_verify(f);
}

static void metadata_rolled_back_is_as_it_was(void **state)
{
	struct store_fixture *f = *state;
	struct store_set_info op = { .by = str_of("alice"),
				     .set = INFO_ALL,
				     .description = str_of("d"),
				     .avatar_url = str_of("u"),
				     .settings = str_of("{}"),
				     .max_members = 7 };
	uint64_t then = f->now_ms;
	struct wire_info info;

	fixture_users(f, "alice bob");
	op.group_id = fixture_group(f, "lunch", "alice", "");
	f->now_ms += 1000;
	fixture_begin(f);
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_ADD, "bob"), 0);
	store_rollback(f->s);
	info = info_of(f, op.group_id);
	assert_str(info.description, "");
	assert_str(info.avatar_url, "");
	assert_str(info.settings, "");
	assert_int_equal(info.max_members, STORE_MEMBERS_MAX);
	assert_int_equal(info.info_ms, then);
	assert_int_equal(fixture_find(f, op.group_id, "alice").members_ms,
			 then);
}

static void a_group_tells_when_it_was_changed(void **state)
{
	struct store_fixture *f = *state;
	struct store_set_info op = { .by = str_of("alice"),
				     .set = INFO_DESCRIPTION };
	uint64_t then = f->now_ms;
	struct wire_group group;

	fixture_users(f, "alice bob");
	op.group_id = fixture_group(f, "lunch", "alice", "bob");
	group = fixture_find(f, op.group_id, "alice");
	assert_int_equal(group.info_ms, then);
	assert_int_equal(group.members_ms, then);
	f->now_ms = then + 10;
	fixture_begin(f);
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	f->now_ms = then + 20;
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_ADMIN, "bob"),
		0);
	f->now_ms = then + 30;
	/* What changes nothing, or is refused, is no change. */
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_ADD, "bob"), 0);
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_ADD, "ghost"),
		-ENOENT);
	assert_int_equal(fixture_say(f, op.group_id, "bob", "hi", "", NULL), 0);
	fixture_commit(f);
	group = fixture_find(f, op.group_id, "alice");
	assert_int_equal(group.info_ms, then + 10);
	assert_int_equal(group.members_ms, then + 20);
	assert_int_equal(group.mtime_ms, then + 30);
	/* The clock went back; these times do not. */
	f->now_ms = then - 5000;
	fixture_begin(f);
	assert_int_equal(store_set_info(f->s, &op, &f->err), 0);
	assert_int_equal(
		fixture_edit_one(f, op.group_id, "alice", EDIT_REMOVE, "bob"),
		0);
	fixture_commit(f);
	group = fixture_find(f, op.group_id, "alice");
	assert_int_equal(group.info_ms, then + 10);
	assert_int_equal(group.members_ms, then + 20);
}

/* A walk over mentions as "GROUP SEQ; ...", that ends after `left`. */
struct taken {
	struct buf text;
	unsigned left;
};

static int take_mention(void *data, const struct wire_mention *m)
{
	struct taken *t = data;

	buf_printf(&t->text, "%.*s %" PRIu64 " %.*s: %.*s; ", (int)m->group.len,
		   m->group.data, m->seq, (int)m->sender.len, m->sender.data,
		   (int)m->content.len,
		   m->content.len > 0 ? m->content.data : "");
	assert_true(m->group_id > 0 && m->len > 0 && m->jsonl_len > 0);
	return --t->left == 0;
}

static void assert_mentions(struct store_fixture *f, const char *user,
			    const char *after, uint64_t after_seq,
			    unsigned most, const char *expected)
{
	struct taken t = { .left = most };

	assert_int_equal(store_list_mentions(f->s, str_of(user), str_of(after),
					     after_seq, take_mention, &t,
					     &f->err),
			 0);
	assert_string_equal(buf_cstr(&t.text), expected);
	buf_release(&t.text);
}

static void say(struct store_fixture *f, uint64_t g, const char *user,
		const char *content)
{
	assert_int_equal(fixture_say(f, g, user, content, "", NULL), 0);
}

static void unread_mentions_come_by_group_and_seq(void **state)
{
	struct store_fixture *f = *state;
	uint64_t stored;
	uint64_t zoo;
	uint64_t art;
	uint64_t other;

	fixture_users(f, "alice bob carl");
	zoo = fixture_group(f, "zoo", "alice", "bob");
	art = fixture_group(f, "art", "alice", "bob carl");
	other = fixture_group(f, "other", "alice", "carl");
	fixture_begin(f);
	say(f, zoo, "alice", "@bob 1");
	say(f, zoo, "alice", "@everyone 2");
	say(f, zoo, "alice", "nobody 3");
	say(f, zoo, "alice", "@bob 4");
	say(f, art, "carl", "@bob 1");
	say(f, art, "carl", "@everyone @bob 2");
	say(f, art, "bob", "@everyone 3");
	say(f, art, "carl", "@bob 4");
	say(f, other, "alice", "@everyone 1");
	fixture_commit(f);
	/* Who writes has read what was before. */
	assert_mentions(f, "bob", "", 0, 99,
			"art 4 carl: @bob 4; zoo 1 alice: @bob 1; "
			"zoo 2 alice: @everyone 2; zoo 4 alice: @bob 4; ");
	assert_mentions(f, "bob", "", 0, 2,
			"art 4 carl: @bob 4; zoo 1 alice: @bob 1; ");
	assert_mentions(f, "bob", "zoo", 1, 99,
			"zoo 2 alice: @everyone 2; zoo 4 alice: @bob 4; ");
	assert_mentions(f, "bob", "zoo", 4, 99, "");
	assert_mentions(f, "bob", "art", 4, 1, "zoo 1 alice: @bob 1; ");
	/* A group that is none: behind it in the order. */
	assert_mentions(f, "bob", "b", UINT64_MAX, 1, "zoo 1 alice: @bob 1; ");
	assert_mentions(f, "carl", "", 0, 99, "other 1 alice: @everyone 1; ");
	assert_mentions(f, "ghost", "", 0, 99, "");
	assert_int_equal(fixture_find(f, zoo, "bob").mentions, 3);
	fixture_begin(f);
	assert_int_equal(
		store_set_read(f->s, zoo, str_of("bob"), 2, &stored, &f->err),
		1);
	fixture_commit(f);
	assert_mentions(f, "bob", "art", 9, 99, "zoo 4 alice: @bob 4; ");
	assert_mentions(f, "bob", "zoo", UINT64_MAX, 99, "");
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, zoo, "bob", EDIT_REMOVE, "bob"),
			 0);
	fixture_commit(f);
	assert_mentions(f, "bob", "b", 0, 99, "");
}

/* Adds him again: he finds the last 50 unread, and what he said among them. */
static void come_back(struct store_fixture *f, uint64_t g, const char *user)
{
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, user, EDIT_REMOVE, user), 0);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, user), 0);
	fixture_commit(f);
}

static void mentions_are_counted_from_any_pointer_on(void **state)
{
	struct store_fixture *f = *state;
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice bob carl");
	g = fixture_group(f, "lunch", "alice", "bob carl");
	fixture_begin(f);
	/* 1-24: every third to bob, every other fourth to all. */
	for (unsigned n = 1; n <= 24; n++)
		say(f, g, "alice",
		    n % 3 == 0	 ? "@bob"
		    : n % 4 == 0 ? "@everyone"
				 : "nobody");
	for (uint64_t n = 1; n <= 24; n++) {
		assert_int_equal(fixture_find(f, g, "bob").mentions,
				 24 / 3 - (n - 1) / 3 + 24 / 4 - 24 / 12 -
					 (n - 1) / 4 + (n - 1) / 12);
		assert_int_equal(store_set_read(f->s, g, str_of("bob"), n,
						&stored, &f->err),
				 1);
	}
	assert_int_equal(fixture_find(f, g, "bob").mentions, 0);
	say(f, g, "bob", "@everyone @alice");
	say(f, g, "alice", "@everyone");
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").mentions, 1);
	come_back(f, g, "bob");
	/* Of the 26, those to everyone by others. */
	assert_int_equal(fixture_find(f, g, "bob").mentions, 4 + 1);
	fixture_begin(f);
	say(f, g, "carl", "@bob @everyone");
	say(f, g, "carl", "@bob");
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").mentions, 7);
	assert_int_equal(fixture_find(f, g, "carl").mentions, 0);
	fixture_verify(f);
}

static int refuse_mention(void *data, const struct wire_mention *m)
{
	(void)data;
	(void)m;
	return -E2BIG;
}

static void what_a_walk_over_mentions_returns_is_returned(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	say(f, g, "alice", "@bob");
	fixture_commit(f);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			store_list_mentions(f->s, str_of("bob"), str_of(""), 0,
					    refuse_mention, NULL, &f->err),
			-E2BIG);
	assert_mentions(f, "bob", "", 0, 9, "lunch 1 alice: @bob; ");
}

static int take_name(void *data, struct str name)
{
	buf_printf(data, "%.*s ", (int)name.len, name.data);
	return 0;
}

static int take_one_name(void *data, struct str name)
{
	return take_name(data, name) == 0;
}

static void users_are_listed_by_name(void **state)
{
	struct store_fixture *f = *state;
	struct buf text = { 0 };

	fixture_users(f, "carl alice bob");
	assert_int_equal(
		store_list_users(f->s, str_of(""), take_name, &text, &f->err),
		0);
	assert_string_equal(buf_cstr(&text), "alice bob carl ");
	buf_clear(&text);
	assert_int_equal(store_list_users(f->s, str_of("alice"), take_one_name,
					  &text, &f->err),
			 0);
	assert_string_equal(buf_cstr(&text), "bob ");
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(users_are_listed_by_name),
		FIXTURE_ON_EACH(metadata_is_what_the_creation_says),
		FIXTURE_ON_EACH(a_change_touches_only_what_it_names),
		FIXTURE_ON_EACH(metadata_is_for_members_and_changed_by_admins),
		FIXTURE_ON_EACH(bad_metadata_is_refused_as_a_whole),
		FIXTURE_ON_EACH(a_group_is_created_with_good_settings_only),
		FIXTURE_ON_EACH(max_members_bounds_who_is_added),
		FIXTURE_ON_EACH(metadata_rolled_back_is_as_it_was),
		FIXTURE_ON_EACH(a_group_tells_when_it_was_changed),
		FIXTURE_ON_EACH(unread_mentions_come_by_group_and_seq),
		FIXTURE_ON_EACH(mentions_are_counted_from_any_pointer_on),
		FIXTURE_ON_EACH(what_a_walk_over_mentions_returns_is_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
