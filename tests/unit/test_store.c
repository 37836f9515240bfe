/* SPDX-License-Identifier: MIT */
/*
 * The contract of the store (store/store.h), on every back end: each test runs
 * once for each scheme.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/text.h"
#include "tests/support/store_fixture.h"

/* Collects what a walk gives as text. */
static int take_line(void *data, const struct wire_message *m)
{
	text_render(data, m);
	return 0;
}

static int take_member(void *data, const struct wire_member *m)
{
	buf_printf(data, "%.*s %d ", (int)m->name.len, m->name.data,
		   (int)m->role);
	return 0;
}

static int take_group(void *data, const struct wire_group *g)
{
	buf_printf(data, "%.*s %" PRIu64 " ", (int)g->name.len, g->name.data,
		   g->last_seq - g->last_read_seq);
	return 0;
}

static int take_mentions(void *data, const struct wire_message *m)
{
	buf_printf(data, "[%.*s]", (int)m->mentions.len, m->mentions.data);
	return 0;
}

static void assert_text(struct buf *b, const char *expected)
{
	assert_false(b->failed);
	assert_string_equal(buf_cstr(b), expected);
	buf_release(b);
}

static int append(struct store_fixture *f, uint64_t group_id, const char *user,
		  const char *batch_id, const struct buf *items,
		  struct store_append *out)
{
	*out = (struct store_append){ .group_id = group_id,
				      .user = str_of(user),
				      .batch_id = str_of(batch_id),
				      .items = buf_str(items) };
	return store_append(f->s, out, &f->err);
}

static void seqs_are_gapless_and_offsets_exact(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	struct wire_group group;
	struct buf text = { 0 };
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	for (unsigned i = 1; i <= 200; i++) {
		char content[32];
		size_t size = text.len;

		snprintf(content, sizeof(content), "line\t%u\n\x1b", i);
		assert_int_equal(fixture_say(f, g, i % 2 ? "alice" : "bob",
					     content, "", &sent),
				 0);
		assert_int_equal(sent.first_seq, i);
		assert_int_equal(sent.last_seq, i);
		assert_int_equal(sent.offset, size);
		assert_int_equal(
			store_scan(f->s, g, i - 1, take_line, &text, &f->err),
			0);
	}
	fixture_commit(f);
	group = fixture_find(f, g, "alice");
	assert_int_equal(group.size, text.len);
	assert_int_equal(group.last_seq, 200);
	fixture_verify(f);
	buf_release(&text);
}

static void every_byte_is_found_in_its_line(void **state)
{
	struct store_fixture *f = *state;
	struct buf items = { 0 };
	struct buf text = { 0 };
	struct store_append op;
	uint64_t line = 0;
	uint64_t line_off = 0;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "log", "alice", "");
	srandom(7);
	for (unsigned i = 0; i < 300; i++) {
		char content[700];
		size_t len = random() % 40 ? (size_t)random() % 20 : 600;

		memset(content, 'x', len);
		content[len] = '\0';
		fixture_item(&items, content, 0, "");
	}
	fixture_begin(f);
	assert_int_equal(append(f, g, "alice", "", &items, &op), 0);
	fixture_commit(f);
	assert_int_equal(store_scan(f->s, g, 0, take_line, &text, &f->err), 0);
	assert_int_equal(op.end_off, text.len);
	for (uint64_t off = 0; off < text.len; off++) {
		uint64_t seq;
		uint64_t at;

		if (off == 0 || text.data[off - 1] == '\n') {
			line++;
			line_off = off;
		}
		if (!fixture_seeks(f, buf_str(&text), off))
			continue;
		assert_int_equal(
			store_seek(f->s, g, LOG_TEXT, off, &seq, &at, &f->err),
			0);
		assert_int_equal(seq, line);
		assert_int_equal(at, line_off);
	}
	assert_int_equal(store_seek(f->s, g, LOG_TEXT, text.len, &line,
				    &line_off, &f->err),
			 -ENOENT);
	buf_release(&items);
	buf_release(&text);
}

