/* SPDX-License-Identifier: MIT */
/* What one node writes, another one tells. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/faulty_store.h"
#include "tests/support/nodes_fixture.h"

static void hints_only(struct pair *p)
{
	/* The sweep would heal what hints do not bring, but not so soon. */
	assert_int_equal(p->bus.lose, 0);
}

static void a_message_comes_to_the_watchers_of_another_node(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	hints_only(p);
	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "one"), ERR_NONE);
	assert_message(&p->c[B], 1, "one");
	assert_int_equal(say(&p->c[A], P_ROOT, id, "two"), ERR_NONE);
	assert_message(&p->c[B], 2, "two");
	/* Its own, between. */
	assert_int_equal(say(&p->c[B], P_DAEMON, id, "three"), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "four"), ERR_NONE);
	assert_message(&p->c[B], 4, "four");
	assert_false(readable(&p->c[B], QUIET_MS));
}

static void what_no_hint_said_comes_with_the_sweep(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);
	bool out = false;

	p->bus.lose = 100;
	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(watch(&p->c[B], P_ROOT, id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "one"), ERR_NONE);
	assert_int_equal(edit(&p->c[A], P_ROOT, id, EDIT_REMOVE, "daemon"),
			 ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "two"), ERR_NONE);
	/* By one sweep, or several: who was removed is out before what came
	 * behind that. */
	for (uint64_t seq = 1; seq <= 2;) {
		struct conn *c = &p->c[B];
		struct wire_message m;
		struct str list;

		assert_true(next_frame(c));
		if (c->header.type == WIRE_EV_MEMBER) {
			assert_false(out);
			out = true;
			continue;
		}
		assert_int_equal(c->header.type, WIRE_EV_MESSAGES);
		list = c->body.ev_messages.messages;
		while (wire_next(&list, &wire_schema_message, &m) > 0) {
			assert_int_equal(m.seq, seq++);
			assert_true(out || m.seq == 1);
		}
	}
	assert_true(out);
	assert_false(readable(&p->c[B], QUIET_MS));
}

static void a_local_message_brings_those_of_others_before_it(void **state)
{
	struct pair *p = *state;
	struct wire_message m;
	struct conn watcher;
	struct str list;
	uint64_t id = create(p);

	p->bus.lose = 100;
	greet(&watcher, p->f[B]);
	assert_int_equal(watch(&watcher, P_DAEMON, id), ERR_NONE);
	/* Those who came before are told. */
	usleep(4 * NODES_SOON_MS * 1000);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "one"), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "two @daemon"), ERR_NONE);
	assert_int_equal(say(&p->c[B], P_ROOT, id, "three"), ERR_NONE);
	/* Unless a sweep was faster, all in one. */
	for (uint64_t seq = 1; seq <= 3;) {
		assert_true(next_frame(&watcher));
		if (watcher.header.type == WIRE_EV_MENTION)
			continue;
		assert_int_equal(watcher.header.type, WIRE_EV_MESSAGES);
		list = watcher.body.ev_messages.messages;
		while (wire_next(&list, &wire_schema_message, &m) > 0)
			assert_int_equal(m.seq, seq++);
	}
	hang_up(&watcher);
}

static void a_removal_revokes_on_the_other_node(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	hints_only(p);
	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(edit(&p->c[A], P_ROOT, id, EDIT_REMOVE, "daemon"),
			 ERR_NONE);
	assert_member(&p->c[B], "daemon", MEMBER_REMOVED);
	assert_true(str_eq(p->c[B].body.ev_member.by, str_of(p->f[A]->root)));
	assert_int_equal(say(&p->c[A], P_ROOT, id, "secret"), ERR_NONE);
	assert_int_equal(read_at(&p->c[B], P_DAEMON, id, 0, 100),
			 ERR_NOT_MEMBER);
	assert_false(readable(&p->c[B], QUIET_MS));
	/* And again, which nobody watches. */
	assert_int_equal(edit(&p->c[A], P_ROOT, id, EDIT_ADD, "daemon"),
			 ERR_NONE);
	assert_member(&p->c[B], "daemon", MEMBER_ADDED);
	assert_false(readable(&p->c[B], NODES_SWEEP_MS + QUIET_MS));
	assert_int_equal(fake_bus_topics(&p->bus, B), 3);
}

