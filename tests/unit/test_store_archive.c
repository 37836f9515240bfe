/* SPDX-License-Identifier: MIT */
/*
 * Archiving: whatever is read, trimmed or added, a store that is archived says
 * what its twin says, which is not; also while it is being archived.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/json.h"
#include "lib/text.h"
#include "tests/support/import_fixture.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)
enum { DAYS = 5, MANY = 300, READERS = 2, STEP = 100 };
enum { TODAY = 1 /* the partition that stays, until its last hour */ };

/* Filling. */

static void send_item(struct store_fixture *f, uint64_t g, const char *user,
		      const struct wire_item *item)
{
	struct store_append op = { .group_id = g, .user = str_of(user) };
	struct buf items = { 0 };

	wire_put(&items, &wire_schema_item, item);
	op.items = buf_str(&items);
	if (store_append(f->s, &op, &f->err) < 0)
		fail_msg("append: %s", f->err.text);
	buf_release(&items);
}

static void send_file(struct store_fixture *f, uint64_t g, unsigned day)
{
	char name[16];
	struct store_media op = { .group_id = g,
				  .user = str_of("bob"),
				  .content = str_of("a picture"),
				  .size = day };

	snprintf(name, sizeof(name), "file %u", day);
	op.name = str_of(name);
	memset(op.hash, (int)day, sizeof(op.hash));
	if (store_add_media(f->s, &op, &f->err) < 0)
		fail_msg("media: %s", f->err.text);
}

/* One of each kind of message. */
static void say_all_kinds(struct store_fixture *f, uint64_t g, unsigned day)
{
	static char large[40001];
	char id[16];
	int id_len = snprintf(id, sizeof(id), "id %u", day);
	const struct wire_item items[] = {
		{ .content = str_of("hello") },
		{ .content = { "a\0b\n\\x", 7 } },
		{ .content = str_of("\xe2\x80\xae <- @bob"),
		  .reply_to = fixture_find(f, g, "bob").last_seq },
		{ .content = str_of("@everyone"),
		  .client_id = { id, (size_t)id_len } },
		{ .content = { large, day * 9000 } },
		{ .content = { large, day * 9000 } },
		{ .content = str_of("see"),
		  .type = MESSAGE_MEDIA,
		  .media_url = str_of("https://a/b?c=%20") },
	};

	memset(large, '\1', sizeof(large));
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		send_item(f, g, i % 2 ? "alice" : "bob", &items[i]);
	send_file(f, g, day);
	f->now_ms += 1000;
}

static void say_many(struct store_fixture *f, uint64_t g, unsigned count)
{
	struct store_append op = { .group_id = g, .user = str_of("alice") };
	struct buf items = { 0 };
	char content[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(content, sizeof(content), "number %u", i);
		fixture_item(&items, content, 0, "");
	}
	op.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	buf_release(&items);
}

/* Groups 1 to 3 over some days: "all" has all kinds, "many" many of a day, and
 * "once" was left on the first. */
static void fill(struct store_fixture *f)
{
	fixture_users(f, "alice bob carol");
	fixture_group(f, "all", "alice", "bob carol");
	fixture_group(f, "many", "alice", "bob");
	fixture_group(f, "once", "alice", "bob");
	f->now_ms -= f->now_ms % DAY_MS;
	for (unsigned day = 0; day < DAYS; day++) {
		fixture_begin(f);
		say_all_kinds(f, 1, day);
		if (day == 0)
			say_all_kinds(f, 3, day);
		if (day == 1)
			say_many(f, 2, MANY);
		if (day % 2 == 0)
			say_many(f, 2, 3);
		fixture_commit(f);
		f->now_ms += DAY_MS;
	}
}

/* Everything that can be read. */

struct dump {
	struct store_fixture *f;
	struct buf out;
	struct buf text; /* the logs of the group at hand */
	struct buf json;
};

static void release_dump(struct dump *d)
{
	buf_release(&d->out);
	buf_release(&d->text);
	buf_release(&d->json);
}