static void who_is_no_member_finds_no_group(void **state)
{
	struct store_fixture *f = *state;
	struct wire_group out;
	enum role role;
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice eve");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "eve", "hi", "", NULL), -ENOENT);
	assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
	assert_int_equal(fixture_say(f, g, "", "hi", "", NULL), -ENOENT);
	assert_int_equal(fixture_edit_one(f, g, "eve", EDIT_ADD, "eve"),
			 -ENOENT);
	assert_int_equal(
		store_set_read(f->s, g, str_of("eve"), 0, &stored, &f->err),
		-ENOENT);
	assert_int_equal(store_delete_group(f->s, g, str_of("eve"), &f->err),
			 -ENOENT);
	fixture_commit(f);
	assert_int_equal(store_find_group(f->s, g, str_of(""), str_of("eve"),
					  &out, &f->err),
			 -ENOENT);
	assert_int_equal(store_find_group(f->s, 0, str_of("lunch"), str_of(""),
					  &out, &f->err),
			 0);
	assert_int_equal(out.role, ROLE_NONE);
	assert_int_equal(store_role(f->s, g, str_of("eve"), &role, &f->err), 0);
	assert_int_equal(role, ROLE_NONE);
	assert_int_equal(
		store_role(f->s, UINT64_MAX, str_of("alice"), &role, &f->err),
		0);
	assert_int_equal(role, ROLE_NONE);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 0);
}

static void a_refused_batch_stores_nothing_and_goes_on(void **state)
{
	struct store_fixture *f = *state;
	struct buf items = { 0 };
	struct store_append op;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "first", "", NULL), 0);
	fixture_item(&items, "@bob one", 0, "a");
	fixture_item(&items, "two", 2, "b");
	fixture_item(&items, "three", 9, "c");
	assert_int_equal(append(f, g, "alice", "batch", &items, &op), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	assert_memory_equal(f->err.text, "line 3: ", 8);
	assert_int_equal(op.sent.first_seq, 0);
	buf_clear(&items);
	fixture_item(&items, "fine", 0, "");
	fixture_item(&items, "\xff", 0, "");
	assert_int_equal(append(f, g, "alice", "", &items, &op), -EILSEQ);
	assert_memory_equal(f->err.text, "line 2: ", 8);
	buf_clear(&items);
	fixture_item(&items, "again", 1, "a");
	assert_int_equal(append(f, g, "alice", "batch", &items, &op), 0);
	assert_int_equal(op.sent.first_seq, 2);
	assert_int_equal(op.sent.duplicate, 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").mentions, 0);
	fixture_verify(f);
	buf_release(&items);
}

static void what_is_rolled_back_is_gone(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	bool found;
	bool added;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "@bob", "x", NULL), 0);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_REMOVE, "bob"),
			 0);
	assert_int_equal(store_add_user(f->s, str_of("carl"), &added, &f->err),
			 0);
	store_rollback(f->s);
	assert_int_equal(fixture_find(f, g, "bob").last_seq, 0);
	assert_int_equal(fixture_find(f, g, "bob").member_count, 2);
	assert_int_equal(store_find_user(f->s, str_of("carl"), &found, &f->err),
			 0);
	assert_false(found);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "hi", "x", &sent), 0);
	assert_int_equal(sent.duplicate, 0);
	assert_int_equal(sent.first_seq, 1);
	fixture_commit(f);
}

