/* SPDX-License-Identifier: MIT */
/* What a gateway counts, and what groupd takes of it. */
#include "daemon/gateway/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/gateway/ws.h"
#include "daemon/report.h"

struct clock {
	uint64_t ms;
	unsigned readings;
};

static uint64_t read_clock(void *data)
{
	struct clock *clock = data;

	clock->readings++;
	return clock->ms;
}

/* What groupd makes of the meter's report. */
static struct report *take(struct meter *m)
{
	struct wire_body_report body;
	struct report *report = NULL;
	struct buf lists = { 0 };
	struct buf frame = { 0 };
	struct err err;

	meter_report(m, &body, &lists);
	wire_put(&frame, wire_schema_of(WIRE_REPORT), &body);
	assert_int_equal(
		wire_get(buf_str(&frame), wire_schema_of(WIRE_REPORT), &body),
		0);
	assert_int_equal(report_take(&report, &body, &err), 0);
	buf_release(&lists);
	buf_release(&frame);
	return report;
}

static void what_is_counted_arrives(void **state)
{
	struct clock clock = { .ms = 5000 };
	struct env env = { .now_ms = read_clock, .data = &clock };
	struct meter m;
	struct report *r;

	(void)state;
	meter_init(&m, &env);
	m.websockets = 3;
	m.streams = 2;
	m.deliveries = 100;
	m.written = 12345;
	meter_request(&m, false, 200);
	meter_request(&m, false, 204);
	meter_request(&m, true, 201);
	meter_request(&m, false, 101);
	meter_request(&m, true, 507);
	meter_request(&m, true, 0);
	meter_request(&m, true, 999);
	meter_refused(&m, ERR_UNAUTHENTICATED);
	meter_refused(&m, ERR_TOO_LARGE);
	meter_refused(&m, ERR_TOO_LARGE);
	meter_refused(&m, ERR_COUNT - 1);
	meter_closed(&m, WS_BYE_SLOW);
	meter_closed(&m, WS_BYE_SLOW);
	meter_closed(&m, WS_BYE_SILENT);
	meter_closed(&m, WS_BYE_LEAVING);
	r = take(&m);
	assert_int_equal(r->figures.started_ms, 5000);
	assert_int_equal(r->figures.websockets, 3);
	assert_int_equal(r->figures.streams, 2);
	assert_int_equal(r->figures.deliveries, 100);
	assert_int_equal(r->figures.written, 12345);
	assert_int_equal(r->figures.slow, 2);
	assert_int_equal(r->figures.silent, 1);
	assert_int_equal(r->refused[ERR_UNAUTHENTICATED], 1);
	assert_int_equal(r->refused[ERR_TOO_LARGE], 2);
	assert_int_equal(r->refused[ERR_COUNT - 1], 1);
	assert_int_equal(r->requests[0][0], 1);
	assert_int_equal(r->requests[0][1], 2);
	assert_int_equal(r->requests[1][1], 1);
	assert_int_equal(r->requests[1][4], 1);
	assert_int_equal(
		r->requests[1][0] + r->requests[1][2] + r->requests[1][3], 0);
	free(r);
}

static void the_clock_is_read_once_a_message_and_turn(void **state)
{
	struct clock clock = { .ms = 1000 };
	struct env env = { .now_ms = read_clock, .data = &clock };
	struct meter m;
	struct report *r;

	(void)state;
	meter_init(&m, &env);
	clock.readings = 0;
	for (int i = 0; i < METER_CLOCK_EVERY; i++)
		meter_fanout(&m, 1, 998);
	assert_int_equal(clock.readings, 1);
	meter_fanout(&m, 1, 999); /* another message */
	assert_int_equal(clock.readings, 2);
	meter_fanout(&m, 2, 999); /* another turn */
	meter_fanout(&m, 2, 999);
	assert_int_equal(clock.readings, 3);
	r = take(&m);
	assert_int_equal(histogram_count(&r->fanout), METER_CLOCK_EVERY + 3);
	assert_int_equal(histogram_sum(&r->fanout),
			 (METER_CLOCK_EVERY * 2 + 3) * UINT64_C(1000000));
	free(r);
}

static void a_long_turn_is_seen(void **state)
{
	struct clock clock = { .ms = 1000 };
	struct env env = { .now_ms = read_clock, .data = &clock };
	struct meter m;
	struct report *r;

	(void)state;
	meter_init(&m, &env);
	for (int i = 0; i < METER_CLOCK_EVERY; i++)
		meter_fanout(&m, 1, 1000);
	clock.ms = 1100;
	meter_fanout(&m, 1, 1000);
	r = take(&m);
	assert_int_equal(histogram_bucket(&r->fanout, 0), METER_CLOCK_EVERY);
	assert_int_equal(histogram_sum(&r->fanout), UINT64_C(100000000));
	free(r);
}

