/* SPDX-License-Identifier: MIT */
/* What of a group from elsewhere is refused, on every back end: by its line,
 * and with nothing stored. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/import_fixture.h"

static struct wire_message message_of(struct store_fixture *f, uint64_t seq)
{
	return (struct wire_message){ .seq = seq,
				      .time_ms = f->now_ms,
				      .sender = str_of("alice"),
				      .content = str_of("x") };
}

static void bad_messages_are_refused_by_line(void **state)
{
	struct store_fixture *f = *state;
	struct wire_message bad[12];
	static const char *const why[12] = {
		"Message 3 stands where 2 belongs",
		"Message 1 stands where 2 belongs",
		"The time of message 2 goes back",
		"There is no message 2 to reply to",
		"timestamp lies more than a day in the future",
		"That is not a user's name",
		"The text is not valid UTF-8",
		"The message has 70000 bytes, more than 65536",
		"A media message needs a media_url",
		"Only a media message has a media_url",
		"mentions holds what is no user name",
		"This client_id is that of message 1 of alice already",
	};
	char *big = calloc(1, 70000);
	struct wire_group group;
	uint64_t id;

	for (size_t i = 0; i < 12; i++)
		bad[i] = message_of(f, 2);
	bad[0].seq = 3;
	bad[1].seq = 1;
	bad[2].time_ms--;
	bad[3].reply_to = 2;
	bad[4].time_ms += UINT64_C(90000000);
	bad[5].sender = str_of("Al ice");
	bad[6].content = str_of("\xff");
	bad[7].content = str_make(memset(big, 'x', 70000), 70000);
	bad[8].type = MESSAGE_MEDIA;
	bad[9].media_url = str_of("http://x");
	bad[10].mentions = str_of("bob B");
	bad[11].client_id = str_of("id");
	fixture_users(f, "alice");
	fixture_begin(f);
	for (size_t i = 0; i < 12; i++) {
		struct buf records = { 0 };
		struct wire_message first = message_of(f, 1);
		char expected[200];

		first.client_id = str_of("id");
		snprintf(expected, sizeof(expected), "line 101: %s", why[i]);
		id = import_begin(f, "copy", 9);
		wire_put(&records, &wire_schema_message, &first);
		wire_put(&records, &wire_schema_message, &bad[i]);
		assert_true(import_give(f, store_import_messages, id,
					&records) < 0);
		assert_string_equal(f->err.text, expected);
		/* Nothing of it is stored: it goes on as from before. */
		buf_clear(&records);
		wire_put(&records, &wire_schema_message, &first);
		import_must(
			f, import_give(f, store_import_messages, id, &records));
		assert_int_equal(store_import_drop(f->s, id, &f->err), 0);
		buf_release(&records);
	}
	fixture_commit(f);
	assert_true(store_find_group(f->s, 0, str_of("copy"), str_of(""),
				     &group, &f->err) < 0);
	fixture_verify(f);
	free(big);
}

static void bad_members_are_refused_by_line(void **state)
{
	struct store_fixture *f = *state;
	static const char *const why[6] = {
		"line 101: alice is a member already",
		"line 101: There is no user eve",
		"line 101: That is not a user's name",
		"line 101: joined_seq is behind the last message",
		"line 101: last_read_seq is behind the last message",
		"line 101: joined_at lies more than a day in the future",
	};
	struct wire_port_member first = { .name = str_of("alice") };
	struct wire_port_member bad[6];
	struct buf records = { 0 };
	uint64_t id;

	for (size_t i = 0; i < 6; i++)
		bad[i] = (struct wire_port_member){ .name = str_of("bob") };
	bad[0].name = str_of("alice");
	bad[1].name = str_of("eve");
	bad[2].name = str_of("everyone");
	bad[3].joined_seq = 10;
	bad[4].last_read_seq = 10;
	bad[5].joined_ms = f->now_ms + UINT64_C(90000000);
	fixture_users(f, "alice bob");
	fixture_begin(f);
	id = import_begin(f, "copy", 9);
	for (size_t i = 0; i < 6; i++) {
		buf_clear(&records);
		wire_put(&records, &wire_schema_port_member, &first);
		wire_put(&records, &wire_schema_port_member, &bad[i]);
		assert_true(import_give(f, store_import_members, id, &records) <
			    0);
		assert_string_equal(f->err.text, why[i]);
	}
	buf_clear(&records);
	wire_put(&records, &wire_schema_port_member, &first);
	import_must(f, import_give(f, store_import_members, id, &records));
	assert_int_equal(import_end(f, id, "copy", ""), -EINVAL);
	assert_string_equal(f->err.text,
			    "The last message is 0, but last_seq says 9");
	id = import_begin(f, "copy", 0);
	assert_int_equal(import_end(f, id, "copy", ""), -EBUSY);
	import_must(f, import_give(f, store_import_members, id, &records));
	assert_int_equal(import_end(f, id, "copy", ""), -EBUSY);
	assert_string_equal(f->err.text, "None of the members is an admin");
	fixture_commit(f);
	buf_release(&records);
}

static void a_bad_group_is_not_begun(void **state)
{
	struct store_fixture *f = *state;
	struct wire_port_group bad[8];
	uint64_t id;

	fixture_users(f, "alice");
	fixture_group(f, "taken", "alice", "");
	for (size_t i = 0; i < 8; i++)
		bad[i] = import_group_named("copy", 0);
	bad[0].name = str_of("taken");
	bad[1].name = str_of("Copy");
	bad[2].created_by = str_of("");
	bad[3].settings = str_of("[]");
	bad[4].max_members = 0;
	bad[5].first_seq = 2;
	bad[6].created_ms = f->now_ms * 2;
	bad[7].last_seq = UINT64_C(1) << 32;
	fixture_begin(f);
	for (size_t i = 0; i < 8; i++)
		assert_true(store_import_begin(f->s, &bad[i], &id, &f->err) <
			    0);
	assert_int_equal(store_next_import(f->s, 0, &id, &f->err), 0);
	/* Who makes a group of the name meanwhile has it. */
	id = import_begin(f, "copy", 0);
	fixture_commit(f);
	fixture_group(f, "copy", "alice", "");
	fixture_begin(f);
	assert_int_equal(import_end(f, id, "copy", ""), -EEXIST);
	fixture_commit(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(bad_messages_are_refused_by_line),
		FIXTURE_ON_EACH(bad_members_are_refused_by_line),
		FIXTURE_ON_EACH(a_bad_group_is_not_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
