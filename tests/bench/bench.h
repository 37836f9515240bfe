/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share, and the parts that the main() of fsbench is made
 * of. A benchmark that cannot go on says why and ends the process. One thread.
 *
 * Each measurement is one line on stdout: METRIC TAB SIDE TAB UNIT TAB VALUE.
 * report.py makes medians, spreads and ratios of them.
 */
#ifndef GROUPFS_TESTS_BENCH_BENCH_H
#define GROUPFS_TESTS_BENCH_BENCH_H

#include <stdint.h>
#include <uv.h>

#include "lib/client.h"
#include "store/store.h"

void bench_die(const char *what, int rc) __attribute__((noreturn));
uint64_t bench_now_ns(void);
/* A number of the environment. */
uint64_t bench_env(const char *name, uint64_t otherwise);
/* Decimal, or the end. */
uint64_t bench_number(const char *text);
uint64_t bench_random(void);
/* The process' user, as groupd's socket knows him. */
const char *bench_user(void);
/* What somebody says: 19 to 378 bytes of words, 200 in the middle. Borrowed for
 * ever. */
struct str bench_words(void);
void bench_sample(const char *metric, const char *side, const char *unit,
		  double value);
/* Gives all to a socket that does not block, with patience. False, with errno:
 * it is no longer connected. */
bool bench_try_send(int fd, struct str bytes);
void bench_send(int fd, struct str bytes);

/* What a program can be asked for. */
struct bench_command {
	const char *name;
	int (*run)(int argc, char **argv);
};
/* main() of one: runs the command that argv[1] names, up to the one without a
 * name, with argv from there. 2: there is none, and stderr says that the head
 * of tests/bench/FILE tells. */
int bench_command(const struct bench_command *commands, const char *file,
		  int argc, char **argv);

/* One operation: 0 or a negative errno. */
typedef int (*bench_step_fn)(void *data);
/* How long calls took: of many, the last ones. */
enum { BENCH_TIMES = 16384 };
struct bench_times {
	size_t count;
	uint64_t ns[BENCH_TIMES];
};
/* Makes one call, which must succeed. */
void bench_time(struct bench_times *t, const char *metric, bench_step_fn step,
		void *data);
/* In microseconds; of no calls 0. */
double bench_percentile(struct bench_times *t, unsigned percent);
/* Repeats it for BENCH_SLICE_MS; the sample is the median call, since a disk
 * that others use too makes some calls ten times as long. */
void bench_slice(const char *metric, const char *side, bench_step_fn step,
		 void *data);

/* groupd asked over its socket, without FUSE, one request at a time. */
struct direct {
	uint64_t group_id;
	uint64_t size; /* of its log, when last found */

	/* private */
	uv_loop_t loop;
	struct client client;
	struct client_principal self;
	struct client_request request;
	const char *group; /* borrowed */
	bool done;
	int rc;
	/* Looks at the next answer, borrowed for the call; may be NULL. */
	void (*seen)(struct direct *d, const void *body);
};

/* As whoever a token names; NULL: as this process' user. group NULL: asks for
 * none yet. */
void direct_open_as(struct direct *d, const char *socket, const char *group,
		    const char *token);
void direct_open(struct direct *d, const char *socket, const char *group);
void direct_close(struct direct *d);
/* One request, to its answer: 0 or a negative errno. */
int direct_ask(struct direct *d, enum wire_type type, const void *body);
/* Steps: what an fstat, an append of 100 bytes and a pread of 4 KiB ask; and
 * what groupd answers on its loop, without a thread. */
int direct_find(void *data);
int direct_unwatch(void *data);
int direct_send(void *data);
int direct_read(void *data);

/* A store in this process: what is left when there is no daemon either. */
struct local {
	struct store *store; /* owned */
	uint64_t group_id;
	uint64_t last_seq; /* of its log, when it was opened; and bytes */
	uint64_t size;
	struct buf out; /* owned */
};

/* A new store with one group, for local_append(). */
void local_make(struct local *l, const char *url);
/* groupd's own store, read only. */
void local_open(struct local *l, const char *url, const char *group);
void local_close(struct local *l);
int local_find(void *data);
int local_append(void *data);
int local_read(void *data);
/* Renders the whole log of the group; its bytes. */
uint64_t local_render(struct local *l);

/* The line that all appends write: 100 bytes with its newline. */
enum { BENCH_LINE = 100, BENCH_PAGE = 4096 };
const char *bench_line(void);

/* The commands. */
int files_main(int argc, char **argv);
int appenders_main(int argc, char **argv);
int mkdirs_main(int argc, char **argv);
int history_main(int argc, char **argv);
int seed_main(int argc, char **argv);
int render_main(int argc, char **argv);

#endif
