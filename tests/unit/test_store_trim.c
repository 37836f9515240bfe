/* SPDX-License-Identifier: MIT */
/*
 * Retention, on every back end: what goes is gone with all that belongs to it,
 * what stays is where and what it was.
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
#include "tests/support/import_fixture.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static int take_line(void *data, const struct wire_message *m)
{
	buf_printf(data, "@%" PRIu64 ",%" PRIu64 " ", m->off, m->jsonl_off);
	text_render(data, m);
	json_put_message_line(data, m);
	return 0;
}

/* Both lines of each message behind one, and where they begin. */
static char *lines_after(struct store_fixture *f, uint64_t g, uint64_t after)
{
	struct buf out = { 0 };
	char *text;

	assert_int_equal(store_scan(f->s, g, after, take_line, &out, &f->err),
			 0);
	text = strdup(buf_cstr(&out));
	assert_non_null(text);
	buf_release(&out);
	return text;
}

/* One step in a transaction of its own; what is left. */
static uint64_t trim_step(struct store_fixture *f, uint64_t g,
			  struct store_keep keep, uint64_t limit)
{
	struct store_trim op = { .group_id = g, .keep = keep, .limit = limit };

	fixture_begin(f);
	if (store_trim(f->s, &op, &f->err) < 0)
		fail_msg("trim: %s", f->err.text);
	fixture_commit(f);
	assert_true(op.trimmed <= limit);
	return op.left;
}

static void trim_all(struct store_fixture *f, uint64_t g,
		     struct store_keep keep)
{
	while (trim_step(f, g, keep, 7) > 0)
		;
}

static void keep_last(struct store_fixture *f, uint64_t g, uint64_t messages)
{
	trim_all(f, g, (struct store_keep){ .messages = messages });
}

/* Messages 1 to count, by alice, a day after each other; all are told. */
static uint64_t make_log(struct store_fixture *f, uint64_t count)
{
	char content[32];
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "dev", "alice", "bob");
	fixture_begin(f);
	for (uint64_t i = 1; i <= count; i++) {
		snprintf(content, sizeof(content), "number %" PRIu64, i);
		fixture_say(f, g, "alice", content, "", NULL);
		f->now_ms += DAY_MS;
	}
	fixture_commit(f);
	return g;
}

static int set_settings(struct store_fixture *f, uint64_t g,
			const char *settings)
{
	struct store_set_info op = { .group_id = g,
				     .by = str_of("alice"),
				     .set = INFO_SETTINGS,
				     .settings = str_of(settings) };
	int rc;

	fixture_begin(f);
	rc = store_set_info(f->s, &op, &f->err);
	fixture_commit(f);
	return rc;
}

static void what_stays_is_where_it_was(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_log(f, 40);
	struct wire_group was = fixture_find(f, g, "bob");
	struct store_keep keep = { .messages = 10 };
	char *before = lines_after(f, g, 30);
	struct wire_group is;
	uint64_t seq;
	uint64_t off;
	char *after;

	assert_int_equal(trim_step(f, g, keep, 13), 17);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 14);
	trim_all(f, g, keep);
	after = lines_after(f, g, 0);
	assert_string_equal(after, before);
	is = fixture_find(f, g, "bob");
	assert_int_equal(is.first_seq, 31);
	assert_int_equal(is.last_seq, was.last_seq);
	assert_int_equal(is.size, was.size);
	assert_int_equal(is.jsonl_size, was.jsonl_size);
	assert_int_equal(is.mtime_ms, was.mtime_ms);
	assert_int_equal(is.epoch, was.epoch);
	assert_int_equal(store_seek(f->s, g, LOG_TEXT, is.first_off, &seq, &off,
				    &f->err),
			 0);
	assert_int_equal(seq, 31);
	assert_int_equal(off, is.first_off);
	assert_int_equal(store_seek(f->s, g, LOG_TEXT, is.first_off - 1, &seq,
				    &off, &f->err),
			 -ESTALE);
	assert_int_equal(f->err.code, ERR_EPOCH_CHANGED);
	assert_non_null(strstr(f->err.text, "31"));
	assert_int_equal(store_seek(f->s, g, LOG_JSONL, is.first_jsonl_off - 1,
				    &seq, &off, &f->err),
			 -ESTALE);
	assert_int_equal(store_seek(f->s, g, LOG_JSONL, is.first_jsonl_off,
				    &seq, &off, &f->err),
			 0);
	assert_int_equal(seq, 31);
	/* Nothing more to take. */
	assert_int_equal(trim_step(f, g, keep, 5), 0);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 31);
	fixture_verify(f);
	free(before);
	free(after);
}