static int take_message(void *data, const struct wire_message *m)
{
	struct dump *d = data;

	wire_put(&d->out, &wire_schema_message, m);
	text_render(&d->text, m);
	json_put_message_line(&d->json, m);
	return 0;
}

static int take_mention(void *data, const struct wire_mention *m)
{
	wire_put(&((struct dump *)data)->out, &wire_schema_mention, m);
	return 0;
}

static int take_media(void *data, const struct wire_media *m)
{
	wire_put(&((struct dump *)data)->out, &wire_schema_media, m);
	return 0;
}

static int take_overdue(void *data, uint64_t group_id)
{
	buf_printf(&((struct dump *)data)->out, "%" PRIu64 " ", group_id);
	return 0;
}

static void dump_seeks(struct dump *d, uint64_t g, enum log_format format,
		       struct str log, uint64_t first_off)
{
	struct store_fixture *f = d->f;
	uint64_t seq = 0;
	uint64_t at = 0;

	uint64_t line = 0;

	for (uint64_t off = 0; off < log.len; off++) {
		bool begins = off == 0 || log.data[off - 1] == '\n';
		int rc;

		line += begins;
		/* The ends of lines; where there are many, of some. */
		if ((!begins && log.data[off] != '\n') ||
		    (line > 3 && line % 17 != 0))
			continue;
		rc = store_seek(f->s, g, format, first_off + off, &seq, &at,
				&f->err);
		buf_printf(&d->out, "%d:%" PRIu64 ",%" PRIu64 " ", rc, seq, at);
	}
	buf_printf(&d->out, "%d %d\n",
		   store_seek(f->s, g, format, first_off + log.len, &seq, &at,
			      &f->err),
		   first_off == 0 ? 0
				  : store_seek(f->s, g, format, first_off - 1,
					       &seq, &at, &f->err));
}

/* As one user sees it; his pointer is moved on, one by one. */
static void dump_group(struct dump *d, uint64_t g, const char *user)
{
	struct store_fixture *f = d->f;
	struct wire_group group = fixture_find(f, g, user);
	uint64_t stored;

	buf_clear(&d->text);
	buf_clear(&d->json);
	assert_int_equal(store_scan(f->s, g, 0, take_message, d, &f->err), 0);
	assert_int_equal(group.size - group.first_off, d->text.len);
	assert_int_equal(group.jsonl_size - group.first_jsonl_off, d->json.len);
	dump_seeks(d, g, LOG_TEXT, buf_str(&d->text), group.first_off);
	dump_seeks(d, g, LOG_JSONL, buf_str(&d->json), group.first_jsonl_off);
	fixture_begin(f);
	for (uint64_t seq = group.first_seq; seq <= group.last_seq;
	     seq += seq < 4 ? 1 : 29) {
		store_set_read(f->s, g, str_of(user), seq, &stored, &f->err);
		group = fixture_find(f, g, user);
		wire_put(&d->out, &wire_schema_group, &group);
		if (seq % 2 == 0)
			store_scan(f->s, g, seq, take_message, d, &f->err);
	}
	store_rollback(f->s);
	store_list_media(f->s, g, str_of(""), take_media, d, &f->err);
}

static struct buf dump(struct store_fixture *f)
{
	struct dump d = { .f = f };
	struct store_totals totals;
	struct store_keep keep = { .age_ms = 3 * DAY_MS };
	uint64_t after = 0;

	for (uint64_t g = 1; g <= 3; g++)
		dump_group(&d, g, "bob");
	store_list_mentions(f->s, str_of("carol"), str_of(""), 0, take_mention,
			    &d, &f->err);
	store_list_mentions(f->s, str_of("bob"), str_of("all"), 9, take_mention,
			    &d, &f->err);
	store_list_overdue(f->s, &keep, 9, &after, take_overdue, &d, &f->err);
	assert_int_equal(store_count_all(f->s, &totals, &f->err), 0);
	buf_printf(&d.out, "%" PRIu64 " messages", totals.messages);
	assert_false(d.out.failed);
	buf_release(&d.text);
	buf_release(&d.json);
	return d.out;
}

