/* SPDX-License-Identifier: MIT */
/* What groupd tells beside messages: mentions, read pointers, and who is
 * online. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

/* A mount, with one principal. */
static void greet_mount(struct conn *c, struct fixture *f)
{
	const struct wire_body_hello hello = { .version = WIRE_VERSION,
					       .agent = str_of("groupfs/1") };

	dial(c, f);
	assert_int_equal(ask(c, WIRE_HELLO, 0, &hello), ERR_NONE);
	open_uid(c, P_DAEMON, UID_DAEMON);
}

static void assert_mention(struct conn *c, const struct fixture *f,
			   const char *user, uint64_t seq)
{
	const struct wire_body_ev_mention *ev = &c->body.ev_mention;

	assert_true(next_frame(c));
	assert_int_equal(c->header.type, WIRE_EV_MENTION);
	assert_int_equal(c->header.id, 0);
	assert_true(str_eq(ev->user, str_of(user)));
	assert_true(str_eq(ev->group, str_of("team")));
	assert_true(str_eq(ev->sender, str_of(f->root)));
	assert_int_equal(ev->seq, seq);
}

static void a_mention_by_name_reaches_who_watches_nothing(void **state)
{
	struct fixture *f = *state;
	struct conn admin;
	struct conn idle;
	struct conn mount;
	uint64_t id;

	greet(&admin, f);
	id = create_group(&admin);
	greet(&idle, f);
	greet_mount(&mount, f);
	assert_int_equal(say(&admin, P_ROOT, id, "hi @daemon, @daemon"),
			 ERR_NONE);
	assert_mention(&idle, f, "daemon", 1);
	/* No members, oneself, nobody; and everyone is in the message. */
	assert_int_equal(say(&admin, P_ROOT, id, "@bin @nobody x@daemon"),
			 ERR_NONE);
	assert_int_equal(say(&admin, P_ROOT, id, "@everyone"), ERR_NONE);
	assert_int_equal(say(&admin, P_DAEMON, id, "@daemon"), ERR_NONE);
	assert_false(readable(&idle, QUIET_MS));
	assert_int_equal(say(&admin, P_ROOT, id, "@everyone @daemon"),
			 ERR_NONE);
	assert_mention(&idle, f, "daemon", 5);
	assert_false(readable(&mount, QUIET_MS));
	hang_up(&admin);
	hang_up(&idle);
	hang_up(&mount);
}

static void
a_mention_comes_behind_its_message_and_before_the_removal(void **state)
{
	struct fixture *f = *state;
	struct conn admin;
	struct conn watcher;
	uint64_t id;

	greet(&admin, f);
	id = create_group(&admin);
	greet(&watcher, f);
	assert_int_equal(watch(&watcher, P_DAEMON, id), ERR_NONE);
	assert_int_equal(say(&admin, P_ROOT, id, "@daemon"), ERR_NONE);
	assert_int_equal(edit(&admin, P_ROOT, id, EDIT_REMOVE, "daemon"),
			 ERR_NONE);
	assert_int_equal(say(&admin, P_ROOT, id, "@daemon"), ERR_NONE);
	assert_true(next_frame(&watcher));
	assert_int_equal(watcher.header.type, WIRE_EV_MESSAGES);
	assert_mention(&watcher, f, "daemon", 1);
	assert_true(next_frame(&watcher));
	assert_int_equal(watcher.header.type, WIRE_EV_MEMBER);
	assert_false(readable(&watcher, QUIET_MS));
	hang_up(&admin);
	hang_up(&watcher);
}

static void a_message_stored_twice_mentions_once(void **state)
{
	struct fixture *f = *state;
	struct wire_item item = { .content = str_of("@daemon") };
	struct wire_body_send body = { .batch_id = str_of("b") };
	struct buf items = { 0 };
	struct conn admin;
	struct conn idle;

	greet(&admin, f);
	body.group_id = create_group(&admin);
	greet(&idle, f);
	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ask(&admin, WIRE_SEND, P_ROOT, &body),
				 ERR_NONE);
	assert_int_equal(admin.body.sent.duplicate, 1);
	assert_mention(&idle, f, "daemon", 1);
	assert_false(readable(&idle, QUIET_MS));
	buf_release(&items);
	hang_up(&admin);
	hang_up(&idle);
}

static void assert_read(const struct conn *c, uint64_t seq, uint32_t request)
{
	const struct wire_body_ev_read *ev = &c->body.ev_read;

	assert_int_equal(c->header.type, WIRE_EV_READ);
	assert_int_equal(c->header.id, 0);
	assert_true(str_eq(ev->group, str_of("team")));
	assert_true(str_eq(ev->user, str_of("daemon")));
	assert_int_equal(ev->last_read_seq, seq);
	assert_int_equal(ev->request, request);
}

