/* SPDX-License-Identifier: MIT */
#include "tests/support/store_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

/* GROUPFS_TEST_SKIP: what no test's name may be ("postgres: *"). */
static void __attribute__((constructor)) leave_out(void)
{
	const char *pattern = getenv("GROUPFS_TEST_SKIP");

	if (pattern != NULL)
		cmocka_set_skip_filter(pattern);
}

static uint64_t fake_now(void *data)
{
	return ((struct store_fixture *)data)->now_ms;
}

static void fake_random(void *data, void *out, size_t len)
{
	struct store_fixture *f = data;

	memset(out, 0, len);
	f->random++;
	memcpy(out, &f->random,
	       len < sizeof(f->random) ? len : sizeof(f->random));
}

struct store *fixture_open(struct store_fixture *f, bool read_only)
{
	struct store_options options = { .env = &f->env,
					 .read_only = read_only };
	struct store *s = NULL;
	int rc = store_open(&s, f->url, &options, &f->err);

	if (rc < 0)
		fail_msg("%s: %s", f->url, f->err.text);
	return s;
}

static void init(struct store_fixture *f, const char *scheme, bool shared)
{
	memset(f, 0, sizeof(*f));
	f->env = (struct env){ fake_now, fake_random, f };
	f->now_ms = UINT64_C(1764000000000);
	snprintf(f->dir, sizeof(f->dir), "/tmp/groupfs-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/test.db", f->dir);
	if (strcmp(scheme, "postgres") == 0)
		postgres_create(f->url);
	else
		snprintf(f->url, sizeof(f->url), "%s:%s%s", scheme,
			 shared ? "shared/" : "", f->path);
	f->s = fixture_open(f, false);
}

void fixture_init(struct store_fixture *f, const char *scheme)
{
	init(f, scheme, false);
}

void fixture_release(struct store_fixture *f)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };

	store_close(f->s);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char path[192];

		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->dir), 0);
	if (strncmp(f->url, "postgresql:", strlen("postgresql:")) == 0)
		postgres_drop(f->url);
}

void fixture_reopen(struct store_fixture *f)
{
	store_close(f->s);
	f->s = fixture_open(f, false);
}

void fixture_begin(struct store_fixture *f)
{
	if (store_begin(f->s, &f->err) < 0)
		fail_msg("begin: %s", f->err.text);
}

void fixture_commit(struct store_fixture *f)
{
	if (store_commit(f->s, &f->err) < 0)
		fail_msg("commit: %s", f->err.text);
	if (f->seal == UINT64_MAX)
		fixture_seal(f);
	else if (f->seal > 0)
		fixture_seal_some(f, f->seal, 1);
}

void fixture_seal_some(struct store_fixture *f, uint64_t limit, unsigned steps)
{
	struct store_tend op = { .limit = limit, .all = true };
	int rc = 1;

	for (unsigned i = 0; rc > 0 && (steps == 0 || i < steps); i++) {
		rc = store_tend(f->s, &op, &f->err);
		if (rc < 0)
			fail_msg("seal: %s", f->err.text);
	}
}

void fixture_seal(struct store_fixture *f)
{
	fixture_seal_some(f, 0, 0);
}

/* The next word of *text; empty at its end. */
static struct str next_name(const char **text)
{
	struct str name;

	while (**text == ' ')
		(*text)++;
	name = str_make(*text, strcspn(*text, " "));
	*text += name.len;
	return name;
}

void fixture_users(struct store_fixture *f, const char *names)
{
	struct str name;
	bool added;

	fixture_begin(f);
	while ((name = next_name(&names)).len > 0)
		assert_int_equal(store_add_user(f->s, name, &added, &f->err),
				 0);
	fixture_commit(f);
}

uint64_t fixture_new_group(struct store_fixture *f, const char *name,
			   const char *creator, const char *members)
{
	struct store_create op = { .name = str_of(name),
				   .creator = str_of(creator) };
	struct wire_edit edit = { .op = EDIT_ADD };
	struct buf edits;
	int rc;

	buf_init(&edits);
	while ((edit.name = next_name(&members)).len > 0)
		wire_put(&edits, &wire_schema_edit, &edit);
	op.members = buf_str(&edits);
	rc = store_create_group(f->s, &op, &f->err);
	if (rc < 0)
		fail_msg("create %s: %s", name, f->err.text);
	buf_release(&edits);
	return op.group_id;
}

uint64_t fixture_group(struct store_fixture *f, const char *name,
		       const char *creator, const char *members)
{
	uint64_t id;

	fixture_begin(f);
	id = fixture_new_group(f, name, creator, members);
	fixture_commit(f);
	return id;
}