static void assert_says(struct store_fixture *f, const struct buf *expected)
{
	struct buf out = dump(f);

	if (!str_eq(buf_str(&out), buf_str(expected)))
		fail_msg("%zu bytes are read, not the same %zu", out.len,
			 expected->len);
	buf_release(&out);
}

/* Archiving. */

static int step(struct store *s, struct store_archive *op, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc == 0)
		rc = store_archive(s, op, err);
	if (rc >= 0 && store_commit(s, err) < 0)
		rc = err_rc(err);
	if (rc < 0)
		store_rollback(s);
	return rc;
}

/* A round of what ended so many days ago; how many messages it moved. */
static uint64_t archive(struct store_fixture *f, uint64_t days)
{
	return fixture_archive(f, f->now_ms - days * DAY_MS, STEP);
}

static uint64_t number(const struct store_fixture *f, const char *sql)
{
	return strtoull(postgres_run(f->url, sql), NULL, 10);
}

static uint64_t hot(const struct store_fixture *f)
{
	return number(f, "SELECT count(*) FROM messages");
}

static uint64_t partitions(const struct store_fixture *f)
{
	return number(f, "SELECT count(*) FROM partitions "
			 "WHERE parent='messages'");
}

/* A drop waits for nobody, an autovacuum neither: it has its turn again. */
static void drops_to(struct store_fixture *f,
		     uint64_t (*count)(const struct store_fixture *f),
		     uint64_t wanted)
{
	for (int i = 0; i < 200 && count(f) != wanted; i++)
		archive(f, 0);
	assert_int_equal(count(f), wanted);
}

/* Nobody has been told for long that there is room. */
static void forget_use(const struct store_fixture *f)
{
	postgres_run(f->url, "UPDATE partitions SET used='2000-01-01'");
}

/* Rounds until nothing more goes; a round notes what the next one drops. */
static void archive_and_drop(struct store_fixture *f, uint64_t days)
{
	forget_use(f);
	archive(f, days);
	forget_use(f);
	archive(f, days);
}

