/* SPDX-License-Identifier: MIT */
/*
 * The light clients of `make bench-ws` and `make bench-catchup`; tests/bench/
 * ws.sh and catchup.sh start the servers.
 *
 *   wsclients scene SOCKET GROUP N [GROUPS EACH CONNECTIONS] >TOKENS
 *   wsclients run SIDE PORT[,PORT] N
 *   wsclients many SIDE PORT N GROUPS EACH
 *   wsclients idle SIDE PORT N
 *   wsclients resume PORT N
 *   wsclients pages PORT GROUP
 *   wsclients storm PORT GROUP N
 *
 * run opens N connections to a server (SIDE names its protocol), or one half
 * to each of two, subscribes them, publishes to the first and counts: each must
 * get each message, once. many: of N connections each group has EACH. idle: how
 * often the servers wake in IDLE_MS (5000; 0: not) while nobody says anything.
 *
 * Of the environment: PIDS the servers' processes, those that write first, one
 * a port; RSS_BASE (none: memory is not measured) their KiB before the first
 * connection, in the same order; BENCH_NAME (N=...) what samples begin with;
 * BENCH_WINDOW (256) connections being opened at a time; IDLE_MS (0) without a
 * message first; BENCH_SLICE_MS; BURST (20; 0: not) messages at a time;
 * BENCH_DEPTH (8; 0: not) under way at a time; SUSTAIN_MS (0: not),
 * SUSTAIN_RATE (100 a second); for `ours` SOCKET and TOKENS.
 *
 * resume and pages are in wscatchup.c, storm, which `make torture PART=storm`
 * uses, in wsstorm.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsrun.h"

/* Of those that write, and of the others whose base is known. */
static void sample_memory(const struct run *r)
{
	const char *base = getenv("RSS_BASE");
	double grown[2];

	if (base == NULL || *base == '\0')
		return;
	wsserver_grown_kib(r->pids, base, r->nnodes, grown);
	run_sample(r, "memory a connection", "KiB", grown[0] / (double)r->n);
	if (strcmp(r->side, "ours") != 0)
		return;
	run_sample(r, "groupd's memory a connection", "KiB",
		   grown[1] / (double)r->n);
	run_sample(r, "memory a connection, both", "KiB",
		   (grown[0] + grown[1]) / (double)r->n);
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
	run_sample(r, "connect all", "ms", run_ms(bench_now_ns() - start));
}

static void subscribe_all(struct run *r)
{
	uint64_t start = bench_now_ns();

	for (size_t i = 0; i < r->n; i++) {
		run_subscribe(r, &r->conns[i]);
		while (i + 1 - r->subscribed >= r->window)
			run_turn(r, 1000);
	}
	run_await(r, "subscribed", &r->subscribed, r->n);
	run_sample(r, "subscribe all", "ms", run_ms(bench_now_ns() - start));
}

/* For whoever looks at the servers. */
static void idle(struct run *r, uint64_t for_ms)
{
	uint64_t end = bench_now_ns() + for_ms * 1000000;

	while (bench_now_ns() < end)
		run_turn(r, 100);
}

static void check_each(const struct run *r)
{
	bool wrong = false;

	for (size_t i = 0; i < r->n; i++) {
		if (r->conns[i].got == r->conns[i].due)
			continue;
		(void)fprintf(stderr, "wsclients: number %zu got %u of %u\n", i,
			      r->conns[i].got, r->conns[i].due);
		wrong = true;
	}
	if (wrong)
		bench_die(r->side, -EIO);
}

/* All are subscribed, and have got one message. */
static void begin(struct run *r, char **argv, size_t ngroups, size_t each)
{
	struct buf hello = { 0 };

	r->pids = getenv("PIDS");
	if (r->pids == NULL)
		bench_die("PIDS", -EINVAL);
	r->side = argv[1];
	r->proto = wsbench_proto(argv[1]);
	r->n = bench_number(argv[3]);
	run_set_up(r, argv[2], ngroups, each);
	open_all(r);
	if (strcmp(r->side, "plain") == 0 || strcmp(r->side, "durable") == 0) {
		buf_append_char(&hello, 'P');
		run_put(r, r->publisher, &hello);
	}
	buf_release(&hello);
	subscribe_all(r);
	sample_memory(r);
	idle(r, bench_env("IDLE_MS", 0));
	run_publish(r, 0, r->ngroups, 1);
	run_await(r, "the first message", &r->got, r->wanted);
}

static int run_main(int argc, char **argv)
{
	static struct run r;
	uint32_t burst = (uint32_t)bench_env("BURST", 20);
	size_t depth = bench_env("BENCH_DEPTH", 8);
	char what[32];

	if (argc != 4)
		bench_die("run", -EINVAL);
	begin(&r, argv, 1, bench_number(argv[3]));
	measure_one_by_one(&r, "one by one", 1, 1);
	if (burst > 0) {
		(void)snprintf(what, sizeof(what), "%u at a time", burst);
		measure_one_by_one(&r, what, 1, burst);
	}
	if (depth > 0) {
		(void)snprintf(what, sizeof(what), "%zu under way", depth);
		measure_pipelined(&r, what, depth);
	}
	if (bench_env("SUSTAIN_MS", 0) > 0)
		measure_sustained(&r, bench_env("SUSTAIN_MS", 0),
				  bench_env("SUSTAIN_RATE", 100));
	check_each(&r);
	return 0;
}

static int many_main(int argc, char **argv)
{
	static struct run r;

	if (argc != 6)
		bench_die("many", -EINVAL);
	begin(&r, argv, bench_number(argv[4]), bench_number(argv[5]));
	measure_one_by_one(&r, "a group at a time", 1, 1);
	measure_pipelined(&r, "64 under way", 64);
	measure_one_by_one(&r, "all groups at once", r.ngroups, 1);
	if (bench_env("SUSTAIN_MS", 0) > 0)
		measure_sustained(&r, bench_env("SUSTAIN_MS", 0), r.ngroups);
	check_each(&r);
	return 0;
}

static int idle_main(int argc, char **argv)
{
	static struct run r;
	uint64_t for_ms = bench_env("IDLE_MS", 5000);

	r.pids = getenv("PIDS");
	if (argc != 4 || r.pids == NULL)
		bench_die("idle", -EINVAL);
	r.side = argv[1];
	r.proto = wsbench_proto(argv[1]);
	r.n = bench_number(argv[3]);
	run_set_up(&r, argv[2], 1, r.n);
	if (r.n > 0) {
		open_all(&r);
		subscribe_all(&r);
		sample_memory(&r);
	}
	if (for_ms == 0)
		return 0;
	idle(&r, 2000); /* what there was to do is done */
	measure_idle(&r, for_ms);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct bench_command commands[] = {
		{ "scene", scene_main },   { "run", run_main },
		{ "many", many_main },	   { "idle", idle_main },
		{ "resume", resume_main }, { "pages", pages_main },
		{ "storm", storm_main },   { NULL, NULL }
	};

	return bench_command(commands, "wsclients.c", argc, argv);
}
