/* SPDX-License-Identifier: MIT */
/*
 * Whole groups from elsewhere, on every back end: what comes out is what went
 * in, nobody sees it before its end, and nothing is left of what had none.
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

static int take_line(void *data, const struct wire_message *m)
{
	buf_printf(data, "%" PRIu64 " %" PRIu64 " ", m->off, m->jsonl_off);
	text_render(data, m);
	json_put_message_line(data, m);
	return 0;
}

static int take_member(void *data, const struct wire_port_member *m)
{
	buf_printf(data, "%.*s %d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		   (int)m->name.len, m->name.data, (int)m->role, m->joined_ms,
		   m->joined_seq, m->last_read_seq);
	return 0;
}

static int take_mention(void *data, const struct wire_mention *m)
{
	buf_printf(data, "%.*s:%" PRIu64 " ", (int)m->group.len, m->group.data,
		   m->seq);
	return 0;
}

static int put_member(void *data, const struct wire_port_member *m)
{
	wire_put(data, &wire_schema_port_member, m);
	return 0;
}

static int put_message(void *data, const struct wire_message *m)
{
	wire_put(data, &wire_schema_message, m);
	return 0;
}

/* All of a group but its name, epoch and id. */
static void describe(struct store_fixture *f, uint64_t g, struct buf *out)
{
	struct wire_info info;

	buf_clear(out);
	assert_int_equal(store_get_info(f->s, g, str_of(""), &info, &f->err),
			 0);
	buf_printf(out, "%.*s %.*s %.*s %" PRIu64 " %" PRIu64 " %.*s\n",
		   (int)info.description.len, info.description.data,
		   (int)info.avatar_url.len, info.avatar_url.data,
		   (int)info.created_by.len, info.created_by.data,
		   info.created_ms, info.max_members, (int)info.settings.len,
		   info.settings.data);
	assert_int_equal(store_export_members(f->s, g, str_of(""), take_member,
					      out, &f->err),
			 0);
	assert_int_equal(store_scan(f->s, g, 0, take_line, out, &f->err), 0);
}

/* A group with what can be in one: replies, mentions, one who came back, one
 * who left, read pointers, client_ids. */
static uint64_t make_group(struct store_fixture *f)
{
	struct buf items = { 0 };
	struct store_append op = { 0 };
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice bob carol");
	g = fixture_group(f, "dev", "alice", "bob carol");
	fixture_begin(f);
	fixture_say(f, g, "alice", "hi @bob @carol", "", NULL);
	fixture_say(f, g, "carol", "tab\there\n\x1b", "c-1", NULL);
	fixture_edit_one(f, g, "alice", EDIT_REMOVE, "bob");
	fixture_edit_one(f, g, "carol", EDIT_REMOVE, "carol");
	f->now_ms += 10;
	fixture_edit_one(f, g, "alice", EDIT_ADMIN, "bob");
	fixture_item(&items, "yes @everyone", 2, "b-1");
	op = (struct store_append){ .group_id = g,
				    .user = str_of("alice"),
				    .items = buf_str(&items) };
	import_must(f, store_append(f->s, &op, &f->err));
	f->now_ms += 10;
	fixture_say(f, g, "bob", "@alice", "", NULL);
	fixture_say(f, g, "alice", "@bob again", "", NULL);
	import_must(f, store_set_read(f->s, g, str_of("alice"), 5, &stored,
				      &f->err));
	fixture_commit(f);
	buf_release(&items);
	return g;
}

/* All of group g as an import of that name, without its end. */
static uint64_t copy(struct store_fixture *f, uint64_t g, const char *name)
{
	struct wire_port_group group = { .first_seq = 1 };
	struct buf members = { 0 };
	struct buf messages = { 0 };
	struct wire_info info;
	uint64_t id;

	group.last_seq = fixture_find(f, g, "").last_seq;
	import_must(f, store_get_info(f->s, g, str_of(""), &info, &f->err));
	group.name = str_of(name);
	group.description = info.description;
	group.settings = info.settings;
	group.avatar_url = info.avatar_url;
	group.created_by = info.created_by;
	group.created_ms = info.created_ms;
	group.max_members = info.max_members;
	import_must(f, store_import_begin(f->s, &group, &id, &f->err));
	import_must(f, store_export_members(f->s, g, str_of(""), put_member,
					    &members, &f->err));
	import_must(f, store_scan(f->s, g, 0, put_message, &messages, &f->err));
	import_must(f, import_give(f, store_import_members, id, &members));
	import_must(f, import_give(f, store_import_messages, id, &messages));
	buf_release(&members);
	buf_release(&messages);
	return id;
}

