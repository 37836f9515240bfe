/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, STORE_HASH);
}

struct content {
	uint8_t hash[STORE_HASH];
	uint64_t size;
};

/* All files of all groups, by their hash. */
static bool gather(struct store *base, struct mem_array *out)
{
	for (size_t id = 1; id <= mem_of(base)->db->groups.count; id++) {
		const struct mem_group *g = mem_group(base, id);
		const struct mem_media *all;

		if (g == NULL)
			continue;
		all = g->content.media.data;
		for (size_t i = 0; i < g->content.media.count; i++) {
			struct content *c =
				mem_insert(out, out->count, sizeof(*c));

			if (c == NULL)
				return false;
			memcpy(c->hash, all[i].hash, STORE_HASH);
			c->size = all[i].size;
		}
	}
	if (out->count > 0)
		qsort(out->data, out->count, sizeof(struct content), compare);
	return true;
}

static int list_contents(struct store *base, store_content_fn fn, void *data,
			 struct err *err)
{
	struct mem_array all = { 0 };
	const struct content *c;
	int rc = 0;

	if (!gather(base, &all))
		rc = mem_no_memory(base, err);
	c = all.data;
	for (size_t i = 0; rc == 0 && i < all.count; i++) {
		if (i == 0 || compare(c[i].hash, c[i - 1].hash) != 0)
			rc = fn(data, c[i].hash, c[i].size);
	}
	free(all.data);
	return rc < 0 ? rc : 0;
}

int mem_list_contents(struct store *base, store_content_fn fn, void *data,
		      struct err *err)
{
	int rc;

	mem_lock(base);
	rc = list_contents(base, fn, data, err);
	mem_unlock(base);
	return rc;
}

static int add_content(void *data, const uint8_t hash[STORE_HASH],
		       uint64_t size)
{
	struct store_totals *totals = data;

	(void)hash;
	totals->media++;
	totals->media_bytes += size;
	return 0;
}

int mem_count_all(struct store *base, struct store_totals *out, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;
	int rc;

	mem_lock(base);
	out->users = db->globals.users.count;
	for (size_t id = 1; id <= db->groups.count; id++) {
		const struct mem_group *g = mem_group(base, id);

		out->groups += g != NULL;
		if (g != NULL)
			out->messages +=
				mem_last_seq(g) + 1 - g->content.first_seq;
	}
	rc = list_contents(base, add_content, out, err);
	mem_unlock(base);
	return rc;
}

int mem_identity(struct store *base, uint64_t *identity, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;

	(void)err;
	mem_lock(base);
	if (db->globals.identity == 0)
		db->globals.identity = env_random_u64(base->options.env) | 1;
	*identity = db->globals.identity;
	mem_unlock(base);
	return 0;
}

int mem_copy_store(struct store *base, const struct store_copy *copy,
		   struct err *err)
{
	(void)base;
	(void)copy;
	return err_set(err, ERR_BAD_REQUEST,
		       "A store in memory cannot be copied to a file");
}

/* A rollback would not bring the old ones back: nothing that is restored lies
 * in memory, so what fails here is thrown away. */
int mem_renew(struct store *base, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;

	(void)err;
	for (size_t id = 1; id <= db->groups.count; id++) {
		struct mem_group *g = mem_group(base, id);

		if (g != NULL)
			g->epoch = env_random_u64(base->options.env);
	}
	db->globals.identity = env_random_u64(base->options.env) | 1;
	return 0;
}
