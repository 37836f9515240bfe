/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/index.h"

#include <assert.h>
#include <stdlib.h>

enum { INDEX_FIRST = 64 };

static bool grow(struct index *x)
{
	size_t size = x->size == 0 ? INDEX_FIRST : x->size * 2;
	struct index_node **slots = calloc(size, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < x->size; i++) {
		struct index_node *next;

		for (struct index_node *n = x->slots[i]; n != NULL; n = next) {
			struct index_node **slot = &slots[n->key & (size - 1)];

			next = n->next;
			n->next = *slot;
			*slot = n;
		}
	}
	free(x->slots);
	x->slots = slots;
	x->size = size;
	return true;
}

bool index_add(struct index *x, struct index_node *node, uint64_t key)
{
	struct index_node **slot;

	/* A table that cannot grow only gets slower. */
	if (x->count >= x->size && !grow(x) && x->size == 0)
		return false;
	slot = &x->slots[key & (x->size - 1)];
	node->key = key;
	node->next = *slot;
	*slot = node;
	x->count++;
	return true;
}

void index_remove(struct index *x, struct index_node *node)
{
	struct index_node **at = &x->slots[node->key & (x->size - 1)];

	while (*at != node) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	x->count--;
}

struct index_node *index_find(const struct index *x, uint64_t key)
{
	struct index_node *n;

	if (x->size == 0)
		return NULL;
	n = x->slots[key & (x->size - 1)];
	while (n != NULL && n->key != key)
		n = n->next;
	return n;
}

struct index_node *index_next(const struct index_node *node)
{
	struct index_node *n = node->next;

	while (n != NULL && n->key != node->key)
		n = n->next;
	return n;
}

void index_release(struct index *x)
{
	assert(x->count == 0);
	free(x->slots);
	x->slots = NULL;
	x->size = 0;
}

/* splitmix64's finisher. */
static uint64_t finish(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t index_mix(uint64_t a, uint64_t b)
{
	return finish(finish(a + UINT64_C(0x9e3779b97f4a7c15)) ^ b);
}

uint64_t index_hash(uint64_t seed, struct str s)
{
	uint64_t h = seed;

	for (size_t i = 0; i < s.len; i++)
		h = finish(h ^ (uint8_t)s.data[i]);
	return h;
}
