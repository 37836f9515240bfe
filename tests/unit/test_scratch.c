/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/scratch.h"

enum { ANN = 1001, BEN = 1002, DEV = 7, OPS = 8 };

struct fixture {
	struct env env;
	uint64_t now_ms;
	struct scratch s;
	char *zeros; /* SCRATCH_FILE_MAX of them */
};

static uint64_t fixed_now(void *data)
{
	return ((struct fixture *)data)->now_ms;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->env = (struct env){ .now_ms = fixed_now, .data = f };
	f->now_ms = 1000;
	f->zeros = calloc(1, SCRATCH_FILE_MAX + 1);
	scratch_init(&f->s, &f->env);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	scratch_release(&f->s);
	assert_int_equal(f->s.bytes, 0);
	free(f->zeros);
	free(f);
	return 0;
}

static struct scratch_file *make(struct fixture *f, uid_t uid, uint64_t group,
				 const char *name)
{
	struct scratch_file *file;

	assert_int_equal(scratch_new(&f->s, uid, group, S_IFREG | 0600, &file),
			 0);
	assert_int_equal(scratch_set_name(&f->s, file, str_of(name)), 0);
	scratch_drop(&f->s, file, f->now_ms);
	return file;
}

static void write_text(struct fixture *f, struct scratch_file *file,
		       uint64_t off, const char *text)
{
	assert_int_equal(scratch_write(&f->s, file, off, str_of(text)), 0);
}

static struct scratch_file *find(struct fixture *f, uid_t uid, uint64_t group,
				 const char *name)
{
	return scratch_find(&f->s, uid, group, str_of(name));
}

static void a_file_is_found_by_its_owner_in_its_group_only(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *file = make(f, ANN, DEV, "x");

	assert_ptr_equal(find(f, ANN, DEV, "x"), file);
	assert_null(find(f, BEN, DEV, "x"));
	assert_null(find(f, ANN, OPS, "x"));
	assert_null(find(f, ANN, DEV, "y"));
	assert_null(find(f, ANN, DEV, ""));
	assert_ptr_equal(scratch_by_id(&f->s, file->id), file);
	assert_null(scratch_by_id(&f->s, file->id + 1));
}

static void the_files_of_a_folder_come_one_by_one(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *a = make(f, ANN, DEV, "a");
	struct scratch_file *b;

	make(f, ANN, OPS, "elsewhere");
	make(f, BEN, DEV, "another's");
	b = make(f, ANN, DEV, "b");
	assert_ptr_equal(scratch_next(&f->s, ANN, DEV, NULL), a);
	assert_ptr_equal(scratch_next(&f->s, ANN, DEV, a), b);
	assert_null(scratch_next(&f->s, ANN, DEV, b));
	assert_null(scratch_next(&f->s, 4711, DEV, NULL));
}

static void a_write_goes_to_its_place_and_a_gap_is_zeros(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *file = make(f, ANN, DEV, "x");

	write_text(f, file, 3, "def");
	assert_int_equal(file->content.len, 6);
	assert_memory_equal(file->content.data, "\0\0\0def", 6);
	write_text(f, file, 0, "abc");
	assert_memory_equal(file->content.data, "abcdef", 6);
	assert_int_equal(scratch_resize(&f->s, file, 2), 0);
	assert_int_equal(scratch_resize(&f->s, file, 5), 0);
	assert_memory_equal(file->content.data, "ab\0\0\0", 5);
	assert_int_equal(f->s.bytes, 5);
}

static void each_write_has_an_mtime_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *file = make(f, ANN, DEV, "x");
	struct timespec before = file->mtime;

	write_text(f, file, 0, "a");
	assert_int_equal(file->mtime.tv_sec, before.tv_sec);
	assert_true(file->mtime.tv_nsec > before.tv_nsec);
	before = file->mtime;
	f->now_ms++;
	write_text(f, file, 0, "b");
	assert_true(file->mtime.tv_nsec > before.tv_nsec);
	/* utimes(2) into the future does not hold up the clock. */
	file->mtime.tv_sec = 99999;
	write_text(f, file, 0, "c");
	assert_int_equal(file->mtime.tv_sec, 1);
}

