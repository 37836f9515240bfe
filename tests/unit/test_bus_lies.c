/* SPDX-License-Identifier: MIT */
/* A node, and a Redis that lies: whatever comes, the node goes on. */
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/list.h"
#include "tests/support/bus_fixture.h"

/* What the fake one says in the place of what Redis would. */
struct lie {
	const char *name;
	const char *to;	 /* the command, "" for whatever comes */
	const char *say; /* NULL: nothing */
	size_t pad;	 /* so many bytes behind it */
	bool hang_up;
	bool up;	  /* it stays up */
	unsigned rubbish; /* and that much was counted */
	const char *why;  /* what the state says then */
};

struct guest {
	struct fake *fake;
	uv_pipe_t pipe;
	redisReader *reader;
	char in[65536];
};

struct fake {
	uv_loop_t loop;
	uv_pipe_t listener;
	const struct lie *lie;
	char path[64];
	char url[96];
	unsigned said; /* lies */
	unsigned guests;
};

static const char not_resp[] = "it does not speak Redis' protocol";

#define CHANNEL "$26\r\ngroupfs:000000000000002a:t\r\n"
#define GROUP	"$28\r\ngroupfs:000000000000002a:g:7\r\n"
#define USER	"$30\r\ngroupfs:000000000000002a:u:ann\r\n"
#define NODES	"$26\r\ngroupfs:000000000000002a:n\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n"
#define NODE	"00000000000000ff"

static const struct lie lies[] = {
	{ "HTTP", "PING", "HTTP/1.1 400 Bad Request\r\n\r\n", 0, false, false,
	  1, not_resp },
	{ "a number for PONG", "PING", ":1\r\n", 0, false, false, 1, not_resp },
	{ "a string for PONG", "PING", "$4\r\nPONG\r\n", 0, false, false, 1,
	  not_resp },
	{ "nil", "PING", "$-1\r\n", 0, false, false, 1, not_resp },
	{ "no array", "PING", "*-1\r\n", 0, false, false, 1, not_resp },
	{ "an array of 2^31 - 1", "PING", "*2147483647\r\n", 0, false, false, 1,
	  not_resp },
	{ "an array of 17", "PING", "*17\r\n", 0, false, false, 1, not_resp },
	{ "arrays in arrays", "PING",
	  "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
	  0, false, false, 1, not_resp },
	{ "a string of 512 MB", "PING", "$536870912\r\n", 60000, false, false,
	  1, "it sends more than was asked for" },
	{ "a line without end", "PING", "+", 60000, false, false, 1,
	  "it sends more than was asked for" },
	{ "an error", "PING", "-ERR you\x1b[2J are not \xff welcome\r\n", 0,
	  false, false, 0, "ERR you?[2J are not ? welcome" },
	{ "an error of 3,000", "PING", "-", 3000, false, false, 0, NULL },
	{ "loading", "PING", "-LOADING Redis is loading\r\n", 0, false, false,
	  0, "LOADING Redis is loading" },
	{ "nothing", "PING", NULL, 0, false, false, 0, "it does not answer" },
	{ "the end", "PING", NULL, 0, true, false, 0,
	  "it closed the connection" },
	{ "two answers", "PING", "+PONG\r\n+PONG\r\n", 0, false, false, 0,
	  not_resp },
	{ "an error nobody asked for", "PING", "+PONG\r\n-ERR max\r\n", 0,
	  false, false, 0, "it refuses us" },
	{ "a status for PUBLISH", "PUBLISH", "+OK\r\n", 0, false, false, 1,
	  not_resp },
	{ "less than none", "PUBLISH", ":-1\r\n", 0, false, false, 1,
	  not_resp },
	{ "no right to PUBLISH", "PUBLISH", "-NOPERM no\r\n", 0, false, true, 0,
	  "NOPERM no" },
	{ "full", "SET", "-OOM command not allowed\r\n", 0, false, true, 0,
	  "OOM command not allowed" },
	{ "no right to SUBSCRIBE", "SUBSCRIBE", "-NOPERM no\r\n", 0, false,
	  false, 0, "NOPERM no" },
	{ "no answer to SUBSCRIBE", "SUBSCRIBE", NULL, 0, false, false, 0,
	  "it does not answer" },
	/* hiredis' own asynchronous half ends the process for these. */
	{ "an array of one", "SUBSCRIBE", "*1\r\n$9\r\nsubscribe\r\n", 0, false,
	  false, 1, not_resp },
	{ "an empty array", "SUBSCRIBE", "*0\r\n", 0, false, false, 1,
	  not_resp },
	{ "numbers", "SUBSCRIBE", "*3\r\n:1\r\n:2\r\n:3\r\n", 0, false, false,
	  1, not_resp },
	{ "a message of numbers", "SUBSCRIBE",
	  "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n", 0, false, false, 1, not_resp },
	{ "a number", "SUBSCRIBE", ":1\r\n", 0, false, false, 1, not_resp },
	/* Behind a true answer, what anybody may publish. */
	{ "an empty hint", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE CHANNEL
	  "$0\r\n\r\n",
	  0, false, true, 1, "" },
	{ "a long hint", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE CHANNEL "$97\r\n"
	  "0000000000000000000000000000000000000000000000000000000000000000"
	  "000000000000000000000000000000000\r\n",
	  0, false, true, 1, "" },
	{ "no node", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE CHANNEL
	  "$16\r\n00000000000000fg\r\n" MESSAGE CHANNEL
	  "$15\r\n0000000000000ff\r\n" MESSAGE CHANNEL
	  "$17\r\n000000000000000ff\r\n" MESSAGE CHANNEL
	  "$16\r\n00000000000000FF\r\n",
	  0, false, true, 4, "" },
	{ "a strange word", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE NODES
	  "$22\r\nhello " NODE "\r\n" MESSAGE NODES "$16\r\n" NODE "\r\n",
	  0, false, true, 2, "" },
	{ "groups that are none", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE GROUP
	  "$20\r\n1 x " NODE "\r\n" MESSAGE GROUP "$18\r\n1 " NODE
	  "\r\n" MESSAGE GROUP "$21\r\n-1 1 " NODE "\r\n" MESSAGE GROUP
	  "$38\r\n9223372036854775808 1 " NODE "\r\n" MESSAGE GROUP
	  "$21\r\n1  1 " NODE "\r\n" MESSAGE GROUP "$24\r\n1 1 1 1 " NODE
	  "\r\n",
	  0, false, true, 6, "" },
	{ "users that are none", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE USER
	  "$20\r\nx 1 " NODE "\r\n" MESSAGE USER "$18\r\nv " NODE
	  "\r\n" MESSAGE USER "$22\r\nm 0 1 " NODE "\r\n" MESSAGE USER
	  "$20\r\nm 1 " NODE "\r\n" MESSAGE USER "$22\r\nv 1 1 " NODE "\r\n",
	  0, false, true, 5, "" },
	{ "what nobody subscribed to", "SUBSCRIBE",
	  "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" MESSAGE
	  "$1\r\nx\r\n$16\r\n" NODE "\r\n",
	  0, false, true, 0, "" },
};

