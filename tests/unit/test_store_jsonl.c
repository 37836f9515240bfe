/* SPDX-License-Identifier: MIT */
/*
 * The second log of a group, messages.jsonl, on every back end: its offsets
 * are those of what json_put_message_line() writes.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/json.h"
#include "lib/text.h"
#include "tests/support/store_fixture.h"

static int take_line(void *data, const struct wire_message *m)
{
	struct buf *b = data;

	assert_int_equal(m->jsonl_off, b->len);
	json_put_message_line(b, m);
	assert_false(b->failed);
	assert_int_equal(m->jsonl_off + m->jsonl_len, b->len);
	return 0;
}

static int take_text(void *data, const struct wire_message *m)
{
	struct buf *b = data;

	assert_int_equal(m->off, b->len);
	text_render(b, m);
	assert_int_equal(m->off + m->len, b->len);
	return 0;
}

/* Some 60 bytes that both formats escape in their own way. */
static void random_item(struct buf *items)
{
	static const char *const parts[] = {
		"a",	    "\"",	    "\\",    "\n",   "\t",
		"\x01",	    "\x7f",	    "\r",    "@bob", " @everyone ",
		"\xc3\xa9", "\xe2\x80\xa8", "\x1b[", "\b",   "[media "
	};
	struct wire_item item = { .type = (uint64_t)random() % 4 == 0,
				  .reply_to = 0 };
	struct buf content = { 0 };
	char id[24] = "";

	for (long n = random() % 20; n > 0; n--)
		buf_append_str(&content, str_of(parts[random() % 15]));
	item.content = buf_str(&content);
	if (item.type == MESSAGE_MEDIA)
		item.media_url = str_of("http://x/\"y\"\\z]");
	if (random() % 3 == 0)
		item.mentions = str_of("carl bob");
	if (random() % 3 == 0)
		snprintf(id, sizeof(id), "\"%ld\n", random());
	item.client_id = str_of(id);
	wire_put(items, &wire_schema_item, &item);
	assert_false(items->failed);
	buf_release(&content);
}

static void append_random(struct store_fixture *f, uint64_t g, unsigned count)
{
	struct store_append op = { .group_id = g, .user = str_of("alice") };
	struct buf items = { 0 };

	for (unsigned i = 0; i < count; i++)
		random_item(&items);
	op.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	buf_release(&items);
}

/* Each byte of what a log's file would hold is found in its line. */
static void seek_all(struct store_fixture *f, uint64_t g,
		     enum log_format format, struct str text)
{
	uint64_t line = 0;
	uint64_t line_off = 0;
	uint64_t seq;
	uint64_t at;

	for (uint64_t off = 0; off < text.len; off++) {
		if (off == 0 || text.data[off - 1] == '\n') {
			line++;
			line_off = off;
		}
		if (!fixture_seeks(f, text, off))
			continue;
		assert_int_equal(
			store_seek(f->s, g, format, off, &seq, &at, &f->err),
			0);
		assert_int_equal(seq, line);
		assert_int_equal(at, line_off);
	}
	f->err.code = ERR_NONE;
	assert_int_equal(
		store_seek(f->s, g, format, text.len, &seq, &at, &f->err),
		-ENOENT);
	assert_int_equal(f->err.code, ERR_NONE);
}

static void every_byte_of_both_logs_is_found(void **state)
{
	struct store_fixture *f = *state;
	struct buf json = { 0 };
	struct buf text = { 0 };
	struct wire_group group;
	uint64_t g;

	fixture_users(f, "alice bob carl");
	g = fixture_group(f, "log", "alice", "bob carl");
	srandom(3);
	for (unsigned i = 0; i < 20; i++) {
		fixture_begin(f);
		append_random(f, g, 1 + (unsigned)random() % 20);
		fixture_commit(f);
	}
	assert_int_equal(store_scan(f->s, g, 0, take_line, &json, &f->err), 0);
	assert_int_equal(store_scan(f->s, g, 0, take_text, &text, &f->err), 0);
	group = fixture_find(f, g, "alice");
	assert_int_equal(group.jsonl_size, json.len);
	assert_int_equal(group.first_jsonl_off, 0);
	assert_int_equal(group.size, text.len);
	seek_all(f, g, LOG_JSONL, buf_str(&json));
	seek_all(f, g, LOG_TEXT, buf_str(&text));
	fixture_verify(f);
	buf_release(&json);
	buf_release(&text);
}