static void each_bound_takes_what_is_beyond_it(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_log(f, 30);
	struct store_keep keep = { 0 };
	struct wire_group group = fixture_find(f, g, "bob");

	trim_all(f, g, keep);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 1);
	/* Message 5 is 26 days old now. */
	keep.age_ms = 26 * DAY_MS;
	trim_all(f, g, keep);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 5);
	keep.messages = 20;
	trim_all(f, g, keep);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 11);
	keep.bytes = group.size - fixture_find(f, g, "bob").first_off;
	trim_all(f, g, keep);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 11);
	keep.bytes--;
	trim_all(f, g, keep);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 12);
	fixture_verify(f);
}

static void of_two_bounds_the_stricter_counts(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_log(f, 30);
	struct store_keep none = { 0 };

	assert_int_equal(
		set_settings(f, g, "{\"retention\":{\"messages\":25}}"), 0);
	trim_all(f, g, none);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 6);
	keep_last(f, g, 28);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 6);
	keep_last(f, g, 20);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 11);
	assert_int_equal(set_settings(f, g, "{\"retention\":{\"days\":11}}"),
			 0);
	trim_all(f, g, none);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 20);
	/* Said no more: nothing more goes. */
	assert_int_equal(set_settings(f, g, ""), 0);
	f->now_ms += 100 * DAY_MS;
	trim_all(f, g, none);
	assert_int_equal(fixture_find(f, g, "bob").first_seq, 20);
}

static void no_step_takes_more_than_its_bytes(void **state)
{
	struct store_fixture *f = *state;
	struct store_keep keep = { .messages = 1 };
	char *large = malloc(60001);
	uint64_t steps = 1;
	uint64_t g;

	memset(large, 'x', 60000);
	large[60000] = '\0';
	fixture_users(f, "alice");
	g = fixture_group(f, "dev", "alice", "");
	fixture_begin(f);
	for (int i = 0; i < 40; i++)
		fixture_say(f, g, "alice", large, "", NULL);
	fixture_commit(f);
	while (trim_step(f, g, keep, 1000) > 0)
		steps++;
	assert_int_equal(steps, 3);
	assert_int_equal(fixture_find(f, g, "alice").first_seq, 40);
	fixture_verify(f);
	free(large);
}

static void an_emptied_log_goes_on_where_it_was(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_log(f, 12);
	struct wire_group was = fixture_find(f, g, "bob");
	struct wire_group is;
	struct wire_body_sent sent;
	uint64_t seq;
	uint64_t off;

	trim_all(f, g, (struct store_keep){ .age_ms = 1 });
	if (strncmp(f->url, "sqlite", 6) == 0)
		fixture_reopen(f);
	is = fixture_find(f, g, "bob");
	assert_int_equal(is.first_seq, 13);
	assert_int_equal(is.last_seq, 12);
	assert_int_equal(is.first_off, was.size);
	assert_int_equal(is.size, was.size);
	assert_int_equal(is.first_jsonl_off, was.jsonl_size);
	assert_int_equal(is.mtime_ms, was.mtime_ms);
	assert_int_equal(is.read_off, was.size);
	assert_int_equal(is.last_read_seq, 12);
	fixture_verify(f);
	assert_int_equal(store_seek(f->s, g, LOG_TEXT, was.size - 1, &seq, &off,
				    &f->err),
			 -ESTALE);
	assert_int_equal(
		store_seek(f->s, g, LOG_TEXT, was.size, &seq, &off, &f->err),
		-ENOENT);
	fixture_begin(f);
	fixture_edit_one(f, g, "alice", EDIT_REMOVE, "bob");
	fixture_edit_one(f, g, "alice", EDIT_ADD, "bob");
	assert_int_equal(fixture_say(f, g, "alice", "on", "", &sent), 0);
	fixture_commit(f);
	assert_int_equal(sent.first_seq, 13);
	assert_int_equal(sent.offset, was.size);
	assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 12);
	fixture_verify(f);
}

