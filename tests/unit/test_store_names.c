/* SPDX-License-Identifier: MIT */
/*
 * What is asked for by a name that can be nobody's, whatever bytes it has: it
 * is not there, and the store is well.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/store_fixture.h"

static const struct str names[] = {
	{ "\xff", 1 },	   { "a\0b", 3 },	   { "\0", 1 },
	{ "\xc3", 1 },	   { "a\xed\xa0\x80", 4 }, { "Alice", 5 },
	{ "al ice", 6 },   { "\xc3\xa9", 2 },	   { "everyone", 8 },
	{ "a\xf8\x88", 3 }
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static uint64_t set_up(struct store_fixture *f)
{
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "@bob hello", "", NULL), 0);
	fixture_commit(f);
	return g;
}

static int see_group(void *data, const struct wire_group *g)
{
	(void)g;
	++*(int *)data;
	return 0;
}

static int see_mention(void *data, const struct wire_mention *m)
{
	(void)m;
	++*(int *)data;
	return 0;
}

static int see_token(void *data, const struct wire_token_info *t)
{
	(void)t;
	++*(int *)data;
	return 0;
}

static void assert_no_group(struct store_fixture *f, int rc)
{
	assert_int_equal(rc, -ENOENT);
	assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
}

static void who_has_no_name_is_nobody(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct wire_group group;
	struct wire_info info;
	struct wire_media media;
	enum role role;
	bool found;
	int seen = 0;

	for (size_t i = 0; i < NAMES; i++) {
		struct str name = names[i];

		assert_int_equal(store_find_user(f->s, name, &found, &f->err),
				 0);
		assert_false(found);
		assert_int_equal(store_role(f->s, g, name, &role, &f->err), 0);
		assert_int_equal(role, ROLE_NONE);
		assert_no_group(f, store_find_group(f->s, g, str_of(""), name,
						    &group, &f->err));
		assert_no_group(f,
				store_get_info(f->s, g, name, &info, &f->err));
		assert_no_group(f, store_find_media(f->s, 0, g, str_of("a"),
						    name, &media, &f->err));
		assert_int_equal(store_list_groups(f->s, name, str_of(""),
						   see_group, &seen, &f->err),
				 0);
		assert_int_equal(store_list_mentions(f->s, name, str_of(""), 0,
						     see_mention, &seen,
						     &f->err),
				 0);
		assert_int_equal(store_list_tokens(f->s, name, 0, see_token,
						   &seen, &f->err),
				 0);
	}
	assert_int_equal(seen, 0);
	fixture_begin(f);
	for (size_t i = 0; i < NAMES; i++) {
		assert_true(store_revoke_token(f->s, 1, names[i], NULL,
					       &f->err) < 0);
		assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	}
	fixture_commit(f);
}

static int see_name(void *data, struct str name)
{
	(void)data;
	(void)name;
	return 0;
}

static int see_member(void *data, const struct wire_member *m)
{
	(void)data;
	(void)m;
	return 0;
}

static int see_media(void *data, const struct wire_media *m)
{
	(void)data;
	(void)m;
	return 0;
}

/* What a list goes on behind, and what is looked for, may be anything. */
static void what_is_no_name_is_not_found(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct wire_group group;
	struct wire_media media;
	int seen = 0;

	for (size_t i = 0; i < NAMES; i++) {
		struct str name = names[i];
		struct str alice = str_of("alice");

		assert_int_equal(
			store_list_users(f->s, name, see_name, NULL, &f->err),
			0);
		assert_int_equal(store_list_groups(f->s, alice, name, see_group,
						   &seen, &f->err),
				 0);
		assert_int_equal(store_list_mentions(f->s, alice, name, 7,
						     see_mention, &seen,
						     &f->err),
				 0);
		assert_int_equal(store_list_members(f->s, g, name, see_member,
						    NULL, &f->err),
				 0);
		assert_int_equal(store_list_media(f->s, g, name, see_media,
						  NULL, &f->err),
				 0);
		assert_int_equal(store_find_media(f->s, 0, g, name, alice,
						  &media, &f->err),
				 0);
		if (!str_eq(name, str_of("everyone")))
			assert_no_group(f,
					store_find_group(f->s, 0, name, alice,
							 &group, &f->err));
	}
}

static void an_import_cannot_end_as_what_is_no_name(void **state)
{
	struct store_fixture *f = *state;

	(void)set_up(f);
	fixture_begin(f);
	for (size_t i = 0; i < NAMES; i++) {
		struct store_import_end op = { .import_id = 77,
					       .name = names[i],
					       .key = str_of("key") };

		assert_true(store_import_end(f->s, &op, &f->err) < 0);
		assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	}
	fixture_commit(f);
}

/* More than a round trip takes, some of them twice, some no names. */
static void many_users_are_asked_for_and_added_together(void **state)
{
	enum { MANY = 1203, EVERY = 3 };
	struct store_fixture *f = *state;
	static char text[MANY][16];
	static struct str all[MANY];
	static bool found[MANY];
	uint64_t added;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(text[i], sizeof(text[i]), "user%zu", i / 2);
		all[i] = str_of(text[i]);
	}
	fixture_begin(f);
	for (size_t i = 0; i < MANY; i += EVERY) {
		bool is_new;

		assert_int_equal(store_add_user(f->s, all[i], &is_new, &f->err),
				 0);
	}
	fixture_commit(f);
	all[MANY - 1] = names[0];
	assert_int_equal(store_find_users(f->s, all, MANY, found, &f->err), 0);
	for (size_t i = 0; i < MANY; i++) {
		size_t other = i ^ 1;

		assert_int_equal(found[i],
				 i != MANY - 1 && (i % EVERY == 0 ||
						   other % EVERY == 0));
	}
	fixture_begin(f);
	assert_int_equal(store_add_users(f->s, all, MANY, &added, &f->err),
			 -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_NAME);
	assert_int_equal(store_add_users(f->s, all, MANY - 1, &added, &f->err),
			 0);
	fixture_commit(f);
	/* Of 601 pairs, two of three had one that was there. */
	assert_int_equal(added, 601 - 401);
	assert_int_equal(store_find_users(f->s, all, MANY - 1, found, &f->err),
			 0);
	for (size_t i = 0; i < MANY - 1; i++)
		assert_true(found[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(who_has_no_name_is_nobody),
		FIXTURE_ON_EACH(what_is_no_name_is_not_found),
		FIXTURE_ON_EACH(an_import_cannot_end_as_what_is_no_name),
		FIXTURE_ON_EACH(many_users_are_asked_for_and_added_together),
	};

	return cmocka_run_group_tests_name("store names", tests, NULL, NULL);
}
