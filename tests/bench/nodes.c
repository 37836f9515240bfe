/* SPDX-License-Identifier: MIT */
/*
 * nodesbench: appends into a shared store, by some threads with a handle each,
 * as the lanes of nodes have; or by senders over the socket of a node.
 *
 *   nodesbench make URL GROUPS            groups 1..GROUPS, of one member: me
 *   nodesbench one URL GROUPS THREADS MS  a message a commit, groups at random
 *   nodesbench hot URL THREADS MS         the same, all in one group
 *   nodesbench batch URL GROUPS THREADS MS SIZE
 *                                         SIZE groups, a message each, a commit
 *   nodesbench lines URL THREADS MS SIZE  SIZE messages of one group a commit
 *   nodesbench node URL GROUPS SENDERS MS SOCKET METRIC SIDE
 *                                         by a node; prints its sample as SIDE
 *
 * Prints samples as bench.h has them. Messages are of 100 bytes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "store/store.h"
#include "tests/bench/bench.h"
#include "tests/bench/nodes.h"

enum {
	SIZE_MAX_BATCH = 256,
	THREADS_MAX = 64,
	SAMPLES_MAX = 1 << 20,
	/* Commits before the clock starts: a connection's first ones plan each
	 * statement anew, and pgbench, too, does not count how it connects. */
	WARM_UP = 30
};

static const char text[] = "A message of a hundred bytes, as they are said at "
			   "work, with some words "
			   "more, so that it is as long as that.";

struct load {
	const char *url;
	const char *user;
	uint64_t groups; /* at random of so many; 1: the hot one */
	uint64_t ms;
	pthread_barrier_t warm;
	size_t ops;   /* of a commit */
	size_t items; /* of an op */
};

struct worker {
	pthread_t thread;
	struct load *load; /* borrowed */
	uint64_t messages;
	uint64_t began_ns;
	uint64_t ended_ns;
	uint32_t *took_us; /* owned */
	size_t commits;
	uint64_t random; /* xorshift64, each its own */
};

/* Groups in the order in which they were made, which is that of their ids. */
static uint64_t *ids;
static size_t id_count;

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

static int note_id(void *data, const struct wire_group *g)
{
	(void)data;
	ids = realloc(ids, (id_count + 1) * sizeof(*ids));
	if (ids == NULL)
		bench_die("memory", -ENOMEM);
	ids[id_count++] = g->group_id;
	return 0;
}

static struct store *open_store(const char *url)
{
	struct store_options options = { .env = env_system() };
	struct err err = { 0 };
	struct store *s;

	check(store_open(&s, url, &options, &err), &err);
	return s;
}

