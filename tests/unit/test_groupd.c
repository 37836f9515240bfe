/* SPDX-License-Identifier: MIT */
/* What groupd answers to frames. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

static void a_message_is_stored_read_and_told_once(void **state)
{
	struct fixture *f = *state;
	struct wire_message m;
	struct conn writer;
	struct conn watcher;
	struct str list;
	uint64_t id;

	greet(&writer, f);
	id = create_group(&writer);
	greet(&watcher, f);
	assert_int_equal(watch(&watcher, P_ROOT, id), ERR_NONE);
	assert_int_equal(watch(&watcher, P_DAEMON, id), ERR_NONE);
	assert_int_equal(watch(&watcher, P_DAEMON, id), ERR_NONE);
	assert_int_equal(say(&writer, P_DAEMON, id, "one\ntwo"), ERR_NONE);
	assert_int_equal(writer.body.sent.first_seq, 1);
	assert_true(next_frame(&watcher));
	assert_int_equal(watcher.header.type, WIRE_EV_MESSAGES);
	list = watcher.body.ev_messages.messages;
	assert_int_equal(wire_next(&list, &wire_schema_message, &m), 1);
	assert_true(str_eq(m.content, str_of("one\ntwo")));
	assert_true(str_eq(m.sender, str_of("daemon")));
	assert_int_equal(list.len, 0);
	assert_false(readable(&watcher, QUIET_MS));
	assert_int_equal(read_at(&writer, P_ROOT, id, 27, 1 << 20), ERR_NONE);
	assert_true(
		str_eq(writer.body.text.data, str_of("daemon\tone\\ntwo\n")));
	assert_int_equal(read_at(&writer, P_ROOT, id, 27, 6), ERR_NONE);
	assert_true(str_eq(writer.body.text.data, str_of("daemon")));
	assert_int_equal(read_at(&writer, P_ROOT, id, 9999, 6), ERR_NONE);
	assert_int_equal(writer.body.text.data.len, 0);
	hang_up(&writer);
	hang_up(&watcher);
}

static void a_stranger_sees_nothing(void **state)
{
	struct fixture *f = *state;
	struct wire_body_find_group find = { .name = str_of("team") };
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	assert_int_equal(ask(&c, WIRE_FIND_GROUP, P_BIN, &find),
			 ERR_NO_SUCH_GROUP);
	assert_int_equal(read_at(&c, P_BIN, id, 0, 10), ERR_NO_SUCH_GROUP);
	assert_int_equal(watch(&c, P_BIN, id), ERR_NO_SUCH_GROUP);
	assert_int_equal(say(&c, P_BIN, id, "x"), ERR_NO_SUCH_GROUP);
	assert_int_equal(edit(&c, P_BIN, id, EDIT_ADD, "bin"),
			 ERR_NO_SUCH_GROUP);
	assert_int_equal(edit(&c, P_DAEMON, id, EDIT_ADD, "bin"),
			 ERR_NOT_ADMIN);
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_ADD, "nobody-at-all"),
			 ERR_NO_SUCH_USER);
	assert_non_null(memmem(c.body.error.text.data, c.body.error.text.len,
			       "nobody-at-all", 13));
	hang_up(&c);
}

static void a_removed_member_is_told_and_ends_at_once(void **state)
{
	struct fixture *f = *state;
	struct conn admin;
	struct conn member;
	uint64_t id;

	greet(&admin, f);
	id = create_group(&admin);
	greet(&member, f);
	assert_int_equal(watch(&member, P_DAEMON, id), ERR_NONE);
	assert_int_equal(edit(&admin, P_ROOT, id, EDIT_REMOVE, "daemon"),
			 ERR_NONE);
	assert_int_equal(say(&admin, P_ROOT, id, "secret"), ERR_NONE);
	assert_true(next_frame(&member));
	assert_int_equal(member.header.type, WIRE_EV_MEMBER);
	assert_int_equal(member.body.ev_member.change, MEMBER_REMOVED);
	assert_true(str_eq(member.body.ev_member.group, str_of("team")));
	assert_false(readable(&member, QUIET_MS));
	assert_int_equal(read_at(&member, P_DAEMON, id, 0, 100),
			 ERR_NOT_MEMBER);
	assert_int_equal(say(&member, P_DAEMON, id, "x"), ERR_NOT_MEMBER);
	assert_int_equal(read_at(&member, P_BIN, id, 0, 9), ERR_NO_SUCH_GROUP);
	hang_up(&admin);
	hang_up(&member);
}

static void who_does_not_read_gets_grown_and_loses_nothing(void **state)
{
	enum { COUNT = 400, SIZE = 60000 };
	struct fixture *f = *state;
	char *text = malloc(SIZE + 1);
	uint64_t seen = 0;
	bool grown = false;
	struct conn writer;
	struct conn slow;
	uint64_t id;

	assert_non_null(text);
	memset(text, 'x', SIZE);
	text[SIZE] = '\0';
	greet(&writer, f);
	id = create_group(&writer);
	greet(&slow, f);
	assert_int_equal(watch(&slow, P_ROOT, id), ERR_NONE);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(say(&writer, P_ROOT, id, text), ERR_NONE);
	while (seen < COUNT) {
		struct wire_message m;
		struct str list;

		assert_true(next_frame(&slow));
		if (slow.header.type == WIRE_EV_GROWN) {
			grown = true;
			assert_true(slow.body.ev_grown.last_seq > seen);
			seen = slow.body.ev_grown.last_seq;
			continue;
		}
		assert_int_equal(slow.header.type, WIRE_EV_MESSAGES);
		list = slow.body.ev_messages.messages;
		while (wire_next(&list, &wire_schema_message, &m) > 0)
			assert_int_equal(m.seq, ++seen);
	}
	assert_true(grown);
	assert_false(readable(&slow, QUIET_MS));
	hang_up(&writer);
	hang_up(&slow);
	free(text);
}

static void tokens_open_principals_until_they_are_revoked(void **state)
{
	struct fixture *f = *state;
	struct wire_body_create_token create = { .user = str_of("daemon") };
	struct wire_body_open_principal open = { .kind = PRINCIPAL_TOKEN };
	struct wire_body_revoke_token revoke;
	char token[WIRE_TOKEN_MAX + 1];
	struct conn c;

	greet(&c, f);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_BIN, &create),
			 ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_CREATE_TOKEN, P_ROOT, &create), ERR_NONE);
	assert_true(str_to_cstr(c.body.token.token, token, sizeof(token)));
	assert_int_equal(strlen(token), 47);
	revoke.token_id = c.body.token.token_id;
	open.token = str_of(token);
	assert_int_equal(ask(&c, WIRE_OPEN_PRINCIPAL, 9, &open), ERR_NONE);
	assert_true(str_eq(c.body.principal.name, str_of("daemon")));
	assert_int_equal(c.body.principal.admin, 0);
	/* Those concerned hear of it before who did it. */
	write_frame(&c, WIRE_REVOKE_TOKEN, P_ROOT, &revoke);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_EV_PRINCIPAL);
	assert_int_equal(c.header.principal, 9);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_OK);
	assert_int_equal(ask(&c, WIRE_OPEN_PRINCIPAL, 9, &open),
			 ERR_UNAUTHENTICATED);
	hang_up(&c);
}

