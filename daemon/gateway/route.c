/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/route.h"

#include <assert.h>
#include <errno.h>

#include "daemon/gateway/query.h"

/* Takes "/segment" off the path; false when it is empty or malformed. */
static bool next_segment(struct str *path, struct str *segment)
{
	const char *end;

	if (path->len == 0 || path->data[0] != '/')
		return false;
	segment->data = path->data + 1;
	segment->len = path->len - 1;
	end = segment->len == 0 ? NULL
				: memchr(segment->data, '/', segment->len);
	if (end != NULL)
		segment->len = (size_t)(end - segment->data);
	path->data += 1 + segment->len;
	path->len -= 1 + segment->len;
	return true;
}

static void clear_parts(struct route_match *m)
{
	for (size_t i = 0; i < ROUTE_PARTS; i++)
		buf_clear(&m->part[i]);
}

static bool matches(const char *pattern, struct str path, struct route_match *m)
{
	struct str want = str_of(pattern);
	struct str a, b;
	size_t parts = 0;

	clear_parts(m);
	while (next_segment(&want, &a)) {
		if (!next_segment(&path, &b))
			return false;
		if (!str_eq(a, str_of("*"))) {
			if (!str_eq(a, b))
				return false;
			continue;
		}
		assert(parts < ROUTE_PARTS);
		if (b.len == 0 || query_decode(&m->part[parts++], b) < 0)
			return false;
	}
	return path.len == 0;
}

int route_find(const struct route *table, unsigned int method, struct str path,
	       struct route_match *m)
{
	for (const struct route *r = table; r->handle != NULL; r++) {
		if (!matches(r->pattern, path, m))
			continue;
		m->allowed |= (unsigned int)r->method;
		if ((unsigned int)r->method != method)
			continue;
		m->route = r;
		return 0;
	}
	return m->allowed != 0 ? -ENOTSUP : -ENOENT;
}

void route_match_release(struct route_match *m)
{
	for (size_t i = 0; i < ROUTE_PARTS; i++)
		buf_release(&m->part[i]);
}

void route_put_allowed(struct buf *b, unsigned int methods)
{
	static const struct {
		enum http_method method;
		const char *name;
	} names[] = { { HTTP_GET, "GET" },	  { HTTP_POST, "POST" },
		      { HTTP_PUT, "PUT" },	  { HTTP_PATCH, "PATCH" },
		      { HTTP_DELETE, "DELETE" },  { HTTP_HEAD, "HEAD" },
		      { HTTP_OPTIONS, "OPTIONS" } };
	const char *sep = "";

	methods |= HTTP_OPTIONS;
	if ((methods & HTTP_GET) != 0)
		methods |= HTTP_HEAD;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((methods & (unsigned int)names[i].method) == 0)
			continue;
		buf_append_str(b, str_of(sep));
		buf_append_str(b, str_of(names[i].name));
		sep = ", ";
	}
}
