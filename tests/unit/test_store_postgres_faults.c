/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL goes away, hangs or dies at the worst of times: what was
 * acknowledged is there, what nobody knows is said so and settled by its
 * client_id, and the handle goes on. On a server of this test's own, because
 * its others would suffer with it.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <libpq-fe.h>

#include "tests/support/store_fixture.h"

#define OTHERS                                                                 \
	"FROM pg_stat_activity WHERE datname=current_database() "              \
	"AND pid<>pg_backend_pid() AND application_name='groupd'"

/* The ends of all connections of this store. */
static void end_connections(const struct store_fixture *f)
{
	postgres_run(f->url,
		     "SELECT count(pg_terminate_backend(pid,5000)) " OTHERS);
}

static int append_all(struct store_fixture *f, struct store *s, uint64_t g,
		      const char *content, const char *id,
		      struct wire_body_sent *sent)
{
	struct store_append op = { .group_id = g, .user = str_of("alice") };
	struct store_append *ops[] = { &op };
	struct buf items = { 0 };
	struct err why;
	int rc;

	fixture_item(&items, content, 0, id);
	op.items = buf_str(&items);
	rc = store_append_all(s, ops, &why, 1, &f->err);
	if (rc == 0)
		assert_int_equal(why.code, ERR_NONE);
	buf_release(&items);
	*sent = op.sent;
	return rc;
}

/* In libpq's place: the nth call says that it failed, though all that was to
 * be sent has left. */
static unsigned sends;
static unsigned failing_send; /* 0: none */

static int sent(PGconn *conn, int rc)
{
	if (++sends != failing_send)
		return rc;
	while (PQflush(conn) > 0)
		;
	return 0;
}

/* With libpq's names, as its header has them. */
int PQsendQueryPrepared(PGconn *conn, const char *stmtName, int nParams,
			const char *const *paramValues, const int *paramLengths,
			const int *paramFormats, int resultFormat)
{
	int (*real)(PGconn *, const char *, int, const char *const *,
		    const int *, const int *, int);

	*(void **)&real = dlsym(RTLD_NEXT, "PQsendQueryPrepared");
	return sent(conn, real(conn, stmtName, nParams, paramValues,
			       paramLengths, paramFormats, resultFormat));
}

int PQpipelineSync(PGconn *conn)
{
	int (*real)(PGconn *);

	*(void **)&real = dlsym(RTLD_NEXT, "PQpipelineSync");
	return sent(conn, real(conn));
}

static uint64_t set_up(struct store_fixture *f)
{
	fixture_users(f, "alice bob");
	return fixture_group(f, "lunch", "alice", "bob");
}

static void a_transaction_ends_with_its_connection(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);

	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "a", NULL), 0);
	end_connections(f);
	assert_true(fixture_say(f, g, "alice", "two", "b", NULL) < 0);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	/* Not with a new one, which knows nothing of it. */
	assert_true(fixture_say(f, g, "alice", "three", "c", NULL) < 0);
	assert_true(store_commit(f->s, &f->err) < 0);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "a", NULL), 0);
	fixture_commit(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
}

static void a_view_ends_with_its_connection(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct store *reader = fixture_open(f, true);
	struct wire_group out;

	assert_int_equal(store_snapshot(reader, &f->err), 0);
	end_connections(f);
	for (int i = 0; i < 2; i++) {
		assert_true(store_find_group(reader, g, str_of(""), str_of(""),
					     &out, &f->err) < 0);
		assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	}
	store_release(reader);
	assert_int_equal(store_find_group(reader, g, str_of(""), str_of(""),
					  &out, &f->err),
			 0);
	assert_int_equal(store_snapshot(reader, &f->err), 0);
	store_close(reader);
}

static void an_idle_handle_does_not_notice(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct wire_body_sent sent;

	end_connections(f);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "a", NULL), 0);
	fixture_commit(f);
	end_connections(f);
	assert_int_equal(append_all(f, f->s, g, "two", "b", &sent), 0);
	assert_int_equal(sent.first_seq, 2);
	end_connections(f);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 2);
}