static int count_mention(void *data, const struct wire_mention *m)
{
	buf_printf(data, "%" PRIu64 " ", m->seq);
	return 0;
}

static void assert_mentions(struct store_fixture *f, uint64_t g,
			    const char *user, const char *expected)
{
	struct wire_group group = fixture_find(f, g, user);
	struct buf text = { 0 };
	uint64_t count = 0;

	assert_int_equal(store_list_mentions(f->s, str_of(user), str_of(""), 0,
					     count_mention, &text, &f->err),
			 0);
	assert_string_equal(buf_cstr(&text), expected);
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == ' ';
	assert_int_equal(group.mentions, count);
	buf_release(&text);
}

static void unread_and_mentions_are_those_that_are_held(void **state)
{
	struct store_fixture *f = *state;
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice bob carol");
	g = fixture_group(f, "dev", "alice", "bob carol");
	fixture_begin(f);
	fixture_say(f, g, "alice", "1 @bob", "", NULL);
	fixture_say(f, g, "alice", "2 @bob @carol", "", NULL);
	fixture_say(f, g, "alice", "3 @everyone", "", NULL);
	fixture_say(f, g, "alice", "4 @everyone @bob", "", NULL);
	fixture_say(f, g, "alice", "5", "", NULL);
	fixture_say(f, g, "alice", "6 @bob", "", NULL);
	fixture_say(f, g, "alice", "7 @everyone", "", NULL);
	fixture_commit(f);
	assert_mentions(f, g, "bob", "1 2 3 4 6 7 ");
	keep_last(f, g, 5);
	assert_mentions(f, g, "bob", "3 4 6 7 ");
	assert_mentions(f, g, "carol", "3 4 7 ");
	assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 2);
	assert_int_equal(fixture_find(f, g, "bob").read_off,
			 fixture_find(f, g, "bob").first_off);
	/* A pointer into what is gone is there already. */
	fixture_begin(f);
	assert_int_equal(
		store_set_read(f->s, g, str_of("bob"), 1, &stored, &f->err), 0);
	assert_int_equal(stored, 2);
	assert_int_equal(
		store_set_read(f->s, g, str_of("carol"), 3, &stored, &f->err),
		1);
	fixture_commit(f);
	keep_last(f, g, 3);
	assert_mentions(f, g, "bob", "6 7 ");
	assert_mentions(f, g, "carol", "7 ");
	keep_last(f, g, 1);
	assert_mentions(f, g, "bob", "7 ");
	trim_all(f, g, (struct store_keep){ .bytes = 1 });
	assert_mentions(f, g, "bob", "");
	fixture_verify(f);
	fixture_begin(f);
	fixture_say(f, g, "alice", "8 @bob", "", NULL);
	fixture_say(f, g, "alice", "9 @everyone", "", NULL);
	fixture_commit(f);
	assert_mentions(f, g, "bob", "8 9 ");
	assert_mentions(f, g, "carol", "9 ");
	fixture_verify(f);
}

static struct store_media file_of(uint64_t g, const char *name, uint8_t byte)
{
	struct store_media op = { .group_id = g,
				  .user = str_of("alice"),
				  .name = str_of(name),
				  .size = 10 };

	memset(op.hash, byte, sizeof(op.hash));
	return op;
}

static uint64_t add_file(struct store_fixture *f, uint64_t g, const char *name,
			 uint8_t byte)
{
	struct store_media op = file_of(g, name, byte);

	op.batch_id = str_of(name);
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	return op.media_id;
}

