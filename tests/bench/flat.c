/* SPDX-License-Identifier: MIT */
/*
 * The work of `make bench-flat`; tests/bench/flat.sh builds the scene.
 *
 *   flatbench seed FILE GROUPS LARGE
 *   flatbench rest FILE
 *   flatbench start METRIC SIDE SOCKET PIDFILE COMMAND...
 *   flatbench ask (SIDE GROUPS LARGE SOCKET TOKEN-OF-ONE TOKEN-OF-BUSY
 * MOUNT)...
 */
#include "tests/bench/flat.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

enum { POLL_US = 500, START_MS = 60000 };

static bool listens(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool done;

	if (fd < 0 ||
	    !str_to_cstr(str_of(path), to.sun_path, sizeof(to.sun_path)))
		bench_die(path, -EINVAL);
	done = connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
	(void)close(fd);
	return done;
}

static void note_pid(const char *path, pid_t pid)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fprintf(f, "%d\n", (int)pid) < 0 || fclose(f) != 0)
		bench_die(path, -EIO);
}

/* From its execution to the answer to whoever waits; it runs on. */
static int start_main(int argc, char **argv)
{
	const struct wire_body_find_group body = { .group_id = 1 };
	struct direct d;
	uint64_t start = bench_now_ns();
	pid_t pid;
	int rc;

	if (argc < 6)
		bench_die("start", -EINVAL);
	rc = posix_spawnp(&pid, argv[5], NULL, NULL, argv + 5, environ);
	if (rc != 0)
		bench_die(argv[5], -rc);
	note_pid(argv[4], pid);
	while (!listens(argv[3])) {
		if (bench_now_ns() - start > (uint64_t)START_MS * 1000000)
			bench_die(argv[3], -ETIMEDOUT);
		(void)usleep(POLL_US);
	}
	direct_open_as(&d, argv[3], NULL, NULL);
	/* Whether it is there or not. */
	(void)direct_ask(&d, WIRE_FIND_GROUP, &body);
	bench_sample(argv[1], argv[2], "ms",
		     (double)(bench_now_ns() - start) / 1000000);
	direct_close(&d);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct bench_command commands[] = {
		{ "seed", flat_seed_main },
		{ "rest", flat_rest_main },
		{ "start", start_main },
		{ "ask", flat_ask_main },
		{ NULL, NULL }
	};

	return bench_command(commands, "flat.c", argc, argv);
}
