/* SPDX-License-Identifier: MIT */
/*
 * The stop watch of `make bench-fs` and `make bench-catchup`; tests/bench/fs.sh
 * and catchup.sh build the scene.
 *
 *   fsbench files SOCKET GROUP URL DIR LOCAL SIDE=FILE...
 *   fsbench appenders METRIC SIDE append|post WIDTH FILE
 *   fsbench time METRIC SIDE BYTES COMMAND...
 *   fsbench render METRIC text|json URL GROUP
 *   fsbench seed URL GROUP USER MESSAGES
 *   fsbench history FILE BYTES
 *   fsbench mkdirs DIR COUNT WIDTH
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/text.h"

extern char **environ;

/* A command with its output thrown away: MB/s of BYTES, or ms where that is
 * 0. */
static int time_main(int argc, char **argv)
{
	posix_spawn_file_actions_t to_null;
	uint64_t bytes, start, ns;
	int rc, status;
	pid_t pid;

	if (argc < 5)
		bench_die("time", -EINVAL);
	bytes = bench_number(argv[3]);
	(void)posix_spawn_file_actions_init(&to_null);
	(void)posix_spawn_file_actions_addopen(&to_null, STDOUT_FILENO,
					       "/dev/null", O_WRONLY, 0);
	start = bench_now_ns();
	rc = posix_spawnp(&pid, argv[4], &to_null, NULL, argv + 4, environ);
	if (rc != 0 || waitpid(pid, &status, 0) != pid)
		bench_die(argv[4], rc != 0 ? -rc : -errno);
	ns = bench_now_ns() - start;
	(void)posix_spawn_file_actions_destroy(&to_null);
	if (status != 0)
		bench_die(argv[4], -EIO);
	if (bytes > 0)
		bench_sample(argv[1], argv[2], "MB/s",
			     (double)bytes * 1000 / (double)ns);
	else
		bench_sample(argv[1], argv[2], "ms", (double)ns / 1000000);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct bench_command commands[] = {
		{ "files", files_main },     { "appenders", appenders_main },
		{ "time", time_main },	     { "render", render_main },
		{ "history", history_main }, { "mkdirs", mkdirs_main },
		{ "seed", seed_main },	     { NULL, NULL }
	};

	return bench_command(commands, "fsbench.c", argc, argv);
}
