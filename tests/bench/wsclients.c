/* SPDX-License-Identifier: MIT */
/*
 * The light clients of `make bench-ws` and `make bench-catchup`; tests/bench/
 * ws.sh and catchup.sh start the servers.
 *
 *   wsclients scene SOCKET GROUP N >TOKENS
 *   wsclients run SIDE PORT[,PORT] N
 *   wsclients resume PORT N
 *   wsclients pages PORT GROUP
 *
 * run opens N connections to a server (SIDE names its protocol), or one half
 * to each of two, subscribes them, publishes to the first and counts: each must
 * get each message, once. Of the environment: PIDS the servers' processes,
 * those that write first, one a port; RSS_BASE their KiB before the first
 * connection, in the same order; BENCH_NAME (N=...) what samples begin with;
 * BENCH_WINDOW (256) connections being opened at a time; IDLE_MS (0) without a
 * message first; BENCH_SLICE_MS; BURST (20; 0: not) messages at a time;
 * SUSTAIN_MS (0: not), SUSTAIN_RATE (100 a second); for `ours` SOCKET and
 * TOKENS.
 *
 * resume and pages are in wscatchup.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsrun.h"

enum { SAMPLES = 65536 };

static void sample(const struct run *r, const char *what, const char *unit,
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

/* The servers. */

static struct wscpu cpu_ns(const struct run *r)
{
	return wsserver_cpu(r->pids, r->nnodes);
}

/* Of those that write, and of the others whose base is known. */
static void sample_memory(const struct run *r)
{
	const char *base = getenv("RSS_BASE");
	double grown[2];

	wsserver_grown_kib(r->pids, base == NULL ? "" : base, r->nnodes, grown);
	sample(r, "memory a connection", "KiB", grown[0] / (double)r->n);
	if (r->nnodes > 1)
		sample(r, "groupd's memory a connection", "KiB",
		       grown[1] / (double)r->n);
}

/* What is measured. */

static void open_all(struct run *r)
{
	size_t all = r->n + (r->publisher != NULL ? 1 : 0);
	uint64_t start = bench_now_ns();

	for (size_t i = 0; i < all; i++) {
		run_connect(r, &r->conns[i]);
		while (i + 1 - r->opened >= r->window)
			run_turn(r, 1000);
	}
	run_await(r, "opened", &r->opened, all);
	sample(r, "connect all", "ms", run_ms(bench_now_ns() - start));
}

static void subscribe_all(struct run *r)
{
	uint64_t start = bench_now_ns();
	struct buf b = { 0 };

	if (r->proto->subscribe == NULL)
		return;
	r->proto->subscribe(&b);
	for (size_t i = 0; i < r->n; i++) {
		r->conns[i].state = SUBSCRIBING;
		run_put(&r->conns[i], &b);
		while (i + 1 - r->subscribed >= r->window)
			run_turn(r, 1000);
	}
	run_await(r, "subscribed", &r->subscribed, r->n);
	sample(r, "subscribe all", "ms", run_ms(bench_now_ns() - start));
	buf_release(&b);
}

/* For whoever looks at the servers. */
static void idle(struct run *r, uint64_t for_ms)
{
	uint64_t end = bench_now_ns() + for_ms * 1000000;

	while (bench_now_ns() < end)
		run_turn(r, 100);
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
	sample(r, metric, "ms", quantile(of, n, 0.5));
	(void)snprintf(metric, sizeof(metric), "%s, p99", what);
	sample(r, metric, "ms", quantile(of, n, 0.99));
	(void)snprintf(metric, sizeof(metric), "%s, max", what);
	sample(r, metric, "ms", of[n - 1]);
}

static void sample_cpu(const struct run *r, const char *what,
		       const struct wscpu *before, uint64_t deliveries)
{
	struct wscpu after = cpu_ns(r);
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s, writer's CPU", what);
	sample(r, metric, "us/deliv",
	       (double)(after.writers - before->writers) / 1e3 /
		       (double)deliveries);
	(void)snprintf(metric, sizeof(metric), "%s, server's CPU", what);
	sample(r, metric, "us/deliv",
	       (double)(after.all - before->all) / 1e3 / (double)deliveries);
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
	if (r->publisher == NULL && r->sent_ns < from)
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
	sample(r, metric, "ms", quantile(t->spread, t->n, 0.5));
	(void)snprintf(metric, sizeof(metric), "%s, sent to last, p50", what);
	if (r->publisher == NULL)
		sample(r, metric, "ms", quantile(t->sent, t->n, 0.5));
}

