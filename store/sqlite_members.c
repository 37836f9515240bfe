/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/input.h"

/* One edit of a group's members under way. */
struct editing {
	struct sqlite_store *s;
	struct store_edit *op;
	uint64_t group_id;
	uint64_t member_count;
	uint64_t max_members;
	uint64_t last_seq;
	uint64_t first_seq;
	uint64_t now_ms;
	size_t capacity; /* of op->changes */
	bool lost_admin; /* one was removed or demoted */
	struct str lost; /* the last such one */
};

static int user_exists(struct sqlite_store *s, struct str name, bool *found,
		       struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_USER);
	int rc;

	sq_bind_text(st, 1, name);
	rc = sq_step(s, st, err);
	*found = rc > 0;
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

static int check_user(struct sqlite_store *s, struct str name, struct err *err)
{
	bool found;
	int rc = user_exists(s, name, &found, err);

	if (rc == 0 && !found)
		rc = err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			     (int)name.len, name.data);
	return rc;
}

static int note_change(struct editing *e, enum member_change change,
		       enum role role, struct str name, uint64_t last_read_seq,
		       struct err *err)
{
	struct store_change *c;

	if (e->op->count == e->capacity) {
		size_t capacity = e->capacity == 0 ? 8 : e->capacity * 2;
		void *grown = realloc(e->op->changes, capacity * sizeof(*c));

		if (grown == NULL)
			return sq_no_memory(e->s, err);
		e->op->changes = grown;
		e->capacity = capacity;
	}
	c = &e->op->changes[e->op->count++];
	c->change = change;
	c->role = role;
	c->last_read_seq = last_read_seq;
	str_to_cstr(name, c->user, sizeof(c->user));
	return 0;
}

/* The new one finds the last messages unread. */
static uint64_t first_pointer(const struct editing *e)
{
	uint64_t seq =
		e->last_seq > STORE_HISTORY ? e->last_seq - STORE_HISTORY : 0;

	return seq + 1 < e->first_seq ? e->first_seq - 1 : seq;
}

static int add_member(struct editing *e, struct str name, enum role role,
		      struct err *err)
{
	uint64_t pointer = first_pointer(e);
	sqlite3_stmt *st;
	int rc = check_user(e->s, name, err);

	if (rc < 0)
		return rc;
	if (e->member_count >= e->max_members)
		return err_set(err, ERR_GROUP_FULL,
			       "This group is full: %.*s cannot be added",
			       (int)name.len, name.data);
	st = sq_change(e->s, SQ_INSERT_MEMBER, e->group_id);
	sq_bind(st, 1, e->group_id);
	sq_bind_text(st, 2, name);
	sq_bind(st, 3, role);
	sq_bind(st, 4, e->now_ms);
	sq_bind(st, 5, e->last_seq);
	sq_bind(st, 6, pointer);
	rc = sq_run(e->s, st, err);
	if (rc < 0)
		return rc;
	e->member_count++;
	return note_change(e, MEMBER_ADDED, role, name, pointer, err);
}

static int remove_member(struct editing *e, struct str name, enum role role,
			 struct err *err)
{
	sqlite3_stmt *st = sq_change(e->s, SQ_DELETE_MEMBER, e->group_id);
	int rc;

	sq_bind(st, 1, e->group_id);
	sq_bind_text(st, 2, name);
	rc = sq_run(e->s, st, err);
	if (rc < 0)
		return rc;
	st = sq_use(e->s, SQ_FORGET_MENTIONS);
	sq_bind_text(st, 1, name);
	sq_bind(st, 2, e->group_id);
	rc = sq_run(e->s, st, err);
	if (rc < 0)
		return rc;
	e->member_count--;
	if (role == ROLE_ADMIN) {
		e->lost_admin = true;
		e->lost = name;
	}
	return note_change(e, MEMBER_REMOVED, ROLE_NONE, name, 0, err);
}

static int change_role(struct editing *e, struct str name, enum role role,
		       struct err *err)
{
	sqlite3_stmt *st = sq_change(e->s, SQ_SET_ROLE, e->group_id);
	int rc;

