/* SPDX-License-Identifier: MIT */
/*
 * The audit of PostgreSQL's back end: each row damages the store by hand, and
 * the audit says so; of a store that nobody has damaged it says nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/import_fixture.h"

static void add_file(struct store_fixture *f, uint64_t g, const char *name,
		     uint8_t byte)
{
	struct store_media op = { .group_id = g,
				  .user = str_of("alice"),
				  .name = str_of(name),
				  .size = 10 };

	memset(op.hash, byte, sizeof(op.hash));
	assert_int_equal(store_add_media(f->s, &op, &f->err), 0);
}

/* Two groups, two days, mentions, files, garbage, an import under way. */
static void fill(struct store_fixture *f)
{
	uint64_t g, other;

	fixture_users(f, "alice bob carol");
	g = fixture_group(f, "team", "alice", "bob");
	other = fixture_group(f, "ops", "alice", "");
	fixture_begin(f);
	fixture_say(f, g, "alice", "@bob one", "a", NULL);
	fixture_say(f, g, "alice", "@everyone two", "b", NULL);
	fixture_say(f, g, "alice", "@bob three", "", NULL);
	f->now_ms += UINT64_C(24) * 3600 * 1000;
	fixture_say(f, g, "bob", "four", "", NULL);
	add_file(f, g, "a", 1);
	add_file(f, other, "b", 2);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADD, "carol"), 0);
	assert_int_equal(fixture_edit_one(f, g, "alice", EDIT_ADMIN, "bob"), 0);
	assert_int_equal(
		store_delete_group(f->s, other, str_of("alice"), &f->err), 0);
	import_begin(f, "copy", 9);
	fixture_commit(f);
}

struct told {
	struct buf text;
	unsigned count;
};

static void on_problem(void *data, const char *text)
{
	struct told *t = data;

	t->count++;
	buf_printf(&t->text, "%s; ", text);
}

/* All of it, before it is damaged. */
#define ARCHIVED                                                               \
	"SELECT need_room('archives',20416,0,1),"                              \
	"archive_some(lo,hi,0,99,99999) FROM partitions WHERE "                \
	"parent='messages';"