/* The next goes out when all have the last. */
static void closed_loop(struct run *r, const char *what, uint32_t count)
{
	static struct times t;
	uint64_t end, start, now, deliveries = r->got;
	char metric[64];
	struct wscpu before = cpu_ns(r);

	t.n = 0;
	start = bench_now_ns();
	end = start + bench_env("BENCH_SLICE_MS", 1000) * 1000000;
	do {
		uint64_t from = bench_now_ns();

		r->first_ns = 0;
		run_publish(r, count);
		run_await(r, what, &r->got, r->wanted);
		take_times(r, &t, from);
		now = bench_now_ns();
	} while (now < end && t.n < SAMPLES);
	deliveries = r->got - deliveries;
	report_times(r, what, &t);
	(void)snprintf(metric, sizeof(metric), "%s, deliveries", what);
	sample(r, metric, "a second",
	       (double)deliveries * 1e9 / (double)(now - start));
	sample_cpu(r, what, &before, deliveries);
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
	r->delays = calloc(r->n * messages, sizeof(double));
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

/* rate messages a second (2 at least), whether all have the last or not. */
static void sustained(struct run *r, uint64_t for_ms, uint64_t rate)
{
	uint64_t start, got = r->got;
	struct wscpu before = cpu_ns(r), after;

	start_delays(r, for_ms * rate / 1000 + rate);
	start = bench_now_ns();
	set_timer(r, rate);
	while (bench_now_ns() - start < for_ms * 1000000)
		run_turn(r, 100);
	after = cpu_ns(r);
	sample(r, "sustained, server's CPU", "cores",
	       (double)(after.all - before.all) /
		       (double)(bench_now_ns() - start));
	sample(r, "sustained, deliveries", "a second",
	       (double)(r->got - got) * 1e9 / (double)(bench_now_ns() - start));
	set_timer(r, 0);
	run_await(r, "sustained", &r->got, r->wanted);
	report_lasts(r);
	sample_times(r, "sustained", r->delays, r->ndelays);
	end_delays(r);
}

static void check_each(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->conns[i].got == r->published)
			continue;
		(void)fprintf(stderr, "wsclients: number %zu got %u of %llu\n",
			      i, r->conns[i].got,
			      (unsigned long long)r->published);
		bench_die(r->side, -EIO);
	}
}

static int run_main(int argc, char **argv)
{
	static struct run r;
	uint32_t burst = (uint32_t)bench_env("BURST", 20);
	struct buf hello = { 0 };
	char what[32];

	r.pids = getenv("PIDS");
	if (argc != 4 || r.pids == NULL)
		bench_die("run", -EINVAL);
	r.side = argv[1];
	r.proto = wsbench_proto(argv[1]);
	r.n = bench_number(argv[3]);
	run_set_up(&r, argv[2]);
	open_all(&r);
	if (strcmp(r.side, "plain") == 0) {
		buf_append_char(&hello, 'P');
		run_put(r.publisher, &hello);
	}
	subscribe_all(&r);
	sample_memory(&r);
	idle(&r, bench_env("IDLE_MS", 0));
	run_publish(&r, 1);
	run_await(&r, "the first message", &r.got, r.wanted);
	closed_loop(&r, "one by one", 1);
	if (burst > 0) {
		(void)snprintf(what, sizeof(what), "%u at a time", burst);
		closed_loop(&r, what, burst);
	}
	if (bench_env("SUSTAIN_MS", 0) > 0)
		sustained(&r, bench_env("SUSTAIN_MS", 0),
			  bench_env("SUSTAIN_RATE", 100));
	check_each(&r);
	buf_release(&hello);
	return 0;
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "scene") == 0)
		return scene_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return run_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "resume") == 0)
		return resume_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "pages") == 0)
		return pages_main(argc - 1, argv + 1);
	(void)fputs("usage: see the head of tests/bench/wsclients.c\n", stderr);
	return 2;
}
