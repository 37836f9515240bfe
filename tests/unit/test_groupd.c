/* SPDX-License-Identifier: MIT */
/* A whole groupd in this process, on a thread; the tests speak frames. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/groupd.h"
#include "lib/buf.h"
#include "lib/wire.h"

enum {
	ANSWER_MS = 10000,
	QUIET_MS = 150,
	UID_DAEMON = 1, /* "daemon" and "bin" are in every Debian passwd */
	UID_BIN = 2,
	P_ROOT = 1,
	P_DAEMON = 2,
	P_BIN = 3
};

struct fixture {
	struct buf dir;
	struct config config;
	struct groupd groupd;
	uv_loop_t loop;
	uv_async_t quit;
	pthread_t thread;
	char root[WIRE_USER_MAX + 1]; /* the name of P_ROOT */
};

struct conn {
	int fd;
	uint32_t id;
	struct buf frame; /* the body of the last one read */
	struct wire_header header;
	union wire_body body;
};

static void on_quit_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void on_stopped(struct groupd *g)
{
	struct fixture *f = g->data;

	uv_close((uv_handle_t *)&f->quit, on_quit_closed);
}

static void on_quit(uv_async_t *async)
{
	struct fixture *f = async->data;

	groupd_stop(&f->groupd, on_stopped);
}

