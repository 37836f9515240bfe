/* SPDX-License-Identifier: MIT */
/*
 * Media files and garbage, on every back end.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/text.h"
#include "tests/support/store_fixture.h"

/* A file whose hash is all of one byte. */
static struct store_media file_of(uint64_t g, const char *name, uint8_t byte)
{
	struct store_media op = { .group_id = g,
				  .user = str_of("alice"),
				  .name = str_of(name),
				  .content = str_of("look"),
				  .size = 1000 + byte };

	memset(op.hash, byte, sizeof(op.hash));
	return op;
}

static uint64_t add(struct store_fixture *f, uint64_t g, const char *name,
		    uint8_t byte)
{
	struct store_media op = file_of(g, name, byte);

	if (store_add_media(f->s, &op, &f->err) < 0)
		fail_msg("%s: %s", name, f->err.text);
	return op.media_id;
}

/* "SEQ TYPE URL CONTENT [MENTIONS]; " of all messages. */
static int take_message(void *data, const struct wire_message *m)
{
	buf_printf(data, "%" PRIu64 " %d %.*s %.*s [%.*s]; ", m->seq,
		   (int)m->type, (int)m->media_url.len,
		   m->media_url.len > 0 ? m->media_url.data : "",
		   (int)m->content.len, m->content.data, (int)m->mentions.len,
		   m->mentions.len > 0 ? m->mentions.data : "");
	return 0;
}

static int take_media(void *data, const struct wire_media *m)
{
	assert_int_equal(m->hash.len, STORE_HASH);
	buf_printf(data, "%.*s %" PRIu64 " %.*s %" PRIu64 " %d; ",
		   (int)m->name.len, m->name.data, m->seq, (int)m->sender.len,
		   m->sender.data, m->size, m->hash.data[STORE_HASH - 1]);
	return 0;
}