static void what_is_archived_is_read_as_before(void **state)
{
	struct store_fixture *f = *state;
	struct store_archive op = { .limit = 1 };
	struct buf before;
	uint64_t all;
	uint64_t steps = 0;
	int rc;

	fill(f);
	before = dump(f);
	all = hot(f);
	op.before_ms = f->now_ms;
	while ((rc = step(f->s, &op, &f->err)) > 0) {
		struct store_archive again = op;

		/* One that is broken off has done nothing. */
		fixture_begin(f);
		assert_true(store_archive(f->s, &again, &f->err) >= 0);
		store_rollback(f->s);
		if (steps++ % 9 == 4)
			assert_says(f, &before);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(hot(f), 0);
	assert_says(f, &before);
	fixture_verify(f);
	assert_int_equal(number(f, "SELECT sum(cardinality(lines)) "
				   "FROM archives"),
			 all);
	/* Rows are bounded by messages, and by bytes. */
	assert_int_equal(number(f, "SELECT max(cardinality(lines)) "
				   "FROM archives"),
			 256);
	assert_true(number(f, "SELECT count(*) FROM archives "
			      "WHERE group_id=1") > DAYS);
	forget_use(f);
	assert_int_equal(archive(f, 0), 0);
	assert_int_equal(archive(f, 0), 0);
	drops_to(f, partitions, TODAY);
	assert_says(f, &before);
	fixture_verify(f);
	buf_release(&before);
}

static void a_step_is_bounded_by_bytes_and_passes_over_a_group(void **state)
{
	static char large[60000];
	struct store_fixture *f = *state;
	struct store_archive op = { .limit = 1000 };
	const struct wire_item item = { .content = { large, sizeof(large) } };

	memset(large, 'x', sizeof(large));
	fixture_users(f, "alice");
	fixture_group(f, "large", "alice", "");
	fixture_group(f, "small", "alice", "");
	fixture_begin(f);
	for (uint64_t g = 1; g <= 2; g++)
		for (unsigned i = 0; i < (g == 1 ? 30 : 1); i++)
			send_item(f, g, "alice", &item);
	fixture_commit(f);
	f->now_ms += 2 * DAY_MS;
	op.before_ms = f->now_ms;
	assert_int_equal(step(f->s, &op, &f->err), 1);
	/* Rows of four: the last one began below 1 MiB. */
	assert_int_equal(op.archived, 20);
	op.limit = 0;
	assert_int_equal(step(f->s, &op, &f->err), 1);
	assert_int_equal(op.archived, 0);
	op.limit = 1000;
	assert_int_equal(step(f->s, &op, &f->err), 1);
	assert_int_equal(op.archived, 1);
	assert_int_equal(hot(f), 10);
	fixture_verify(f);
}

static void what_is_not_old_stays(void **state)
{
	struct store_fixture *f = *state;
	uint64_t all;

	fill(f);
	all = hot(f);
	assert_int_equal(archive(f, DAYS), 0);
	/* Two days are. */
	assert_int_equal(archive(f, 3), MANY + 3 + 3 * 8);
	assert_int_equal(hot(f), all - MANY - 3 - 3 * 8);
	fixture_verify(f);
}

/* The twin of f, which is not archived. */
static void make_twin(struct store_fixture *twin, struct store_fixture *f)
{
	/* A database that is copied has no users. */
	store_close(f->s);
	*twin = *f;
	twin->env.data = twin;
	postgres_copy(twin->url, f->url);
	f->s = fixture_open(f, false);
	twin->s = fixture_open(twin, false);
}

static void end_twin(struct store_fixture *twin)
{
	store_close(twin->s);
	postgres_drop(twin->url);
}

struct trim_step {
	uint64_t group_id;
	struct store_keep keep;
	uint64_t limit;
};

static void trim_as(struct store_fixture *f, const struct trim_step *row)
{
	struct store_trim op = { .group_id = row->group_id,
				 .keep = row->keep,
				 .limit = row->limit };

	fixture_begin(f);
	if (store_trim(f->s, &op, &f->err) < 0)
		fail_msg("trim: %s", f->err.text);
	fixture_commit(f);
}

static void retention_takes_the_same_of_it(void **state)
{
	const struct trim_step steps[] = {
		{ 1, { .messages = 30 }, 3 },
		{ 1, { .messages = 30 }, 250 },
		{ 2, { .messages = 200 }, 7 },
		{ 2, { .messages = 200 }, 250 },
		{ 2, { .bytes = 5000 }, 250 },
		{ 3, { .age_ms = 1 }, 250 },
		{ 1, { .age_ms = (DAYS - 1) * DAY_MS - 500 }, 250 },
		{ 2, { .messages = 1 }, 250 },
		{ 2, { .age_ms = 1 }, 250 },
	};
	struct store_fixture *f = *state;
	struct store_fixture twin;

	fill(f);
	make_twin(&twin, f);
	archive_and_drop(f, 2);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct buf expected;

		trim_as(&twin, &steps[i]);
		trim_as(f, &steps[i]);
		expected = dump(&twin);
		assert_says(f, &expected);
		buf_release(&expected);
		if (i % 3 == 0)
			fixture_verify(f);
	}
	assert_int_equal(number(f, "SELECT count(*) FROM archives "
				   "WHERE group_id>1"),
			 0);
	end_twin(&twin);
}

static void a_deleted_group_leaves_nothing(void **state)
{
	struct store_fixture *f = *state;

	fill(f);
	archive_and_drop(f, 1);
	fixture_begin(f);
	for (uint64_t g = 1; g <= 3; g++)
		assert_int_equal(
			store_delete_group(f->s, g, str_of("alice"), &f->err),
			0);
	fixture_commit(f);
	assert_int_equal(number(f, "SELECT count(*) FROM archives"), 0);
	assert_int_equal(hot(f), 0);
	fixture_verify(f);
}

/* What a statement reads of messages and archives, dead or not. */
#define WALKED(sql)                                                            \
	"SET client_min_messages=error; BEGIN; " sql                           \
	";SELECT sum(pg_stat_get_xact_tuples_returned(c.oid)) FROM pg_class c" \
	" WHERE relname ~ '^(messages|archives)_'"

