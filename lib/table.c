/* SPDX-License-Identifier: MIT */
#include "lib/table.h"

#include <assert.h>
#include <stdlib.h>

/* Many tables have one or two elements: who is online in a group. */
enum { FIRST_SLOTS = 4 };

static size_t slot_of(const struct table *t, uint64_t hash)
{
	return (size_t)(hash & (t->nslots - 1));
}

/* Without memory the chains just grow longer. */
static void grow(struct table *t, size_t nslots)
{
	struct table_node **slots = calloc(nslots, sizeof(struct table_node *));
	struct table old = *t;

	if (slots == NULL)
		return;
	t->slots = slots;
	t->nslots = nslots;
	for (size_t i = 0; i < old.nslots; i++) {
		while (old.slots[i] != NULL) {
			struct table_node *node = old.slots[i];
			struct table_node **to = &slots[slot_of(t, node->hash)];

			old.slots[i] = node->next;
			node->next = *to;
			*to = node;
		}
	}
	free(old.slots);
}

void table_release(struct table *t)
{
	assert(t->count == 0);
	free(t->slots);
	*t = (struct table){ 0 };
}

bool table_insert(struct table *t, struct table_node *node, uint64_t hash)
{
	if (t->nslots == 0)
		grow(t, FIRST_SLOTS);
	else if (t->count >= t->nslots)
		grow(t, t->nslots * 2);
	if (t->nslots == 0)
		return false;
	node->hash = hash;
	node->next = t->slots[slot_of(t, hash)];
	t->slots[slot_of(t, hash)] = node;
	t->count++;
	return true;
}

void table_remove(struct table *t, struct table_node *node)
{
	struct table_node **at;

	assert(t->count > 0);
	at = &t->slots[slot_of(t, node->hash)];
	while (*at != node) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	t->count--;
}

static struct table_node *with_hash(struct table_node *node, uint64_t hash)
{
	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

struct table_node *table_find(const struct table *t, uint64_t hash)
{
	if (t->nslots == 0)
		return NULL;
	return with_hash(t->slots[slot_of(t, hash)], hash);
}

struct table_node *table_next(const struct table_node *node)
{
	return with_hash(node->next, node->hash);
}

struct table_node *table_any(const struct table *t)
{
	for (size_t i = 0; t->count > 0 && i < t->nslots; i++) {
		if (t->slots[i] != NULL)
			return t->slots[i];
	}
	return NULL;
}

/* splitmix64's finisher */
uint64_t table_hash_u64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15U;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	return x ^ (x >> 31);
}

uint64_t table_hash_pair(uint64_t a, uint64_t b)
{
	return table_hash_u64(table_hash_u64(a) ^ b);
}

/* FNV-1a */
uint64_t table_hash_bytes(struct str s)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (size_t i = 0; i < s.len; i++) {
		hash ^= (uint8_t)s.data[i];
		hash *= 0x100000001b3U;
	}
	return table_hash_u64(hash);
}

uint64_t table_hash_keyed(uint64_t seed, struct str s)
{
	uint64_t hash = seed;

	for (size_t i = 0; i < s.len; i++)
		hash = table_hash_u64(hash ^ (uint8_t)s.data[i]);
	return hash;
}
