/* SPDX-License-Identifier: MIT */
/*
 * What is PostgreSQL's own in the back end of that name: several writers at
 * once, days that end, and what it refuses to work with. That it keeps the
 * contract is in test_store*.c, as for all others.
 */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/json.h"
#include "lib/text.h"
#include "tests/support/store_fixture.h"

enum { WRITERS = 4, GROUPS = 5, ROUNDS = 25, BATCH = 4 };
#define HOUR UINT64_C(3600000)

/* Waits until something in the database waits for a lock. */
static void wait_for_waiter(const struct store_fixture *f)
{
	for (int i = 0; i < 1000; i++) {
		if (strcmp(postgres_run(f->url,
					"SELECT count(*) FROM pg_stat_activity "
					"WHERE datname=current_database() "
					"AND wait_event_type='Lock'"),
			   "0") != 0)
			return;
		usleep(5000);
	}
	fail_msg("nobody waits for a lock");
}

/* One append on a thread and a handle of its own. */
struct sender {
	struct store *s;
	struct store_append op;
	struct store_append *ops[1];
	struct buf items;
	struct err why; /* of the append */
	struct err err; /* of the whole */
	int rc;
	pthread_t thread;
};

static void *send_one(void *data)
{
	struct sender *a = data;

	a->rc = store_append_all(a->s, a->ops, &a->why, 1, &a->err);
	return NULL;
}

static void start_sender(struct store_fixture *f, struct sender *a,
			 uint64_t group_id, const char *user,
			 const char *batch_id)
{
	memset(a, 0, sizeof(*a));
	a->s = fixture_open(f, false);
	fixture_item(&a->items, "hello", 0, "");
	a->op = (struct store_append){ .group_id = group_id,
				       .user = str_of(user),
				       .batch_id = str_of(batch_id),
				       .items = buf_str(&a->items) };
	a->ops[0] = &a->op;
	assert_int_equal(pthread_create(&a->thread, NULL, send_one, a), 0);
}

static void join_sender(struct sender *a)
{
	pthread_join(a->thread, NULL);
	buf_release(&a->items);
	store_close(a->s);
}

/* A group that has had its first message of the day, for those behind it may
 * go another way (append_message()). */
static uint64_t make_group_in_use(struct store_fixture *f, const char *name)
{
	struct wire_body_sent sent;
	uint64_t g = fixture_group(f, name, "alice", "bob");

	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "first", "", &sent), 0);
	fixture_commit(f);
	return g;
}

static void remove_while_waiting(struct store_fixture *f, const char *group,
				 const char *batch_id)
{
	uint64_t g = make_group_in_use(f, group);
	struct sender a;

	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_REMOVE, "bob"),
			 0);
	start_sender(f, &a, g, "bob", batch_id);
	wait_for_waiter(f);
	fixture_commit(f);
	join_sender(&a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.why.code, ERR_NO_SUCH_GROUP);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
}

static void who_is_removed_while_his_message_waits_has_not_sent_it(void **state)
{
	struct store_fixture *f = *state;

	fixture_users(f, "alice bob");
	remove_while_waiting(f, "lunch", "");
	remove_while_waiting(f, "dinner", "b1");
}

/* On another node, while this one's is not committed yet. */
static void what_is_sent_twice_at_once_is_stored_once(void **state)
{
	struct store_fixture *f = *state;
	struct buf items = { 0 };
	struct store_append op = { .user = str_of("bob"),
				   .batch_id = str_of("b1") };
	struct sender a;

	fixture_users(f, "alice bob");
	op.group_id = make_group_in_use(f, "lunch");
	fixture_item(&items, "hello", 0, "");
	op.items = buf_str(&items);
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	start_sender(f, &a, op.group_id, "bob", "b1");
	wait_for_waiter(f);
	fixture_commit(f);
	join_sender(&a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.why.code, ERR_NONE);
	assert_int_equal(a.op.sent.first_seq, op.sent.first_seq);
	assert_int_equal(a.op.sent.duplicate, 1);
	assert_int_equal(fixture_find(f, op.group_id, "alice").last_seq, 2);
	buf_release(&items);
}