static void a_client_id_is_stored_once(void **state)
{
	struct store_fixture *f = *state;
	struct buf items = { 0 };
	struct wire_body_sent first;
	struct wire_body_sent again;
	struct store_append op;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "id", &first), 0);
	fixture_commit(f);
	f->now_ms += 23 * 3600 * 1000;
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "two", "id", &again), 0);
	assert_int_equal(again.duplicate, 1);
	assert_int_equal(again.first_seq, first.first_seq);
	assert_int_equal(again.offset, first.offset);
	assert_int_equal(again.time_ms, first.time_ms);
	/* Another member's id is another id. */
	assert_int_equal(fixture_say(f, g, "bob", "three", "id", &again), 0);
	assert_int_equal(again.duplicate, 0);
	fixture_item(&items, "four", 0, "id");
	fixture_item(&items, "five", 0, "n");
	fixture_item(&items, "five again", 0, "n");
	assert_int_equal(append(f, g, "alice", "batch", &items, &op), 0);
	assert_int_equal(op.sent.first_seq, 3);
	assert_int_equal(op.sent.last_seq, 3);
	assert_int_equal(op.sent.duplicate, 0);
	assert_int_equal(append(f, g, "alice", "batch", &items, &op), 0);
	assert_int_equal(op.sent.duplicate, 1);
	assert_int_equal(op.sent.last_seq, 3);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 3);
	buf_release(&items);
}

/* Its messages have no keys of their own. */
static void a_batch_id_is_stored_once(void **state)
{
	struct store_fixture *f = *state;
	struct buf items = { 0 };
	struct store_append first;
	struct store_append again;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_item(&items, "one", 0, "");
	fixture_item(&items, "two", 0, "");
	fixture_begin(f);
	assert_int_equal(append(f, g, "alice", "batch", &items, &first), 0);
	assert_int_equal(first.sent.duplicate, 0);
	fixture_commit(f);
	fixture_begin(f);
	assert_int_equal(append(f, g, "alice", "batch", &items, &again), 0);
	assert_int_equal(again.sent.duplicate, 1);
	assert_int_equal(again.sent.first_seq, 1);
	assert_int_equal(again.sent.last_seq, 2);
	assert_int_equal(again.sent.offset, first.sent.offset);
	assert_int_equal(again.sent.time_ms, first.sent.time_ms);
	/* Another member's id is another id. */
	assert_int_equal(append(f, g, "bob", "batch", &items, &again), 0);
	assert_int_equal(again.sent.duplicate, 0);
	assert_int_equal(again.sent.last_seq, 4);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 4);
	buf_release(&items);
}

static void what_is_known_can_be_asked_for_alone(void **state)
{
	struct store_fixture *f = *state;
	struct store_append ask = { .user = str_of("alice"),
				    .only_known = true };
	struct buf items = { 0 };
	struct store_append op;

	fixture_users(f, "alice");
	ask.group_id = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	fixture_item(&items, "one", 0, "a");
	fixture_item(&items, "two", 0, "b");
	assert_int_equal(append(f, ask.group_id, "alice", "x", &items, &op), 0);
	/* By the batch_id, whatever is in it; by all client_ids. */
	ask.batch_id = str_of("x");
	ask.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &ask, &f->err), 0);
	assert_int_equal(ask.sent.duplicate, 1);
	assert_int_equal(ask.sent.last_seq, 2);
	ask.batch_id = str_of("y");
	assert_int_equal(store_append(f->s, &ask, &f->err), 0);
	assert_int_equal(ask.sent.duplicate, 1);
	assert_int_equal(ask.sent.first_seq, 1);
	assert_int_equal(ask.sent.last_seq, 2);
	assert_int_equal(ask.sent.offset, op.sent.offset);
	/* One of them is new, or has none. */
	fixture_item(&items, "three", 0, "c");
	ask.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &ask, &f->err), 0);
	assert_int_equal(ask.sent.duplicate, 0);
	assert_int_equal(ask.sent.first_seq, 0);
	buf_clear(&items);
	fixture_item(&items, "one", 0, "");
	ask.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &ask, &f->err), 0);
	assert_int_equal(ask.sent.duplicate, 0);
	ask.user = str_of("bob");
	assert_int_equal(store_append(f->s, &ask, &f->err), -ENOENT);
	/* Nothing was stored, nor is it known now. */
	assert_int_equal(append(f, ask.group_id, "alice", "y", &items, &op), 0);
	assert_int_equal(op.sent.duplicate, 0);
	assert_int_equal(op.sent.first_seq, 3);
	fixture_commit(f);
	buf_release(&items);
}

