/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <uv.h>

#include "fs/known.h"
#include "tests/support/fake_peer.h"

enum { GROUP = 7, ALICE = 1000, BOB = 1001 };

/* A mount's parts, and a groupd whose group has messages of 10 bytes in
 * messages and 20 in messages.jsonl. */
struct fixture {
	uv_loop_t loop;
	struct fake_peer peer;
	struct client client;
	struct feed feed;
	struct users users;
	struct known known;
	struct user *alice;
	struct user *bob;
	uint64_t last_seq;
	unsigned watches;
	bool closed;
};

static void on_request(struct fake_peer *peer, const struct wire_header *h,
		       const union wire_body *body)
{
	struct fixture *f = peer->data;
	const struct wire_body_watching watching = { .epoch = 1,
						     .first_seq = 1,
						     .last_seq = f->last_seq };
	const struct wire_body_ok ok = { 0 };

	if (h->type == WIRE_WATCH) {
		/* A mount that only remembers makes nobody online. */
		assert_int_equal(body->watch.kind, WATCH_QUIET);
		f->watches++;
		fake_peer_send(peer, WIRE_WATCHING, h->id, h->principal,
			       &watching);
	} else {
		fake_peer_send(peer, WIRE_OK, h->id, h->principal, &ok);
	}
}

static void on_event(struct client *c, const struct wire_header *h,
		     const void *body)
{
	struct fixture *f = c->data;

	feed_on_event(&f->feed, h, body);
	known_on_event(&f->known, h, body);
}

static void on_state(struct client *c, bool online, const char *why)
{
	struct fixture *f = c->data;

	(void)why;
	feed_on_state(&f->feed, online);
	known_on_state(&f->known);
}

