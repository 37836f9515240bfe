/* SPDX-License-Identifier: MIT */
/* What libwebsockets gets to read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs these four before it. */
#include <cmocka.h>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/tap.h"
#include "lib/str.h"

static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/* Gives it whole, then byte by byte: the same must come out. */
static void take(struct tap *t, const char *text, size_t len, size_t want)
{
	struct tap slow = *t;
	size_t n = 0;

	assert_int_equal(tap_take(t, text, len), want);
	while (n < len && tap_take(&slow, text + n, 1) == 1)
		n++;
	assert_int_equal(n, want);
	assert_int_equal(slow.phase, t->phase);
	assert_int_equal(slow.refusal, t->refusal);
}

static void a_request_ends_where_it_ends(void **state)
{
	static const char post[] = "POST /m HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 3\r\n\r\nabcGET / HTTP";
	struct tap t;

	(void)state;
	tap_next(&t);
	take(&t, get, strlen(get), strlen(get));
	assert_int_equal(t.phase, TAP_HELD);
	assert_int_equal(tap_take(&t, get, strlen(get)), 0);
	tap_next(&t);
	take(&t, post, strlen(post), strlen(post) - strlen("GET / HTTP"));
	assert_int_equal(t.phase, TAP_HELD);
}

static void refused(const char *text, unsigned int status)
{
	struct tap t;
	struct tap slow;

	tap_next(&t);
	slow = t;
	(void)tap_take(&t, text, strlen(text));
	if (t.phase != TAP_REFUSED || t.refusal != status)
		print_error("%s: %u\n", text, t.refusal);
	assert_int_equal(t.phase, TAP_REFUSED);
	assert_int_equal(t.refusal, status);
	assert_int_equal(tap_take(&t, get, strlen(get)), 0);
	for (size_t i = 0; i < strlen(text); i++)
		(void)tap_take(&slow, text + i, 1);
	assert_int_equal(slow.refusal, status);
}

static void heads_that_are_not_well_formed_are_refused(void **state)
{
	(void)state;
	refused("\r\nGET / HTTP/1.1\r\n", 400);
	refused(" GET / HTTP/1.1\r\n", 400);
	refused("G\x01T / HTTP/1.1\r\n", 400);
	refused("GET /\x01 HTTP/1.1\r\n", 400);
	refused("GET / HTTP/1.1\nHost: x\n\n", 400);
	refused("GET / HTTP/1.1\rHost", 400);
	refused("GET / HTTP/1.1\r\nHost : x\r\n", 400);
	refused("GET / HTTP/1.1\r\n: x\r\n", 400);
	refused("GET / HTTP/1.1\r\nA: b\r\n c\r\n", 400);
	refused("GET / HTTP/1.1\r\nA: b\x7f\r\n", 400);
	refused("GET / HTTP/1.1\r\nA: b\r\n\rx", 400);
	refused("BREW / HTTP/1.1\r\n", 501);
	refused("get / HTTP/1.1\r\n", 501);
	refused("CONNECT x:1 HTTP/1.1\r\n", 501);
	refused("GETTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT / ",
		501);
}

static void lengths_are_whole_numbers_and_agree(void **state)
{
	struct tap t;
	static const char twice[] = "PUT / HTTP/1.1\r\ncontent-length: 2 \r\n"
				    "CONTENT-LENGTH:\t2\r\n\r\nab!";

	(void)state;
	refused("PUT / HTTP/1.1\r\nContent-Length: +2\r\n", 400);
	refused("PUT / HTTP/1.1\r\nContent-Length: 2,2\r\n", 400);
	refused("PUT / HTTP/1.1\r\nContent-Length: 2 2\r\n", 400);
	refused("PUT / HTTP/1.1\r\nContent-Length: 0x2\r\n", 400);
	refused("PUT / HTTP/1.1\r\nContent-Length: \r\n", 400);
	refused("PUT / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n",
		413);
	refused("PUT / HTTP/1.1\r\nContent-Length: 2\r\n"
		"Content-Length: 3\r\n",
		400);
	tap_next(&t);
	take(&t, twice, strlen(twice), strlen(twice) - 1);
	assert_int_equal(t.phase, TAP_HELD);
}