static void who_is_removed_and_not_for_good_has_sent_it(void **state)
{
	struct store_fixture *f = *state;
	struct sender a;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_REMOVE, "bob"),
			 0);
	start_sender(f, &a, g, "bob", "b1");
	wait_for_waiter(f);
	store_rollback(f->s);
	join_sender(&a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.why.code, ERR_NONE);
	assert_int_equal(a.op.sent.first_seq, 1);
}

/* Many writers at once. */

struct crowd {
	struct store_fixture *f;
	uint64_t groups[GROUPS];
	atomic_uint failures;
	atomic_bool done;
	struct err err; /* one of them */
};

struct writer {
	struct crowd *crowd;
	struct store *s;
	unsigned number;
	pthread_t thread;
};

static void note_failure(struct crowd *c, const struct err *err)
{
	c->err = *err;
	atomic_fetch_add(&c->failures, 1);
}

/* A batch over several groups, in an order of its own, and by both users. */
static void write_batch(struct writer *w, unsigned round)
{
	struct crowd *c = w->crowd;
	struct store_append op[BATCH];
	struct store_append *ops[BATCH];
	struct err errs[BATCH];
	struct err err = { 0 };
	struct buf items = { 0 };

	fixture_item(&items, "@bob one", 0, "");
	fixture_item(&items, "two", 0, "");
	for (unsigned i = 0; i < BATCH; i++) {
		unsigned pick = w->number % 2 ? round + i : round + BATCH - i;

		op[i] = (struct store_append){
			.group_id = c->groups[pick / 2 % GROUPS],
			.user = str_of((i + w->number) % 2 ? "alice" : "bob"),
			.items = buf_str(&items)
		};
		ops[i] = &op[i];
	}
	if (store_append_all(w->s, ops, errs, BATCH, &err) < 0)
		note_failure(c, &err);
	for (unsigned i = 0; i < BATCH; i++) {
		if (err.code == ERR_NONE && errs[i].code != ERR_NONE)
			note_failure(c, &errs[i]);
	}
	buf_release(&items);
}

static void *write_batches(void *data)
{
	struct writer *w = data;

	for (unsigned i = 0; i < ROUNDS; i++)
		write_batch(w, i);
	return NULL;
}

/* Moves pointers of the same users meanwhile. */
static void *flush_pointers(void *data)
{
	struct writer *w = data;
	struct crowd *c = w->crowd;
	struct store_pointer p[2 * GROUPS];
	struct err err;

	for (uint64_t seq = 1; !atomic_load(&c->done); seq++) {
		for (unsigned i = 0; i < 2 * GROUPS; i++)
			p[i] = (struct store_pointer){
				c->groups[i % GROUPS],
				str_of(i % 3 ? "bob" : "alice"), seq
			};
		if (store_begin(w->s, &err) < 0 ||
		    store_flush_reads(w->s, p, 2 * GROUPS, &err) < 0 ||
		    store_commit(w->s, &err) < 0) {
			note_failure(c, &err);
			store_rollback(w->s);
		}
	}
	return NULL;
}

/* Where a reader has come to. */
struct cursor {
	uint64_t seq;
	uint64_t off;
	uint64_t jsonl_off;
	uint64_t time_ms;
	bool broken;
};

static int follow(void *data, const struct wire_message *m)
{
	struct cursor *c = data;

	if (m->seq != c->seq + 1 || m->off != c->off ||
	    m->jsonl_off != c->jsonl_off || m->time_ms < c->time_ms ||
	    m->len != text_render_len(m) ||
	    m->jsonl_len != json_message_line_len(m))
		c->broken = true;
	*c = (struct cursor){ m->seq, m->off + m->len,
			      m->jsonl_off + m->jsonl_len, m->time_ms,
			      c->broken };
	return 0;
}