static void assert_mentions(struct store_fixture *f, const char *user,
			    const char *expected)
{
	struct buf text = { 0 };

	import_must(f, store_list_mentions(f->s, str_of(user), str_of(""), 0,
					   take_mention, &text, &f->err));
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void a_copy_is_what_was_copied(void **state)
{
	struct store_fixture *f = *state;
	struct buf before = { 0 };
	struct buf after = { 0 };
	struct wire_group a;
	struct wire_group b;
	uint64_t g = make_group(f);
	uint64_t id;

	f->now_ms += 1000;
	fixture_begin(f);
	id = copy(f, g, "copy");
	assert_int_equal(import_end(f, id, "copy", "k"), 0);
	fixture_commit(f);
	describe(f, g, &before);
	describe(f, id, &after);
	assert_string_equal(buf_cstr(&before), buf_cstr(&after));
	a = fixture_find(f, g, "bob");
	b = fixture_find(f, id, "bob");
	assert_int_equal(a.size, b.size);
	assert_int_equal(a.jsonl_size, b.jsonl_size);
	assert_int_equal(a.mtime_ms, b.mtime_ms);
	assert_int_equal(a.mentions, 1);
	assert_int_equal(b.mentions, 1);
	assert_int_equal(a.member_count, b.member_count);
	assert_int_equal(a.last_read_seq, b.last_read_seq);
	assert_int_equal(a.read_off, b.read_off);
	assert_true(a.epoch != b.epoch);
	assert_int_equal(b.members_ms, f->now_ms);
	a = fixture_find(f, g, "alice");
	b = fixture_find(f, id, "alice");
	assert_int_equal(a.mentions, b.mentions);
	assert_int_equal(a.last_read_seq, b.last_read_seq);
	fixture_verify(f);
	buf_release(&before);
	buf_release(&after);
}

static void mentions_count_for_who_was_a_member_since(void **state)
{
	struct store_fixture *f = *state;
	struct buf records = { 0 };
	struct wire_port_member m = { .name = str_of("bob"),
				      .role = ROLE_ADMIN,
				      .joined_seq = 2 };
	uint64_t id;

	fixture_users(f, "bob");
	fixture_begin(f);
	id = import_begin(f, "copy", 4);
	wire_put(&records, &wire_schema_port_member, &m);
	import_must(f, import_give(f, store_import_members, id, &records));
	buf_clear(&records);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		struct wire_message message = {
			.seq = seq,
			.time_ms = f->now_ms,
			.sender = str_of("bob"),
			.content = str_of("x"),
			.mentions = str_of(seq == 4 ? "everyone" : "bob"),
		};

		if (seq != 1)
			message.sender = str_of("eve");
		wire_put(&records, &wire_schema_message, &message);
	}
	import_must(f, import_give(f, store_import_messages, id, &records));
	assert_int_equal(import_end(f, id, "copy", ""), 0);
	fixture_commit(f);
	assert_mentions(f, "bob", "copy:3 copy:4 ");
	assert_int_equal(fixture_find(f, id, "bob").mentions, 2);
	fixture_verify(f);
	buf_release(&records);
}

static void assert_hidden(struct store_fixture *f, uint64_t id)
{
	struct wire_group group;
	struct wire_info info;
	struct store_counts counts;
	enum role role;
	uint64_t stored;

	assert_int_equal(store_find_group(f->s, id, str_of(""), str_of(""),
					  &group, &f->err),
			 -ENOENT);
	assert_int_equal(store_find_group(f->s, 0, str_of("copy"), str_of(""),
					  &group, &f->err),
			 -ENOENT);
	assert_int_equal(store_get_info(f->s, id, str_of(""), &info, &f->err),
			 -ENOENT);
	assert_int_equal(store_role(f->s, id, str_of("alice"), &role, &f->err),
			 0);
	assert_int_equal(role, ROLE_NONE);
	assert_mentions(f, "bob", "dev:5 ");
	import_must(f, store_count(f->s, &counts, &f->err));
	assert_int_equal(counts.groups, 1);
	fixture_verify(f);
	fixture_begin(f);
	assert_true(fixture_say(f, id, "alice", "x", "", NULL) < 0);
	assert_true(store_set_read(f->s, id, str_of("alice"), 1, &stored,
				   &f->err) < 0);
	assert_true(store_delete_group(f->s, id, str_of("alice"), &f->err) < 0);
	fixture_commit(f);
}

