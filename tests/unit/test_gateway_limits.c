/* SPDX-License-Identifier: MIT */
/* What a gateway counts: addresses, tokens, and the seats of its users. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "daemon/gateway/address.h"
#include "daemon/gateway/seat.h"
#include "tests/support/client_fixture.h"

/* Addresses. */

static struct sockaddr_storage from(const char *text)
{
	struct sockaddr_storage out = { .ss_family = AF_UNIX };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = 7 };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = 7 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&out, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&out, &v6, sizeof(v6));
	return out;
}

/* Whether one more is taken; kept in *out. */
static bool comes(struct addresses *all, const char *text, struct address **out)
{
	const struct sockaddr_storage a = from(text);

	return address_take(all, &a, out);
}

static void an_address_has_so_many_connections(void **state)
{
	/* Each pair is one that comes when the first has both of its two. */
	static const struct {
		const char *first, *other;
		bool same;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "2001:db8::1", "2001:db8::ffff:0:0:2", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
		{ "::1", "::2", true },
		{ "192.0.2.1", "unix", false },
	};
	struct addresses all;
	struct address *a[3];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		addresses_init(&all, 2, i);
		assert_true(comes(&all, cases[i].first, &a[0]));
		assert_true(comes(&all, cases[i].first, &a[1]));
		if (comes(&all, cases[i].other, &a[2]) == cases[i].same)
			fail_msg("case %zu", i);
		address_drop(&all, a[2]);
		address_drop(&all, a[0]);
		assert_true(comes(&all, cases[i].first, &a[0]));
		address_drop(&all, a[0]);
		address_drop(&all, a[1]);
		assert_int_equal(all.table.count, 0);
		addresses_release(&all);
	}
}

static void a_unix_socket_and_no_limit_count_nothing(void **state)
{
	struct addresses all;
	struct address *a;

	(void)state;
	addresses_init(&all, 1, 0);
	for (int i = 0; i < 5; i++) {
		assert_true(comes(&all, "unix", &a));
		assert_null(a);
	}
	all.max = 0;
	for (int i = 0; i < 5; i++) {
		assert_true(comes(&all, "192.0.2.1", &a));
		assert_null(a);
	}
	addresses_release(&all);
}

/* Tokens and seats: a client and a groupd that counts. */

enum { SEATS = 40, USERS = 3 };

struct guest {
	struct seat seat;
	struct bearer *bearer;
	struct hall *hall;
	unsigned answers;
	enum err_code code; /* of the last */
};

struct hall {
	struct talk talk;
	struct wheel wheel;
	struct bearers bearers;
	struct seats seats;
	struct guest guests[SEATS];
	unsigned connected; /* which connection the counts are of */
	int64_t count;	    /* all that groupd counts now */
	int64_t max;
	unsigned opens; /* told to be open already */
};

static void on_request(struct talk *t, const struct wire_header *h,
		       const union wire_body *body)
{
	struct hall *hall = container_of(t, struct hall, talk);
	const struct wire_body_ok ok = { .value = 1 };

	if (hall->connected != t->peer.connected)
		hall->count = 0;
	hall->connected = t->peer.connected;
	if (h->type == WIRE_CLOSE_PRINCIPAL)
		return;
	if (h->type == WIRE_DROP_CONNECTION) {
		hall->count--;
		assert_true(hall->count >= 0);
	} else {
		assert_int_equal(h->type, WIRE_TAKE_CONNECTION);
		hall->opens += body->take_connection.open != 0;
		if (body->take_connection.open == 0 &&
		    hall->count >= hall->max) {
			fake_peer_error(&t->peer, h, ERR_RATE_LIMITED);
			return;
		}
		hall->count++;
	}
	fake_peer_send(&t->peer, WIRE_OK, h->id, h->principal, &ok);
}

static void on_state(struct talk *t, bool online)
{
	struct hall *hall = container_of(t, struct hall, talk);

	if (online)
		seats_online(&hall->seats);
}

static int set_up(void **state)
{
	struct hall *hall = calloc(1, sizeof(*hall));

	assert_non_null(hall);
	hall->max = SEATS;
	hall->talk.on_request = on_request;
	hall->talk.on_state = on_state;
	list_init(&hall->seats.taken);
	talk_start(&hall->talk);
	assert_int_equal(wheel_start(&hall->wheel, &hall->talk.loop), 0);
	bearers_init(&hall->bearers, &hall->talk.client, &hall->wheel, 1);
	seats_init(&hall->seats, &hall->talk.client);
	talk_until_ready(&hall->talk);
	*state = hall;
	return 0;
}

static void leave(struct guest *g)
{
	seat_leave(&g->seat);
	bearer_put(g->bearer);
	g->bearer = NULL;
}

static int tear_down(void **state)
{
	struct hall *hall = *state;

	for (size_t i = 0; i < SEATS; i++) {
		if (hall->guests[i].bearer != NULL)
			leave(&hall->guests[i]);
	}
	seats_close(&hall->seats);
	bearers_release(&hall->bearers);
	wheel_close(&hall->wheel);
	talk_stop(&hall->talk);
	free(hall);
	return 0;
}

static void answered(struct seat *s, const struct err *err)
{
	struct guest *g = container_of(s, struct guest, seat);

	g->answers++;
	g->code = err == NULL ? ERR_NONE : err->code;
}

static struct guest *come(struct hall *hall, size_t i)
{
	static const char *const tokens[USERS] = { "t1", "t2", "t3" };
	struct guest *g = &hall->guests[i];
	struct err err;