/* Reads all groups again and again, from where it was. */
static void *read_along(void *data)
{
	struct writer *w = data;
	struct crowd *c = w->crowd;
	struct cursor cursors[GROUPS] = { 0 };
	struct err err = { 0 };
	bool last;

	do {
		last = atomic_load(&c->done);
		for (unsigned i = 0; i < GROUPS; i++) {
			if (store_scan(w->s, c->groups[i], cursors[i].seq,
				       follow, &cursors[i], &err) < 0)
				note_failure(c, &err);
		}
	} while (!last);
	for (unsigned i = 0; i < GROUPS; i++) {
		if (cursors[i].broken || cursors[i].seq == 0) {
			err_set(&err, ERR_BAD_REQUEST, "a gap was seen");
			note_failure(c, &err);
		}
	}
	return NULL;
}

static void start(struct crowd *c, struct writer *w, unsigned number,
		  bool read_only, void *(*run)(void *data))
{
	*w = (struct writer){ .crowd = c,
			      .s = fixture_open(c->f, read_only),
			      .number = number };
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

static void join(struct writer *w)
{
	pthread_join(w->thread, NULL);
	store_close(w->s);
}

static void many_writers_leave_no_gap_and_wait_for_nobody_in_vain(void **state)
{
	struct store_fixture *f = *state;
	struct crowd c = { .f = f };
	struct writer writers[WRITERS];
	struct writer reader;
	struct writer flusher;
	uint64_t messages = 0;

	fixture_users(f, "alice bob");
	for (unsigned i = 0; i < GROUPS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "g%u", i);
		c.groups[i] = fixture_group(f, name, "alice", "bob");
	}
	start(&c, &reader, 0, true, read_along);
	start(&c, &flusher, 0, false, flush_pointers);
	for (unsigned i = 0; i < WRITERS; i++)
		start(&c, &writers[i], i, false, write_batches);
	for (unsigned i = 0; i < WRITERS; i++)
		join(&writers[i]);
	atomic_store(&c.done, true);
	join(&reader);
	join(&flusher);
	if (atomic_load(&c.failures) > 0)
		fail_msg("%u: %s", atomic_load(&c.failures), c.err.text);
	for (unsigned i = 0; i < GROUPS; i++)
		messages += fixture_find(f, c.groups[i], "bob").last_seq;
	assert_int_equal(messages, WRITERS * ROUNDS * BATCH * 2);
	assert_string_equal(
		postgres_run(f->url, "SELECT deadlocks FROM pg_stat_database "
				     "WHERE datname=current_database()"),
		"0");
	fixture_verify(f);
}

/* Days. */

static void say_for_days(struct store_fixture *f, uint64_t g, unsigned days)
{
	for (unsigned day = 0; day < days; day++) {
		for (unsigned i = 0; i <= day % 3; i++) {
			char content[32];

			snprintf(content, sizeof(content), "%u on day %u", i,
				 day);
			assert_int_equal(
				fixture_say(f, g, "alice", content, "", NULL),
				0);
		}
		f->now_ms += 24 * HOUR * (day % 2 + 1);
	}
}

static int take_line(void *data, const struct wire_message *m)
{
	text_render(data, m);
	return 0;
}

static int take_json(void *data, const struct wire_message *m)
{
	json_put_message_line(data, m);
	return 0;
}

static void assert_each_byte(struct store_fixture *f, uint64_t g,
			     enum log_format format, const struct buf *log)
{
	uint64_t line = 0;
	uint64_t line_off = 0;
	uint64_t seq;
	uint64_t at;

	for (uint64_t off = 0; off < log->len; off++) {
		if (off == 0 || log->data[off - 1] == '\n') {
			line++;
			line_off = off;
		} else if (log->data[off] != '\n' && off % 7 != 0) {
			continue;
		}
		assert_int_equal(
			store_seek(f->s, g, format, off, &seq, &at, &f->err),
			0);
		assert_int_equal(seq, line);
		assert_int_equal(at, line_off);
	}
	assert_int_equal(
		store_seek(f->s, g, format, log->len, &seq, &at, &f->err),
		-ENOENT);
}

