/* SPDX-License-Identifier: MIT */
/* Watches are gapless whatever happens at the same time: senders, watchers
 * that come and go, members removed and added again, one who hardly reads. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

enum {
	WATCHERS = 8, /* the last hardly reads */
	SENDERS = 3,
	STEPS = 2500,
	PIPELINE = 8,
	BIG = 60000,
	SEQ_MAX = 100000
};

enum watching { IDLE, ASKED, WATCHES, LEAVES };

struct watcher {
	struct conn conn;
	enum watching state;
	uint32_t principal; /* P_ROOT for the one who hardly reads */
	uint64_t next;	    /* seq */
	uint64_t got;
};

struct sender {
	struct conn conn;
	uint32_t principal;
	unsigned unanswered;
};

struct stress {
	struct fixture *f;
	uint64_t random;
	uint64_t group_id;
	struct conn admin;
	struct watcher watcher[WATCHERS];
	struct sender sender[SENDERS];
	bool acked[SEQ_MAX];
	uint64_t count; /* acked */
	uint64_t grown;
	uint64_t removals;
	char text[BIG + 1];
};

static uint32_t roll(struct stress *t, uint32_t n)
{
	t->random = t->random * UINT64_C(6364136223846793005) + 1442695;
	return (uint32_t)(t->random >> 33) % n;
}

static const char *user_of(uint32_t principal)
{
	return principal == P_DAEMON ? "daemon" : "bin";
}

static void take_messages(struct watcher *w)
{
	struct str list = w->conn.body.ev_messages.messages;
	struct wire_message m;

	assert_true(w->state == WATCHES || w->state == LEAVES);
	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		assert_int_equal(m.seq, w->next);
		w->next++;
		w->got++;
	}
}

static void take_event(struct stress *t, struct watcher *w)
{
	const union wire_body *b = &w->conn.body;

	switch (w->conn.header.type) {
	case WIRE_EV_MESSAGES:
		take_messages(w);
		break;
	case WIRE_EV_GROWN:
		assert_true(w->state == WATCHES || w->state == LEAVES);
		assert_true(b->ev_grown.last_seq >= w->next);
		w->next = b->ev_grown.last_seq + 1;
		t->grown++;
		break;
	case WIRE_EV_MEMBER:
		if (b->ev_member.change == MEMBER_REMOVED &&
		    w->principal != P_ROOT &&
		    str_eq(b->ev_member.user, str_of(user_of(w->principal))) &&
		    w->state == WATCHES)
			w->state = IDLE;
		break;
	default:
		fail_msg("unexpected %d", (int)w->conn.header.type);
	}
}

static void take_answer(struct watcher *w)
{
	if (w->conn.header.type == WIRE_WATCHING) {
		assert_int_equal(w->state, ASKED);
		w->state = WATCHES;
		w->next = w->conn.body.watching.last_seq + 1;
		return;
	}
	if (w->conn.header.type == WIRE_ERROR)
		assert_in_range(w->conn.body.error.code, ERR_NOT_MEMBER,
				ERR_NO_SUCH_GROUP);
	else
		assert_int_equal(w->conn.header.type, WIRE_OK);
	w->state = IDLE;
}

static void read_watcher(struct stress *t, struct watcher *w, int ms)
{
	while (readable(&w->conn, ms)) {
		assert_true(next_frame(&w->conn));
		if (w->conn.header.id == 0)
			take_event(t, w);
		else
			take_answer(w);
		ms = 0;
	}
}

static void step_watcher(struct stress *t, struct watcher *w)
{
	struct wire_body_watch body = { .group_id = t->group_id };
	struct wire_body_unwatch unwatch = { .group_id = t->group_id };
	bool slow = w == &t->watcher[WATCHERS - 1];

	if (!slow || roll(t, 400) == 0)
		read_watcher(t, w, 0);
	if (w->state == IDLE && roll(t, 3) == 0) {
		write_frame(&w->conn, WIRE_WATCH, w->principal, &body);
		w->state = ASKED;
	} else if (!slow && w->state == WATCHES && roll(t, 40) == 0) {
		write_frame(&w->conn, WIRE_UNWATCH, w->principal, &unwatch);
		w->state = LEAVES;
	} else if (!slow && roll(t, 80) == 0) {
		hang_up(&w->conn);
		greet(&w->conn, t->f);
		w->state = IDLE;
	}
}

