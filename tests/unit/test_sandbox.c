/* SPDX-License-Identifier: MIT */
/* Each lock by itself, in a child that puts it on: what it is for is refused,
 * and only that. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/process.h"
#include "lib/sandbox.h"

enum { SKIPPED = 77, FAILED = 1 };

/* In a child: a failed check exits. */
#define CHECK(that)                                                            \
	do {                                                                   \
		if (!(that)) {                                                 \
			print_error("%s\n", #that);                            \
			_exit(FAILED);                                         \
		}                                                              \
	} while (0)

static int status_of(void (*child)(const void *), const void *data)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		child(data);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void passes(void (*child)(const void *), const void *data)
{
	int status = status_of(child, data);

	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A folder with a file in it; and the same without. */
static char folder[] = "/tmp/test_sandbox-XXXXXX";
static char *allowed_file;
static char *other_file;

static char *path_of(const char *name)
{
	struct buf path = { 0 };

	buf_printf(&path, "%s/%s", folder, name);
	return path.data;
}

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	allowed_file = path_of("in/file");
	other_file = path_of("file");
	for (int i = 0; i < 2; i++) {
		char *dir = path_of(i == 0 ? "in" : "ro");

		CHECK(mkdir(dir, 0700) == 0);
		free(dir);
	}
	for (int i = 0; i < 2; i++) {
		int fd = open(i == 0 ? allowed_file : other_file,
			      O_WRONLY | O_CREAT, 0600);

		CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	}
	return 0;
}

static int remove_folder(void **state)
{
	struct buf command = { 0 };

	(void)state;
	buf_printf(&command, "rm -rf %s", folder);
	CHECK(system(buf_cstr(&command)) == 0);
	buf_release(&command);
	free(allowed_file);
	free(other_file);
	return 0;
}

/* Privileges. */

static void gives_up(const void *keep)
{
	struct rlimit core = { 1, 1 };
	bool root = geteuid() == 0;

	CHECK(sandbox_privileges(*(const uint64_t *)keep) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		CHECK(process_may(cap) == (root && (*(const uint64_t *)keep &
						    SANDBOX_CAP(cap)) != 0));
	CHECK(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == !root);
#ifndef SANDBOX_OFF
	CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == !root);
#else
	(void)core;
#endif
}

static void privileges_are_given_up(void **state)
{
	const uint64_t none = 0;
	const uint64_t two = SANDBOX_CAP(CAP_SETUID) | SANDBOX_CAP(CAP_CHOWN);

	(void)state;
	passes(gives_up, &none);
	passes(gives_up, &two);
}

/* Files. */

static void lock_files(unsigned scope, const char *path, unsigned access)
{
	struct sandbox_files s;
	int rc;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	sandbox_files_begin(&s, scope);
	if (path != NULL)
		sandbox_files_allow(&s, path, access);
	sandbox_files_allow(&s, "/no/such/folder", SANDBOX_READ);
	rc = sandbox_files_enforce(&s);
	if (rc == -EOPNOTSUPP || rc == -ENOSYS || sandbox_sanitized())
		_exit(SKIPPED);
	CHECK(rc == 0);
}

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		CHECK(errno == EACCES);
	else
		close(fd);
	return fd >= 0;
}

static void opens_nothing(const void *data)
{
	(void)data;
	lock_files(0, NULL, 0);
	CHECK(!opens(allowed_file, O_RDONLY));
	CHECK(!opens("/etc/passwd", O_RDONLY));
	CHECK(!opens("/", O_RDONLY | O_DIRECTORY));
	CHECK(!opens("/dev/null", O_WRONLY));
	CHECK(unlink(allowed_file) < 0 && errno == EACCES);
}

static void only_reads(const void *data)
{
	char *dir = path_of("in");
	char *fresh = path_of("in/fresh");
	char *argv[] = { dir, NULL };

	(void)data;
	lock_files(0, dir, SANDBOX_READ);
	CHECK(opens(allowed_file, O_RDONLY));
	CHECK(opens(dir, O_RDONLY | O_DIRECTORY));
	CHECK(!opens(other_file, O_RDONLY));
	CHECK(!opens(allowed_file, O_WRONLY));
	CHECK(!opens(fresh, O_WRONLY | O_CREAT));
	CHECK(unlink(allowed_file) < 0 && errno == EACCES);
	CHECK(execv("/bin/true", argv) < 0 && errno == EACCES);
	free(dir);
	free(fresh);
}

static void writes_in_one(const void *data)
{
	char *dir = path_of("in");
	char *fresh = path_of("in/fresh");
	char *sub = path_of("in/sub");
	char *moved = path_of("in/sub/moved");
	char *out = path_of("out");

	(void)data;
	lock_files(0, dir, SANDBOX_READ | SANDBOX_WRITE);
	CHECK(opens(fresh, O_RDWR | O_CREAT | O_TRUNC));
	CHECK(mkdir(sub, 0700) == 0);
	/* Between folders, and back. */
	CHECK(rename(fresh, moved) == 0 && rename(moved, fresh) == 0);
	CHECK(rmdir(sub) == 0);
	CHECK(rename(fresh, out) < 0 && (errno == EXDEV || errno == EACCES));
	CHECK(unlink(fresh) == 0);
	CHECK(!opens(other_file, O_WRONLY));
	CHECK(!opens(out, O_WRONLY | O_CREAT));
	free(dir);
	free(fresh);
	free(sub);
	free(moved);
	free(out);
}

