/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/gateway/problem.h"
#include "daemon/gateway/query.h"

static void handler(struct http_request *r)
{
	(void)r;
}

static const struct route table[] = {
	{ HTTP_GET, "/a", handler, false },
	{ HTTP_POST, "/a", handler, false },
	{ HTTP_GET, "/a/*/b/*", handler, false },
	{ HTTP_GET, NULL, NULL, false },
};

static int find(unsigned int method, const char *path, struct route_match *m)
{
	route_match_release(m);
	*m = (struct route_match){ 0 };
	return route_find(table, method, str_of(path), m);
}

static void segments_are_decoded_once(void **state)
{
	struct route_match m = { 0 };

	(void)state;
	assert_int_equal(find(HTTP_GET, "/a/x%2Fy/b/%252e", &m), 0);
	assert_string_equal(buf_cstr(&m.part[0]), "x/y");
	assert_string_equal(buf_cstr(&m.part[1]), "%2e");
	route_match_release(&m);
}

static void other_paths_are_not_found(void **state)
{
	static const char *const bad[] = {
		"",	    "/",	  "a",	       "/a/",
		"/a//b/c",  "/a/x/b",	  "/a/x/b/",   "/a/%00/b/c",
		"/a/%/b/c", "/a/%zz/b/c", "/a/x/b/c/d"
	};
	struct route_match m = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(find(HTTP_GET, bad[i], &m), -ENOENT);
	route_match_release(&m);
}

static void a_wrong_method_names_the_right_ones(void **state)
{
	struct route_match m = { 0 };
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(find(HTTP_PUT, "/a", &m), -ENOTSUP);
	route_put_allowed(&b, m.allowed);
	assert_string_equal(buf_cstr(&b), "GET, POST, HEAD, OPTIONS");
	buf_release(&b);
	route_match_release(&m);
}

static void query_numbers_are_checked(void **state)
{
	struct str q = str_of("a=5&b=&c=-1&d=1&d=2&e=18446744073709551616&f");
	struct err err;
	uint64_t n = 9;

	(void)state;
	assert_int_equal(query_get_u64(q, "x", 10, &n, &err), 0);
	assert_int_equal(n, 9);
	assert_int_equal(query_get_u64(q, "a", 5, &n, &err), 1);
	assert_int_equal(n, 5);
	assert_int_equal(query_get_u64(q, "a", 4, &n, &err), -EINVAL);
	assert_int_equal(query_get_u64(q, "b", 10, &n, &err), -EINVAL);
	assert_int_equal(query_get_u64(q, "c", 10, &n, &err), -EINVAL);
	assert_int_equal(query_get_u64(q, "d", 10, &n, &err), -EINVAL);
	assert_int_equal(query_get_u64(q, "e", UINT64_MAX, &n, &err), -EINVAL);
	assert_int_equal(query_get_u64(q, "f", 10, &n, &err), -EINVAL);
}

static void a_problem_says_status_and_code(void **state)
{
	struct buf b = { 0 };

	(void)state;
	problem_put(&b, 404, ERR_NO_SUCH_GROUP, "\"x\"", ",\"k\":1");
	assert_string_equal(buf_cstr(&b),
			    "{\"type\":\"about:blank\","
			    "\"title\":\"Not Found\",\"status\":404,"
			    "\"detail\":\"\\\"x\\\"\","
			    "\"code\":\"no_such_group\",\"k\":1}");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_decoded_once),
		cmocka_unit_test(other_paths_are_not_found),
		cmocka_unit_test(a_wrong_method_names_the_right_ones),
		cmocka_unit_test(query_numbers_are_checked),
		cmocka_unit_test(a_problem_says_status_and_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
