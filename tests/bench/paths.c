/* SPDX-License-Identifier: MIT */
/*
 * Runs one of the hot paths; tests/bench/instructions.sh counts.
 *
 *   pathbench            names them: NAME TAB N
 *   pathbench NAME N DIR
 */
#include "tests/bench/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "tests/bench/bench.h"

struct wire_message path_message(uint64_t seq)
{
	return (struct wire_message){ .seq = seq,
				      .off = seq * 125,
				      .len = 125,
				      .jsonl_off = seq * 200,
				      .jsonl_len = 200,
				      .time_ms = UINT64_C(1790000000000) + seq,
				      .sender = str_of("alice"),
				      .content = str_make(bench_line(),
							  BENCH_LINE - 1) };
}

static void path_render(uint64_t n, const char *dir)
{
	struct wire_message m = path_message(1000);
	struct buf b = { 0 };

	(void)dir;
	for (uint64_t i = 0; i < n; i++) {
		buf_clear(&b);
		text_render(&b, &m);
	}
	buf_release(&b);
}

static void path_json(uint64_t n, const char *dir)
{
	struct wire_message m = path_message(1000);
	struct buf b = { 0 };

	(void)dir;
	for (uint64_t i = 0; i < n; i++) {
		buf_clear(&b);
		json_put_message(&b, &m);
	}
	buf_release(&b);
}

static void put_send(struct buf *b)
{
	const struct wire_item item = { .content = str_make(bench_line(),
							    BENCH_LINE - 1) };
	struct buf items = { 0 };
	struct wire_body_send body = {
		.group_id = 123456,
		.batch_id = str_of("0123456789abcdef"),
	};

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	buf_clear(b);
	wire_put_frame(b, WIRE_SEND, 77, 1, &body);
	buf_release(&items);
}

static void path_encode(uint64_t n, const char *dir)
{
	struct buf b = { 0 };

	(void)dir;
	for (uint64_t i = 0; i < n; i++)
		put_send(&b);
	buf_release(&b);
}

static void path_decode(uint64_t n, const char *dir)
{
	struct wire_body_send body;
	struct wire_header header;
	struct wire_item item;
	struct buf b = { 0 };
	struct str in;

	(void)dir;
	put_send(&b);
	for (uint64_t i = 0; i < n; i++) {
		in = str_make(b.data + WIRE_HEADER, b.len - WIRE_HEADER);
		if (wire_get_header(b.data, &header) < 0 ||
		    wire_get(in, wire_schema_of(WIRE_SEND), &body) < 0 ||
		    wire_next(&body.items, &wire_schema_item, &item) != 1)
			bench_die("decode", -EBADMSG);
	}
	buf_release(&b);
}

static const struct path {
	const char *name;
	uint64_t n; /* enough that chance is less than one in a hundred */
	path_fn run;
} paths[] = {
	{ "store: append, a commit each", 100, path_append },
	{ "store: append, 64 a commit, one group", 960, path_append_hot },
	{ "store: append, 64 a commit, random groups", 960,
	  path_append_random },
	{ "store: scan, a message", 10000, path_scan },
	{ "store: a member finds a group", 1000, path_find },
	{ "line of messages rendered", 30000, path_render },
	{ "JSON of a message", 20000, path_json },
	{ "SEND encoded", 20000, path_encode },
	{ "SEND decoded", 50000, path_decode },
	{ "fanout, a session", 20000, path_fanout },
	{ "feed, a subscriber", 40000, path_feed },
	{ "feed, an event of one of 10000 groups", 50000, path_feed_groups },
};

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct path *p = &paths[i];

		if (argc == 1)
			(void)printf("%s\t%" PRIu64 "\n", p->name, p->n);
		else if (argc == 4 && strcmp(argv[1], p->name) == 0) {
			p->run(bench_number(argv[2]), argv[3]);
			return 0;
		}
	}
	return argc == 1 ? 0 : 2;
}
