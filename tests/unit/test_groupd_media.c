/* SPDX-License-Identifier: MIT */
/* Media files, frame by frame; on sqlite and in memory. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

static enum err_code resize(struct conn *c, uint32_t p, uint64_t group_id,
			    const char *key, uint64_t size)
{
	const struct wire_body_write_media body = { .group_id = group_id,
						    .key = str_of(key),
						    .off = size,
						    .resize = 1 };

	return ask(c, WIRE_WRITE_MEDIA, p, &body);
}

static enum err_code put(struct conn *c, uint32_t p, uint64_t group_id,
			 const char *key, const char *text)
{
	const struct wire_body_write_media body = { .group_id = group_id,
						    .key = str_of(key),
						    .data = str_of(text) };

	return ask(c, WIRE_WRITE_MEDIA, p, &body);
}

static enum err_code send_file(struct conn *c, uint32_t p, uint64_t group_id,
			       const char *key, const char *name)
{
	const struct wire_body_send_media body = { .group_id = group_id,
						   .key = str_of(key),
						   .name = str_of(name),
						   .content = str_of("look") };

	return ask(c, WIRE_SEND_MEDIA, p, &body);
}

static enum err_code drop(struct conn *c, uint32_t p, uint64_t group_id,
			  const char *key)
{
	const struct wire_body_drop_media body = { .group_id = group_id,
						   .key = str_of(key) };

	return ask(c, WIRE_DROP_MEDIA, p, &body);
}

static enum err_code find(struct conn *c, uint32_t p, uint64_t media_id,
			  uint64_t group_id, const char *name)
{
	const struct wire_body_find_media body = { .media_id = media_id,
						   .group_id = group_id,
						   .name = str_of(name) };

	return ask(c, WIRE_FIND_MEDIA, p, &body);
}

static enum err_code get(struct conn *c, uint32_t p, uint64_t media_id,
			 uint64_t off, uint64_t size)
{
	const struct wire_body_read_media body = { .media_id = media_id,
						   .offset = off,
						   .size = size };

	return ask(c, WIRE_READ_MEDIA, p, &body);
}

/* Sends text as a file; its media_id. */
static uint64_t share(struct conn *c, uint64_t group_id, const char *key,
		      const char *name, const char *text)
{
	assert_int_equal(resize(c, P_ROOT, group_id, key, 0), ERR_NONE);
	assert_int_equal(put(c, P_ROOT, group_id, key, text), ERR_NONE);
	assert_int_equal(send_file(c, P_ROOT, group_id, key, name), ERR_NONE);
	assert_int_equal(find(c, P_ROOT, 0, group_id, name), ERR_NONE);
	return c->body.media.media_id;
}

/* Files below DATA/media that match. */
static int count_files(const struct fixture *f, const char *match)
{
	struct buf command = { 0 };
	int count = -1;
	FILE *out;

	buf_printf(&command, "find %s/media -type f %s 2>/dev/null | wc -l",
		   f->config.data, match);
	out = popen(buf_cstr(&command), "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%d", &count), 1);
	pclose(out);
	buf_release(&command);
	return count;
}

static void an_upload_becomes_a_file_and_a_message(void **state)
{
	struct fixture *f = *state;
	struct wire_message m;
	struct conn watcher;
	struct conn c;
	struct str list;
	uint64_t media_id;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	greet(&watcher, f);
	assert_int_equal(watch(&watcher, P_DAEMON, id), ERR_NONE);
	media_id = share(&c, id, "k1", "a b.txt", "hello");
	assert_int_equal(c.body.media.size, 5);
	assert_int_equal(c.body.media.seq, 1);
	assert_int_equal(c.body.media.group_id, id);
	assert_true(next_frame(&watcher));
	assert_int_equal(watcher.header.type, WIRE_EV_MESSAGES);
	list = watcher.body.ev_messages.messages;
	assert_int_equal(wire_next(&list, &wire_schema_message, &m), 1);
	assert_int_equal(m.type, MESSAGE_MEDIA);
	assert_true(str_eq(m.media_url, str_of("media/a%20b.txt")));
	assert_true(str_eq(m.content, str_of("look")));
	assert_int_equal(get(&c, P_DAEMON, media_id, 1, 3), ERR_NONE);
	assert_true(str_eq(c.body.text.data, str_of("ell")));
	assert_int_equal(get(&c, P_DAEMON, media_id, 5, 3), ERR_NONE);
	assert_int_equal(c.body.text.data.len, 0);
	assert_int_equal(count_files(f, "-path '*/incoming/*'"), 0);
	hang_up(&watcher);
	hang_up(&c);
}