static void ids_are_forgotten_after_two_windows(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "id", NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		char id[8];

		f->now_ms += 25 * 3600 * 1000;
		snprintf(id, sizeof(id), "n%u", i);
		assert_int_equal(fixture_say(f, g, "alice", "x", id, NULL), 0);
	}
	assert_int_equal(fixture_say(f, g, "alice", "one", "id", &sent), 0);
	assert_int_equal(sent.duplicate, 0);
	fixture_commit(f);
}

static void time_never_goes_back(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	uint64_t then = f->now_ms;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "", NULL), 0);
	f->now_ms -= 5000;
	assert_int_equal(fixture_say(f, g, "alice", "two", "", &sent), 0);
	assert_int_equal(sent.time_ms, then);
	fixture_commit(f);
}

static void bad_messages_are_refused(void **state)
{
	struct store_fixture *f = *state;
	char *big = malloc(65538);
	struct wire_item item = { .type = MESSAGE_MEDIA };
	struct buf items = { 0 };
	struct store_append op;
	uint64_t g;

	assert_non_null(big);
	memset(big, 'x', 65537);
	big[65537] = '\0';
	fixture_users(f, "alice");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", big, "", NULL), -EMSGSIZE);
	big[65536] = '\0';
	assert_int_equal(fixture_say(f, g, "alice", big, "", NULL), 0);
	assert_int_equal(append(f, g, "alice", "", &items, &op), -EINVAL);
	wire_put(&items, &wire_schema_item, &item);
	assert_int_equal(append(f, g, "alice", "", &items, &op), -EINVAL);
	buf_clear(&items);
	item.media_url = str_of("has space");
	wire_put(&items, &wire_schema_item, &item);
	assert_int_equal(append(f, g, "alice", "", &items, &op), -EINVAL);
	buf_clear(&items);
	item.media_url = str_of("http://x/y");
	item.mentions = str_of("Not/AName");
	wire_put(&items, &wire_schema_item, &item);
	assert_int_equal(append(f, g, "alice", "", &items, &op), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_NAME);
	buf_clear(&items);
	buf_append(&items, "rubbish", 7);
	assert_int_equal(append(f, g, "alice", "", &items, &op), -EINVAL);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
	buf_release(&items);
	free(big);
}

static void members_are_mentioned_and_nobody_else(void **state)
{
	struct store_fixture *f = *state;
	struct buf text = { 0 };
	struct wire_item item = { .content = str_of("@everyone @bob x@bob"),
				  .mentions = str_of("carl  eve bob") };
	struct buf items = { 0 };
	struct store_append op;
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice bob carl eve");
	g = fixture_group(f, "lunch", "alice", "bob carl");
	fixture_begin(f);
	assert_int_equal(
		fixture_say(f, g, "alice", "@bob. @eve @alice @bob", "", NULL),
		0);
	wire_put(&items, &wire_schema_item, &item);
	assert_int_equal(append(f, g, "alice", "", &items, &op), 0);
	assert_int_equal(op.sent.warnings, 0);
	fixture_commit(f);
	store_scan(f->s, g, 0, take_mentions, &text, &f->err);
	assert_text(&text, "[bob][everyone bob carl]");
	assert_int_equal(fixture_find(f, g, "bob").mentions, 2);
	assert_int_equal(fixture_find(f, g, "carl").mentions, 1);
	assert_int_equal(fixture_find(f, g, "alice").mentions, 0);
	fixture_begin(f);
	assert_int_equal(
		store_set_read(f->s, g, str_of("bob"), 1, &stored, &f->err), 1);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").mentions, 1);
	buf_release(&items);
}