/* By an order that hints do not tell: a local change behind another node's. */
static void changes_of_both_nodes_are_told_in_their_order(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);
	struct conn watcher;

	p->bus.lose = 100;
	greet(&watcher, p->f[B]);
	assert_int_equal(watch(&watcher, P_ROOT, id), ERR_NONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(edit(&p->c[A], P_ROOT, id, EDIT_ADD, "bin"),
				 ERR_NONE);
		assert_int_equal(edit(&p->c[B], P_ROOT, id, EDIT_REMOVE, "bin"),
				 ERR_NONE);
		assert_member(&watcher, "bin", MEMBER_ADDED);
		assert_member(&watcher, "bin", MEMBER_REMOVED);
	}
	assert_false(readable(&watcher, NODES_SWEEP_MS + 2 * QUIET_MS));
	hang_up(&watcher);
}

static void a_deletion_ends_the_watches_of_the_other_node(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);
	struct wire_body_delete_group body = { .group_id = id };

	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(ask(&p->c[A], WIRE_DELETE_GROUP, P_ROOT, &body),
			 ERR_NONE);
	assert_event(&p->c[B], WIRE_EV_DELETED);
	assert_int_equal(p->c[B].body.ev_deleted.group_id, id);
	assert_false(readable(&p->c[B], NODES_SWEEP_MS + QUIET_MS));
	assert_int_equal(fake_bus_topics(&p->bus, B), 3);
}

static void who_is_added_hears_it_once_wherever_he_is(void **state)
{
	struct pair *p = *state;

	create(p);
	assert_false(readable(&p->c[B], NODES_SWEEP_MS + 2 * QUIET_MS));
}

static void a_mention_comes_once_to_who_watches_nothing(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	p->bus.twice = 100;
	assert_int_equal(say(&p->c[A], P_ROOT, id, "hi @daemon"), ERR_NONE);
	assert_event(&p->c[B], WIRE_EV_MENTION);
	assert_int_equal(p->c[B].body.ev_mention.seq, 1);
	assert_true(str_eq(p->c[B].body.ev_mention.user, str_of("daemon")));
	assert_true(str_eq(p->c[B].body.ev_mention.group, str_of("team")));
	assert_true(
		str_eq(p->c[B].body.ev_mention.sender, str_of(p->f[A]->root)));
	assert_false(readable(&p->c[B], QUIET_MS));
	/* And to who watches, with the message. */
	assert_int_equal(watch(&p->c[B], P_ROOT, id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "@daemon"), ERR_NONE);
	assert_message(&p->c[B], 2, "@daemon");
	assert_event(&p->c[B], WIRE_EV_MENTION);
	assert_int_equal(p->c[B].body.ev_mention.seq, 2);
	assert_false(readable(&p->c[B], QUIET_MS));
}

static void a_pointer_that_moved_is_told_on_the_other_node(void **state)
{
	struct pair *p = *state;
	struct wire_body_set_read body = { .seq = 1 };

	body.group_id = create(p);
	assert_int_equal(say(&p->c[A], P_ROOT, body.group_id, "x"), ERR_NONE);
	assert_int_equal(ask(&p->c[A], WIRE_SET_READ, P_DAEMON, &body),
			 ERR_NONE);
	assert_event(&p->c[B], WIRE_EV_READ);
	assert_true(str_eq(p->c[B].body.ev_read.user, str_of("daemon")));
	assert_int_equal(p->c[B].body.ev_read.last_read_seq, 1);
	assert_false(readable(&p->c[B], QUIET_MS));
}

static void keep_two(struct conn *c, uint64_t id)
{
	struct wire_body_set_info body = {
		.group_id = id,
		.set = INFO_SETTINGS,
		.settings = str_of("{\"retention\":{\"messages\":2}}")
	};

	assert_int_equal(ask(c, WIRE_SET_INFO, P_ROOT, &body), ERR_NONE);
}