static void files_go_with_their_messages(void **state)
{
	struct store_fixture *f = *state;
	struct store_media again;
	struct wire_media media;
	uint8_t hash[STORE_HASH];
	uint64_t other;
	uint64_t id;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "dev", "alice", "");
	other = fixture_group(f, "zoo", "alice", "");
	fixture_begin(f);
	id = add_file(f, g, "only", 1);
	add_file(f, g, "twice", 2);
	add_file(f, g, "too", 3);
	add_file(f, g, "twice-2", 2);
	add_file(f, other, "zoo", 3);
	fixture_commit(f);
	keep_last(f, g, 1);
	assert_int_equal(store_find_media(f->s, id, 0, str_of(""), str_of(""),
					  &media, &f->err),
			 0);
	assert_int_equal(store_find_media(f->s, 0, g, str_of("twice"),
					  str_of(""), &media, &f->err),
			 0);
	assert_int_equal(store_find_media(f->s, 0, g, str_of("twice-2"),
					  str_of(""), &media, &f->err),
			 1);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 1);
	assert_int_equal(hash[0], 1);
	fixture_begin(f);
	assert_int_equal(store_drop_garbage(f->s, hash, &f->err), 0);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 0);
	/* Sent again: what is known of it is its number. */
	again = file_of(g, "only", 1);
	again.batch_id = str_of("only");
	assert_int_equal(store_add_media(f->s, &again, &f->err), 0);
	assert_int_equal(again.sent.duplicate, 1);
	assert_int_equal(again.sent.first_seq, 1);
	assert_int_equal(again.media_id, 0);
	/* The name is free again. */
	again = file_of(g, "only", 9);
	assert_int_equal(store_add_media(f->s, &again, &f->err), 0);
	assert_true(again.media_id > id);
	fixture_commit(f);
	fixture_verify(f);
}

static void nobody_replies_to_what_is_gone(void **state)
{
	struct store_fixture *f = *state;
	struct store_append op = { .user = str_of("bob") };
	struct buf items = { 0 };
	char *lines;

	op.group_id = make_log(f, 5);
	fixture_item(&items, "yes", 2, "");
	fixture_item(&items, "no", 4, "");
	op.items = buf_str(&items);
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	fixture_commit(f);
	keep_last(f, op.group_id, 4);
	/* What was said to message 2 still says so. */
	lines = lines_after(f, op.group_id, 5);
	assert_non_null(strstr(lines, ">2 yes"));
	free(lines);
	fixture_begin(f);
	assert_int_equal(store_append(f->s, &op, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "no message 2"));
	buf_clear(&items);
	fixture_item(&items, "yes", 4, "");
	op.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &op, &f->err), 0);
	fixture_commit(f);
	buf_release(&items);
	fixture_verify(f);
}

static void what_is_gone_is_still_known_as_sent(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent first;
	struct wire_body_sent again;
	uint64_t g = make_log(f, 3);

	fixture_begin(f);
	fixture_say(f, g, "bob", "hi", "key", &first);
	fixture_commit(f);
	trim_all(f, g, (struct store_keep){ .bytes = 1 });
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "bob", "hi", "key", &again), 0);
	fixture_commit(f);
	assert_int_equal(again.duplicate, 1);
	assert_int_equal(again.first_seq, first.first_seq);
	assert_int_equal(again.offset, first.offset);
	assert_int_equal(fixture_find(f, g, "bob").last_seq, 4);
}

static void what_is_rolled_back_is_there_again(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_log(f, 20);
	struct store_trim op = { .group_id = g,
				 .keep = { .messages = 3 },
				 .limit = 100 };
	char *before = lines_after(f, g, 0);
	char *after;

	fixture_begin(f);
	assert_int_equal(store_trim(f->s, &op, &f->err), 0);
	assert_int_equal(op.first_seq, 18);
	assert_int_equal(op.trimmed, 17);
	assert_int_equal(op.left, 0);
	fixture_say(f, g, "bob", "hi", "", NULL);
	store_rollback(f->s);
	after = lines_after(f, g, 0);
	assert_string_equal(before, after);
	assert_int_equal(fixture_find(f, g, "bob").first_off, 0);
	fixture_verify(f);
	op.group_id = 77;
	fixture_begin(f);
	assert_int_equal(store_trim(f->s, &op, &f->err), -ENOENT);
	fixture_commit(f);
	free(before);
	free(after);
}

static int take_id(void *data, uint64_t group_id)
{
	buf_printf(data, "%" PRIu64 " ", group_id);
	return 0;
}

