/* SPDX-License-Identifier: MIT */
/* Backup and restore, frame by frame: whose they are, and what is refused. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

enum { PATIENCE = 200, PAUSE_US = 20000 };

static enum err_code backup(struct conn *c, uint32_t p, uint64_t id)
{
	const struct wire_body_backup body = { .id = id, .verify = 1 };

	return ask(c, WIRE_BACKUP, p, &body);
}

static enum err_code list(struct conn *c, uint32_t p, uint64_t id)
{
	const struct wire_body_list_backup body = { .id = id };

	return ask(c, WIRE_LIST_BACKUP, p, &body);
}

static enum err_code read_piece(struct conn *c, uint32_t p, uint64_t id,
				struct str hash, uint64_t off)
{
	const struct wire_body_read_backup body = {
		.id = id, .hash = hash, .offset = off, .size = 100
	};

	return ask(c, WIRE_READ_BACKUP, p, &body);
}

static enum err_code restore(struct conn *c, uint32_t p, uint64_t id)
{
	const struct wire_body_restore body = { .id = id };

	return ask(c, WIRE_RESTORE, p, &body);
}

/* The folder of the one before is gone a little before it is over. */
static enum err_code restore_at_last(struct conn *c, uint64_t id)
{
	enum err_code code = ERR_UNAVAILABLE;

	for (int i = 0; i < 5000 && code == ERR_UNAVAILABLE; i++) {
		code = restore(c, P_ROOT, id);
		usleep(1000);
	}
	return code;
}

static enum err_code write_piece(struct conn *c, uint32_t p, uint64_t id,
				 const char *hash, const char *text)
{
	const struct wire_body_write_restore body = { .id = id,
						      .hash = str_of(hash),
						      .data = str_of(text) };

	return ask(c, WIRE_WRITE_RESTORE, p, &body);
}

static enum err_code commit(struct conn *c, uint32_t p, uint64_t id)
{
	const struct wire_body_commit_restore body = { .id = id, .size = 5 };

	return ask(c, WIRE_COMMIT_RESTORE, p, &body);
}

static bool is_there(const struct fixture *f, const char *what)
{
	struct buf path = { 0 };
	bool there;

	buf_printf(&path, "%s/%s", f->config.data, what);
	there = access(buf_cstr(&path), F_OK) == 0;
	buf_release(&path);
	return there;
}

static void await_gone(const struct fixture *f, const char *what)
{
	for (int i = 0; i < PATIENCE && is_there(f, what); i++)
		usleep(PAUSE_US);
	assert_false(is_there(f, what));
}

static void only_admins_may(void **state)
{
	struct conn c;

	greet(&c, *state);
	assert_int_equal(backup(&c, P_DAEMON, 1), ERR_NOT_ADMIN);
	assert_int_equal(list(&c, P_DAEMON, 1), ERR_NOT_ADMIN);
	assert_int_equal(read_piece(&c, P_DAEMON, 1, str_of(""), 0),
			 ERR_NOT_ADMIN);
	assert_int_equal(restore(&c, P_DAEMON, 1), ERR_NOT_ADMIN);
	assert_int_equal(write_piece(&c, P_DAEMON, 1, "", "x"), ERR_NOT_ADMIN);
	assert_int_equal(commit(&c, P_DAEMON, 1), ERR_NOT_ADMIN);
	hang_up(&c);
}

static void a_backup_is_its_connections(void **state)
{
	struct fixture *f = *state;
	struct conn a, b;

	greet(&a, f);
	greet(&b, f);
	assert_int_equal(say(&a, P_ROOT, create_group(&a), "hello"), ERR_NONE);
	assert_int_equal(read_piece(&a, P_ROOT, 7, str_of(""), 0),
			 ERR_BAD_REQUEST);
	assert_int_equal(backup(&a, P_ROOT, 7), ERR_NONE);
	assert_int_equal(a.body.backed_up.messages, 1);
	assert_int_equal(a.body.backed_up.problems.len, 0);
	assert_int_equal(read_piece(&a, P_ROOT, 7, str_of(""), 0), ERR_NONE);
	assert_memory_equal(a.body.text.data.data, "SQLite format 3", 16);
	assert_int_equal(read_piece(&a, P_ROOT, 8, str_of(""), 0),
			 ERR_BAD_REQUEST);
	assert_int_equal(read_piece(&b, P_ROOT, 7, str_of(""), 0),
			 ERR_BAD_REQUEST);
	assert_int_equal(list(&b, P_ROOT, 7), ERR_BAD_REQUEST);
	assert_int_equal(backup(&b, P_ROOT, 9), ERR_UNAVAILABLE);
	/* The refused ones have ended nothing. */
	assert_int_equal(read_piece(&a, P_ROOT, 7, str_of(""), UINT64_MAX),
			 ERR_BAD_REQUEST);
	assert_int_equal(read_piece(&a, P_ROOT, 7, str_of("no hash"), 0),
			 ERR_BAD_REQUEST);
	assert_int_equal(read_piece(&a, P_ROOT, 7, str_of(""), 1 << 30),
			 ERR_NONE);
	assert_int_equal(a.body.text.data.len, 0);
	hang_up(&a);
	await_gone(f, "backup");
	assert_int_equal(backup(&b, P_ROOT, 9), ERR_NONE);
	hang_up(&b);
	await_gone(f, "backup");
}

