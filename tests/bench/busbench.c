/* SPDX-License-Identifier: MIT */
/*
 * Hints from one node to another, both in this process, through a Redis:
 *   busbench URL [MS]
 * With so many groups' hints under way at a time: how many a second, and how
 * long from bus_publish_group() to the callback. See `redis-benchmark -t
 * publish` for what Redis itself can. Then how long it takes to count 10,000
 * people who came to one group. Prints samples as bench.h has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/bus.h"
#include "tests/bench/bench.h"

enum { GROUPS_MAX = 1024, PEOPLE = 10000 };

struct bench {
	uv_loop_t loop;
	struct bus a;
	struct bus b;
	unsigned up;
	uint64_t window;
	uint64_t seq[GROUPS_MAX + 1];
	uint64_t sent_ns[GROUPS_MAX + 1];
	uint64_t *latencies;
	size_t count;
	size_t cap;
	bool over;
};

static void publish(struct bench *b, uint64_t group)
{
	b->sent_ns[group] = uv_hrtime();
	bus_publish_group(&b->a, group, ++b->seq[group], 1);
}

static void on_group(void *data, uint64_t group, uint64_t seq, uint64_t version)
{
	struct bench *b = data;

	(void)version;
	if (seq != b->seq[group] || group > b->window)
		return;
	if (b->count < b->cap)
		b->latencies[b->count++] = uv_hrtime() - b->sent_ns[group];
	if (!b->over)
		publish(b, group);
}

static void on_state(void *data, bool up)
{
	((struct bench *)data)->up += up;
}

static const struct bus_ops sender_ops = { .on_state = on_state };
static const struct bus_ops receiver_ops = { .on_state = on_state,
					     .on_group = on_group };

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
}

static void run_for(struct bench *b, uint64_t ms)
{
	uint64_t end = uv_hrtime() + ms * 1000000;

	while (uv_hrtime() < end)
		uv_run(&b->loop, UV_RUN_ONCE);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(struct bench *b, uint64_t window, uint64_t for_ms)
{
	uint64_t begin = uv_hrtime();
	char metric[64];
	double spent;
	size_t half, most;

	b->window = window;
	b->count = 0;
	b->over = false;
	for (uint64_t g = 1; g <= window; g++)
		publish(b, g);
	run_for(b, for_ms);
	spent = (double)(uv_hrtime() - begin) / 1e9;
	b->over = true;
	run_for(b, 50);
	if (b->count == 0)
		return;
	qsort(b->latencies, b->count, sizeof(*b->latencies), by_size);
	half = b->count / 2;
	most = b->count * 99 / 100;
	(void)snprintf(metric, sizeof(metric), "hints, %llu under way",
		       (unsigned long long)window);
	bench_sample(metric, "ours", "1/s", (double)b->count / spent);
	bench_sample(metric, "p50", "ms", (double)b->latencies[half] / 1e6);
	bench_sample(metric, "p99", "ms", (double)b->latencies[most] / 1e6);
}

static void on_online(struct bus_online *q)
{
	q->group_id = 0;
}

static void measure_presence(struct bench *b)
{
	uint64_t begin = uv_hrtime();
	struct bus_online q = { .cb = on_online };
	uint64_t took_ns = 0;

	for (unsigned i = 0; i < PEOPLE; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user%u", i);
		bus_arrive(i % 2 == 0 ? &b->a : &b->b, 7, str_of(name));
	}
	while (q.count < PEOPLE && uv_hrtime() - begin < 5000000000) {
		uint64_t asked = uv_hrtime();

		q.group_id = 7;
		list_init(&q.link);
		if (!bus_online(&b->a, &q)) {
			while (q.group_id != 0)
				uv_run(&b->loop, UV_RUN_ONCE);
			took_ns = uv_hrtime() - asked;
		}
		uv_run(&b->loop, UV_RUN_NOWAIT);
	}
	if (q.count == PEOPLE)
		bench_sample("10,000 online counted", "ours", "ms",
			     (double)took_ns / 1e6);
}

static void start(struct bench *b, struct bus *bus, const char *url,
		  const struct bus_ops *ops)
{
	const struct bus_options options = { .url = url,
					     .store = 1,
					     .env = env_system(),
					     .ops = ops,
					     .data = b };
	struct err err;

	if (bus_start(bus, &b->loop, &options, &err) < 0) {
		fprintf(stderr, "busbench: %s\n", err.text);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const uint64_t windows[] = { 1, 64, 1024 };
	uint64_t for_ms = argc > 2 ? bench_number(argv[2]) : 3000;
	struct bench *b = calloc(1, sizeof(*b));
	uv_timer_t timer;

	if (argc < 2 || b == NULL || for_ms == 0)
		return 2;
	b->cap = 1 << 24;
	b->latencies = calloc(b->cap, sizeof(*b->latencies));
	if (b->latencies == NULL)
		return 2;
	uv_loop_init(&b->loop);
	uv_timer_init(&b->loop, &timer);
	uv_timer_start(&timer, on_timer, 10, 10);
	start(b, &b->a, argv[1], &sender_ops);
	start(b, &b->b, argv[1], &receiver_ops);
	while (b->up < 2)
		uv_run(&b->loop, UV_RUN_ONCE);
	for (uint64_t g = 1; g <= GROUPS_MAX; g++)
		(void)bus_subscribe_group(&b->b, g);
	run_for(b, 300);
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		measure(b, windows[i], for_ms);
	measure_presence(b);
	free(b->latencies);
	return 0;
}
