/* SPDX-License-Identifier: MIT */
/* The verbs on the store as a whole: what depends on no back end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"

static const char sqlite[] = "sqlite:";

int store_tend(struct store *s, struct store_tend *op, struct err *err)
{
	int rc = store_check_alive(s, err);

	assert(!s->in_transaction && !s->in_snapshot);
	op->wait_ms = UINT64_MAX;
	if (rc == 0 && s->options.read_only)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "This handle of the store only reads");
	if (rc < 0 || s->ops->tend == NULL)
		return rc;
	return s->ops->tend(s, op, err);
}

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

void store_show(struct buf *out, const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *query = strchr(url, '?');
	const char *end = url + strlen(url);
	const char *at = NULL;
	const char *colon;

	if (scheme == NULL) {
		buf_append_str(out, str_of(url));
		return;
	}
	scheme += strlen("://");
	if (query != NULL && strstr(query, "password") != NULL)
		end = query;
	/* A password may have any of these in it, but for the last one. */
	for (const char *p = scheme; p < end; p++) {
		if (*p == '@')
			at = p;
	}
	buf_append(out, url, (size_t)(scheme - url));
	if (at != NULL) {
		colon = memchr(scheme, ':', (size_t)(at - scheme));
		buf_append(out, scheme,
			   (size_t)((colon != NULL ? colon : at) - scheme));
		scheme = at;
	}
	buf_append(out, scheme, (size_t)(end - scheme));
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

/* The folder of a path, and that of what it leads to as a link. */
static void tell_folder(const struct store_needs *needs, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf folder = { 0 };

	if (slash == NULL)
		buf_append_str(&folder, str_of("."));
	else
		buf_append(&folder, path, (size_t)(slash - path) + 1);
	if (!folder.failed)
		needs->folder(needs->data, buf_cstr(&folder));
	buf_release(&folder);
}

bool store_needs(const char *url, const struct store_needs *needs)
{
	const char *path = url + sizeof(sqlite) - 1;
	char *real;

	if (strncmp(url, "postgres", strlen("postgres")) == 0)
		return postgres_store_needs(url, needs);
	if (strncmp(url, sqlite, sizeof(sqlite) - 1) != 0)
		return true;
	tell_folder(needs, path);
	real = realpath(path, NULL);
	if (real != NULL)
		tell_folder(needs, real);
	free(real);
	return true;
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
