/* SPDX-License-Identifier: MIT */
/* The verbs on the store as a whole: what depends on no back end. */
#include <assert.h>
#include <string.h>

#include "store/backend.h"

static const char sqlite[] = "sqlite:";

int store_count_all(struct store *s, struct store_totals *out, struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct store_totals){ 0 };
	return rc < 0 ? rc : s->ops->count_all(s, out, err);
}

int store_list_contents(struct store *s, store_content_fn fn, void *data,
			struct err *err)
{
	int rc = store_check_alive(s, err);

	return rc < 0 ? rc : s->ops->list_contents(s, fn, data, err);
}

int store_identity(struct store *s, uint64_t *identity, struct err *err)
{
	int rc = store_check_alive(s, err);

	*identity = 0;
	return rc < 0 ? rc : s->ops->identity(s, identity, err);
}

int store_copy(struct store *s, const struct store_copy *copy, struct err *err)
{
	int rc = store_check_alive(s, err);

	assert(s->in_snapshot);
	return rc < 0 ? rc : s->ops->copy(s, copy, err);
}

int store_renew(struct store *s, struct err *err)
{
	int rc = store_check_writer(s, err);

	return rc < 0 ? rc : s->ops->renew(s, err);
}

int store_file(const char *url, struct buf *path, struct err *err)
{
	if (strncmp(url, sqlite, sizeof(sqlite) - 1) != 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "Nodes share this store, and it lies in no "
			       "file here: see groupd-cluster(7)");
	buf_append_str(path, str_of(url + sizeof(sqlite) - 1));
	return path->failed ? err_set(err, ERR_UNAVAILABLE,
				      "groupd is out of memory")
			    : 0;
}

int store_exchange(const char *url, const char *fresh, const char *kept,
		   struct err *err)
{
	struct buf path = { 0 };
	int rc = store_file(url, &path, err);

	if (rc == 0)
		rc = sqlite_store_exchange(buf_cstr(&path), fresh, kept, err);
	buf_release(&path);
	return rc;
}