static void a_clock_that_went_back_is_no_delay(void **state)
{
	struct clock clock = { .ms = 1000 };
	struct env env = { .now_ms = read_clock, .data = &clock };
	struct meter m;
	struct report *r;

	(void)state;
	meter_init(&m, &env);
	meter_fanout(&m, 1, 5000);
	r = take(&m);
	assert_int_equal(histogram_count(&r->fanout), 1);
	assert_int_equal(histogram_sum(&r->fanout), 0);
	free(r);
}

/* Two times, of 3 messages and 1, to as many sockets as share a reading of the
 * clock, and one more. */
static void a_run_is_counted_by_sockets_and_times(void **state)
{
	struct clock clock = { .ms = 1010 };
	struct env env = { .now_ms = read_clock, .data = &clock };
	struct meter m;
	struct report *r;

	(void)state;
	meter_init(&m, &env);
	clock.readings = 0;
	meter_run_begin(&m);
	for (int i = 0; i < 3; i++)
		assert_true(meter_run_add(&m, 1000));
	assert_true(meter_run_add(&m, 1009));
	for (int i = 0; i < METER_CLOCK_EVERY; i++)
		meter_run_given(&m, 1);
	assert_int_equal(clock.readings, 1);
	clock.ms = 1020;
	meter_run_given(&m, 1);
	r = take(&m);
	assert_int_equal(clock.readings, 2);
	assert_int_equal(histogram_count(&r->fanout),
			 (METER_CLOCK_EVERY + 1) * 4);
	assert_int_equal(histogram_sum(&r->fanout),
			 (METER_CLOCK_EVERY * 31 + 71) * UINT64_C(1000000));
	free(r);
	/* What was reported is not counted again. */
	meter_run_begin(&m);
	r = take(&m);
	assert_int_equal(histogram_count(&r->fanout),
			 (METER_CLOCK_EVERY + 1) * 4);
	free(r);
}

static void a_run_of_too_many_times_ends(void **state)
{
	struct clock clock = { .ms = 1000 };
	struct env env = { .now_ms = read_clock, .data = &clock };
	struct meter m;
	struct report *r;

	(void)state;
	meter_init(&m, &env);
	meter_run_begin(&m);
	for (uint64_t i = 0; i < METER_RUN_TIMES; i++)
		assert_true(meter_run_add(&m, i));
	assert_true(meter_run_add(&m, METER_RUN_TIMES - 1));
	assert_false(meter_run_add(&m, METER_RUN_TIMES));
	clock.readings = 0;
	meter_run_given(&m, 1);
	meter_run_given(&m, 2); /* another turn */
	assert_int_equal(clock.readings, 2);
	r = take(&m);
	assert_int_equal(histogram_count(&r->fanout),
			 2 * (METER_RUN_TIMES + 1));
	free(r);
	/* The next one is empty. */
	meter_run_begin(&m);
	assert_true(meter_run_add(&m, METER_RUN_TIMES));
}

/* The next one stands in its place, one that is refused does not. */
static void a_report_stays_until_the_next_good_one(void **state)
{
	struct wire_http_count none = { .status = 0, .count = 1 };
	struct wire_count one = { .value = 1 };
	struct wire_body_report bad;
	struct report *r = NULL;
	struct buf lists = { 0 };
	struct buf requests = { 0 };
	struct buf refused = { 0 };
	struct meter m;
	struct err err;

	(void)state;
	meter_init(&m, env_system());
	meter_fanout(&m, 1, 0);
	meter_report(&m, &bad, &lists);
	bad.websockets = 1;
	assert_int_equal(report_take(&r, &bad, &err), 0);
	bad.websockets = 2;
	wire_put(&requests, &wire_schema_http_count, &none);
	bad.requests = buf_str(&requests);
	assert_int_equal(report_take(&r, &bad, &err), -EINVAL);
	assert_int_equal(err.code, ERR_BAD_REQUEST);
	bad.requests = str_of("\xff");
	assert_int_equal(report_take(&r, &bad, &err), -EINVAL);
	bad.requests = str_of("");
	for (int i = 0; i < ERR_COUNT; i++)
		wire_put(&refused, &wire_schema_count, &one);
	bad.refused = buf_str(&refused);
	assert_int_equal(report_take(&r, &bad, &err), -EINVAL);
	bad.refused = str_of("");
	bad.fanout.len--;
	assert_int_equal(report_take(&r, &bad, &err), -EINVAL);
	assert_int_equal(r->figures.websockets, 1);
	bad.fanout.len++;
	assert_int_equal(report_take(&r, &bad, &err), 0);
	assert_int_equal(r->figures.websockets, 2);
	assert_int_equal(r->figures.fanout.len, 0);
	assert_int_equal(histogram_count(&r->fanout), 1);
	free(r);
	buf_release(&lists);
	buf_release(&requests);
	buf_release(&refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_counted_arrives),
		cmocka_unit_test(the_clock_is_read_once_a_message_and_turn),
		cmocka_unit_test(a_long_turn_is_seen),
		cmocka_unit_test(a_clock_that_went_back_is_no_delay),
		cmocka_unit_test(a_run_is_counted_by_sockets_and_times),
		cmocka_unit_test(a_run_of_too_many_times_ends),
		cmocka_unit_test(a_report_stays_until_the_next_good_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
