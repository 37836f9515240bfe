/* SPDX-License-Identifier: MIT */
/*
 * Paths and queries. FILES: daemon/gateway/query.c daemon/gateway/route.c
 *
 * Input: a path, and a query behind the first '?'. What is decoded and encoded
 * again, each byte of it, is decoded as the same.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>

#include "daemon/gateway/query.h"
#include "daemon/gateway/route.h"

static void handle(struct http_request *r)
{
	(void)r;
}

static const struct route routes[] = {
	{ HTTP_GET, "/api/groups", handle, false },
	{ HTTP_POST, "/api/groups", handle, false },
	{ HTTP_GET, "/api/groups/*", handle, false },
	{ HTTP_PUT, "/api/groups/*/members/*", handle, false },
	{ HTTP_GET, "/api/groups/*/media/*", handle, false },
	{ HTTP_GET, "/healthz", handle, true },
	{ HTTP_ANY, NULL, NULL, false }
};

static void encode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_printf(out, i % 2 ? "%%%02x" : "%%%02X",
			   (unsigned char)s.data[i]);
}

static void check_decode(struct str s)
{
	struct buf decoded = { 0 }, encoded = { 0 }, second = { 0 };

	if (query_decode(&decoded, s) == 0 &&
	    (s.len == 0 || memchr(s.data, '\0', s.len) == NULL)) {
		assert(decoded.len <= s.len);
		assert(decoded.len == 0 ||
		       memchr(decoded.data, '\0', decoded.len) == NULL);
		encode(&encoded, buf_str(&decoded));
		assert(query_decode(&second, buf_str(&encoded)) == 0);
		assert(str_eq(buf_str(&decoded), buf_str(&second)));
	}
	buf_release(&decoded);
	buf_release(&encoded);
	buf_release(&second);
}

static void check_query(struct str query)
{
	struct buf text = { 0 };
	struct err err;
	uint64_t n;
	int rc = query_get_u64(query, "limit", 1000, &n, &err);

	if (rc == 1)
		assert(n <= 1000);
	if (rc < 0)
		assert(err.code == ERR_BAD_REQUEST);
	rc = query_get_text(query, "after", &text, &err);
	assert(rc >= 0 || err.code == ERR_BAD_REQUEST);
	assert(rc != 0 || text.len == 0);
	buf_release(&text);
}

static void check_route(struct str path)
{
	struct route_match m = { 0 };
	struct buf allowed = { 0 };
	int rc = route_find(routes, HTTP_GET, path, &m);

	if (rc == 0) {
		assert(m.route != NULL && (m.allowed & HTTP_GET) != 0);
		assert(path.data[0] == '/');
	}
	assert((rc == -ENOENT) == (m.allowed == 0));
	if (m.allowed != 0) {
		route_put_allowed(&allowed, m.allowed);
		assert(memmem(allowed.data, allowed.len, "OPTIONS", 7) != NULL);
	}
	buf_release(&allowed);
	route_match_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str query = str_make((const char *)data, size);
	struct str path = fuzz_until(&query, '?');

	check_decode(path);
	check_decode(query);
	check_query(query);
	check_route(path);
	return 0;
}