static void who_deletes_walks_over_nothing_twice(void **state)
{
	struct store_fixture *f = *state;
	uint64_t once;

	fixture_users(f, "alice");
	fixture_group(f, "archived", "alice", "");
	fixture_group(f, "not", "alice", "");
	fixture_begin(f);
	for (uint64_t g = 1; g <= 2; g++)
		for (unsigned i = 0; i < 50; i++)
			say_many(f, g, 100);
	fixture_commit(f);
	once = number(f, WALKED("SELECT line_offs(array_agg(group_id),"
				"array_agg(bucket),array_agg(n)) FROM segments,"
				"generate_series(1::bigint,5000,500) n"));
	assert_in_range(once, 20, 60);
	once = number(f, WALKED("SELECT delete_group(2,'alice',0,9999,1)"));
	assert_in_range(once, 5000, 6000);
	f->now_ms += 2 * DAY_MS;
	archive(f, 0);
	once = number(f, WALKED("SELECT delete_group(1,'alice',0,9999,1)"));
	assert_in_range(once, 20, 60);
}

/* One group of 5000 messages. */
static void make_large(struct store_fixture *f)
{
	fixture_users(f, "alice");
	fixture_group(f, "large", "alice", "");
	fixture_begin(f);
	for (unsigned i = 0; i < 50; i++)
		say_many(f, 1, 100);
	fixture_commit(f);
}

/* Though nothing is really gone before its transaction is. */
static void nor_does_who_deletes_in_steps(void **state)
{
	struct store_fixture *f = *state;
	uint64_t once;

	make_large(f);
	once = number(f, WALKED("SELECT delete_group(1,'alice',0,500,1);"
				"SELECT count(drop_import(1,500,0)) "
				"FROM generate_series(1,20)"));
	assert_in_range(once, 5000, 6000);
	assert_int_equal(hot(f), 5000);
}

static void nor_does_who_archives_in_steps(void **state)
{
	struct store_fixture *f = *state;
	uint64_t walked;

	make_large(f);
	walked = number(f, WALKED("SELECT need_room('archives',lo,lo,1) "
				  "FROM partitions WHERE parent='messages';"
				  "SELECT sum(a.o_rows) FROM partitions,"
				  "generate_series(1,30) n CROSS JOIN LATERAL "
				  "archive_some(lo,hi,0*n,256,99999999) a "
				  "WHERE parent='messages'"));
	/* A few times by each step that moves them, and no more. */
	assert_in_range(walked, 10000, 30000);
}

/* What comes to an old day. */

static int put_message(void *data, const struct wire_message *m)
{
	wire_put(data, &wire_schema_message, m);
	return 0;
}

static uint64_t import_copy(struct store_fixture *f, uint64_t g)
{
	struct wire_port_group group = import_group_named(
		"copy", fixture_find(f, g, "alice").last_seq);
	struct wire_port_member alice = { .name = str_of("alice"),
					  .role = ROLE_ADMIN };
	struct buf records = { 0 };
	uint64_t id;

	fixture_begin(f);
	import_must(f, store_import_begin(f->s, &group, &id, &f->err));
	wire_put(&records, &wire_schema_port_member, &alice);
	import_must(f, import_give(f, store_import_members, id, &records));
	buf_clear(&records);
	store_scan(f->s, g, 0, put_message, &records, &f->err);
	import_must(f, import_give(f, store_import_messages, id, &records));
	fixture_commit(f);
	buf_release(&records);
	return id;
}