	sq_bind(st, 1, e->group_id);
	sq_bind_text(st, 2, name);
	sq_bind(st, 3, role);
	rc = sq_run(e->s, st, err);
	if (rc < 0)
		return rc;
	if (role == ROLE_MEMBER) {
		e->lost_admin = true;
		e->lost = name;
	}
	return note_change(e, MEMBER_ROLE, role, name, 0, err);
}

static int apply_edit(struct editing *e, const struct wire_edit *edit,
		      struct err *err)
{
	enum role role;
	enum role wanted = edit->op == EDIT_ADMIN ? ROLE_ADMIN : ROLE_MEMBER;
	int rc = sq_role(e->s, e->group_id, edit->name, &role, err);

	if (rc < 0)
		return rc;
	if (edit->op == EDIT_REMOVE && role == ROLE_NONE)
		return err_set(err, ERR_NO_SUCH_USER,
			       "%.*s is no member of this group",
			       (int)edit->name.len, edit->name.data);
	if (edit->op == EDIT_REMOVE)
		return remove_member(e, edit->name, role, err);
	if (role == ROLE_NONE)
		return add_member(e, edit->name, wanted, err);
	if (edit->op == EDIT_ADD || role == wanted)
		return 0;
	return change_role(e, edit->name, wanted, err);
}

static int set_member_count(struct editing *e, struct err *err)
{
	sqlite3_stmt *st = sq_change(e->s, SQ_MEMBER_COUNT, e->group_id);

	sq_bind(st, 1, e->group_id);
	sq_bind(st, 2, e->member_count);
	sq_bind(st, 3, e->now_ms);
	return sq_run(e->s, st, err);
}

/* Only where an admin was lost. */
static int check_an_admin_is_left(struct editing *e, struct err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (!e->lost_admin)
		return 0;
	st = sq_use(e->s, SQ_AN_ADMIN);
	sq_bind(st, 1, e->group_id);
	rc = sq_step(e->s, st, err);
	sqlite3_reset(st);
	if (rc == 0)
		return err_set(err, ERR_LAST_ADMIN,
			       "%.*s is the last admin and can neither leave "
			       "nor be demoted",
			       (int)e->lost.len, e->lost.data);
	return rc < 0 ? rc : 0;
}

static int apply_edits(struct editing *e, struct str edits, struct err *err)
{
	struct wire_edit edit;
	int rc = 0;

	while (rc == 0 && wire_next(&edits, &wire_schema_edit, &edit) > 0)
		rc = apply_edit(e, &edit, err);
	if (rc == 0)
		rc = check_an_admin_is_left(e, err);
	if (rc == 0 && e->op->count > 0)
		rc = set_member_count(e, err);
	return rc;
}

/* A member may remove himself, and nothing else. */
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

int sq_edit_members(struct store *base, struct store_edit *op, struct err *err)
{
	struct editing e = { .s = sq_of(base),
			     .op = op,
			     .group_id = op->group_id };
	struct sq_member m;
	int rc = sq_find_member(e.s, op->group_id, op->by, &m, err);

	if (rc == 0 && m.role != ROLE_ADMIN)
		rc = check_member_edits(op, err);
	if (rc < 0)
		return rc;
	e.member_count = m.member_count;
	e.max_members = m.max_members;
	e.last_seq = m.tail.seq;
	e.first_seq = m.first_seq;
	e.now_ms = env_now_ms(base->options.env);
	rc = sq_save(e.s, err);
	if (rc == 0)
		rc = sq_end_save(e.s, apply_edits(&e, op->edits, err), err);
	if (rc < 0) {
		free(op->changes);
		op->changes = NULL;
		op->count = 0;
	}
	return rc;
}

/* 1: it is there and was made by the same request. */
static int find_created(struct sqlite_store *s, struct store_create *op,
			struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_GROUP_BY_NAME);
	bool same;
	int rc;

	sq_bind_text(st, 1, op->name);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	same = op->key.len > 0 && str_eq(sq_column_str(st, 1), op->creator) &&
	       str_eq(sq_column_str(st, 2), op->key);
	op->group_id = same ? sq_column(st, 0) : 0;
	sqlite3_reset(st);
	op->existed = same;
	return same ? 1 : err_set(err, ERR_GROUP_EXISTS, NULL);
}