static const struct damage {
	const char *sql;
	const char *told;
} damages[] = {
	{ "DELETE FROM messages WHERE seq=2",
	  "Group team: message 3 follows 1: there is a gap" },
	{ "UPDATE messages SET off=off+1 WHERE seq=3",
	  "Group team: message 3 begins at byte" },
	{ "UPDATE messages SET jsonl_off=1 WHERE seq=3",
	  "Group team: the JSON of message 3 begins at byte 1, not" },
	{ "UPDATE messages SET content='longer than it was' WHERE seq=1",
	  "Group team: the line of message 1 has" },
	{ "UPDATE messages SET jsonl_len=7 WHERE seq=1",
	  "Group team: the JSON of message 1 has" },
	{ "UPDATE messages SET rv=99 WHERE seq=1",
	  "Group team: message 1 is of the unknown form 99" },
	{ "UPDATE messages SET time_ms=time_ms+1 WHERE seq=2",
	  "Group team: the time of message 3 goes back" },
	{ "UPDATE messages SET time_ms=time_ms-86400000 WHERE seq=1",
	  "1 messages lie in the partition of another day" },
	{ "UPDATE groups SET last_seq=9",
	  "Group team: its last message is 5, not 9" },
	{ "UPDATE groups SET first_seq=3", "2 messages belong to no group" },
	{ "DELETE FROM messages WHERE seq=1",
	  "Group team: message 2 follows 0: there is a gap" },
	{ "UPDATE groups SET last_off=9", "Group team: its log ends at byte" },
	{ "UPDATE groups SET last_jsonl_off=9",
	  "Group team: its JSON ends at byte" },
	{ "UPDATE groups SET last_bucket=9",
	  "Group team: it has another time than its last message" },
	{ "UPDATE segments SET first_off=first_off+1",
	  "does not begin with message 1" },
	{ "DELETE FROM segments WHERE first_seq>1",
	  "messages belong to no group" },
	{ "INSERT INTO segments VALUES(1,99999,50,1,1,1)",
	  "Group team: there are segments without messages" },
	{ "INSERT INTO segments VALUES(77,1,1,0,0,0)",
	  "1 segments belong to no group" },
	{ "UPDATE members SET last_read_seq=99 WHERE name='bob'",
	  "Group team: the read pointer of bob is behind the end" },
	{ "UPDATE groups SET member_count=7",
	  "Group team: it has 3 members, but counts 7" },
	{ "UPDATE members SET role=0", "Group team: it has no admin" },
	{ "DELETE FROM memberships WHERE name='bob'",
	  "1 members do not find the group in their list" },
	{ "INSERT INTO memberships VALUES('bob','ops',2)",
	  "1 users find a group in their list that they are no members of" },
	{ "UPDATE group_names SET group_id=8",
	  "1 groups are not found by their name; 1 names lead to no group" },
	{ "DELETE FROM changes WHERE version=4",
	  "1 groups have lost a change of their members" },
	{ "UPDATE users SET version=version+1 WHERE name='bob'",
	  "1 users have lost a change of their groups" },
	{ "INSERT INTO members VALUES(77,'bob',0,0,0,0)",
	  "1 members belong to no group" },
	{ "INSERT INTO infos VALUES(77)", "1 descriptions belong to no group" },
	{ "INSERT INTO mentions VALUES(77,'bob',1,1)",
	  "1 mentions belong to no group" },
	{ "UPDATE mentions SET n=5 WHERE n=2", "1 mentions are miscounted" },
	{ "UPDATE everyone SET n=2", "1 mentions of everyone are miscounted" },
	{ "UPDATE media SET seq=3",
	  "Media file 1 (a): message 3 is not what brought it" },
	{ "UPDATE media SET hash='x'", "Media file 1: its hash is damaged" },
	{ "INSERT INTO garbage SELECT hash FROM media",
	  "1 media files are used and garbage" },
	{ "DELETE FROM imports; INSERT INTO messages SELECT 77,bucket,seq,off,"
	  "len,jsonl_off,jsonl_len,time_ms,reply_to,rv,type,sender,media_url,"
	  "mentions,client_id,content FROM messages WHERE seq=1",
	  "1 messages belong to no group" },
	{ ARCHIVED "UPDATE archives SET lines[2].off=1 WHERE first_seq=1",
	  "Group team: message 2 begins at byte 1, not" },
	{ ARCHIVED "UPDATE archives SET lines[1].content='longer than it was'",
	  "Group team: the line of message 1 has" },
	{ ARCHIVED "UPDATE archives SET lines[1].client_id='longer'",
	  "Group team: the JSON of message 1 has" },
	{ ARCHIVED "DELETE FROM archives WHERE first_seq=1",
	  "Group team: message 4 follows 0: there is a gap" },
	{ ARCHIVED "UPDATE segments SET archive_end=2 WHERE archive_end>2",
	  "Group team: there are segments without messages" },
	{ ARCHIVED "UPDATE archives SET last_seq=last_seq+1",
	  "2 rows of archives have other messages than they say" },
	{ ARCHIVED "UPDATE archives SET first_ms=first_ms-86400000",
	  "5 messages lie in the archive of another day" },
	{ ARCHIVED "INSERT INTO archives SELECT 77,bucket,first_seq,last_seq,"
		   "first_off,first_jsonl_off,first_ms,lines FROM archives "
		   "WHERE first_seq=1",
	  "3 messages belong to no group" },
	{ ARCHIVED "UPDATE media SET sender='bob'",
	  "Media file 1 (a): message 5 is not what brought it" },
	{ "INSERT INTO partitions VALUES('messages',9,10,'m_none')",
	  "1 partitions are not there" },
	{ "DELETE FROM partitions", "partitions are not known" },
};

static void run_audit(struct store_fixture *f, struct told *told)
{
	struct store_verify v = { .problem = on_problem, .data = told };

	buf_clear(&told->text);
	told->count = 0;
	if (store_verify(f->s, &v, &f->err) < 0)
		fail_msg("verify: %s", f->err.text);
	assert_int_equal(v.groups, 1);
}

static void each_damage_is_found(void **state)
{
	struct store_fixture *f = *state;
	struct told told = { 0 };
	char url[POSTGRES_URL];

	fill(f);
	run_audit(f, &told);
	assert_int_equal(told.count, 0);
	memcpy(url, f->url, sizeof(url));
	/* A database that is copied has no users. */
	store_close(f->s);
	f->s = NULL;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		postgres_copy(f->url, url);
		fixture_reopen(f);
		postgres_run(f->url, damages[i].sql);
		run_audit(f, &told);
		if (strstr(buf_cstr(&told.text), damages[i].told) == NULL)
			fail_msg("%s: \"%s\", not \"%s\"", damages[i].sql,
				 buf_cstr(&told.text), damages[i].told);
		store_close(f->s);
		f->s = NULL;
		postgres_drop(f->url);
	}
	memcpy(f->url, url, sizeof(url));
	buf_release(&told.text);
}

static void an_audit_ends_after_a_hundred_faults(void **state)
{
	struct store_fixture *f = *state;
	struct told told = { 0 };

	fill(f);
	fixture_begin(f);
	for (unsigned i = 0; i < 150; i++)
		fixture_say(f, 1, "alice", "x", "", NULL);
	fixture_commit(f);
	postgres_run(f->url, "UPDATE messages SET len=1");
	run_audit(f, &told);
	assert_int_equal(told.count, 100);
	buf_release(&told.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(postgres, each_damage_is_found),
		FIXTURE_ON(postgres, an_audit_ends_after_a_hundred_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
