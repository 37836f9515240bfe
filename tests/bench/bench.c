/* SPDX-License-Identifier: MIT */
/*
 * What both benchmarks need.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/text.h"

void bench_die(const char *what, int rc)
{
	(void)fprintf(stderr, "bench: %s: %s\n", what, strerror(-rc));
	exit(1);
}

uint64_t bench_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t bench_number(const char *text)
{
	uint64_t v;

	if (!text_parse_u64(str_of(text), &v))
		bench_die(text, -EINVAL);
	return v;
}

uint64_t bench_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL || *text == '\0' ? otherwise : bench_number(text);
}

/* xorshift64: offsets that no read-ahead guesses, the same in each run. */
uint64_t bench_random(void)
{
	static uint64_t x = UINT64_C(88172645463325252);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

void bench_sample(const char *metric, const char *side, const char *unit,
		  double value)
{
	const char *suffix = getenv("BENCH_SUFFIX");

	(void)printf("%s%s\t%s\t%s\t%.4f\n", metric,
		     suffix == NULL ? "" : suffix, side, unit, value);
	(void)fflush(stdout);
}