static void a_log_goes_on_from_day_to_day(void **state)
{
	struct store_fixture *f = *state;
	struct buf log = { 0 };
	struct buf rest = { 0 };
	struct buf json = { 0 };
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	say_for_days(f, g, 9);
	fixture_commit(f);
	assert_int_equal(store_scan(f->s, g, 0, take_line, &log, &f->err), 0);
	assert_int_equal(store_scan(f->s, g, 0, take_json, &json, &f->err), 0);
	assert_int_equal(fixture_find(f, g, "alice").size, log.len);
	assert_int_equal(fixture_find(f, g, "alice").jsonl_size, json.len);
	assert_each_byte(f, g, LOG_TEXT, &log);
	assert_each_byte(f, g, LOG_JSONL, &json);
	fixture_begin(f);
	for (uint64_t seq = 0; seq < 18; seq++) {
		uint64_t read_off;

		buf_clear(&rest);
		assert_int_equal(
			store_scan(f->s, g, seq, take_line, &rest, &f->err), 0);
		read_off = log.len - rest.len;
		assert_string_equal(buf_cstr(&rest), log.data + read_off);
		assert_true(store_set_read(f->s, g, str_of("bob"), seq, &stored,
					   &f->err) >= 0);
		assert_int_equal(fixture_find(f, g, "bob").read_off, read_off);
	}
	fixture_commit(f);
	assert_string_equal(postgres_run(f->url,
					 "SELECT count(*)||' '||count(DISTINCT "
					 "tableoid) FROM messages"),
			    "18 9");
	fixture_verify(f);
	buf_release(&log);
	buf_release(&rest);
	buf_release(&json);
}

static void assert_partitions(const struct store_fixture *f,
			      const char *messages, const char *dedupe)
{
	assert_string_equal(postgres_run(f->url,
					 "SELECT count(*) FROM partitions "
					 "WHERE parent='messages'"),
			    messages);
	assert_string_equal(postgres_run(f->url,
					 "SELECT count(*) FROM partitions "
					 "WHERE parent='dedupe'"),
			    dedupe);
}

static void say_once(struct store_fixture *f, uint64_t g, unsigned i)
{
	char id[16];

	snprintf(id, sizeof(id), "id%u", i);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "x", id, NULL), 0);
	fixture_commit(f);
}

static void keys_go_with_their_days(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	/* Noon. */
	f->now_ms += 36 * HOUR - f->now_ms % (24 * HOUR);
	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	for (unsigned i = 0; i < 10; i++) {
		say_once(f, g, i);
		f->now_ms += 24 * HOUR;
	}
	/* Those of the window, and of the day before it. */
	assert_partitions(f, "10", "3");
	assert_string_equal(postgres_run(f->url, "SELECT count(*) FROM dedupe"),
			    "3");
	/* An hour before midnight, room for tomorrow; which it finds then. */
	f->now_ms += 11 * HOUR;
	say_once(f, g, 10);
	assert_partitions(f, "12", "4");
	f->now_ms += HOUR;
	say_once(f, g, 11);
	assert_partitions(f, "12", "4");
}

/* By hand, or by another node that is not of this version. */
static void drop_today(const struct store_fixture *f)
{
	postgres_run(f->url, "DO $$ DECLARE p record; BEGIN FOR p IN "
			     "SELECT * FROM partitions LOOP EXECUTE "
			     "format('DROP TABLE %I',p.name); END LOOP; "
			     "DELETE FROM partitions; DELETE FROM segments; "
			     "UPDATE groups SET last_bucket=-1; END $$");
}

static void a_partition_that_went_is_made_again(void **state)
{
	struct store_fixture *f = *state;
	struct store_append op[2] = { { .user = str_of("alice") },
				      { .user = str_of("alice") } };
	struct store_append *ops[] = { &op[0], &op[1] };
	struct buf items = { 0 };
	struct err errs[2];

	fixture_users(f, "alice");
	op[0].group_id = fixture_group(f, "work", "alice", "");
	op[1].group_id = fixture_group(f, "lunch", "alice", "");
	fixture_item(&items, "hello", 0, "id");
	op[0].items = buf_str(&items);
	op[1].items = buf_str(&items);
	for (size_t n = 1; n <= 2; n++) {
		drop_today(f);
		assert_int_equal(store_append_all(f->s, ops, errs, n, &f->err),
				 0);
		assert_int_equal(errs[n - 1].code, ERR_NONE);
		assert_int_equal(op[n - 1].sent.first_seq, 1);
		assert_int_equal(op[0].sent.first_seq, n);
	}
	buf_release(&items);
}

