/* SPDX-License-Identifier: MIT */
#include "daemon/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_family_is_a_head_and_its_samples(void **state)
{
	struct buf b = { 0 };

	(void)state;
	exposition_family(&b, "a_bytes", "gauge", "How many.");
	exposition_sample(&b, "a_bytes", "", 0);
	exposition_sample(&b, "a_bytes", "kind=\"x\",n=\"1\"", UINT64_MAX);
	exposition_counter(&b, "b_total", "All.", 7);
	exposition_gauge(&b, "c", "Now.", 8);
	assert_string_equal(buf_cstr(&b),
			    "# HELP a_bytes How many.\n"
			    "# TYPE a_bytes gauge\n"
			    "a_bytes 0\n"
			    "a_bytes{kind=\"x\",n=\"1\"} 18446744073709551615\n"
			    "# HELP b_total All.\n"
			    "# TYPE b_total counter\n"
			    "b_total 7\n"
			    "# HELP c Now.\n"
			    "# TYPE c gauge\n"
			    "c 8\n");
	buf_release(&b);
}

static void a_scaled_value_is_exact(void **state)
{
	static const struct {
		uint64_t value;
		unsigned decimals;
		const char *text;
	} rows[] = {
		{ 0, 3, "a 0\n" },
		{ 5, 3, "a 0.005\n" },
		{ 1000, 3, "a 1\n" },
		{ 1795657520033, 3, "a 1795657520.033\n" },
		{ 1000000001, 9, "a 1.000000001\n" },
		{ UINT64_MAX, 9, "a 18446744073.709551615\n" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&b);
		exposition_scaled(&b, "a", "", rows[i].value, rows[i].decimals);
		assert_string_equal(buf_cstr(&b), rows[i].text);
	}
	buf_release(&b);
}

static void buckets_are_cumulative_and_end_with_all(void **state)
{
	struct histogram h = { .kind = HISTOGRAM_DELAY };
	struct buf b = { 0 };

	(void)state;
	histogram_add(&h, 1000000, 2);
	histogram_add(&h, 4000000, 1);
	histogram_add(&h, UINT64_C(20500000000), 1);
	exposition_histogram(&b, "a", "g=\"0\"", &h);
	assert_string_equal(buf_cstr(&b), "a_bucket{g=\"0\",le=\"0.001\"} 2\n"
					  "a_bucket{g=\"0\",le=\"0.002\"} 2\n"
					  "a_bucket{g=\"0\",le=\"0.005\"} 3\n"
					  "a_bucket{g=\"0\",le=\"0.01\"} 3\n"
					  "a_bucket{g=\"0\",le=\"0.02\"} 3\n"
					  "a_bucket{g=\"0\",le=\"0.05\"} 3\n"
					  "a_bucket{g=\"0\",le=\"0.1\"} 3\n"
					  "a_bucket{g=\"0\",le=\"0.2\"} 3\n"
					  "a_bucket{g=\"0\",le=\"0.5\"} 3\n"
					  "a_bucket{g=\"0\",le=\"1\"} 3\n"
					  "a_bucket{g=\"0\",le=\"2\"} 3\n"
					  "a_bucket{g=\"0\",le=\"5\"} 3\n"
					  "a_bucket{g=\"0\",le=\"10\"} 3\n"
					  "a_bucket{g=\"0\",le=\"+Inf\"} 4\n"
					  "a_sum{g=\"0\"} 20.506000000\n"
					  "a_count{g=\"0\"} 4\n");
	buf_release(&b);
}

static void a_histogram_without_labels_has_only_the_bound(void **state)
{
	struct histogram h = { .kind = HISTOGRAM_SIZE };
	struct buf b = { 0 };

	(void)state;
	histogram_add(&h, 3, 1);
	exposition_histogram(&b, "a", "", &h);
	assert_non_null(strstr(buf_cstr(&b), "a_bucket{le=\"2\"} 0\n"));
	assert_non_null(strstr(buf_cstr(&b), "a_bucket{le=\"4\"} 1\n"));
	assert_non_null(strstr(buf_cstr(&b), "\na_sum 3\na_count 1\n"));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_is_a_head_and_its_samples),
		cmocka_unit_test(a_scaled_value_is_exact),
		cmocka_unit_test(buckets_are_cumulative_and_end_with_all),
		cmocka_unit_test(a_histogram_without_labels_has_only_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
