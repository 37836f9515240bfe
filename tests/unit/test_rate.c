/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/rate.h"
#include "lib/wire.h"

struct clock {
	struct env env;
	uint64_t now;
	struct rate rate;
	struct err err;
};

static uint64_t now_ms(void *data)
{
	return ((struct clock *)data)->now;
}

static void start(struct clock *c, uint64_t per_second)
{
	*c = (struct clock){ .env = { .now_ms = now_ms, .data = c },
			     .now = 1000000 };
	rate_init(&c->rate, &c->env, per_second);
}

static int take(struct clock *c, const char *user, uint64_t n)
{
	return rate_take(&c->rate, str_of(user), n, &c->err);
}

/* How many single messages go at once. */
static unsigned spend(struct clock *c, const char *user)
{
	unsigned n = 0;

	while (n < 5000 && take(c, user, 1) == 0)
		n++;
	return n;
}

static void a_second_of_messages_goes_at_once(void **state)
{
	struct clock c;

	(void)state;
	start(&c, 5);
	assert_int_equal(spend(&c, "ann"), 5);
	assert_int_equal(c.err.code, ERR_RATE_LIMITED);
	assert_int_equal(c.err.retry_after_ms, 200);
	assert_int_equal(c.err.rate_limit, 5);
	assert_int_equal(c.err.rate_reset_ms, 1000);
	assert_string_equal(c.err.text,
			    "You may send 5 messages a second "
			    "(rate_messages_per_second): the next one in "
			    "0.2 s");
	assert_int_equal(spend(&c, "bob"), 5);
	c.now += 199;
	assert_int_equal(spend(&c, "ann"), 0);
	assert_int_equal(c.err.retry_after_ms, 1);
	c.now += 1;
	assert_int_equal(spend(&c, "ann"), 1);
	c.now += 600;
	assert_int_equal(spend(&c, "ann"), 3);
	c.now += 3600000;
	assert_int_equal(spend(&c, "ann"), 5);
	rate_release(&c.rate);
}

static void over_any_time_no_more_than_the_rate_goes(void **state)
{
	static const uint64_t rates[] = { 1, 3, 7, 999, 1000, 1001 };
	struct clock c;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t sent = 0;

		start(&c, rates[i]);
		for (unsigned ms = 0; ms < 10000; ms += 1 + ms % 13) {
			c.now = 1000000 + ms;
			while (take(&c, "ann", 1) == 0)
				sent++;
		}
		/* One second's worth at once, then the rate: none is lost to
		 * rounding. */
		assert_in_range(sent, rates[i] * 10, rates[i] * 11);
		rate_release(&c.rate);
	}
}

static void a_long_batch_waits_for_a_full_bucket_and_leaves_a_debt(void **state)
{
	struct clock c;

	(void)state;
	start(&c, 10);
	assert_int_equal(take(&c, "ann", 1), 0);
	assert_int_equal(take(&c, "ann", 100), -EDQUOT);
	assert_int_equal(c.err.retry_after_ms, 100);
	assert_string_equal(c.err.text,
			    "You may send 10 messages a second "
			    "(rate_messages_per_second): that many at once in "
			    "0.1 s");
	c.now += 100;
	assert_int_equal(take(&c, "ann", 100), 0);
	/* 90 are owed: then one more comes 9.1 s later. */
	assert_int_equal(take(&c, "ann", 1), -EDQUOT);
	assert_int_equal(c.err.retry_after_ms, 9100);
	assert_int_equal(c.err.rate_reset_ms, 10000);
	c.now += 9099;
	assert_int_equal(take(&c, "ann", 1), -EDQUOT);
	c.now += 1;
	assert_int_equal(take(&c, "ann", 1), 0);
	/* The bounds of numbers. */
	assert_int_equal(take(&c, "bob", WIRE_FRAME_MAX), 0);
	assert_int_equal(take(&c, "bob", 1), -EDQUOT);
	assert_int_equal(c.err.retry_after_ms,
			 ((uint64_t)WIRE_FRAME_MAX - 9) * 100);
	rate_release(&c.rate);
}