static void rubbish_is_refused_and_closes(void **state)
{
	struct fixture *f = *state;
	struct wire_body_hello hello = { .version = WIRE_VERSION + 1,
					 .agent = str_of("old/1") };
	struct wire_body_find_group find = { .name = str_of("team") };
	char rubbish[64];
	struct conn c;

	dial(&c, f);
	assert_int_equal(ask(&c, WIRE_HELLO, 0, &hello), ERR_BAD_REQUEST);
	assert_false(next_frame(&c));
	hang_up(&c);
	dial(&c, f);
	assert_int_equal(ask(&c, WIRE_FIND_GROUP, 1, &find), ERR_BAD_REQUEST);
	assert_false(next_frame(&c));
	hang_up(&c);
	memset(rubbish, 0xee, sizeof(rubbish));
	dial(&c, f);
	assert_int_equal(write(c.fd, rubbish, sizeof(rubbish)),
			 sizeof(rubbish));
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_ERROR);
	assert_int_equal(c.header.id, 0xeeeeeeee);
	assert_false(next_frame(&c));
	hang_up(&c);
}

static void settings_are_a_json_object(void **state)
{
	static const char *const bad[] = { "[1]", "{", "{\"a\":1,\"a\":2}",
					   "1" };
	struct fixture *f = *state;
	struct wire_body_create_group create = { .name = str_of("team") };
	struct conn c;

	greet(&c, f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		create.settings = str_of(bad[i]);
		assert_int_equal(ask(&c, WIRE_CREATE_GROUP, P_ROOT, &create),
				 ERR_BAD_REQUEST);
	}
	create.settings = str_of("{\"color\":\"red\"}");
	assert_int_equal(ask(&c, WIRE_CREATE_GROUP, P_ROOT, &create), ERR_NONE);
	hang_up(&c);
}