static void everyone_in_a_large_group_is_for_admins(void **state)
{
	struct store_fixture *f = *state;
	struct wire_body_sent sent;
	struct buf names = { 0 };
	uint64_t g;

	for (unsigned i = 0; i < STORE_EVERYONE_MAX; i++)
		buf_printf(&names, "u%03u ", i);
	fixture_users(f, buf_cstr(&names));
	fixture_users(f, "alice");
	g = fixture_group(f, "crowd", "alice", buf_cstr(&names));
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "u001", "@everyone", "", &sent), 0);
	assert_int_equal(sent.warnings, WARN_MENTION_DROPPED);
	assert_int_equal(fixture_say(f, g, "alice", "@everyone", "", &sent), 0);
	assert_int_equal(sent.warnings, 0);
	assert_int_equal(fixture_say(f, g, "alice", buf_cstr(&names), "", NULL),
			 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "u002").mentions, 1);
	buf_release(&names);
}

static void a_new_member_finds_the_last_fifty_unread(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice bob carl");
	g = fixture_group(f, "lunch", "alice", "");
	fixture_begin(f);
	for (unsigned i = 0; i < 30; i++)
		fixture_say(f, g, "alice", "x", "", NULL);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "bob"), 0);
	for (unsigned i = 0; i < 50; i++)
		fixture_say(f, g, "alice", "@everyone", "", NULL);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "carl"), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "bob").last_read_seq, 0);
	assert_int_equal(fixture_find(f, g, "carl").last_read_seq, 30);
	assert_int_equal(fixture_find(f, g, "carl").mentions, 50);
	assert_int_equal(fixture_find(f, g, "alice").last_read_seq, 80);
	assert_int_equal(fixture_find(f, g, "alice").read_off,
			 fixture_find(f, g, "alice").size);
}

static void edits_are_applied_in_order_or_not_at_all(void **state)
{
	struct store_fixture *f = *state;
	struct store_edit op = { .by = str_of("alice") };
	struct buf edits = { 0 };
	struct buf text = { 0 };

	fixture_users(f, "alice bob carl dora");
	op.group_id = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	fixture_edit(&edits, EDIT_ADD, "carl");
	fixture_edit(&edits, EDIT_ADMIN, "bob");
	fixture_edit(&edits, EDIT_ADD, "bob");
	fixture_edit(&edits, EDIT_REMOVE, "alice");
	op.edits = buf_str(&edits);
	assert_int_equal(store_edit_members(f->s, &op, &f->err), 0);
	assert_int_equal(op.count, 3);
	assert_int_equal(op.changes[0].change, MEMBER_ADDED);
	assert_int_equal(op.changes[1].change, MEMBER_ROLE);
	assert_string_equal(op.changes[2].user, "alice");
	assert_int_equal(op.changes[2].change, MEMBER_REMOVED);
	free(op.changes);
	buf_clear(&edits);
	fixture_edit(&edits, EDIT_ADD, "dora");
	fixture_edit(&edits, EDIT_REMOVE, "nobody");
	op.by = str_of("bob");
	op.edits = buf_str(&edits);
	assert_int_equal(store_edit_members(f->s, &op, &f->err), -ENOENT);
	assert_int_equal(f->err.code, ERR_NO_SUCH_USER);
	assert_non_null(strstr(f->err.text, "nobody"));
	assert_null(op.changes);
	fixture_commit(f);
	store_list_members(f->s, op.group_id, str_of(""), take_member, &text,
			   &f->err);
	assert_text(&text, "bob 1 carl 0 ");
	store_list_members(f->s, op.group_id, str_of("bob"), take_member, &text,
			   &f->err);
	assert_text(&text, "carl 0 ");
	assert_int_equal(fixture_find(f, op.group_id, "bob").member_count, 2);
	fixture_verify(f);
	buf_release(&edits);
}

