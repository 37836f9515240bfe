/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "daemon/sequencer.h"
#include "lib/buf.h"

enum { SENDERS = 64, HOUR_MS = 3600000 };

struct sending {
	struct sequencer_op op;
	uint64_t group_id;
	int fail; /* 0, or the err_code to fail with */
	int runs;
	bool done;
	struct wire_body_sent sent;
};

struct fixture {
	struct env env; /* the system's, but for its clock */
	atomic_uint_fast64_t ahead_ms;
	char dir[64];
	struct buf url;
	uv_loop_t loop;
	struct store_options store;
	struct sequencer sequencer;
	int events;
	uint64_t told; /* last_seq of the last event */
	bool closed;
};

static void on_event(void *data, struct event *e)
{
	struct fixture *f = data;

	assert_int_equal(e->kind, EVENT_MESSAGES);
	assert_int_equal(e->first_seq, f->told + 1);
	assert_true(e->nframes > 0);
	f->told = e->last_seq;
	f->events++;
}

static int run_send(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct sending *s = container_of(op, struct sending, op);
	struct wire_item item = { .content = str_of("hello") };
	struct store_append append = { .group_id = s->group_id,
				       .user = str_of("alice") };
	struct event news = { .want = true };
	struct buf items = { 0 };
	int rc;

	s->runs++;
	if (s->fail != 0)
		return err_set(err, (enum err_code)s->fail, NULL);
	wire_put(&items, &wire_schema_item, &item);
	append.items = buf_str(&items);
	rc = store_append(store, &append, err);
	buf_release(&items);
	if (rc < 0)
		return rc;
	s->sent = append.sent;
	op->appended = 1;
	news.first_seq = s->sent.first_seq;
	news.last_seq = s->sent.last_seq;
	return event_add_messages(events, s->group_id, &news);
}

static int run_create(struct sequencer_op *op, struct store *store,
		      struct list *events, struct err *err)
{
	struct sending *s = container_of(op, struct sending, op);
	struct store_create create = { .name = str_of("g"),
				       .creator = str_of("alice") };
	bool added;
	int rc = store_add_user(store, str_of("alice"), &added, err);

	(void)events;
	if (rc == 0)
		rc = store_create_group(store, &create, err);
	s->group_id = create.group_id;
	return rc;
}

static void on_done(struct sequencer_op *op)
{
	container_of(op, struct sending, op)->done = true;
}

static void run_until(struct fixture *f, const struct sending *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while (!s[i].done)
			uv_run(&f->loop, UV_RUN_ONCE);
	}
}

static uint64_t create_group(struct fixture *f)
{
	struct sending s = { .op = { .run = run_create, .done = on_done } };

	assert_int_equal(sequencer_submit(&f->sequencer, 0, &s.op), 0);
	run_until(f, &s, 1);
	assert_int_equal(s.op.err.code, ERR_NONE);
	return s.group_id;
}

static uint64_t now_ms(void *data)
{
	struct fixture *f = data;

	return env_now_ms(env_system()) + atomic_load(&f->ahead_ms);
}

