/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/input.h"

/* One edit of a group's members under way. */
struct editing {
	struct store *base;
	struct mem_group *g;
	struct store_edit *op;
	size_t capacity; /* of op->changes */
};

static int note_change(struct editing *e, enum member_change change,
		       enum role role, struct str name, uint64_t last_read_seq,
		       struct err *err)
{
	struct mem_array a = { e->op->changes, e->op->count, e->capacity };
	struct store_change *c = mem_insert(&a, a.count, sizeof(*c));

	if (c == NULL)
		return mem_no_memory(e->base, err);
	c->change = change;
	c->role = role;
	c->last_read_seq = last_read_seq;
	str_to_cstr(name, c->user, sizeof(c->user));
	e->op->changes = a.data;
	e->op->count = a.count;
	e->capacity = a.capacity;
	return 0;
}

static int add_member(struct editing *e, size_t at, struct str name,
		      enum role role, struct err *err)
{
	struct mem_array *members = &e->g->content.members;
	uint64_t last = mem_last_seq(e->g);
	struct mem_member *m;

	if (!mem_find_user(e->base, name, NULL))
		return err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			       (int)name.len, name.data);
	if (members->count >= e->g->content.max_members)
		return err_set(err, ERR_GROUP_FULL,
			       "This group is full: %.*s cannot be added",
			       (int)name.len, name.data);
	m = mem_insert(members, at, sizeof(*m));
	if (m == NULL)
		return mem_no_memory(e->base, err);
	str_to_cstr(name, m->name, sizeof(m->name));
	m->role = role;
	m->joined_ms = env_now_ms(e->base->options.env);
	m->joined_seq = last;
	m->last_read_seq = last > STORE_HISTORY ? last - STORE_HISTORY : 0;
	m->last_read_seq = mem_pointer(e->g, m);
	return note_change(e, MEMBER_ADDED, role, name, m->last_read_seq, err);
}

static int remove_member(struct editing *e, size_t at, struct str name,
			 struct err *err)
{
	struct mem_array *mentions = &e->g->content.mentions;
	struct mem_mention *all = mentions->data;

	for (size_t i = mentions->count; i-- > 0;) {
		if (!all[i].everyone && str_eq(str_of(all[i].name), name))
			mem_remove(mentions, i, sizeof(all[0]));
	}
	mem_remove(&e->g->content.members, at, sizeof(struct mem_member));
	return note_change(e, MEMBER_REMOVED, ROLE_NONE, name, 0, err);
}

static int apply_edit(struct editing *e, const struct wire_edit *edit,
		      struct err *err)
{
	enum role wanted = edit->op == EDIT_ADMIN ? ROLE_ADMIN : ROLE_MEMBER;
	size_t at;
	struct mem_member *m = mem_member(e->g, edit->name, &at);

	if (m == NULL && edit->op == EDIT_REMOVE)
		return err_set(err, ERR_NO_SUCH_USER,
			       "%.*s is no member of this group",
			       (int)edit->name.len, edit->name.data);
	if (m == NULL)
		return add_member(e, at, edit->name, wanted, err);
	if (edit->op == EDIT_REMOVE)
		return remove_member(e, at, edit->name, err);
	if (edit->op == EDIT_ADD || m->role == wanted)
		return 0;
	m->role = wanted;
	return note_change(e, MEMBER_ROLE, wanted, edit->name, 0, err);
}

bool mem_has_admin(const struct mem_group *g)
{
	const struct mem_member *all = g->content.members.data;

	for (size_t i = 0; i < g->content.members.count; i++) {
		if (all[i].role == ROLE_ADMIN)
			return true;
	}
	return false;
}

/* Now, or a time that is not past yet. */
static uint64_t later(uint64_t time_ms, struct store *base)
{
	uint64_t now_ms = env_now_ms(base->options.env);

	return now_ms > time_ms ? now_ms : time_ms;
}

static int apply_edits(struct editing *e, struct str edits, struct err *err)
{
	struct wire_edit edit;
	int rc = 0;

	while (rc == 0 && wire_next(&edits, &wire_schema_edit, &edit) > 0)
		rc = apply_edit(e, &edit, err);
	if (rc == 0 && !mem_has_admin(e->g))
		rc = err_set(err, ERR_LAST_ADMIN, NULL);
	if (rc == 0 && e->op->count > 0)
		e->g->content.members_ms =
			later(e->g->content.members_ms, e->base);
	return rc;
}

