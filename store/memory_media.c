/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <string.h>

#include "store/input.h"

static struct mem_media *find_name(const struct mem_group *g, struct str name,
				   size_t *at)
{
	if (!mem_find_name(&g->content.media, sizeof(struct mem_media), name,
			   at))
		return NULL;
	return (struct mem_media *)g->content.media.data + *at;
}

/* Whether a group or import but `except` has a file of this hash. */
static bool is_used(struct store *base, const uint8_t hash[STORE_HASH],
		    const struct mem_group *except)
{
	size_t count = mem_of(base)->db->groups.count;

	for (size_t id = 1; id <= count; id++) {
		const struct mem_group *g = mem_any_group(base, id);
		const struct mem_media *all;

		if (g == NULL || g == except)
			continue;
		all = g->content.media.data;
		for (size_t i = 0; i < g->content.media.count; i++) {
			if (memcmp(all[i].hash, hash, STORE_HASH) == 0)
				return true;
		}
	}
	return false;
}

/* Where a hash is or belongs in the garbage. */
static bool find_garbage(struct store *base, const uint8_t hash[STORE_HASH],
			 size_t *at)
{
	const struct mem_array *garbage = &mem_of(base)->db->globals.garbage;
	const struct mem_hash *all = garbage->data;

	for (*at = 0; *at < garbage->count; ++*at) {
		int order = memcmp(all[*at].bytes, hash, STORE_HASH);

		if (order >= 0)
			return order == 0;
	}
	return false;
}

int mem_check_media_name(struct mem_group *g, const struct store_media *op,
			 struct err *err)
{
	size_t at;

	if (find_name(g, op->name, &at) == NULL)
		return 0;
	return input_refuse_media_name(op->name, err);
}

int mem_insert_media(struct store *base, struct mem_group *g,
		     struct store_media *op, const struct wire_body_sent *sent,
		     struct err *err)
{
	struct mem_media *m;
	size_t at;

	find_name(g, op->name, &at);
	m = mem_insert(&g->content.media, at, sizeof(*m));
	if (m == NULL)
		return mem_no_memory(base, err);
	m->media_id = op->media_id != 0
			      ? op->media_id
			      : ++mem_of(base)->db->globals.last_media_id;
	m->seq = sent->first_seq;
	m->time_ms = sent->time_ms;
	m->size = op->size;
	memcpy(m->hash, op->hash, STORE_HASH);
	str_to_cstr(op->name, m->name, sizeof(m->name));
	str_to_cstr(op->user, m->sender, sizeof(m->sender));
	op->media_id = m->media_id;
	return mem_drop_garbage(base, op->hash, err);
}

void mem_find_sent_media(const struct mem_group *g, struct store_media *op,
			 const struct wire_body_sent *sent)
{
	const struct mem_media *all = g->content.media.data;

	for (size_t i = 0; i < g->content.media.count; i++) {
		if (all[i].seq == sent->first_seq)
			op->media_id = all[i].media_id;
	}
}

int mem_make_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		     const struct mem_group *except, struct err *err)
{
	struct mem_array *garbage = &mem_of(base)->db->globals.garbage;
	struct mem_hash *made;
	size_t at;

	if (is_used(base, hash, except) || find_garbage(base, hash, &at))
		return 0;
	made = mem_insert(garbage, at, sizeof(*made));
	if (made == NULL)
		return mem_no_memory(base, err);
	memcpy(made->bytes, hash, STORE_HASH);
	return 0;
}

int mem_drop_media(struct store *base, struct mem_group *g, struct err *err)
{
	const struct mem_media *all = g->content.media.data;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->content.media.count; i++)
		rc = mem_make_garbage(base, all[i].hash, g, err);
	return rc;
}

static struct wire_media media_of(const struct mem_group *g,
				  const struct mem_media *m)
{
	return (struct wire_media){
		.media_id = m->media_id,
		.group_id = g->group_id,
		.seq = m->seq,
		.time_ms = m->time_ms,
		.size = m->size,
		.name = str_of(m->name),
		.sender = str_of(m->sender),
		.hash = str_make((const char *)m->hash, STORE_HASH),
	};
}

/* The group that has the file, and the file; false when there is none. */
static bool find_id(struct store *base, uint64_t media_id, struct mem_group **g,
		    struct wire_media *out)
{
	size_t count = mem_of(base)->db->groups.count;

	for (size_t id = 1; id <= count; id++) {
		const struct mem_media *all;

		*g = mem_group(base, id);
		if (*g == NULL)
			continue;
		all = (*g)->content.media.data;
		for (size_t i = 0; i < (*g)->content.media.count; i++) {
			if (all[i].media_id != media_id)
				continue;
			*out = media_of(*g, &all[i]);
			return true;
		}
	}
	*g = NULL;
	return false;
}

int mem_find_media(struct store *base, uint64_t media_id, uint64_t group_id,
		   struct str name, struct str user, struct wire_media *out,
		   struct err *err)
{
	const struct mem_media *m;
	struct mem_group *g;
	size_t at;
	int rc;

	mem_lock(base);
	if (media_id != 0) {
		rc = find_id(base, media_id, &g, out);
	} else {
		g = mem_group(base, group_id);
		m = g == NULL ? NULL : find_name(g, name, &at);
		rc = m != NULL;
		if (m != NULL)
			*out = media_of(g, m);
	}
	if (user.len > 0 && (g == NULL || mem_member(g, user, NULL) == NULL)) {
		*out = (struct wire_media){ 0 };
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	}
	mem_unlock(base);
	return rc;
}

int mem_list_media(struct store *base, uint64_t group_id, struct str after,
		   store_media_fn fn, void *data, struct err *err)
{
	const struct mem_media *all;
	struct mem_group *g;
	int rc = 0;

	(void)err;
	mem_lock(base);
	g = mem_group(base, group_id);
	for (size_t i = 0; g != NULL && rc == 0 && i < g->content.media.count;
	     i++) {
		struct wire_media m;

		all = g->content.media.data;
		m = media_of(g, &all[i]);
		if (mem_is_after(all[i].name, after))
			rc = fn(data, &m);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_hash_used(struct store *base, const uint8_t hash[STORE_HASH],
		  bool *used, struct err *err)
{
	(void)err;
	mem_lock(base);
	*used = is_used(base, hash, NULL);
	mem_unlock(base);
	return 0;
}

int mem_next_garbage(struct store *base, const uint8_t *after,
		     uint8_t hash[STORE_HASH], struct err *err)
{
	const struct mem_array *garbage = &mem_of(base)->db->globals.garbage;
	const struct mem_hash *all = garbage->data;
	size_t at = 0;
	int rc;

	(void)err;
	mem_lock(base);
	if (after != NULL && find_garbage(base, after, &at))
		at++;
	rc = at < garbage->count;
	if (rc > 0)
		memcpy(hash, all[at].bytes, STORE_HASH);
	mem_unlock(base);
	return rc;
}

int mem_drop_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		     struct err *err)
{
	size_t at;

	(void)err;
	if (find_garbage(base, hash, &at))
		mem_remove(&mem_of(base)->db->globals.garbage, at,
			   sizeof(struct mem_hash));
	return 0;
}
