/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks need.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/text.h"

enum { SEND_MS = 20000 };

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

bool bench_try_send(int fd, struct str bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		ssize_t did =
			send(fd, bytes.data + at, bytes.len - at, MSG_DONTWAIT);
		struct pollfd full = { .fd = fd, .events = POLLOUT };

		if (did < 0 && errno == EAGAIN)
			(void)poll(&full, 1, SEND_MS);
		else if (did < 0)
			return false;
		else
			at += (size_t)did;
	}
	return true;
}

void bench_send(int fd, struct str bytes)
{
	if (!bench_try_send(fd, bytes))
		bench_die("send", -errno);
}

int bench_command(const struct bench_command *commands, const char *file,
		  int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	for (; argc > 1 && commands->name != NULL; commands++) {
		if (strcmp(argv[1], commands->name) == 0)
			return commands->run(argc - 1, argv + 1);
	}
	(void)fprintf(stderr, "usage: see the head of tests/bench/%s\n", file);
	return 2;
}

const char *bench_user(void)
{
	const struct passwd *p = getpwuid(geteuid());

	if (p == NULL)
		bench_die("getpwuid", -ENOENT);
	return p->pw_name;
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

const char *bench_line(void)
{
	return "0123456789 the quick brown fox jumps over the lazy dog, as it "
	       "has done a thousand times before now\n";
}

void bench_time(struct bench_times *t, const char *metric, bench_step_fn step,
		void *data)
{
	uint64_t before = bench_now_ns();
	int rc = step(data);

	t->ns[t->count++ % BENCH_TIMES] = bench_now_ns() - before;
	if (rc < 0)
		bench_die(metric, rc);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

double bench_percentile(struct bench_times *t, unsigned percent)
{
	size_t count = t->count < BENCH_TIMES ? t->count : BENCH_TIMES;
	size_t at = count * percent / 100;

	if (count == 0)
		return 0;
	qsort(t->ns, count, sizeof(t->ns[0]), by_size);
	return (double)t->ns[at] / 1000;
}

void bench_slice(const char *metric, const char *side, bench_step_fn step,
		 void *data)
{
	static struct bench_times t;
	uint64_t end =
		bench_now_ns() + bench_env("BENCH_SLICE_MS", 150) * 1000000;

	t.count = 0;
	do {
		bench_time(&t, metric, step, data);
	} while (bench_now_ns() < end);
	bench_sample(metric, side, "us", bench_percentile(&t, 50));
}