static void what_was_not_stored_is_given_back(void **state)
{
	struct rate_state s;
	struct clock c;

	(void)state;
	start(&c, 4);
	assert_int_equal(take(&c, "ann", 3), 0);
	rate_state(&c.rate, str_of("ann"), &s);
	assert_int_equal(s.limit, 4);
	assert_int_equal(s.left, 1);
	assert_int_equal(s.reset_ms, 750);
	rate_give_back(&c.rate, str_of("ann"), 2);
	rate_state(&c.rate, str_of("ann"), &s);
	assert_int_equal(s.left, 3);
	/* Never more than a bucket holds. */
	rate_give_back(&c.rate, str_of("ann"), 1000);
	assert_int_equal(spend(&c, "ann"), 4);
	rate_give_back(&c.rate, str_of("nobody"), 1);
	rate_state(&c.rate, str_of("nobody"), &s);
	assert_int_equal(s.left, 4);
	assert_int_equal(s.reset_ms, 0);
	rate_release(&c.rate);
}

static void the_clock_may_jump(void **state)
{
	struct clock c;

	(void)state;
	start(&c, 2);
	assert_int_equal(spend(&c, "ann"), 2);
	c.now -= 500000;
	assert_int_equal(spend(&c, "ann"), 0);
	assert_int_equal(c.err.retry_after_ms, 500);
	c.now += 500;
	assert_int_equal(spend(&c, "ann"), 1);
	c.now = UINT64_MAX;
	assert_int_equal(spend(&c, "ann"), 2);
	rate_release(&c.rate);
}

static void the_limit_may_change(void **state)
{
	struct rate_state s;
	struct clock c;

	(void)state;
	start(&c, 0);
	assert_int_equal(take(&c, "ann", WIRE_FRAME_MAX), 0);
	rate_state(&c.rate, str_of("ann"), &s);
	assert_int_equal(s.limit, 0);
	rate_set(&c.rate, 10);
	assert_int_equal(spend(&c, "ann"), 10);
	c.now += 500;
	rate_set(&c.rate, 1000); /* 5 came at the old rate */
	assert_int_equal(spend(&c, "ann"), 5);
	c.now += 1000;
	rate_set(&c.rate, 3);
	assert_int_equal(spend(&c, "ann"), 3);
	rate_set(&c.rate, 0);
	assert_int_equal(c.rate.users.count, 0);
	assert_int_equal(spend(&c, "ann"), 5000);
	rate_set(&c.rate, RATE_MAX);
	assert_int_equal(take(&c, "ann", RATE_MAX), 0);
	assert_int_equal(take(&c, "ann", 1), -EDQUOT);
	assert_int_equal(c.err.retry_after_ms, 1);
	rate_release(&c.rate);
}

static void who_is_idle_has_no_entry(void **state)
{
	char name[16];
	struct clock c;

	(void)state;
	start(&c, 1);
	/* One in debt hides nobody. */
	assert_int_equal(take(&c, "debtor", 1000000), 0);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(take(&c, name, 1), 0);
		c.now += 10;
	}
	/* Each is there for a second: 100, and those not looked at yet. */
	assert_in_range(c.rate.users.count, 1, 250);
	c.now += 1000;
	for (unsigned i = 0; i < 300; i++)
		(void)take(&c, "ann", 1);
	assert_int_equal(c.rate.users.count, 2);
	assert_int_equal(take(&c, "debtor", 1), -EDQUOT);
	rate_release(&c.rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_of_messages_goes_at_once),
		cmocka_unit_test(over_any_time_no_more_than_the_rate_goes),
		cmocka_unit_test(
			a_long_batch_waits_for_a_full_bucket_and_leaves_a_debt),
		cmocka_unit_test(what_was_not_stored_is_given_back),
		cmocka_unit_test(the_clock_may_jump),
		cmocka_unit_test(the_limit_may_change),
		cmocka_unit_test(who_is_idle_has_no_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
