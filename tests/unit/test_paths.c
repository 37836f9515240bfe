/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/paths.h"

static void set(const char *name, const char *value)
{
	if (value == NULL)
		unsetenv(name);
	else
		setenv(name, value, 1);
}

/* What it appends; NULL stands for a refusal. */
static void check(int (*put)(struct buf *b), const char *wanted)
{
	struct buf b = { 0 };
	int rc = put(&b);

	assert_int_equal(rc, wanted == NULL ? -ENOENT : 0);
	assert_string_equal(buf_cstr(&b), wanted == NULL ? "" : wanted);
	buf_release(&b);
}

static int clear(void **state)
{
	static const char *const names[] = {
		"GROUPD_SOCKET",   "RUNTIME_DIRECTORY", "STATE_DIRECTORY",
		"XDG_RUNTIME_DIR", "XDG_STATE_HOME",	"HOME"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return 0;
}

static void a_service_has_what_systemd_names(void **state)
{
	(void)state;
	set("STATE_DIRECTORY", "/var/lib/x");
	set("RUNTIME_DIRECTORY", "/run/x");
	check(paths_own_data, "/var/lib/x");
	check(paths_own_socket, "/run/x/groupd.sock");
	set("GROUPD_SOCKET", "/run/y");
	check(paths_own_socket, "/run/y");
	check(paths_default_socket, "/run/y");
	/* One of several is none. */
	set("STATE_DIRECTORY", "/var/lib/x:/var/lib/y");
	set("HOME", "/home/a:b");
	check(paths_own_data, geteuid() == 0 ? "/var/lib/groupd"
					     : "/home/a:b/.local/state/groupd");
}

static void a_user_has_his_own(void **state)
{
	(void)state;
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	check(paths_own_data, NULL);
	check(paths_own_socket, NULL);
	set("HOME", "/home/ann");
	check(paths_own_data, "/home/ann/.local/state/groupd");
	set("XDG_STATE_HOME", "relative");
	check(paths_own_data, "/home/ann/.local/state/groupd");
	set("XDG_STATE_HOME", "/state");
	check(paths_own_data, "/state/groupd");
	set("XDG_RUNTIME_DIR", "/run/user/7");
	check(paths_own_socket, "/run/user/7/groupd.sock");
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void a_client_finds_the_socket_that_is_there(void **state)
{
	static const char machine[] = "/run/groupd/groupd.sock";
	char dir[] = "/tmp/test_paths.XXXXXX";
	char own[64];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chown(dir, 65534, 65534), getuid() == 0 ? 0 : -1);
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	snprintf(own, sizeof(own), "%s/groupd.sock", dir);
	set("XDG_RUNTIME_DIR", dir);
	check(paths_default_socket, access(machine, F_OK) == 0 ? machine : own);
	file = fopen(own, "we");
	assert_non_null(file);
	fclose(file);
	check(paths_default_socket, own);
	unlink(own);
	unsetenv("XDG_RUNTIME_DIR");
	check(paths_default_socket,
	      access(machine, F_OK) == 0 ? machine : NULL);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_service_has_what_systemd_names, clear),
		cmocka_unit_test_setup(a_user_has_his_own, clear),
		cmocka_unit_test_setup(a_client_finds_the_socket_that_is_there,
				       clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
