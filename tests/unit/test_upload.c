/* SPDX-License-Identifier: MIT */
/* What a mount knows of files being copied in; groupd is away all the time. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/upload.h"

struct fixture {
	uv_loop_t loop;
	struct groupfs fs;
	struct user *alice;
	struct user *bob;
};

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	(void)c;
	(void)header;
	(void)body;
}

static int set_up(void **state)
{
	const struct client_options options = { .path = "/nonexistent/s",
						.agent = "test/1",
						.on_event = on_event };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	uv_loop_init(&f->loop);
	f->fs.loop = &f->loop;
	list_init(&f->fs.uploads);
	users_init(&f->fs.users, &f->loop, &f->fs.client);
	assert_int_equal(client_start(&f->fs.client, &f->loop, &options), 0);
	f->alice = users_get(&f->fs.users, 1001);
	f->bob = users_get(&f->fs.users, 1002);
	*state = f;
	return 0;
}

static void closed(struct client *c)
{
	(void)c;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	uploads_release(&f->fs);
	user_drop(&f->fs.users, f->alice);
	user_drop(&f->fs.users, f->bob);
	users_release(&f->fs.users);
	client_close(&f->fs.client, closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

/* Borrowed: that it is BEGUN keeps it. */
static struct upload *begin(struct fixture *f, struct user *user,
			    const char *name)
{
	struct op op = { .fs = &f->fs, .user = user, .group_id = 7 };
	struct upload *u = upload_new(&op, str_of(name));

	assert_non_null(u);
	upload_drop(u);
	return u;
}

static struct upload *find(struct fixture *f, const struct user *user,
			   uint64_t group_id, const char *name)
{
	return upload_find(&f->fs, user, group_id, str_of(name));
}

static void names_are_those_of_files_with_dots_before(void **state)
{
	(void)state;
	assert_true(upload_is_name(str_of("a.png")));
	assert_true(upload_is_name(str_of(".a.png.Ab3dEf")));
	assert_true(upload_is_name(str_of("..a")));
	assert_false(upload_is_name(str_of("")));
	assert_false(upload_is_name(str_of(".")));
	assert_false(upload_is_name(str_of("..")));
	assert_false(upload_is_name(str_of("a/b")));
	assert_false(upload_is_name(str_of(".a\n")));
	assert_false(upload_is_name(str_of("\xff")));
}

static void an_upload_is_found_by_its_user_only(void **state)
{
	struct fixture *f = *state;
	struct upload *a = begin(f, f->alice, "x");
	struct upload *b = begin(f, f->bob, "x");

	assert_ptr_not_equal(a, b);
	assert_string_not_equal(a->key, b->key);
	assert_ptr_equal(find(f, f->alice, 7, "x"), a);
	assert_ptr_equal(find(f, f->bob, 7, "x"), b);
	assert_null(find(f, f->alice, 8, "x"));
	assert_null(find(f, f->alice, 7, "y"));
	assert_ptr_equal(upload_of_id(&f->fs, f->alice, a->id), a);
	assert_null(upload_of_id(&f->fs, f->bob, a->id));
}

static void what_was_sent_or_discarded_is_found_no_more(void **state)
{
	struct fixture *f = *state;
	struct upload *u = upload_hold(begin(f, f->alice, "x"));

	upload_sent(u);
	assert_null(find(f, f->alice, 7, "x"));
	/* Too late. */
	upload_discard(u);
	assert_int_equal(u->state, UPLOAD_SENT);
	upload_drop(u);
	u = upload_hold(begin(f, f->alice, "x"));
	upload_discard(u);
	upload_discard(u);
	assert_int_equal(u->state, UPLOAD_DISCARDED);
	assert_null(find(f, f->alice, 7, "x"));
	assert_null(upload_of_id(&f->fs, f->alice, u->id));
	upload_drop(u);
}

static void only_scratch_files_outlive_their_close(void **state)
{
	struct fixture *f = *state;

	upload_closed(begin(f, f->alice, ".x"));
	upload_closed(begin(f, f->alice, "x"));
	assert_non_null(find(f, f->alice, 7, ".x"));
	assert_null(find(f, f->alice, 7, "x"));
}

static void what_is_left_alone_for_ten_minutes_goes(void **state)
{
	struct fixture *f = *state;
	struct upload *young = begin(f, f->alice, ".young");
	struct upload *open = begin(f, f->alice, ".open");
	struct upload *old = begin(f, f->alice, ".old");

	young->used_ms = uv_now(&f->loop) - UPLOAD_IDLE_MS + 1000;
	open->used_ms = uv_now(&f->loop) - UPLOAD_IDLE_MS;
	old->used_ms = open->used_ms;
	open->open = true;
	uploads_tidy(&f->fs);
	assert_non_null(find(f, f->alice, 7, ".young"));
	assert_non_null(find(f, f->alice, 7, ".open"));
	assert_null(find(f, f->alice, 7, ".old"));
	upload_touch(young);
	assert_int_equal(young->used_ms, uv_now(&f->loop));
}

static void who_leaves_a_group_leaves_nothing_in_it(void **state)
{
	struct fixture *f = *state;

	begin(f, f->alice, ".x");
	begin(f, f->bob, ".x");
	uploads_forget(&f->fs, f->alice, 8);
	assert_non_null(find(f, f->alice, 7, ".x"));
	uploads_forget(&f->fs, f->alice, 7);
	assert_null(find(f, f->alice, 7, ".x"));
	assert_non_null(find(f, f->bob, 7, ".x"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_files_with_dots_before),
		T(an_upload_is_found_by_its_user_only),
		T(what_was_sent_or_discarded_is_found_no_more),
		T(only_scratch_files_outlive_their_close),
		T(what_is_left_alone_for_ten_minutes_goes),
		T(who_leaves_a_group_leaves_nothing_in_it),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
