/* SPDX-License-Identifier: MIT */
/*
 * The answer to a change of members waits until each mount was told of it,
 * however far behind that is with its reading.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <unistd.h>

#include "tests/support/groupd_fixture.h"

enum { PIECE = 1 << 20, PIECES = 3, CONTENT = 60000, MESSAGES = 60 };

/* A group with more to read than a socket holds. */
static uint64_t create_long_group(struct conn *c)
{
	struct wire_body_send body = { .group_id = create_group(c) };
	struct wire_item item = { 0 };
	struct buf items = { 0 };
	char *content = malloc(CONTENT);

	assert_non_null(content);
	memset(content, 'x', CONTENT);
	item.content = str_make(content, CONTENT);
	for (int i = 0; i < MESSAGES; i++)
		wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	assert_int_equal(ask(c, WIRE_SEND, P_ROOT, &body), ERR_NONE);
	buf_release(&items);
	free(content);
	return body.group_id;
}

/* "daemon" watches on a mount, and asks for more than he reads. */
static void fall_behind(struct conn *c, struct fixture *f, uint64_t group_id)
{
	const struct wire_body_hello hello = { .version = WIRE_VERSION,
					       .agent = str_of("groupfs/1") };

	dial(c, f);
	assert_int_equal(ask(c, WIRE_HELLO, 0, &hello), ERR_NONE);
	open_uid(c, P_DAEMON, UID_DAEMON);
	assert_int_equal(watch(c, P_DAEMON, group_id), ERR_NONE);
	for (int i = 0; i < PIECES; i++) {
		const struct wire_body_read_text body = {
			.group_id = group_id,
			.offset = (uint64_t)i * PIECE,
			.size = PIECE
		};

		write_frame(c, WIRE_READ_TEXT, P_DAEMON, &body);
	}
	/* All of it is there to be written, and some of it was. */
	assert_true(readable(c, ANSWER_MS));
	poll(NULL, 0, QUIET_MS);
}

static void start_removing(struct conn *c, uint64_t group_id)
{
	struct wire_edit edit = { .op = EDIT_REMOVE, .name = str_of("daemon") };
	struct wire_body_edit_members body = { .group_id = group_id };
	struct buf edits = { 0 };

	wire_put(&edits, &wire_schema_edit, &edit);
	body.edits = buf_str(&edits);
	write_frame(c, WIRE_EDIT_MEMBERS, P_ROOT, &body);
	buf_release(&edits);
}

/* The answer, behind the events. */
static void assert_removed(struct conn *c)
{
	do {
		assert_true(next_frame(c));
	} while (c->header.id == 0);
	assert_int_equal(c->header.type, WIRE_OK);
}

/* A group, its admin, and a mount that is behind. */
static uint64_t begin(struct fixture *f, struct conn *admin, struct conn *mount)
{
	uint64_t group_id;

	greet(admin, f);
	group_id = create_long_group(admin);
	fall_behind(mount, f, group_id);
	return group_id;
}

static void who_is_behind_is_told_before_the_answer(void **state)
{
	struct conn admin;
	struct conn mount;
	uint64_t group_id;

	group_id = begin(*state, &admin, &mount);
	start_removing(&admin, group_id);
	/* Its own event comes, the answer does not. */
	assert_true(readable(&admin, ANSWER_MS));
	do {
		assert_true(next_frame(&admin));
		assert_int_equal(admin.header.id, 0);
	} while (readable(&admin, QUIET_MS));
	do {
		assert_true(next_frame(&mount));
	} while (mount.header.type != WIRE_EV_MEMBER);
	assert_int_equal(mount.body.ev_member.change, MEMBER_REMOVED);
	assert_removed(&admin);
	hang_up(&mount);
	hang_up(&admin);
}

static void who_reads_nothing_is_disconnected(void **state)
{
	struct conn admin;
	struct conn mount;
	uint64_t group_id;
	bool told = false;

	group_id = begin(*state, &admin, &mount);
	start_removing(&admin, group_id);
	assert_removed(&admin);
	/* What the kernel had is read to its end, which is a cut frame. */
	for (;;) {
		char byte[4096];
		ssize_t n = read(mount.fd, byte, sizeof(byte));

		if (n <= 0)
			break;
		told = told || memmem(byte, (size_t)n, "daemon", 6) != NULL;
	}
	assert_false(told);
	hang_up(&mount);
	hang_up(&admin);
}

static void messages_wait_for_nobody(void **state)
{
	struct conn admin;
	struct conn mount;
	uint64_t group_id;

	group_id = begin(*state, &admin, &mount);
	assert_int_equal(say(&admin, P_ROOT, group_id, "at once"), ERR_NONE);
	hang_up(&mount);
	hang_up(&admin);
}

static void a_stop_answers_who_waits(void **state)
{
	struct fixture *f = *state;
	struct conn admin;
	struct conn mount;
	uint64_t group_id;

	group_id = begin(f, &admin, &mount);
	start_removing(&admin, group_id);
	assert_true(readable(&admin, ANSWER_MS));
	uv_async_send(&f->quit);
	assert_removed(&admin);
	pthread_join(f->thread, NULL);
	assert_int_equal(f->groupd.state, GROUPD_STOPPED);
	hang_up(&mount);
	hang_up(&admin);
}

static int tear_down_stopped(void **state)
{
	return remove_fixture(*state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(who_is_behind_is_told_before_the_answer),
		TEST(who_reads_nothing_is_disconnected),
		TEST(messages_wait_for_nobody),
		cmocka_unit_test_setup_teardown(a_stop_answers_who_waits,
						set_up, tear_down_stopped),
	};
#undef TEST

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
