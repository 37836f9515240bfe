/* SPDX-License-Identifier: MIT */
/*
 * The simulator: groupd's core, as it is, in a world that is drawn from a
 * number, beside a model that knows what a group messenger is to do.
 *
 *   clients.c   eight connections: send, watch, read, remove, hang up, resend
 *      |        frames, through pipes in memory that hold little (loop.c)
 *   the core    session, handlers, sequencer, readers, fanout, fence, retention
 *      |        threads.c: its threads; loop.c: its libuv; core.c: its wiring
 *   disk.c      each write is told to the model (model.c), and some fail
 *      |
 *   the store   the reference in memory, or SQLite on a file in memory
 *
 * Nothing of the core is changed for it. What it gets from outside is found
 * elsewhere by the linker: threads are fibers of one thread, and who of them
 * goes on where is drawn; time passes when nobody has anything to do, or by
 * chance; libuv is a list of handles; passwd has six users. So one number says
 * all that happens, and the same number says it again: each step, verb and
 * frame goes into a hash, which must come out the same.
 *
 * A run draws its moods (how often the disk fails or is slow, threads change
 * places, the process is killed; how much a pipe holds), then takes 1,000
 * steps: a thread goes on, the loop turns, a client acts or reads, time passes,
 * groupd crashes or stops and starts again. A write fails before it is stored,
 * or its outcome is lost, stored or not, and then the process ends there.
 * Behind the steps all faults end, and everybody hears what he waits for; then:
 *
 *  - each message that was acknowledged is there once, at its number; each that
 *    was refused is not; one of which nobody knows is there once or not at all,
 *    with all that was sent with it;
 *  - numbers have no gap, and all saw the same messages in the same order, each
 *    once, none before it was committed, and who watches saw all;
 *  - what is sent again with its key is answered with the same numbers;
 *  - who was removed got no message with a higher number, by delivery or by
 *    reading, and was refused from then on; members were not;
 *  - read pointers went forward only, and counts and pages were true at some
 *    moment between question and answer; retention took no more than it may;
 *  - a revoked token opens nothing, and what it had opened is closed;
 *  - every request was answered once; the store holds what the model holds.
 *
 * A run that fails says its number, the command that replays it and the last
 * steps. What it does not see: bytes torn on a disk, the kernel's sockets, the
 * gateway, the mount and lib/client, several nodes (tests of their own do).
 */
#include "tests/sim/sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SETTLE = 20000, END_STEPS = 300, BORN_S = 1764000000 };

struct sim sim;

uint64_t sim_random(uint64_t n)
{
	uint64_t x = sim.random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % n;
}

bool sim_chance(unsigned thousandth)
{
	return !sim.calm && sim_random(1000) < thousandth;
}