static int check_member_edits(const struct store_edit *op, struct err *err)
{
	struct str edits = op->edits;
	struct wire_edit edit;

	while (wire_next(&edits, &wire_schema_edit, &edit) > 0) {
		if (edit.op != EDIT_REMOVE || !str_eq(edit.name, op->by))
			return err_set(err, ERR_NOT_ADMIN, NULL);
	}
	return 0;
}

int mem_edit_members(struct store *base, struct store_edit *op, struct err *err)
{
	struct mem_group *g = mem_group(base, op->group_id);
	struct mem_member *by = g == NULL ? NULL : mem_member(g, op->by, NULL);
	struct editing e = { .base = base, .g = g, .op = op };
	struct mem_content before;
	int rc = 0;

	if (by == NULL)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (by->role != ROLE_ADMIN)
		rc = check_member_edits(op, err);
	if (rc == 0)
		rc = mem_touch(base, g, err);
	if (rc < 0)
		return rc;
	if (!mem_copy_content(&before, &g->content))
		return mem_no_memory(base, err);
	rc = apply_edits(&e, op->edits, err);
	if (rc == 0)
		rc = mem_note_changes(base, g, op->by, op->changes, op->count,
				      err);
	if (rc < 0) {
		mem_release_content(&g->content);
		g->content = before;
		free(op->changes);
		op->changes = NULL;
		op->count = 0;
		return rc;
	}
	mem_release_content(&before);
	return 0;
}

struct mem_group *mem_new_group(struct store *base, struct str name,
				struct str creator, struct str key)
{
	struct mem_db *db = mem_of(base)->db;
	struct mem_group *g = calloc(1, sizeof(*g));
	struct mem_group **slot =
		g == NULL ? NULL
			  : mem_insert(&db->groups, db->groups.count,
				       sizeof(*slot));

	if (slot == NULL) {
		free(g);
		return NULL;
	}
	*slot = g;
	g->group_id = db->groups.count;
	g->epoch = env_random_u64(base->options.env);
	g->created_ms = env_now_ms(base->options.env);
	g->content.info_ms = g->created_ms;
	g->content.members_ms = g->created_ms;
	g->content.max_members = STORE_MEMBERS_MAX;
	g->content.first_seq = 1;
	str_to_cstr(name, g->name, sizeof(g->name));
	str_to_cstr(creator, g->created_by, sizeof(g->created_by));
	if (key.len > 0)
		memcpy(g->key, key.data, key.len);
	g->key_len = key.len;
	return g;
}

int mem_create_group(struct store *base, struct store_create *op,
		     struct err *err)
{
	struct mem_group *g = mem_group_by_name(base, op->name);
	struct store_edit edit = { 0 };
	struct editing e = { .base = base, .op = &edit };
	int rc;

	if (g != NULL) {
		op->existed = op->key.len > 0 &&
			      str_eq(str_of(g->created_by), op->creator) &&
			      str_eq(str_make(g->key, g->key_len), op->key);
		if (!op->existed)
			return err_set(err, ERR_GROUP_EXISTS, NULL);
		op->group_id = g->group_id;
		return 0;
	}
	g = mem_new_group(base, op->name, op->creator, op->key);
	if (g == NULL)
		return mem_no_memory(base, err);
	e.g = g;
	if (!mem_set_text(&g->content.description, op->description) ||
	    !mem_set_text(&g->content.settings, op->settings)) {
		mem_of(base)->db->groups.count--;
		mem_free_group(g);
		return mem_no_memory(base, err);
	}
	rc = add_member(&e, 0, op->creator, ROLE_ADMIN, err);
	if (rc == 0)
		rc = apply_edits(&e, op->members, err);
	if (rc == 0)
		rc = mem_note_changes(base, g, op->creator, edit.changes,
				      edit.count, err);
	free(edit.changes);
	if (rc < 0) {
		mem_of(base)->db->groups.count--;
		mem_free_group(g);
		return rc;
	}
	op->group_id = g->group_id;
	return 0;
}

int mem_delete_group(struct store *base, uint64_t group_id, struct str by,
		     struct err *err)
{
	struct mem_group *g = mem_group(base, group_id);
	struct mem_member *m = g == NULL ? NULL : mem_member(g, by, NULL);
	int rc;

