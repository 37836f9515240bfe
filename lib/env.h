/* SPDX-License-Identifier: MIT */
/*
 * Time and randomness as function pointers, so that tests own them.
 */
#ifndef GROUPFS_LIB_ENV_H
#define GROUPFS_LIB_ENV_H

#include <stddef.h>
#include <stdint.h>

struct env {
	/* Milliseconds since 1970-01-01 UTC. Any thread. */
	uint64_t (*now_ms)(void *data);
	/* Fills out with unpredictable bytes (getrandom(2)). Any thread. */
	void (*random)(void *data, void *out, size_t len);
	void *data; /* borrowed */
};

/* The real clock and the kernel's randomness. */
const struct env *env_system(void);

uint64_t env_now_ms(const struct env *env);
uint64_t env_random_u64(const struct env *env);
/* base + a random part below spread (not 0): so that those who are told to
 * come back do not come all at once. */
uint64_t env_spread(const struct env *env, uint64_t base, uint64_t spread);

#endif
