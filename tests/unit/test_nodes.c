/* SPDX-License-Identifier: MIT */
/* Two groupds on one store, and between them a bus that lies. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/nodes_private.h"
#include "tests/support/fake_bus.h"
#include "tests/support/groupd_fixture.h"
#include "tests/support/postgres_fixture.h"

enum { A, B, HEALED_MS = 4000 };

struct pair {
	struct fake_bus bus;
	struct fixture *f[FAKE_BUS_NODES];
	struct conn c[FAKE_BUS_NODES]; /* one client of each, with all users */
	char url[POSTGRES_URL];	       /* or "" */
};

static struct pair *making;
static size_t nth;
static uint64_t doubt_ms;
static bool on_postgres;

static void prepare(struct fixture *f)
{
	static unsigned stores;
	struct buf url = { 0 };

	stores += nth == A;
	if (on_postgres)
		buf_printf(&url, "%s", making->url);
	else
		buf_printf(&url, "memory:shared/nodes-%u", stores);
	assert_true(str_to_cstr(buf_str(&url), f->config.store,
				sizeof(f->config.store)));
	buf_release(&url);
	/* One of them drops old messages. */
	if (nth == A)
		f->config.retention_interval = 100;
	fake_bus_join(&making->bus, nth, f);
}

static int set_up_pair(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	fake_bus_init(&p->bus);
	making = p;
	if (on_postgres)
		postgres_create(p->url);
	for (nth = A; nth <= B; nth++) {
		void *f;

		assert_int_equal(set_up_changed(&f, true, prepare), 0);
		p->f[nth] = f;
		if (doubt_ms != 0)
			p->f[nth]->groupd.nodes.doubt_ms = doubt_ms;
		greet(&p->c[nth], p->f[nth]);
	}
	*state = p;
	return 0;
}

static int set_up_postgres(void **state)
{
	int rc;

	on_postgres = true;
	rc = set_up_pair(state);
	on_postgres = false;
	return rc;
}

static int set_up_doubting(void **state)
{
	int rc;

	doubt_ms = 300;
	rc = set_up_pair(state);
	doubt_ms = 0;
	return rc;
}

static int tear_down_pair(void **state)
{
	struct pair *p = *state;

	for (size_t i = A; i <= B; i++) {
		void *f = p->f[i];

		hang_up(&p->c[i]);
		tear_down(&f);
	}
	if (p->url[0] != '\0')
		postgres_drop(p->url);
	fake_bus_release(&p->bus);
	free(p);
	return 0;
}

static void assert_event(struct conn *c, enum wire_type type)
{
	assert_true(next_frame(c));
	assert_int_equal(c->header.id, 0);
	assert_int_equal(c->header.type, type);
}

/* One EV_MESSAGES, of one message. */
static void assert_message(struct conn *c, uint64_t seq, const char *text)
{
	struct wire_message m;
	struct str list;

	assert_event(c, WIRE_EV_MESSAGES);
	list = c->body.ev_messages.messages;
	assert_int_equal(wire_next(&list, &wire_schema_message, &m), 1);
	assert_int_equal(m.seq, seq);
	assert_true(str_eq(m.content, str_of(text)));
	assert_int_equal(wire_next(&list, &wire_schema_message, &m), 0);
}

static void assert_member(struct conn *c, const char *user,
			  enum member_change change)
{
	assert_event(c, WIRE_EV_MEMBER);
	assert_true(str_eq(c->body.ev_member.user, str_of(user)));
	assert_int_equal(c->body.ev_member.change, change);
	assert_true(str_eq(c->body.ev_member.group, str_of("team")));
}

/* A group made on A, once its members have heard of it on B. */
static uint64_t create(struct pair *p)
{
	uint64_t id = create_group(&p->c[A]);

	for (int i = 0; i < 2; i++) {
		assert_event(&p->c[B], WIRE_EV_MEMBER);
		assert_int_equal(p->c[B].body.ev_member.change, MEMBER_ADDED);
		assert_int_equal(p->c[B].body.ev_member.group_id, id);
	}
	return id;
}

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

	p->bus.lose = 100;
	assert_int_equal(watch(&p->c[B], P_DAEMON, id), ERR_NONE);
	assert_int_equal(watch(&p->c[B], P_ROOT, id), ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "one"), ERR_NONE);
	assert_int_equal(edit(&p->c[A], P_ROOT, id, EDIT_REMOVE, "daemon"),
			 ERR_NONE);
	assert_int_equal(say(&p->c[A], P_ROOT, id, "two"), ERR_NONE);
	/* Who was removed is out before what came behind that. */
	assert_member(&p->c[B], "daemon", MEMBER_REMOVED);
	assert_event(&p->c[B], WIRE_EV_MESSAGES);
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