static void nobody_sees_it_before_its_end(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_group(f);
	uint64_t found;
	uint64_t id;

	fixture_begin(f);
	id = copy(f, g, "copy");
	fixture_commit(f);
	assert_hidden(f, id);
	assert_int_equal(store_next_import(f->s, 0, &found, &f->err), 1);
	assert_int_equal(found, id);
	assert_int_equal(store_next_import(f->s, id, &found, &f->err), 0);
	fixture_begin(f);
	assert_int_equal(import_end(f, id, "copy", "key"), 0);
	/* The answer was lost. */
	assert_int_equal(import_end(f, id, "copy", "key"), 1);
	assert_true(import_end(f, id, "copy", "other") < 0);
	fixture_commit(f);
	assert_int_equal(store_next_import(f->s, 0, &found, &f->err), 0);
	assert_int_equal(fixture_find(f, id, "alice").last_seq, 5);
	fixture_begin(f);
	assert_int_equal(store_import_drop(f->s, id, &f->err), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, id, "alice").last_seq, 5);
}

static void what_has_no_end_is_taken_away(void **state)
{
	struct store_fixture *f = *state;
	struct buf records = { 0 };
	struct wire_message m = { .sender = str_of("alice"),
				  .content = str_of("x"),
				  .mentions = str_of("bob") };
	static const uint8_t hash[STORE_HASH] = { 7 };
	const struct wire_media media = { .name = str_of("a"),
					  .seq = 1,
					  .size = 5,
					  .hash = str_make((const char *)hash,
							   STORE_HASH) };
	struct buf files = { 0 };
	uint64_t found;
	uint64_t g = make_group(f);
	uint64_t id;
	int rc;

	fixture_begin(f);
	id = import_begin(f, "copy", 12000);
	m.type = MESSAGE_MEDIA;
	m.media_url = str_of("media/a");
	for (m.seq = 1; m.seq <= 12000; m.seq++) {
		m.time_ms = f->now_ms;
		wire_put(&records, &wire_schema_message, &m);
		m.type = MESSAGE_TEXT;
		m.media_url = str_of("");
	}
	import_must(f, import_give(f, store_import_messages, id, &records));
	wire_put(&files, &wire_schema_media, &media);
	import_must(f, import_give(f, store_import_media, id, &files));
	buf_release(&files);
	fixture_commit(f);
	do {
		struct store_import_end end = { .import_id = id,
						.name = str_of("copy") };

		fixture_begin(f);
		rc = store_import_drop(f->s, id, &f->err);
		import_must(f, rc);
		fixture_commit(f);
		fixture_verify(f);
		/* All that it was said to have may be gone already. */
		fixture_begin(f);
		assert_true(store_import_end(f->s, &end, &f->err) < 0);
		assert_non_null(strstr(f->err.text, "no such import"));
		fixture_commit(f);
	} while (rc > 0);
	assert_int_equal(store_next_import(f->s, 0, &found, &f->err), 0);
	fixture_begin(f);
	assert_true(import_give(f, store_import_messages, id, &records) < 0);
	assert_string_equal(f->err.text,
			    "There is no such import: it was broken off, and "
			    "nothing of it is left");
	/* The number is not used again. */
	found = import_begin(f, "copy", 0);
	assert_true(found > id && id > g);
	fixture_commit(f);
	buf_release(&records);
}

static void a_rollback_leaves_nothing(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = make_group(f);
	uint64_t found;

	fixture_begin(f);
	copy(f, g, "copy");
	store_rollback(f->s);
	assert_int_equal(store_next_import(f->s, 0, &found, &f->err), 0);
	fixture_verify(f);
}

