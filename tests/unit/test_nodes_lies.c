/* SPDX-License-Identifier: MIT */
/* What comes in another order than it happened, is told by two ways, or is not
 * so: hints that lie. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/nodes_private.h"
#include "tests/support/nodes_fixture.h"

static void what_hints_lie_about_is_not_told(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	for (int i = 0; i < 50; i++) {
		fake_bus_group(&p->bus, B, id, UINT64_MAX, 0);
		fake_bus_group(&p->bus, B, id, 1000, UINT64_MAX);
		fake_bus_group(&p->bus, B, id, 0, 1);
		fake_bus_group(&p->bus, B, id, 0, 0);
		fake_bus_group(&p->bus, B, id + 1000, 5, 5);
		fake_bus_user(&p->bus, B, "daemon", UINT64_MAX);
		fake_bus_user(&p->bus, B, "nobody", 1);
		fake_bus_mention(&p->bus, B, "daemon", id, 1);
		fake_bus_mention(&p->bus, B, "daemon", id + 7, 1);
		fake_bus_mention(&p->bus, B, "bin", id, UINT64_MAX);
		fake_bus_read(&p->bus, B, "daemon", id, 77);
		fake_bus_tokens(&p->bus, B);
	}
	assert_false(readable(&p->c[B], QUIET_MS));
	/* What is true still comes, once, at the latest with a sweep. */
	assert_int_equal(say(&p->c[A], P_ROOT, id, "true"), ERR_NONE);
	assert_message(&p->c[B], 1, "true");
	assert_false(readable(&p->c[B], QUIET_MS));
}

/* What only happens by an order of threads is made to, on the loop. */

struct made {
	uint64_t id;
	uint64_t seq; /* in, or out */
	uint64_t count;
	uint64_t looks;
	bool busy;
	bool told[4];
};

/* As if a look had been faster than the event of the message that it read. */
static void tell_own_again(struct nodes *n, void *data)
{
	const struct made *made = data;
	const struct wire_message m = { .seq = made->seq,
					.sender = str_of("root"),
					.mentions = str_of("daemon") };
	struct event e = { .kind = EVENT_MESSAGES,
			   .group_id = made->id,
			   .first_seq = made->seq,
			   .last_seq = made->seq };

	wire_put(&e.mentioned, &wire_schema_message, &m);
	nodes_before(n, &e);
	nodes_after(n, &e);
	buf_release(&e.mentioned);
}

static void a_mention_that_was_told_here_is_told_elsewhere(void **state)
{
	struct pair *p = *state;
	struct made made = { .id = create(p), .seq = 1 };

	assert_int_equal(watch(&p->c[A], P_ROOT, made.id), ERR_NONE);
	p->bus.lose = 100;
	assert_int_equal(say(&p->c[A], P_ROOT, made.id, "@daemon"), ERR_NONE);
	assert_false(readable(&p->c[B], QUIET_MS));
	p->bus.lose = 0;
	fake_bus_call(&p->bus, A, tell_own_again, &made);
	assert_event(&p->c[B], WIRE_EV_MENTION);
	assert_int_equal(p->c[B].body.ev_mention.seq, 1);
}

/* One that has frames of its own message only, or none. */
static void leave_a_gap(struct nodes *n, void *data)
{
	struct made *made = data;
	struct nodes_group *ng = nodes_find_group(n, made->id);
	struct event e = { .kind = EVENT_MESSAGES,
			   .group_id = made->id,
			   .first_seq = ng->seq + 2,
			   .last_seq = ng->seq + 2,
			   .from_seq = ng->seq + 2,
			   .nframes = made->count };

	nodes_before(n, &e);
	made->seq = ng->seq;
	made->busy = ng->busy || ng->look;
}

static void what_was_not_read_is_not_taken_for_told(void **state)
{
	struct pair *p = *state;
	struct made made = { .id = create(p) };

	assert_int_equal(watch(&p->c[B], P_DAEMON, made.id), ERR_NONE);
	for (made.count = 0; made.count < 2; made.count++) {
		fake_bus_call(&p->bus, B, leave_a_gap, &made);
		assert_int_equal(made.seq, 0);
		assert_true(made.busy);
	}
}

static void go_back(struct nodes *n, void *data)
{
	struct made *made = data;
	struct nodes_group *ng = nodes_find_group(n, made->id);

	made->count = n->serial;
	ng->seq = 0;
	ng->look = true;
	nodes_group_kick(ng);
}

static void where_it_is(struct nodes *n, void *data)
{
	struct made *made = data;

	made->seq = nodes_find_group(n, made->id)->seq;
	made->looks = n->serial - made->count;
}