static void assert_media(struct store_fixture *f, uint64_t g, const char *after,
			 const char *expected)
{
	struct buf text = { 0 };

	assert_int_equal(store_list_media(f->s, g, str_of(after), take_media,
					  &text, &f->err),
			 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void assert_messages(struct store_fixture *f, uint64_t g,
			    const char *expected)
{
	struct buf text = { 0 };

	assert_int_equal(store_scan(f->s, g, 0, take_message, &text, &f->err),
			 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void assert_used(struct store_fixture *f, uint8_t byte, bool expected)
{
	uint8_t hash[STORE_HASH];
	bool used = !expected;

	memset(hash, byte, sizeof(hash));
	assert_int_equal(store_hash_used(f->s, hash, &used, &f->err), 0);
	assert_int_equal(used, expected);
}

static void assert_garbage_stays(struct store_fixture *f, const char *expected)
{
	struct buf text = { 0 };
	uint8_t hash[STORE_HASH];
	int rc = store_next_garbage(f->s, NULL, hash, &f->err);

	for (; rc > 0; rc = store_next_garbage(f->s, hash, hash, &f->err))
		buf_printf(&text, "%d ", hash[0]);
	assert_int_equal(rc, 0);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

/* All garbage as numbers, which is dropped. */
static void assert_garbage(struct store_fixture *f, const char *expected)
{
	struct buf text = { 0 };
	uint8_t hash[STORE_HASH];
	int rc;

	assert_garbage_stays(f, expected);
	fixture_begin(f);
	assert_garbage_stays(f, expected);
	while ((rc = store_next_garbage(f->s, NULL, hash, &f->err)) > 0) {
		assert_used(f, hash[0], false);
		buf_printf(&text, "%d ", hash[0]);
		assert_int_equal(store_drop_garbage(f->s, hash, &f->err), 0);
	}
	assert_int_equal(rc, 0);
	fixture_commit(f);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
}

static void a_file_comes_with_its_message(void **state)
{
	struct store_fixture *f = *state;
	struct store_media op;
	struct wire_group group;
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "art", "alice", "bob");
	fixture_begin(f);
	fixture_say(f, g, "bob", "hi", "", NULL);
	op = file_of(g, "a b%\xc3\xa9.png", 7);
	op.content = str_of("@bob look");
	f->now_ms += 5;
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	assert_int_equal(op.sent.first_seq, 2);
	assert_int_equal(op.sent.last_seq, 2);
	assert_int_equal(op.sent.time_ms, f->now_ms);
	assert_int_equal(op.sent.duplicate, 0);
	assert_true(op.media_id > 0);
	op = file_of(g, "b.txt", 8);
	op.content = str_of("");
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	fixture_commit(f);
	assert_messages(f, g,
			"1 0  hi []; 2 1 media/a%20b%25%C3%A9.png @bob look "
			"[bob]; 3 1 media/b.txt  []; ");
	assert_media(f, g, "",
		     "a b%\xc3\xa9.png 2 alice 1007 7; b.txt 3 alice 1008 8; ");
	assert_media(f, g, "a b%\xc3\xa9.png", "b.txt 3 alice 1008 8; ");
	group = fixture_find(f, g, "bob");
	assert_int_equal(group.mentions, 1);
	assert_int_equal(group.last_seq, 3);
	assert_int_equal(group.epoch, op.sent.epoch);
	assert_int_equal(fixture_find(f, g, "alice").last_read_seq, 3);
	fixture_verify(f);
}

static void refuse(struct store_fixture *f, struct store_media *op,
		   enum err_code code)
{
	f->err.code = ERR_NONE;
	op->media_id = 99;
	assert_true(store_add_media(f->s, op, &f->err) < 0);
	assert_int_equal(f->err.code, code);
	assert_int_equal(op->media_id, 0);
	assert_int_equal(op->sent.first_seq, 0);
}

static void bad_files_are_refused_and_store_nothing(void **state)
{
	static const char *const names[] = { "",     ".hidden", "a/b",
					     "a\nb", "a\x7f",	"\xff" };
	struct store_fixture *f = *state;
	struct store_media op;
	char *big = malloc(65538);
	uint64_t g;

	assert_non_null(big);
	memset(big, 'x', 65537);
	big[65537] = '\0';
	fixture_users(f, "alice bob eve");
	g = fixture_group(f, "art", "alice", "");
	fixture_begin(f);
	op = file_of(g, "good", 1);
	op.user = str_of("eve");
	refuse(f, &op, ERR_NO_SUCH_GROUP);
	op.user = str_of("");
	refuse(f, &op, ERR_NO_SUCH_GROUP);
	op = file_of(UINT64_MAX, "good", 1);
	refuse(f, &op, ERR_NO_SUCH_GROUP);
	op = file_of(g, "good", 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		op.name = str_of(names[i]);
		refuse(f, &op, ERR_BAD_NAME);
	}
	op.name = str_make(big, WIRE_FILE_MAX + 1);
	refuse(f, &op, ERR_BAD_NAME);
	op = file_of(g, "good", 1);
	op.content = str_of("\xff");
	refuse(f, &op, ERR_BAD_UTF8);
	op.content = str_of(big);
	refuse(f, &op, ERR_TOO_LARGE);
	op.content = str_make(big, (size_t)WIRE_CONTENT_MAX + 1);
	refuse(f, &op, ERR_TOO_LARGE);
	op = file_of(g, "good", 1);
	op.size = UINT64_MAX;
	refuse(f, &op, ERR_TOO_LARGE);
	op = file_of(g, "good", 1);
	op.batch_id = str_make(big, WIRE_KEY_MAX + 1);
	refuse(f, &op, ERR_BAD_REQUEST);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 0);
	assert_media(f, g, "", "");
	assert_used(f, 1, false);
	free(big);
}

static void a_name_is_given_once_a_group(void **state)
{
	struct store_fixture *f = *state;
	struct store_media op;
	uint64_t other;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "art", "alice", "");
	other = fixture_group(f, "other", "alice", "");
	fixture_begin(f);
	add(f, g, "a", 1);
	op = file_of(g, "a", 2);
	refuse(f, &op, ERR_FILE_EXISTS);
	add(f, other, "a", 3);
	add(f, g, "A", 4);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 2);
	assert_used(f, 2, false);
	fixture_verify(f);
}

static void a_file_sent_again_is_stored_once(void **state)
{
	struct store_fixture *f = *state;
	struct store_media op;
	struct store_media again;
	struct store_append text = { .user = str_of("alice"),
				     .batch_id = str_of("text") };
	struct buf items = { 0 };
	uint64_t g;

	fixture_users(f, "alice bob");
	g = fixture_group(f, "art", "alice", "bob");
	fixture_begin(f);
	op = file_of(g, "a", 1);
	op.batch_id = str_of("key");
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	fixture_commit(f);
	fixture_begin(f);
	again = file_of(g, "a", 1);
	again.batch_id = str_of("key");
	assert_int_equal(store_add_media(f->s, &again, &f->err), 0);
	assert_int_equal(again.sent.duplicate, 1);
	assert_int_equal(again.sent.first_seq, op.sent.first_seq);
	assert_int_equal(again.sent.offset, op.sent.offset);
	assert_int_equal(again.sent.epoch, op.sent.epoch);
	assert_int_equal(again.media_id, op.media_id);
	again.name = str_of("b");
	assert_int_equal(store_add_media(f->s, &again, &f->err), 0);
	assert_int_equal(again.sent.duplicate, 1);
	assert_int_equal(again.media_id, op.media_id);
	/* Another sender's key is another key. */
	again.user = str_of("bob");
	assert_int_equal(store_add_media(f->s, &again, &f->err), 0);
	assert_int_equal(again.sent.duplicate, 0);
	assert_true(again.media_id > op.media_id);
	/* A batch that was no file. */
	fixture_item(&items, "hi", 0, "");
	text.group_id = g;
	text.items = buf_str(&items);
	assert_int_equal(store_append(f->s, &text, &f->err), 0);
	op = file_of(g, "c", 1);
	op.batch_id = str_of("text");
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	assert_int_equal(op.sent.duplicate, 1);
	assert_int_equal(op.media_id, 0);
	fixture_commit(f);
	assert_media(f, g, "", "a 1 alice 1001 1; b 2 bob 1001 1; ");
	fixture_verify(f);
	buf_release(&items);
}

static int find(struct store_fixture *f, uint64_t id, uint64_t g,
		const char *name, const char *user, struct wire_media *out)
{
	int rc;

	f->err.code = ERR_NONE;
	rc = store_find_media(f->s, id, g, str_of(name), str_of(user), out,
			      &f->err);
	if (rc < 0)
		assert_int_equal(f->err.code, ERR_NO_SUCH_GROUP);
	if (rc <= 0)
		assert_int_equal(out->media_id, 0);
	return rc;
}

static void members_find_files_and_nobody_else(void **state)
{
	struct store_fixture *f = *state;
	struct wire_media m;
	uint64_t other;
	uint64_t id;
	uint64_t g;

	fixture_users(f, "alice bob eve");
	g = fixture_group(f, "art", "alice", "bob");
	other = fixture_group(f, "other", "alice", "eve");
	fixture_begin(f);
	id = add(f, g, "a", 1);
	fixture_commit(f);
	assert_int_equal(find(f, id, 0, "", "bob", &m), 1);
	assert_int_equal(m.group_id, g);
	assert_int_equal(m.seq, 1);
	assert_int_equal(m.size, 1001);
	assert_int_equal(m.time_ms, f->now_ms);
	assert_true(str_eq(m.name, str_of("a")));
	assert_true(str_eq(m.sender, str_of("alice")));
	assert_int_equal(m.hash.len, STORE_HASH);
	assert_int_equal(m.hash.data[0], 1);
	assert_int_equal(m.hash.data[STORE_HASH - 1], 1);
	assert_int_equal(find(f, 0, g, "a", "bob", &m), 1);
	assert_int_equal(m.media_id, id);
	assert_int_equal(find(f, 0, g, "b", "bob", &m), 0);
	assert_int_equal(find(f, 0, g, "a", "", &m), 1);
	assert_int_equal(find(f, id, other, "x", "", &m), 1);
	assert_int_equal(find(f, id + 1, 0, "", "", &m), 0);
	assert_int_equal(find(f, 0, 77, "a", "", &m), 0);
	/* A stranger cannot tell which of these there are. */
	assert_int_equal(find(f, id, 0, "", "eve", &m), -ENOENT);
	assert_int_equal(find(f, id, other, "a", "eve", &m), -ENOENT);
	assert_int_equal(find(f, id + 1, 0, "", "eve", &m), -ENOENT);
	assert_int_equal(find(f, UINT64_MAX, 0, "", "eve", &m), -ENOENT);
	assert_int_equal(find(f, 0, g, "a", "eve", &m), -ENOENT);
	assert_int_equal(find(f, 0, UINT64_MAX, "a", "eve", &m), -ENOENT);
	assert_int_equal(find(f, 0, g, "a", "Not/AName", &m), -ENOENT);
}

static void what_the_last_group_had_is_garbage(void **state)
{
	struct store_fixture *f = *state;
	struct str alice = str_of("alice");
	struct wire_media m;
	uint64_t one;
	uint64_t two;
	uint64_t id;

	fixture_users(f, "alice");
	one = fixture_group(f, "one", "alice", "");
	two = fixture_group(f, "two", "alice", "");
	fixture_begin(f);
	add(f, one, "a", 9);
	add(f, one, "same again", 9);
	add(f, one, "b", 4);
	id = add(f, one, "shared", 2);
	add(f, two, "shared too", 2);
	fixture_commit(f);
	assert_garbage(f, "");
	fixture_begin(f);
	assert_int_equal(store_delete_group(f->s, one, alice, &f->err), 0);
	fixture_commit(f);
	fixture_verify(f);
	assert_used(f, 9, false);
	assert_used(f, 2, true);
	assert_media(f, one, "", "");
	assert_int_equal(find(f, id, 0, "", "alice", &m), -ENOENT);
	assert_garbage(f, "4 9 ");
	assert_garbage(f, "");
	fixture_begin(f);
	assert_int_equal(store_delete_group(f->s, two, alice, &f->err), 0);
	fixture_commit(f);
	assert_garbage(f, "2 ");
	two = fixture_group(f, "two", "alice", "");
	fixture_begin(f);
	assert_true(add(f, two, "a", 1) > id + 1);
	fixture_commit(f);
}

static void a_file_takes_its_hash_out_of_the_garbage(void **state)
{
	struct store_fixture *f = *state;
	uint64_t one;
	uint64_t two;

	fixture_users(f, "alice");
	one = fixture_group(f, "one", "alice", "");
	two = fixture_group(f, "two", "alice", "");
	fixture_begin(f);
	add(f, one, "a", 1);
	add(f, one, "b", 2);
	assert_int_equal(
		store_delete_group(f->s, one, str_of("alice"), &f->err), 0);
	add(f, two, "c", 1);
	fixture_commit(f);
	assert_used(f, 1, true);
	fixture_verify(f);
	assert_garbage(f, "2 ");
}

static void files_and_garbage_rolled_back_are_as_they_were(void **state)
{
	struct store_fixture *f = *state;
	uint8_t hash[STORE_HASH] = { 0 };
	struct store_media op;
	uint64_t gone;
	uint64_t id;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "art", "alice", "");
	gone = fixture_group(f, "gone", "alice", "");
	fixture_begin(f);
	id = add(f, g, "a", 1);
	add(f, gone, "x", 5);
	assert_int_equal(
		store_delete_group(f->s, gone, str_of("alice"), &f->err), 0);
	fixture_commit(f);
	fixture_begin(f);
	op = file_of(g, "b", 5);
	op.batch_id = str_of("key");
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 0);
	assert_int_equal(store_delete_group(f->s, g, str_of("alice"), &f->err),
			 0);
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 1);
	assert_int_equal(store_drop_garbage(f->s, hash, &f->err), 0);
	store_rollback(f->s);
	assert_media(f, g, "", "a 1 alice 1001 1; ");
	assert_int_equal(store_next_garbage(f->s, NULL, hash, &f->err), 1);
	assert_int_equal(hash[0], 5);
	fixture_begin(f);
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
	assert_int_equal(op.sent.duplicate, 0);
	assert_true(op.media_id > id);
	fixture_commit(f);
	assert_garbage(f, "");
	fixture_verify(f);
}