/* The process of one connection is killed: PostgreSQL ends all others, and
 * recovers as it does after a machine's crash. */
static void a_crash_of_postgresql_loses_nothing(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct wire_body_sent sent;
	int pid;

	for (unsigned i = 1; i <= 3; i++) {
		char id[16];
		unsigned tries = 0;

		snprintf(id, sizeof(id), "id%u", i);
		assert_int_equal(append_all(f, f->s, g, "one", id, &sent), 0);
		assert_int_equal(sent.first_seq, i);
		pid = atoi(postgres_run(f->url, "SELECT pid " OTHERS));
		assert_true(pid > 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		/* Unknown, unavailable while it recovers, then as it was. */
		while (append_all(f, f->s, g, "one", id, &sent) < 0) {
			assert_true(f->err.code == ERR_UNAVAILABLE ||
				    f->err.code == ERR_OUTCOME_UNKNOWN);
			assert_true(++tries < 1000);
			usleep(10000);
		}
		assert_int_equal(sent.duplicate, 1);
		assert_int_equal(sent.first_seq, i);
	}
	fixture_verify(f);
}

/* Has each commit wait for a standby that does not come. */
static void want_standby(const struct store_fixture *f, const char *name)
{
	char sql[96];

	snprintf(sql, sizeof(sql),
		 "ALTER SYSTEM SET synchronous_standby_names='%s'", name);
	postgres_run(f->url, sql);
	postgres_run(f->url, "SELECT pg_reload_conf()");
	/* That it was read is seen by a new connection. */
	for (int i = 0; i < 1000; i++) {
		if (strcmp(postgres_run(f->url,
					"SHOW synchronous_standby_names"),
			   name) == 0)
			return;
		usleep(5000);
	}
	fail_msg("the settings are not read");
}

struct interrupter {
	const struct store_fixture *f;
	const char *how;
	bool found;
	pthread_t thread;
};

/* Waits until a commit waits for the standby, and interrupts it. */
static void *interrupt(void *data)
{
	struct interrupter *i = data;
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "SELECT count(%s(pid)) " OTHERS " AND wait_event='SyncRep'",
		 i->how);
	for (int n = 0; n < 1000 && !i->found; n++) {
		i->found = strcmp(postgres_run(i->f->url, sql), "0") != 0;
		usleep(2000);
	}
	return NULL;
}

static void interrupt_commit(struct store_fixture *f, uint64_t g,
			     const char *how, const char *id)
{
	struct interrupter i = { .f = f, .how = how };
	struct wire_body_sent sent;
	int rc;

	want_standby(f, "nobody");
	assert_int_equal(pthread_create(&i.thread, NULL, interrupt, &i), 0);
	rc = append_all(f, f->s, g, "one", id, &sent);
	pthread_join(i.thread, NULL);
	want_standby(f, "");
	assert_true(i.found);
	assert_int_equal(rc, -EINPROGRESS);
	assert_int_equal(f->err.code, ERR_OUTCOME_UNKNOWN);
	/* It is stored, and so is known. */
	assert_int_equal(append_all(f, f->s, g, "one", id, &sent), 0);
	assert_int_equal(sent.duplicate, 1);
}

static void a_commit_that_nobody_answered_is_known_by_its_id(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);

	interrupt_commit(f, g, "pg_terminate_backend", "a");
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
}

static void
a_commit_that_is_not_on_the_standby_is_not_acknowledged(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);

	interrupt_commit(f, g, "pg_cancel_backend", "a");
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
}

