/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks need.
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

struct str bench_words(void)
{
	static const char words[] =
		"pump three lost pressure again at the north gate, ticket is "
		"open and the crew has been told; next look in two hours or "
		"when the gauge falls below four bar, whichever comes first. "
		"meanwhile keep valve nine shut, note each reading here with "
		"its time, and do not reset the alarm before the shift lead "
		"has signed for it in the book by the door of the control "
		"room, as agreed on monday in the meeting about the outage";
	size_t len = 20 + bench_random() % 360;

	return str_make(words + bench_random() % (sizeof(words) - len),
			len - 1);
}

void bench_sample(const char *metric, const char *side, const char *unit,
		  double value)
{
	const char *suffix = getenv("BENCH_SUFFIX");

	(void)printf("%s%s\t%s\t%s\t%.4f\n", metric,
		     suffix == NULL ? "" : suffix, side, unit, value);
	(void)fflush(stdout);
}