static void what_was_trimmed_is_not_looked_for_without_end(void **state)
{
	struct pair *p = *state;
	struct made made = { .id = create(p) };
	const struct store_options options = { .env = env_system() };
	struct store_trim trim = { .group_id = made.id,
				   .keep = { .bytes = 1 },
				   .limit = 100 };
	struct store *s;

	assert_int_equal(watch(&p->c[B], P_DAEMON, made.id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, made.id, "one"), ERR_NONE);
	assert_message(&p->c[B], 1, "one");
	assert_int_equal(store_open(&s, p->f[B]->config.store, &options, NULL),
			 0);
	assert_int_equal(store_begin(s, NULL), 0);
	assert_int_equal(store_trim(s, &trim, NULL), 0);
	assert_int_equal(store_commit(s, NULL), 0);
	store_close(s);
	assert_int_equal(trim.first_seq, 2);
	fake_bus_call(&p->bus, B, go_back, &made);
	for (int i = 0; i < HEALED_MS / 10 && made.seq == 0; i++) {
		usleep(10000);
		fake_bus_call(&p->bus, B, where_it_is, &made);
	}
	assert_int_equal(made.seq, 1);
	assert_in_range(made.looks, 1, 10);
}

static void take_figures(struct nodes *n, void *data)
{
	*(struct nodes_figures *)data = n->figures;
}

static void forge_all(struct pair *p, uint64_t id, uint64_t old)
{
	enum { FORGED = 400 };

	for (uint64_t i = 0; i < FORGED; i++) {
		fake_bus_mention(&p->bus, B, "daemon", id, 1 + i % old);
		fake_bus_read(&p->bus, B, "daemon", id, 1 + i % old);
	}
}

/* More than are remembered, one by one. */
static void what_is_true_but_old_is_not_told_again(void **state)
{
	enum { OLD = 3 * NODES_LAST };
	struct pair *p = *state;
	struct wire_body_set_read read = { .group_id = create(p) };
	struct nodes_figures before;
	struct nodes_figures after;

	for (uint64_t seq = 1; seq <= OLD; seq++) {
		assert_int_equal(
			say(&p->c[A], P_ROOT, read.group_id, "@daemon"),
			ERR_NONE);
		assert_event(&p->c[B], WIRE_EV_MENTION);
		assert_int_equal(p->c[B].body.ev_mention.seq, seq);
	}
	read.seq = OLD;
	assert_int_equal(ask(&p->c[A], WIRE_SET_READ, P_DAEMON, &read),
			 ERR_NONE);
	assert_event(&p->c[B], WIRE_EV_READ);
	fake_bus_call(&p->bus, B, take_figures, &before);
	forge_all(p, read.group_id, OLD);
	fake_bus_call(&p->bus, B, take_figures, &after);
	assert_false(readable(&p->c[B], QUIET_MS));
	/* Nor looked for without end; the first and the last second may not be
	 * whole. */
	assert_in_range(after.news - before.news, 1,
			NODES_HINTS_MAX * (after.sweeps - before.sweeps + 2));
	/* What is new still comes, once those are not too many. */
	for (uint64_t sweeps = after.sweeps + 1; after.sweeps <= sweeps;) {
		usleep(10000);
		fake_bus_call(&p->bus, B, take_figures, &after);
	}
	assert_int_equal(say(&p->c[A], P_ROOT, read.group_id, "@daemon"),
			 ERR_NONE);
	assert_event(&p->c[B], WIRE_EV_MENTION);
	assert_int_equal(p->c[B].body.ev_mention.seq, OLD + 1);
}

/* By what is not a hint: his own node's message and pointer, and the message
 * of a group that is watched. */
static void what_was_told_otherwise_is_not_told_by_hints(void **state)
{
	struct pair *p = *state;
	struct wire_body_set_read read = { .group_id = create(p), .seq = 2 };
	struct conn watcher;

	assert_int_equal(say(&p->c[B], P_ROOT, read.group_id, "@daemon"),
			 ERR_NONE);
	greet(&watcher, p->f[B]);
	assert_int_equal(watch(&watcher, P_ROOT, read.group_id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, read.group_id, "@daemon"),
			 ERR_NONE);
	assert_message(&watcher, 2, "@daemon");
	assert_event(&watcher, WIRE_EV_MENTION);
	assert_event(&p->c[B], WIRE_EV_MENTION);
	hang_up(&watcher);
	assert_int_equal(ask(&p->c[B], WIRE_SET_READ, P_DAEMON, &read),
			 ERR_NONE);
	forge_all(p, read.group_id, 2);
	assert_false(readable(&p->c[B], QUIET_MS));
}