/* What is refused. */

static void assert_refused(struct store_fixture *f, const char *url,
			   bool read_only, const char *why)
{
	struct store_options options = { .env = &f->env,
					 .read_only = read_only };
	struct store *s = NULL;

	assert_true(store_open(&s, url, &options, &f->err) < 0);
	assert_null(s);
	if (strstr(f->err.text, why) == NULL)
		fail_msg("\"%s\" in: %s", why, f->err.text);
}

static void what_is_not_durable_is_refused(void **state)
{
	struct store_fixture *f = *state;
	char url[2 * POSTGRES_URL];

	snprintf(url, sizeof(url), "%s&options=-csynchronous_commit%%3Doff",
		 f->url);
	assert_refused(f, url, false, "synchronous_commit is off");
	assert_refused(f, url, true, "synchronous_commit is off");
	assert_refused(f, "postgresql://%zz", false, "not understood");
	assert_refused(f, "postgresql:///?host=/nowhere", false,
		       "Cannot connect");
}

static void other_databases_are_refused(void **state)
{
	struct store_fixture *f = *state;
	char url[POSTGRES_URL];

	postgres_create(url);
	assert_refused(f, url, true, "There is no store");
	postgres_run(url, "CREATE TABLE bookings(id integer)");
	assert_refused(f, url, false, "another program's");
	assert_refused(f, url, true, "another program's");
	postgres_drop(url);

	postgres_run(f->url, "UPDATE meta SET v=v+1 WHERE k='version'");
	assert_refused(f, f->url, false, "use a newer one");
	assert_refused(f, f->url, true, "use a newer one");
}

static void *open_one(void *data)
{
	struct writer *w = data;
	struct store_options options = { .env = &w->crowd->f->env };
	struct err err;

	if (store_open(&w->s, w->crowd->f->url, &options, &err) < 0)
		note_failure(w->crowd, &err);
	return NULL;
}

static void nodes_that_come_at_once_make_one_store(void **state)
{
	struct store_fixture *f = *state;
	struct store_fixture other = *f;
	struct crowd c = { .f = &other };
	struct writer writers[WRITERS];
	uint64_t first = 0;

	postgres_create(other.url);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .crowd = &c };
		assert_int_equal(pthread_create(&writers[i].thread, NULL,
						open_one, &writers[i]),
				 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	if (atomic_load(&c.failures) > 0)
		fail_msg("%s", c.err.text);
	for (unsigned i = 0; i < WRITERS; i++) {
		uint64_t identity;

		assert_int_equal(
			store_identity(writers[i].s, &identity, &f->err), 0);
		assert_true(identity != 0 && (first == 0 || identity == first));
		first = identity;
		store_close(writers[i].s);
	}
	postgres_drop(other.url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(postgres, what_is_sent_twice_at_once_is_stored_once),
		FIXTURE_ON(
			postgres,
			who_is_removed_while_his_message_waits_has_not_sent_it),
		FIXTURE_ON(postgres,
			   who_is_removed_and_not_for_good_has_sent_it),
		FIXTURE_ON(
			postgres,
			many_writers_leave_no_gap_and_wait_for_nobody_in_vain),
		FIXTURE_ON(postgres, a_log_goes_on_from_day_to_day),
		FIXTURE_ON(postgres, keys_go_with_their_days),
		FIXTURE_ON(postgres, a_partition_that_went_is_made_again),
		FIXTURE_ON(postgres, what_is_not_durable_is_refused),
		FIXTURE_ON(postgres, other_databases_are_refused),
		FIXTURE_ON(postgres, nodes_that_come_at_once_make_one_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
