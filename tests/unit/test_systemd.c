/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/systemd.h"

static char dir[32];

static int bound(const char *name, int type, char path[108])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(path, 108, "%s/%s", dir, name);
	strcpy(address.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	return fd;
}

static void a_state_arrives_as_one_datagram(void **state)
{
	char path[108];
	char text[64] = "";
	int fd = bound("notify", SOCK_DGRAM, path);

	(void)state;
	setenv("NOTIFY_SOCKET", path, 1);
	assert_true(systemd_is_there());
	assert_int_equal(systemd_notify(str_of("READY=1\nSTATUS=x")), 0);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 16);
	assert_string_equal(text, "READY=1\nSTATUS=x");
	close(fd);
	/* Nobody is there any more. */
	assert_true(systemd_notify(str_of("READY=1")) < 0);
	unsetenv("NOTIFY_SOCKET");
	assert_false(systemd_is_there());
	assert_int_equal(systemd_notify(str_of("READY=1")), 0);
}

static void the_watchdog_is_of_one_process(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(systemd_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	unsetenv("WATCHDOG_PID");
	assert_int_equal(systemd_watchdog_us(), 30000000);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(systemd_watchdog_us(), 30000000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(systemd_watchdog_us(), 0);
	setenv("WATCHDOG_PID", "me", 1);
	assert_int_equal(systemd_watchdog_us(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(systemd_watchdog_us(), 0);
	unsetenv("WATCHDOG_USEC");
}

/* In a process of its own, whose descriptors from 3 on are fds. Exits with 0
 * when it was refused with a sentence in which words is; for words NULL when
 * the socket was taken. */
static int child(const int *fds, int count, bool mine, const char *path,
		 const char *words)
{
	struct err err = { 0 };
	char text[16];
	int kept[2];
	int rc;

	for (int i = 0; i < count; i++)
		kept[i] = fcntl(fds[i], F_DUPFD, 100);
	for (int i = 0; i < count; i++)
		dup2(kept[i], 3 + i);
	snprintf(text, sizeof(text), "%d", mine ? (int)getpid() : 1);
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", count);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", "first:second", 1);
	rc = systemd_take_socket(path, &err);
	if (getenv("LISTEN_FDS") != NULL || getenv("LISTEN_PID") != NULL)
		return 1;
	if (!mine)
		return rc == 0 ? 0 : 2;
	if (words == NULL) {
		/* As after an execve(2) of its own. */
		systemd_pass_socket(rc);
		if (fcntl(3, F_GETFD) != 0)
			return 6;
		rc = systemd_take_socket(path, &err);
	}
	if (words == NULL)
		return rc == 3 && fcntl(3, F_GETFD) == FD_CLOEXEC &&
				       (fcntl(3, F_GETFL) & O_NONBLOCK) != 0
			       ? 0
			       : 3;
	if (rc >= 0 || strstr(err.text, words) == NULL) {
		fprintf(stderr, "rc=%d: %s\n", rc, err.text);
		return 4;
	}
	return fcntl(3, F_GETFD) < 0 ? 0 : 5;
}

static int passed(const int *fds, int count, bool mine, const char *path,
		  const char *words)
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child(fds, count, mine, path, words));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void one_socket_is_taken_and_others_are_refused(void **state)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	char path[108];
	char other[108];
	int fds[2] = { bound("sock", SOCK_STREAM, path),
		       bound("datagrams", SOCK_DGRAM, other) };
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(passed(fds, 1, true, path, "first"), 0);
	assert_int_equal(listen(fds[0], 5), 0);
	assert_int_equal(passed(fds, 1, true, path, NULL), 0);
	assert_int_equal(passed(fds, 1, false, path, NULL), 0);
	assert_int_equal(passed(fds, 2, true, path, "2 descriptors"), 0);
	assert_int_equal(passed(fds, 1, true, "/run/x", path), 0);
	assert_int_equal(passed(&fds[1], 1, true, other, "no Unix socket"), 0);
	assert_int_equal(bind(tcp, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(tcp, 5), 0);
	assert_int_equal(passed(&tcp, 1, true, path, "no Unix socket"), 0);
	close(tcp);
	close(fds[0]);
	close(fds[1]);
}

static int set_up(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/test_systemd.XXXXXX", 25);
	return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "notify", "sock", "datagrams" };
	char path[108];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_arrives_as_one_datagram),
		cmocka_unit_test(the_watchdog_is_of_one_process),
		cmocka_unit_test(one_socket_is_taken_and_others_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