static void one_file(const void *data)
{
	(void)data;
	lock_files(0, "/dev/null", SANDBOX_READ | SANDBOX_WRITE);
	CHECK(opens("/dev/null", O_RDWR));
	CHECK(!opens("/dev/zero", O_RDONLY));
}

static void files_are_locked(void **state)
{
	(void)state;
	passes(opens_nothing, NULL);
	passes(only_reads, NULL);
	passes(writes_in_one, NULL);
	passes(one_file, NULL);
}

/* Ports and signals. */

static int tcp(int (*how)(int, const struct sockaddr *, socklen_t),
	       uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0);
	rc = how(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
	close(fd);
	return rc;
}

static void only_some_ports(const void *data)
{
	struct sandbox_files s;

	(void)data;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	sandbox_files_begin(&s, SANDBOX_CONNECT | SANDBOX_BIND);
	if (s.abi < 4)
		_exit(SKIPPED);
	sandbox_files_connect(&s, 9);
	sandbox_files_bind(&s, 0);
	CHECK(sandbox_files_enforce(&s) == 0);
	CHECK(tcp(connect, 9) == ECONNREFUSED);
	CHECK(tcp(connect, 10) == EACCES);
	CHECK(tcp(bind, 0) == 0);
	CHECK(tcp(bind, 49) == EACCES);
}

static void only_connecting_is_locked(const void *data)
{
	struct sandbox_files s;

	(void)data;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	sandbox_files_begin(&s, SANDBOX_CONNECT);
	if (s.abi < 4)
		_exit(SKIPPED);
	/* Which takes no rule, and is no error. */
	sandbox_files_bind(&s, 7);
	CHECK(sandbox_files_enforce(&s) == 0);
	CHECK(tcp(connect, 10) == EACCES);
	CHECK(tcp(bind, 0) == 0);
}

static void signals_nobody(const void *data)
{
	struct sandbox_files s;
	pid_t child;

	(void)data;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	sandbox_files_begin(&s, SANDBOX_OTHERS);
	if (s.abi < 6)
		_exit(SKIPPED);
	CHECK(sandbox_files_enforce(&s) == 0);
	CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
	CHECK(kill(getpid(), 0) == 0);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK(kill(child, SIGKILL) == 0);
}

static void layers_without_end(const void *data)
{
	(void)data;
	for (int i = 0; i < 20; i++)
		lock_files(0, NULL, 0);
	CHECK(!opens("/etc/passwd", O_RDONLY));
}

static void others_are_locked(void **state)
{
	(void)state;
	passes(only_some_ports, NULL);
	passes(only_connecting_is_locked, NULL);
	passes(signals_nobody, NULL);
	/* As after many restores. */
	passes(layers_without_end, NULL);
}

/* System calls. */

static const char *const few[] = { "write", "exit_group", "getpid", NULL };
static const char *const polite[] = { "getppid", NULL };

static void load(const struct sandbox_filter *filter)
{
	int rc;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	rc = sandbox_calls(filter);
	if (rc == -EOPNOTSUPP || sandbox_sanitized())
		_exit(SKIPPED);
	CHECK(rc == 0);
}

static void asks(const void *data)
{
	const struct sandbox_condition one = { "dup", 0, SANDBOX_INT, 2 };
	const struct sandbox_filter filter = {
		.allowed = few,
		.conditions = &one,
		.condition_count = 1,
		.refused = polite,
		.rest_is_deadly = true,
	};

	load(&filter);
	CHECK(syscall(SYS_getpid) > 0);
	CHECK(syscall(SYS_getppid) < 0 && errno == EPERM);
	CHECK(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
	CHECK(dup(2) >= 0);
	if (data != NULL)
		(void)syscall(*(const int *)data, 1, 0, 0, 0, 0, 0);
}

static void calls_are_locked(void **state)
{
	static const int deadly[] = { SYS_dup, SYS_getuid, SYS_socket,
				      SYS_execve };

	(void)state;
	if (sandbox_sanitized())
		skip();
	passes(asks, NULL);
	for (size_t i = 0; i < 4; i++) {
		int status = status_of(asks, &deadly[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static void asks_what_is_deadly(const void *data)
{
	const struct sandbox_filter filter = { .allowed = few,
					       .deadly = sandbox_deadly };

	load(&filter);
	/* What is in no list is refused only. */
	CHECK(syscall(SYS_getuid) < 0 && errno == EPERM);
	(void)syscall(*(const int *)data, -1, -1, -1, -1, -1, -1);
}

static void what_an_intruder_asks_ends_it(void **state)
{
	int count = 0;

	(void)state;
	for (const char *const *name = sandbox_deadly; *name != NULL; name++) {
		int number = seccomp_syscall_resolve_name(*name);
		int status;

		if (number < 0)
			continue;
		status = status_of(asks_what_is_deadly, &number);
		if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
			skip();
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s is not deadly", *name);
		count++;
	}
	assert_true(count > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges_are_given_up),
		cmocka_unit_test(files_are_locked),
		cmocka_unit_test(others_are_locked),
		cmocka_unit_test(calls_are_locked),
		cmocka_unit_test(what_an_intruder_asks_ends_it),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
