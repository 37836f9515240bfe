/* SPDX-License-Identifier: MIT */
/*
 * flatbench: the stores that it seeds (flat_seed.c), and what it asks of the
 * groupds that serve them (flat_ops.c). One thread.
 *
 * A store has `groups` groups of 20: the process' user, who made it, and 19 of
 * as many users, each of whom is in 19 groups that lie all over the store. In
 * some of them, spread evenly, "busy" stands in the place of one. A group of
 * many members may come behind them, and beside it one of 20.
 */
#ifndef GROUPFS_TESTS_BENCH_FLAT_H
#define GROUPFS_TESTS_BENCH_FLAT_H

#include <stdint.h>

#include "tests/bench/bench.h"

enum {
	FLAT_MEMBERS = 20, /* of a group, who made it among them */
	FLAT_NAME = 32,
	FLAT_AT_ONCE = 64,
	FLAT_IN_USE = 1000, /* groups, in a mount */
	FLAT_READ = 1024,   /* bytes */
	FLAT_SIDES = 4
};
#define FLAT_BUSY "busy"

struct flat_scene {
	uint64_t groups;   /* ids 1..groups */
	uint64_t messages; /* in each */
	uint64_t members;  /* of the large group; 0: there is none */
	uint64_t busy;	   /* groups of the user who has many */
};

/* From the environment, but for `groups`. */
void flat_scene_of(struct flat_scene *s, uint64_t groups, bool large);
/* The ids of the large group, and of the one of 20 beside it. */
static inline uint64_t flat_large(const struct flat_scene *s)
{
	return s->groups + 1;
}
static inline uint64_t flat_small(const struct flat_scene *s)
{
	return s->groups + 2;
}
/* The i'th group of busy, round and round. */
static inline uint64_t flat_busy(const struct flat_scene *s, uint64_t i)
{
	return (1 + i % s->busy) * (s->groups / s->busy);
}
/* By its id. */
void flat_group_name(char name[FLAT_NAME], uint64_t group_id);
void flat_user_name(char name[FLAT_NAME], uint64_t user);
/* Member k, from 1 on, of a group, as the number of a user; UINT64_MAX: busy.
 */
uint64_t flat_member(const struct flat_scene *s, uint64_t group_id, uint64_t k);

/* flatbench seed FILE GROUPS LARGE */
int flat_seed_main(int argc, char **argv);
/* flatbench rest FILE: puts away what a groupd with nothing to do would. */
int flat_rest_main(int argc, char **argv);
/* flatbench ask (SIDE GROUPS LARGE SOCKET TOKEN-OF-ONE TOKEN-OF-BUSY MOUNT)...
 */
int flat_ask_main(int argc, char **argv);

#endif