/* The same of a transaction that the caller commits, and of several groups. */
static void other_commits_are_not_acknowledged_either(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct store_append op[2] = { { .user = str_of("alice") },
				      { .user = str_of("alice") } };
	struct store_append *ops[] = { &op[0], &op[1] };
	struct interrupter i = { .f = f, .how = "pg_terminate_backend" };
	struct buf items = { 0 };
	struct err errs[2];
	int commit;
	int all;

	op[0].group_id = g;
	op[1].group_id = fixture_group(f, "work", "alice", "");
	fixture_item(&items, "one", 0, "id");
	op[0].items = buf_str(&items);
	op[1].items = buf_str(&items);
	want_standby(f, "nobody");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, g, "alice", "one", "a", NULL), 0);
	pthread_create(&i.thread, NULL, interrupt, &i);
	commit = store_commit(f->s, &f->err);
	pthread_join(i.thread, NULL);
	i.found = false;
	pthread_create(&i.thread, NULL, interrupt, &i);
	all = store_append_all(f->s, ops, errs, 2, &f->err);
	pthread_join(i.thread, NULL);
	want_standby(f, "");
	assert_int_equal(commit, -EINPROGRESS);
	assert_int_equal(all, -EINPROGRESS);
	assert_int_equal(store_append_all(f->s, ops, errs, 2, &f->err), 0);
	assert_int_equal(op[0].sent.duplicate, 1);
	assert_int_equal(op[0].sent.first_seq, 2);
	assert_int_equal(op[1].sent.duplicate, 1);
	buf_release(&items);
}

/* Of BEGIN, two appends, COMMIT and the pipeline's end, or of one append that
 * is its own transaction. */
static void a_send_that_fails_behind_the_commit_is_unknown(void **state)
{
	static const struct {
		size_t ops;
		unsigned send; /* that fails */
		int rc;
	} rows[] = { { 2, 1, -EIO },	     { 2, 2, -EIO },
		     { 2, 3, -EIO },	     { 2, 4, -EINPROGRESS },
		     { 2, 5, -EINPROGRESS }, { 1, 1, -EINPROGRESS } };
	struct store_fixture *f = *state;
	struct store_append op[2] = { { .user = str_of("alice") },
				      { .user = str_of("alice") } };
	struct store_append *ops[] = { &op[0], &op[1] };
	struct err errs[2];

	op[0].group_id = set_up(f);
	op[1].group_id = fixture_group(f, "work", "alice", "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool unknown = rows[i].rc == -EINPROGRESS;
		struct buf items = { 0 };
		char id[16];

		snprintf(id, sizeof(id), "id%zu", i);
		fixture_item(&items, "one", 0, id);
		op[0].items = buf_str(&items);
		op[1].items = buf_str(&items);
		/* Connected, so that nothing else is sent. */
		assert_int_equal(store_reach(f->s, &f->err), 0);
		sends = 0;
		failing_send = rows[i].send;
		assert_int_equal(
			store_append_all(f->s, ops, errs, rows[i].ops, &f->err),
			rows[i].rc);
		failing_send = 0;
		assert_int_equal(f->err.code, unknown ? ERR_OUTCOME_UNKNOWN
						      : ERR_UNAVAILABLE);
		assert_true(store_was_lost(f->s));
		assert_int_equal(
			store_append_all(f->s, ops, errs, rows[i].ops, &f->err),
			0);
		assert_int_equal(op[0].sent.first_seq, i + 1);
		assert_int_equal(op[0].sent.duplicate, unknown);
		buf_release(&items);
	}
}

/* Another node hangs with the group's lock: this one does not hang with it. */
static void who_waits_too_long_gives_up(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct store *other = fixture_open(f, false);
	struct wire_body_sent sent;

	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADMIN, "bob"), 0);
	/* PostgreSQL says so first (lock_timeout): it is known that nothing was
	 * stored. */
	assert_int_equal(append_all(f, other, g, "one", "a", &sent), -EIO);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	fixture_commit(f);
	assert_int_equal(append_all(f, other, g, "one", "a", &sent), 0);
	assert_int_equal(sent.first_seq, 1);
	assert_int_equal(sent.duplicate, 0);
	assert_int_equal(fixture_find(f, g, "alice").last_seq, 1);
	store_close(other);
	fixture_verify(f);
}

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

enum { MEMBERS = 300 };