static void readers_see_files_and_change_none(void **state)
{
	struct store_fixture *f = *state;
	struct store *reader = fixture_open(f, true);
	uint8_t hash[STORE_HASH] = { 0 };
	struct store_media op;
	struct store_set_info info = { .by = str_of("alice") };
	bool used = false;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "art", "alice", "");
	fixture_begin(f);
	add(f, g, "a", 0);
	fixture_commit(f);
	assert_int_equal(store_hash_used(reader, hash, &used, &f->err), 0);
	assert_true(used);
	assert_int_equal(store_next_garbage(reader, NULL, hash, &f->err), 0);
	op = file_of(g, "b", 1);
	assert_true(store_add_media(reader, &op, &f->err) < 0);
	info.group_id = g;
	assert_true(store_set_info(reader, &info, &f->err) < 0);
	assert_true(store_drop_garbage(reader, hash, &f->err) < 0);
	store_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(a_file_comes_with_its_message),
		FIXTURE_ON_EACH(bad_files_are_refused_and_store_nothing),
		FIXTURE_ON_EACH(a_name_is_given_once_a_group),
		FIXTURE_ON_EACH(a_file_sent_again_is_stored_once),
		FIXTURE_ON_EACH(members_find_files_and_nobody_else),
		FIXTURE_ON_EACH(what_the_last_group_had_is_garbage),
		FIXTURE_ON_EACH(a_file_takes_its_hash_out_of_the_garbage),
		FIXTURE_ON_EACH(files_and_garbage_rolled_back_are_as_they_were),
		FIXTURE_ON_EACH(readers_see_files_and_change_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