struct writing {
	uv_write_t write;
	char *bytes;
};

static void on_written(uv_write_t *write, int status)
{
	struct writing *w = container_of(write, struct writing, write);

	(void)status;
	free(w->bytes);
	free(w);
}

static void say(struct guest *g, const char *text, size_t pad)
{
	struct writing *w = calloc(1, sizeof(*w));
	size_t len = strlen(text);
	uv_buf_t buf;

	assert_non_null(w);
	w->bytes = malloc(len + pad + 2);
	assert_non_null(w->bytes);
	memcpy(w->bytes, text, len);
	memset(w->bytes + len, 'x', pad);
	if (pad == 3000) {
		memcpy(w->bytes + len + pad, "\r\n", 2);
		pad += 2;
	}
	buf = uv_buf_init(w->bytes, (unsigned)(len + pad));
	assert_int_equal(uv_write(&w->write, (uv_stream_t *)&g->pipe, &buf, 1,
				  on_written),
			 0);
}

static void on_guest_closed(uv_handle_t *handle)
{
	struct guest *g = handle->data;

	redisReaderFree(g->reader);
	g->fake->guests--;
	free(g);
}

static void hang_up(struct guest *g)
{
	if (!uv_is_closing((uv_handle_t *)&g->pipe))
		uv_close((uv_handle_t *)&g->pipe, on_guest_closed);
}

static void answer(struct guest *g, const redisReply *reply)
{
	const struct lie *lie = g->fake->lie;
	const char *command = reply->element[0]->str;

	if (strcmp(command, lie->to) == 0) {
		g->fake->said++;
		if (lie->say != NULL)
			say(g, lie->say, lie->pad);
		if (lie->hang_up)
			hang_up(g);
	} else if (strcmp(command, "PING") == 0) {
		say(g, "+PONG\r\n", 0);
	} else if (strcmp(command, "SET") == 0) {
		say(g, "+OK\r\n", 0);
	} else if (strcmp(command, "SUBSCRIBE") == 0) {
		say(g, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n", 0);
	} else {
		say(g, ":1\r\n", 0);
	}
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	struct guest *g = handle->data;

	(void)size;
	*out = uv_buf_init(g->in, sizeof(g->in));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct guest *g = stream->data;
	void *reply = NULL;

	if (n < 0) {
		hang_up(g);
		return;
	}
	redisReaderFeed(g->reader, buf->base, (size_t)n);
	while (redisReaderGetReply(g->reader, &reply) == REDIS_OK &&
	       reply != NULL) {
		answer(g, reply);
		freeReplyObject(reply);
		reply = NULL;
	}
}

static void on_guest(uv_stream_t *listener, int status)
{
	struct fake *f = listener->data;
	struct guest *g = calloc(1, sizeof(*g));

	assert_int_equal(status, 0);
	assert_non_null(g);
	g->fake = f;
	g->reader = redisReaderCreate();
	uv_pipe_init(&f->loop, &g->pipe, 0);
	g->pipe.data = g;
	f->guests++;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&g->pipe), 0);
	uv_read_start((uv_stream_t *)&g->pipe, on_alloc, on_read);
}