static void a_send_that_is_repeated_is_answered_as_the_first(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	share(&c, id, "k1", "x", "hello");
	assert_int_equal(say(&c, P_ROOT, id, "between"), ERR_NONE);
	assert_int_equal(send_file(&c, P_ROOT, id, "k1", "x"), ERR_NONE);
	assert_int_equal(c.body.sent.first_seq, 1);
	assert_int_equal(c.body.sent.duplicate, 1);
	/* Other names and keys are no repetition. */
	assert_int_equal(send_file(&c, P_ROOT, id, "k1", "y"), ERR_BAD_REQUEST);
	assert_int_equal(send_file(&c, P_ROOT, id, "k2", "x"), ERR_FILE_EXISTS);
	assert_int_equal(send_file(&c, P_DAEMON, id, "k1", "x"),
			 ERR_FILE_EXISTS);
	assert_int_equal(say(&c, P_ROOT, id, "last"), ERR_NONE);
	assert_int_equal(c.body.sent.first_seq, 3);
	hang_up(&c);
}

static void a_name_is_taken_once_and_can_be_changed(void **state)
{
	struct fixture *f = *state;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	share(&c, id, "k1", "x", "first");
	assert_int_equal(resize(&c, P_DAEMON, id, "k2", 0), ERR_NONE);
	assert_int_equal(put(&c, P_DAEMON, id, "k2", "second"), ERR_NONE);
	assert_int_equal(send_file(&c, P_DAEMON, id, "k2", "x"),
			 ERR_FILE_EXISTS);
	assert_int_equal(send_file(&c, P_DAEMON, id, "k2", ".x"), ERR_BAD_NAME);
	assert_int_equal(send_file(&c, P_DAEMON, id, "k2", "a/b"),
			 ERR_BAD_NAME);
	assert_int_equal(count_files(f, "-not -path '*/incoming/*'"), 1);
	assert_int_equal(send_file(&c, P_DAEMON, id, "k2", "y"), ERR_NONE);
	assert_int_equal(c.body.sent.first_seq, 2);
	assert_int_equal(count_files(f, "-not -path '*/incoming/*'"), 2);
	assert_int_equal(count_files(f, "-path '*/incoming/*'"), 0);
	hang_up(&c);
}

/* A send that is refused, or was answered before, leaves no content. */
static void what_is_not_sent_is_not_stored(void **state)
{
	struct fixture *f = *state;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	share(&c, id, "k1", "x", "first");
	assert_int_equal(resize(&c, P_ROOT, id, "k1", 0), ERR_NONE);
	assert_int_equal(put(&c, P_ROOT, id, "k1", "second"), ERR_NONE);
	assert_int_equal(send_file(&c, P_ROOT, id, "k1", "y"), ERR_NONE);
	assert_int_equal(c.body.sent.duplicate, 1);
	assert_int_equal(count_files(f, ""), 1);
	assert_int_equal(resize(&c, P_ROOT, id, "k2", 0), ERR_NONE);
	assert_int_equal(put(&c, P_ROOT, id, "k2", "third"), ERR_NONE);
	assert_int_equal(send_file(&c, P_ROOT, id, "k2", "x"), ERR_FILE_EXISTS);
	assert_int_equal(drop(&c, P_ROOT, id, "k2"), ERR_NONE);
	assert_int_equal(count_files(f, ""), 1);
	hang_up(&c);
}

/* As the gateway does, whose client begins again with an upload of its own. */
static void a_batch_id_is_known_again_whatever_the_upload(void **state)
{
	struct fixture *f = *state;
	struct wire_body_send_media send = { .key = str_of("k1"),
					     .batch_id = str_of("Batch-1"),
					     .name = str_of("x") };
	struct conn c;

	greet(&c, f);
	send.group_id = create_group(&c);
	for (unsigned int i = 0; i < 2; i++) {
		const char *key = i == 0 ? "k1" : "k2";

		send.key = str_of(key);
		assert_int_equal(resize(&c, P_ROOT, send.group_id, key, 0),
				 ERR_NONE);
		assert_int_equal(put(&c, P_ROOT, send.group_id, key, "bytes"),
				 ERR_NONE);
		assert_int_equal(ask(&c, WIRE_SEND_MEDIA, P_ROOT, &send),
				 ERR_NONE);
		assert_int_equal(c.body.sent.first_seq, 1);
		assert_int_equal(c.body.sent.duplicate, i);
	}
	assert_int_equal(count_files(f, ""), 1);
	hang_up(&c);
}

static void send_and_drop(struct conn *c, uint64_t group_id, const char *key)
{
	const struct wire_body_send_media send = { .group_id = group_id,
						   .key = str_of(key),
						   .name = str_of(".never") };
	const struct wire_body_drop_media gone = { .group_id = group_id,
						   .key = str_of(key) };

	write_frame(c, WIRE_SEND_MEDIA, P_DAEMON, &send);
	write_frame(c, WIRE_DROP_MEDIA, P_DAEMON, &gone);
}