	*g = (struct guest){ .hall = hall };
	assert_int_equal(bearer_get(&hall->bearers, str_of(tokens[i % USERS]),
				    &g->bearer, &err),
			 0);
	assert_int_equal(seat_take(&hall->seats, &g->seat, g->bearer, answered),
			 0);
	return g;
}

/* Nothing is under way any more. */
static void settle(struct hall *hall)
{
	while (!hall->talk.client.online || !list_empty(&hall->seats.asking))
		uv_run(&hall->talk.loop, UV_RUN_ONCE);
	talk_spin(&hall->talk, 20);
}

static int64_t taken(const struct hall *hall)
{
	int64_t n = 0;

	for (const struct list *l = hall->seats.taken.next;
	     l != &hall->seats.taken; l = l->next)
		n++;
	return n;
}

static void a_seat_is_taken_and_given_back(void **state)
{
	struct hall *hall = *state;
	struct guest *g = come(hall, 0);

	assert_int_equal(g->answers, 0);
	settle(hall);
	assert_int_equal(g->answers, 1);
	assert_int_equal(g->code, ERR_NONE);
	assert_int_equal(hall->count, 1);
	leave(g);
	settle(hall);
	assert_int_equal(hall->count, 0);
	seat_leave(&g->seat);
	settle(hall);
	assert_int_equal(hall->count, 0);
}

static void who_leaves_before_the_answer_is_not_counted(void **state)
{
	struct hall *hall = *state;
	struct guest *g = come(hall, 0);

	leave(g);
	settle(hall);
	assert_int_equal(g->answers, 0);
	assert_int_equal(hall->count, 0);
}

static void one_too_many_is_refused_and_gives_nothing_back(void **state)
{
	struct hall *hall = *state;
	struct guest *g;

	hall->max = 1;
	come(hall, 0);
	g = come(hall, 1);
	settle(hall);
	assert_int_equal(g->code, ERR_RATE_LIMITED);
	leave(g);
	settle(hall);
	assert_int_equal(hall->count, 1);
}

static void a_new_groupd_is_told_what_is_open(void **state)
{
	struct hall *hall = *state;
	struct guest *g;

	hall->max = 2;
	come(hall, 0);
	come(hall, 1);
	settle(hall);
	hall->max = 1; /* no open one is refused */
	fake_peer_drop(&hall->talk.peer);
	while (hall->talk.client.online)
		uv_run(&hall->talk.loop, UV_RUN_ONCE);
	g = come(hall, 2); /* asks while nobody is there */
	settle(hall);
	assert_int_equal(hall->opens, 2);
	assert_int_equal(g->answers, 1);
	assert_int_equal(hall->guests[0].answers, 1);
	assert_int_equal(hall->count, taken(hall));
}

static void whatever_happens_the_count_is_right_in_the_end(void **state)
{
	struct hall *hall = *state;

	srandom(5);
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 60; i++) {
			size_t n = (size_t)random() % SEATS;

			if (hall->guests[n].bearer == NULL)
				come(hall, n);
			else if (random() % 2 == 0)
				leave(&hall->guests[n]);
			if (random() % 20 == 0 && hall->talk.client.online)
				fake_peer_drop(&hall->talk.peer);
			for (long turns = random() % 3; turns > 0; turns--)
				uv_run(&hall->talk.loop, UV_RUN_NOWAIT);
		}
		settle(hall);
		assert_int_equal(hall->count, taken(hall));
		for (size_t n = 0; n < SEATS; n++) {
			if (hall->guests[n].bearer == NULL)
				continue;
			assert_int_equal(hall->guests[n].answers, 1);
			assert_int_equal(hall->guests[n].code, ERR_NONE);
		}
	}
	assert_true(hall->opens > 0 && hall->talk.peer.connected > 10);
}

static void so_many_tokens_are_known_at_a_time(void **state)
{
	struct hall *hall = *state;
	struct bearer **all = calloc(BEARER_MAX, sizeof(struct bearer *));
	struct bearer *more = NULL;
	char token[16];
	struct err err;

	assert_non_null(all);
	fake_peer_pause(&hall->talk.peer);
	for (size_t i = 0; i < BEARER_MAX; i++) {
		snprintf(token, sizeof(token), "token%zu", i);
		assert_int_equal(bearer_get(&hall->bearers, str_of(token),
					    &all[i], &err),
				 0);
	}
	assert_int_equal(
		bearer_get(&hall->bearers, str_of("one-more"), &more, &err),
		-EIO);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	/* One that is known is no new one. */
	assert_int_equal(
		bearer_get(&hall->bearers, str_of("token7"), &more, &err), 0);
	assert_ptr_equal(more, all[7]);
	bearer_put(more);
	for (size_t i = 0; i < BEARER_MAX; i++)
		bearer_put(all[i]);
	free(all);
	fake_peer_resume(&hall->talk.peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_so_many_connections),
		cmocka_unit_test(a_unix_socket_and_no_limit_count_nothing),
		TEST(a_seat_is_taken_and_given_back),
		TEST(who_leaves_before_the_answer_is_not_counted),
		TEST(one_too_many_is_refused_and_gives_nothing_back),
		TEST(a_new_groupd_is_told_what_is_open),
		TEST(whatever_happens_the_count_is_right_in_the_end),
		TEST(so_many_tokens_are_known_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