static void a_big_frame_before_hello_is_refused_at_once(void **state)
{
	struct fixture *f = *state;
	struct wire_body_send body = { .group_id = 1 };
	struct buf b = { 0 };
	struct conn c;
	char *items = calloc(1, 1 << 16);

	assert_non_null(items);
	body.items = str_make(items, 1 << 16);
	wire_put_frame(&b, WIRE_SEND, 7, 1, &body);
	dial(&c, f);
	/* Its header alone: nothing more is waited for. */
	assert_int_equal(write(c.fd, b.data, WIRE_HEADER), WIRE_HEADER);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_ERROR);
	assert_int_equal(c.header.id, 7);
	assert_false(next_frame(&c));
	hang_up(&c);
	buf_release(&b);
	free(items);
}

static void on_second_stopped(struct groupd *g)
{
	*(bool *)g->data = true;
}

static void a_second_groupd_on_the_same_data_is_refused(void **state)
{
	struct fixture *f = *state;
	struct config *config = calloc(1, sizeof(*config));
	struct groupd *second = calloc(1, sizeof(*second));
	bool stopped = false;
	struct err err;
	uv_loop_t loop;

	assert_non_null(config);
	assert_non_null(second);
	*config = f->config;
	str_to_cstr(str_of("/tmp/never-made/s"), config->socket, PATH_MAX);
	uv_loop_init(&loop);
	assert_true(groupd_start(second, &loop, config, env_system(), &err) <
		    0);
	assert_non_null(strstr(err.text, "store sqlite:"));
	second->data = &stopped;
	groupd_stop(second, on_second_stopped);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(stopped);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(second);
	free(config);
}

struct blocking {
	struct readers_job job;
	int fd;
	bool done;
};

static void block(struct readers_job *job, struct store *store)
{
	char byte;

	(void)store;
	assert_int_equal(
		read(container_of(job, struct blocking, job)->fd, &byte, 1), 1);
}

static void unblocked(struct readers_job *job)
{
	container_of(job, struct blocking, job)->done = true;
}

static void on_verifier_closed(struct readers *r)
{
	(void)r;
}

static int tear_down_after_verify(void **state)
{
	struct fixture *f = *state;
	struct blocking b = { .job = { .run = block, .done = unblocked } };
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	b.fd = fds[0];
	assert_int_equal(readers_submit(&f->groupd.verifier, &b.job), 0);
	/* Hangs here if the stop waits for it. */
	alarm(30);
	uv_async_send(&f->quit);
	pthread_join(f->thread, NULL);
	alarm(0);
	assert_int_equal(f->groupd.state, GROUPD_STOPPED);
	assert_true(f->groupd.verify_abandoned);
	assert_int_equal(write(fds[1], "x", 1), 1);
	readers_close(&f->groupd.verifier, on_verifier_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(b.done);
	close(fds[0]);
	close(fds[1]);
	return remove_fixture(f);
}

static void a_stop_does_not_wait_for_a_verify(void **state)
{
	struct fixture *f = *state;
	struct conn c;

	greet(&c, f);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_message_is_stored_read_and_told_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_stranger_sees_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_removed_member_is_told_and_ends_at_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			who_does_not_read_gets_grown_and_loses_nothing, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			tokens_open_principals_until_they_are_revoked, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(rubbish_is_refused_and_closes,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(settings_are_a_json_object,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_big_frame_before_hello_is_refused_at_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_second_groupd_on_the_same_data_is_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_stop_does_not_wait_for_a_verify, set_up,
			tear_down_after_verify),
	};

	/* As main() does. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