/* All at once, over and over: whatever the order is, nobody else's message
 * fails, and nothing is left. */
static void a_drop_while_it_is_sent_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct conn attacker;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	greet(&attacker, f);
	for (int round = 0; round < 50; round++) {
		assert_int_equal(resize(&attacker, P_DAEMON, id, "k1", 0),
				 ERR_NONE);
		assert_int_equal(resize(&attacker, P_DAEMON, id, "k2", 0),
				 ERR_NONE);
		send_and_drop(&attacker, id, "k1");
		send_and_drop(&attacker, id, "k2");
		assert_int_equal(say(&c, P_ROOT, id, "still here"), ERR_NONE);
		for (size_t i = 0; i < 4; i++)
			assert_true(next_frame(&attacker));
		assert_int_equal(drop(&attacker, P_DAEMON, id, "k1"), ERR_NONE);
		assert_int_equal(drop(&attacker, P_DAEMON, id, "k2"), ERR_NONE);
	}
	assert_int_equal(count_files(f, ""), 0);
	hang_up(&attacker);
	hang_up(&c);
}

static void files_are_listed_by_name_page_by_page(void **state)
{
	struct wire_body_list_media list = { .limit = 2 };
	struct wire_media m;
	struct conn c;
	struct str page;

	greet(&c, *state);
	list.group_id = create_group(&c);
	share(&c, list.group_id, "k1", "b", "1");
	share(&c, list.group_id, "k2", "c", "2");
	share(&c, list.group_id, "k3", "a", "3");
	assert_int_equal(ask(&c, WIRE_LIST_MEDIA, P_DAEMON, &list), ERR_NONE);
	assert_int_equal(c.body.media_list.complete, 0);
	page = c.body.media_list.files;
	assert_int_equal(wire_next(&page, &wire_schema_media, &m), 1);
	assert_true(str_eq(m.name, str_of("a")));
	assert_int_equal(wire_next(&page, &wire_schema_media, &m), 1);
	assert_int_equal(wire_next(&page, &wire_schema_media, &m), 0);
	list.after = str_of("b");
	assert_int_equal(ask(&c, WIRE_LIST_MEDIA, P_DAEMON, &list), ERR_NONE);
	assert_int_equal(c.body.media_list.complete, 1);
	page = c.body.media_list.files;
	assert_int_equal(wire_next(&page, &wire_schema_media, &m), 1);
	assert_true(str_eq(m.name, str_of("c")));
	assert_int_equal(ask(&c, WIRE_LIST_MEDIA, P_BIN, &list),
			 ERR_NO_SUCH_GROUP);
	hang_up(&c);
}

static void to_others_nothing_is_there(void **state)
{
	struct fixture *f = *state;
	struct conn c;
	uint64_t media_id;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	media_id = share(&c, id, "k1", "x", "hello");
	assert_int_equal(get(&c, P_BIN, media_id, 0, 9), ERR_NO_SUCH_GROUP);
	assert_int_equal(get(&c, P_BIN, media_id + 1, 0, 9), ERR_NO_SUCH_GROUP);
	assert_int_equal(find(&c, P_BIN, media_id, 0, ""), ERR_NO_SUCH_GROUP);
	assert_int_equal(find(&c, P_BIN, 0, id, "x"), ERR_NO_SUCH_GROUP);
	assert_int_equal(find(&c, P_BIN, 0, id, "y"), ERR_NO_SUCH_GROUP);
	assert_int_equal(resize(&c, P_BIN, id, "k", 0), ERR_NO_SUCH_GROUP);
	assert_int_equal(send_file(&c, P_BIN, id, "k", "z"), ERR_NO_SUCH_GROUP);
	assert_int_equal(drop(&c, P_BIN, id, "k"), ERR_NO_SUCH_GROUP);
	assert_int_equal(count_files(f, "-path '*/incoming/*'"), 0);
	assert_int_equal(find(&c, P_ROOT, 0, id, "y"), ERR_NO_SUCH_FILE);
	/* Who was a member is told that he is none any more. */
	assert_int_equal(get(&c, P_DAEMON, media_id, 0, 9), ERR_NONE);
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_REMOVE, "daemon"), ERR_NONE);
	assert_int_equal(get(&c, P_DAEMON, media_id, 0, 9), ERR_NOT_MEMBER);
	hang_up(&c);
}

