/* SPDX-License-Identifier: MIT */
/* The lanes of a store that machines share: batches, and who has it alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/sequencer_fixture.h"

static void order_within_a_group_is_that_of_submission(void **state)
{
	struct lanes *f = *state;
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

static void check_unknown(struct lanes *f, enum faulty_kind kind)
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
	struct lanes *f = *state;

	f->told[3] = 1; /* nobody told it here: nodes look into the store */
	check_unknown(f, FAULTY_STORED);
}

static void what_was_lost_without_an_answer_is_stored_once(void **state)
{
	check_unknown(*state, FAULTY_LOST);
}

static void a_refused_one_does_not_fail_its_batch(void **state)
{
	struct lanes *f = *state;
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

static void unknown_is_for_the_refused_too(void **state)
{
	struct lanes *f = *state;
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
	struct lanes *f = *state;
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

/* The memory store has one transaction at a time anyway; others have not. */
static void one_that_is_alone_has_all_lanes_for_itself(void **state)
{
	struct lanes *f = *state;
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

static void make(struct lanes *f, struct making *m, const char *name)
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
	struct lanes *f = *state;
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
	struct lanes *f = *state;
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

#define ON_LANES(test)                                                         \
	cmocka_unit_test_setup_teardown(test, set_up_lanes, tear_down_lanes)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ON_LANES(order_within_a_group_is_that_of_submission),
		ON_LANES(what_was_stored_without_an_answer_is_a_duplicate),
		ON_LANES(what_was_lost_without_an_answer_is_stored_once),
		ON_LANES(a_refused_one_does_not_fail_its_batch),
		ON_LANES(unknown_is_for_the_refused_too),
		ON_LANES(other_ops_keep_their_place_among_appends),
		ON_LANES(one_that_is_alone_has_all_lanes_for_itself),
		ON_LANES(what_the_store_undoes_is_run_again),
		ON_LANES(what_is_undone_every_time_is_unavailable),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
