/* SPDX-License-Identifier: MIT */
/*
 * A crowd of WebSockets that comes at once, is lost at once, and comes back as
 * groupd-api(7) asks: each at a moment of its own within SPREAD_MS (5000).
 *
 *   wsclients storm PORT GROUP N
 *
 * TOKENS: as of the others. BENCH_WINDOW (N) being opened at a time. Prints a
 * sample when it is so, for who waits for it (tests/torture/storm.py): `came`,
 * all are subscribed, and with how many tries; `back`, all were lost by now,
 * and are subscribed again, counted from the first loss; `answered`, each has
 * had an answer then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/list.h"
#include "tests/bench/bench.h"
#include "tests/bench/websocket.h"
#include "tests/bench/wsrun.h"

enum { TURN_MS = 2, PATIENCE_MS = 60000, RETRY_MS = 500 };

struct storm {
	struct run run;
	/* Of each connection: when it is tried next; 0: it was. Owned. */
	uint64_t *due_ns;
	uint64_t spread_ms, first_lost_ns;
	size_t tries, trying, lost;
};

static uint64_t within(uint64_t ms)
{
	return bench_now_ns() + bench_random() % (ms * 1000000 + 1);
}

static void on_open(struct run *r, struct conn *c)
{
	container_of(r, struct storm, run)->trying--;
	run_subscribe(r, c);
}

static void on_lost(struct run *r, struct conn *c)
{
	struct storm *s = container_of(r, struct storm, run);
	uint64_t *due = &s->due_ns[c - r->conns];

	if (c->state < OPEN) {
		s->trying--;
		*due = within(RETRY_MS);
		return;
	}
	if (s->lost++ == 0)
		s->first_lost_ns = bench_now_ns();
	*due = within(s->spread_ms);
}

static void try_due(struct storm *s)
{
	struct run *r = &s->run;
	uint64_t now = bench_now_ns();

	for (size_t i = 0; i < r->n && s->trying < r->window; i++) {
		if (s->due_ns[i] == 0 || s->due_ns[i] > now)
			continue;
		s->due_ns[i] = 0;
		s->tries++;
		s->trying++;
		run_connect(r, &r->conns[i]);
	}
}

/* Until so many were lost, and all are there. */
static void await_all(struct storm *s, const char *what, size_t lost)
{
	struct run *r = &s->run;
	uint64_t end = bench_now_ns() + PATIENCE_MS * UINT64_C(1000000);

	while (s->lost < lost || r->subscribed < r->n) {
		try_due(s);
		run_turn(r, TURN_MS);
		if (bench_now_ns() < end)
			continue;
		(void)fprintf(stderr, "wsclients: %s: %zu of %zu\n", what,
			      r->subscribed, r->n);
		bench_die(what, -ETIMEDOUT);
	}
}

static void report(struct storm *s, const char *what, uint64_t since_ns)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%s, tries", what);
	bench_sample(name, s->run.side, "times", (double)s->tries);
	bench_sample(what, s->run.side, "ms",
		     run_ms(bench_now_ns() - since_ns));
	s->tries = 0;
}

static void ask_all(struct storm *s)
{
	struct run *r = &s->run;
	uint64_t began = bench_now_ns();
	struct buf ping = { 0 };

	websocket_put_text(&ping, str_of("{\"type\":\"ping\"}"));
	for (size_t i = 0; i < r->n; i++)
		run_ask(r, &r->conns[i], &ping);
	run_await(r, "answered", &r->answered, r->n);
	report(s, "answered", began);
	buf_release(&ping);
}

int storm_main(int argc, char **argv)
{
	static struct storm s;
	struct run *r = &s.run;
	uint64_t began;

	if (argc != 4 || getenv("TOKENS") == NULL)
		bench_die("storm", -EINVAL);
	s.spread_ms = bench_env("SPREAD_MS", 5000);
	r->side = "ours";
	r->proto = wsbench_proto(r->side);
	r->n = bench_number(argv[3]);
	r->on_open = on_open;
	r->on_lost = on_lost;
	run_prepare(r, argv[1], 1, r->n);
	wsbench_use_tokens(getenv("TOKENS"));
	r->window = bench_env("BENCH_WINDOW", r->n);
	(void)snprintf(r->groups[0].name, sizeof(r->groups[0].name), "%s",
		       argv[2]);
	s.due_ns = calloc(r->n, sizeof(*s.due_ns));
	if (s.due_ns == NULL)
		bench_die("storm", -ENOMEM);
	began = bench_now_ns();
	for (size_t i = 0; i < r->n; i++)
		s.due_ns[i] = began;
	await_all(&s, "came", 0);
	report(&s, "came", began);
	s.lost = 0;
	await_all(&s, "back", r->n);
	report(&s, "back", s.first_lost_ns);
	ask_all(&s);
	return s.lost > r->n ? 1 : 0;
}
