/* SPDX-License-Identifier: MIT */
/* Notes between a group's messages: each reader gets all of his, in order, and
 * the last one frees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/gateway/ws_notes.h"

enum { TEXT = 10 };

static struct ws_note *add(struct ws_notes *notes, uint64_t after_seq)
{
	struct buf b = { 0 };
	struct ws_note *note;

	buf_printf(&b, "%010d", (int)after_seq);
	assert_int_equal(b.len, TEXT);
	note = ws_notes_add(notes, after_seq, &b);
	assert_non_null(note);
	assert_null(b.data); /* it is the note's now */
	return note;
}

static void each_reader_is_told_all_of_his_in_order(void **state)
{
	struct ws_note *slow = NULL, *late = NULL;
	struct ws_notes notes;

	(void)state;
	ws_notes_init(&notes);
	add(&notes, 5);
	ws_notes_give(&notes, &slow);
	add(&notes, 7);
	ws_notes_give(&notes, &slow);
	ws_notes_give(&notes, &late);
	assert_int_equal(notes.bytes, 2 * TEXT);
	assert_int_equal(slow->after_seq, 5);
	assert_int_equal(late->after_seq, 7);
	ws_notes_pass(&notes, &late);
	assert_null(late);
	/* The first is the slow one's alone, the second still his. */
	ws_notes_pass(&notes, &slow);
	assert_int_equal(notes.bytes, TEXT);
	assert_int_equal(slow->after_seq, 7);
	assert_string_equal(buf_cstr(&slow->frame), "0000000007");
	ws_notes_pass(&notes, &slow);
	assert_null(slow);
	assert_int_equal(notes.bytes, 0);
	assert_true(list_empty(&notes.all));
}

static void who_has_passed_all_goes_on_with_the_next(void **state)
{
	struct ws_note *next = NULL;
	struct ws_notes notes;

	(void)state;
	ws_notes_init(&notes);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		add(&notes, seq);
		ws_notes_give(&notes, &next);
		assert_int_equal(next->after_seq, seq);
		ws_notes_pass(&notes, &next);
		assert_null(next);
		assert_true(list_empty(&notes.all));
	}
}

static void who_leaves_keeps_nothing(void **state)
{
	struct ws_note *stays = NULL, *goes = NULL, *never = NULL;
	struct ws_notes notes;

	(void)state;
	ws_notes_init(&notes);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		add(&notes, seq);
		ws_notes_give(&notes, &goes);
		if (seq == 2)
			ws_notes_give(&notes, &stays);
		else if (seq == 3)
			ws_notes_give(&notes, &stays);
	}
	ws_notes_leave(&notes, &goes);
	assert_null(goes);
	assert_int_equal(notes.bytes, 2 * TEXT);
	assert_int_equal(stays->after_seq, 2);
	ws_notes_leave(&notes, &stays);
	ws_notes_leave(&notes, &never);
	assert_int_equal(notes.bytes, 0);
}

static void a_frame_that_failed_makes_no_note(void **state)
{
	struct buf b = { .failed = true };
	struct ws_notes notes;

	(void)state;
	ws_notes_init(&notes);
	assert_null(ws_notes_add(&notes, 1, &b));
	assert_true(list_empty(&notes.all));
	assert_int_equal(notes.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reader_is_told_all_of_his_in_order),
		cmocka_unit_test(who_has_passed_all_goes_on_with_the_next),
		cmocka_unit_test(who_leaves_keeps_nothing),
		cmocka_unit_test(a_frame_that_failed_makes_no_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
