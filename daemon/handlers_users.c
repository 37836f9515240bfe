/* SPDX-License-Identifier: MIT */
/* The users that a request brings; on a lane, in the request's transaction. */
#include <stdlib.h>
#include <string.h>

#include "daemon/handlers.h"

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
	bool added;
	size_t n = 0;
	int rc = 0;

	if (count == 0)
		return 0;
	names = calloc(count, sizeof(*names));
	if (names == NULL)
		return request_no_memory(r);
	while (n < count && wire_next(&records, &wire_schema_name, &name) > 0)
		names[n++] = name.name;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = store_add_user(store, names[i], &added, &r->err);
	free(names);
	return rc;
}