/* The groups that have something to take, and how many pages it took. */
static int assert_overdue(struct store_fixture *f, struct store_keep keep,
			  const char *expected)
{
	struct buf text = { 0 };
	uint64_t after = 0;
	int pages = 0;
	int rc;

	do {
		rc = store_list_overdue(f->s, &keep, 2, &after, take_id, &text,
					&f->err);
		assert_true(rc >= 0);
		pages++;
	} while (rc > 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
	return pages;
}

static void overdue_groups_are_found_in_pages(void **state)
{
	struct store_fixture *f = *state;
	struct store_keep none = { 0 };
	uint64_t g;
	char name[16];

	fixture_users(f, "alice");
	for (int i = 1; i <= 9; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		g = fixture_group(f, name, "alice", "");
		fixture_begin(f);
		for (int n = 0; n < i; n++)
			fixture_say(f, g, "alice", "hi", "", NULL);
		fixture_commit(f);
	}
	/* Nothing is bounded: nothing is looked at. */
	assert_int_equal(assert_overdue(f, none, ""), 1);
	assert_int_equal(set_settings(f, 4, "{\"retention\":{\"messages\":3}}"),
			 0);
	assert_int_equal(set_settings(f, 6, "{\"retention\":{\"messages\":9}}"),
			 0);
	assert_int_equal(set_settings(f, 8, "{\"retention\":{\"bytes\":9}}"),
			 0);
	assert_int_equal(assert_overdue(f, none, "4 8 "), 2);
	assert_int_equal(assert_overdue(f, (struct store_keep){ .messages = 6 },
					"4 7 8 9 "),
			 5);
	keep_last(f, 4, 9);
	assert_int_equal(assert_overdue(f, none, "8 "), 2);
}

static void a_retention_is_what_it_must_be(void **state)
{
	static const struct {
		const char *settings;
		const char *why; /* NULL: it is taken */
	} rows[] = {
		{ "{\"retention\":{\"days\":30}}", NULL },
		{ "{\"retention\":{\"days\":1,\"messages\":2,\"bytes\":3}}",
		  NULL },
		{ "{\"retention\":{}}", NULL },
		{ "{\"retention\":null,\"x\":{\"retention\":7}}", NULL },
		{ "{\"retention\":30}", "an object" },
		{ "{\"retention\":\"30d\"}", "an object" },
		{ "{\"retention\":{\"days\":0}}", "from 1 to 36500" },
		{ "{\"retention\":{\"days\":36501}}", "from 1 to 36500" },
		{ "{\"retention\":{\"days\":1.5}}", "\"days\"" },
		{ "{\"retention\":{\"messages\":-1}}", "\"messages\"" },
		{ "{\"retention\":{\"messages\":\"9\"}}", "\"messages\"" },
		{ "{\"retention\":{\"bytes\":9007199254740993}}", "\"bytes\"" },
		{ "{\"retention\":{\"hours\":1}}", "nothing else" },
	};
	struct store_fixture *f = *state;
	struct wire_port_group group = import_group_named("new", 0);
	struct store_create create = { .name = str_of("new"),
				       .creator = str_of("alice") };
	uint64_t id;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "dev", "alice", "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = set_settings(f, g, rows[i].settings);

		if ((rc == 0) != (rows[i].why == NULL))
			fail_msg("%s: %d %s", rows[i].settings, rc,
				 f->err.text);
		if (rc < 0)
			assert_non_null(strstr(f->err.text, rows[i].why));
	}
	create.settings = str_of("{\"retention\":1}");
	group.settings = create.settings;
	fixture_begin(f);
	assert_int_equal(store_create_group(f->s, &create, &f->err), -EINVAL);
	assert_int_equal(store_import_begin(f->s, &group, &id, &f->err),
			 -EINVAL);
	fixture_commit(f);
}

static int put_message(void *data, const struct wire_message *m)
{
	wire_put(data, &wire_schema_message, m);
	return 0;
}

