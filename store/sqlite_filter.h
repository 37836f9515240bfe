/* SPDX-License-Identifier: MIT */
/*
 * What a set surely has not, in a few bits of memory an entry (a Bloom filter,
 * in parts that double): so nothing is looked for on the disk that was never
 * there. One thread; a zeroed one is empty.
 */
#ifndef GROUPFS_STORE_SQLITE_FILTER_H
#define GROUPFS_STORE_SQLITE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* 256 KiB, and each further part twice as much: some 10 bits an entry for 26
 * million of them in 32 MiB; more make it less sure. */
enum { SQ_FILTER_PARTS = 7 };

struct sq_filter {
	unsigned char *parts[SQ_FILTER_PARTS]; /* owned */
	uint64_t count[SQ_FILTER_PARTS];       /* entries */
};

/* hash: as of a good hash function. False: no memory, and it is not in it. */
bool sq_filter_add(struct sq_filter *f, uint64_t hash);
/* False: it is not there. Of those that are not, one in some 50 is said to be.
 */
bool sq_filter_may_have(const struct sq_filter *f, uint64_t hash);
/* Empties it, and frees what it has. */
void sq_filter_clear(struct sq_filter *f);

#endif