static void an_import_finds_room_in_days_that_went(void **state)
{
	struct store_fixture *f = *state;
	struct dump was = { .f = f };
	struct dump is = { .f = f };
	uint64_t id;

	fill(f);
	archive_and_drop(f, 0);
	drops_to(f, partitions, TODAY);
	/* The same handle, twice; an import under way is left alone. */
	for (int i = 0; i < 2; i++) {
		id = import_copy(f, 2);
		archive_and_drop(f, 0);
		assert_int_equal(hot(f), MANY + 9);
		assert_true(partitions(f) > TODAY);
		fixture_verify(f);
		fixture_begin(f);
		while (i == 0 && store_import_drop(f->s, id, &f->err) > 0)
			;
		fixture_commit(f);
		if (i == 0)
			archive_and_drop(f, 0);
	}
	fixture_begin(f);
	assert_int_equal(import_end(f, id, "copy", ""), 0);
	fixture_commit(f);
	assert_int_equal(archive(f, 0), MANY + 9);
	store_scan(f->s, 2, 0, take_message, &was, &f->err);
	store_scan(f->s, id, 0, take_message, &is, &f->err);
	assert_true(was.text.len > 0);
	assert_true(str_eq(buf_str(&is.out), buf_str(&was.out)));
	fixture_verify(f);
	release_dump(&was);
	release_dump(&is);
}

/* A node whose clock is behind, of which the last message's day is gone: groups
 * 1 and 2 were written to on that day, group 3 on the first. */
static void a_clock_that_goes_back_adds_to_an_old_day(void **state)
{
	struct store_fixture *f = *state;
	uint64_t now_ms;

	fill(f);
	archive_and_drop(f, 0);
	now_ms = f->now_ms;
	f->now_ms -= DAY_MS;
	fixture_reopen(f);
	for (unsigned i = 0; i < 2; i++) {
		fixture_begin(f);
		for (uint64_t g = 1; g <= 3; g++)
			say_many(f, g, 3);
		fixture_commit(f);
		assert_int_equal(hot(f), 9);
		fixture_verify(f);
		for (uint64_t g = 1; g <= 3; g++) {
			struct wire_group group = fixture_find(f, g, "bob");
			struct dump d = { .f = f };

			store_scan(f->s, g, group.last_seq - 4, take_message,
				   &d, &f->err);
			assert_int_equal(d.text.len > 0, 1);
			buf_release(&d.out);
			buf_release(&d.text);
			buf_release(&d.json);
		}
		f->now_ms = now_ms;
		archive_and_drop(f, 0);
		assert_int_equal(hot(f), 0);
		fixture_verify(f);
		f->now_ms -= DAY_MS;
		if (i == 0)
			fixture_reopen(f);
	}
}

/* Views, and what is dropped. */

static void a_view_keeps_the_partition_that_it_looks_into(void **state)
{
	struct store_fixture *f = *state;
	struct dump was = { .f = f };
	struct dump is = { .f = f };
	struct store *reader;
	uint64_t was_count;
	uint64_t first;

	fill(f);
	archive(f, DAYS);
	was_count = partitions(f);
	reader = fixture_open(f, true);
	store_scan(f->s, 1, 0, take_message, &was, &f->err);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	archive_and_drop(f, 0);
	archive_and_drop(f, 0);
	assert_int_equal(hot(f), 0);
	assert_int_equal(partitions(f), was_count);
	assert_int_equal(store_scan(reader, 1, 0, take_message, &is, &f->err),
			 0);
	assert_true(str_eq(buf_str(&is.out), buf_str(&was.out)));
	store_release(reader);
	assert_int_equal(
		store_count(reader, &(struct store_counts){ 0 }, &f->err), 0);
	drops_to(f, partitions, TODAY);

	/* One that went all the same is no gap. */
	fixture_begin(f);
	say_many(f, 1, 2);
	fixture_commit(f);
	first = fixture_find(f, 1, "bob").last_seq - 1;
	f->now_ms += 2 * DAY_MS;
	fixture_begin(f);
	say_many(f, 1, 2);
	fixture_commit(f);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	postgres_run(f->url, "DROP TABLE messages_20251129; DELETE FROM "
			     "partitions WHERE name='messages_20251129'");
	assert_true(store_scan(reader, 1, first - 1, take_message, &is,
			       &f->err) < 0);
	assert_non_null(strstr(f->err.text, "archived meanwhile"));
	store_release(reader);
	store_close(reader);
	release_dump(&was);
	release_dump(&is);
}