static void a_group_keeps_an_admin(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_REMOVE, "alice"),
			 -EBUSY);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_MEMBER, "alice"),
			 -EBUSY);
	assert_int_equal(f->err.code, ERR_LAST_ADMIN);
	assert_int_equal(fixture_edit_one(f, g, "bob", EDIT_ADMIN, "bob"),
			 -EACCES);
	assert_int_equal(fixture_edit_one(f, g, "bob", EDIT_REMOVE, "alice"),
			 -EACCES);
	assert_int_equal(store_delete_group(f->s, g, str_of("bob"), &f->err),
			 -EACCES);
	assert_int_equal(fixture_edit_one(f, g, "bob", EDIT_REMOVE, "bob"), 0);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "ghost"),
			 -ENOENT);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").member_count, 1);
}

static void a_creation_resent_makes_no_second_group(void **state)
{
	struct store_fixture *f = *state;
	struct store_create op = { .name = str_of("lunch"),
				   .creator = str_of("alice"),
				   .key = str_of("k") };
	struct store_create bad = { .name = str_of("Bad/Name"),
				    .creator = str_of("alice") };
	uint64_t g;

	fixture_users(f, "alice bob");
	fixture_begin(f);
	assert_int_equal(store_create_group(f->s, &op, &f->err), 0);
	g = op.group_id;
	assert_int_equal(store_create_group(f->s, &op, &f->err), 0);
	assert_true(op.existed);
	assert_int_equal(op.group_id, g);
	op.creator = str_of("bob");
	assert_int_equal(store_create_group(f->s, &op, &f->err), -EEXIST);
	assert_int_equal(store_create_group(f->s, &bad, &f->err), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_NAME);
	assert_int_equal(store_delete_group(f->s, g, str_of("alice"), &f->err),
			 0);
	assert_int_equal(store_create_group(f->s, &op, &f->err), 0);
	assert_true(op.group_id > g);
	fixture_commit(f);
	fixture_verify(f);
}

static void pointers_only_move_forward(void **state)
{
	struct store_fixture *f = *state;
	struct str bob = str_of("bob");
	uint64_t stored;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "lunch", "alice", "bob");
	fixture_begin(f);
	for (unsigned i = 0; i < 5; i++)
		fixture_say(f, g, "alice", "x", "", NULL);
	assert_int_equal(store_set_read(f->s, g, bob, 3, &stored, &f->err), 1);
	assert_int_equal(stored, 3);
	assert_int_equal(store_set_read(f->s, g, bob, 3, &stored, &f->err), 0);
	assert_int_equal(store_set_read(f->s, g, bob, 1, &stored, &f->err), 0);
	assert_int_equal(stored, 3);
	assert_int_equal(store_set_read(f->s, g, bob, 6, &stored, &f->err),
			 -EINVAL);
	assert_int_equal(
		store_set_read(f->s, g, bob, WIRE_READ_ALL, &stored, &f->err),
		1);
	assert_int_equal(stored, 5);
	fixture_commit(f);
}

static void groups_are_listed_by_name(void **state)
{
	struct store_fixture *f = *state;
	struct buf text = { 0 };
	uint64_t g;

	fixture_users(f, "alice bob");
	fixture_group(f, "zoo", "alice", "bob");
	g = fixture_group(f, "a.b", "alice", "bob");
	fixture_group(f, "secret", "alice", "");
	fixture_begin(f);
	fixture_say(f, g, "alice", "x", "", NULL);
	fixture_commit(f);
	store_list_groups(f->s, str_of("bob"), str_of(""), take_group, &text,
			  &f->err);
	assert_text(&text, "a.b 1 zoo 0 ");
	store_list_groups(f->s, str_of("alice"), str_of("a.b"), take_group,
			  &text, &f->err);
	assert_text(&text, "secret 0 zoo 0 ");
}

