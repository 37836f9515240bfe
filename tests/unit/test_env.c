/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/env.h"

static void fill(void *data, void *out, size_t len)
{
	memcpy(out, data, len);
}

static uint64_t spread_of(uint64_t random, uint64_t base, uint64_t spread)
{
	const struct env env = { .random = fill, .data = &random };

	return env_spread(&env, base, spread);
}

static void a_spread_reaches_from_its_base_to_below_its_end(void **state)
{
	(void)state;
	assert_int_equal(spread_of(0, 1000, 5000), 1000);
	assert_int_equal(spread_of(4999, 1000, 5000), 5999);
	assert_int_equal(spread_of(5000, 1000, 5000), 1000);
	assert_int_equal(spread_of(UINT64_MAX, 0, 1), 0);
}

static void the_system_is_not_predictable(void **state)
{
	const struct env *env = env_system();

	(void)state;
	assert_int_not_equal(env_random_u64(env), env_random_u64(env));
	assert_true(env_now_ms(env) > UINT64_C(1700000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_spread_reaches_from_its_base_to_below_its_end),
		cmocka_unit_test(the_system_is_not_predictable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