struct walk {
	struct buf text;
	unsigned left; /* messages */
	int rc;	       /* what ends it then */
};

static int take_some(void *data, const struct wire_message *m)
{
	struct walk *w = data;

	text_render(&w->text, m);
	return --w->left == 0 ? w->rc : 0;
}

/* A walk may be ended at each message, within a transaction too, which goes on;
 * and one for lines gives the same lines. */
static void a_walk_ends_where_it_is_told_to(void **state)
{
	struct store_fixture *f = *state;
	struct buf all = { 0 };
	uint64_t g;

	fixture_users(f, "alice bob carl");
	g = fixture_group(f, "log", "alice", "bob carl");
	fixture_begin(f);
	append_random(f, g, 20);
	fixture_commit(f);
	assert_int_equal(store_scan(f->s, g, 0, take_text, &all, &f->err), 0);
	fixture_begin(f);
	for (unsigned i = 1; i <= 21; i++) {
		struct walk w = { .left = i, .rc = i % 2 ? 1 : -EIO };
		struct walk lines = w;
		int want = i <= 20 && w.rc < 0 ? -EIO : 0;

		assert_int_equal(store_scan(f->s, g, 0, take_some, &w, &f->err),
				 want);
		assert_int_equal(
			store_scan_text(f->s, g, 0, take_some, &lines, &f->err),
			want);
		assert_true(str_eq(buf_str(&w.text), buf_str(&lines.text)));
		assert_memory_equal(w.text.data, all.data, w.text.len);
		assert_int_equal(w.left, i == 21);
		buf_release(&w.text);
		buf_release(&lines.text);
	}
	append_random(f, g, 5);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 25);
	fixture_verify(f);
	buf_release(&all);
}

static void what_is_rolled_back_takes_no_bytes(void **state)
{
	struct store_fixture *f = *state;
	struct buf json = { 0 };
	uint64_t size;
	uint64_t g;

	fixture_users(f, "alice bob carl");
	g = fixture_group(f, "log", "alice", "bob carl");
	fixture_begin(f);
	append_random(f, g, 5);
	fixture_commit(f);
	size = fixture_find(f, g, "alice").jsonl_size;
	fixture_begin(f);
	append_random(f, g, 5);
	store_rollback(f->s);
	assert_int_equal(fixture_find(f, g, "alice").jsonl_size, size);
	fixture_begin(f);
	append_random(f, g, 5);
	fixture_commit(f);
	assert_int_equal(store_scan(f->s, g, 0, take_line, &json, &f->err), 0);
	assert_int_equal(fixture_find(f, g, "alice").jsonl_size, json.len);
	fixture_verify(f);
	buf_release(&json);
}

/* A name that is no member's is none, and the sender's is left out: what the
 * line says is what the store recorded, not what was asked for. */
static void a_line_holds_the_mentions_that_were_recorded(void **state)
{
	struct store_fixture *f = *state;
	struct buf json = { 0 };
	uint64_t g;

	fixture_users(f, "alice bob eve");
	g = fixture_group(f, "log", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(
		fixture_say(f, g, "alice", "@bob @eve @alice", "", NULL), 0);
	fixture_commit(f);
	assert_int_equal(store_scan(f->s, g, 0, take_line, &json, &f->err), 0);
	assert_non_null(strstr(buf_cstr(&json), "\"mentions\":[\"bob\"]}\n"));
	buf_release(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(every_byte_of_both_logs_is_found),
		FIXTURE_ON_EACH(a_walk_ends_where_it_is_told_to),
		FIXTURE_ON_EACH(what_is_rolled_back_takes_no_bytes),
		FIXTURE_ON_EACH(a_line_holds_the_mentions_that_were_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