static void tokens_end_and_are_revoked(void **state)
{
	struct store_fixture *f = *state;
	uint8_t hash[STORE_TOKEN_HASH] = { 1, 2, 3 };
	uint8_t out[STORE_TOKEN_HASH];
	char user[WIRE_USER_MAX + 1];
	uint64_t expires;
	uint64_t id;

	fixture_users(f, "alice");
	fixture_begin(f);
	assert_int_equal(
		store_create_token(f->s, str_of("eve"), hash, 0, &id, &f->err),
		-ENOENT);
	assert_int_equal(store_create_token(f->s, str_of("alice"), hash,
					    f->now_ms + 10, &id, &f->err),
			 0);
	fixture_commit(f);
	assert_int_equal(store_find_token(f->s, hash, user, &expires, &f->err),
			 0);
	assert_string_equal(user, "alice");
	f->now_ms += 10;
	assert_int_equal(store_find_token(f->s, hash, user, &expires, &f->err),
			 -EACCES);
	fixture_begin(f);
	assert_int_equal(
		store_revoke_token(f->s, id, str_of("eve"), out, &f->err),
		-EINVAL);
	assert_int_equal(store_revoke_token(f->s, id, str_of(""), out, &f->err),
			 0);
	assert_memory_equal(out, hash, sizeof(hash));
	assert_int_equal(
		store_revoke_token(f->s, id, str_of(""), NULL, &f->err),
		-EINVAL);
	fixture_commit(f);
}

static void there_is_one_writer(void **state)
{
	struct store_fixture *f = *state;
	struct store_options options = { .env = &f->env };
	struct store *second = NULL;

	assert_int_equal(store_open(&second, f->url, &options, &f->err),
			 -EBUSY);
	assert_null(second);
	assert_true(strlen(f->err.text) > 0);
}

static void readers_do_not_write(void **state)
{
	struct store_fixture *f = *state;
	struct store_options options = { .env = &f->env };
	struct store *reader = fixture_open(f, true);
	struct store *second = NULL;

	assert_true(store_begin(reader, &f->err) < 0);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	store_release(reader);
	store_close(reader);
	assert_int_equal(store_open(&second, "what:ever", &options, &f->err),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(seqs_are_gapless_and_offsets_exact),
		FIXTURE_ON_EACH(every_byte_is_found_in_its_line),
		FIXTURE_ON_EACH(who_is_no_member_finds_no_group),
		FIXTURE_ON_EACH(a_refused_batch_stores_nothing_and_goes_on),
		FIXTURE_ON_EACH(what_is_rolled_back_is_gone),
		FIXTURE_ON_EACH(a_client_id_is_stored_once),
		FIXTURE_ON_EACH(a_batch_id_is_stored_once),
		FIXTURE_ON_EACH(what_is_known_can_be_asked_for_alone),
		FIXTURE_ON_EACH(ids_are_forgotten_after_two_windows),
		FIXTURE_ON_EACH(time_never_goes_back),
		FIXTURE_ON_EACH(bad_messages_are_refused),
		FIXTURE_ON_EACH(members_are_mentioned_and_nobody_else),
		FIXTURE_ON_EACH(everyone_in_a_large_group_is_for_admins),
		FIXTURE_ON_EACH(a_new_member_finds_the_last_fifty_unread),
		FIXTURE_ON_EACH(edits_are_applied_in_order_or_not_at_all),
		FIXTURE_ON_EACH(a_group_keeps_an_admin),
		FIXTURE_ON_EACH(a_creation_resent_makes_no_second_group),
		FIXTURE_ON_EACH(pointers_only_move_forward),
		FIXTURE_ON_EACH(groups_are_listed_by_name),
		FIXTURE_ON_EACH(tokens_end_and_are_revoked),
		/* Several machines write to a shared one. */
		FIXTURE_ON(sqlite, there_is_one_writer),
		FIXTURE_ON(memory, there_is_one_writer),
		FIXTURE_ON_EACH(readers_do_not_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
