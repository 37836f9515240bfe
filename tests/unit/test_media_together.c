/* SPDX-License-Identifier: MIT */
/*
 * Two nodes that share a store and DATA/media: what one removes while the other
 * sends the same content. Whoever has sent it can read it afterwards, whatever
 * the order was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/media.h"
#include "tests/support/store_fixture.h"

#define CONTENT "the same bytes"

/* Node A is the fixture's handle, B this one. */
struct nodes {
	struct store_fixture f;
	struct media a;
	struct media b;
	struct store *other;
	uint64_t one; /* A's group */
	uint64_t two; /* B's */
	uint8_t hash[STORE_HASH];
	uint64_t size;
	/* B's thread. */
	pthread_t thread;
	atomic_bool done;
	int rc;
	struct err err;
};

static void open_media(const struct nodes *n, struct media *m)
{
	struct err err;

	assert_int_equal(media_open(m, n->f.dir, env_system(), 1000, &err), 0);
	m->shared = true;
}

static int set_up(void **state)
{
	struct nodes *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	fixture_init(&n->f, "postgres");
	open_media(n, &n->a);
	open_media(n, &n->b);
	n->other = fixture_open(&n->f, false);
	fixture_users(&n->f, "alice bob");
	n->one = fixture_group(&n->f, "one", "alice", "");
	n->two = fixture_group(&n->f, "two", "bob", "");
	*state = n;
	return 0;
}

static int tear_down(void **state)
{
	struct nodes *n = *state;
	struct buf command = { 0 };

	store_close(n->other);
	media_close(&n->a);
	media_close(&n->b);
	buf_printf(&command, "rm -rf %s/media", n->f.dir);
	assert_int_equal(system(buf_cstr(&command)), 0);
	buf_release(&command);
	fixture_release(&n->f);
	free(n);
	return 0;
}

static struct media_upload upload(const char *user, const char *key)
{
	return (struct media_upload){ .group_id = 7,
				      .user = str_of(user),
				      .key = str_of(key) };
}

static void seal(struct nodes *n, struct media *m, const struct media_upload *u)
{
	struct err *err = &n->f.err;
	bool found;

	assert_int_equal(media_resize(m, u, 0, err), 0);
	assert_int_equal(media_write(m, u, 0, str_of(CONTENT), &n->size, err),
			 0);
	assert_int_equal(media_seal(m, u, n->hash, &n->size, &found, err), 0);
	assert_true(found);
}

static int add(const struct nodes *n, struct store *s, uint64_t group_id,
	       const char *user, const char *name, struct err *err)
{
	struct store_media op = { .group_id = group_id,
				  .user = str_of(user),
				  .name = str_of(name),
				  .size = n->size };

	memcpy(op.hash, n->hash, sizeof(op.hash));
	return store_add_media(s, &op, err);
}

/* As SEND_MEDIA does it. */
static int send_file(const struct nodes *n, struct media *m, struct store *s,
		     const struct media_upload *u, uint64_t group_id,
		     const char *name, struct err *err)
{
	char user[WIRE_USER_MAX + 1];
	struct media_placing p = { .upload = u, .hash = n->hash };
	int rc = store_begin(s, err);

	str_to_cstr(u->user, user, sizeof(user));
	if (rc == 0)
		rc = media_ready(m, &p, err);
	if (rc == 0)
		rc = add(n, s, group_id, user, name, err);
	if (rc < 0)
		media_undo(m, &p);
	if (rc == 0)
		rc = media_settle(m, &p, err);
	return rc == 0 ? store_commit(s, err) : rc;
}

static void *run_b(void *data)
{
	struct nodes *n = data;
	const struct media_upload u = upload("bob", "b");

	n->rc = send_file(n, &n->b, n->other, &u, n->two, "file", &n->err);
	atomic_store(&n->done, true);
	return NULL;
}

/* Until B waits for A's transaction, or has not waited for it. */
static void start_b(struct nodes *n)
{
	assert_int_equal(pthread_create(&n->thread, NULL, run_b, n), 0);
	while (!atomic_load(&n->done) &&
	       strcmp(postgres_run(n->f.url,
				   "SELECT count(*) FROM pg_stat_activity "
				   "WHERE wait_event_type='Lock'"),
		      "0") == 0)
		usleep(1000);
}

