/* SPDX-License-Identifier: MIT */
/* The users that a request brings: asked for on a reader, and added on a lane,
 * in the request's transaction. */
#include <stdlib.h>

#include "daemon/auth.h"
#include "daemon/handlers.h"

int request_names_init(struct request *r, struct request_names *n, size_t max)
{
	n->names = calloc(max + 1, sizeof(*n->names));
	n->found = calloc(max + 1, sizeof(*n->found));
	n->count = 0;
	return n->names == NULL || n->found == NULL ? request_no_memory(r) : 0;
}

int request_names_find(struct request *r, struct store *store,
		       struct request_names *n)
{
	return store_find_users(store, n->names, n->count, n->found, &r->err);
}

void request_names_release(struct request_names *n)
{
	free(n->names);
	free(n->found);
}

/* Notes a user to be added with the transaction: who is not stored yet but
 * has a local account. Others (false) are refused by the verb, which names
 * them. */
static bool note_user(struct request *r, struct str user, bool found)
{
	const struct wire_name record = { .name = user };

	if (found)
		return true;
	if (!auth_has_account(user))
		return false;
	wire_put(&r->extra, &wire_schema_name, &record);
	return true;
}

static size_t count_edits(struct str edits)
{
	struct wire_edit edit;
	size_t count = 0;

	while (wire_next(&edits, &wire_schema_edit, &edit) > 0)
		count++;
	return count;
}

int request_prepare_edits(struct request *r, struct store *store,
			  struct str edits)
{
	struct request_names n;
	struct wire_edit edit;
	bool known = true;
	int more = 0;
	int rc = request_names_init(r, &n, count_edits(edits));

	while (rc == 0 &&
	       (more = wire_next(&edits, &wire_schema_edit, &edit)) > 0) {
		if (edit.op != EDIT_REMOVE)
			n.names[n.count++] = edit.name;
	}
	if (rc == 0 && more < 0)
		rc = err_set(&r->err, ERR_BAD_REQUEST,
			     "The list of members cannot be decoded");
	if (rc == 0)
		rc = request_names_find(r, store, &n);
	/* Behind one who is unknown all will be refused: passwd is not asked
	 * for the rest, which takes long where there are many. */
	for (size_t i = 0; rc == 0 && known && i < n.count; i++)
		known = note_user(r, n.names[i], n.found[i]);
	request_names_release(&n);
	return rc == 0 && r->extra.failed ? request_no_memory(r) : rc;
}

int request_prepare_user(struct request *r, struct store *store,
			 struct str user)
{
	bool found;
	int rc = store_find_user(store, user, &found, &r->err);

	if (rc == 0)
		(void)note_user(r, user, found);
	return rc == 0 && r->extra.failed ? request_no_memory(r) : rc;
}

static int compare_names(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static size_t count_names(struct str records)
{
	struct wire_name name;
	size_t count = 0;

	while (wire_next(&records, &wire_schema_name, &name) > 0)
		count++;
	return count;
}

/* By their names, as all nodes do: two that add the same ones at once would
 * else each wait for the other. */
int request_add_users(struct request *r, struct store *store)
{
	struct str records = buf_str(&r->extra);
	size_t count = count_names(records);
	struct wire_name name;
	struct str *names;
	uint64_t added;
	size_t n = 0;
	int rc;

	if (count == 0)
		return 0;
	names = calloc(count, sizeof(*names));
	if (names == NULL)
		return request_no_memory(r);
	while (n < count && wire_next(&records, &wire_schema_name, &name) > 0)
		names[n++] = name.name;
	qsort(names, n, sizeof(*names), compare_names);
	rc = store_add_users(store, names, n, &added, &r->err);
	free(names);
	return rc;
}
