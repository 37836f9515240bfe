/* SPDX-License-Identifier: MIT */
/*
 * What wsclients measures with its connections, once all are subscribed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsrun.h"

enum { SAMPLES = 65536 };

void run_sample(const struct run *r, const char *what, const char *unit,
		double value)
{
	const char *name = getenv("BENCH_NAME");
	char metric[128];

	if (name == NULL)
		(void)snprintf(metric, sizeof(metric), "N=%zu %s", r->n, what);
	else
		(void)snprintf(metric, sizeof(metric), "%s %s", name, what);
	bench_sample(metric, r->side, unit, value);
}

static struct wscpu cpu_ns(const struct run *r)
{
	return wsserver_cpu(r->pids, r->nnodes);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *of, size_t n, double q)
{
	size_t at = (size_t)((double)n * q);

	qsort(of, n, sizeof(of[0]), by_size);
	return of[at < n ? at : n - 1];
}

static void sample_times(const struct run *r, const char *what, double *of,
			 size_t n)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s, p50", what);
	run_sample(r, metric, "ms", quantile(of, n, 0.5));
	(void)snprintf(metric, sizeof(metric), "%s, p99", what);
	run_sample(r, metric, "ms", quantile(of, n, 0.99));
	(void)snprintf(metric, sizeof(metric), "%s, max", what);
	run_sample(r, metric, "ms", of[n - 1]);
}

/* Of a loop that began then and there. */
struct since {
	struct wscpu cpu;
	uint64_t got, ns;
};

static struct since since_now(const struct run *r)
{
	return (struct since){ .cpu = cpu_ns(r),
			       .got = r->got,
			       .ns = bench_now_ns() };
}

static void sample_rate(const struct run *r, const char *what,
			const struct since *s)
{
	uint64_t now = bench_now_ns(), deliveries = r->got - s->got;
	struct wscpu after = cpu_ns(r);
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s, deliveries", what);
	run_sample(r, metric, "a second",
		   (double)deliveries * 1e9 / (double)(now - s->ns));
	(void)snprintf(metric, sizeof(metric), "%s, writer's CPU", what);
	run_sample(r, metric, "us/deliv",
		   (double)(after.writers - s->cpu.writers) / 1e3 /
			   (double)deliveries);
	(void)snprintf(metric, sizeof(metric), "%s, server's CPU", what);
	run_sample(r, metric, "us/deliv",
		   (double)(after.all - s->cpu.all) / 1e3 / (double)deliveries);
}

/* Of each message of a loop, ms. */
struct times {
	double last[SAMPLES];	  /* until all had it */
	double far[SAMPLES];	  /* until all of the last server had */
	double answered[SAMPLES]; /* until its sender was answered */
	double sent[SAMPLES];	  /* from then until all had it */
	double spread[SAMPLES];	  /* from the first who had it */
	size_t n;
};

static void take_times(struct run *r, struct times *t, uint64_t from)
{
	size_t n = t->n++;

	t->last[n] = run_ms(r->last_ns - from);
	t->far[n] = run_ms(r->nodes[r->nnodes - 1].last_ns - from);
	t->spread[n] = run_ms(r->last_ns - r->first_ns);
	/* A broker has answered for nothing: all of it is on the way. */
	if (r->publisher != NULL)
		r->sent_ns = from;
	else if (r->sent_ns < from)
		run_await(r, "sent", &r->sent_ns, from);
	t->answered[n] = run_ms(r->sent_ns - from);
	t->sent[n] =
		r->sent_ns > r->last_ns ? 0 : run_ms(r->last_ns - r->sent_ns);
}

static void report_times(const struct run *r, const char *what, struct times *t)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s, to the last", what);
	sample_times(r, metric, t->last, t->n);
	(void)snprintf(metric, sizeof(metric), "%s, to the last on B", what);
	if (r->nnodes > 1)
		sample_times(r, metric, t->far, t->n);
	(void)snprintf(metric, sizeof(metric), "%s, the sender's answer", what);
	if (r->nnodes > 1)
		sample_times(r, metric, t->answered, t->n);
	(void)snprintf(metric, sizeof(metric), "%s, first to last, p50", what);
	run_sample(r, metric, "ms", quantile(t->spread, t->n, 0.5));
	(void)snprintf(metric, sizeof(metric), "%s, sent to last, p50", what);
	run_sample(r, metric, "ms", quantile(t->sent, t->n, 0.5));
	(void)snprintf(metric, sizeof(metric), "%s, sent to last, p99", what);
	run_sample(r, metric, "ms", quantile(t->sent, t->n, 0.99));
}

