/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fs/inode.h"

static void the_root_has_the_number_that_fuse_wants(void **state)
{
	(void)state;
	assert_int_equal(inode_of(0, KIND_ROOT), 1);
}

static void every_number_is_split_into_what_it_was_made_of(void **state)
{
	static const uint64_t GROUPS[] = { 1, 2, 255, 256, INODE_ID_MAX };

	(void)state;
	for (int k = KIND_ROOT; k < KIND_COUNT; k++) {
		enum kind parent = kind_info((enum kind)k)->parent;
		bool in_group = k == KIND_GROUP || parent == KIND_GROUP ||
				parent == KIND_MEDIA;
		uint64_t group_id = 99;
		enum kind kind = KIND_NONE;

		for (size_t i = 0; in_group && i < 5; i++) {
			uint64_t ino = inode_of(GROUPS[i], (enum kind)k);

			assert_true(inode_split(ino, &group_id, &kind));
			assert_int_equal(kind, k);
			assert_true(group_id == GROUPS[i]);
		}
		if (in_group)
			continue;
		assert_true(inode_split(inode_of(0, (enum kind)k), &group_id,
					&kind));
		assert_int_equal(kind, k);
		assert_int_equal(group_id, 0);
	}
}

static void numbers_that_are_never_given_are_refused(void **state)
{
	uint64_t group_id;
	enum kind kind;

	(void)state;
	assert_false(inode_split(0, &group_id, &kind));
	assert_false(inode_split(KIND_COUNT, &group_id, &kind));
	assert_false(inode_split(255, &group_id, &kind));
	/* messages of no group, and the root of one */
	assert_false(inode_split(KIND_MESSAGES, &group_id, &kind));
	assert_false(inode_split(7 << 8 | KIND_ROOT, &group_id, &kind));
	assert_false(inode_split(7 << 8 | KIND_ME_NAME, &group_id, &kind));
}

static void names_are_found_in_their_own_folder_only(void **state)
{
	(void)state;
	assert_int_equal(kind_lookup(KIND_ROOT, ".me"), KIND_ME);
	assert_int_equal(kind_lookup(KIND_ME, "error"), KIND_ME_ERROR);
	assert_int_equal(kind_lookup(KIND_GROUP, "live"), KIND_LIVE);
	assert_int_equal(kind_lookup(KIND_GROUP, "error"), KIND_NONE);
	assert_int_equal(kind_lookup(KIND_ROOT, "messages"), KIND_NONE);
	assert_int_equal(kind_lookup(KIND_GROUP, ""), KIND_NONE);
}

static void folders_and_files_have_their_modes(void **state)
{
	(void)state;
	assert_true(kind_is_dir(KIND_ROOT));
	assert_true(kind_is_dir(KIND_GROUP));
	assert_false(kind_is_dir(KIND_POST));
	assert_int_equal(kind_info(KIND_POST)->mode, S_IFREG | 0200);
	assert_int_equal(kind_info(KIND_LIVE)->mode, S_IFREG | 0400);
	assert_null(kind_info(KIND_NONE));
	assert_null(kind_info(KIND_COUNT));
}

static void metadata_is_written_by_admins_only(void **state)
{
	(void)state;
	assert_int_equal(kind_mode(KIND_DESCRIPTION, true), S_IFREG | 0600);
	assert_int_equal(kind_mode(KIND_DESCRIPTION, false), S_IFREG | 0400);
	assert_int_equal(kind_mode(KIND_SETTINGS, false), S_IFREG | 0400);
	assert_int_equal(kind_mode(KIND_MEMBERS, false), S_IFREG | 0600);
	assert_int_equal(kind_mode(KIND_MESSAGES, false), S_IFREG | 0600);
}

static void each_generation_has_its_own_numbers(void **state)
{
	const uint64_t ino = inode_of(INODE_ID_MAX, KIND_MESSAGES);
	uint64_t back = 0;

	(void)state;
	assert_true(inode_mark(ino, 0) == ino);
	assert_true(inode_mark(ino, 1) != ino);
	assert_true(inode_unmark(inode_mark(ino, 65535), 65535, &back));
	assert_true(back == ino);
	assert_false(inode_unmark(inode_mark(ino, 1), 2, &back));
	assert_false(inode_unmark(ino, 2, &back));
	assert_true(back == ino);
	/* What has no id is the same in all. */
	assert_true(inode_mark(inode_of(0, KIND_ROOT), 9) == 1);
	assert_true(inode_unmark(1, 9, &back) && back == 1);
	assert_true(inode_unmark(KIND_ME_LIVE, 9, &back));
	assert_false(inode_unmark(UINT64_C(1) << 48 | 1, 1, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_generation_has_its_own_numbers),
		cmocka_unit_test(the_root_has_the_number_that_fuse_wants),
		cmocka_unit_test(
			every_number_is_split_into_what_it_was_made_of),
		cmocka_unit_test(numbers_that_are_never_given_are_refused),
		cmocka_unit_test(names_are_found_in_their_own_folder_only),
		cmocka_unit_test(folders_and_files_have_their_modes),
		cmocka_unit_test(metadata_is_written_by_admins_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