void fixture_item(struct buf *items, const char *content, uint64_t reply_to,
		  const char *client_id)
{
	struct wire_item item = { .content = str_of(content),
				  .reply_to = reply_to,
				  .client_id = str_of(client_id) };

	wire_put(items, &wire_schema_item, &item);
	assert_false(items->failed);
}

void fixture_edit(struct buf *edits, enum edit_op op, const char *name)
{
	struct wire_edit edit = { .op = op, .name = str_of(name) };

	wire_put(edits, &wire_schema_edit, &edit);
	assert_false(edits->failed);
}

int fixture_say(struct store_fixture *f, uint64_t group_id, const char *user,
		const char *content, const char *client_id,
		struct wire_body_sent *sent)
{
	struct store_append op = { .group_id = group_id, .user = str_of(user) };
	struct buf items;
	int rc;

	buf_init(&items);
	fixture_item(&items, content, 0, client_id);
	op.items = buf_str(&items);
	rc = store_append(f->s, &op, &f->err);
	buf_release(&items);
	if (sent != NULL)
		*sent = op.sent;
	return rc;
}

int fixture_edit_one(struct store_fixture *f, uint64_t group_id, const char *by,
		     enum edit_op op, const char *name)
{
	struct store_edit edit = { .group_id = group_id, .by = str_of(by) };
	struct buf edits;
	int rc;

	buf_init(&edits);
	fixture_edit(&edits, op, name);
	edit.edits = buf_str(&edits);
	rc = store_edit_members(f->s, &edit, &f->err);
	buf_release(&edits);
	free(edit.changes);
	return rc;
}

uint64_t fixture_archive(struct store_fixture *f, uint64_t before_ms,
			 uint64_t limit)
{
	struct store_archive op = { .before_ms = before_ms, .limit = limit };
	uint64_t count = 0;
	int rc = 1;

	while (rc > 0) {
		fixture_begin(f);
		rc = store_archive(f->s, &op, &f->err);
		if (rc < 0)
			fail_msg("archive: %s", f->err.text);
		fixture_commit(f);
		count += op.archived;
	}
	return count;
}

static void on_problem(void *data, const char *text)
{
	(void)data;
	fail_msg("verify: %s", text);
}

void fixture_verify(struct store_fixture *f)
{
	struct store_verify v = { .problem = on_problem };

	if (store_verify(f->s, &v, &f->err) < 0)
		fail_msg("verify: %s", f->err.text);
}

bool fixture_seeks(const struct store_fixture *f, struct str text, uint64_t off)
{
	bool is_end = off == 0 || text.data[off - 1] == '\n' ||
		      text.data[off] == '\n';

	return is_end || off % 31 == 0 ||
	       strncmp(f->url, "postgresql:", strlen("postgresql:")) != 0;
}

struct wire_group fixture_find(struct store_fixture *f, uint64_t group_id,
			       const char *user)
{
	struct wire_group g;

	if (store_find_group(f->s, group_id, str_of(""), str_of(user), &g,
			     &f->err) < 0)
		fail_msg("find: %s", f->err.text);
	return g;
}

static int start(void **state, const char *scheme, bool shared)
{
	struct store_fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	init(f, scheme, shared);
	*state = f;
	return 0;
}

int fixture_start_sqlite(void **state)
{
	return start(state, "sqlite", false);
}

static int start_sealing(void **state, uint64_t seal)
{
	int rc = start(state, "sqlite", false);

	((struct store_fixture *)*state)->seal = seal;
	return rc;
}

int fixture_start_sealed(void **state)
{
	return start_sealing(state, UINT64_MAX);
}

int fixture_start_sealing(void **state)
{
	return start_sealing(state, 1);
}

int fixture_start_memory(void **state)
{
	return start(state, "memory", false);
}

int fixture_start_shared_memory(void **state)
{
	return start(state, "memory", true);
}

int fixture_start_postgres(void **state)
{
	return start(state, "postgres", true);
}

int fixture_stop(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

int64_t fixture_number(const struct store_fixture *f, const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t value;

	assert_int_equal(
		sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

uint64_t fixture_kill_at_work(struct store_fixture *f, uint64_t group_id,
			      fixture_work_fn work, long after_us)
{
	struct timespec pause = { 0, after_us * 1000 };
	uint64_t last = 0;
	uint64_t n;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		work(f, group_id, fds[1]);
	close(fds[1]);
	/* It is at work once it has committed the first time. */
	assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
	nanosleep(&pause, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fds[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	close(fds[0]);
	return last;
}