static void a_client_id_is_remembered_while_it_is_young(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	uint64_t g = make_group(f);
	uint64_t id;

	fixture_begin(f);
	id = copy(f, g, "copy");
	assert_int_equal(import_end(f, id, "copy", ""), 0);
	assert_int_equal(fixture_say(f, id, "alice", "yes", "b-1", &sent), 0);
	assert_int_equal(sent.duplicate, 1);
	assert_int_equal(sent.first_seq, 3);
	fixture_commit(f);
	f->now_ms += 25 * 3600 * 1000;
	fixture_begin(f);
	id = copy(f, g, "later");
	assert_int_equal(import_end(f, id, "later", ""), 0);
	assert_int_equal(fixture_say(f, id, "alice", "yes", "b-1", &sent), 0);
	assert_int_equal(sent.duplicate, 0);
	fixture_commit(f);
	fixture_verify(f);
}

static void a_member_without_a_pointer_is_a_new_one(void **state)
{
	struct store_fixture *f = *state;
	struct wire_port_member m = { .name = str_of("alice"),
				      .role = ROLE_ADMIN,
				      .last_read_seq = PORT_UNKNOWN };
	struct buf records = { 0 };
	struct wire_message message = { .sender = str_of("x"),
					.time_ms = f->now_ms };
	uint64_t id;

	fixture_users(f, "alice");
	fixture_begin(f);
	id = import_begin(f, "copy", 70);
	wire_put(&records, &wire_schema_port_member, &m);
	import_must(f, import_give(f, store_import_members, id, &records));
	buf_clear(&records);
	for (message.seq = 1; message.seq <= 70; message.seq++)
		wire_put(&records, &wire_schema_message, &message);
	import_must(f, import_give(f, store_import_messages, id, &records));
	assert_int_equal(import_end(f, id, "copy", ""), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, id, "alice").last_read_seq, 20);
	buf_release(&records);
}

static void a_file_belongs_to_its_message(void **state)
{
	static const uint8_t hash[STORE_HASH] = { 7 };
	struct store_fixture *f = *state;
	struct wire_media media = { .name = str_of("a b"),
				    .seq = 1,
				    .size = 5,
				    .hash = str_make((const char *)hash,
						     STORE_HASH) };
	struct wire_media found;
	uint8_t garbage[STORE_HASH];
	struct buf records = { 0 };
	struct wire_message m = { .seq = 1,
				  .time_ms = f->now_ms,
				  .type = MESSAGE_MEDIA,
				  .sender = str_of("alice"),
				  .media_url = str_of("media/a%20b") };
	bool used;
	uint64_t id;

	fixture_begin(f);
	id = import_begin(f, "copy", 1);
	wire_put(&records, &wire_schema_message, &m);
	import_must(f, import_give(f, store_import_messages, id, &records));
	buf_clear(&records);
	wire_put(&records, &wire_schema_media, &media);
	import_must(f, import_give(f, store_import_media, id, &records));
	assert_int_equal(import_give(f, store_import_media, id, &records),
			 -EEXIST);
	media.seq = 2;
	buf_clear(&records);
	wire_put(&records, &wire_schema_media, &media);
	assert_int_equal(import_give(f, store_import_media, id, &records),
			 -EINVAL);
	assert_string_equal(f->err.text,
			    "line 100: Message 2 does not bring the file a b");
	fixture_commit(f);
	import_must(f, store_hash_used(f->s, hash, &used, &f->err));
	assert_true(used);
	fixture_users(f, "alice");
	/* It is nobody's, whatever number is guessed. */
	assert_int_equal(store_find_media(f->s, 1, 0, str_of(""),
					  str_of("alice"), &found, &f->err),
			 -ENOENT);
	fixture_begin(f);
	assert_int_equal(store_import_drop(f->s, id, &f->err), 0);
	fixture_commit(f);
	assert_int_equal(store_next_garbage(f->s, NULL, garbage, &f->err), 1);
	assert_memory_equal(garbage, hash, STORE_HASH);
	fixture_verify(f);
	buf_release(&records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(a_copy_is_what_was_copied),
		FIXTURE_ON_EACH(mentions_count_for_who_was_a_member_since),
		FIXTURE_ON_EACH(nobody_sees_it_before_its_end),
		FIXTURE_ON_EACH(what_has_no_end_is_taken_away),
		FIXTURE_ON_EACH(a_rollback_leaves_nothing),
		FIXTURE_ON_EACH(a_client_id_is_remembered_while_it_is_young),
		FIXTURE_ON_EACH(a_member_without_a_pointer_is_a_new_one),
		FIXTURE_ON_EACH(a_file_belongs_to_its_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
