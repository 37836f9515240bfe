/* SPDX-License-Identifier: MIT */
/*
 * pathbench: the hot paths, each so many times in one process, for whoever
 * counts its instructions. What is set up before does not depend on `n`, so
 * that it falls out of the difference of two runs. One thread.
 */
#ifndef GROUPFS_TESTS_BENCH_PATHS_H
#define GROUPFS_TESTS_BENCH_PATHS_H

#include <stdint.h>

#include "lib/wire.h"

/* dir: for files of its own. */
typedef void (*path_fn)(uint64_t n, const char *dir);

/* A message as most are. Its strs are constants. */
struct wire_message path_message(uint64_t seq);

/* paths_store.c */
void path_append(uint64_t n, const char *dir);
void path_append_hot(uint64_t n, const char *dir);
void path_append_random(uint64_t n, const char *dir);
void path_scan(uint64_t n, const char *dir);
void path_find(uint64_t n, const char *dir);
/* paths_fan.c */
void path_fanout(uint64_t n, const char *dir);
void path_feed(uint64_t n, const char *dir);
void path_feed_groups(uint64_t n, const char *dir);

#endif
