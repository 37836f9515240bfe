/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A backup that began at 1,000 ms and has done 42 MB of 100 MB. */
static struct progress halfway(void)
{
	return (struct progress){ .what = "backup",
				  .kind = PROGRESS_BYTES,
				  .total = 100000000,
				  .done = 42000000,
				  .started_ms = 1000,
				  .marks = { { 1000, 0 }, { 1000, 0 } } };
}

static void expect_line(const struct progress *p, uint64_t now_ms,
			size_t columns, const char *line)
{
	struct buf out = { 0 };

	progress_put_line(&out, p, now_ms, columns);
	assert_false(out.failed);
	assert_string_equal(buf_cstr(&out), line);
	buf_release(&out);
}

static void expect_bytes(uint64_t bytes, const char *text)
{
	struct buf out = { 0 };

	progress_put_bytes(&out, bytes);
	assert_string_equal(buf_cstr(&out), text);
	buf_release(&out);
}

static void expect_count(uint64_t count, const char *text)
{
	struct buf out = { 0 };

	progress_put_count(&out, count);
	assert_string_equal(buf_cstr(&out), text);
	buf_release(&out);
}

static void bytes_have_three_digits_and_a_unit(void **state)
{
	(void)state;
	expect_bytes(0, "0 B");
	expect_bytes(999, "999 B");
	expect_bytes(1000, "1.0 kB");
	expect_bytes(99949, "99.9 kB");
	expect_bytes(99999, "99.9 kB");
	expect_bytes(100000, "100 kB");
	expect_bytes(999999, "999 kB");
	expect_bytes(2900000000, "2.9 GB");
	expect_bytes(UINT64_MAX, "18.4 EB");
}

static void thousands_are_set_apart(void **state)
{
	(void)state;
	expect_count(0, "0");
	expect_count(999, "999");
	expect_count(1000, "1,000");
	expect_count(1234567, "1,234,567");
	expect_count(1000007, "1,000,007");
	expect_count(UINT64_MAX, "18,446,744,073,709,551,615");
}

static void a_known_total_has_bar_percent_rate_and_rest(void **state)
{
	struct progress p = halfway();

	(void)state;
	expect_line(&p, 3000, 80,
		    "backup  [#########-------------]   42%  "
		    "42.0 MB of 100 MB  21.0 MB/s  0:03 left");
	p.done = p.total;
	expect_line(&p, 3000, 80,
		    "backup  [##################################]  100%  "
		    "100 MB of 100 MB  50.0 MB/s");
	p.done = p.total - 1;
	expect_line(&p, 3000, 40, "backup   99%  99.9 MB of 100 MB");
}

static void the_rate_is_that_of_the_last_seconds(void **state)
{
	struct progress p = halfway();

	(void)state;
	p.marks[0] = (struct progress_mark){ 11000, 41000000 };
	p.marks[1] = (struct progress_mark){ 16000, 41500000 };
	expect_line(&p, 21000, 60,
		    "backup   42%  42.0 MB of 100 MB  100 kB/s  9:40 left");
	p.done = 41000000;
	/* It stands: nobody knows how long. */
	expect_line(
		&p, 21000, 60,
		"backup  [######-----------]   41%  41.0 MB of 100 MB  0 B/s");
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct progress p = halfway();

	(void)state;
	expect_line(&p, 3000, 56,
		    "backup   42%  42.0 MB of 100 MB  21.0 MB/s  0:03 left");
	expect_line(&p, 3000, 54,
		    "backup   42%  42.0 MB of 100 MB  21.0 MB/s  0:03 left");
	expect_line(&p, 3000, 53, "backup   42%  42.0 MB of 100 MB  21.0 MB/s");
	expect_line(&p, 3000, 40, "backup   42%  42.0 MB of 100 MB");
	expect_line(&p, 3000, 20, "backup   42%");
	expect_line(&p, 3000, 8, "backup");
	expect_line(&p, 3000, 4, "bac");
	expect_line(&p, 3000, 1, "");
	expect_line(&p, 3000, 0, "");
}

static void no_line_is_as_long_as_the_terminal_is_wide(void **state)
{
	struct progress p = halfway();
	struct buf out = { 0 };

	(void)state;
	for (size_t columns = 1; columns < 200; columns++) {
		buf_clear(&out);
		progress_put_line(&out, &p, 3000, columns);
		assert_true(out.len < columns);
	}
	buf_release(&out);
}

static void an_unknown_total_has_amount_rate_and_time(void **state)
{
	struct progress p = { .what = "import",
			      .noun = "messages",
			      .kind = PROGRESS_COUNT,
			      .done = 1234567,
			      .started_ms = 1000,
			      .marks = { { 1000, 0 }, { 1000, 0 } } };

	(void)state;
	expect_line(&p, 101000, 80,
		    "import  1,234,567 messages  12,345/s  1:40");
	expect_line(&p, 3701000, 80,
		    "import  1,234,567 messages  333/s  1:01:40");
}

static void time_alone_is_all_that_some_work_can_say(void **state)
{
	struct progress p = { .what = "verifying",
			      .kind = PROGRESS_TIME,
			      .started_ms = 1000 };

	(void)state;
	expect_line(&p, 1000, 80, "verifying  0:00");
	expect_line(&p, 63000, 80, "verifying  1:02");
}

static void the_summary_has_the_rate_of_all(void **state)
{
	struct progress p = halfway();
	struct buf out = { 0 };

	(void)state;
	p.done = p.total;
	p.marks[0] = (struct progress_mark){ 90000, 99000000 };
	progress_put_summary(&out, &p, 101000);
	assert_string_equal(buf_cstr(&out),
			    "backup: 100 MB in 1:40 (1.0 MB/s)");
	buf_clear(&out);
	p.kind = PROGRESS_COUNT;
	p.noun = "messages";
	p.done = 12345;
	progress_put_summary(&out, &p, 1000);
	assert_string_equal(buf_cstr(&out),
			    "backup: 12,345 messages in 0:00 (0/s)");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_three_digits_and_a_unit),
		cmocka_unit_test(thousands_are_set_apart),
		cmocka_unit_test(a_known_total_has_bar_percent_rate_and_rest),
		cmocka_unit_test(the_rate_is_that_of_the_last_seconds),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(no_line_is_as_long_as_the_terminal_is_wide),
		cmocka_unit_test(an_unknown_total_has_amount_rate_and_time),
		cmocka_unit_test(time_alone_is_all_that_some_work_can_say),
		cmocka_unit_test(the_summary_has_the_rate_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