static void count_sweeps(struct nodes *n, void *data)
{
	*(uint64_t *)data = n->figures.sweeps;
}

static void old_mentions_are_not_told_without_end(void **state)
{
	enum { OLD = 10, FORGED = 400 };
	struct pair *p = *state;
	uint64_t id = create(p);
	uint64_t before;
	uint64_t after;
	uint64_t told = 0;

	for (int i = 0; i < OLD; i++) {
		assert_int_equal(say(&p->c[A], P_ROOT, id, "@daemon"),
				 ERR_NONE);
		assert_event(&p->c[B], WIRE_EV_MENTION);
	}
	fake_bus_call(&p->bus, B, count_sweeps, &before);
	for (uint64_t i = 0; i < FORGED; i++) {
		fake_bus_mention(&p->bus, B, "daemon", id, 1 + i % OLD);
		if (readable(&p->c[B], 1)) {
			assert_event(&p->c[B], WIRE_EV_MENTION);
			told++;
		}
	}
	fake_bus_call(&p->bus, B, count_sweeps, &after);
	/* The first and the last of them may not be whole. */
	assert_true(told <= NODES_HINTS_MAX * (after - before + 2));
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

/* The random run. */

enum { STEPS = 1000, STEPS_SMALL = 300, SEEN_MAX = 4096 };

struct seen {
	struct conn conn;
	uint64_t told; /* up to where messages came, or were said to be */
	uint64_t version;
	char members[SEEN_MAX]; /* the changes, a letter each */
	size_t nmembers;
	uint64_t mention; /* the last one */
	size_t mentions;
	size_t grown;
};

static char letter_of(enum member_change change)
{
	return change == MEMBER_ADDED	  ? '+'
	       : change == MEMBER_REMOVED ? '-'
					  : '=';
}

static void see_messages(struct seen *s)
{
	struct str list = s->conn.body.ev_messages.messages;
	struct wire_message m;

	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		if (m.seq != s->told + 1)
			fail_msg("%llu came behind %llu",
				 (unsigned long long)m.seq,
				 (unsigned long long)s->told);
		s->told = m.seq;
	}
}

