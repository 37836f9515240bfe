/* SPDX-License-Identifier: MIT */
/* The users that a request brings: asked for on a reader, and added on a lane,
 * in the request's transaction. */
#include <stdlib.h>
#include <string.h>

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

static int compare_names(const void *a, const void *b)
{
	const struct str *x = a;
	const struct str *y = b;
	int rc = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	if (rc != 0)
		return rc;
	return (x->len > y->len) - (x->len < y->len);
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