static void spin(struct fixture *f)
{
	for (int i = 0; i < 30; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void until_ready(struct fixture *f)
{
	for (int i = 0; i < 10000; i++) {
		uv_run(&f->loop, UV_RUN_ONCE);
		if (f->client.online &&
		    f->alice->principal.state == CLIENT_PRINCIPAL_READY &&
		    f->bob->principal.state == CLIENT_PRINCIPAL_READY)
			break;
	}
	assert_true(f->client.online);
	spin(f);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct client_options options = { .agent = "test/1",
					  .data = f,
					  .on_event = on_event,
					  .on_state = on_state };

	assert_non_null(f);
	uv_loop_init(&f->loop);
	f->last_seq = 5;
	f->peer.data = f;
	f->peer.on_request = on_request;
	fake_peer_start(&f->peer, &f->loop);
	options.path = f->peer.path;
	assert_int_equal(client_start(&f->client, &f->loop, &options), 0);
	assert_int_equal(feed_start(&f->feed, &f->loop, &f->client), 0);
	users_init(&f->users, &f->loop, &f->client);
	known_init(&f->known, &f->loop, &f->client, &f->feed, &f->users);
	f->alice = users_get(&f->users, ALICE);
	f->bob = users_get(&f->users, BOB);
	until_ready(f);
	*state = f;
	return 0;
}

static void on_closed(struct client *c)
{
	((struct fixture *)c->data)->closed = true;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	known_release(&f->known);
	user_drop(&f->users, f->alice);
	user_drop(&f->users, f->bob);
	users_release(&f->users);
	feed_close(&f->feed, NULL);
	client_close(&f->client, on_closed);
	fake_peer_close(&f->peer);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static struct wire_body_group group(uint64_t id, const char *name,
				    uint64_t last_seq, enum role role)
{
	return (struct wire_body_group){ .group_id = id,
					 .name = str_of(name),
					 .role = role,
					 .last_seq = last_seq,
					 .size = 10 * last_seq,
					 .jsonl_size = 20 * last_seq,
					 .mtime_ms = last_seq };
}

/* Asks and is answered at once. */
static void learn(struct fixture *f, struct user *user)
{
	uint64_t asked = known_ask(&f->known, user, GROUP, "");
	struct wire_body_group g =
		group(GROUP, "dev", f->last_seq, ROLE_MEMBER);

	known_learn(&f->known, user, &g, asked);
}

static bool finds(struct fixture *f, const struct user *user)
{
	struct known_group out;

	return known_find(&f->known, user, GROUP, "", &out);
}

/* As often as it takes. */
static void get_to_know(struct fixture *f, struct user *user)
{
	for (int i = 0; i < KNOWN_WATCH_USES; i++)
		learn(f, user);
	spin(f);
	learn(f, user);
	assert_true(finds(f, user));
}

static void publish(struct fixture *f)
{
	struct wire_body_ev_messages ev = { .group_id = GROUP };
	struct wire_message m = { .seq = ++f->last_seq,
				  .off = 10 * (f->last_seq - 1),
				  .len = 10,
				  .jsonl_off = 20 * (f->last_seq - 1),
				  .jsonl_len = 20,
				  .time_ms = f->last_seq,
				  .sender = str_of("bob"),
				  .content = str_of("hello") };
	struct buf b = { 0 };

	wire_put(&b, &wire_schema_message, &m);
	ev.messages = buf_str(&b);
	fake_peer_send(&f->peer, WIRE_EV_MESSAGES, 0, 0, &ev);
	buf_release(&b);
}

static void change_members(struct fixture *f)
{
	const struct wire_body_ev_member ev = { .group_id = GROUP,
						.group = str_of("dev"),
						.user = str_of("carol"),
						.change = MEMBER_ADDED,
						.by = str_of("bob") };

	fake_peer_send(&f->peer, WIRE_EV_MEMBER, 0, 0, &ev);
}

static void a_group_is_known_by_an_answer_that_a_watch_came_before(void **state)
{
	struct fixture *f = *state;
	struct known_group out;

	learn(f, f->alice);
	spin(f);
	assert_int_equal(f->watches, 0); /* once may be chance */
	learn(f, f->alice);
	learn(f, f->alice);
	assert_false(finds(f, f->alice)); /* the watch is not made yet */
	spin(f);
	assert_int_equal(f->watches, 1);
	assert_false(finds(f, f->alice)); /* the answer is older than it */
	learn(f, f->alice);
	assert_true(known_find(&f->known, f->alice, GROUP, "", &out));
	assert_int_equal(out.group_id, GROUP);
	assert_string_equal(out.name, "dev");
	assert_int_equal(out.last_seq, 5);
	assert_int_equal(out.size, 50);
	assert_true(known_find(&f->known, f->alice, 0, "dev", &out));
	assert_int_equal(out.group_id, GROUP);
	assert_false(known_find(&f->known, f->alice, 0, "de", &out));
	assert_false(finds(f, f->bob)); /* that alice is in it says nothing */
}

static void messages_make_it_longer_and_a_gap_makes_it_unknown(void **state)
{
	struct fixture *f = *state;
	struct wire_body_ev_grown grown = { .group_id = GROUP };
	struct known_group out;

	get_to_know(f, f->alice);
	publish(f);
	publish(f);
	assert_false(finds(f, f->alice)); /* told, but not read yet */
	spin(f);
	assert_true(known_find(&f->known, f->alice, GROUP, "", &out));
	assert_int_equal(out.last_seq, 7);
	assert_int_equal(out.size, 70);
	assert_int_equal(out.jsonl_size, 140);
	assert_int_equal(out.mtime_ms, 7);
	grown.last_seq = f->last_seq = 9;
	fake_peer_send(&f->peer, WIRE_EV_GROWN, 0, 0, &grown);
	spin(f);
	assert_false(finds(f, f->alice));
	learn(f, f->alice);
	assert_true(known_find(&f->known, f->alice, GROUP, "", &out));
	assert_int_equal(out.size, 90);
}

static void an_answer_that_a_message_overtook_does_not_shorten_it(void **state)
{
	struct fixture *f = *state;
	struct wire_body_group old = group(GROUP, "dev", 5, ROLE_MEMBER);
	struct known_group out;
	uint64_t asked;

	get_to_know(f, f->alice);
	asked = known_ask(&f->known, f->alice, GROUP, "");
	publish(f);
	spin(f);
	assert_true(finds(f, f->alice));
	known_learn(&f->known, f->alice, &old, asked);
	assert_true(known_find(&f->known, f->alice, GROUP, "", &out));
	assert_int_equal(out.last_seq, 6);
	assert_int_equal(out.size, 60);
}

static void a_change_of_members_is_asked_about_anew(void **state)
{
	struct fixture *f = *state;
	struct wire_body_group g = group(GROUP, "dev", 5, ROLE_ADMIN);
	struct known_group out;
	uint64_t asked;

	get_to_know(f, f->alice);
	asked = known_ask(&f->known, f->alice, GROUP, "");
	change_members(f);
	assert_false(finds(f, f->alice));
	spin(f);
	assert_false(finds(f, f->alice));
	/* This answer may be from before the change. */
	known_learn(&f->known, f->alice, &g, asked);
	assert_false(finds(f, f->alice));
	asked = known_ask(&f->known, f->alice, GROUP, "");
	known_learn(&f->known, f->alice, &g, asked);
	assert_true(known_find(&f->known, f->alice, GROUP, "", &out));
	assert_int_equal(out.role, ROLE_ADMIN);
}

static void nothing_is_known_over_a_lost_connection(void **state)
{
	struct fixture *f = *state;
	uint64_t asked;
	struct wire_body_group g = group(GROUP, "dev", 5, ROLE_MEMBER);

	get_to_know(f, f->alice);
	asked = known_ask(&f->known, f->alice, GROUP, "");
	fake_peer_drop(&f->peer);
	while (f->client.online)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_false(finds(f, f->alice));
	until_ready(f);
	assert_false(finds(f, f->alice));
	known_learn(&f->known, f->alice, &g, asked);
	assert_false(finds(f, f->alice));
	learn(f, f->alice);
	assert_true(finds(f, f->alice));
	assert_int_equal(f->watches, 2);
}

static void what_the_sender_was_told_is_not_forgotten(void **state)
{
	struct fixture *f = *state;

	get_to_know(f, f->alice);
	known_reaches(&f->known, f->alice, GROUP, 6);
	assert_false(finds(f, f->alice));
	publish(f);
	spin(f);
	assert_true(finds(f, f->alice));
}

static void a_group_that_is_gone_is_forgotten(void **state)
{
	struct fixture *f = *state;
	const struct wire_body_ev_deleted ev = { .group_id = GROUP };

	get_to_know(f, f->alice);
	fake_peer_send(&f->peer, WIRE_EV_DELETED, 0, 0, &ev);
	spin(f);
	assert_false(finds(f, f->alice));
	assert_int_equal(known_ask(&f->known, f->alice, GROUP, ""), 0);
}

static void a_name_may_become_another_groups(void **state)
{
	struct fixture *f = *state;
	struct wire_body_group g = group(GROUP + 1, "dev", 5, ROLE_MEMBER);
	struct known_group out;

	get_to_know(f, f->alice);
	for (int i = 0; i < KNOWN_WATCH_USES; i++)
		known_learn(&f->known, f->alice, &g, 0);
	spin(f);
	known_learn(&f->known, f->alice, &g,
		    known_ask(&f->known, f->alice, 0, "dev"));
	assert_true(known_find(&f->known, f->alice, 0, "dev", &out));
	assert_int_equal(out.group_id, GROUP + 1);
	assert_int_equal(f->known.count, 1);
}

static void who_is_used_least_makes_room(void **state)
{
	struct fixture *f = *state;
	struct buf name = { 0 };

	get_to_know(f, f->alice);
	for (unsigned i = 0; i < 2 * KNOWN_MAX; i++) {
		struct wire_body_group g;

		buf_clear(&name);
		buf_printf(&name, "g%u", i);
		g = group(100 + i, buf_cstr(&name), 1, ROLE_MEMBER);
		known_learn(&f->known, f->bob, &g, 0);
		if (i < KNOWN_MAX / 2)
			assert_true(finds(f, f->alice));
	}
	assert_int_equal(f->known.count, KNOWN_MAX);
	assert_false(finds(f, f->alice));
	buf_release(&name);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_group_is_known_by_an_answer_that_a_watch_came_before),
		TEST(messages_make_it_longer_and_a_gap_makes_it_unknown),
		TEST(an_answer_that_a_message_overtook_does_not_shorten_it),
		TEST(a_change_of_members_is_asked_about_anew),
		TEST(nothing_is_known_over_a_lost_connection),
		TEST(what_the_sender_was_told_is_not_forgotten),
		TEST(a_group_that_is_gone_is_forgotten),
		TEST(a_name_may_become_another_groups),
		TEST(who_is_used_least_makes_room),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