/* As if he had come behind them. */
static void come_now(struct nodes *n, void *data)
{
	struct nodes_user *u = nodes_find_user(n, str_of("daemon"));

	(void)data;
	memset(u->last, 0, sizeof(u->last));
	u->floor.time_ms = env_now_ms(n->env);
}

static void who_comes_later_is_not_told_what_was_before(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(say(&p->c[A], P_ROOT, id, "@daemon"),
				 ERR_NONE);
		assert_event(&p->c[B], WIRE_EV_MENTION);
	}
	fake_bus_call(&p->bus, B, come_now, NULL);
	for (uint64_t i = 0; i < 20; i++)
		fake_bus_mention(&p->bus, B, "daemon", id, 1 + i % 2);
	assert_false(readable(&p->c[B], QUIET_MS));
}

/* More than are remembered, of another group, and by a clock that is ahead of
 * that of the node whose mention comes last. */
static void hear_from_the_future(struct nodes *n, void *data)
{
	struct nodes_user *u = nodes_find_user(n, str_of("daemon"));
	struct nodes_hint hint = { .kind = NODES_MENTION,
				   .group_id = UINT32_MAX,
				   .time_ms = env_now_ms(n->env) + 1000 };

	(void)data;
	memset(u->last, 0, sizeof(u->last));
	for (hint.seq = 1; hint.seq <= NODES_LAST + 1; hint.seq++)
		nodes_user_note(u, &hint);
}

static void clocks_that_differ_lose_no_mention(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	assert_int_equal(say(&p->c[A], P_ROOT, id, "@daemon"), ERR_NONE);
	assert_event(&p->c[B], WIRE_EV_MENTION);
	fake_bus_call(&p->bus, B, hear_from_the_future, NULL);
	fake_bus_mention(&p->bus, B, "daemon", id, 1);
	assert_event(&p->c[B], WIRE_EV_MENTION);
}

static void ask_for_tokens(struct nodes *n, void *data)
{
	struct made *made = data;
	uint64_t dropped = n->figures.dropped;

	for (int i = 0; i < 10; i++)
		nodes_on_tokens(n);
	made->count = n->figures.dropped - dropped;
}

static void hints_at_tokens_are_heard_now_and_then(void **state)
{
	struct pair *p = *state;
	struct made made = { 0 };

	fake_bus_call(&p->bus, B, ask_for_tokens, &made);
	assert_in_range(made.count, 10 - NODES_TOKENS_MAX, 10);
}

static bool tell_change(struct nodes *n, uint64_t id, enum member_change what,
			bool look)
{
	struct store_change change = { .change = what, .user = "daemon" };
	struct event e = { .kind = EVENT_MEMBERS,
			   .group_id = id,
			   .changes = &change,
			   .count = 1 };

	if (!look)
		return nodes_before(n, &e);
	nodes_note_look(nodes_find_user(n, str_of("daemon")), &e);
	return true;
}

static void tell_changes(struct nodes *n, void *data)
{
	struct made *made = data;

	tell_change(n, made->id, MEMBER_REMOVED, true);
	made->told[0] = tell_change(n, made->id, MEMBER_REMOVED, false);
	made->told[1] = tell_change(n, made->id, MEMBER_REMOVED, false);
	tell_change(n, made->id, MEMBER_REMOVED, true);
	made->told[2] = tell_change(n, made->id, MEMBER_ADDED, false);
	made->told[3] = tell_change(n, made->id, MEMBER_REMOVED, false);
}

static void what_a_look_told_is_skipped_once(void **state)
{
	struct pair *p = *state;
	struct made made = { .id = create(p) };

	fake_bus_call(&p->bus, B, tell_changes, &made);
	assert_false(made.told[0]);
	assert_true(made.told[1]);
	assert_true(made.told[2]);
	assert_true(made.told[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(what_hints_lie_about_is_not_told),
		ON_PAIR(a_mention_that_was_told_here_is_told_elsewhere),
		ON_PAIR(what_was_not_read_is_not_taken_for_told),
		ON_PAIR(what_was_trimmed_is_not_looked_for_without_end),
		ON_PAIR(what_is_true_but_old_is_not_told_again),
		ON_PAIR(what_was_told_otherwise_is_not_told_by_hints),
		ON_PAIR(who_comes_later_is_not_told_what_was_before),
		ON_PAIR(clocks_that_differ_lose_no_mention),
		ON_PAIR(hints_at_tokens_are_heard_now_and_then),
		ON_PAIR(what_a_look_told_is_skipped_once),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