static void room_that_somebody_was_told_of_stays_for_an_hour(void **state)
{
	struct store_fixture *f = *state;

	fill(f);
	archive(f, 0);
	archive(f, 0);
	archive(f, 0);
	assert_int_equal(hot(f), 0);
	assert_int_equal(partitions(f), DAYS + TODAY);
	forget_use(f);
	archive(f, 0);
	drops_to(f, partitions, TODAY);
}

static uint64_t months(const struct store_fixture *f)
{
	return number(f, "SELECT count(*) FROM partitions "
			 "WHERE parent='archives'");
}

static void months_in_which_nothing_is_left_go(void **state)
{
	struct store_fixture *f = *state;
	struct store_trim op = { .keep = { .messages = 1 }, .limit = 1000 };
	struct store *reader;

	fill(f);
	archive_and_drop(f, 0);
	archive_and_drop(f, 0);
	assert_int_equal(months(f), 1);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "bob", "x", "", NULL), 0);
	fixture_commit(f);
	reader = fixture_open(f, true);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	fixture_begin(f);
	op.group_id = 1;
	assert_int_equal(store_trim(f->s, &op, &f->err), 0);
	for (uint64_t g = 2; g <= 3; g++)
		assert_int_equal(
			store_delete_group(f->s, g, str_of("alice"), &f->err),
			0);
	fixture_commit(f);
	assert_int_equal(number(f, "SELECT count(*) FROM archives"), 0);
	/* Somebody was told of it, and then somebody sees what was in it. */
	archive(f, 0);
	archive(f, 0);
	forget_use(f);
	archive(f, 0);
	archive(f, 0);
	assert_int_equal(months(f), 1);
	store_release(reader);
	store_close(reader);
	drops_to(f, months, 0);
	/* It is made again, by one who was not told of it an hour ago. */
	f->now_ms += DAY_MS;
	fixture_reopen(f);
	assert_int_equal(archive(f, 0), 1);
	assert_int_equal(months(f), 1);
	fixture_verify(f);
}

/* All at once. */

struct crowd {
	struct store_fixture *f;
	atomic_bool done;
	atomic_uint failures;
	atomic_uint reads;
	struct err err; /* one of them */
};

struct worker {
	struct crowd *crowd;
	struct store *s;
	bool in_view;
	pthread_t thread;
};

static void note(struct crowd *c, const char *what, const struct err *err)
{
	if (atomic_fetch_add(&c->failures, 1) == 0)
		err_set(&c->err, ERR_UNAVAILABLE, "%s: %s", what, err->text);
}

struct cursor {
	uint64_t seq;
	uint64_t off;
	bool broken;
};

static int follow(void *data, const struct wire_message *m)
{
	struct cursor *c = data;

	if (m->seq != c->seq + 1 || m->off != c->off ||
	    m->len != text_render_len(m))
		c->broken = true;
	c->seq = m->seq;
	c->off = m->off + m->len;
	return 0;
}

/* From the begin to the end, again and again: each message, once. */
static void *read_all(void *data)
{
	struct worker *w = data;
	struct crowd *c = w->crowd;
	uint64_t least[4] = { 0 };
	struct err err = { 0 };

	while (!atomic_load(&c->done)) {
		if (w->in_view && store_snapshot(w->s, &err) < 0)
			note(c, "view", &err);
		for (uint64_t g = 1; g <= 3; g++) {
			struct cursor cursor = { 0 };

			if (store_scan(w->s, g, 0, follow, &cursor, &err) < 0)
				note(c, "scan", &err);
			err_set(&err, ERR_BAD_REQUEST, "group %" PRIu64, g);
			if (cursor.broken || cursor.seq < least[g])
				note(c, "a gap", &err);
			least[g] = cursor.seq;
		}
		if (w->in_view)
			store_release(w->s);
		atomic_fetch_add(&c->reads, 1);
	}
	return NULL;
}

