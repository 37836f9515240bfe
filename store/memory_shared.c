/* SPDX-License-Identifier: MIT */
/*
 * What nodes ask of each other's changes. One log of them for the whole store,
 * which only grows within a transaction; the oldest go with a commit.
 */
#include "store/memory.h"

#include <stdlib.h>
#include <string.h>

static int note_change(struct store *base, struct mem_group *g, struct str by,
		       const struct store_change *change, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;
	struct mem_change *c =
		mem_insert(&db->changes, db->changes.count, sizeof(*c));
	struct mem_user *users = db->globals.users.data;
	size_t at;

	if (c == NULL)
		return mem_no_memory(base, err);
	c->group_id = g->group_id;
	c->version = ++g->content.member_version;
	/* Who was imported as a member is a user, like any other. */
	if (mem_find_user(base, str_of(change->user), &at))
		c->user_version = ++users[at].version;
	c->change = *change;
	memcpy(c->group, g->name, sizeof(c->group));
	str_to_cstr(by, c->by, sizeof(c->by));
	return 0;
}

int mem_note_changes(struct store *base, struct mem_group *g, struct str by,
		     const struct store_change *changes, size_t count,
		     struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = note_change(base, g, by, &changes[i], err);
	return rc;
}

int mem_note_all(struct store *base, struct mem_group *g, struct str by,
		 enum member_change change, struct err *err)
{
	const struct mem_member *all = g->content.members.data;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->content.members.count; i++) {
		struct store_change c = { .change = change };

		memcpy(c.user, all[i].name, sizeof(c.user));
		if (change == MEMBER_ADDED) {
			c.role = all[i].role;
			c.last_read_seq = all[i].last_read_seq;
		}
		rc = note_change(base, g, by, &c, err);
	}
	return rc;
}

void mem_forget_changes(struct mem_db *db)
{
	struct mem_change *all = db->changes.data;
	size_t count = db->changes.count;

	if (count <= MEM_CHANGES_KEPT)
		return;
	memmove(all, all + (count - MEM_CHANGES_KEPT),
		MEM_CHANGES_KEPT * sizeof(*all));
	db->changes.count = MEM_CHANGES_KEPT;
}

int mem_list_versions(struct store *base, const uint64_t *group_ids,
		      size_t count, store_version_fn fn, void *data,
		      struct err *err)
{
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct mem_group *g = mem_group(base, group_ids[i]);
		struct store_version v;

		if (g == NULL)
			continue;
		v = (struct store_version){
			.group_id = g->group_id,
			.last_seq = mem_last_seq(g),
			.member_version = g->content.member_version,
			.info_ms = g->content.info_ms,
			.first_seq = g->content.first_seq,
			.first_off = g->content.first_off,
			.first_jsonl_off = g->content.first_jsonl_off,
		};
		rc = fn(data, &v);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

static int show_change(const struct mem_change *c, uint64_t version,
		       store_member_change_fn fn, void *data)
{
	const struct store_member_change out = {
		.group_id = c->group_id,
		.version = version,
		.change = c->change.change,
		.role = c->change.role,
		.group = str_of(c->group),
		.user = str_of(c->change.user),
		.by = str_of(c->by),
		.last_read_seq = c->change.last_read_seq,
	};

	return fn(data, &out);
}

int mem_list_changes(struct store *base, uint64_t group_id,
		     uint64_t after_version, store_member_change_fn fn,
		     void *data, struct err *err)
{
	const struct mem_array *log = &mem_of(base)->db->changes;
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (size_t i = 0;
	     mem_group(base, group_id) != NULL && rc == 0 && i < log->count;
	     i++) {
		const struct mem_change *c =
			(const struct mem_change *)log->data + i;

		if (c->group_id == group_id && c->version > after_version)
			rc = show_change(c, c->version, fn, data);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_list_user_versions(struct store *base, const struct str *users,
			   size_t count, store_user_version_fn fn, void *data,
			   struct err *err)
{
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct mem_user *all =
			mem_of(base)->db->globals.users.data;
		size_t at;

		if (mem_find_user(base, users[i], &at))
			rc = fn(data, str_of(all[at].name), all[at].version);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_list_user_changes(struct store *base, struct str user,
			  uint64_t after_version, store_member_change_fn fn,
			  void *data, struct err *err)
{
	const struct mem_array *log = &mem_of(base)->db->changes;
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (size_t i = 0; rc == 0 && i < log->count; i++) {
		const struct mem_change *c =
			(const struct mem_change *)log->data + i;

		if (str_eq(str_of(c->change.user), user) &&
		    c->user_version > after_version)
			rc = show_change(c, c->user_version, fn, data);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}
