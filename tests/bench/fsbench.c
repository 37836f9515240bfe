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
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/text.h"

extern char **environ;

enum { CALLS_KEPT = 16384 /* of a slice, the last ones */ };

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void bench_slice(const char *metric, const char *side, bench_step_fn step,
		 void *data)
{
	static uint64_t took[CALLS_KEPT];
	uint64_t end =
		bench_now_ns() + bench_env("BENCH_SLICE_MS", 150) * 1000000;
	uint64_t before, now = 0;
	size_t count = 0;

	while (now < end) {
		int rc;

		before = bench_now_ns();
		rc = step(data);
		now = bench_now_ns();
		if (rc < 0)
			bench_die(metric, rc);
		took[count++ % CALLS_KEPT] = now - before;
	}
	if (count > CALLS_KEPT)
		count = CALLS_KEPT;
	qsort(took, count, sizeof(took[0]), by_size);
	bench_sample(metric, side, "us", (double)took[count / 2] / 1000);
}

const char *bench_line(void)
{
	return "0123456789 the quick brown fox jumps over the lazy dog, as it "
	       "has done a thousand times before now\n";
}

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
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "files", files_main },     { "appenders", appenders_main },
		{ "time", time_main },	     { "render", render_main },
		{ "history", history_main }, { "mkdirs", mkdirs_main },
		{ "seed", seed_main },
	};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	(void)fputs("usage: see the head of tests/bench/fsbench.c\n", stderr);
	return 2;
}