static int insert_group(struct sqlite_store *s, struct store_create *op,
			uint64_t now_ms, struct err *err)
{
	sqlite3_stmt *st = sq_change(s, SQ_INSERT_GROUP, 0);
	int rc;

	sq_bind_text(st, 1, op->name);
	sq_bind(st, 2, env_random_u64(s->base.options.env));
	sq_bind_text(st, 3, op->creator);
	sq_bind_bytes(st, 4, op->key);
	sq_bind(st, 5, now_ms);
	sq_bind_text(st, 6, op->description);
	sq_bind_text(st, 7, op->settings);
	sq_bind(st, 8, STORE_MEMBERS_MAX);
	sq_bind_keep(st, 9, op->settings);
	rc = sq_run(s, st, err);
	if (rc < 0)
		return rc;
	op->group_id = (uint64_t)sqlite3_last_insert_rowid(s->db);
	if (op->group_id > SQ_GROUP_MAX)
		return err_set(err, ERR_OUT_OF_SPACE,
			       "The store has used up all group numbers");
	return 0;
}

static int create_members(struct sqlite_store *s, struct store_create *op,
			  uint64_t now_ms, struct err *err)
{
	struct store_edit edit = { .group_id = op->group_id };
	struct editing e = { .s = s,
			     .op = &edit,
			     .group_id = op->group_id,
			     .max_members = STORE_MEMBERS_MAX,
			     .first_seq = 1,
			     .now_ms = now_ms };
	int rc = add_member(&e, op->creator, ROLE_ADMIN, err);

	if (rc == 0)
		rc = apply_edits(&e, op->members, err);
	free(edit.changes);
	return rc;
}

int sq_create_group(struct store *base, struct store_create *op,
		    struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	uint64_t now_ms = env_now_ms(base->options.env);
	int rc = find_created(s, op, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = sq_save(s, err);
	if (rc < 0)
		return rc;
	rc = insert_group(s, op, now_ms, err);
	if (rc == 0)
		rc = create_members(s, op, now_ms, err);
	rc = sq_end_save(s, rc, err);
	if (rc < 0)
		op->group_id = 0;
	return rc;
}

int sq_delete_group(struct store *base, uint64_t group_id, struct str by,
		    struct err *err)
{
	/* Members last: the mentions are found through them. */
	static const enum sq_statement of_group[] = {
		SQ_DELETE_EVERYONE,  SQ_DELETE_DEDUPE_0, SQ_DELETE_DEDUPE_1,
		SQ_GARBAGE_OF_GROUP, SQ_DELETE_MEDIA,	 SQ_DELETE_MENTIONS,
		SQ_DELETE_MEMBERS,   SQ_DELETE_GROUP
	};
	struct sqlite_store *s = sq_of(base);
	struct sq_member m;
	sqlite3_stmt *st;
	int rc = sq_find_member(s, group_id, by, &m, err);

	if (rc < 0)
		return rc;
	if (m.role != ROLE_ADMIN)
		return err_set(err, ERR_NOT_ADMIN, NULL);
	st = sq_use(s, SQ_DELETE_MESSAGES);
	sq_bind(st, 1, sq_id(group_id, 0));
	sq_bind(st, 2, sq_id(group_id, SQ_SEQ_MAX));
	rc = sq_run(s, st, err);
	for (size_t i = 0;
	     rc == 0 && i < sizeof(of_group) / sizeof(of_group[0]); i++) {
		st = sq_change(s, of_group[i], group_id);
		sq_bind(st, 1, group_id);
		rc = sq_run(s, st, err);
	}
	return rc;
}

/* Moves the strs of out from a row into s->held. */
static int hold_info(struct sqlite_store *s, struct wire_info *out,
		     struct err *err)
{
	struct str *const strs[] = { &out->name, &out->description,
				     &out->avatar_url, &out->created_by,
				     &out->settings };

	return sq_hold(s, strs, sizeof(strs) / sizeof(strs[0]), err);
}

int sq_get_info(struct store *base, uint64_t group_id, struct str user,
		struct wire_info *out, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_INFO);
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	sq_bind(st, 1, group_id);
	sq_bind_text(st, 2, user);
	rc = sq_step(s, st, err);
	if (rc < 0)
		return rc;
	if (rc == 0 ||
	    (user.len > 0 && sqlite3_column_type(st, 10) == SQLITE_NULL)) {
		sqlite3_reset(st);
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	}
	*out = (struct wire_info){ .group_id = sq_column(st, 0),
				   .name = sq_column_str(st, 1),
				   .description = sq_column_str(st, 2),
				   .avatar_url = sq_column_str(st, 3),
				   .created_by = sq_column_str(st, 4),
				   .created_ms = sq_column(st, 5),
				   .info_ms = sq_column(st, 6),
				   .max_members = sq_column(st, 7),
				   .first_off = sq_column(st, 8),
				   .settings = sq_column_str(st, 9) };
	rc = hold_info(s, out, err);
	sqlite3_reset(st);
	return rc;
}

