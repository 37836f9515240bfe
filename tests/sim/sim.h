/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the simulator share; how they work together is told at the
 * top of sim.c. All of it is one thread.
 */
#ifndef GROUPFS_TESTS_SIM_SIM_H
#define GROUPFS_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "lib/str.h"
#include "store/store.h"
#include "tests/sim/model.h"

enum {
	SIM_STEPS = 1000,
	SIM_MS = 1000000, /* ns */
	SIM_LINES = 60	  /* that are shown of a run that failed */
};

enum sim_backend { SIM_MEMORY, SIM_SQLITE };

/* What is drawn from the seed, once, for a whole run. */
struct sim_moods {
	unsigned faults;   /* of 1,000 verbs of the store, how many fail */
	unsigned slow;	   /* and how many take long */
	unsigned switches; /* of 100 places, where another thread goes on */
	unsigned crashes;  /* of 10,000 steps, or stops */
	unsigned output;   /* bytes of output at which a session is full */
	unsigned room;	   /* bytes that a pipe holds */
};

struct sim {
	uint64_t seed;
	enum sim_backend backend;
	const char *url; /* of the store */
	uint64_t random;
	uint64_t now_ns; /* the clock that only grows */
	int64_t wall_ms; /* how far the other one is from it */
	unsigned step;
	bool still;   /* no other thread goes on now */
	bool calm;    /* no faults: the end of a run, or a start */
	bool crashed; /* nothing leaves the process any more */
	struct sim_moods moods;
	struct env env;
	struct model model;
	bool verbose;  /* what is traced is printed, too */
	uint64_t hash; /* of all that was traced */
	char lines[SIM_LINES][160];
	unsigned traced;
};

extern struct sim sim;

/* One run. A violation of a promise is told with the seed, the command that
 * replays it and the last steps, and ends the process with 1. Returns the
 * hash of its trace. */
uint64_t sim_run(uint64_t seed, enum sim_backend backend, const char *url,
		 unsigned steps);

/* sim.c: below n, which is not 0. */
uint64_t sim_random(uint64_t n);
/* With that chance of 1,000; never while it is calm. */
bool sim_chance(unsigned thousandth);
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
#define SIM_CHECK(what, ...)                                                   \
	do {                                                                   \
		if (!(what))                                                   \
			sim_fail(__VA_ARGS__);                                 \
	} while (0)

/* threads.c: the threads of the core, as fibers. */
/* Runs one that can run, up to where it waits or another might go on. False:
 * all wait. */
bool threads_run(void);
/* On a fiber: others may go on, perhaps only after so long. */
void threads_pause(uint64_t ns);
/* When the first of those that wait for a time is due; UINT64_MAX: never. */
uint64_t threads_due(void);

/* loop.c: libuv, on the virtual clock. */
struct loop_pipe;
void loop_turn(void);
uint64_t loop_due(void);
/* Whether a turn would do something now. */
bool loop_is_busy(void);
/* The other end of a pipe that the core has opened by this descriptor. */
struct loop_pipe *loop_pipe_new(size_t room, int *fd);
void loop_pipe_write(struct loop_pipe *p, struct str bytes);
/* Takes what was written, at most max bytes. False: the core has closed it. */
bool loop_pipe_read(struct loop_pipe *p, struct buf *out, size_t max);
/* Hangs up; p is gone. */
void loop_pipe_close(struct loop_pipe *p);

/* core.c: groupd's core, without sockets and gateways. */
void core_start(void);
/* As at SIGTERM, or as if it had been killed. */
void core_stop(bool crash);
/* A connection; the descriptor of loop_pipe_new(). */
void core_accept(int fd);
/* The tokens of the users, which core_start() has made the first time. */
const char *core_token(unsigned user);
/* Reads the whole store and compares it. */
void core_check_store(void);
/* The next one starts on an empty store. */
void core_forget(void);

/* disk.c: a transaction has begun, or come to its end, in the store. */
bool disk_is_crash_due(void);
void disk_reset(void);

/* clients.c: those who use it. */
void clients_start(void);
void clients_act(void);	 /* one of them does something */
void clients_read(void); /* one of them reads what came */
void clients_lost(void); /* the core is gone */
/* All have read everything, and wait for no answer. */
bool clients_settle(void);
void clients_check(void);
void clients_release(void);

#endif
