/* SPDX-License-Identifier: MIT */
#include "lib/env.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t system_now_ms(void *data)
{
	struct timespec ts;

	(void)data;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0 || ts.tv_sec < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void system_random(void *data, void *out, size_t len)
{
	char *at = out;

	(void)data;
	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* Without randomness no token, no id can be made safely, and
		 * Linux has had getrandom(2) since 3.17. */
		if (n <= 0)
			abort();
		at += n;
		len -= (size_t)n;
	}
}

static const struct env system_env = {
	.now_ms = system_now_ms,
	.random = system_random,
};

const struct env *env_system(void)
{
	return &system_env;
}

uint64_t env_now_ms(const struct env *env)
{
	return env->now_ms(env->data);
}

uint64_t env_random_u64(const struct env *env)
{
	uint64_t out;

	env->random(env->data, &out, sizeof(out));
	return out;
}

uint64_t env_spread(const struct env *env, uint64_t base, uint64_t spread)
{
	assert(spread > 0);
	return base + env_random_u64(env) % spread;
}