	if (m == NULL)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (m->role != ROLE_ADMIN)
		return err_set(err, ERR_NOT_ADMIN, NULL);
	rc = mem_touch(base, g, err);
	if (rc == 0)
		rc = mem_drop_media(base, g, err);
	if (rc == 0)
		rc = mem_note_all(base, g, by, MEMBER_REMOVED, err);
	if (rc == 0)
		g->content.deleted = true;
	return rc;
}

static int set_texts(struct store *base, struct mem_group *g,
		     const struct store_set_info *op, struct err *err)
{
	struct mem_content *c = &g->content;

	if (((op->set & INFO_DESCRIPTION) != 0 &&
	     !mem_set_text(&c->description, op->description)) ||
	    ((op->set & INFO_AVATAR_URL) != 0 &&
	     !mem_set_text(&c->avatar_url, op->avatar_url)) ||
	    ((op->set & INFO_SETTINGS) != 0 &&
	     !mem_set_text(&c->settings, op->settings)))
		return mem_no_memory(base, err);
	return 0;
}

int mem_set_info(struct store *base, const struct store_set_info *op,
		 struct err *err)
{
	struct mem_group *g = mem_group(base, op->group_id);
	struct mem_member *by = g == NULL ? NULL : mem_member(g, op->by, NULL);
	int rc;

	if (by == NULL)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (by->role != ROLE_ADMIN)
		return err_set(err, ERR_NOT_ADMIN, NULL);
	if ((op->set & INFO_MAX_MEMBERS) != 0 &&
	    op->max_members < g->content.members.count)
		return input_refuse_max_members(g->content.members.count, err);
	if (op->set == 0)
		return 0;
	rc = mem_touch(base, g, err);
	if (rc == 0)
		rc = set_texts(base, g, op, err);
	if (rc < 0)
		return rc;
	if ((op->set & INFO_MAX_MEMBERS) != 0)
		g->content.max_members = op->max_members;
	g->content.info_ms = later(g->content.info_ms, base);
	return 0;
}

int mem_add_user(struct store *base, struct str name, bool *added,
		 struct err *err)
{
	struct mem_user *user;
	size_t at;

	*added = !mem_find_user(base, name, &at);
	if (!*added)
		return 0;
	user = mem_insert(&mem_of(base)->db->globals.users, at, sizeof(*user));
	if (user == NULL)
		return mem_no_memory(base, err);
	str_to_cstr(name, user->name, sizeof(user->name));
	user->created_ms = env_now_ms(base->options.env);
	return 0;
}

int mem_create_token(struct store *base, struct str user,
		     const uint8_t hash[STORE_TOKEN_HASH], uint64_t expires_ms,
		     uint64_t *token_id, struct err *err)
{
	struct mem_globals *globals = &mem_of(base)->db->globals;
	struct mem_token *t;

	if (!mem_find_user(base, user, NULL))
		return err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			       (int)user.len, user.data);
	t = mem_insert(&globals->tokens, globals->tokens.count, sizeof(*t));
	if (t == NULL)
		return mem_no_memory(base, err);
	t->token_id = ++globals->last_token_id;
	t->created_ms = env_now_ms(base->options.env);
	t->expires_ms = expires_ms;
	memcpy(t->hash, hash, STORE_TOKEN_HASH);
	str_to_cstr(user, t->user, sizeof(t->user));
	*token_id = t->token_id;
	return 0;
}

int mem_revoke_token(struct store *base, uint64_t token_id, struct str owner,
		     uint8_t hash_out[STORE_TOKEN_HASH], struct err *err)
{
	struct mem_array *tokens = &mem_of(base)->db->globals.tokens;
	struct mem_token *all = tokens->data;

	for (size_t i = 0; i < tokens->count; i++) {
		if (all[i].token_id != token_id)
			continue;
		if (owner.len > 0 && !str_eq(owner, str_of(all[i].user)))
			break;
		memcpy(hash_out, all[i].hash, STORE_TOKEN_HASH);
		mem_remove(tokens, i, sizeof(all[0]));
		return 0;
	}
	return err_set(err, ERR_BAD_REQUEST, "There is no token %" PRIu64,
		       token_id);
}