static void fill_random(void *data, void *out, size_t len)
{
	(void)data;
	env_system()->random(env_system()->data, out, len);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sequencer_options options = { .lanes = 1, .on_event = on_event };
	struct err err;

	assert_non_null(f);
	memcpy(f->dir, "/tmp/test_sequencer.XXXXXX", 27);
	assert_non_null(mkdtemp(f->dir));
	buf_printf(&f->url, "sqlite:%s/s.db", f->dir);
	uv_loop_init(&f->loop);
	f->env = (struct env){ now_ms, fill_random, f };
	f->store.env = &f->env;
	options.url = buf_cstr(&f->url);
	options.store = &f->store;
	options.data = f;
	if (sequencer_start(&f->sequencer, &f->loop, &options, &err) < 0)
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

static void on_closed(struct sequencer *q)
{
	container_of(q, struct fixture, sequencer)->closed = true;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct buf command = { 0 };

	sequencer_close(&f->sequencer, on_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	buf_printf(&command, "rm -rf %s", f->dir);
	assert_int_equal(system(buf_cstr(&command)), 0);
	buf_release(&command);
	buf_release(&f->url);
	free(f);
	return 0;
}

static void submit_all(struct fixture *f, struct sending *s, size_t n,
		       uint64_t group_id)
{
	for (size_t i = 0; i < n; i++) {
		s[i].op.run = run_send;
		s[i].op.done = on_done;
		s[i].group_id = group_id;
		assert_int_equal(
			sequencer_submit(&f->sequencer, group_id, &s[i].op), 0);
	}
}

static void senders_share_their_commits(void **state)
{
	struct fixture *f = *state;
	struct sending s[SENDERS] = { 0 };
	uint64_t group_id = create_group(f);
	uint64_t before = histogram_count(&f->sequencer.figures.ops);
	uint64_t commits;

	submit_all(f, s, SENDERS, group_id);
	run_until(f, s, SENDERS);
	commits = histogram_count(&f->sequencer.figures.ops) - before;
	for (size_t i = 0; i < SENDERS; i++) {
		assert_int_equal(s[i].op.err.code, ERR_NONE);
		assert_int_equal(s[i].sent.first_seq, i + 1);
	}
	assert_int_equal(histogram_sum(&f->sequencer.figures.messages),
			 SENDERS);
	assert_in_range(commits, 1, SENDERS / 4);
	while (f->told < SENDERS)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_in_range(f->events, 1, commits);
}

static void what_comes_in_one_turn_shares_one_commit(void **state)
{
	struct fixture *f = *state;
	struct sending s[SENDERS] = { 0 };
	uint64_t group_id = create_group(f);
	uint64_t before = histogram_count(&f->sequencer.figures.ops);

	/* It sleeps, and has tended its store, for which it wakes by itself. */
	usleep(200000);
	while (sequencer_stalled_ns(&f->sequencer) > 0)
		usleep(1000);
	for (size_t i = 0; i < SENDERS; i++) {
		submit_all(f, &s[i], 1, group_id);
		usleep(100);
	}
	run_until(f, s, SENDERS);
	assert_int_equal(histogram_count(&f->sequencer.figures.ops) - before,
			 1);
}

static void a_refused_one_does_not_fail_its_batch(void **state)
{
	struct fixture *f = *state;
	struct sending s[SENDERS] = { 0 };
	uint64_t group_id = create_group(f);

	s[10].fail = ERR_NOT_ADMIN;
	submit_all(f, s, SENDERS, group_id);
	run_until(f, s, SENDERS);
	for (size_t i = 0; i < SENDERS; i++) {
		assert_int_equal(s[i].op.err.code,
				 i == 10 ? ERR_NOT_ADMIN : ERR_NONE);
		assert_int_equal(s[i].runs, 1);
	}
}

static void one_that_ends_the_transaction_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct sending s[SENDERS] = { 0 };
	uint64_t group_id = create_group(f);
	uint64_t next = 1;

	s[40].fail = ERR_OUT_OF_SPACE;
	submit_all(f, s, SENDERS, group_id);
	run_until(f, s, SENDERS);
	for (size_t i = 0; i < SENDERS; i++) {
		if (i == 40) {
			assert_int_equal(s[i].op.err.code, ERR_OUT_OF_SPACE);
			continue;
		}
		assert_int_equal(s[i].op.err.code, ERR_NONE);
		assert_int_equal(s[i].sent.first_seq, next++);
	}
	assert_int_equal(histogram_sum(&f->sequencer.figures.messages),
			 SENDERS - 1);
}

static void two_that_end_it_fail_the_batch_and_the_next_goes_on(void **state)
{
	struct fixture *f = *state;
	struct sending s[3] = { 0 };
	struct sending after = { 0 };
	uint64_t group_id = create_group(f);

	s[0].fail = ERR_OUT_OF_SPACE;
	s[1].fail = ERR_OUT_OF_SPACE;
	submit_all(f, s, 3, group_id);
	run_until(f, s, 3);
	assert_int_equal(s[0].op.err.code, ERR_OUT_OF_SPACE);
	assert_int_equal(s[1].op.err.code, ERR_OUT_OF_SPACE);
	submit_all(f, &after, 1, group_id);
	run_until(f, &after, 1);
	assert_int_equal(after.op.err.code, ERR_NONE);
}

static void one_that_wants_to_be_alone_is(void **state)
{
	struct fixture *f = *state;
	struct sending s[SENDERS] = { 0 };
	uint64_t group_id = create_group(f);
	uint64_t next = 1;

	/* What fails in a transaction of its own makes nobody run again. */
	for (size_t i = 20; i < 40; i += 5) {
		s[i].op.alone = true;
		s[i].fail = ERR_OUT_OF_SPACE;
	}
	submit_all(f, s, SENDERS, group_id);
	run_until(f, s, SENDERS);
	for (size_t i = 0; i < SENDERS; i++) {
		assert_int_equal(s[i].runs, 1);
		assert_int_equal(s[i].op.err.code, s[i].fail);
		if (s[i].fail == 0)
			assert_int_equal(s[i].sent.first_seq, next++);
	}
}

static int64_t sealed(const struct fixture *f)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t count;

	assert_int_equal(sqlite3_open_v2(buf_cstr(&f->url) + strlen("sqlite:"),
					 &db, SQLITE_OPEN_READONLY, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM messages",
					    -1, &st, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	count = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return count;
}

static void a_lane_that_is_idle_tends_its_store(void **state)
{
	struct fixture *f = *state;
	struct sending first[SENDERS] = { 0 };
	struct sending s[SENDERS] = { 0 };
	uint64_t group_id = create_group(f);

	submit_all(f, first, SENDERS, group_id);
	run_until(f, first, SENDERS);
	atomic_store(&f->ahead_ms, HOUR_MS);
	submit_all(f, s, SENDERS, group_id);
	run_until(f, s, SENDERS);
	for (unsigned i = 0; sealed(f) < 2 * SENDERS; i++) {
		assert_true(i < 10000);
		usleep(1000);
	}
	/* And goes on. */
	memset(s, 0, sizeof(s));
	submit_all(f, s, SENDERS, group_id);
	run_until(f, s, SENDERS);
	assert_int_equal(s[SENDERS - 1].sent.first_seq, 3 * SENDERS);
}

/* Of 20 ms in which nothing comes there are none. */
static void a_lane_that_is_never_idle_does_so_too(void **state)
{
	struct fixture *f = *state;
	struct sending s[1];
	uint64_t group_id = create_group(f);

	for (unsigned i = 0; sealed(f) == 0; i++) {
		assert_true(i < 2000);
		if (i == 10)
			atomic_store(&f->ahead_ms, HOUR_MS);
		memset(s, 0, sizeof(s));
		submit_all(f, s, 1, group_id);
		run_until(f, s, 1);
		usleep(3000);
	}
}

struct slow {
	struct sending sending;
	struct sequencer *sequencer;
	atomic_bool began;
	atomic_bool go;
	bool moved; /* a verb that works for long was seen to */
};

static int run_slow(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct slow *s = container_of(op, struct slow, sending.op);
	const atomic_uint_fast64_t *alive = &s->sequencer->lane[0].alive_ns;
	struct wire_item item = { .content = str_of("hello") };
	struct store_append append = { .group_id = s->sending.group_id,
				       .user = str_of("alice") };
	struct buf items = { 0 };
	uint64_t before;
	int rc;

	(void)events;
	atomic_store(&s->began, true);
	while (!atomic_load(&s->go))
		usleep(1000);
	for (int i = 0; i < 20000; i++)
		wire_put(&items, &wire_schema_item, &item);
	append.items = buf_str(&items);
	before = atomic_load(alive);
	rc = store_append(store, &append, err);
	s->moved = atomic_load(alive) != before;
	buf_release(&items);
	return rc;
}

static void a_lane_that_does_not_get_on_is_seen(void **state)
{
	static const uint64_t ms = 1000000;
	struct fixture *f = *state;
	struct slow s = { .sequencer = &f->sequencer };

	s.sending.group_id = create_group(f);
	while (sequencer_stalled_ns(&f->sequencer) > 0)
		usleep(1000);
	s.sending.op.run = run_slow;
	s.sending.op.done = on_done;
	assert_int_equal(sequencer_submit(&f->sequencer, s.sending.group_id,
					  &s.sending.op),
			 0);
	/* A lane is woken at the end of the turn. */
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	while (!atomic_load(&s.began))
		usleep(1000);
	usleep(50000);
	assert_true(sequencer_stalled_ns(&f->sequencer) >= 50 * ms);
	atomic_store(&s.go, true);
	run_until(f, &s.sending, 1);
	assert_int_equal(s.sending.op.err.code, ERR_NONE);
	assert_true(s.moved);
	/* Without work it is never late. */
	while (sequencer_stalled_ns(&f->sequencer) > 0)
		usleep(1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(senders_share_their_commits,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_comes_in_one_turn_shares_one_commit, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_refused_one_does_not_fail_its_batch, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_ends_the_transaction_fails_alone, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(one_that_wants_to_be_alone_is,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			two_that_end_it_fail_the_batch_and_the_next_goes_on,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_lane_that_does_not_get_on_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_lane_that_is_idle_tends_its_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_lane_that_is_never_idle_does_so_too, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
