/* SPDX-License-Identifier: MIT */
/* A gateway that ignores SIGTERM. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/supervisor.h"
#include "lib/list.h"

struct fake {
	char dir[32];
	struct buf binary;
	struct buf up;
	struct config config;
	struct supervisor supervisor;
	uv_loop_t loop;
	struct peer peer;
	bool closed;
};

static struct peer *on_connected(void *data, int fd)
{
	close(fd);
	return data;
}

static void on_closed(struct supervisor *s)
{
	container_of(s, struct fake, supervisor)->closed = true;
}

static void start_deaf_gateway(struct fake *f)
{
	struct supervisor_options options = { 0 };
	struct err err = { 0 };
	FILE *file;

	memset(f, 0, sizeof(*f));
	memcpy(f->dir, "/tmp/supervisor-XXXXXX", 23);
	assert_non_null(mkdtemp(f->dir));
	buf_printf(&f->binary, "%s/groupd-gateway", f->dir);
	file = fopen(buf_cstr(&f->binary), "we");
	assert_non_null(file);
	fputs("#!/bin/sh\ntrap '' TERM\n: >\"$0.up\"\nexec sleep 60\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(buf_cstr(&f->binary), 0755), 0);
	config_defaults(&f->config);
	str_to_cstr(str_of("127.0.0.1"), f->config.listen_host,
		    sizeof(f->config.listen_host));
	f->config.listen_port = 0;
	f->config.gateways = 1;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	options.loop = &f->loop;
	options.config = &f->config;
	options.rundir = f->dir;
	options.gateway_binary = buf_cstr(&f->binary);
	options.on_connected = on_connected;
	options.data = &f->peer;
	assert_int_equal(supervisor_start(&f->supervisor, &options, &err), 0);
	/* It is deaf once it is up. */
	buf_printf(&f->up, "%s.up", buf_cstr(&f->binary));
	for (int i = 0; i < 500; i++) {
		if (access(buf_cstr(&f->up), F_OK) == 0)
			return;
		usleep(10000);
	}
	fail_msg("the gateway did not start");
}

static void finish(struct fake *f)
{
	supervisor_close(&f->supervisor, on_closed);
	alarm(20);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	alarm(0);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	unlink(buf_cstr(&f->up));
	buf_release(&f->up);
	unlink(buf_cstr(&f->binary));
	assert_int_equal(rmdir(f->dir), 0);
	buf_release(&f->binary);
}

static void a_deaf_gateway_is_killed_at_shutdown(void **state)
{
	struct fake f;
	pid_t pid;

	(void)state;
	start_deaf_gateway(&f);
	pid = f.supervisor.gateways[0].pid;
	assert_int_equal(kill(pid, 0), 0);
	finish(&f);
	assert_int_equal(kill(pid, 0), -1);
}

static void a_gateway_that_never_greets_is_replaced(void **state)
{
	struct fake f;

	(void)state;
	start_deaf_gateway(&f);
	supervisor_lost(&f.supervisor, &f.peer);
	alarm(20);
	while (f.supervisor.gateways[0].restarts == 0)
		uv_run(&f.loop, UV_RUN_ONCE);
	alarm(0);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deaf_gateway_is_killed_at_shutdown),
		cmocka_unit_test(a_gateway_that_never_greets_is_replaced),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