static void a_renamed_file_replaces_the_one_of_that_name(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *a = make(f, ANN, DEV, "a");
	struct scratch_file *b = scratch_hold(make(f, ANN, DEV, "b"));

	write_text(f, b, 0, "old");
	assert_int_equal(scratch_set_name(&f->s, a, str_of("b")), 0);
	assert_ptr_equal(find(f, ANN, DEV, "b"), a);
	assert_null(find(f, ANN, DEV, "a"));
	/* Who holds the old one goes on with it. */
	assert_ptr_equal(scratch_by_id(&f->s, b->id), b);
	assert_memory_equal(b->content.data, "old", 3);
	scratch_drop(&f->s, b, 0);
	assert_int_equal(f->s.files.count, 1);
	assert_int_equal(f->s.bytes, 0);
	assert_int_equal(scratch_set_name(&f->s, a, str_of("b")), 0);
	assert_ptr_equal(find(f, ANN, DEV, "b"), a);
}

static void two_files_change_names(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *a = make(f, ANN, DEV, "a");
	struct scratch_file *b = make(f, ANN, DEV, "b");

	scratch_exchange(&f->s, a, b);
	assert_ptr_equal(find(f, ANN, DEV, "b"), a);
	assert_ptr_equal(find(f, ANN, DEV, "a"), b);
}

