/* SPDX-License-Identifier: MIT */
/*
 * sim [STORE [FIRST [COUNT [STEPS [JOBS]]]]]: so many seeds from FIRST on, on
 * "memory" or "sqlite", by JOBS processes. Ends with 1 at the first that fails.
 * With SIM_TRACE in the environment each step is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "tests/sim/sim.h"

enum { JOBS_MAX = 64 };

struct task {
	enum sim_backend backend;
	uint64_t first;
	uint64_t count;
	unsigned steps;
	unsigned jobs;
};

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
	return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

/* Every jobs-th seed. */
static void work(const struct task *t, unsigned job)
{
	struct buf url = { 0 };
	uint64_t hash = 0;

	if (t->backend == SIM_SQLITE)
		buf_printf(&url, "sqlite:/dev/shm/groupfs-sim.%d.db",
			   (int)getpid());
	else
		buf_printf(&url, "memory:sim");
	for (uint64_t i = job; i < t->count; i += t->jobs)
		hash = sim_run(t->first + i, t->backend, buf_cstr(&url),
			       t->steps);
	if (t->count == 1)
		printf("sim: trace %016llx\n", (unsigned long long)hash);
	buf_release(&url);
}

int main(int argc, char **argv)
{
	const struct task t = {
		.backend = argc > 1 && strcmp(argv[1], "sqlite") == 0
				   ? SIM_SQLITE
				   : SIM_MEMORY,
		.first = argument(argc, argv, 2, 1),
		.count = argument(argc, argv, 3, 10000),
		.steps = (unsigned)argument(argc, argv, 4, SIM_STEPS),
		.jobs = (unsigned)argument(argc, argv, 5, 1) % JOBS_MAX,
	};
	time_t began = time(NULL);
	bool failed = false;
	int status;

	log_open("sim", LOG_LEVEL_ERROR);
	sim.verbose = getenv("SIM_TRACE") != NULL;
	if (t.jobs <= 1 || t.count == 1) {
		work(&t, 0);
	} else {
		for (unsigned i = 0; i < t.jobs; i++) {
			if (fork() == 0) {
				work(&t, i);
				_exit(0);
			}
		}
		while (wait(&status) > 0)
			failed = failed || status != 0;
	}
	if (!failed)
		printf("sim: %llu seeds from %llu, %u steps each, on %s: "
		       "%llds\n",
		       (unsigned long long)t.count, (unsigned long long)t.first,
		       t.steps,
		       t.backend == SIM_SQLITE ? "SQLite" : "the reference",
		       (long long)(time(NULL) - began));
	return failed;
}
