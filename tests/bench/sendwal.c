/* SPDX-License-Identifier: MIT */
/*
 * What SQLite's write-ahead log takes of a message, by the store alone: exact,
 * whatever else the disk is given. Its index says how many pages the log has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/env.h"
#include "store/store.h"
#include "tests/bench/bench.h"
#include "tests/bench/sendbench.h"

enum {
	MESSAGES = 10240, /* about, a look */
	AT_MX_FRAME = 16, /* in the index' head: sqlite.org/walformat.html */
	FRAME = 24 + 4096 /* a page, with what stands before it */
};

struct wal {
	struct store *store; /* owned */
	int index;
	uint32_t frames;   /* of the log now */
	uint64_t written;  /* frames */
	uint64_t messages; /* that were appended */
};

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

/* A log that is shorter than before began again. */
static void look(struct wal *w)
{
	uint32_t now;

	if (pread(w->index, &now, sizeof(now), AT_MX_FRAME) != sizeof(now))
		bench_die("the log's index", -EIO);
	w->written += now < w->frames ? now : now - w->frames;
	w->frames = now;
}

static void append(struct store *s, uint64_t groups)
{
	const struct wire_item item = { .content = sendbench_content() };
	uint64_t id[2] = { sendbench_random(), sendbench_random() };
	struct store_append op = { .group_id = 1 + sendbench_random() % groups,
				   .user = str_of(bench_user()),
				   .batch_id = str_make((const char *)id,
							sizeof(id)) };
	struct buf items = { 0 };
	struct err err = { 0 };

	wire_put(&items, &wire_schema_item, &item);
	op.items = buf_str(&items);
	check(store_append(s, &op, &err), &err);
	buf_release(&items);
}

static void append_all(struct wal *w, uint64_t a_commit, uint64_t groups)
{
	struct err err = { 0 };

	for (uint64_t i = 0; i < MESSAGES / a_commit; i++) {
		check(store_begin(w->store, &err), &err);
		for (uint64_t k = 0; k < a_commit; k++)
			append(w->store, groups);
		check(store_commit(w->store, &err), &err);
		w->messages += a_commit;
		look(w);
	}
}

/* What the lane does when it is idle. */
static void tidy_up(struct wal *w)
{
	struct store_tend op = { .all = true };
	struct err err = { 0 };
	int rc;

	do {
		rc = store_tend(w->store, &op, &err);
		check(rc, &err);
		look(w);
	} while (rc > 0);
}

static void report(const char *metric, const char *what, const struct wal *w)
{
	char name[160];

	(void)snprintf(name, sizeof(name), "%s, %s", metric, what);
	bench_sample(name, "ours", "bytes",
		     (double)(w->written * FRAME) / (double)w->messages);
}

int wal_main(int argc, char **argv)
{
	struct store_options options = { .env = env_system() };
	struct wal w = { 0 };
	uint64_t a_commit, groups;
	struct err err = { 0 };
	char path[512];

	if (argc != 5 || strncmp(argv[2], "sqlite:", 7) != 0)
		bench_die("wal", -EINVAL);
	a_commit = bench_number(argv[3]);
	groups = bench_number(argv[4]);
	check(store_open(&w.store, argv[2], &options, &err), &err);
	(void)snprintf(path, sizeof(path), "%s-shm", argv[2] + 7);
	w.index = open(path, O_RDONLY | O_CLOEXEC);
	if (w.index < 0)
		bench_die(path, -errno);
	tidy_up(&w); /* of what was before */
	w.written = 0;
	append_all(&w, a_commit, groups);
	report(argv[1], "log", &w);
	tidy_up(&w);
	report(argv[1], "log, and put away", &w);
	store_close(w.store);
	(void)close(w.index);
	return 0;
}
