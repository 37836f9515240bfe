/* SPDX-License-Identifier: MIT */
/*
 * Intrusive hash table: the element embeds a node and belongs to its owner.
 * Several elements may have one hash; the caller compares keys while he walks
 * with table_find() and table_next(). A zeroed struct table is an empty one.
 *
 * One thread. Hashes are not seeded, but for table_hash_keyed(): it is for
 * what strangers choose. The other keys are numbers that groupd or the store
 * gave, and names that an admin added.
 */
#ifndef GROUPFS_LIB_TABLE_H
#define GROUPFS_LIB_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **slots; /* owned */
	size_t nslots;		   /* a power of two, or 0 */
	size_t count;
};

/* Frees the slots; no element may be left. */
void table_release(struct table *t);
/* False when there is no memory for the first slots. */
bool table_insert(struct table *t, struct table_node *node, uint64_t hash);
/* The node must be in t. */
void table_remove(struct table *t, struct table_node *node);
/* The first node of this hash, and the next one of the same hash. */
struct table_node *table_find(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *node);
/* Any node; NULL when the table is empty. */
struct table_node *table_any(const struct table *t);

uint64_t table_hash_u64(uint64_t x);
uint64_t table_hash_pair(uint64_t a, uint64_t b);
uint64_t table_hash_bytes(struct str s);
/* seed: unpredictable, the same for a whole table. */
uint64_t table_hash_keyed(uint64_t seed, struct str s);

#endif