static void start(struct fake *f, const struct lie *lie)
{
	*f = (struct fake){ .lie = lie };
	snprintf(f->path, sizeof(f->path), "/tmp/groupfs-fake-%d", getpid());
	snprintf(f->url, sizeof(f->url), "unix://%s", f->path);
	uv_loop_init(&f->loop);
	uv_pipe_init(&f->loop, &f->listener, 0);
	f->listener.data = f;
	assert_int_equal(uv_pipe_bind(&f->listener, f->path), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&f->listener, 16, on_guest),
			 0);
}

static void stop(struct fake *f)
{
	uv_close((uv_handle_t *)&f->listener, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->guests, 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

struct outcome {
	const struct lie *lie;
	struct node *node;
	struct fake *fake;
};

/* What it came to, at last. */
static bool is_reached(void *data)
{
	const struct outcome *o = data;
	const struct bus_figures *f = &o->node->bus.figures;

	if (o->fake->said == 0 || f->rubbish < o->lie->rubbish)
		return false;
	if (o->lie->up)
		return f->state == BUS_UP && (o->lie->why == NULL ||
					      strcmp(f->why, o->lie->why) == 0);
	/* It has tried again, too. */
	return f->state == BUS_DOWN &&
	       (o->lie->why == NULL || strcmp(f->why, o->lie->why) == 0);
}

static void try(const struct lie *lie)
{
	struct fake f;
	struct node n;
	struct outcome o = { lie, &n, &f };

	start(&f, lie);
	node_start(&n, &f.loop, f.url);
	bus_subscribe_group(&n.bus, 7);
	bus_subscribe_user(&n.bus, str_of("ann"));
	spin_until(&f.loop, is_reached, &o);
	if (lie->up && n.bus.figures.rubbish != lie->rubbish)
		fail_msg("%s: rubbish %u", lie->name,
			 (unsigned)n.bus.figures.rubbish);
	assert_int_equal(n.groups + n.users + n.mentions + n.reads, 0);
	/* Then it tells the truth. */
	f.lie = &(struct lie){ .to = "?" };
	if (!lie->up)
		spin_until_state(&n, BUS_UP);
	node_close(&n);
	stop(&f);
}

static void whatever_it_says_the_node_goes_on(void **state)
{
	const char *only = getenv("GROUPFS_TEST_ROWS");

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		if (only != NULL && strcmp(only, lies[i].name) != 0)
			continue;
		print_message("# %s\n", lies[i].name);
		try(&lies[i]);
	}
}

static void without_a_url_nothing_is_on_the_loop(void **state)
{
	struct bus_online q = { .group_id = 7, .local = 3 };
	uv_loop_t loop;
	struct node n;

	(void)state;
	uv_loop_init(&loop);
	node_start(&n, &loop, "");
	assert_false(bus_is_on(&n.bus));
	assert_int_equal(bus_subscribe_group(&n.bus, 7), 0);
	bus_publish_group(&n.bus, 7, 1, 1);
	bus_publish_tokens(&n.bus);
	bus_arrive(&n.bus, 7, str_of("ann"));
	assert_true(bus_online(&n.bus, &q));
	assert_int_equal(q.count, 3);
	bus_leave(&n.bus, 7, str_of("ann"));
	bus_unsubscribe_group(&n.bus, 7);
	assert_int_equal(n.bus.figures.dropped, 0);
	assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 0);
	node_close(&n);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void shown(const char *url, const char *as)
{
	struct buf out = { 0 };

	bus_show_url(&out, str_of(url));
	assert_string_equal(buf_cstr(&out), as);
	buf_release(&out);
}

static void a_password_is_never_shown(void **state)
{
	(void)state;
	shown("redis://h", "redis://h:6379/0");
	shown("redis://u:p@ss@h:1/2", "redis://h:1/2");
	shown("redis://:p%40/@h", "");
	shown("redis://:p%2F@[::1]:7", "redis://[::1]:7/0");
	shown("unix://u:p@/run/r.sock?db=3", "unix:///run/r.sock?db=3");
	shown("unix:///run/r@b.sock", "unix:///run/r@b.sock?db=0");
	shown("unix:///a%0a%3fb%25", "unix:///a%0A%3Fb%25?db=0");
	shown("redis://:16:3[]:79", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_it_says_the_node_goes_on),
		cmocka_unit_test(without_a_url_nothing_is_on_the_loop),
		cmocka_unit_test(a_password_is_never_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