/* A group of its own with MEMBERS members, in an open transaction that is given
 * up in ms. */
static int make_big(struct store_fixture *f, struct store_create *op,
		    uint64_t ms)
{
	struct buf edits = { 0 };
	int rc;

	for (unsigned i = 0; i < MEMBERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%u", i);
		fixture_edit(&edits, EDIT_ADD, name);
	}
	*op = (struct store_create){ .name = str_of("big"),
				     .creator = str_of("alice"),
				     .members = buf_str(&edits) };
	store_set_deadline(f->s, clock_ms() + ms);
	rc = store_create_group(f->s, op, &f->err);
	store_set_deadline(f->s, 0);
	buf_release(&edits);
	return rc;
}

/* Each row of that table costs so many milliseconds. */
static void slow_down(const struct store_fixture *f, const char *table,
		      unsigned ms)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql "
		 "AS $$ BEGIN PERFORM pg_sleep(0.001*%u); RETURN NEW; END $$",
		 ms);
	postgres_run(f->url, sql);
	snprintf(sql, sizeof(sql),
		 "CREATE TRIGGER slow BEFORE INSERT ON %s "
		 "FOR EACH ROW EXECUTE FUNCTION wait()",
		 table);
	postgres_run(f->url, sql);
}

/* All members together cost more than is waited for at first. */
static void add_slowly(const struct store_fixture *f)
{
	postgres_run(f->url,
		     "INSERT INTO users(name,created_ms) "
		     "SELECT 'user'||n,1 FROM generate_series(0,299) n");
	slow_down(f, "members", 5);
}

/* Its process is stopped, and nothing tells of it: no byte, no end of the
 * connection. */
static void what_takes_long_is_given_up_where_nothing_is_heard(void **state)
{
	struct store_fixture *f = *state;
	struct store_create op;
	int pid;

	(void)set_up(f);
	add_slowly(f);
	fixture_begin(f);
	pid = atoi(postgres_run(f->url, "SELECT pid " OTHERS));
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(make_big(f, &op, 1200), -EIO);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	assert_true(store_was_lost(f->s));
	assert_int_equal(kill(pid, SIGCONT), 0);
	/* It goes on with what it was asked, and holds the name meanwhile. */
	end_connections(f);
	store_rollback(f->s);
	/* It comes back by itself. */
	fixture_begin(f);
	assert_int_equal(make_big(f, &op, 1200), 0);
	assert_false(store_was_lost(f->s));
	fixture_commit(f);
	assert_int_equal(fixture_find(f, op.group_id, "user299").member_count,
			 MEMBERS + 1);
}

/* Not so what is small, though it takes as long. */
static void a_small_edit_is_not_waited_for(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);

	fixture_users(f, "carol");
	slow_down(f, "members", 600);
	fixture_begin(f);
	store_set_deadline(f->s, clock_ms() + 300);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "carol"),
			 -EIO);
	assert_true(store_was_lost(f->s));
	store_set_deadline(f->s, 0);
	store_rollback(f->s);
}

/* As long as they go on: all of them take more than is waited for. */
static void many_lines_are_waited_for(void **state)
{
	enum { LINES = 400, TOO_MANY = 100001 };
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct buf many = { 0 };
	struct buf one = { 0 };
	struct store_append op[2] = {
		{ .group_id = g, .user = str_of("alice") },
		{ .group_id = g, .user = str_of("bob") }
	};
	struct store_append *ops[] = { &op[0], &op[1] };
	struct err errs[2];

	slow_down(f, "messages", 5);
	for (unsigned i = 0; i < LINES; i++)
		fixture_item(&many, "line", 0, "");
	fixture_item(&one, "one", 0, "");
	op[0].items = buf_str(&many);
	op[1].items = buf_str(&one);
	assert_int_equal(store_append_all(f->s, ops, errs, 2, &f->err), 0);
	assert_int_equal(op[0].sent.last_seq, LINES);
	assert_int_equal(op[1].sent.first_seq, LINES + 1);
	/* But there is an end to it. */
	for (unsigned i = LINES; i < TOO_MANY; i++)
		fixture_item(&many, "", 0, "");
	op[0].items = buf_str(&many);
	assert_int_equal(store_append_all(f->s, ops, errs, 2, &f->err), 0);
	assert_int_equal(errs[0].code, ERR_TOO_LARGE);
	assert_int_equal(errs[1].code, ERR_NONE);
	buf_release(&many);
	buf_release(&one);
}