/* SQ_SET_INFO spells them out. */
_Static_assert(INFO_DESCRIPTION == 1 && INFO_AVATAR_URL == 2 &&
		       INFO_SETTINGS == 4 && INFO_MAX_MEMBERS == 8,
	       "what the statement tests");

int sq_set_info(struct store *base, const struct store_set_info *op,
		struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct sq_member m;
	sqlite3_stmt *st;
	int rc = sq_find_member(s, op->group_id, op->by, &m, err);

	if (rc < 0)
		return rc;
	if (m.role != ROLE_ADMIN)
		return err_set(err, ERR_NOT_ADMIN, NULL);
	if ((op->set & INFO_MAX_MEMBERS) != 0 &&
	    op->max_members < m.member_count)
		return input_refuse_max_members(m.member_count, err);
	if (op->set == 0)
		return 0;
	st = sq_change(s, SQ_SET_INFO, op->group_id);
	sq_bind(st, 1, op->group_id);
	sq_bind(st, 2, op->set);
	sq_bind_text(st, 3, op->description);
	sq_bind_text(st, 4, op->avatar_url);
	sq_bind_text(st, 5, op->settings);
	sq_bind(st, 6, op->max_members);
	sq_bind(st, 7, env_now_ms(base->options.env));
	sq_bind_keep(st, 8, op->settings);
	return sq_run(s, st, err);
}

static int export_members(struct sqlite_store *s, uint64_t group_id,
			  struct str after, store_port_member_fn fn, void *data,
			  struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_MEMBERS);
	int rc;

	sq_bind(st, 1, group_id);
	sq_bind_after(st, 2, after);
	while ((rc = sq_step(s, st, err)) > 0) {
		struct wire_port_member m = { .name = sq_column_str(st, 0),
					      .role = sq_column(st, 1),
					      .joined_ms = sq_column(st, 2),
					      .joined_seq = sq_column(st, 3),
					      .last_read_seq =
						      sq_column(st, 4) };

		rc = sq_pointer(s, group_id, m.name, m.joined_seq,
				&m.last_read_seq, err);
		if (rc == 0)
			rc = fn(data, &m);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_export_members(struct store *base, uint64_t group_id, struct str after,
		      store_port_member_fn fn, void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return 0;
	rc = sq_view_enter(s, err);
	if (rc < 0)
		return rc;
	rc = export_members(s, group_id, after, fn, data, err);
	sq_view_leave(s);
	return rc;
}

int sq_role_op(struct store *base, uint64_t group_id, struct str user,
	       enum role *role, struct err *err)
{
	return sq_role(sq_of(base), group_id, user, role, err);
}

int sq_find_user(struct store *base, struct str name, bool *found,
		 struct err *err)
{
	return user_exists(sq_of(base), name, found, err);
}