static void names_have_a_bound(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *file = make(f, ANN, DEV, "x");
	char name[SCRATCH_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	assert_int_equal(scratch_set_name(&f->s, file,
					  str_make(name, SCRATCH_NAME_MAX + 1)),
			 -ENAMETOOLONG);
	assert_int_equal(scratch_set_name(&f->s, file, str_of("")), -EINVAL);
	assert_string_equal(file->name, "x");
	assert_int_equal(
		scratch_set_name(&f->s, file, str_make(name, SCRATCH_NAME_MAX)),
		0);
}

static void a_file_and_a_user_have_so_many_bytes(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *a = make(f, ANN, DEV, "a");
	struct scratch_file *b = make(f, ANN, OPS, "b");
	struct scratch_file *c = make(f, ANN, OPS, "c");
	struct str full = str_make(f->zeros, SCRATCH_FILE_MAX);

	assert_int_equal(scratch_write(&f->s, a, 1, full), -EFBIG);
	assert_int_equal(scratch_write(&f->s, a, UINT64_MAX, full), -EFBIG);
	assert_int_equal(scratch_resize(&f->s, a, SCRATCH_FILE_MAX + 1),
			 -EFBIG);
	assert_int_equal(a->content.len, 0);
	assert_int_equal(scratch_write(&f->s, a, 0, full), 0);
	assert_int_equal(scratch_write(&f->s, b, 0, full), 0);
	assert_int_equal(scratch_write(&f->s, c, 0, str_of("x")), -EDQUOT);
	assert_int_equal(scratch_resize(&f->s, c, 1), -EDQUOT);
	/* Writing over what is there needs no more. */
	assert_int_equal(scratch_write(&f->s, b, 0, full), 0);
	assert_int_equal(scratch_resize(&f->s, b, 0), 0);
	assert_true(b->content.cap < 4096);
	assert_int_equal(scratch_write(&f->s, c, 0, str_of("x")), 0);
}

static void the_mount_has_so_many_bytes(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *file;
	uid_t uid = 0;

	while (f->s.bytes < SCRATCH_MOUNT_MAX) {
		file = make(f, ++uid, DEV, "x");
		assert_int_equal(scratch_resize(&f->s, file, SCRATCH_FILE_MAX),
				 0);
	}
	file = make(f, ++uid, DEV, "x");
	assert_int_equal(scratch_resize(&f->s, file, 1), -ENOSPC);
	scratch_unlink(&f->s, find(f, 1, DEV, "x"));
	assert_int_equal(scratch_resize(&f->s, file, 1), 0);
}

static void a_user_and_the_mount_have_so_many_files(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *file;
	char name[2] = "";
	int rc;

	for (int i = 0; i < SCRATCH_USER_FILES; i++) {
		name[0] = (char)('0' + i);
		make(f, ANN, DEV, name);
	}
	assert_int_equal(scratch_new(&f->s, ANN, OPS, S_IFREG, &file), -EDQUOT);
	scratch_unlink(&f->s, find(f, ANN, DEV, "0"));
	make(f, ANN, OPS, "0");
	/* Held ones without a name count, too. */
	for (uid_t uid = 2000; f->s.files.count < SCRATCH_MOUNT_FILES;) {
		rc = scratch_new(&f->s, uid, DEV, S_IFREG, &file);
		assert_true(rc == 0 || rc == -EDQUOT);
		uid += rc != 0;
	}
	assert_int_equal(scratch_new(&f->s, 1, DEV, S_IFREG, &file), -ENOSPC);
	for (struct list *l = f->s.order.next, *next; l != &f->s.order;
	     l = next) {
		next = l->next;
		file = container_of(l, struct scratch_file, order);
		if (file->refs > 0)
			scratch_drop(&f->s, file, 0);
	}
	assert_int_equal(f->s.files.count, SCRATCH_USER_FILES);
}

static void
what_is_not_used_for_long_is_dropped_but_not_while_open(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *open = scratch_hold(make(f, ANN, DEV, "open"));

	make(f, ANN, DEV, "idle");
	f->now_ms += 1;
	make(f, ANN, DEV, "later");
	scratch_tidy(&f->s, 1000 + SCRATCH_IDLE_MS - 1);
	assert_non_null(find(f, ANN, DEV, "idle"));
	scratch_tidy(&f->s, 1000 + SCRATCH_IDLE_MS);
	assert_null(find(f, ANN, DEV, "idle"));
	assert_non_null(find(f, ANN, DEV, "later"));
	assert_non_null(find(f, ANN, DEV, "open"));
	scratch_drop(&f->s, open, 1000 + SCRATCH_IDLE_MS);
	scratch_tidy(&f->s, 1000 + SCRATCH_IDLE_MS + 1);
	assert_null(find(f, ANN, DEV, "later"));
	assert_non_null(find(f, ANN, DEV, "open"));
}

static void who_leaves_a_group_keeps_nothing_in_it(void **state)
{
	struct fixture *f = *state;
	struct scratch_file *held = scratch_hold(make(f, ANN, DEV, "a"));

	make(f, ANN, DEV, "b");
	make(f, ANN, OPS, "c");
	make(f, BEN, DEV, "d");
	scratch_forget(&f->s, ANN, DEV);
	assert_null(scratch_next(&f->s, ANN, DEV, NULL));
	assert_non_null(find(f, ANN, OPS, "c"));
	assert_non_null(find(f, BEN, DEV, "d"));
	assert_ptr_equal(scratch_by_id(&f->s, held->id), held);
	scratch_drop(&f->s, held, 0);
	assert_int_equal(f->s.files.count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_found_by_its_owner_in_its_group_only),
		TEST(the_files_of_a_folder_come_one_by_one),
		TEST(a_write_goes_to_its_place_and_a_gap_is_zeros),
		TEST(each_write_has_an_mtime_of_its_own),
		TEST(a_renamed_file_replaces_the_one_of_that_name),
		TEST(two_files_change_names),
		TEST(names_have_a_bound),
		TEST(a_file_and_a_user_have_so_many_bytes),
		TEST(the_mount_has_so_many_bytes),
		TEST(a_user_and_the_mount_have_so_many_files),
		TEST(what_is_not_used_for_long_is_dropped_but_not_while_open),
		TEST(who_leaves_a_group_keeps_nothing_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