static uint64_t slice_end(void)
{
	return bench_now_ns() + bench_env("BENCH_SLICE_MS", 1000) * 1000000;
}

void measure_one_by_one(struct run *r, const char *what, size_t ngroups,
			uint32_t count)
{
	static struct times t;
	struct since since = since_now(r);
	uint64_t end = slice_end();

	t.n = 0;
	do {
		uint64_t from = bench_now_ns();

		r->first_ns = 0;
		if (ngroups == 1 && count == 1)
			run_publish_next(r);
		else
			run_publish(r, 0, ngroups, count);
		run_await(r, what, &r->got, r->wanted);
		take_times(r, &t, from);
	} while (bench_now_ns() < end && t.n < SAMPLES);
	sample_rate(r, what, &since);
	report_times(r, what, &t);
}

void measure_pipelined(struct run *r, const char *what, size_t depth)
{
	struct since since = since_now(r);
	uint64_t end = slice_end();

	while (bench_now_ns() < end) {
		if (r->wanted - r->got < depth * r->each)
			run_publish_next(r);
		else
			run_turn(r, 1000);
	}
	run_await(r, what, &r->got, r->wanted);
	sample_rate(r, what, &since);
}

/* Of each message, the latest of all connections, and of the last server's. */
static void report_lasts(struct run *r)
{
	size_t n = r->conns[0].got - r->behind;
	double *far = r->nodes[r->nnodes - 1].lasts;
	double *last = r->nodes[0].lasts;

	n = n < r->nlasts ? n : r->nlasts;
	if (r->nnodes == 1 || n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		last[i] = far[i] > last[i] ? far[i] : last[i];
	sample_times(r, "sustained, to the last", last, n);
	sample_times(r, "sustained, to the last on B", far, n);
}

static void set_timer(const struct run *r, uint64_t rate)
{
	struct itimerspec tick = { 0 };

	if (rate > 0) {
		tick.it_interval.tv_nsec = (long)(1000000000 / rate);
		tick.it_value = tick.it_interval;
	}
	(void)timerfd_settime(r->timer, 0, &tick, NULL);
}

static void start_delays(struct run *r, size_t messages)
{
	r->behind = r->conns[0].got;
	r->ndelays = 0;
	r->nlasts = messages;
	r->maxdelays = r->each * messages;
	r->delays = calloc(r->maxdelays, sizeof(double));
	for (size_t i = 0; i < r->nnodes; i++) {
		r->nodes[i].lasts = calloc(messages, sizeof(double));
		if (r->nodes[i].lasts == NULL)
			bench_die("delays", -ENOMEM);
	}
	if (r->delays == NULL)
		bench_die("delays", -ENOMEM);
}

static void end_delays(struct run *r)
{
	free(r->delays);
	r->delays = NULL;
	for (size_t i = 0; i < r->nnodes; i++)
		free(r->nodes[i].lasts);
}

void measure_sustained(struct run *r, uint64_t for_ms, uint64_t rate)
{
	uint64_t start, got = r->got;
	struct wscpu before = cpu_ns(r), after;

	start_delays(r, for_ms * rate / 1000 + rate);
	start = bench_now_ns();
	set_timer(r, rate);
	while (bench_now_ns() - start < for_ms * 1000000)
		run_turn(r, 100);
	after = cpu_ns(r);
	run_sample(r, "sustained, server's CPU", "cores",
		   (double)(after.all - before.all) /
			   (double)(bench_now_ns() - start));
	run_sample(r, "sustained, deliveries", "a second",
		   (double)(r->got - got) * 1e9 /
			   (double)(bench_now_ns() - start));
	set_timer(r, 0);
	run_await(r, "sustained", &r->got, r->wanted);
	report_lasts(r);
	sample_times(r, "sustained", r->delays, r->ndelays);
	end_delays(r);
}

void measure_idle(struct run *r, uint64_t for_ms)
{
	static const char *const who[] = { "gateway", "groupd", "mount" };
	uint64_t before[3] = { 0 }, after, start, ns;
	bool ours = strcmp(r->side, "ours") == 0;
	char what[64];

	for (size_t i = 0; i < 3; i++)
		(void)wsserver_sleeps(r->pids, i, &before[i]);
	start = bench_now_ns();
	while (bench_now_ns() - start < for_ms * 1000000)
		run_turn(r, 100);
	ns = bench_now_ns() - start;
	for (size_t i = 0; i < 3 && wsserver_sleeps(r->pids, i, &after); i++) {
		(void)snprintf(what, sizeof(what), "%s's wake-ups",
			       ours ? who[i] : "server");
		run_sample(r, what, "a second",
			   (double)(after - before[i]) * 1e9 / (double)ns);
	}
}