static void *run_loop(void *arg)
{
	struct fixture *f = arg;

	uv_run(&f->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void put(char *out, size_t size, const struct fixture *f,
		const char *prefix, const char *suffix)
{
	struct buf text = { 0 };

	buf_printf(&text, "%s%s%s", prefix, buf_cstr(&f->dir), suffix);
	assert_true(str_to_cstr(buf_str(&text), out, size));
	buf_release(&text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char dir[] = "/tmp/test_groupd.XXXXXX";
	struct err err;

	assert_non_null(f);
	assert_non_null(mkdtemp(dir));
	buf_printf(&f->dir, "%s", dir);
	config_defaults(&f->config);
	f->config.gateways = 0;
	put(f->config.data, PATH_MAX, f, "", "/data");
	put(f->config.store, PATH_MAX, f, "sqlite:", "/data/g.db");
	put(f->config.socket, PATH_MAX, f, "", "/run/s");
	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->quit, on_quit);
	f->quit.data = f;
	if (groupd_start(&f->groupd, &f->loop, &f->config, env_system(), &err) <
	    0)
		fail_msg("%s", err.text);
	f->groupd.data = f;
	assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct buf command = { 0 };

	uv_async_send(&f->quit);
	pthread_join(f->thread, NULL);
	assert_int_equal(f->groupd.state, GROUPD_STOPPED);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	buf_printf(&command, "rm -rf %s", buf_cstr(&f->dir));
	assert_int_equal(system(buf_cstr(&command)), 0);
	buf_release(&command);
	buf_release(&f->dir);
	free(f);
	return 0;
}

static void dial(struct conn *c, const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*c = (struct conn){ .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	assert_true(str_to_cstr(str_of(f->config.socket), address.sun_path,
				sizeof(address.sun_path)));
	assert_int_equal(
		connect(c->fd, (struct sockaddr *)&address, sizeof(address)),
		0);
}

static void hang_up(struct conn *c)
{
	close(c->fd);
	buf_release(&c->frame);
}

static bool readable(const struct conn *c, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static bool read_bytes(struct conn *c, char *out, size_t len)
{
	while (len > 0) {
		ssize_t n;

		if (!readable(c, ANSWER_MS))
			fail_msg("no answer");
		n = read(c->fd, out, len);
		if (n <= 0)
			return false;
		out += n;
		len -= (size_t)n;
	}
	return true;
}

/* The next frame; false at the end of the connection. */
static bool next_frame(struct conn *c)
{
	char header[WIRE_HEADER];

	if (!read_bytes(c, header, sizeof(header)))
		return false;
	assert_int_equal(wire_get_header(header, &c->header), 0);
	buf_clear(&c->frame);
	assert_true(buf_reserve(&c->frame, c->header.len + 1));
	if (!read_bytes(c, c->frame.data, c->header.len))
		return false;
	c->frame.len = c->header.len;
	assert_int_equal(wire_get(buf_str(&c->frame),
				  wire_schema_of(c->header.type), &c->body),
			 0);
	return true;
}

static void write_frame(struct conn *c, enum wire_type type, uint32_t principal,
			const void *body)
{
	struct buf b = { 0 };

	wire_put_frame(&b, type, ++c->id, principal, body);
	assert_int_equal(send(c->fd, b.data, b.len, MSG_NOSIGNAL), b.len);
	buf_release(&b);
}

/* Sends and reads the answer, skipping events; its code. */
static enum err_code ask(struct conn *c, enum wire_type type,
			 uint32_t principal, const void *body)
{
	write_frame(c, type, principal, body);
	do {
		assert_true(next_frame(c));
	} while (c->header.id == 0);
	assert_int_equal(c->header.id, c->id);
	if (c->header.type == WIRE_ERROR)
		return (enum err_code)c->body.error.code;
	assert_int_equal(c->header.type, wire_answer_of(type));
	return ERR_NONE;
}

static void open_uid(struct conn *c, uint32_t principal, uint32_t uid)
{
	struct wire_body_open_principal open = { .kind = PRINCIPAL_UID,
						 .uid = uid };

	assert_int_equal(ask(c, WIRE_OPEN_PRINCIPAL, principal, &open),
			 ERR_NONE);
}

static void greet(struct conn *c, struct fixture *f)
{
	struct wire_body_hello hello = { .version = WIRE_VERSION,
					 .agent = str_of("test/1") };
	struct wire_body_open_principal self = { .kind = PRINCIPAL_SELF };

	dial(c, f);
	assert_int_equal(ask(c, WIRE_HELLO, 0, &hello), ERR_NONE);
	assert_int_equal(ask(c, WIRE_OPEN_PRINCIPAL, P_ROOT, &self), ERR_NONE);
	str_to_cstr(c->body.principal.name, f->root, sizeof(f->root));
	open_uid(c, P_DAEMON, UID_DAEMON);
	open_uid(c, P_BIN, UID_BIN);
}

/* A group of P_ROOT with "daemon" in it. */
static uint64_t create_group(struct conn *c)
{
	struct wire_edit edit = { .op = EDIT_ADD, .name = str_of("daemon") };
	struct wire_body_create_group create = { .name = str_of("team") };
	struct buf members = { 0 };
	uint64_t id;

	wire_put(&members, &wire_schema_edit, &edit);
	create.members = buf_str(&members);
	assert_int_equal(ask(c, WIRE_CREATE_GROUP, P_ROOT, &create), ERR_NONE);
	id = c->body.group.group_id;
	assert_int_equal(c->body.group.member_count, 2);
	buf_release(&members);
	return id;
}

static enum err_code say(struct conn *c, uint32_t principal, uint64_t group_id,
			 const char *text)
{
	struct wire_item item = { .content = str_of(text) };
	struct wire_body_send body = { .group_id = group_id };
	struct buf items = { 0 };
	enum err_code code;

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	code = ask(c, WIRE_SEND, principal, &body);
	buf_release(&items);
	return code;
}

static enum err_code edit(struct conn *c, uint32_t principal, uint64_t group_id,
			  enum edit_op op, const char *name)
{
	struct wire_edit one = { .op = (uint64_t)op, .name = str_of(name) };
	struct wire_body_edit_members body = { .group_id = group_id };
	struct buf edits = { 0 };
	enum err_code code;

	wire_put(&edits, &wire_schema_edit, &one);
	body.edits = buf_str(&edits);
	code = ask(c, WIRE_EDIT_MEMBERS, principal, &body);
	buf_release(&edits);
	return code;
}

static enum err_code read_at(struct conn *c, uint32_t principal,
			     uint64_t group_id, uint64_t off, uint64_t size)
{
	struct wire_body_read_text body = { .group_id = group_id,
					    .offset = off,
					    .size = size };

	return ask(c, WIRE_READ_TEXT, principal, &body);
}

static enum err_code watch(struct conn *c, uint32_t principal,
			   uint64_t group_id)
{
	struct wire_body_watch body = { .group_id = group_id };

	return ask(c, WIRE_WATCH, principal, &body);
}

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
	assert_int_equal(ask(&c, WIRE_REVOKE_TOKEN, P_ROOT, &revoke), ERR_NONE);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_EV_PRINCIPAL);
	assert_int_equal(c.header.principal, 9);
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
	};

	/* As main() does. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
