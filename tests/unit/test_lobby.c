/* SPDX-License-Identifier: MIT */
/* Who has not said yet what he speaks. */
#include "daemon/lobby.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/wire.h"

struct scene {
	uv_loop_t loop;
	struct lobby lobby;
	int client;
	int wire; /* what on_wire got; -1: nothing */
	int http; /* a copy of what on_http took */
	uid_t uid;
	int busy; /* on_http says so often that it must wait */
	int answer;
	bool closed;
};

static void on_wire(void *data, int fd)
{
	struct scene *s = data;

	assert_int_equal(s->wire, -1);
	s->wire = fd;
}

static int on_http(void *data, int fd, uid_t uid)
{
	struct scene *s = data;

	assert_int_equal(s->http, -1);
	s->uid = uid;
	if (s->busy > 0) {
		s->busy--;
		return -EAGAIN;
	}
	if (s->answer == 0)
		s->http = dup(fd);
	return s->answer;
}

static const struct lobby_ops ops = { .on_wire = on_wire, .on_http = on_http };

/* A guest comes, and may have said something by then. */
static void begin(struct scene *s, const char *said, size_t len)
{
	int fds[2];

	*s = (struct scene){ .wire = -1, .http = -1 };
	assert_int_equal(uv_loop_init(&s->loop), 0);
	lobby_start(&s->lobby, &s->loop, &ops, s);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	s->client = fds[0];
	if (len > 0)
		assert_int_equal(write(s->client, said, len), len);
	lobby_enter(&s->lobby, fds[1], 1234);
}

static void on_closed(struct lobby *l)
{
	container_of(l, struct scene, lobby)->closed = true;
}

static void end(struct scene *s)
{
	lobby_close(&s->lobby, on_closed);
	alarm(20);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	alarm(0);
	assert_true(s->closed);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	close(s->client);
	if (s->wire >= 0)
		close(s->wire);
	if (s->http >= 0)
		close(s->http);
}

static void turn(struct scene *s)
{
	uv_run(&s->loop, UV_RUN_NOWAIT);
}

/* All that the guest said is still to be read. */
static void assert_untouched(int fd, const char *said, size_t len)
{
	char got[64];

	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), len);
	assert_memory_equal(got, said, len);
}

static void http_begins_with_two_capitals(void **state)
{
	static const char *const all[] = { "GET / HTTP/1.1\r\n", "PO", "FOO",
					   "OPTIONS * HTTP/1.1\r\n" };
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		begin(&s, all[i], strlen(all[i]));
		assert_true(s.http >= 0);
		assert_int_equal(s.wire, -1);
		assert_int_equal(s.uid, 1234);
		assert_untouched(s.http, all[i], strlen(all[i]));
		assert_int_equal(lobby_count(&s.lobby, 1234), 0);
		end(&s);
	}
}

static void a_hello_of_any_length_is_ours(void **state)
{
	struct scene s;

	(void)state;
	for (size_t len = 0; len <= 64; len++) {
		char agent[65] = { 0 };
		const struct wire_body_hello hello = {
			.version = WIRE_VERSION, .agent = str_make(agent, len)
		};
		struct buf frame = { 0 };

		memset(agent, 'x', len);
		wire_put_frame(&frame, WIRE_HELLO, 1, 0, &hello);
		begin(&s, frame.data, frame.len);
		assert_true(s.wire >= 0);
		assert_int_equal(s.http, -1);
		assert_int_equal(lobby_count(&s.lobby, 1234), 0);
		end(&s);
		buf_release(&frame);
	}
}

static void other_bytes_are_no_http(void **state)
{
	static const char *const all[] = {
		"get / HTTP/1.1", "\x16\x03\x01", "\xff\xfe", "G\n", "G1",
		"  GET"
	};
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		begin(&s, all[i], strlen(all[i]));
		assert_true(s.wire >= 0);
		assert_untouched(s.wire, all[i], strlen(all[i]));
		end(&s);
	}
	begin(&s, "\0", 1);
	assert_true(s.wire >= 0);
	end(&s);
}