static bool is_x(struct str name)
{
	return str_eq(name, str_of("x"));
}

static void a_head_has_a_bound(void **state)
{
	static char text[TAP_HEAD_MAX + 2];
	struct tap t;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET /", 5);
	refused(text, 431);
	memcpy(text + TAP_HEAD_MAX - 4, "\r\n\r\n", 5);
	memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
	tap_next(&t);
	take(&t, text, TAP_HEAD_MAX, TAP_HEAD_MAX);
	assert_int_equal(t.phase, TAP_HELD);
}

static void names_that_lws_would_swallow_are_refused(void **state)
{
	(void)state;
	tap_set_refused_names(is_x);
	refused("GET / HTTP/1.1\r\nX: 1\r\n", 400);
	tap_set_refused_names(NULL);
}

/* Frames: header bytes as text, with a length of their own. */
static void frame(const char *bytes, size_t len, size_t want,
		  unsigned int refusal)
{
	struct tap t;

	tap_next(&t);
	tap_open_frames(&t);
	take(&t, bytes, len, want);
	assert_int_equal(t.refusal, refusal);
	assert_int_equal(t.phase, refusal == 0 ? TAP_FRAMES : TAP_REFUSED);
}

#define FRAME(text, want, refusal) frame(text, sizeof(text) - 1, want, refusal)

static void frames_of_a_client_are_checked(void **state)
{
	(void)state;
	FRAME("\x81\x82"
	      "mask"
	      "hi"
	      "\x89\x80"
	      "mask",
	      14, 0);
	FRAME("\x01\x81"
	      "mask"
	      "a"
	      "\x89\x80"
	      "mask"
	      "\x80\x81"
	      "mask"
	      "b",
	      20, 0);
	/* not masked */
	FRAME("\x81\x02hi", 1, 1002);
	FRAME("\x88\x00", 1, 1002);
	/* reserved bits and codes */
	FRAME("\xc1\x82", 1, 1002);
	FRAME("\x91\x82", 1, 1002);
	FRAME("\x83\x82", 1, 1002);
	FRAME("\x8b\x82", 1, 1002);
	/* control frames: whole, and short */
	FRAME("\x09\x80", 1, 1002);
	FRAME("\x89\xfe\x00\x7e", 1, 1002);
	/* parts of messages */
	FRAME("\x80\x81", 1, 1002);
	FRAME("\x01\x81"
	      "mask"
	      "a"
	      "\x81\x81",
	      8, 1002);
	/* lengths: the shortest form, and a bound */
	FRAME("\x81\xfe\x00\x7d"
	      "mask",
	      7, 1002);
	FRAME("\x81\xfe\x00\x7e"
	      "mask",
	      8, 0);
	FRAME("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"
	      "mask",
	      13, 1002);
	FRAME("\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00"
	      "mask",
	      14, 0);
	FRAME("\x81\xff\x00\x00\x00\x00\x00\x10\x00\x01"
	      "mask",
	      13, 1009);
	FRAME("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01"
	      "mask",
	      13, 1002);
}

static void a_payload_may_be_anything(void **state)
{
	static char payload[GATEWAY_WS_MAX];
	static const char header[] =
		"\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00mask";
	struct tap t;

	(void)state;
	memset(payload, 0xff, sizeof(payload));
	tap_next(&t);
	tap_open_frames(&t);
	assert_int_equal(tap_take(&t, header, 14), 14);
	assert_int_equal(tap_take(&t, payload, sizeof(payload)),
			 sizeof(payload));
	assert_int_equal(t.phase, TAP_FRAMES);
	assert_int_equal(t.left, 0);
	assert_int_equal(tap_take(&t, payload, 2), 1);
	assert_int_equal(t.refusal, 1002);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_ends_where_it_ends),
		cmocka_unit_test(heads_that_are_not_well_formed_are_refused),
		cmocka_unit_test(lengths_are_whole_numbers_and_agree),
		cmocka_unit_test(a_head_has_a_bound),
		cmocka_unit_test(names_that_lws_would_swallow_are_refused),
		cmocka_unit_test(frames_of_a_client_are_checked),
		cmocka_unit_test(a_payload_may_be_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