static int make_main(char **argv)
{
	uint64_t groups = bench_number(argv[1]);
	struct str me = str_of(bench_user());
	struct store *s = open_store(argv[0]);
	struct err err = { 0 };
	bool added;

	check(store_begin(s, &err), &err);
	check(store_add_user(s, me, &added, &err), &err);
	check(store_commit(s, &err), &err);
	for (uint64_t i = 0; i < groups; i++) {
		char name[32];
		struct store_create op = { .creator = me };

		(void)snprintf(name, sizeof(name), "g%llu",
			       (unsigned long long)i);
		op.name = str_of(name);
		check(store_begin(s, &err), &err);
		check(store_create_group(s, &op, &err), &err);
		check(store_commit(s, &err), &err);
	}
	store_close(s);
	return 0;
}

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* A commit of load->ops groups, each once, load->items messages in each. */
static void commit_once(struct worker *w, struct store *s, struct buf *items)
{
	struct store_append ops[SIZE_MAX_BATCH];
	struct store_append *refs[SIZE_MAX_BATCH] = { NULL };
	struct err errs[SIZE_MAX_BATCH] = { 0 };
	uint64_t keys[SIZE_MAX_BATCH][2];
	size_t n = w->load->ops;
	uint64_t first = next_random(w) % w->load->groups;
	struct err err = { 0 };

	for (size_t i = 0; i < n; i++) {
		keys[i][0] = next_random(w);
		keys[i][1] = bench_now_ns();
		ops[i] = (struct store_append){
			.group_id = ids[(first + i * 7919) % w->load->groups],
			.user = str_of(w->load->user),
			.batch_id = str_make((const char *)keys[i], 16),
			.items = buf_str(items),
		};
		refs[i] = &ops[i];
		errs[i] = (struct err){ 0 };
	}
	check(store_append_all(s, refs, errs, n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		if (errs[i].code != ERR_NONE)
			bench_die(errs[i].text, -EPROTO);
	}
	w->messages += n * w->load->items;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct store *s = open_store(w->load->url);
	const struct wire_item item = { .content = str_make(text, 100) };
	struct buf items = { 0 };

	for (size_t i = 0; i < w->load->items; i++)
		wire_put(&items, &wire_schema_item, &item);
	for (int i = 0; i < WARM_UP; i++)
		commit_once(w, s, &items);
	w->messages = 0;
	pthread_barrier_wait(&w->load->warm);
	w->began_ns = bench_now_ns();
	w->ended_ns = w->began_ns;
	while (w->ended_ns - w->began_ns < w->load->ms * 1000000 &&
	       w->commits < SAMPLES_MAX) {
		uint64_t began = w->ended_ns;

		commit_once(w, s, &items);
		w->ended_ns = bench_now_ns();
		w->took_us[w->commits++] =
			(uint32_t)((w->ended_ns - began) / 1000);
	}
	buf_release(&items);
	store_close(s);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* From the first one's first commit to the last one's last. */
static double seconds_of(const struct worker *w, size_t threads)
{
	uint64_t began = w[0].began_ns, ended = w[0].ended_ns;

	for (size_t i = 1; i < threads; i++) {
		if (w[i].began_ns < began)
			began = w[i].began_ns;
		if (w[i].ended_ns > ended)
			ended = w[i].ended_ns;
	}
	return (double)(ended - began) / 1e9;
}

static void report(const char *metric, const struct worker *w, size_t threads)
{
	double seconds = seconds_of(w, threads);
	uint64_t messages = 0;
	size_t commits = 0, n = 0;
	size_t p50, p99;
	uint32_t *all;

	for (size_t i = 0; i < threads; i++) {
		messages += w[i].messages;
		commits += w[i].commits;
	}
	all = calloc(commits + 1, sizeof(*all));
	if (all == NULL)
		bench_die("memory", -ENOMEM);
	for (size_t i = 0; i < threads; i++) {
		memcpy(all + n, w[i].took_us, w[i].commits * sizeof(*all));
		n += w[i].commits;
	}
	qsort(all, n, sizeof(*all), by_value);
	bench_sample(metric, "ours", "1/s", (double)messages / seconds);
	bench_sample(metric, "commits", "1/s", (double)commits / seconds);
	p50 = n / 2;
	p99 = n * 99 / 100;
	bench_sample(metric, "p50", "ms", all[p50] / 1000.0);
	bench_sample(metric, "p99", "ms", all[p99] / 1000.0);
	free(all);
}

/* Notes the ids of the groups. */
static void find_groups(struct load *load)
{
	struct store *s = open_store(load->url);
	struct err err = { 0 };

	load->user = bench_user();
	check(store_list_groups(s, str_of(load->user), str_of(""), note_id,
				NULL, &err),
	      &err);
	store_close(s);
	if (id_count < load->groups)
		bench_die("fewer groups than that", -ENOENT);
}

static int run(const char *metric, struct load *load, size_t threads,
	       uint64_t ms)
{
	static struct worker workers[THREADS_MAX];

	if (threads == 0 || threads > THREADS_MAX || load->ops == 0 ||
	    load->ops > SIZE_MAX_BATCH)
		bench_die("arguments", -EINVAL);
	find_groups(load);
	load->ms = ms;
	if (pthread_barrier_init(&load->warm, NULL, (unsigned)threads) != 0)
		bench_die("threads", -EAGAIN);
	for (size_t i = 0; i < threads; i++) {
		workers[i] = (struct worker){
			.load = load,
			.random = bench_now_ns() +
				  i * UINT64_C(88172645463325252),
			.took_us = calloc(SAMPLES_MAX, sizeof(uint32_t)),
		};
		if (workers[i].took_us == NULL ||
		    pthread_create(&workers[i].thread, NULL, work,
				   &workers[i]) != 0)
			bench_die("thread", -EAGAIN);
	}
	for (size_t i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	report(metric, workers, threads);
	pthread_barrier_destroy(&load->warm);
	for (size_t i = 0; i < threads; i++)
		free(workers[i].took_us);
	free(ids);
	return 0;
}

static int node_main(char **argv)
{
	struct load load = { .url = argv[0], .groups = bench_number(argv[1]) };
	struct nodes_send send = {
		.socket = argv[4],
		.groups = load.groups,
		.senders = bench_number(argv[2]),
		.ms = bench_number(argv[3]),
		.item = { .content = str_make(text, 100) },
	};

	find_groups(&load);
	send.group_ids = ids;
	bench_sample(argv[5], argv[6], "1/s", nodes_send(&send));
	free(ids);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	struct load load = { .groups = 1, .ops = 1, .items = 1 };
	uint64_t n[4] = { 0 };

	if (strcmp(what, "make") == 0 && argc == 4)
		return make_main(argv + 2);
	if (strcmp(what, "node") == 0 && argc == 9)
		return node_main(argv + 2);
	for (int i = 3; i < argc && i < 7; i++)
		n[i - 3] = bench_number(argv[i]);
	load.url = argc > 3 ? argv[2] : "";
	if (strcmp(what, "one") == 0 && argc == 6) {
		load.groups = n[0];
		return run("random groups", &load, n[1], n[2]);
	}
	if (strcmp(what, "hot") == 0 && argc == 5)
		return run("one hot group", &load, n[0], n[1]);
	if (strcmp(what, "batch") == 0 && argc == 7) {
		load.groups = n[0];
		load.ops = n[3];
		return run("batches of groups", &load, n[1], n[2]);
	}
	if (strcmp(what, "lines") == 0 && argc == 6) {
		load.items = n[2];
		return run("batches of one group", &load, n[0], n[1]);
	}
	(void)fprintf(stderr,
		      "nodesbench: see the top of tests/bench/nodes.c\n");
	return 2;
}