static void see(struct seen *s, uint64_t id)
{
	const union wire_body *b = &s->conn.body;

	assert_true(next_frame(&s->conn));
	assert_int_equal(s->conn.header.id, 0);
	switch (s->conn.header.type) {
	case WIRE_EV_MESSAGES:
		see_messages(s);
		break;
	case WIRE_EV_GROWN:
		assert_true(b->ev_grown.last_seq > s->told);
		s->told = b->ev_grown.last_seq;
		s->grown++;
		break;
	case WIRE_EV_MENTION:
		assert_true(b->ev_mention.seq > s->mention);
		s->mention = b->ev_mention.seq;
		s->mentions++;
		break;
	case WIRE_EV_MEMBER:
		if (b->ev_member.group_id != id)
			break;
		assert_true(s->nmembers < SEEN_MAX);
		s->members[s->nmembers++] =
			letter_of((enum member_change)b->ev_member.change);
		break;
	default:
		fail_msg("event %d", (int)s->conn.header.type);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return *x >> 33;
}

static void start_seeing(struct seen *s, struct fixture *f, uint64_t id)
{
	memset(s, 0, sizeof(*s));
	greet(&s->conn, f);
	assert_int_equal(watch(&s->conn, P_ROOT, id), ERR_NONE);
	s->told = s->conn.body.watching.last_seq;
}

static void drain(struct seen *s, uint64_t id)
{
	while (readable(&s->conn, 0))
		see(s, id);
}

struct run {
	struct pair *p;
	uint64_t id;
	uint64_t random;
	uint64_t sent;
	size_t mentions;
	char members[SEEN_MAX];
	size_t nmembers;
	bool bin;
};

static void edit_bin(struct run *r, struct conn *c)
{
	enum edit_op op = r->bin ? EDIT_REMOVE : EDIT_ADD;

	assert_int_equal(edit(c, P_ROOT, r->id, op, "bin"), ERR_NONE);
	r->members[r->nmembers++] = r->bin ? '-' : '+';
	r->bin = !r->bin;
}

static void step(struct run *r)
{
	struct conn *c = &r->p->c[next_random(&r->random) % FAKE_BUS_NODES];
	unsigned what = (unsigned)(next_random(&r->random) % 100);

	if (what < 60) {
		assert_int_equal(say(c, P_ROOT, r->id, "x"), ERR_NONE);
		r->sent++;
	} else if (what < 70) {
		assert_int_equal(say(c, P_ROOT, r->id, "@daemon"), ERR_NONE);
		r->sent++;
		r->mentions++;
	} else if (what < 85) {
		edit_bin(r, c);
	} else if (what < 90) {
		fake_bus_group(&r->p->bus, what % 2, r->id, r->sent + what % 7,
			       what);
	} else if (what < 95) {
		fake_bus_user(&r->p->bus, what % 2, "bin", what);
	} else if (r->bin) {
		struct conn late;

		/* In and out again, while things happen. */
		greet(&late, r->p->f[what % 2]);
		write_frame(&late, WIRE_WATCH, P_BIN,
			    &(struct wire_body_watch){ .group_id = r->id });
		hang_up(&late);
	}
}

static void check_seen(const struct run *r, struct seen *s)
{
	/* At the latest with the next sweep. */
	for (int i = 0; i < HEALED_MS / 10 &&
			(s->told < r->sent || s->nmembers < r->nmembers ||
			 s->mentions < r->mentions);
	     i++) {
		if (readable(&s->conn, 10))
			drain(s, r->id);
	}
	assert_false(readable(&s->conn, QUIET_MS));
	assert_int_equal(s->told, r->sent);
	assert_int_equal(s->nmembers, r->nmembers);
	assert_memory_equal(s->members, r->members, r->nmembers);
	assert_int_equal(s->mentions, r->mentions);
	assert_int_equal(s->grown, 0);
}

static bool is_small(void)
{
	const char *load = getenv("GROUPFS_TEST_LOAD");

	return load != NULL && strcmp(load, "small") == 0;
}

static void a_thousand_steps_are_seen_alike_by_all(void **state)
{
	struct pair *p = *state;
	struct run *r = calloc(1, sizeof(*r));
	struct seen *seen = calloc(FAKE_BUS_NODES, sizeof(*seen));

	assert_non_null(r);
	assert_non_null(seen);
	r->p = p;
	r->random = 6;
	r->id = create(p);
	p->bus.lose = 20;
	p->bus.twice = 20;
	p->bus.hold = 20;
	p->bus.forge = 20;
	for (size_t i = A; i <= B; i++)
		start_seeing(&seen[i], p->f[i], r->id);
	for (int i = 0;
	     i < (is_small() || p->url[0] != '\0' ? STEPS_SMALL : STEPS); i++) {
		step(r);
		for (size_t k = A; k <= B; k++)
			drain(&seen[k], r->id);
	}
	for (size_t k = A; k <= B; k++) {
		check_seen(r, &seen[k]);
		hang_up(&seen[k].conn);
	}
	free(seen);
	free(r);
}

#define ON_PAIR(test)                                                          \
	cmocka_unit_test_setup_teardown(test, set_up_pair, tear_down_pair)

#define ON_POSTGRES(test)                                                      \
	{                                                                      \
		"postgres: " #test, test, set_up_postgres, tear_down_pair,     \
			NULL                                                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(a_message_comes_to_the_watchers_of_another_node),
		ON_PAIR(what_no_hint_said_comes_with_the_sweep),
		ON_PAIR(a_local_message_brings_those_of_others_before_it),
		ON_PAIR(what_hints_lie_about_is_not_told),
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
		ON_PAIR(a_mention_that_was_told_here_is_told_elsewhere),
		ON_PAIR(what_was_not_read_is_not_taken_for_told),
		ON_PAIR(what_was_trimmed_is_not_looked_for_without_end),
		ON_PAIR(old_mentions_are_not_told_without_end),
		ON_PAIR(hints_at_tokens_are_heard_now_and_then),
		ON_PAIR(what_a_look_told_is_skipped_once),
		ON_PAIR(a_thousand_steps_are_seen_alike_by_all),
		ON_POSTGRES(a_message_comes_to_the_watchers_of_another_node),
		ON_POSTGRES(a_removal_revokes_on_the_other_node),
		ON_POSTGRES(a_mention_comes_once_to_who_watches_nothing),
		ON_POSTGRES(a_floor_that_another_node_moved_is_told),
		ON_POSTGRES(a_log_that_became_shorter_is_begun_anew),
		ON_POSTGRES(a_token_that_was_revoked_elsewhere_ends),
		ON_POSTGRES(a_thousand_steps_are_seen_alike_by_all),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	if (is_small())
		cmocka_set_skip_filter("postgres: *");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
