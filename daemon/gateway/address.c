/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/address.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/list.h"

enum { PREFIX_V6 = 8 /* bytes: a /64 */ };

/* 4 bytes of an IPv4 address, or PREFIX_V6 of an IPv6 one. */
struct key {
	char bytes[PREFIX_V6];
	size_t len; /* 0: not counted */
};

struct address {
	struct table_node node;
	struct key key;
	uint64_t count;
};

void addresses_init(struct addresses *all, uint64_t max, uint64_t seed)
{
	*all = (struct addresses){ .max = max, .seed = seed };
}

void addresses_release(struct addresses *all)
{
	assert(all->table.count == 0);
	table_release(&all->table);
}

static struct key key_of(const struct sockaddr_storage *from)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	struct key key = { .len = 0 };

	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		key.len = sizeof(v4.sin_addr);
		memcpy(key.bytes, &v4.sin_addr, key.len);
	} else if (from->ss_family == AF_INET6) {
		memcpy(&v6, from, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
			key.len = sizeof(v4.sin_addr);
			memcpy(key.bytes, v6.sin6_addr.s6_addr + 12, key.len);
		} else {
			key.len = PREFIX_V6;
			memcpy(key.bytes, v6.sin6_addr.s6_addr, key.len);
		}
	}
	return key;
}

bool address_take(struct addresses *all, const struct sockaddr_storage *from,
		  struct address **out)
{
	struct key key = key_of(from);
	struct str bytes = str_make(key.bytes, key.len);
	uint64_t hash = table_hash_keyed(all->seed, bytes);
	struct table_node *n = NULL;
	struct address *a = NULL;

	*out = NULL;
	if (all->max == 0 || key.len == 0)
		return true;
	for (n = table_find(&all->table, hash); n != NULL; n = table_next(n)) {
		a = container_of(n, struct address, node);
		if (str_eq(str_make(a->key.bytes, a->key.len), bytes))
			break;
	}
	if (n == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL || !table_insert(&all->table, &a->node, hash)) {
			free(a);
			return false;
		}
		a->key = key;
	}
	if (a->count >= all->max)
		return false;
	a->count++;
	*out = a;
	return true;
}

void address_drop(struct addresses *all, struct address *a)
{
	if (a == NULL)
		return;
	assert(a->count > 0);
	if (--a->count > 0)
		return;
	table_remove(&all->table, &a->node);
	free(a);
}