static void read_sender(struct stress *t, struct sender *s, bool all)
{
	while (s->unanswered > 0 &&
	       (all || s->unanswered >= PIPELINE || readable(&s->conn, 0))) {
		assert_true(next_frame(&s->conn));
		if (s->conn.header.id == 0)
			continue;
		s->unanswered--;
		if (s->conn.header.type == WIRE_ERROR) {
			assert_in_range(s->conn.body.error.code, ERR_NOT_MEMBER,
					ERR_NO_SUCH_GROUP);
			continue;
		}
		assert_int_equal(s->conn.header.type, WIRE_SENT);
		assert_true(s->conn.body.sent.first_seq < SEQ_MAX);
		assert_false(t->acked[s->conn.body.sent.first_seq]);
		t->acked[s->conn.body.sent.first_seq] = true;
		t->count++;
	}
}

static void step_sender(struct stress *t, struct sender *s)
{
	struct wire_body_send body = { .group_id = t->group_id };
	struct wire_item item = { 0 };
	struct buf items = { 0 };

	item.content = str_make(t->text, roll(t, 4) == 0 ? BIG : 20);
	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	write_frame(&s->conn, WIRE_SEND, s->principal, &body);
	s->unanswered++;
	buf_release(&items);
	read_sender(t, s, false);
}

/* Removes one of the two, or adds him (again). */
static void step_members(struct stress *t)
{
	const char *user = user_of(roll(t, 2) == 0 ? P_DAEMON : P_BIN);

	if (roll(t, 2) == 0)
		t->removals += edit(&t->admin, P_ROOT, t->group_id, EDIT_REMOVE,
				    user) == ERR_NONE;
	else
		assert_int_equal(
			edit(&t->admin, P_ROOT, t->group_id, EDIT_ADD, user),
			ERR_NONE);
}

static void start(struct stress *t)
{
	memset(t->text, 'x', BIG);
	greet(&t->admin, t->f);
	t->group_id = create_group(&t->admin);
	for (uint32_t i = 0; i < WATCHERS; i++) {
		greet(&t->watcher[i].conn, t->f);
		t->watcher[i].principal = i % 2 == 0 ? P_DAEMON : P_BIN;
	}
	t->watcher[WATCHERS - 1].principal = P_ROOT;
	for (uint32_t i = 0; i < SENDERS; i++) {
		greet(&t->sender[i].conn, t->f);
		t->sender[i].principal = P_ROOT + i;
	}
}

static void finish(struct stress *t)
{
	struct wire_body_find_group find = { .group_id = t->group_id };
	uint64_t got = 0;

	for (int i = 0; i < SENDERS; i++) {
		read_sender(t, &t->sender[i], true);
		hang_up(&t->sender[i].conn);
	}
	assert_int_equal(ask(&t->admin, WIRE_FIND_GROUP, P_ROOT, &find),
			 ERR_NONE);
	assert_int_equal(t->admin.body.group.last_seq, t->count);
	for (int i = 0; i < WATCHERS; i++) {
		struct watcher *w = &t->watcher[i];

		read_watcher(t, w, 100);
		while (w->state == ASKED || w->state == LEAVES ||
		       (w->state == WATCHES && w->next <= t->count)) {
			assert_true(readable(&w->conn, ANSWER_MS));
			read_watcher(t, w, 0);
		}
		got += w->got;
		hang_up(&w->conn);
	}
	hang_up(&t->admin);
	assert_true(got > 0 && t->grown > 0 && t->removals > 0);
}

static void every_watch_is_gapless(void **state)
{
	const char *seed = getenv("STRESS_SEED");
	struct stress *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->f = *state;
	t->random = seed == NULL ? 20261125 : strtoull(seed, NULL, 10);
	start(t);
	for (int i = 0; i < STEPS; i++) {
		step_sender(t, &t->sender[roll(t, SENDERS)]);
		step_watcher(t, &t->watcher[roll(t, WATCHERS)]);
		step_watcher(t, &t->watcher[WATCHERS - 1]);
		if (roll(t, 30) == 0)
			step_members(t);
	}
	finish(t);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "every_watch_is_gapless_on_sqlite", every_watch_is_gapless,
		  set_up, tear_down, NULL },
		{ "every_watch_is_gapless_in_memory", every_watch_is_gapless,
		  set_up_memory, tear_down, NULL },
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
