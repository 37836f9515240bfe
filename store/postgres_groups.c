/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <assert.h>
#include <stdlib.h>

#include "store/import.h"

int pg_refuse(enum pg_status status, struct str name, struct err *err)
{
	int len = (int)name.len;

	switch (status) {
	case PG_NOT_ADMIN:
		return err_set(err, ERR_NOT_ADMIN, NULL);
	case PG_NO_USER:
		return err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			       len, name.data);
	case PG_NO_MEMBER:
		return err_set(err, ERR_NO_SUCH_USER,
			       "%.*s is no member of this group", len,
			       name.data);
	case PG_FULL:
		return err_set(err, ERR_GROUP_FULL,
			       "This group is full: %.*s cannot be added", len,
			       name.data);
	case PG_LAST_ADMIN:
		return err_set(err, ERR_LAST_ADMIN,
			       "%.*s is the last admin and can neither leave "
			       "nor be demoted",
			       len, name.data);
	case PG_EXISTS:
		return err_set(err, ERR_GROUP_EXISTS, NULL);
	default:
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	}
}

/* The refusal that a function answered with in columns 0 and 1, if any. */
static int check_status(const PGresult *r, struct err *err)
{
	uint64_t status = pg_column(r, 0, 0);

	if (status == PG_OK)
		return 0;
	return pg_refuse((enum pg_status)status, pg_column_str(r, 0, 1), err);
}

/* The edits as two arrays, which the handle keeps. */
static int add_edits(struct postgres_store *s, struct pg_call *c,
		     struct str edits, struct err *err)
{
	struct pg_array *ops = &s->items[0];
	struct pg_array *names = &s->items[1];
	struct wire_edit edit;

	pg_array_begin(ops, PG_TYPE_BIGINT);
	pg_array_begin(names, PG_TYPE_TEXT);
	while (wire_next(&edits, &wire_schema_edit, &edit) > 0) {
		pg_array_add(ops, edit.op);
		pg_array_add_str(names, edit.name);
	}
	pg_add_array(c, ops);
	pg_add_array(c, names);
	return ops->buf.failed || names->buf.failed ? pg_no_memory(s, err) : 0;
}

static int take_change(void *data, const struct store_member_change *in)
{
	struct store_edit *op = data;
	size_t n = op->count;
	struct store_change *c;

	/* By doubling, from 8 on. */
	if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
		void *grown =
			realloc(op->changes, (n == 0 ? 8 : n * 2) * sizeof(*c));

		if (grown == NULL)
			return -ENOMEM;
		op->changes = grown;
	}
	c = &op->changes[op->count++];
	c->change = in->change;
	c->role = in->role;
	c->last_read_seq = in->last_read_seq;
	str_to_cstr(in->user, c->user, sizeof(c->user));
	return 0;
}

/* What was changed is what was noted behind a version. */
static int take_changes(struct store *base, struct store_edit *op,
			uint64_t version, struct err *err)
{
	int rc = pg_list_changes(base, op->group_id, version, take_change, op,
				 err);

	if (rc == -ENOMEM)
		rc = pg_no_memory(pg_of(base), err);
	if (rc < 0) {
		free(op->changes);
		op->changes = NULL;
		op->count = 0;
	}
	return rc;
}

int pg_edit_members(struct store *base, struct store_edit *op, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r = NULL;
	uint64_t version = 0;
	int rc;

	if (op->group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	pg_use(&c, PG_EDIT_MEMBERS);
	pg_add(&c, op->group_id);
	pg_add_text(&c, op->by);
	rc = add_edits(s, &c, op->edits, err);
	pg_add(&c, env_now_ms(base->options.env));
	if (rc == 0)
		rc = pg_run(s, &c, &r, err);
	if (rc >= 0) {
		rc = check_status(r, err);
		version = pg_column(r, 0, 2);
	}
	PQclear(r);
	return rc < 0 ? rc : take_changes(base, op, version, err);
}

int pg_create_group(struct store *base, struct store_create *op,
		    struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r = NULL;
	int rc;

	pg_use(&c, PG_CREATE_GROUP);
	pg_add_text(&c, op->name);
	pg_add_text(&c, op->creator);
	pg_add_bytes(&c, op->key);
	pg_add_bytes(&c, op->description);
	pg_add_bytes(&c, op->settings);
	pg_add(&c, env_random_u64(base->options.env));
	pg_add(&c, STORE_MEMBERS_MAX);
	rc = add_edits(s, &c, op->members, err);
	pg_add(&c, env_now_ms(base->options.env));
	if (rc == 0)
		rc = pg_run(s, &c, &r, err);
	if (rc >= 0)
		rc = check_status(r, err);
	if (rc == 0) {
		op->group_id = pg_column(r, 0, 2);
		op->existed = pg_column(r, 0, 3) != 0;
	}
	PQclear(r);
	if (rc < 0 || op->existed || op->settings.len == 0)
		return rc;
	return pg_set_keep(s, op->group_id, op->settings, err);
}

int pg_delete_group(struct store *base, uint64_t group_id, struct str by,
		    struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc;

	if (group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	pg_use(&c, PG_DELETE_GROUP);
	pg_add(&c, group_id);
	pg_add_text(&c, by);
	pg_add(&c, env_now_ms(base->options.env));
	pg_add(&c, IMPORT_DROP_FEW);
	pg_add(&c, pg_owner(s));
	rc = pg_run(s, &c, &r, err);
	if (rc >= 0) {
		uint64_t status = pg_column(r, 0, 0);

		rc = status == PG_OK ? pg_column(r, 0, 1) != 0
				     : pg_refuse((enum pg_status)status,
						 str_of(""), err);
	}
	PQclear(r);
	return rc;
}