static void a_pointer_that_moved_is_told_to_all_of_its_user(void **state)
{
	struct fixture *f = *state;
	struct wire_body_set_read body = { .seq = 2 };
	struct conn c;
	struct conn other;
	struct conn mount;

	greet(&c, f);
	body.group_id = create_group(&c);
	for (int i = 0; i < 3; i++)
		assert_int_equal(say(&c, P_ROOT, body.group_id, "x"), ERR_NONE);
	greet(&other, f);
	greet_mount(&mount, f);
	/* Who asked knows by the number which answer comes next. */
	write_frame(&c, WIRE_SET_READ, P_DAEMON, &body);
	assert_true(next_frame(&c));
	assert_read(&c, 2, c.id);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_OK);
	assert_int_equal(c.body.ok.value, 2);
	assert_true(next_frame(&other));
	assert_read(&other, 2, 0);
	/* From a mount, too. */
	body.seq = WIRE_READ_ALL;
	assert_int_equal(ask(&mount, WIRE_SET_READ, P_DAEMON, &body), ERR_NONE);
	assert_true(next_frame(&other));
	assert_read(&other, 3, 0);
	assert_true(next_frame(&c));
	assert_read(&c, 3, 0);
	/* Not where it stood there already; nor by a message of his own. */
	body.seq = 1;
	assert_int_equal(ask(&c, WIRE_SET_READ, P_DAEMON, &body), ERR_NONE);
	body.seq = 4;
	assert_int_equal(ask(&c, WIRE_SET_READ, P_DAEMON, &body),
			 ERR_BAD_REQUEST);
	assert_int_equal(say(&c, P_DAEMON, body.group_id, "mine"), ERR_NONE);
	assert_int_equal(ask(&c, WIRE_SET_READ, P_DAEMON, &body), ERR_NONE);
	assert_false(readable(&other, QUIET_MS));
	assert_false(readable(&mount, 0));
	hang_up(&c);
	hang_up(&other);
	hang_up(&mount);
}

static uint64_t online(struct conn *c, uint64_t group_id)
{
	const struct wire_body_get_info body = { .group_id = group_id };

	assert_int_equal(ask(c, WIRE_GET_INFO, P_ROOT, &body), ERR_NONE);
	return c->body.info.online;
}

static void who_watches_is_online_once(void **state)
{
	struct fixture *f = *state;
	struct wire_body_watch quiet = { .kind = WATCH_QUIET };
	struct wire_body_unwatch unwatch = { .kind = WATCH_PRESENT };
	struct conn c;
	struct conn other;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	quiet.group_id = id;
	unwatch.group_id = id;
	greet(&other, f);
	assert_int_equal(online(&c, id), 0);
	assert_int_equal(ask(&c, WIRE_WATCH, P_ROOT, &quiet), ERR_NONE);
	assert_int_equal(online(&c, id), 0);
	assert_int_equal(watch(&c, P_DAEMON, id), ERR_NONE);
	assert_int_equal(watch(&other, P_DAEMON, id), ERR_NONE);
	assert_int_equal(online(&c, id), 1);
	assert_int_equal(watch(&c, P_ROOT, id), ERR_NONE);
	assert_int_equal(online(&c, id), 2);
	/* One kind ends, the other stays, and with it the messages. */
	assert_int_equal(ask(&c, WIRE_UNWATCH, P_ROOT, &unwatch), ERR_NONE);
	assert_int_equal(online(&c, id), 1);
	assert_int_equal(ask(&c, WIRE_UNWATCH, P_DAEMON, &unwatch), ERR_NONE);
	assert_int_equal(online(&c, id), 1);
	assert_int_equal(say(&other, P_ROOT, id, "x"), ERR_NONE);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_EV_MESSAGES);
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_REMOVE, "daemon"), ERR_NONE);
	assert_int_equal(online(&c, id), 0);
	hang_up(&c);
	hang_up(&other);
}

static void a_watch_that_ends_before_it_is_made_is_not_made(void **state)
{
	struct fixture *f = *state;
	struct wire_body_watch body = { 0 };
	struct wire_body_unwatch unwatch = { 0 };
	struct conn c;

	greet(&c, f);
	body.group_id = create_group(&c);
	unwatch.group_id = body.group_id;
	for (int i = 0; i < 50; i++) {
		write_frame(&c, WIRE_WATCH, P_DAEMON, &body);
		write_frame(&c, WIRE_UNWATCH, P_DAEMON, &unwatch);
		assert_true(next_frame(&c));
		assert_true(next_frame(&c));
		assert_int_equal(online(&c, body.group_id), 0);
	}
	/* A new one is. */
	write_frame(&c, WIRE_WATCH, P_DAEMON, &body);
	write_frame(&c, WIRE_UNWATCH, P_DAEMON, &unwatch);
	write_frame(&c, WIRE_WATCH, P_DAEMON, &body);
	for (int i = 0; i < 3; i++)
		assert_true(next_frame(&c));
	assert_int_equal(online(&c, body.group_id), 1);
	hang_up(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define MEMORY(name)                                                           \
	cmocka_unit_test_setup_teardown(name, set_up_memory, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_mention_by_name_reaches_who_watches_nothing),
		MEMORY(a_mention_by_name_reaches_who_watches_nothing),
		TEST(a_mention_comes_behind_its_message_and_before_the_removal),
		TEST(a_message_stored_twice_mentions_once),
		TEST(a_pointer_that_moved_is_told_to_all_of_its_user),
		MEMORY(a_pointer_that_moved_is_told_to_all_of_its_user),
		TEST(who_watches_is_online_once),
		TEST(a_watch_that_ends_before_it_is_made_is_not_made),
	};
#undef TEST
#undef MEMORY

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
