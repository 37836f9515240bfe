/* SPDX-License-Identifier: MIT */
/* The lanes of a store that machines share, on one that fails when told to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sequencer.h"
#include "lib/buf.h"
#include "tests/support/faulty_store.h"

enum { LANES = 4, GROUPS = 8, EACH = 40, SENDS = GROUPS * EACH };

struct sending {
	struct sequencer_op op;
	struct store_append append;
	struct buf items;
	struct wire_body_sent sent;
	enum err_code code;
	bool done;
};

struct fixture {
	uv_loop_t loop;
	struct store_options store;
	struct sequencer sequencer;
	uint64_t told[GROUPS + 1]; /* last_seq of a group's last event */
	unsigned events;
	bool closed;
};

static void on_event(void *data, struct event *e)
{
	struct fixture *f = data;

	assert_int_equal(e->kind, EVENT_MESSAGES);
	assert_in_range(e->group_id, 1, GROUPS);
	assert_int_equal(e->first_seq, f->told[e->group_id] + 1);
	f->told[e->group_id] = e->last_seq;
	f->events++;
}

static int run_send(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct sending *s = container_of(op, struct sending, op);
	struct event news = { .want = true };

	(void)store;
	if (err->code != ERR_NONE)
		return err_rc(err);
	s->sent = s->append.sent;
	if (s->sent.duplicate != 0)
		return 0;
	op->appended = 1;
	news.first_seq = s->sent.first_seq;
	news.last_seq = s->sent.last_seq;
	return event_add_messages(events, s->append.group_id, &news);
}

static void on_done(struct sequencer_op *op)
{
	struct sending *s = container_of(op, struct sending, op);

	s->code = op->err.code;
	s->done = true;
	buf_release(&s->items);
}

static void submit(struct fixture *f, struct sending *s, uint64_t group_id,
		   const char *content, const char *client_id)
{
	struct wire_item item = { .content = str_of(content),
				  .client_id = str_of(client_id) };

	*s = (struct sending){ .op = { .run = run_send, .done = on_done } };
	wire_put(&s->items, &wire_schema_item, &item);
	s->append = (struct store_append){ .group_id = group_id,
					   .user = str_of("alice"),
					   .items = buf_str(&s->items) };
	s->op.append = &s->append;
	assert_int_equal(sequencer_submit(&f->sequencer, group_id, &s->op), 0);
}

static void run_until(struct fixture *f, const struct sending *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while (!s[i].done)
			uv_run(&f->loop, UV_RUN_ONCE);
	}
}

/* GROUPS groups of alice's, whose ids are 1 and so on. */
static void make_groups(struct store *s)
{
	struct err err;
	bool added;

	assert_int_equal(store_begin(s, &err), 0);
	assert_int_equal(store_add_user(s, str_of("alice"), &added, &err), 0);
	for (int i = 1; i <= GROUPS; i++) {
		char name[16];
		struct store_create create = { .creator = str_of("alice") };

		snprintf(name, sizeof(name), "g%d", i);
		create.name = str_of(name);
		assert_int_equal(store_create_group(s, &create, &err), 0);
		assert_int_equal(create.group_id, i);
	}
	assert_int_equal(store_commit(s, &err), 0);
}

