/* SPDX-License-Identifier: MIT */
/* The head of a request, in the form that libwebsockets is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs these four before it. */
#include <cmocka.h>

#include "daemon/gateway/head.h"

/* Whole, and byte by byte: the same must come out. */
static void both(const char *text,
		 void (*check)(struct head *h, size_t taken, const void *data),
		 const void *data)
{
	size_t len = strlen(text), n = 0;
	struct head h = { 0 };

	check(&h, head_take(&h, text, len), data);
	head_release(&h);
	while (n < len && head_take(&h, text + n, 1) == 1)
		n++;
	check(&h, n, data);
	head_release(&h);
}

struct wanted {
	size_t taken;
	const char *out;
	uint64_t length;
	int status;
};

static void check_given(struct head *h, size_t taken, const void *data)
{
	const struct wanted *w = data;

	if (h->state == HEAD_REFUSED)
		print_error("%d %s\n", h->status, h->why);
	assert_int_equal(h->state, HEAD_DONE);
	assert_string_equal(buf_cstr(&h->out), w->out);
	assert_int_equal(taken, w->taken);
	assert_int_equal(h->length, w->length);
}

/* All of it but the last `rest` bytes is the head. */
static void given(const char *text, size_t rest, const char *out,
		  uint64_t length)
{
	const struct wanted w = { strlen(text) - rest, out, length, 0 };

	both(text, check_given, &w);
}

static void check_refused(struct head *h, size_t taken, const void *data)
{
	(void)taken;
	assert_int_equal(h->state, HEAD_REFUSED);
	assert_int_equal(h->status, *(const int *)data);
	assert_int_equal(head_take(h, "x", 1), 0);
}

static void refused(const char *text, int status)
{
	both(text, check_refused, &status);
}

#define GET  "GET / HTTP/1.1\r\n"
#define HOST "Host: x\r\n"
#define END  "\r\n"

static void a_head_is_given_in_one_form(void **state)
{
	(void)state;
	given(GET HOST END, 0, GET "host: x\r\n" END, 0);
	given("\r\n" GET "HOST:\t x \t\r\nUser-Agent: y\r\n\r\nGET", 3,
	      GET "host: x\r\n" END, 0);
	given("POST /m HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 3,
	      "POST /m HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n", 3);
	given("PUT /m HTTP/1.1\r\nHost: x\r\n\r\n", 0,
	      "PUT /m HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 0);
	given(GET HOST "Accept: a\r\nX: y\r\nAccept: b\r\n" END, 0,
	      GET "host: x\r\naccept: a, b\r\n" END, 0);
	given("GET / HTTP/1.0\r\n\r\n", 0, "GET / HTTP/1.0\r\n\r\n", 0);
	given(GET HOST "Connection: foo, Close\r\n" END, 0,
	      GET "host: x\r\nconnection: close\r\n" END, 0);
	given(GET HOST "Authorization: \r\n" END, 0, GET "host: x\r\n" END, 0);
}

static void a_target_is_given_as_it_was_sent(void **state)
{
	(void)state;
	given("GET /a&b?c&d HTTP/1.1\r\n" HOST END, 0,
	      "GET /a%26b?c%26d HTTP/1.1\r\nhost: x\r\n" END, 0);
	given("GET /a%20b;c+d?e=%26&f=g;h+i?j HTTP/1.1\r\n" HOST END, 0,
	      "GET /a%2520b%3Bc%2Bd?e=%2526%26f=g%3Bh%2Bi%3Fj HTTP/1.1\r\n"
	      "host: x\r\n" END,
	      0);
	given("GET http://y:1/z HTTP/1.1\r\n" HOST END, 0,
	      "GET /z HTTP/1.1\r\nhost: x\r\n" END, 0);
	given("GET HTTP://y HTTP/1.1\r\n" HOST END, 0, GET "host: x\r\n" END,
	      0);
	given("OPTIONS * HTTP/1.1\r\n" HOST END, 0,
	      "OPTIONS /* HTTP/1.1\r\nhost: x\r\n" END, 0);
	given("GET /.a/..b/c.?/../ HTTP/1.1\r\n" HOST END, 0,
	      "GET /.a/..b/c.?/../ HTTP/1.1\r\nhost: x\r\n" END, 0);
	refused("GET //a HTTP/1.1\r\n", 404);
	refused("GET /a/./b HTTP/1.1\r\n", 404);
	refused("GET /a/.. HTTP/1.1\r\n", 404);
	refused("GET /a%2 HTTP/1.1\r\n", 400);
	refused("GET /a%zz HTTP/1.1\r\n", 400);
	refused("GET /a?b=%00 HTTP/1.1\r\n", 400);
	refused("GET a HTTP/1.1\r\n", 400);
	refused("GET * HTTP/1.1\r\n", 400);
	refused("GET  HTTP/1.1\r\n", 400);
}

static void what_is_not_well_formed_is_refused(void **state)
{
	(void)state;
	refused("\r\n\r\nGET / HTTP/1.1\r\n", 400);
	refused(" GET / HTTP/1.1\r\n", 400);
	refused("G\x01T / HTTP/1.1\r\n", 400);
	refused("GET /\x01 HTTP/1.1\r\n", 400);
	refused("GET /\tHTTP/1.1\r\n", 400);
	refused("GET / HTTP/1.1\nHost: x\n\n", 400);
	refused("GET / HTTP/1.1\rHost", 400);
	refused("GET / http/1.1\r\n", 400);
	refused("GET /\r\n", 400);
	refused("GET / HTTP/2.0\r\n", 505);
	refused(GET "Host : x\r\n", 400);
	refused(GET ": x\r\n", 400);
	refused(GET "A: b\r\n c\r\n", 400);
	refused(GET "A: b\x7f\r\n", 400);
	refused(GET "A: b\r\n\rx", 400);
	refused("BREW / HTTP/1.1\r\n", 501);
	refused("get / HTTP/1.1\r\n", 501);
	refused("CONNECT x:1 HTTP/1.1\r\n", 501);
}

static void a_host_is_needed_once(void **state)
{
	(void)state;
	refused(GET END, 400);
	refused(GET "Host:\r\n" END, 400);
	refused(GET "Host: a/b\r\n" END, 400);
	refused(GET "Host: a b\r\n" END, 400);
	refused(GET HOST HOST END, 400);
	given(GET "Host: [::1]:80\r\n" END, 0, GET "host: [::1]:80\r\n" END, 0);
}

static void lengths_are_whole_numbers_and_agree(void **state)
{
	(void)state;
	refused(GET HOST "Content-Length: +2\r\n", 400);
	refused(GET HOST "Content-Length: 2,2\r\n", 400);
	refused(GET HOST "Content-Length: 2 2\r\n", 400);
	refused(GET HOST "Content-Length: 0x2\r\n", 400);
	refused(GET HOST "Content-Length: \r\n", 400);
	refused(GET HOST "Content-Length: 18446744073709551616\r\n", 413);
	refused(GET HOST "Content-Length: 2\r\nContent-Length: 3\r\n", 400);
	given(GET HOST "content-length: 2 \r\nCONTENT-LENGTH:2\r\n" END, 0,
	      GET "host: x\r\ncontent-length: 2\r\n" END, 2);
	/* Two ways to say where a body ends. */
	refused(GET HOST
		"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" END,
		400);
	refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END, 400);
	given("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n" END, 0,
	      "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: none\r\n" END,
	      0);
}

