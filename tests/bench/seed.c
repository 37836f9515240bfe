/* SPDX-License-Identifier: MIT */
/*
 * A long log, made at once through the store's own verbs of an import, while
 * no groupd has the store. And who reads it, in this process, as nobody can
 * faster.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/env.h"
#include "lib/json.h"

enum {
	RECORDS = 1 << 20, /* bytes of one verb */
	A_COMMIT = 16	   /* verbs of a transaction */
};

struct seeding {
	struct store *store;
	struct wire_port_group group;
	struct str user;
	uint64_t import_id;
	struct buf records; /* owned */
};

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

static void begin(struct seeding *s)
{
	const struct wire_port_member m = { .name = s->user,
					    .role = ROLE_ADMIN,
					    .joined_ms = s->group.created_ms,
					    .last_read_seq = PORT_UNKNOWN };
	struct store_import op = { .line = 1 };
	struct err err = { 0 };
	bool added;

	check(store_begin(s->store, &err), &err);
	check(store_add_user(s->store, s->user, &added, &err), &err);
	check(store_import_begin(s->store, &s->group, &s->import_id, &err),
	      &err);
	wire_put(&s->records, &wire_schema_port_member, &m);
	op.import_id = s->import_id;
	op.records = buf_str(&s->records);
	check(store_import_members(s->store, &op, &err), &err);
	buf_clear(&s->records);
	check(store_commit(s->store, &err), &err);
}

static void put_records(struct seeding *s, struct wire_message *m)
{
	while (m->seq < s->group.last_seq && s->records.len < RECORDS) {
		m->seq++;
		m->time_ms++;
		m->content = bench_words();
		wire_put(&s->records, &wire_schema_message, m);
	}
}

static void put_messages(struct seeding *s)
{
	struct wire_message m = { .time_ms = s->group.created_ms,
				  .sender = s->user };
	struct store_import op = { .import_id = s->import_id, .line = 1 };
	struct err err = { 0 };

	while (m.seq < s->group.last_seq) {
		check(store_begin(s->store, &err), &err);
		for (int i = 0; i < A_COMMIT; i++) {
			put_records(s, &m);
			op.records = buf_str(&s->records);
			check(store_import_messages(s->store, &op, &err), &err);
			buf_clear(&s->records);
		}
		check(store_commit(s->store, &err), &err);
	}
}

static void end(struct seeding *s)
{
	struct store_import_end op = { .import_id = s->import_id,
				       .name = s->group.name };
	struct err err = { 0 };

	check(store_begin(s->store, &err), &err);
	check(store_import_end(s->store, &op, &err), &err);
	check(store_commit(s->store, &err), &err);
}

/* seed URL GROUP USER MESSAGES: the user is its one member. */
int seed_main(int argc, char **argv)
{
	const struct store_options options = { .env = env_system() };
	struct err err = { 0 };
	struct seeding s = { 0 };

	if (argc != 5)
		bench_die("seed", -EINVAL);
	s.user = str_of(argv[3]);
	s.group = (struct wire_port_group){ .name = str_of(argv[2]),
					    .created_by = s.user,
					    .max_members = 10,
					    .first_seq = 1,
					    .last_seq = bench_number(argv[4]) };
	s.group.created_ms = env_now_ms(options.env) - s.group.last_seq;
	check(store_open(&s.store, argv[1], &options, &err), &err);
	begin(&s);
	put_messages(&s);
	end(&s);
	store_close(s.store);
	buf_release(&s.records);
	return 0;
}

struct encoding {
	struct buf *out;
	uint64_t messages;
};

static int encode(void *data, const struct wire_message *m)
{
	struct encoding *e = data;

	if (e->out->len > 1 << 20)
		buf_clear(e->out);
	json_put_message(e->out, m);
	e->messages++;
	return 0;
}

/* render METRIC text|json URL GROUP: the log as the store and the encoder
 * alone give it. All of it, or as JSON the last BEHIND messages. */
int render_main(int argc, char **argv)
{
	struct local store;
	struct encoding e = { .out = &store.out };
	struct err err = { 0 };
	uint64_t start, behind, bytes = 0;
	double ns;

	if (argc != 5)
		bench_die("render", -EINVAL);
	local_open(&store, argv[3], argv[4]);
	behind = bench_env("BEHIND", store.last_seq);
	start = bench_now_ns();
	if (strcmp(argv[2], "text") == 0)
		bytes = local_render(&store);
	else
		check(store_scan(store.store, store.group_id,
				 store.last_seq - behind, encode, &e, &err),
		      &err);
	ns = (double)(bench_now_ns() - start);
	if (bytes > 0)
		bench_sample(argv[1], "store", "MB/s",
			     (double)bytes * 1000 / ns);
	else
		bench_sample(argv[1], "store", "msg/s",
			     (double)e.messages * 1e9 / ns);
	local_close(&store);
	return 0;
}