static uint64_t share(struct conn *c, uint64_t group_id, const char *text)
{
	const struct wire_body_write_media begin = { .group_id = group_id,
						     .key = str_of("k"),
						     .resize = 1 };
	const struct wire_body_write_media write = { .group_id = group_id,
						     .key = str_of("k"),
						     .data = str_of(text) };
	const struct wire_body_send_media send = { .group_id = group_id,
						   .key = str_of("k"),
						   .name = str_of("file") };

	assert_int_equal(ask(c, WIRE_WRITE_MEDIA, P_ROOT, &begin), ERR_NONE);
	assert_int_equal(ask(c, WIRE_WRITE_MEDIA, P_ROOT, &write), ERR_NONE);
	assert_int_equal(ask(c, WIRE_SEND_MEDIA, P_ROOT, &send), ERR_NONE);
	return group_id;
}

/* A group that is deleted meanwhile: what the snapshot knows can be read. */
static void contents_stay_as_long_as_a_backup(void **state)
{
	struct fixture *f = *state;
	struct wire_body_delete_group body = { 0 };
	struct wire_content content;
	char hash[WIRE_HASH];
	struct str records;
	struct conn a, b;

	greet(&a, f);
	greet(&b, f);
	body.group_id = share(&b, create_group(&b), "hello");
	assert_int_equal(backup(&a, P_ROOT, 7), ERR_NONE);
	assert_int_equal(a.body.backed_up.media, 1);
	assert_int_equal(ask(&b, WIRE_DELETE_GROUP, P_ROOT, &body), ERR_NONE);
	assert_int_equal(list(&a, P_ROOT, 7), ERR_NONE);
	assert_int_equal(a.body.backup_list.complete, 1);
	records = a.body.backup_list.contents;
	assert_int_equal(wire_next(&records, &wire_schema_content, &content),
			 1);
	assert_int_equal(content.size, 5);
	memcpy(hash, content.hash.data, sizeof(hash));
	usleep(5 * PAUSE_US);
	assert_int_equal(
		read_piece(&a, P_ROOT, 7, str_make(hash, sizeof(hash)), 0),
		ERR_NONE);
	assert_memory_equal(a.body.text.data.data, "hello", 5);
	assert_true(is_there(f, "media/2c"));
	hang_up(&a);
	/* sha256("hello") begins so. */
	await_gone(f, "media/2c");
	hang_up(&b);
}

static void a_restore_is_its_connections_and_checked(void **state)
{
	struct fixture *f = *state;
	struct conn a, b;

	greet(&a, f);
	greet(&b, f);
	create_group(&a);
	assert_int_equal(write_piece(&a, P_ROOT, 7, "", "x"), ERR_BAD_REQUEST);
	assert_int_equal(restore(&a, P_ROOT, 7), ERR_NONE);
	assert_int_equal(a.body.to_restore.groups, 1);
	/* The same once more, as after a lost answer. */
	assert_int_equal(restore(&a, P_ROOT, 7), ERR_NONE);
	assert_int_equal(restore(&b, P_ROOT, 8), ERR_UNAVAILABLE);
	assert_int_equal(write_piece(&b, P_ROOT, 7, "", "x"), ERR_BAD_REQUEST);
	assert_int_equal(write_piece(&a, P_ROOT, 7, "../evil", "x"),
			 ERR_BAD_REQUEST);
	assert_int_equal(write_piece(&a, P_ROOT, 7, "", "hello"), ERR_NONE);
	assert_int_equal(commit(&b, P_ROOT, 7), ERR_BAD_REQUEST);
	assert_int_equal(commit(&a, P_ROOT, 7), ERR_BAD_REQUEST);
	/* What was not right is over, and nothing has changed. */
	await_gone(f, "restore");
	assert_false(is_there(f, "restore.ready"));
	assert_int_equal(commit(&a, P_ROOT, 7), ERR_BAD_REQUEST);
	assert_int_equal(restore_at_last(&b, 8), ERR_NONE);
	assert_int_equal(commit(&b, P_ROOT, 8), ERR_BAD_REQUEST);
	/* Nobody waits until a hole of any size has been read. */
	assert_int_equal(restore_at_last(&a, 9), ERR_NONE);
	assert_int_equal(
		ask(&a, WIRE_WRITE_RESTORE, P_ROOT,
		    &(struct wire_body_write_restore){ .id = 9,
						       .offset = 1ULL << 40,
						       .data = str_of("x") }),
		ERR_NONE);
	assert_int_equal(commit(&a, P_ROOT, 9), ERR_BAD_REQUEST);
	hang_up(&a);
	hang_up(&b);
	await_gone(f, "restore");
}

static void a_store_in_memory_has_neither(void **state)
{
	struct conn c;

	greet(&c, *state);
	assert_int_equal(backup(&c, P_ROOT, 7), ERR_BAD_REQUEST);
	assert_int_equal(restore(&c, P_ROOT, 7), ERR_BAD_REQUEST);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(only_admins_may),
		T(a_backup_is_its_connections),
		T(contents_stay_as_long_as_a_backup),
		T(a_restore_is_its_connections_and_checked),
		cmocka_unit_test_setup_teardown(a_store_in_memory_has_neither,
						set_up_memory, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