static void *archive_all(void *data)
{
	struct worker *w = data;
	struct crowd *c = w->crowd;
	struct err err = { 0 };

	while (!atomic_load(&c->done)) {
		struct store_archive op = { .before_ms = c->f->now_ms,
					    .limit = 40 };
		int rc;

		while ((rc = step(w->s, &op, &err)) > 0)
			;
		if (rc < 0)
			note(c, "archive", &err);
	}
	return NULL;
}

static void start(struct crowd *c, struct worker *w, bool read_only,
		  void *(*run)(void *data))
{
	w->crowd = c;
	w->s = fixture_open(c->f, read_only);
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

static void join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	store_close(w->s);
}

/* Two nodes archive and drop what a third one sends, and two read. */
static void nobody_who_reads_meanwhile_sees_a_gap(void **state)
{
	struct store_fixture *f = *state;
	struct crowd c = { .f = f };
	struct worker readers[READERS] = { { .in_view = true } };
	struct worker archivers[2] = { 0 };

	fill(f);
	for (size_t i = 0; i < READERS; i++)
		start(&c, &readers[i], true, read_all);
	for (size_t i = 0; i < 2; i++)
		start(&c, &archivers[i], false, archive_all);
	while (atomic_load(&c.failures) == 0 &&
	       (partitions(f) > TODAY || atomic_load(&c.reads) < 10)) {
		struct store_append op = { .group_id = 1 + f->random % 3,
					   .user = str_of("alice") };
		struct store_append *ops[] = { &op };
		struct buf items = { 0 };
		struct err why;

		forget_use(f);
		if (f->random++ > 40)
			continue;
		fixture_item(&items, "and more", 0, "");
		op.items = buf_str(&items);
		if (store_append_all(f->s, ops, &why, 1, &f->err) < 0 ||
		    why.code != ERR_NONE)
			fail_msg("append: %s%s", f->err.text, why.text);
		buf_release(&items);
	}
	atomic_store(&c.done, true);
	for (size_t i = 0; i < READERS; i++)
		join(&readers[i]);
	for (size_t i = 0; i < 2; i++)
		join(&archivers[i]);
	if (atomic_load(&c.failures) > 0)
		fail_msg("%u failures: %s", atomic_load(&c.failures),
			 c.err.text);
	assert_string_equal(
		postgres_run(f->url, "SELECT deadlocks FROM pg_stat_database "
				     "WHERE datname=current_database()"),
		"0");
	fixture_verify(f);
}

static void a_store_of_one_machine_has_no_archive(void **state)
{
	struct store_fixture *f = *state;
	struct store_archive op = { .before_ms = f->now_ms, .limit = 1 };

	fixture_begin(f);
	assert_int_equal(store_archive(f->s, &op, &f->err), -EINVAL);
	fixture_commit(f);
	assert_non_null(strstr(f->err.text, "machines share"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(postgres, what_is_archived_is_read_as_before),
		FIXTURE_ON(postgres,
			   a_step_is_bounded_by_bytes_and_passes_over_a_group),
		FIXTURE_ON(postgres, what_is_not_old_stays),
		FIXTURE_ON(postgres, retention_takes_the_same_of_it),
		FIXTURE_ON(postgres, a_deleted_group_leaves_nothing),
		FIXTURE_ON(postgres, who_deletes_walks_over_nothing_twice),
		FIXTURE_ON(postgres, nor_does_who_deletes_in_steps),
		FIXTURE_ON(postgres, nor_does_who_archives_in_steps),
		FIXTURE_ON(postgres, an_import_finds_room_in_days_that_went),
		FIXTURE_ON(postgres, a_clock_that_goes_back_adds_to_an_old_day),
		FIXTURE_ON(postgres,
			   a_view_keeps_the_partition_that_it_looks_into),
		FIXTURE_ON(postgres,
			   room_that_somebody_was_told_of_stays_for_an_hour),
		FIXTURE_ON(postgres, months_in_which_nothing_is_left_go),
		FIXTURE_ON(postgres, nobody_who_reads_meanwhile_sees_a_gap),
		FIXTURE_ON(sqlite, a_store_of_one_machine_has_no_archive),
		FIXTURE_ON(memory, a_store_of_one_machine_has_no_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