static void a_locked_group_holds_up_no_other(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g = set_up(f);
	struct store *other = fixture_open(f, false);
	struct buf items = { 0 };
	struct store_append op[3] = {
		{ .group_id = g, .user = str_of("alice") },
		{ .group_id = fixture_group(f, "dinner", "alice", ""),
		  .user = str_of("alice") },
		{ .group_id = g, .user = str_of("bob") },
	};
	struct store_append *ops[] = { &op[0], &op[1], &op[2] };
	struct err errs[3];

	fixture_item(&items, "one", 0, "");
	for (size_t i = 0; i < 3; i++)
		op[i].items = buf_str(&items);
	fixture_begin(f);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADMIN, "bob"), 0);
	for (uint64_t i = 1; i <= 2; i++) {
		assert_int_equal(store_append_all(other, ops, errs, 3, &f->err),
				 0);
		assert_int_equal(errs[0].code, ERR_UNAVAILABLE);
		assert_int_equal(errs[1].code, ERR_NONE);
		assert_int_equal(errs[2].code, ERR_UNAVAILABLE);
		assert_int_equal(op[0].sent.first_seq, 0);
		assert_int_equal(op[1].sent.first_seq, i);
		/* The second time nobody waits for it. */
		store_set_deadline(other, clock_ms() + 900);
	}
	store_set_deadline(other, 0);
	fixture_commit(f);
	do {
		usleep(20000);
		assert_int_equal(store_append_all(other, ops, errs, 3, &f->err),
				 0);
	} while (errs[0].code != ERR_NONE);
	assert_int_equal(op[0].sent.first_seq, 1);
	assert_int_equal(op[2].sent.first_seq, 2);
	buf_release(&items);
	store_close(other);
	fixture_verify(f);
}

/* Another node is at work on nearly all of what comes together. Whoever waited
 * for one after the other would not be done in time, and nobody would know what
 * became of the one that is free. */
static void however_many_are_locked_the_others_are_stored(void **state)
{
	enum { GROUPS = 24 };
	struct store_fixture *f = *state;
	struct store *other = fixture_open(f, false);
	struct store_append op[GROUPS];
	struct store_append *ops[GROUPS];
	struct buf items = { 0 };
	struct err errs[GROUPS];

	fixture_users(f, "alice bob");
	fixture_item(&items, "one", 0, "");
	for (unsigned i = 0; i < GROUPS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "group%u", i);
		op[i] = (struct store_append){
			.group_id = fixture_group(f, name, "alice", "bob"),
			.user = str_of(i % 2 == 0 ? "alice" : "bob"),
			.batch_id = str_of(i % 3 == 0 ? "batch" : ""),
			.items = buf_str(&items)
		};
		ops[i] = &op[i];
	}
	assert_int_equal(store_reach(other, &f->err), 0);
	fixture_begin(f);
	for (unsigned i = 0; i < GROUPS - 1; i++)
		assert_int_equal(fixture_edit_one(f, op[i].group_id, "alice",
						  EDIT_ADMIN, "bob"),
				 0);
	/* With time to wait for a lock, with less, and with none. */
	for (uint64_t round = 1; round <= 3; round++) {
		static const uint64_t ms[] = { 1700, 700, 350 };

		store_set_deadline(other, clock_ms() + ms[round - 1]);
		assert_int_equal(
			store_append_all(other, ops, errs, GROUPS, &f->err), 0);
		for (unsigned i = 0; i < GROUPS - 1; i++)
			assert_int_equal(errs[i].code, ERR_UNAVAILABLE);
		assert_int_equal(errs[GROUPS - 1].code, ERR_NONE);
		assert_int_equal(op[GROUPS - 1].sent.first_seq, round);
	}
	fixture_commit(f);
	do {
		usleep(20000);
		store_set_deadline(other, clock_ms() + 1700);
		assert_int_equal(
			store_append_all(other, ops, errs, GROUPS, &f->err), 0);
	} while (errs[0].code != ERR_NONE || errs[22].code != ERR_NONE);
	buf_release(&items);
	store_close(other);
	fixture_verify(f);
}

