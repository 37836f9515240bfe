/* SPDX-License-Identifier: MIT */
/* What lws waits for on a connection, told to libuv once a turn. */
#include "daemon/gateway/polls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { FDS = 256 };

struct conn {
	uv_poll_t handle;
	int fd, peer;
	unsigned reads, writes;
	int then; /* what it waits for behind a write; -1: it closes */
};

static uv_loop_t loop;

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	assert_int_equal(close(c->fd), 0);
	c->fd = -1;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct conn *c = handle->data;

	assert_int_equal(status, 0);
	assert_int_not_equal(events, 0);
	if ((events & UV_READABLE) != 0)
		c->reads++;
	if ((events & UV_WRITABLE) == 0)
		return;
	c->writes++;
	if (c->then < 0)
		uv_close((uv_handle_t *)handle, on_closed);
	else
		assert_int_equal(uv_poll_start(handle, c->then, on_poll), 0);
}

static void wait_for(struct conn *c, int events)
{
	assert_int_equal(uv_poll_start(&c->handle, events, on_poll), 0);
}

static void turns(int n)
{
	while (n-- > 0)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void open_conn(struct conn *c, bool added)
{
	int pair[2];

	*c = (struct conn){ .then = UV_READABLE };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	c->fd = pair[0];
	c->peer = pair[1];
	if (added)
		polls_add(c->fd);
	assert_int_equal(uv_poll_init(&loop, &c->handle, c->fd), 0);
	c->handle.data = c;
}

static void close_conn(struct conn *c)
{
	if (c->fd >= 0 && !uv_is_closing((uv_handle_t *)&c->handle))
		uv_close((uv_handle_t *)&c->handle, on_closed);
	turns(2);
	assert_int_equal(c->fd, -1);
	assert_int_equal(close(c->peer), 0);
}

static void say(struct conn *c)
{
	assert_int_equal(write(c->peer, "x", 1), 1);
}

static void who_wants_to_write_is_called_once(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, true);
	wait_for(&c, UV_READABLE);
	turns(2);
	wait_for(&c, UV_READABLE | UV_WRITABLE);
	assert_int_equal(c.writes, 0); /* never inside of the call */
	turns(1);
	assert_int_equal(c.writes, 1);
	turns(3);
	assert_int_equal(c.writes, 1);
	say(&c);
	turns(1);
	assert_int_equal(c.reads, 1);
	close_conn(&c);
}

static void who_goes_on_writing_is_called_each_turn(void **state)
{
	struct conn c;
	unsigned before;

	(void)state;
	open_conn(&c, true);
	c.then = UV_WRITABLE;
	wait_for(&c, UV_WRITABLE);
	turns(1);
	for (int i = 0; i < 3; i++) {
		before = c.writes;
		turns(1);
		assert_int_equal(c.writes, before + 1);
	}
	c.then = UV_READABLE;
	turns(1);
	before = c.writes;
	turns(3);
	assert_int_equal(c.writes, before);
	close_conn(&c);
}

static void fill(int fd)
{
	char data[4096] = { 0 };

	while (write(fd, data, sizeof(data)) > 0)
		;
}

static void drain(int fd)
{
	char data[4096];

	while (read(fd, data, sizeof(data)) > 0)
		;
}

static void a_full_socket_is_waited_for(void **state)
{
	struct conn c;
	unsigned tries;

	(void)state;
	open_conn(&c, true);
	fill(c.fd);
	c.then = UV_WRITABLE;
	wait_for(&c, UV_WRITABLE);
	turns(1);
	tries = c.writes;
	assert_in_range(tries, 1, 2);
	turns(5);
	assert_int_equal(c.writes, tries);
	drain(c.peer);
	turns(1);
	assert_int_equal(c.writes, tries + 1);
	close_conn(&c);
}

static void what_is_not_wanted_is_not_told(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, true);
	wait_for(&c, UV_READABLE);
	turns(1);
	assert_int_equal(uv_poll_stop(&c.handle), 0);
	say(&c);
	turns(3);
	assert_int_equal(c.reads, 0);
	/* It is not looked at in each turn, either. */
	assert_false(uv_is_active((uv_handle_t *)&c.handle));
	wait_for(&c, UV_READABLE);
	turns(1);
	assert_int_equal(c.reads, 1);
	close_conn(&c);
}

static void it_may_close_when_it_writes(void **state)
{
	struct conn c, next;

	(void)state;
	open_conn(&c, true);
	c.then = -1;
	wait_for(&c, UV_READABLE | UV_WRITABLE);
	turns(2);
	assert_int_equal(c.writes, 1);
	close_conn(&c);
	/* The next one has its descriptor, and nothing else of it. */
	open_conn(&next, true);
	say(&next);
	turns(2);
	assert_int_equal(next.reads + next.writes, 0);
	wait_for(&next, UV_READABLE);
	turns(1);
	assert_int_equal(next.reads, 1);
	close_conn(&next);
}

static void it_may_close_before_its_turn(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, true);
	wait_for(&c, UV_WRITABLE);
	uv_close((uv_handle_t *)&c.handle, on_closed);
	turns(2);
	assert_int_equal(c.writes, 0);
	close_conn(&c);
}

static void others_are_libuvs(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, false);
	fill(c.fd);
	wait_for(&c, UV_READABLE | UV_WRITABLE);
	turns(2);
	assert_int_equal(c.writes, 0);
	say(&c);
	turns(1);
	assert_int_equal(c.reads, 1);
	close_conn(&c);
}

static void behind_the_last_turn_libuv_is_told(void **state)
{
	struct conn c;

	(void)state;
	open_conn(&c, true);
	polls_close();
	wait_for(&c, UV_WRITABLE);
	assert_true(uv_is_active((uv_handle_t *)&c.handle));
	turns(1);
	assert_int_equal(c.writes, 1);
	turns(2);
	assert_int_equal(c.writes, 1);
	close_conn(&c);
	turns(1);
	polls_release();
	assert_int_equal(polls_start(&loop, FDS), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	return polls_start(&loop, FDS);
}

static int tear_down(void **state)
{
	(void)state;
	polls_close();
	turns(2);
	polls_release();
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wants_to_write_is_called_once),
		cmocka_unit_test(who_goes_on_writing_is_called_each_turn),
		cmocka_unit_test(a_full_socket_is_waited_for),
		cmocka_unit_test(what_is_not_wanted_is_not_told),
		cmocka_unit_test(it_may_close_when_it_writes),
		cmocka_unit_test(it_may_close_before_its_turn),
		cmocka_unit_test(others_are_libuvs),
		cmocka_unit_test(behind_the_last_turn_libuv_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
