/* SPDX-License-Identifier: MIT */
/* The paths through a store in one file, made anew. */
#include <errno.h>

#include "lib/env.h"
#include "tests/bench/bench.h"
#include "tests/bench/paths.h"

enum { A_COMMIT = 64, GROUPS = 250, LOG = 250 };

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

static struct store *make(const char *dir, uint64_t groups)
{
	const struct store_options options = { .env = env_system() };
	struct buf url = { 0 };
	struct err err = { 0 };
	struct store *s;
	bool added;

	buf_printf(&url, "sqlite:%s/paths.db", dir);
	check(store_open(&s, buf_cstr(&url), &options, &err), &err);
	buf_release(&url);
	check(store_begin(s, &err), &err);
	check(store_add_user(s, str_of("alice"), &added, &err), &err);
	for (uint64_t i = 0; i < groups; i++) {
		struct store_create create = { .creator = str_of("alice") };
		struct buf name = { 0 };

		buf_printf(&name, "g%u", (unsigned)i);
		create.name = buf_str(&name);
		check(store_create_group(s, &create, &err), &err);
		buf_release(&name);
	}
	check(store_commit(s, &err), &err);
	return s;
}

/* With a batch_id, as each that comes over the socket. */
static void append(struct store *s, uint64_t group_id, uint64_t number)
{
	const struct wire_item item = { .content = str_make(bench_line(),
							    BENCH_LINE - 1) };
	uint64_t id[2] = { number * UINT64_C(0x9e3779b97f4a7c15), number };
	struct store_append op = { .group_id = group_id,
				   .user = str_of("alice"),
				   .batch_id = str_make((const char *)id,
							sizeof(id)) };
	struct buf items = { 0 };
	struct err err = { 0 };

	wire_put(&items, &wire_schema_item, &item);
	op.items = buf_str(&items);
	check(store_append(s, &op, &err), &err);
	buf_release(&items);
}

static void append_some(struct store *s, uint64_t n, uint64_t a_commit,
			uint64_t groups)
{
	struct err err = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		if (i % a_commit == 0)
			check(store_begin(s, &err), &err);
		append(s, 1 + bench_random() % groups, i);
		if ((i + 1) % a_commit == 0)
			check(store_commit(s, &err), &err);
	}
	store_close(s);
}

void path_append(uint64_t n, const char *dir)
{
	append_some(make(dir, GROUPS), n, 1, GROUPS);
}

void path_append_hot(uint64_t n, const char *dir)
{
	append_some(make(dir, GROUPS), n, A_COMMIT, 1);
}

void path_append_random(uint64_t n, const char *dir)
{
	append_some(make(dir, GROUPS), n, A_COMMIT, GROUPS);
}

struct walk {
	uint64_t left;
	uint64_t seen;
};

static int see(void *data, const struct wire_message *m)
{
	struct walk *w = data;

	w->seen += m->content.len > 0;
	return --w->left == 0 ? 1 : 0;
}

void path_scan(uint64_t n, const char *dir)
{
	struct store *s = make(dir, 1);
	struct walk w = { .left = n };
	struct err err = { 0 };

	check(store_begin(s, &err), &err);
	for (uint64_t i = 0; i < LOG; i++)
		append(s, 1, i);
	check(store_commit(s, &err), &err);
	while (w.left > 0)
		check(store_scan(s, 1, 0, see, &w, &err), &err);
	if (w.seen != n)
		bench_die("scan", -ENODATA);
	store_close(s);
}

void path_find(uint64_t n, const char *dir)
{
	struct store *s = make(dir, GROUPS);
	struct wire_group g;
	struct err err = { 0 };

	for (uint64_t i = 0; i < n; i++)
		check(store_find_group(s, 1 + bench_random() % GROUPS,
				       str_of(""), str_of("alice"), &g, &err),
		      &err);
	store_close(s);
}
