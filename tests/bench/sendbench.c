/* SPDX-License-Identifier: MIT */
/*
 * The senders of `make bench-send`; tests/bench/send.sh starts the servers.
 *
 *   sendbench scene URL GROUPS MEMBERS
 *   sendbench load METRIC SIDE PROTOCOL ADDRESS SENDERS CONNECTIONS GROUPS
 *   sendbench each METRIC SIDE PROTOCOL ADDRESS SENDERS CONNECTIONS GROUPS
 *   sendbench mount METRIC SIDE MOUNT SENDERS GROUPS
 *   sendbench file METRIC SIDE FILE SENDERS
 *   sendbench fdatasync METRIC SIDE FILE
 *   sendbench server SOCKET FILE
 *   sendbench end MOUNT LIVE PORT FILE COUNT
 *   sendbench wal METRIC URL MESSAGES-A-COMMIT GROUPS
 *
 * scene makes groups g0, g1, ... in a store of its own, of so many members, of
 * whom the first is this process' user. load, mount, file and fdatasync send
 * for BENCH_SLICE_MS; each: one message to each group. end: single messages of
 * one mount, to a WebSocket and to the file LIVE of another one. wal: of the
 * scene's store, while nobody has it. TOKEN: of the user, for HTTP.
 */
#include "tests/bench/sendbench.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/env.h"
#include "store/store.h"
#include "tests/bench/bench.h"

enum {
	TOOK_NS = 100,
	GROUPS_AT_ONCE = 2000, /* of one transaction */
	GROUPS_OF_A_USER = 1000
};

uint64_t sendbench_random(void)
{
	static uint64_t x;

	if (x == 0)
		x = bench_now_ns() ^ (uint64_t)getpid() << 48;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

struct str sendbench_content(void)
{
	static const char text[] =
		"pump three lost pressure again at the north gate, ticket is "
		"open and the crew has been told; next look in two hours or "
		"when the gauge falls below four bar, whichever comes first. "
		"Keep valve nine shut.";

	_Static_assert(sizeof(text) - 1 >= SENDBENCH_CONTENT, "long enough");
	return str_make(text, SENDBENCH_CONTENT);
}

const char *sendbench_token(void)
{
	const char *token = getenv("TOKEN");

	if (token == NULL)
		bench_die("TOKEN", -EINVAL);
	return token;
}

void sendtimes_start(struct sendtimes *t)
{
	t->begin_ns = bench_now_ns() + bench_env("BENCH_WARM_MS", 50) * 1000000;
	t->end_ns = t->begin_ns + bench_env("BENCH_SLICE_MS", 200) * 1000000;
}

static void add(struct sendtimes *t, uint32_t took)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 65536 : t->cap * 2;
		t->took = realloc(t->took, t->cap * sizeof(*t->took));
		if (t->took == NULL)
			bench_die("memory", -ENOMEM);
	}
	t->took[t->n++] = took;
}

bool sendtimes_note(struct sendtimes *t, uint64_t since_ns, uint64_t now_ns)
{
	if (now_ns < t->begin_ns)
		return true;
	/* Whoever stalls for as long as all of it has one answer. */
	if (now_ns >= t->end_ns && t->n > 0)
		return false;
	if (now_ns >= t->end_ns)
		t->end_ns = now_ns;
	add(t, (uint32_t)((now_ns - since_ns) / TOOK_NS));
	return true;
}

void sendtimes_merge(struct sendtimes *t, struct sendtimes *other)
{
	for (size_t i = 0; i < other->n; i++)
		add(t, other->took[i]);
	free(other->took);
	*other = (struct sendtimes){ 0 };
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report_quantile(const struct sendtimes *t, const char *metric,
			    const char *side, const char *name, double q)
{
	size_t at = (size_t)((double)t->n * q);
	char full[160];

	(void)snprintf(full, sizeof(full), "%s, %s", metric, name);
	bench_sample(full, side, "ms",
		     (double)t->took[at < t->n ? at : t->n - 1] * TOOK_NS /
			     1e6);
}

void sendtimes_report(struct sendtimes *t, const char *metric, const char *side)
{
	char full[160];

	if (t->n == 0)
		bench_die(metric, -ETIMEDOUT);
	qsort(t->took, t->n, sizeof(*t->took), by_size);
	(void)snprintf(full, sizeof(full), "%s, messages", metric);
	bench_sample(full, side, "a second",
		     (double)t->n * 1e9 / (double)(t->end_ns - t->begin_ns));
	report_quantile(t, metric, side, "p50", 0.5);
	report_quantile(t, metric, side, "p99", 0.99);
	report_quantile(t, metric, side, "p99.9", 0.999);
	free(t->took);
}

/* The scene. */

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

static struct str myself(void)
{
	const struct passwd *p = getpwuid(geteuid());

	if (p == NULL)
		bench_die("getpwuid", -ENOENT);
	return str_of(p->pw_name);
}

static struct str user_name(char name[32], uint64_t number)
{
	(void)snprintf(name, 32, "user-%llu", (unsigned long long)number);
	return str_of(name);
}

static void add_users(struct store *s, uint64_t n)
{
	struct err err = { 0 };
	char name[32];
	bool added;

	check(store_begin(s, &err), &err);
	check(store_add_user(s, myself(), &added, &err), &err);
	for (uint64_t i = 0; i < n; i++)
		check(store_add_user(s, user_name(name, i), &added, &err),
		      &err);
	check(store_commit(s, &err), &err);
}

/* Its members but the first: those of the users whose turn it is. */
static void add_group(struct store *s, uint64_t number, uint64_t members,
		      uint64_t users)
{
	char name[32];
	struct store_create op = { .creator = myself() };
	struct buf edits = { 0 };
	struct err err = { 0 };

	for (uint64_t i = 1; i < members; i++) {
		struct wire_edit edit = { .op = EDIT_ADD };
		uint64_t who = number * 31 + i * (users / members);

		edit.name = user_name(name, who % users);
		wire_put(&edits, &wire_schema_edit, &edit);
	}
	(void)snprintf(name, sizeof(name), "g%llu", (unsigned long long)number);
	op.name = str_of(name);
	op.members = buf_str(&edits);
	check(store_create_group(s, &op, &err), &err);
	if (op.group_id != number + 1)
		bench_die("the store was not empty", -EEXIST);
	buf_release(&edits);
}

int scene_main(int argc, char **argv)
{
	struct store_options options = { .env = env_system() };
	uint64_t groups, members, users, made = 0;
	struct err err = { 0 };
	struct store *s;

	if (argc != 4)
		bench_die("scene", -EINVAL);
	groups = bench_number(argv[2]);
	members = bench_number(argv[3]);
	users = members + groups * members / GROUPS_OF_A_USER;
	check(store_open(&s, argv[1], &options, &err), &err);
	add_users(s, users);
	while (made < groups) {
		uint64_t end = made + GROUPS_AT_ONCE;

		check(store_begin(s, &err), &err);
		for (; made < groups && made < end; made++)
			add_group(s, made, members, users);
		check(store_commit(s, &err), &err);
	}
	store_close(s);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct bench_command commands[] = {
		{ "scene", scene_main },
		{ "load", load_main },
		{ "each", load_main },
		{ "mount", mount_main },
		{ "file", file_main },
		{ "server", server_main },
		{ "fdatasync", fdatasync_main },
		{ "end", end_main },
		{ "wal", wal_main },
		{ NULL, NULL }
	};

	return bench_command(commands, "sendbench.c", argc, argv);
}