static void end_b(struct nodes *n)
{
	pthread_join(n->thread, NULL);
	if (n->rc < 0)
		fail_msg("B: %s", n->err.text);
}

static void is_there(struct nodes *n)
{
	if (!media_is_sound(&n->b, n->hash, n->size, &n->f.err))
		fail_msg("the content: %s", n->f.err.text);
	fixture_verify(&n->f);
}

static void must_send(struct nodes *n, const char *name)
{
	const struct media_upload u = upload("alice", "old");

	seal(n, &n->a, &u);
	assert_int_equal(
		send_file(n, &n->a, n->f.s, &u, n->one, name, &n->f.err), 0);
	media_forget(&n->a, &u);
}

/* Node A's name is taken: B sends the same content between its look and the
 * refusal. */
static void a_refused_one_takes_nothing_away(void **state)
{
	struct nodes *n = *state;
	const struct media_upload mine = upload("alice", "a");
	const struct media_upload others = upload("bob", "b");
	struct media_placing p = { .upload = &mine, .hash = n->hash };
	struct err *err = &n->f.err;

	seal(n, &n->a, &mine);
	seal(n, &n->b, &others);
	fixture_begin(&n->f);
	assert_int_equal(media_ready(&n->a, &p, err), 0);
	run_b(n);
	if (n->rc < 0)
		fail_msg("B: %s", n->err.text);
	assert_true(add(n, n->f.s, n->one, "alice", ".no name", err) < 0);
	assert_int_equal(err->code, ERR_BAD_NAME);
	media_undo(&n->a, &p);
	store_rollback(n->f.s);
	is_there(n);
	/* And leaves nothing: his upload has one name, so it goes. */
	assert_int_equal(media_drop(&n->a, &mine, err), 0);
	assert_int_equal(media_resize(&n->a, &mine, 0, err), 0);
}

/* A sweeps what is nobody's, and B, who comes just then, waits. */
static void what_is_added_while_it_is_swept_is_there(void **state)
{
	struct nodes *n = *state;
	const struct media_upload u = upload("bob", "b");
	uint8_t hash[STORE_HASH];
	struct media_seen seen;
	struct err *err = &n->f.err;

	must_send(n, "file");
	seal(n, &n->b, &u);
	fixture_begin(&n->f);
	assert_int_equal(
		store_delete_group(n->f.s, n->one, str_of("alice"), err), 0);
	fixture_commit(&n->f);
	fixture_begin(&n->f);
	assert_int_equal(store_next_garbage(n->f.s, NULL, hash, err), 1);
	media_look(&n->a, n->hash, &seen);
	start_b(n);
	assert_false(atomic_load(&n->done));
	assert_int_equal(media_remove(&n->a, hash, &seen, err), 0);
	assert_int_equal(store_drop_garbage(n->f.s, hash, err), 0);
	fixture_commit(&n->f);
	end_b(n);
	is_there(n);
}

/* The same for what no transaction that was rolled back has left; and what is
 * somebody's is found to be. */
static void what_is_added_while_it_is_in_doubt_is_there(void **state)
{
	struct nodes *n = *state;
	const struct media_upload u = upload("bob", "b");
	struct err *err = &n->f.err;
	struct media_seen seen;
	bool used;

	seal(n, &n->b, &u);
	fixture_begin(&n->f);
	assert_int_equal(store_hash_used(n->f.s, n->hash, &used, err), 0);
	assert_false(used);
	media_look(&n->a, n->hash, &seen);
	start_b(n);
	assert_false(atomic_load(&n->done));
	assert_int_equal(media_remove(&n->a, n->hash, &seen, err), 0);
	assert_int_equal(store_drop_garbage(n->f.s, n->hash, err), 0);
	fixture_commit(&n->f);
	end_b(n);
	is_there(n);
	fixture_begin(&n->f);
	assert_int_equal(store_hash_used(n->f.s, n->hash, &used, err), 0);
	assert_true(used);
	fixture_commit(&n->f);
	fixture_verify(&n->f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refused_one_takes_nothing_away),
		TEST(what_is_added_while_it_is_swept_is_there),
		TEST(what_is_added_while_it_is_in_doubt_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