static void a_floor_that_another_node_moved_is_told(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);

	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		assert_int_equal(say(&p->c[A], P_ROOT, id, "hi"), ERR_NONE);
		assert_message(&p->c[B], seq, "hi");
	}
	keep_two(&p->c[A], id);
	assert_event(&p->c[B], WIRE_EV_FLOOR);
	assert_int_equal(p->c[B].body.ev_floor.group_id, id);
	assert_int_equal(p->c[B].body.ev_floor.first_seq, 3);
	assert_true(p->c[B].body.ev_floor.first_off > 0);
	assert_true(p->c[B].body.ev_floor.first_jsonl_off >
		    p->c[B].body.ev_floor.first_off);
	/* Once: also the next sweep has nothing to say. */
	assert_false(readable(&p->c[B], NODES_SWEEP_MS + QUIET_MS));
}

/* As after a failover to a database that was behind. */
static void a_log_that_became_shorter_is_begun_anew(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);
	struct conn again;

	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "one"), ERR_NONE);
	assert_message(&p->c[B], 1, "one");
	assert_int_equal(say(&p->c[A], P_ROOT, id, "two"), ERR_NONE);
	assert_message(&p->c[B], 2, "two");
	postgres_run(p->url, "UPDATE groups g SET last_seq=1,last_off=m.off,"
			     "last_jsonl_off=m.jsonl_off FROM messages m "
			     "WHERE m.seq=2");
	postgres_run(p->url, "DELETE FROM messages WHERE seq=2");
	assert_false(next_frame(&p->c[B]));
	greet(&again, p->f[B]);
	assert_int_equal(watch(&again, P_DAEMON, id), ERR_NONE);
	assert_int_equal(again.body.watching.last_seq, 1);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "other"), ERR_NONE);
	assert_message(&again, 2, "other");
	hang_up(&again);
}

static void a_token_that_was_revoked_elsewhere_ends(void **state)
{
	struct pair *p = *state;
	struct wire_body_create_token create = { .user = str_of("daemon") };
	struct wire_body_open_principal open = { .kind = PRINCIPAL_TOKEN };
	struct wire_body_revoke_token revoke = { 0 };
	char token[WIRE_TOKEN_MAX + 1];

	for (int lose = 0; lose <= 100; lose += 100) {
		p->bus.lose = (unsigned)lose;
		assert_int_equal(
			ask(&p->c[A], WIRE_CREATE_TOKEN, P_ROOT, &create),
			ERR_NONE);
		assert_true(str_to_cstr(p->c[A].body.token.token, token,
					sizeof(token)));
		revoke.token_id = p->c[A].body.token.token_id;
		open.token = str_of(token);
		assert_int_equal(ask(&p->c[B], WIRE_OPEN_PRINCIPAL, 9, &open),
				 ERR_NONE);
		assert_false(readable(&p->c[B], QUIET_MS));
		assert_int_equal(
			ask(&p->c[A], WIRE_REVOKE_TOKEN, P_ROOT, &revoke),
			ERR_NONE);
		assert_event(&p->c[B], WIRE_EV_PRINCIPAL);
		assert_int_equal(p->c[B].header.principal, 9);
	}
}

static void greet_mount(struct conn *c, struct fixture *f)
{
	const struct wire_body_hello hello = { .version = WIRE_VERSION,
					       .agent = str_of("groupfs/1") };

	dial(c, f);
	assert_int_equal(ask(c, WIRE_HELLO, 0, &hello), ERR_NONE);
	open_uid(c, P_DAEMON, UID_DAEMON);
}

/* Whoever holds a transaction of this store holds all of it. */
static void mounts_are_cut_off_while_the_store_is_silent(void **state)
{
	struct pair *p = *state;
	uint64_t id = create(p);
	const struct store_options options = { .env = env_system() };
	struct store *s;
	struct conn mount;

	greet_mount(&mount, p->f[B]);
	assert_int_equal(watch(&mount, P_DAEMON, id), ERR_NONE);
	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(store_open(&s, p->f[B]->config.store, &options, NULL),
			 0);
	assert_int_equal(store_begin(s, NULL), 0);
	assert_false(next_frame(&mount));
	hang_up(&mount);
	store_rollback(s);
	store_close(s);
	/* The others are told to look, and soon all is as before. */
	assert_int_equal(say(&p->c[A], P_ROOT, id, "one"), ERR_NONE);
	assert_true(next_frame(&p->c[B]));
	assert_true(p->c[B].header.type == WIRE_EV_GROWN ||
		    p->c[B].header.type == WIRE_EV_MESSAGES);
	for (enum err_code code = ERR_UNAVAILABLE; code != ERR_NONE;) {
		usleep(50000);
		greet_mount(&mount, p->f[B]);
		code = watch(&mount, P_DAEMON, id);
		hang_up(&mount);
	}
	assert_int_equal(say(&p->c[A], P_ROOT, id, "two"), ERR_NONE);
	assert_message(&p->c[B], 2, "two");
}