static void one_capital_is_waited_with(void **state)
{
	static const char *const rest[] = { "ET /", "\0\0\0" };
	struct scene s;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(&s, "G", 1);
		for (int n = 0; n < 100; n++)
			turn(&s);
		assert_true(s.wire < 0 && s.http < 0);
		assert_int_equal(lobby_count(&s.lobby, 1234), 1);
		assert_int_equal(write(s.client, rest[i], 3), 3);
		alarm(20);
		while (s.wire < 0 && s.http < 0)
			uv_run(&s.loop, UV_RUN_ONCE);
		alarm(0);
		assert_true((s.http >= 0) == (i == 0));
		end(&s);
	}
}

static void who_speaks_later_is_heard(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, "", 0);
	turn(&s);
	assert_int_equal(lobby_count(&s.lobby, 1234), 1);
	assert_int_equal(lobby_count(&s.lobby, 1), 0);
	assert_int_equal(write(s.client, "DELETE", 6), 6);
	alarm(20);
	while (s.http < 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	end(&s);
}

static void who_hangs_up_is_gone(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, "", 0);
	shutdown(s.client, SHUT_RDWR);
	alarm(20);
	while (lobby_count(&s.lobby, 1234) > 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	assert_true(s.wire < 0 && s.http < 0);
	end(&s);
}

static void http_waits_for_a_gateway(void **state)
{
	struct scene s;
	int fds[2];

	(void)state;
	begin(&s, "", 0);
	s.busy = 3;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[0], "GET /", 5), 5);
	lobby_enter(&s.lobby, fds[1], 7);
	assert_int_equal(s.http, -1);
	assert_int_equal(lobby_count(&s.lobby, 7), 1);
	alarm(20);
	while (s.http < 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	assert_int_equal(s.busy, 0);
	assert_int_equal(s.uid, 7);
	assert_untouched(s.http, "GET /", 5);
	close(fds[0]);
	end(&s);
}

/* Reads to the end of the connection. */
static void assert_is_503(struct scene *s)
{
	char text[1024] = { 0 };
	size_t len = 0;
	ssize_t n;
	const char *body;
	char length[64];

	while ((n = read(s->client, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	assert_memory_equal(text, "HTTP/1.1 503 ", 13);
	body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	body += 4;
	assert_int_equal(*body, '{');
	assert_non_null(strstr(body, "\"code\":\"unavailable\""));
	snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n",
		 strlen(body));
	assert_non_null(strstr(text, length));
}

static void without_a_gateway_it_is_503(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, "", 0);
	s.answer = -ENOENT;
	assert_int_equal(write(s.client, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	alarm(20);
	while (lobby_count(&s.lobby, 1234) > 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	assert_is_503(&s);
	end(&s);
}

static void it_waits_only_so_long(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, "", 0);
	s.busy = 1 << 20;
	assert_int_equal(write(s.client, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	alarm(20);
	while (lobby_count(&s.lobby, 1234) > 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	assert_true(s.busy < (1 << 20) - 1);
	assert_is_503(&s);
	end(&s);
}

static void the_silent_are_put_out(void **state)
{
	struct scene s;
	char c;

	(void)state;
	begin(&s, "", 0);
	alarm(20);
	while (lobby_count(&s.lobby, 1234) > 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	assert_int_equal(read(s.client, &c, 1), 0);
	end(&s);
	begin(&s, "G", 1);
	alarm(20);
	while (lobby_count(&s.lobby, 1234) > 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	alarm(0);
	assert_true(s.wire < 0 && s.http < 0);
	end(&s);
}

static void all_are_let_go_at_its_end(void **state)
{
	struct scene s;
	char c;

	(void)state;
	begin(&s, "", 0);
	end(&s);
	begin(&s, "P", 1);
	assert_int_equal(read(s.client, &c, 1), -1);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_begins_with_two_capitals),
		cmocka_unit_test(a_hello_of_any_length_is_ours),
		cmocka_unit_test(other_bytes_are_no_http),
		cmocka_unit_test(one_capital_is_waited_with),
		cmocka_unit_test(who_speaks_later_is_heard),
		cmocka_unit_test(who_hangs_up_is_gone),
		cmocka_unit_test(http_waits_for_a_gateway),
		cmocka_unit_test(without_a_gateway_it_is_503),
		cmocka_unit_test(it_waits_only_so_long),
		cmocka_unit_test(the_silent_are_put_out),
		cmocka_unit_test(all_are_let_go_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
