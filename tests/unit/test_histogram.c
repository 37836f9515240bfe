/* SPDX-License-Identifier: MIT */
#include "lib/histogram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/wire.h"

static void a_value_is_in_the_first_bucket_that_holds_it(void **state)
{
	static const struct {
		uint64_t value;
		const char *bound;
	} rows[] = {
		{ 0, "1" },	  { 1, "1" },	    { 2, "2" },
		{ 3, "4" },	  { 4, "4" },	    { 5, "8" },
		{ 4096, "4096" }, { 4097, "+Inf" }, { UINT64_MAX, "+Inf" }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct histogram h = { .kind = HISTOGRAM_SIZE };
		size_t bucket = 0;

		histogram_add(&h, rows[i].value, 1);
		while (histogram_bucket(&h, bucket) == 0)
			bucket++;
		assert_string_equal(histogram_bound(&h, bucket), rows[i].bound);
		assert_int_equal(histogram_count(&h), 1);
		assert_int_equal(histogram_sum(&h), rows[i].value);
	}
}

static void the_text_of_a_bound_is_its_value(void **state)
{
	static const enum histogram_kind kinds[] = { HISTOGRAM_SIZE,
						     HISTOGRAM_DURATION,
						     HISTOGRAM_DELAY };

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct histogram h = { .kind = kinds[k] };
		double unit = histogram_decimals(&h) == 9 ? 1e9 : 1;
		double last = 0;

		for (size_t i = 0; i < histogram_bounds(&h); i++) {
			double bound = strtod(histogram_bound(&h, i), NULL);

			assert_true(bound > last);
			last = bound;
			/* The bound itself is in, the next value is not. */
			histogram_add(&h, (uint64_t)(bound * unit + 0.5), 1);
			assert_int_equal(histogram_bucket(&h, i), 1);
			histogram_add(&h, (uint64_t)(bound * unit + 1.5), 1);
			assert_int_equal(histogram_bucket(&h, i), 1);
			h = (struct histogram){ .kind = kinds[k] };
		}
		assert_string_equal(histogram_bound(&h, histogram_bounds(&h)),
				    "+Inf");
	}
}

static void delays_begin_at_a_millisecond(void **state)
{
	struct histogram h = { .kind = HISTOGRAM_DELAY };

	(void)state;
	assert_string_equal(histogram_bound(&h, 0), "0.001");
	histogram_add(&h, 0, 3);
	assert_int_equal(histogram_bucket(&h, 0), 3);
}

static void many_of_one_value_are_added_at_once(void **state)
{
	struct histogram h = { .kind = HISTOGRAM_DURATION };

	(void)state;
	histogram_add(&h, 3000000, 1000);
	histogram_add(&h, 40000, 2);
	assert_int_equal(histogram_count(&h), 1002);
	assert_int_equal(histogram_sum(&h), 3000080000);
}

/* Ten of up to 1, ten of up to 2, ..., as if spread in each bucket. */
static void a_percentile_lies_in_its_bucket(void **state)
{
	struct histogram h = { .kind = HISTOGRAM_SIZE };

	(void)state;
	assert_int_equal(histogram_percentile(&h, 50), 0);
	histogram_add(&h, 64, 99);
	assert_int_equal(histogram_percentile(&h, 100), 64);
	assert_true(histogram_percentile(&h, 50) > 32);
	assert_true(histogram_percentile(&h, 50) <= 64);
	histogram_add(&h, 1024, 1);
	assert_int_equal(histogram_percentile(&h, 99), 64);
	assert_int_equal(histogram_percentile(&h, 100), 1024);
	histogram_add(&h, UINT64_C(1) << 40, 900);
	assert_int_equal(histogram_percentile(&h, 50), 4096);
}

static void two_are_added_up(void **state)
{
	struct histogram a = { .kind = HISTOGRAM_DELAY };
	struct histogram b = { .kind = HISTOGRAM_DELAY };

	(void)state;
	histogram_add(&a, 5, 3);
	histogram_add(&b, 5, 4);
	histogram_add(&b, UINT64_MAX / 2, 1);
	histogram_merge(&a, &b);
	assert_int_equal(histogram_count(&a), 8);
	assert_int_equal(histogram_bucket(&a, 0), 7);
	assert_int_equal(histogram_bucket(&a, histogram_bounds(&a)), 1);
	assert_int_equal(histogram_sum(&a), 35 + UINT64_MAX / 2);
}

static void the_wire_carries_it_whole(void **state)
{
	struct histogram h = { .kind = HISTOGRAM_DELAY };
	struct histogram copy = { .kind = HISTOGRAM_DELAY };
	struct buf b = { 0 };

	(void)state;
	histogram_add(&h, UINT64_C(123000000), 7);
	histogram_add(&h, UINT64_C(99) * 1000000000, 2);
	histogram_put(&b, &h);
	histogram_add(&copy, 1, 1000);
	assert_int_equal(histogram_get(buf_str(&b), &copy), 0);
	for (size_t i = 0; i <= histogram_bounds(&h); i++)
		assert_int_equal(histogram_bucket(&copy, i),
				 histogram_bucket(&h, i));
	assert_int_equal(histogram_sum(&copy), histogram_sum(&h));
	buf_release(&b);
}

static void a_list_that_does_not_fit_is_refused(void **state)
{
	struct histogram delay = { .kind = HISTOGRAM_DELAY };
	struct histogram size = { .kind = HISTOGRAM_DURATION };
	struct wire_count one = { .value = 1 };
	struct buf b = { 0 };
	struct str all;

	(void)state;
	histogram_add(&delay, 5, 5);
	histogram_put(&b, &delay);
	all = buf_str(&b);
	/* Of another kind, and so of another length. */
	assert_int_equal(histogram_get(all, &size), -EBADMSG);
	assert_int_equal(histogram_count(&size), 0);
	for (size_t len = 0; len < all.len; len++)
		assert_int_equal(histogram_get(str_make(all.data, len), &delay),
				 -EBADMSG);
	wire_put(&b, &wire_schema_count, &one);
	assert_int_equal(histogram_get(buf_str(&b), &delay), -EBADMSG);
	/* A number that does not end. */
	buf_clear(&b);
	buf_append(&b, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11);
	assert_int_equal(histogram_get(buf_str(&b), &delay), -EBADMSG);
	assert_int_equal(histogram_count(&delay), 5);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_in_the_first_bucket_that_holds_it),
		cmocka_unit_test(the_text_of_a_bound_is_its_value),
		cmocka_unit_test(delays_begin_at_a_millisecond),
		cmocka_unit_test(many_of_one_value_are_added_at_once),
		cmocka_unit_test(a_percentile_lies_in_its_bucket),
		cmocka_unit_test(two_are_added_up),
		cmocka_unit_test(the_wire_carries_it_whole),
		cmocka_unit_test(a_list_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