static int set_up(void **state)
{
	static int count;
	struct fixture *f = calloc(1, sizeof(*f));
	struct sequencer_options options = { .lanes = LANES,
					     .on_event = on_event };
	struct err err;
	char url[64];

	assert_non_null(f);
	snprintf(url, sizeof(url), "memory:shared/sequencer-%d", ++count);
	uv_loop_init(&f->loop);
	f->store.env = env_system();
	options.url = url;
	options.store = &f->store;
	options.data = f;
	if (sequencer_start(&f->sequencer, &f->loop, &options, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(f->sequencer.lanes, LANES);
	make_groups(f->sequencer.lane[0].store);
	/* The lanes sleep until the first op. */
	for (int i = 0; i < LANES; i++) {
		struct lane *lane = &f->sequencer.lane[i];

		lane->store = faulty_store_new(lane->store);
		assert_non_null(lane->store);
	}
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

	sequencer_close(&f->sequencer, on_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void plan(struct fixture *f, enum faulty_verb verb,
		 enum faulty_kind kind, unsigned times)
{
	for (int i = 0; i < LANES; i++)
		faulty_store_plan(f->sequencer.lane[i].store, verb, kind, 1,
				  times);
}

static unsigned calls(const struct fixture *f, enum faulty_verb verb)
{
	unsigned sum = 0;

	for (int i = 0; i < LANES; i++)
		sum += faulty_store_calls(f->sequencer.lane[i].store, verb);
	return sum;
}

static void order_within_a_group_is_that_of_submission(void **state)
{
	struct fixture *f = *state;
	struct sending *s = calloc(SENDS, sizeof(*s));

	assert_non_null(s);
	for (size_t i = 0; i < SENDS; i++)
		submit(f, &s[i], i % GROUPS + 1, "hello", "");
	run_until(f, s, SENDS);
	for (size_t i = 0; i < SENDS; i++) {
		assert_int_equal(s[i].code, ERR_NONE);
		assert_int_equal(s[i].sent.first_seq, i / GROUPS + 1);
	}
	for (int i = 1; i <= GROUPS; i++)
		assert_int_equal(f->told[i], EACH);
	assert_int_equal(histogram_sum(&f->sequencer.figures.messages), SENDS);
	/* One round trip a batch, and nothing else. */
	assert_int_equal(calls(f, FAULTY_APPEND_ALL),
			 histogram_count(&f->sequencer.figures.ops));
	assert_in_range(calls(f, FAULTY_APPEND_ALL), 1, SENDS / 2);
	assert_int_equal(calls(f, FAULTY_BEGIN), 0);
	free(s);
}

static void check_unknown(struct fixture *f, enum faulty_kind kind)
{
	bool stored = kind == FAULTY_STORED;
	struct sending s[2];
	struct sending again[2];

	plan(f, FAULTY_APPEND_ALL, kind, 1);
	submit(f, &s[0], 3, "hello", "key-1");
	run_until(f, s, 1);
	assert_int_equal(s[0].code, ERR_OUTCOME_UNKNOWN);
	assert_int_equal(f->events, 0);
	submit(f, &again[0], 3, "hello", "key-1");
	submit(f, &again[1], 3, "more", "key-2");
	run_until(f, again, 2);
	assert_int_equal(again[0].code, ERR_NONE);
	assert_int_equal(again[0].sent.first_seq, 1);
	assert_int_equal(again[0].sent.duplicate, stored);
	assert_int_equal(again[1].sent.first_seq, 2);
}

static void what_was_stored_without_an_answer_is_a_duplicate(void **state)
{
	struct fixture *f = *state;

	f->told[3] = 1; /* nobody told it here: nodes look into the store */
	check_unknown(f, FAULTY_STORED);
}

static void what_was_lost_without_an_answer_is_stored_once(void **state)
{
	check_unknown(*state, FAULTY_LOST);
}

static void a_refused_one_does_not_fail_its_batch(void **state)
{
	struct fixture *f = *state;
	struct sending s[3];

	submit(f, &s[0], 2, "one", "");
	submit(f, &s[1], 2, "\xff", "");
	submit(f, &s[2], 2, "two", "");
	run_until(f, s, 3);
	assert_int_equal(s[0].code, ERR_NONE);
	assert_int_equal(s[1].code, ERR_BAD_UTF8);
	assert_int_equal(s[2].code, ERR_NONE);
	assert_int_equal(s[2].sent.first_seq, 2);
}

/* An op that is no append. */
struct holding {
	struct sequencer_op op;
	atomic_bool began;
	atomic_bool go;
	enum err_code fail;
	uint64_t seq; /* of the last message of group 1, as it ran */
	bool done;
};

static int take_seq(void *data, const struct wire_message *m)
{
	*(uint64_t *)data = m->seq;
	return 0;
}

static int run_holding(struct sequencer_op *op, struct store *store,
		       struct list *events, struct err *err)
{
	struct holding *h = container_of(op, struct holding, op);
	int rc;

	(void)events;
	atomic_store(&h->began, true);
	while (!atomic_load(&h->go))
		usleep(1000);
	rc = store_scan(store, 1, 0, take_seq, &h->seq, err);
	if (h->fail != ERR_NONE)
		return err_set(err, h->fail, NULL);
	return rc;
}

static void on_held(struct sequencer_op *op)
{
	container_of(op, struct holding, op)->done = true;
}

static void hold(struct fixture *f, struct holding *h, uint64_t group_id)
{
	h->op.run = run_holding;
	h->op.done = on_held;
	assert_int_equal(sequencer_submit(&f->sequencer, group_id, &h->op), 0);
}

static void unknown_is_for_the_refused_too(void **state)
{
	struct fixture *f = *state;
	struct holding h = { 0 };
	struct sending s[2];

	plan(f, FAULTY_APPEND_ALL, FAULTY_STORED, 1);
	/* So that both are in one batch. */
	hold(f, &h, 3);
	while (!atomic_load(&h.began))
		usleep(1000);
	submit(f, &s[0], 3, "hello", "");
	submit(f, &s[1], 3, "\xff", "");
	atomic_store(&h.go, true);
	run_until(f, s, 2);
	assert_int_equal(s[0].code, ERR_OUTCOME_UNKNOWN);
	assert_int_equal(s[1].code, ERR_OUTCOME_UNKNOWN);
}

static void other_ops_keep_their_place_among_appends(void **state)
{
	struct fixture *f = *state;
	struct holding h = { 0 };
	struct sending s[4];

	submit(f, &s[0], 1, "one", "");
	submit(f, &s[1], 1, "two", "");
	hold(f, &h, 1);
	submit(f, &s[2], 1, "three", "");
	submit(f, &s[3], 1, "four", "");
	atomic_store(&h.go, true);
	run_until(f, s, 4);
	assert_true(h.done);
	assert_int_equal(h.seq, 2);
	assert_int_equal(s[3].sent.first_seq, 4);
	/* Only it had a transaction step by step. */
	assert_int_equal(calls(f, FAULTY_BEGIN), 1);
	assert_int_equal(calls(f, FAULTY_APPEND), 0);
}

/* Sends that wait behind h for longer than SEQUENCER_PATIENCE_MS. */
static void wait_behind(struct fixture *f, struct holding *h, struct sending *s,
			size_t count)
{
	hold(f, h, 1);
	while (!atomic_load(&h->began))
		usleep(1000);
	for (size_t i = 0; i < count; i++)
		submit(f, &s[i], 1, "hello", "");
	usleep((SEQUENCER_PATIENCE_MS + 50) * 1000);
	atomic_store(&h->go, true);
	run_until(f, s, count);
}

static void who_waited_for_a_store_that_is_away_is_answered(void **state)
{
	struct fixture *f = *state;
	struct holding h = { 0 };
	struct sending s[EACH];
	struct sending after;

	plan(f, FAULTY_COMMIT, FAULTY_AWAY, 1);
	wait_behind(f, &h, s, EACH);
	for (size_t i = 0; i < EACH; i++)
		assert_int_equal(s[i].code, ERR_UNAVAILABLE);
	assert_int_equal(calls(f, FAULTY_APPEND_ALL), 0);
	assert_int_equal(sequencer_queued(&f->sequencer), 0);
	submit(f, &after, 1, "back", "");
	run_until(f, &after, 1);
	assert_int_equal(after.code, ERR_NONE);
	assert_int_equal(after.sent.first_seq, 1);
}

/* It answers, if only with an error: that is nobody else's. */
static void an_error_of_the_store_does_not_mean_that_it_is_away(void **state)
{
	struct fixture *f = *state;
	struct holding h = { .fail = ERR_UNAVAILABLE };
	struct sending s[EACH];

	wait_behind(f, &h, s, EACH);
	assert_int_equal(h.op.err.code, ERR_UNAVAILABLE);
	for (size_t i = 0; i < EACH; i++)
		assert_int_equal(s[i].code, ERR_NONE);
	assert_false(atomic_load(&f->sequencer.away));
}

static void let_go(struct fixture *f)
{
	for (int i = 0; i < LANES; i++)
		faulty_store_let_go(f->sequencer.lane[i].store);
}

static void send_until_stored(struct fixture *f, struct sending *s,
			      uint64_t group_id)
{
	do {
		submit(f, s, group_id, "hello", "");
		run_until(f, s, 1);
	} while (s->code == ERR_UNAVAILABLE);
	assert_int_equal(s->code, ERR_NONE);
}

/* The store hangs until all are answered, and longer: in a batch, and then in
 * connecting. */
static void nobody_waits_for_a_lane_that_hangs(void **state)
{
	struct fixture *f = *state;
	struct sending s[EACH];
	struct sending behind[EACH];
	struct sending after;

	for (int i = 0; i < LANES; i++)
		faulty_store_plan(f->sequencer.lane[i].store, FAULTY_REACH,
				  FAULTY_SILENT, 2, UINT32_MAX / 2);
	plan(f, FAULTY_APPEND_ALL, FAULTY_SILENT, 1);
	submit(f, &s[0], 1, "hello", "");
	while (calls(f, FAULTY_APPEND_ALL) == 0)
		usleep(1000);
	for (size_t i = 1; i < EACH; i++)
		submit(f, &s[i], 1, "hello", "");
	run_until(f, s, EACH);
	assert_int_equal(s[0].code, ERR_OUTCOME_UNKNOWN);
	for (size_t i = 1; i < EACH; i++)
		assert_int_equal(s[i].code, ERR_UNAVAILABLE);
	assert_int_equal(s[1].op.err.retry_after_ms, SEQUENCER_RETRY_MS);
	while (calls(f, FAULTY_REACH) < 2)
		usleep(1000);
	for (size_t i = 0; i < EACH; i++)
		submit(f, &behind[i], 1, "hello", "");
	run_until(f, behind, EACH);
	for (size_t i = 0; i < EACH; i++)
		assert_int_equal(behind[i].code, ERR_UNAVAILABLE);
	assert_int_equal(calls(f, FAULTY_REACH), 2);
	assert_int_equal(calls(f, FAULTY_APPEND_ALL), 1);
	assert_int_equal(sequencer_queued(&f->sequencer), 0);
	plan(f, FAULTY_REACH, FAULTY_IO, 1);
	let_go(f);
	send_until_stored(f, &after, 1);
	assert_int_equal(after.sent.first_seq, 1);
}

static void while_the_store_is_away_a_send_is_refused_at_once(void **state)
{
	struct fixture *f = *state;
	struct sending s[2];

	plan(f, FAULTY_REACH, FAULTY_IO, UINT32_MAX / 2);
	submit(f, &s[0], 1, "hello", "");
	run_until(f, s, 1);
	assert_int_equal(s[0].code, ERR_UNAVAILABLE);
	submit(f, &s[1], 1, "hello", "");
	assert_int_equal(sequencer_queued(&f->sequencer), 0);
	run_until(f, s, 2);
	assert_int_equal(s[1].code, ERR_UNAVAILABLE);
	assert_int_equal(calls(f, FAULTY_APPEND_ALL), 0);
	assert_true(atomic_load(&f->sequencer.away));
	/* Without being asked, the lane finds out when it is back. */
	plan(f, FAULTY_REACH, FAULTY_IO, 1);
	while (atomic_load(&f->sequencer.away))
		usleep(1000);
	send_until_stored(f, &s[1], 1);
}

static void a_store_that_is_away_stores_nothing_and_comes_back(void **state)
{
	struct fixture *f = *state;
	struct sending s[2];

	plan(f, FAULTY_APPEND_ALL, FAULTY_AWAY, 1);
	for (int i = 0; i < LANES; i++)
		faulty_store_plan(f->sequencer.lane[i].store, FAULTY_REACH,
				  FAULTY_SILENT, 2, 1);
	submit(f, &s[0], 1, "hello", "");
	run_until(f, s, 1);
	assert_int_equal(s[0].code, ERR_UNAVAILABLE);
	while (!atomic_load(&f->sequencer.away))
		usleep(1000);
	assert_int_equal(sequencer_stalled_ns(&f->sequencer), 0);
	let_go(f);
	send_until_stored(f, &s[1], 1);
	assert_int_equal(s[1].sent.first_seq, 1);
	while (atomic_load(&f->sequencer.away))
		usleep(1000);
}

/* The memory store has one transaction at a time anyway; others have not. */
static void one_that_is_alone_has_all_lanes_for_itself(void **state)
{
	struct fixture *f = *state;
	struct holding h[2] = { { .op = { .alone = true } } };
	struct sending s;

	for (size_t i = 0; i < 2; i++) {
		int free = i == 0 ? EBUSY : 0;

		hold(f, &h[i], 3);
		while (!atomic_load(&h[i].began))
			usleep(1000);
		assert_int_equal(
			pthread_rwlock_tryrdlock(&f->sequencer.together), free);
		if (free == 0)
			pthread_rwlock_unlock(&f->sequencer.together);
		assert_int_equal(
			pthread_rwlock_trywrlock(&f->sequencer.together),
			EBUSY);
		atomic_store(&h[i].go, true);
		submit(f, &s, 3, "next", "");
		run_until(f, &s, 1);
	}
}

/* An op that makes a group, and tells of it. */
struct making {
	struct sequencer_op op;
	const char *name;
	unsigned runs;
	enum err_code code;
	bool done;
};

static int run_making(struct sequencer_op *op, struct store *store,
		      struct list *events, struct err *err)
{
	struct making *m = container_of(op, struct making, op);
	struct store_create create = { .name = str_of(m->name),
				       .creator = str_of("alice") };
	const struct event news = { .first_seq = 1, .last_seq = 1 };
	int rc;

	m->runs++;
	rc = event_add_messages(events, 1, &news);
	return rc < 0 ? rc : store_create_group(store, &create, err);
}

static void on_made(struct sequencer_op *op)
{
	struct making *m = container_of(op, struct making, op);

	m->code = op->err.code;
	m->done = true;
}

static void make(struct fixture *f, struct making *m, const char *name)
{
	*m = (struct making){ .op = { .run = run_making, .done = on_made },
			      .name = name };
	assert_int_equal(sequencer_submit(&f->sequencer, 1, &m->op), 0);
	while (!m->done)
		uv_run(&f->loop, UV_RUN_ONCE);
}

/* By a verb, and by the commit; each event is told once. */
static void what_the_store_undoes_is_run_again(void **state)
{
	static const enum faulty_verb verbs[] = { FAULTY_CREATE_GROUP,
						  FAULTY_COMMIT };
	static const char *const names[] = { "verb", "commit" };
	struct fixture *f = *state;
	struct making m;

	for (unsigned i = 0; i < 2; i++) {
		f->told[1] = 0;
		plan(f, verbs[i], FAULTY_UNDONE, 2);
		make(f, &m, names[i]);
		assert_int_equal(m.code, ERR_NONE);
		assert_int_equal(m.runs, 3);
		assert_int_equal(f->events, i + 1);
	}
	assert_int_equal(atomic_load(&f->sequencer.figures.rollbacks), 4);
}

static void what_is_undone_every_time_is_unavailable(void **state)
{
	struct fixture *f = *state;
	struct making m;

	plan(f, FAULTY_CREATE_GROUP, FAULTY_UNDONE, 100);
	make(f, &m, "never");
	assert_int_equal(m.code, ERR_UNAVAILABLE);
	assert_int_equal(m.runs, SEQUENCER_TRIES);
	/* Another error is no reason to run it again. */
	plan(f, FAULTY_CREATE_GROUP, FAULTY_IO, 1);
	make(f, &m, "once");
	assert_int_equal(m.code, ERR_UNAVAILABLE);
	assert_int_equal(m.runs, 1);
	assert_int_equal(f->events, 0);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test_setup_teardown(
			order_within_a_group_is_that_of_submission, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_stored_without_an_answer_is_a_duplicate,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_lost_without_an_answer_is_stored_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(unknown_is_for_the_refused_too,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_refused_one_does_not_fail_its_batch, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			other_ops_keep_their_place_among_appends, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			who_waited_for_a_store_that_is_away_is_answered, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			an_error_of_the_store_does_not_mean_that_it_is_away,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			nobody_waits_for_a_lane_that_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			while_the_store_is_away_a_send_is_refused_at_once,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_store_that_is_away_stores_nothing_and_comes_back,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_is_alone_has_all_lanes_for_itself, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_store_undoes_is_run_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_undone_every_time_is_unavailable, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