/* Whoever hears it has no deadline any more: what is soon done says nothing. */
static void who_deletes_much_says_so(void **state)
{
	static const struct {
		const char *first;
		const char *verb;
		unsigned notices;
		const char *answer;
	} rows[] = {
		{ "SELECT", "o_more FROM delete_group(1,'alice',0,2000,1)", 0,
		  "0" },
		{ "INSERT INTO members SELECT 1,'user'||n,0,0,0,0 "
		  "FROM generate_series(1,97) n",
		  "o_more FROM delete_group(1,'alice',0,2000,1)", 0, "0" },
		{ "INSERT INTO members SELECT 1,'user'||n,0,0,0,0 "
		  "FROM generate_series(1,298) n",
		  "o_more FROM delete_group(1,'alice',0,2000,1)", 2, "1" },
		{ "INSERT INTO changes SELECT 1,n,0,0,'x','',0,0 "
		  "FROM generate_series(9,20000) n",
		  "o_more FROM delete_group(1,'alice',0,2000,1)", 0, "1" },
		{ "INSERT INTO imports(group_id,record,first_seq,first_off,"
		  "first_jsonl_off,last_seq,last_off,last_jsonl_off,last_ms,"
		  "owner) VALUES(1,'x',1,0,0,0,0,0,0,1);"
		  "INSERT INTO members SELECT 1,'user'||n,0,0,0,0 "
		  "FROM generate_series(1,250) n",
		  "drop_import(1,2000,0)", 2, "0" },
	};
	struct store_fixture *f = *state;
	char sql[512];
	unsigned notices;

	(void)set_up(f);
	fixture_begin(f);
	assert_int_equal(fixture_say(f, 1, "alice", "x", "", NULL), 0);
	fixture_commit(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(sql, sizeof(sql), "BEGIN;%s;SELECT %s", rows[i].first,
			 rows[i].verb);
		assert_string_equal(postgres_hear(f->url, sql, &notices),
				    rows[i].answer);
		if (notices != rows[i].notices)
			fail_msg("row %zu: %u notices", i, notices);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(postgres, a_transaction_ends_with_its_connection),
		FIXTURE_ON(postgres, a_view_ends_with_its_connection),
		FIXTURE_ON(postgres, an_idle_handle_does_not_notice),
		FIXTURE_ON(postgres, a_crash_of_postgresql_loses_nothing),
		FIXTURE_ON(postgres,
			   a_commit_that_nobody_answered_is_known_by_its_id),
		FIXTURE_ON(
			postgres,
			a_commit_that_is_not_on_the_standby_is_not_acknowledged),
		FIXTURE_ON(postgres, other_commits_are_not_acknowledged_either),
		FIXTURE_ON(postgres,
			   a_send_that_fails_behind_the_commit_is_unknown),
		FIXTURE_ON(postgres, who_waits_too_long_gives_up),
		FIXTURE_ON(postgres, a_locked_group_holds_up_no_other),
		FIXTURE_ON(postgres,
			   however_many_are_locked_the_others_are_stored),
		FIXTURE_ON(postgres, many_lines_are_waited_for),
		FIXTURE_ON(postgres, a_small_edit_is_not_waited_for),
		FIXTURE_ON(postgres,
			   what_takes_long_is_given_up_where_nothing_is_heard),
		FIXTURE_ON(postgres, who_deletes_much_says_so),
	};

	unsetenv("GROUPFS_TEST_POSTGRES");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