#define KEY	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: h2c, WebSocket\r\nConnection: keep-alive, Upgrade\r\n"

static void an_upgrade_is_to_websocket_or_none(void **state)
{
	(void)state;
	given(GET HOST KEY UPGRADE END, 0,
	      GET "host: x\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		  "upgrade: websocket\r\nconnection: upgrade\r\n" END,
	      0);
	given(GET HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" END, 0,
	      GET "host: x\r\n" END, 0);
	given(GET HOST "Upgrade: websocket\r\n" END, 0, GET "host: x\r\n" END,
	      0);
	refused(GET HOST UPGRADE END, 400);
	refused(GET HOST KEY KEY UPGRADE END, 400);
	refused(GET HOST "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n",
		400);
	refused(GET HOST "Sec-WebSocket-Key: x\r\n", 400);
}

static void a_head_has_a_bound(void **state)
{
	static char text[HEAD_MAX + 2];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET /", 5);
	refused(text, 431);
	memcpy(text, GET HOST "A: ", sizeof(GET HOST "A: ") - 1);
	refused(text, 431);
	memcpy(text + HEAD_MAX - 4, "\r\n\r\n", 5);
	given(text, 0, GET "host: x\r\n" END, 0);
}

static void the_other_form_has_a_bound_too(void **state)
{
	static char text[HEAD_MAX + 1];
	struct head h = { 0 };

	(void)state;
	memset(text, ';', HEAD_MAX);
	memcpy(text, "GET /?", 6);
	memcpy(text + HEAD_MAX - 22, " HTTP/1.1\r\nHost: x\r\n\r\n", 22);
	assert_int_equal(head_take(&h, text, HEAD_MAX), HEAD_MAX);
	assert_int_equal(h.state, HEAD_DONE);
	assert_true(h.out.len <= HEAD_OUT_MAX);
	head_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_given_in_one_form),
		cmocka_unit_test(a_target_is_given_as_it_was_sent),
		cmocka_unit_test(what_is_not_well_formed_is_refused),
		cmocka_unit_test(a_host_is_needed_once),
		cmocka_unit_test(lengths_are_whole_numbers_and_agree),
		cmocka_unit_test(an_upgrade_is_to_websocket_or_none),
		cmocka_unit_test(a_head_has_a_bound),
		cmocka_unit_test(the_other_form_has_a_bound_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
