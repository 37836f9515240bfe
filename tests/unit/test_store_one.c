/* SPDX-License-Identifier: MIT */
/*
 * One message with a batch_id and a client_id, as nearly all of them come: what
 * is refused, what is a duplicate, and what follows, on every back end. Such a
 * message may go a way of its own, which must come to the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/store_fixture.h"

enum { DAY_MS = 86400000 };

struct sending {
	const char *what;
	const char *user;
	const char *batch_id;
	const char *client_id;
	const char *content;
	uint64_t reply_to;
	/* What comes of it. */
	enum err_code code;
	uint64_t seq;
	bool duplicate;
	bool mentions;
};

static const struct sending sendings[] = {
	{ "the first", "alice", "b1", "i1", "one", 0, ERR_NONE, 1, false,
	  false },
	{ "the next", "alice", "b2", "", "two", 0, ERR_NONE, 2, false, false },
	{ "another's ids", "bob", "b1", "i1", "three", 0, ERR_NONE, 3, false,
	  false },
	{ "a batch_id again", "alice", "b2", "i9", "other", 0, ERR_NONE, 2,
	  true, false },
	{ "a client_id again", "alice", "b9", "i1", "other", 0, ERR_NONE, 1,
	  true, false },
	{ "the batch_id that came with it", "alice", "b9", "", "other", 0,
	  ERR_NONE, 1, true, false },
	{ "a client_id that is a batch_id", "alice", "b10", "b1", "four", 0,
	  ERR_NONE, 4, false, false },
	{ "a reply", "bob", "b2", "", "five", 4, ERR_NONE, 5, false, false },
	{ "a reply to itself", "bob", "b3", "", "x", 6, ERR_BAD_REQUEST, 0,
	  false, false },
	{ "a reply to what no store has", "bob", "b3", "", "x", UINT64_MAX,
	  ERR_BAD_REQUEST, 0, false, false },
	{ "what was refused, said well", "bob", "b3", "", "six", 5, ERR_NONE, 6,
	  false, false },
	{ "of a stranger", "carol", "b1", "i1", "x", 0, ERR_NO_SUCH_GROUP, 0,
	  false, false },
	{ "a reply of a stranger", "carol", "b1", "", "x", 99,
	  ERR_NO_SUCH_GROUP, 0, false, false },
	{ "to somebody", "alice", "b11", "i11", "seven @bob", 0, ERR_NONE, 7,
	  false, true },
	{ "to nobody", "alice", "b12", "i12", "eight @carol", 0, ERR_NONE, 8,
	  false, false },
	{ "without a batch_id", "alice", "", "i13", "nine", 0, ERR_NONE, 9,
	  false, false },
	{ "and its client_id again", "alice", "b13", "i13", "x", 0, ERR_NONE, 9,
	  true, false },
};
enum { SENDINGS = sizeof(sendings) / sizeof(sendings[0]) };

static void send_one(struct store_fixture *f, uint64_t g,
		     const struct sending *s)
{
	struct store_append op = { .group_id = g,
				   .user = str_of(s->user),
				   .batch_id = str_of(s->batch_id) };
	struct store_append *ops[] = { &op };
	struct buf items = { 0 };
	struct err why = { 0 };

	fixture_item(&items, s->content, s->reply_to, s->client_id);
	op.items = buf_str(&items);
	assert_int_equal(store_append_all(f->s, ops, &why, 1, &f->err), 0);
	buf_release(&items);
	assert_int_equal(why.code, s->code);
	assert_int_equal(op.sent.first_seq, s->seq);
	assert_int_equal(op.sent.last_seq, s->seq);
	assert_int_equal(op.sent.duplicate, s->duplicate);
	assert_int_equal(op.mentions, s->mentions);
	if (s->code == ERR_NONE)
		assert_int_equal(op.end_off, fixture_find(f, g, "alice").size);
}

static void one_message_is_stored_once_or_refused(void **state)
{
	struct store_fixture *f = *state;
	uint64_t pointers[2] = { 0 };
	uint64_t g;

	fixture_users(f, "alice bob carol");
	g = fixture_group(f, "lunch", "alice", "bob");
	for (size_t i = 0; i < SENDINGS; i++) {
		const struct sending *s = &sendings[i];

		send_one(f, g, s);
		if (s->code == ERR_NONE && !s->duplicate)
			pointers[strcmp(s->user, "bob") == 0] = s->seq;
		assert_int_equal(fixture_find(f, g, "alice").last_read_seq,
				 pointers[0]);
		assert_int_equal(fixture_find(f, g, "bob").last_read_seq,
				 pointers[1]);
	}
	fixture_verify(f);
}

/* The same between messages that make the log long enough for its numbers to
 * become longer, and over midnight; and the clock may go back. */
static void one_a_day_is_where_it_belongs(void **state)
{
	struct store_fixture *f = *state;
	uint64_t g;

	fixture_users(f, "alice");
	g = fixture_group(f, "log", "alice", "");
	for (uint64_t seq = 1; seq <= 120; seq++) {
		char batch[32];
		const struct sending s = { .what = "a message",
					   .user = "alice",
					   .batch_id = batch,
					   .client_id = seq % 2 ? batch : "",
					   .content = "hello",
					   .reply_to = seq % 3 ? 0 : seq - 1,
					   .seq = seq };

		snprintf(batch, sizeof(batch), "b%d", (int)seq);
		send_one(f, g, &s);
		f->now_ms += seq % 50 == 0 ? DAY_MS : 1000;
		if (seq % 7 == 0)
			f->now_ms -= 5000;
	}
	fixture_verify(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON_EACH(one_message_is_stored_once_or_refused),
		FIXTURE_ON_EACH(one_a_day_is_where_it_belongs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
