/* SPDX-License-Identifier: MIT */
/*
 * A hash table of embedded nodes by a 64-bit key that is well mixed already
 * (index_mix, index_hash): chained, doubling. Keys may repeat.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_INDEX_H
#define GROUPFS_DAEMON_GATEWAY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

struct index_node {
	struct index_node *next;
	uint64_t key;
};

/* Zeroed is empty. */
struct index {
	struct index_node **slots; /* owned */
	size_t size;		   /* a power of two, or 0 */
	size_t count;
};

/* False without memory. */
bool index_add(struct index *x, struct index_node *node, uint64_t key);
/* node must be in x. */
void index_remove(struct index *x, struct index_node *node);
/* The first node of key; the next one of the same key. NULL: none. */
struct index_node *index_find(const struct index *x, uint64_t key);
struct index_node *index_next(const struct index_node *node);
/* No node may be left. */
void index_release(struct index *x);

uint64_t index_mix(uint64_t a, uint64_t b);
/* Keyed, for what strangers choose. */
uint64_t index_hash(uint64_t seed, struct str s);

#endif
