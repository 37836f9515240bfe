/* SPDX-License-Identifier: MIT */
/* The lanes of a store that machines share, while it is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/table.h"
#include "tests/support/sequencer_fixture.h"

/* Sends that wait behind h for longer than SEQUENCER_PATIENCE_MS. */
static void wait_behind(struct lanes *f, struct holding *h, struct sending *s,
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
	struct lanes *f = *state;
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
	struct lanes *f = *state;
	struct holding h = { .fail = ERR_UNAVAILABLE };
	struct sending s[EACH];

	wait_behind(f, &h, s, EACH);
	assert_int_equal(h.op.err.code, ERR_UNAVAILABLE);
	for (size_t i = 0; i < EACH; i++)
		assert_int_equal(s[i].code, ERR_NONE);
	assert_false(is_away(f));
}

/* The store hangs until all are answered, and longer: in a batch, and then in
 * connecting. */
static void nobody_waits_for_a_lane_that_hangs(void **state)
{
	struct lanes *f = *state;
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
	struct lanes *f = *state;
	struct sending s[2];

	plan(f, FAULTY_REACH, FAULTY_IO, UINT32_MAX / 2);
	submit(f, &s[0], 1, "hello", "");
	run_until(f, s, 1);
	assert_int_equal(s[0].code, ERR_UNAVAILABLE);
	submit(f, &s[1], 1, "hello", "");
	assert_int_equal(sequencer_queued(&f->sequencer), 0);
	run_until(f, s, 2);
	assert_int_equal(s[1].code, ERR_UNAVAILABLE);
	/* Not what the store has said, which has addresses. */
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(s[i].op.err.text,
				    "The store cannot be reached now");
	assert_int_equal(calls(f, FAULTY_APPEND_ALL), 0);
	assert_true(is_away(f));
	/* Without being asked, the lane finds out when it is back. */
	plan(f, FAULTY_REACH, FAULTY_IO, 1);
	while (is_away(f))
		usleep(1000);
	send_until_stored(f, &s[1], 1);
}

static void a_store_that_is_away_stores_nothing_and_comes_back(void **state)
{
	struct lanes *f = *state;
	struct sending s[2];

	plan(f, FAULTY_APPEND_ALL, FAULTY_AWAY, 1);
	for (int i = 0; i < LANES; i++)
		faulty_store_plan(f->sequencer.lane[i].store, FAULTY_REACH,
				  FAULTY_SILENT, 2, 1);
	submit(f, &s[0], 1, "hello", "");
	run_until(f, s, 1);
	assert_int_equal(s[0].code, ERR_UNAVAILABLE);
	while (!is_away(f))
		usleep(1000);
	assert_int_equal(sequencer_stalled_ns(&f->sequencer), 0);
	let_go(f);
	send_until_stored(f, &s[1], 1);
	assert_int_equal(s[1].sent.first_seq, 1);
	while (is_away(f))
		usleep(1000);
}

/* Groups of one lane: what is sent to them together is one batch. */
static size_t of_lane_of(uint64_t first, uint64_t *ids, size_t max)
{
	size_t count = 0;

	for (uint64_t id = first; id <= GROUPS && count < max; id++) {
		if (table_hash_u64(id) % LANES == table_hash_u64(first) % LANES)
			ids[count++] = id;
	}
	return count;
}

/* A message to each of the groups of a lane, two at least, in one batch, whose
 * first group cannot be read after it. How many there are. */
static size_t send_all_of_a_lane(struct lanes *f, enum faulty_kind kind,
				 unsigned times)
{
	struct holding h = { 0 };
	struct sending s[GROUPS];
	uint64_t ids[GROUPS] = { 0 };
	size_t count = 0;

	for (uint64_t id = 1; count < 2; id++)
		count = of_lane_of(id, ids, GROUPS);
	hold(f, &h, ids[0]);
	while (!atomic_load(&h.began))
		usleep(1000);
	for (size_t i = 0; i < count; i++)
		submit(f, &s[i], ids[i], "hello", "");
	/* Behind that of the op before. */
	for (int i = 0; i < LANES; i++)
		faulty_store_plan(f->sequencer.lane[i].store, FAULTY_SCAN, kind,
				  2, times);
	atomic_store(&h.go, true);
	run_until(f, s, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(s[i].code, ERR_NONE);
		assert_int_equal(f->told[ids[i]], 1);
	}
	assert_int_equal(calls(f, FAULTY_APPEND_ALL), 1);
	return count;
}

/* Who watches is told by EV_GROWN: of one group the store is asked, which takes
 * as long as the first of the senders may wait, and of no other. */
static void what_is_committed_is_answered_though_the_store_goes(void **state)
{
	struct lanes *f = *state;

	send_all_of_a_lane(f, FAULTY_SILENT, UINT32_MAX / 2);
	assert_int_equal(calls(f, FAULTY_SCAN), 2);
	let_go(f);
}

static void one_group_that_cannot_be_read_does_not_hinder_others(void **state)
{
	struct lanes *f = *state;
	size_t count = send_all_of_a_lane(f, FAULTY_IO, 1);

	assert_int_equal(calls(f, FAULTY_SCAN), 1 + count);
}

#define ON_LANES(test)                                                         \
	cmocka_unit_test_setup_teardown(test, set_up_lanes, tear_down_lanes)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ON_LANES(who_waited_for_a_store_that_is_away_is_answered),
		ON_LANES(an_error_of_the_store_does_not_mean_that_it_is_away),
		ON_LANES(nobody_waits_for_a_lane_that_hangs),
		ON_LANES(while_the_store_is_away_a_send_is_refused_at_once),
		ON_LANES(a_store_that_is_away_stores_nothing_and_comes_back),
		ON_LANES(what_is_committed_is_answered_though_the_store_goes),
		ON_LANES(one_group_that_cannot_be_read_does_not_hinder_others),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
