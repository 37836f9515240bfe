/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <string.h>

#include "store/import.h"

/* Reading. */

static struct store_loose token_of(const struct mem_token *t)
{
	struct store_loose l = { .kind = STORE_TOKEN,
				 .user = str_of(t->user),
				 .token_id = t->token_id,
				 .expires_ms = t->expires_ms,
				 .created_ms = t->created_ms };

	memcpy(l.hash, t->hash, STORE_HASH);
	return l;
}

static struct store_loose loose_at(const struct mem_globals *globals,
				   enum store_loose_kind kind, size_t i)
{
	struct store_loose l = { .kind = kind };
	const struct mem_user *users = globals->users.data;
	const struct mem_token *tokens = globals->tokens.data;
	const struct mem_hash *garbage = globals->garbage.data;

	if (kind == STORE_TOKEN)
		return token_of(&tokens[i]);
	if (kind == STORE_USER) {
		l.user = str_of(users[i].name);
		l.created_ms = users[i].created_ms;
	} else {
		memcpy(l.hash, garbage[i].bytes, STORE_HASH);
	}
	return l;
}

int mem_list_loose(struct store *base, enum store_loose_kind kind,
		   store_loose_fn fn, void *data, struct err *err)
{
	const struct mem_globals *globals = &mem_of(base)->db->globals;
	const struct mem_array *all = kind == STORE_USER    ? &globals->users
				      : kind == STORE_TOKEN ? &globals->tokens
							    : &globals->garbage;
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		const struct store_loose l = loose_at(globals, kind, i);

		rc = fn(data, &l);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_next_group(struct store *base, uint64_t after_id, uint64_t *group_id,
		   struct str *key, struct err *err)
{
	struct mem_group *g = NULL;

	(void)err;
	mem_lock(base);
	for (uint64_t id = after_id + 1;
	     g == NULL && id <= mem_of(base)->db->groups.count; id++)
		g = mem_group(base, id);
	if (g != NULL) {
		*group_id = g->group_id;
		*key = str_make(g->key, g->key_len);
	}
	mem_unlock(base);
	return g != NULL;
}

int mem_list_keys(struct store *base, uint64_t group_id, store_key_fn fn,
		  void *data, struct err *err)
{
	const struct mem_group *g;
	const struct mem_dedupe *all;
	int rc = 0;

	(void)err;
	mem_lock(base);
	g = mem_group(base, group_id);
	all = g == NULL ? NULL : g->content.dedupe.data;
	for (size_t i = 0; g != NULL && rc == 0 && i < g->content.dedupe.count;
	     i++) {
		const struct mem_dedupe *d = &all[i];
		const struct store_key k = { .user = str_of(d->user),
					     .id = str_make(d->id, d->id_len),
					     .batch = d->kind == 'b',
					     .first_seq = d->sent.first_seq,
					     .last_seq = d->sent.last_seq,
					     .off = d->sent.offset,
					     .time_ms = d->sent.time_ms,
					     .warnings = d->sent.warnings };

		if (mem_is_remembered(base, d))
			rc = fn(data, &k);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_get_numbers(struct store *base, struct store_numbers *out,
		    struct err *err)
{
	const struct mem_db *db = mem_of(base)->db;

	mem_lock(base);
	(void)mem_identity(base, &out->identity, err);
	out->group_id = db->groups.count;
	out->media_id = db->globals.last_media_id;
	out->token_id = db->globals.last_token_id;
	mem_unlock(base);
	return 0;
}

int mem_moved_from(struct store *base, uint64_t *identity, struct err *err)
{
	(void)err;
	mem_lock(base);
	*identity = mem_of(base)->db->globals.moved_from;
	mem_unlock(base);
	return 0;
}

/* Writing. */

int mem_move_begin(struct store *base, uint64_t identity, struct err *err)
{
	(void)err;
	mem_of(base)->db->globals.moved_from = identity;
	return 0;
}

int mem_move_reset(struct store *base, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;
	int rc = 0;

	for (size_t id = 1; rc == 0 && id <= db->groups.count; id++) {
		struct mem_group *g = mem_any_group(base, id);

		if (g == NULL)
			continue;
		rc = mem_touch(base, g, err);
		g->content.deleted = rc == 0;
	}
	db->globals.users.count = 0;
	db->globals.tokens.count = 0;
	db->globals.garbage.count = 0;
	return rc;
}

/* Ids that no group has: they were given away. */
static int fill_up(struct store *base, uint64_t last_id, struct err *err)
{
	while (mem_of(base)->db->groups.count < last_id) {
		struct mem_group *g =
			mem_new_group(base, str_of(""), str_of(""), str_of(""));

		if (g == NULL)
			return mem_no_memory(base, err);
		g->content.deleted = true;
	}
	return 0;
}

int mem_put_group(struct store *base, const struct wire_port_group *group,
		  struct mem_group **out, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;
	uint64_t id = group->group_id;
	struct mem_group **groups;
	int rc;

	for (uint64_t i = id; i <= db->groups.count; i++) {
		if (i == 0 || mem_any_group(base, i) != NULL)
			return import_refuse_id(id, err);
	}
	rc = fill_up(base, id - 1, err);
	if (rc < 0)
		return rc;
	*out = mem_new_group(base, group->name, group->created_by, str_of(""));
	if (*out == NULL)
		return mem_no_memory(base, err);
	if ((*out)->group_id == id)
		return 0;
	groups = db->groups.data;
	db->groups.count--;
	(*out)->group_id = id;
	(*out)->replaced = groups[id - 1];
	groups[id - 1] = *out;
	return 0;
}

static int put_user(struct store *base, const struct store_loose *l,
		    struct err *err)
{
	struct mem_user *users;
	size_t at;
	bool added;
	int rc = mem_add_user(base, l->user, &added, err);

	if (rc < 0)
		return rc;
	(void)mem_find_user(base, l->user, &at);
	users = mem_of(base)->db->globals.users.data;
	users[at].created_ms = l->created_ms;
	return 0;
}

static int put_token(struct store *base, const struct store_loose *l,
		     struct err *err)
{
	struct mem_array *tokens = &mem_of(base)->db->globals.tokens;
	struct mem_token *all = tokens->data;
	struct mem_token *t;

	for (size_t i = tokens->count; i-- > 0;) {
		if (all[i].token_id == l->token_id ||
		    memcmp(all[i].hash, l->hash, STORE_HASH) == 0)
			mem_remove(tokens, i, sizeof(all[0]));
	}
	t = mem_insert(tokens, tokens->count, sizeof(*t));
	if (t == NULL)
		return mem_no_memory(base, err);
	t->token_id = l->token_id;
	t->created_ms = l->created_ms;
	t->expires_ms = l->expires_ms;
	memcpy(t->hash, l->hash, STORE_HASH);
	str_to_cstr(l->user, t->user, sizeof(t->user));
	return 0;
}

int mem_move_loose(struct store *base, const struct store_loose *rows,
		   size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (rows[i].kind == STORE_USER)
			rc = put_user(base, &rows[i], err);
		else if (rows[i].kind == STORE_TOKEN)
			rc = put_token(base, &rows[i], err);
		else
			rc = mem_make_garbage(base, rows[i].hash, NULL, err);
	}
	return rc;
}

int mem_move_keys(struct store *base, uint64_t import_id,
		  const struct store_key *keys, size_t count, struct err *err)
{
	struct mem_globals globals = mem_of(base)->db->globals;
	struct mem_group *g = mem_import(base, import_id);
	size_t before;
	int rc;

	if (g == NULL)
		return import_refuse_unknown(err);
	rc = mem_touch(base, g, err);
	before = g->content.dedupe.count;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = mem_remember(base, g, &keys[i], err);
	if (rc < 0) {
		g->content.dedupe.count = before;
		mem_of(base)->db->globals = globals;
	}
	return rc;
}

int mem_move_end(struct store *base, const struct store_numbers *numbers,
		 struct err *err)
{
	struct mem_globals *globals = &mem_of(base)->db->globals;

	globals->moved_from = 0;
	globals->identity = numbers->identity;
	globals->last_media_id = numbers->media_id;
	globals->last_token_id = numbers->token_id;
	return fill_up(base, numbers->group_id, err);
}