/* A copy of g, with its floor. */
static uint64_t import_copy(struct store_fixture *f, uint64_t g)
{
	struct wire_group was = fixture_find(f, g, "alice");
	struct wire_port_group group = import_group_named("copy", 0);
	struct wire_port_member alice = { .name = str_of("alice"),
					  .role = ROLE_ADMIN };
	struct buf records = { 0 };
	uint64_t id;

	group.first_seq = was.first_seq;
	group.first_off = was.first_off;
	group.first_jsonl_off = was.first_jsonl_off;
	group.last_seq = was.last_seq;
	group.settings = str_of("{\"retention\":{\"messages\":2}}");
	fixture_begin(f);
	import_must(f, store_import_begin(f->s, &group, &id, &f->err));
	wire_put(&records, &wire_schema_port_member, &alice);
	import_must(f, import_give(f, store_import_members, id, &records));
	buf_clear(&records);
	store_scan(f->s, g, 0, put_message, &records, &f->err);
	import_must(f, import_give(f, store_import_messages, id, &records));
	assert_int_equal(import_end(f, id, "copy", ""), 0);
	fixture_commit(f);
	buf_release(&records);
	return id;
}

static void a_group_is_imported_with_its_floor(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_log(f, 9);
	uint64_t copy;
	char *was;
	char *is;

	keep_last(f, g, 5);
	copy = import_copy(f, g);
	was = lines_after(f, g, 0);
	is = lines_after(f, copy, 0);
	assert_string_equal(is, was);
	assert_int_equal(fixture_find(f, copy, "alice").first_seq, 5);
	assert_int_equal(fixture_find(f, copy, "alice").size,
			 fixture_find(f, g, "alice").size);
	fixture_verify(f);
	/* Its own retention came with it. */
	trim_all(f, copy, (struct store_keep){ 0 });
	assert_int_equal(fixture_find(f, copy, "alice").first_seq, 8);
	fixture_verify(f);
	free(was);
	free(is);
}

static void an_emptied_group_is_imported(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	uint64_t g = make_log(f, 9);
	uint64_t copy;

	trim_all(f, g, (struct store_keep){ .bytes = 1 });
	copy = import_copy(f, g);
	assert_int_equal(fixture_find(f, copy, "alice").first_seq, 10);
	assert_int_equal(fixture_find(f, copy, "alice").last_seq, 9);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, copy, "alice", "on", "", &sent), 0);
	fixture_commit(f);
	assert_int_equal(sent.first_seq, 10);
	assert_int_equal(sent.offset, fixture_find(f, g, "alice").size);
	fixture_verify(f);
}

static void a_bad_floor_is_not_imported(void **state)
{
	struct store_fixture *f = *state;
	struct wire_port_group bad[5];
	uint64_t id;

	fixture_begin(f);
	for (size_t i = 0; i < 5; i++)
		bad[i] = import_group_named("copy", 7);
	bad[0].first_seq = 0;
	bad[1].first_seq = 9;
	bad[2].first_off = 1;
	bad[3].first_jsonl_off = 1;
	bad[4].first_seq = 3;
	bad[4].first_off = UINT64_MAX;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
			store_import_begin(f->s, &bad[i], &id, &f->err),
			-EINVAL);
	fixture_commit(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(what_stays_is_where_it_was),
		FIXTURE_ON_EACH(each_bound_takes_what_is_beyond_it),
		FIXTURE_ON_EACH(of_two_bounds_the_stricter_counts),
		FIXTURE_ON_EACH(no_step_takes_more_than_its_bytes),
		FIXTURE_ON_EACH(an_emptied_log_goes_on_where_it_was),
		FIXTURE_ON_EACH(unread_and_mentions_are_those_that_are_held),
		FIXTURE_ON_EACH(files_go_with_their_messages),
		FIXTURE_ON_EACH(nobody_replies_to_what_is_gone),
		FIXTURE_ON_EACH(what_is_gone_is_still_known_as_sent),
		FIXTURE_ON_EACH(what_is_rolled_back_is_there_again),
		FIXTURE_ON_EACH(overdue_groups_are_found_in_pages),
		FIXTURE_ON_EACH(a_retention_is_what_it_must_be),
		FIXTURE_ON_EACH(a_group_is_imported_with_its_floor),
		FIXTURE_ON_EACH(an_emptied_group_is_imported),
		FIXTURE_ON_EACH(a_bad_floor_is_not_imported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