static void is_doubtful(struct nodes *n, void *data)
{
	*(bool *)data = n->doubtful;
}

/* Of what sweeps ask. */
static void fail_sweeps(struct nodes *n, bool fail)
{
	for (size_t i = 0; i < n->pool.count; i++) {
		struct store *s = n->pool.reader[i].store;
		unsigned nth = fail ? 1 : UINT32_MAX;

		faulty_store_plan(s, FAULTY_LIST_VERSIONS, FAULTY_IO, nth,
				  UINT32_MAX / 2);
		faulty_store_plan(s, FAULTY_LIST_USER_VERSIONS, FAULTY_IO, nth,
				  UINT32_MAX / 2);
	}
}

/* Between two jobs: none runs when the last one has been done with. */
static void make_faulty(struct nodes *n, void *data)
{
	bool *made = data;

	*made = readers_load(&n->pool) == 0;
	for (size_t i = 0; *made && i < n->pool.count; i++)
		n->pool.reader[i].store =
			faulty_store_new(n->pool.reader[i].store);
	if (*made)
		fail_sweeps(n, true);
}

static void let_sweep(struct nodes *n, void *data)
{
	(void)data;
	fail_sweeps(n, false);
}

/* Also when nobody is left whom it could be asked for. */
static void a_store_that_is_away_is_not_back_by_itself(void **state)
{
	struct pair *p = *state;
	bool made = false;
	bool doubtful = false;

	while (!made)
		fake_bus_call(&p->bus, B, make_faulty, &made);
	while (!doubtful) {
		usleep(10000);
		fake_bus_call(&p->bus, B, is_doubtful, &doubtful);
	}
	hang_up(&p->c[B]);
	for (int i = 0; i < 12; i++) {
		usleep(NODES_SWEEP_MS * 100);
		fake_bus_call(&p->bus, B, is_doubtful, &doubtful);
		assert_true(doubtful);
	}
	fake_bus_call(&p->bus, B, let_sweep, NULL);
	while (doubtful) {
		usleep(10000);
		fake_bus_call(&p->bus, B, is_doubtful, &doubtful);
	}
	greet(&p->c[B], p->f[B]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(a_message_comes_to_the_watchers_of_another_node),
		ON_PAIR(what_no_hint_said_comes_with_the_sweep),
		ON_PAIR(a_local_message_brings_those_of_others_before_it),
		ON_PAIR(a_removal_revokes_on_the_other_node),
		ON_PAIR(changes_of_both_nodes_are_told_in_their_order),
		ON_PAIR(a_deletion_ends_the_watches_of_the_other_node),
		ON_PAIR(who_is_added_hears_it_once_wherever_he_is),
		ON_PAIR(a_mention_comes_once_to_who_watches_nothing),
		ON_PAIR(a_pointer_that_moved_is_told_on_the_other_node),
		ON_PAIR(a_floor_that_another_node_moved_is_told),
		ON_PAIR(a_token_that_was_revoked_elsewhere_ends),
		cmocka_unit_test_setup_teardown(
			mounts_are_cut_off_while_the_store_is_silent,
			set_up_doubting, tear_down_pair),
		cmocka_unit_test_setup_teardown(
			a_store_that_is_away_is_not_back_by_itself,
			set_up_doubting, tear_down_pair),
		ON_POSTGRES(a_message_comes_to_the_watchers_of_another_node),
		ON_POSTGRES(a_removal_revokes_on_the_other_node),
		ON_POSTGRES(a_mention_comes_once_to_who_watches_nothing),
		ON_POSTGRES(a_floor_that_another_node_moved_is_told),
		ON_POSTGRES(a_log_that_became_shorter_is_begun_anew),
		ON_POSTGRES(a_token_that_was_revoked_elsewhere_ends),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	if (is_small())
		cmocka_set_skip_filter("postgres: *");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