static void an_upload_is_its_users_alone(void **state)
{
	struct fixture *f = *state;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	assert_int_equal(resize(&c, P_ROOT, id, "k1", 0), ERR_NONE);
	assert_int_equal(put(&c, P_DAEMON, id, "k1", "x"), ERR_BAD_REQUEST);
	assert_int_equal(drop(&c, P_DAEMON, id, "k1"), ERR_NONE);
	assert_int_equal(send_file(&c, P_DAEMON, id, "k1", "x"),
			 ERR_BAD_REQUEST);
	assert_int_equal(put(&c, P_ROOT, id, "../k1", "x"), ERR_BAD_REQUEST);
	assert_int_equal(put(&c, P_ROOT, id, "k1", "x"), ERR_NONE);
	assert_int_equal(count_files(f, ""), 1);
	assert_int_equal(drop(&c, P_ROOT, id, "k1"), ERR_NONE);
	assert_int_equal(count_files(f, ""), 0);
	assert_int_equal(send_file(&c, P_ROOT, id, "k1", "x"), ERR_BAD_REQUEST);
	hang_up(&c);
}

static void wait_for_files(const struct fixture *f, int wanted)
{
	int tries = 200;

	while (count_files(f, "-not -path '*/incoming/*'") != wanted &&
	       tries-- > 0)
		usleep(20000);
	assert_int_equal(count_files(f, "-not -path '*/incoming/*'"), wanted);
}

static void the_last_group_takes_its_contents_with_it(void **state)
{
	struct wire_body_create_group create = { .name = str_of("other") };
	struct wire_body_delete_group body = { 0 };
	struct fixture *f = *state;
	uint64_t media_id;
	uint64_t other;
	struct conn c;
	uint64_t id;
	char key[16];

	greet(&c, f);
	id = create_group(&c);
	assert_int_equal(ask(&c, WIRE_CREATE_GROUP, P_ROOT, &create), ERR_NONE);
	other = c.body.group.group_id;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		share(&c, id, key, key, key);
	}
	share(&c, id, "ka", "a", "in both");
	media_id = share(&c, other, "kb", "b", "in both");
	assert_int_equal(count_files(f, "-not -path '*/incoming/*'"), 41);
	body.group_id = id;
	assert_int_equal(ask(&c, WIRE_DELETE_GROUP, P_ROOT, &body), ERR_NONE);
	wait_for_files(f, 1);
	assert_int_equal(get(&c, P_ROOT, media_id, 0, 9), ERR_NONE);
	assert_true(str_eq(c.body.text.data, str_of("in both")));
	body.group_id = other;
	assert_int_equal(ask(&c, WIRE_DELETE_GROUP, P_ROOT, &body), ERR_NONE);
	wait_for_files(f, 0);
	hang_up(&c);
}

/* Of what is to go, the first by its hash cannot: folders, no files. */
static void what_cannot_go_does_not_hinder_the_rest(void **state)
{
	struct wire_body_delete_group body = { 0 };
	struct fixture *f = *state;
	struct buf command = { 0 };
	struct conn c;
	char key[16];

	greet(&c, f);
	body.group_id = create_group(&c);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		share(&c, body.group_id, key, key, key);
	}
	buf_printf(&command,
		   "cd %s/media && find . -type f -not -path './incoming/*' | "
		   "sort | head -n %d | while read -r f; do "
		   "rm \"$f\" && mkdir \"$f\" || exit 1; done",
		   f->config.data, MEDIA_KEEPER_FEW + 4);
	assert_int_equal(system(buf_cstr(&command)), 0);
	buf_release(&command);
	assert_int_equal(count_files(f, "-not -path '*/incoming/*'"),
			 40 - MEDIA_KEEPER_FEW - 4);
	assert_int_equal(ask(&c, WIRE_DELETE_GROUP, P_ROOT, &body), ERR_NONE);
	wait_for_files(f, 0);
	hang_up(&c);
}

static void share_store(struct fixture *f)
{
	snprintf(f->config.store, sizeof(f->config.store), "memory:shared/%s",
		 buf_cstr(&f->dir));
}

static int set_up_shared(void **state)
{
	return set_up_changed(state, true, share_store);
}

#define TEST_SHARED(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up_shared, tear_down)
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down),              \
		cmocka_unit_test_setup_teardown(name, set_up_memory,           \
						tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_upload_becomes_a_file_and_a_message),
		TEST(a_send_that_is_repeated_is_answered_as_the_first),
		TEST(a_batch_id_is_known_again_whatever_the_upload),
		TEST(a_name_is_taken_once_and_can_be_changed),
		TEST_SHARED(a_name_is_taken_once_and_can_be_changed),
		TEST(what_is_not_sent_is_not_stored),
		TEST_SHARED(what_is_not_sent_is_not_stored),
		TEST(a_drop_while_it_is_sent_harms_nobody),
		TEST_SHARED(a_drop_while_it_is_sent_harms_nobody),
		TEST(files_are_listed_by_name_page_by_page),
		TEST(to_others_nothing_is_there),
		TEST(an_upload_is_its_users_alone),
		TEST(the_last_group_takes_its_contents_with_it),
		TEST(what_cannot_go_does_not_hinder_the_rest),
		TEST_SHARED(what_cannot_go_does_not_hinder_the_rest),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
