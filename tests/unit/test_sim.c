/* SPDX-License-Identifier: MIT */
/* A few hundred runs of the simulator (tests/sim/sim.c); `make sim` has more.
 * One that fails says which, and ends this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"
#include "tests/sim/sim.h"

enum { SEEDS = 400, SEEDS_SMALL = 60, SEEDS_SQLITE = 20, SEEDS_TWICE = 5 };

static unsigned seeds(void)
{
	const char *load = getenv("GROUPFS_TEST_LOAD");

	return load != NULL && strcmp(load, "small") == 0 ? SEEDS_SMALL : SEEDS;
}

/* A file in memory, of this process. */
static const char *sqlite(void)
{
	static char url[64];

	snprintf(url, sizeof(url), "sqlite:/dev/shm/groupfs-sim.%d.db",
		 (int)getpid());
	return url;
}

static void run_twice(uint64_t seed, enum sim_backend backend, const char *url)
{
	uint64_t hash = sim_run(seed, backend, url, SIM_STEPS);

	assert_true(hash == sim_run(seed, backend, url, SIM_STEPS));
	assert_true(hash != sim_run(seed + 1000, backend, url, SIM_STEPS));
}

static void a_seed_says_all_that_happens(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS_TWICE; seed++)
		run_twice(seed, SIM_MEMORY, "memory:sim");
	run_twice(1, SIM_SQLITE, sqlite());
}

static void promises_are_kept_on_the_reference(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		sim_run(seed, SIM_MEMORY, "memory:sim", SIM_STEPS);
}

static void promises_are_kept_on_sqlite(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds() / (SEEDS / SEEDS_SQLITE);
	     seed++)
		sim_run(seed, SIM_SQLITE, sqlite(), SIM_STEPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_says_all_that_happens),
		cmocka_unit_test(promises_are_kept_on_the_reference),
		cmocka_unit_test(promises_are_kept_on_sqlite),
	};

	log_open("sim", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
