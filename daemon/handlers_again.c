/* SPDX-License-Identifier: MIT */
/*
 * Edits of members that were sent before, over a connection that was lost or
 * to a store whose answer was. They may have been carried out, and what they
 * ask for is a refusal then: who was removed is no member, who left may not
 * even ask. So what is as they want it is done.
 */
#include "daemon/handlers.h"

#include <stdlib.h>

/* Somebody whom the edits name, and what the last of these makes of him. */
struct named {
	struct str name;
	size_t at;
	enum edit_op op;
	bool done;
};

struct again {
	struct named *all; /* owned; by name */
	size_t count;
	struct buf left; /* edits that are not done */
	uint64_t done;
};

static int compare_names(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;

	return str_compare(x->name, y->name);
}

static int compare(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;
	int rc = compare_names(a, b);

	return rc != 0 ? rc : (x->at > y->at) - (x->at < y->at);
}

static const struct named *find(const struct again *again, struct str name)
{
	const struct named key = { .name = name };

	return bsearch(&key, again->all, again->count, sizeof(key),
		       compare_names);
}

static bool gather(struct again *again, struct str edits)
{
	struct str list = edits;
	struct wire_edit edit;
	size_t count = 0;

	while (wire_next(&list, &wire_schema_edit, &edit) > 0)
		count++;
	again->all = calloc(count + 1, sizeof(*again->all));
	if (again->all == NULL)
		return false;
	for (size_t i = 0; wire_next(&edits, &wire_schema_edit, &edit) > 0; i++)
		again->all[i] = (struct named){ .name = edit.name,
						.at = i,
						.op = (enum edit_op)edit.op };
	qsort(again->all, count, sizeof(again->all[0]), compare);
	for (size_t i = 0; i < count; i++) {
		if (i + 1 == count ||
		    compare_names(&again->all[i], &again->all[i + 1]) != 0)
			again->all[again->count++] = again->all[i];
	}
	return true;
}

static bool is_done(enum edit_op op, enum role role)
{
	switch (op) {
	case EDIT_REMOVE:
		return role == ROLE_NONE;
	case EDIT_ADMIN:
		return role == ROLE_ADMIN;
	case EDIT_MEMBER:
		return role == ROLE_MEMBER;
	default:
		return role != ROLE_NONE;
	}
}

/* Those of whom all that was asked for holds are left out. */
static int look(struct request *r, struct store *store, struct again *again)
{
	const struct wire_body_edit_members *body = &r->body.edit_members;
	struct str edits = body->edits;
	struct wire_edit edit;
	enum role role;

	if (!gather(again, edits))
		return request_no_memory(r);
	for (size_t i = 0; i < again->count; i++) {
		struct named *named = &again->all[i];
		int rc = store_role(store, body->group_id, named->name, &role,
				    &r->err);

		if (rc < 0)
			return rc;
		named->done = is_done(named->op, role);
	}
	while (wire_next(&edits, &wire_schema_edit, &edit) > 0) {
		if (find(again, edit.name)->done)
			again->done++;
		else
			wire_put(&again->left, &wire_schema_edit, &edit);
	}
	return again->left.failed ? request_no_memory(r) : 0;
}

/* He is out. Where that is what he asked for, all of it was done: edits are
 * carried out together. Of the others he is told nothing any more. */
static int judge_leaving(struct request *r, uint64_t *done)
{
	struct str edits = r->body.edit_members.edits;
	struct wire_edit edit;
	bool left = false;

	while (wire_next(&edits, &wire_schema_edit, &edit) > 0) {
		left = left || (edit.op == EDIT_REMOVE &&
				str_eq(edit.name, request_user(r)));
		(*done)++;
	}
	return left ? 0 : err_set(&r->err, ERR_NO_SUCH_GROUP, NULL);
}

/* Carries out what is left, if that differs from what was refused. */
static int finish(struct request *r, struct store *store, struct store_edit *op,
		  const struct again *again, const struct err *refusal)
{
	if (again->done == 0) {
		r->err = *refusal;
		return err_rc(refusal);
	}
	if (again->left.len == 0)
		return 0;
	op->edits = buf_str(&again->left);
	return store_edit_members(store, op, &r->err);
}

static bool may_be_done(const struct err *err)
{
	return err->code == ERR_NO_SUCH_USER || err->code == ERR_NOT_ADMIN ||
	       err->code == ERR_NO_SUCH_GROUP;
}

int request_edit_again(struct request *r, struct store *store,
		       struct store_edit *op, uint64_t *done)
{
	const struct err refusal = r->err;
	struct again again = { .done = 0 };
	enum role role;
	int rc;

	*done = 0;
	if (!r->resent || !may_be_done(&refusal))
		return err_rc(&refusal);
	r->err.code = ERR_NONE;
	rc = store_role(store, op->group_id, request_user(r), &role, &r->err);
	if (rc == 0 && role == ROLE_NONE)
		return judge_leaving(r, done);
	if (rc == 0)
		rc = look(r, store, &again);
	if (rc == 0)
		rc = finish(r, store, op, &again, &refusal);
	*done = again.done;
	free(again.all);
	buf_release(&again.left);
	return rc;
}