void sim_trace(const char *fmt, ...)
{
	char *line = sim.lines[sim.traced++ % SIM_LINES];
	va_list args;
	int n;

	n = snprintf(line, sizeof(sim.lines[0]), "%4u %6llu ms  ", sim.step,
		     (unsigned long long)(sim.now_ns / SIM_MS));
	va_start(args, fmt);
	vsnprintf(line + n, sizeof(sim.lines[0]) - (size_t)n, fmt, args);
	va_end(args);
	if (sim.verbose)
		puts(line);
	for (const char *c = line; *c != '\0'; c++)
		sim.hash = (sim.hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
}

static void show(void)
{
	unsigned from = sim.traced > SIM_LINES ? sim.traced - SIM_LINES : 0;

	fflush(stdout);
	for (unsigned i = from; i < sim.traced && !sim.verbose; i++)
		fprintf(stderr, "  %s\n", sim.lines[i % SIM_LINES]);
	fprintf(stderr,
		"seed %llu failed at step %u on %s: replay it with\n"
		"  make sim SEED=%llu%s\n",
		(unsigned long long)sim.seed, sim.step,
		sim.backend == SIM_SQLITE ? "SQLite" : "the reference",
		(unsigned long long)sim.seed,
		sim.backend == SIM_SQLITE ? " STORE=sqlite" : "");
}

void sim_fail(const char *fmt, ...)
{
	va_list args;

	show();
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

/* An assertion of the core's own. */
static void on_abort(int number)
{
	(void)number;
	show();
	_exit(1);
}

static uint64_t now_ms(void *data)
{
	(void)data;
	return (uint64_t)((int64_t)BORN_S * 1000 +
			  (int64_t)(sim.now_ns / SIM_MS) + sim.wall_ms);
}

static void random_bytes(void *data, void *out, size_t len)
{
	(void)data;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)sim_random(256);
}

static void draw_moods(void)
{
	struct sim_moods *m = &sim.moods;

	m->faults = sim_random(3) == 0 ? 0 : (unsigned)sim_random(60);
	m->slow = sim_random(2) == 0 ? 0 : (unsigned)sim_random(200);
	m->switches = (unsigned)sim_random(60);
	m->crashes = sim_random(3) == 0 ? 0 : (unsigned)sim_random(30);
	m->output = 200 + (unsigned)sim_random(5000);
	m->room = sim_random(2) == 0 ? 100 + (unsigned)sim_random(2000) : 65536;
}

/* To when the first of those that wait has something to do. */
static bool pass_time(void)
{
	uint64_t due = threads_due();

	if (loop_due() < due)
		due = loop_due();
	if (due == UINT64_MAX)
		return false;
	if (due > sim.now_ns)
		sim.now_ns = due;
	return true;
}

static void restart(bool crash)
{
	core_stop(crash);
	clients_lost();
	core_start();
}

/* Whoever has lost the outcome of a commit ends the process. */
static void check_end(void)
{
	static unsigned waited;

	waited = disk_is_crash_due() && !sim.crashed ? waited + 1 : 0;
	SIM_CHECK(waited < END_STEPS,
		  "the outcome of a commit is unknown, and the core goes on");
}

static void take_step(void)
{
	uint64_t what = sim_random(100);

	check_end();
	if (sim.crashed)
		restart(true);
	else if (what < 30)
		(void)(threads_run() || pass_time());
	else if (what < 52)
		loop_turn();
	else if (what < 76)
		clients_act();
	else if (what < 94)
		clients_read();
	else if (what < 98)
		sim.now_ns += (1 + sim_random(20)) * SIM_MS;
	else if (what < 99)
		sim.wall_ms += (int64_t)sim_random(1200000) - 600000;
	else if (sim_random(100) < sim.moods.crashes)
		restart(sim_random(4) != 0);
}

/* Until nobody waits for anything. */
static void settle(void)
{
	unsigned quiet = 0;

	sim.calm = true;
	for (unsigned i = 0; quiet < 3; i++) {
		bool ran = threads_run();

		/* A commit may have been lost before. */
		check_end();
		if (sim.crashed)
			restart(true);
		if (i == SETTLE)
			clients_check(); /* says who waits */
		SIM_CHECK(i < SETTLE, "it does not come to rest");
		loop_turn();
		if (clients_settle() && !ran && !loop_is_busy()) {
			quiet++;
			continue;
		}
		quiet = 0;
		if (!ran && !loop_is_busy())
			pass_time();
	}
}

static void remove_store(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
	const char *path = strchr(sim.url, ':') + 1;

	for (size_t i = 0; sim.backend == SIM_SQLITE &&
			   i < sizeof(suffixes) / sizeof(suffixes[0]);
	     i++) {
		struct buf name = { 0 };

		buf_printf(&name, "%s%s", path, suffixes[i]);
		unlink(buf_cstr(&name));
		buf_release(&name);
	}
}

static void begin(uint64_t seed, enum sim_backend backend, const char *url)
{
	sim.seed = seed;
	sim.backend = backend;
	sim.url = url;
	sim.random = seed * 2 + (uint64_t)backend;
	sim.now_ns = UINT64_C(1000000) * SIM_MS;
	sim.wall_ms = 0;
	sim.step = sim.traced = 0;
	sim.hash = UINT64_C(0xcbf29ce484222325);
	sim.calm = sim.crashed = false;
	sim.env = (struct env){ now_ms, random_bytes, NULL };
	model_reset(&sim.model);
	draw_moods();
	remove_store();
}

uint64_t sim_run(uint64_t seed, enum sim_backend backend, const char *url,
		 unsigned steps)
{
	struct store_options options = { .read_only = true };
	struct store *keep = NULL;
	struct err err = { 0 };

	(void)signal(SIGABRT, on_abort);
	begin(seed, backend, url);
	core_forget();
	core_start();
	options.env = &sim.env;
	/* What is in memory is gone with its last handle. */
	if (backend == SIM_MEMORY && store_open(&keep, url, &options, &err) < 0)
		sim_fail("%s", err.text);
	clients_start();
	for (sim.step = 1; sim.step <= steps; sim.step++)
		take_step();
	settle();
	clients_check();
	clients_release();
	core_stop(sim_random(2) == 0);
	sim.calm = true;
	sim.crashed = false;
	core_check_store();
	store_close(keep);
	remove_store();
	return sim.hash;
}
