/* SPDX-License-Identifier: MIT */
#include "tests/support/groupd_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

atomic_uint_fast64_t fixture_now = 1000000000000;

static uint64_t now_ms(void *data)
{
	(void)data;
	return atomic_load(&fixture_now);
}

static void random_bytes(void *data, void *out, size_t len)
{
	(void)data;
	env_system()->random(NULL, out, len);
}

const struct env fixture_still = { .now_ms = now_ms, .random = random_bytes };

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

	if (f->on_ending != NULL)
		f->on_ending(f);
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

void start_fixture(struct fixture *f)
{
	struct err err;

	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->quit, on_quit);
	f->quit.data = f;
	if (groupd_start(&f->groupd, &f->loop, &f->config,
			 f->env == NULL ? env_system() : f->env, &err) < 0)
		fail_msg("%s", err.text);
	f->groupd.data = f;
	if (f->on_started != NULL)
		f->on_started(f);
	assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f), 0);
}

struct fixture *fixture_of(const struct config *config)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct str path = str_of(config->data);

	assert_non_null(f);
	f->config = *config;
	path.len -= strlen("/data");
	buf_append_str(&f->dir, path);
	return f;
}

static void change_nothing(struct fixture *f)
{
	(void)f;
}

int set_up_changed(void **state, bool memory, void (*change)(struct fixture *f))
{
	struct fixture *f = calloc(1, sizeof(*f));
	char dir[] = "/tmp/test_groupd.XXXXXX";

	assert_non_null(f);
	assert_non_null(mkdtemp(dir));
	buf_printf(&f->dir, "%s", dir);
	config_defaults(&f->config);
	f->config.gateways = 0;
	put(f->config.data, PATH_MAX, f, "", "/data");
	put(f->config.store, PATH_MAX, f,
	    memory ? "memory:" : "sqlite:", memory ? "" : "/data/g.db");
	put(f->config.socket, PATH_MAX, f, "", "/run/s");
	change(f);
	start_fixture(f);
	*state = f;
	return 0;
}

int set_up(void **state)
{
	return set_up_changed(state, false, change_nothing);
}

int set_up_memory(void **state)
{
	return set_up_changed(state, true, change_nothing);
}

int remove_fixture(struct fixture *f)
{
	struct buf command = { 0 };

	/* groupd leaves it to its end when a verify still runs. */
	if (f->groupd.verify_abandoned)
		registry_release(&f->groupd.registry);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	buf_printf(&command, "rm -rf %s", buf_cstr(&f->dir));
	assert_int_equal(system(buf_cstr(&command)), 0);
	buf_release(&command);
	buf_release(&f->dir);
	free(f);
	return 0;
}

int tear_down(void **state)
{
	struct fixture *f = *state;

	uv_async_send(&f->quit);
	pthread_join(f->thread, NULL);
	assert_int_equal(f->groupd.state, GROUPD_STOPPED);
	return remove_fixture(f);
}

void dial(struct conn *c, const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*c = (struct conn){ .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	assert_true(str_to_cstr(str_of(f->config.socket), address.sun_path,
				sizeof(address.sun_path)));
	assert_int_equal(
		connect(c->fd, (struct sockaddr *)&address, sizeof(address)),
		0);
}

void hang_up(struct conn *c)
{
	close(c->fd);
	buf_release(&c->frame);
}

bool readable(const struct conn *c, int ms)
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
bool next_frame(struct conn *c)
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

static void put_frame(struct conn *c, enum wire_type type, uint32_t principal,
		      const void *body, bool again)
{
	struct buf b = { 0 };

	wire_put_frame(&b, type, ++c->id, principal, body);
	if (again)
		wire_mark_resent(&b);
	assert_int_equal(send(c->fd, b.data, b.len, MSG_NOSIGNAL), b.len);
	buf_release(&b);
}

void write_frame(struct conn *c, enum wire_type type, uint32_t principal,
		 const void *body)
{
	put_frame(c, type, principal, body, false);
}

static enum err_code read_answer(struct conn *c, enum wire_type type)
{
	do {
		assert_true(next_frame(c));
	} while (c->header.id == 0);
	assert_int_equal(c->header.id, c->id);
	if (c->header.type == WIRE_ERROR)
		return (enum err_code)c->body.error.code;
	assert_int_equal(c->header.type, wire_answer_of(type));
	return ERR_NONE;
}

enum err_code ask(struct conn *c, enum wire_type type, uint32_t principal,
		  const void *body)
{
	put_frame(c, type, principal, body, false);
	return read_answer(c, type);
}

enum err_code ask_again(struct conn *c, enum wire_type type, uint32_t principal,
			const void *body)
{
	put_frame(c, type, principal, body, true);
	return read_answer(c, type);
}

void open_uid(struct conn *c, uint32_t principal, uint32_t uid)
{
	struct wire_body_open_principal open = { .kind = PRINCIPAL_UID,
						 .uid = uid };

	assert_int_equal(ask(c, WIRE_OPEN_PRINCIPAL, principal, &open),
			 ERR_NONE);
}

void greet(struct conn *c, struct fixture *f)
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
uint64_t create_group(struct conn *c)
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

enum err_code say(struct conn *c, uint32_t principal, uint64_t group_id,
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

enum err_code edit(struct conn *c, uint32_t principal, uint64_t group_id,
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

enum err_code read_at(struct conn *c, uint32_t principal, uint64_t group_id,
		      uint64_t off, uint64_t size)
{
	struct wire_body_read_text body = { .group_id = group_id,
					    .offset = off,
					    .size = size };

	return ask(c, WIRE_READ_TEXT, principal, &body);
}

enum err_code watch(struct conn *c, uint32_t principal, uint64_t group_id)
{
	struct wire_body_watch body = { .group_id = group_id };

	return ask(c, WIRE_WATCH, principal, &body);
}
