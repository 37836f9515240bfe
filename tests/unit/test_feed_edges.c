/* SPDX-License-Identifier: MIT */
/* The seldom cases of the feed, each by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "lib/client.h"
#include "lib/feed.h"
#include "tests/support/fake_groups.h"

enum { MANY = 10000, LIMIT_MS = 10000, GROUP_ID = 1 };

struct fixture {
	uv_loop_t loop;
	struct fake_groups groups;
	struct client client;
	struct feed feed;
	struct client_principal who[FAKE_USERS];
	struct feed_sub sub[MANY];
	size_t wakes;
	void (*on_wake)(struct fixture *f, struct feed_sub *sub);
};

static void event(struct client *c, const struct wire_header *h,
		  const void *body)
{
	feed_on_event(&((struct fixture *)c->data)->feed, h, body);
}

static void state_cb(struct client *c, bool online, const char *why)
{
	(void)why;
	feed_on_state(&((struct fixture *)c->data)->feed, online);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct client_options options = { .agent = "test/1",
					  .data = f,
					  .on_event = event,
					  .on_state = state_cb };

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&f->loop);
	fake_groups_start(&f->groups, &f->loop);
	options.path = f->groups.peer.path;
	assert_int_equal(client_start(&f->client, &f->loop, &options), 0);
	assert_int_equal(feed_start(&f->feed, &f->loop, &f->client), 0);
	for (unsigned u = 0; u < FAKE_USERS; u++)
		assert_int_equal(client_open_principal(&f->client, &f->who[u],
						       PRINCIPAL_UID, u, NULL,
						       NULL),
				 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MANY; i++)
		feed_unsubscribe(&f->sub[i]);
	feed_close(&f->feed, NULL);
	client_close(&f->client, NULL);
	fake_groups_close(&f->groups);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void woken(struct feed_sub *sub)
{
	struct fixture *f = sub->data;

	f->wakes++;
	if (f->on_wake != NULL)
		f->on_wake(f, sub);
}

static void subscribe(struct fixture *f, size_t i, unsigned user,
		      uint64_t after)
{
	f->sub[i].data = f;
	assert_int_equal(feed_subscribe(&f->feed, &f->sub[i], &f->who[user],
					GROUP_ID, after, woken),
			 0);
}

static void spin(struct fixture *f, int turns)
{
	for (int i = 0; i < turns; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void until_state(struct fixture *f, size_t i, enum feed_state want)
{
	uint64_t end = uv_now(&f->loop) + LIMIT_MS;

	while (f->sub[i].state != want && uv_now(&f->loop) < end)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->sub[i].state, want);
}

/* Subscribes user's sub i and waits until it is live. */
static void start(struct fixture *f, size_t i, unsigned user, uint64_t after)
{
	subscribe(f, i, user, after);
	until_state(f, i, FEED_LIVE);
}

static void read_to(struct fixture *f, size_t i, uint64_t to)
{
	uint64_t end = uv_now(&f->loop) + LIMIT_MS;

	while (f->sub[i].cursor < to && uv_now(&f->loop) < end) {
		uint64_t before = f->sub[i].cursor;
		struct feed_message *m;
		int rc = feed_read(&f->sub[i], &m);

		assert_true(rc >= 0);
		if (rc == 0)
			uv_run(&f->loop, UV_RUN_ONCE);
		else
			assert_int_equal(m->m.seq, before + 1);
	}
	assert_int_equal(f->sub[i].cursor, to);
}

static void what_grew_is_pulled(void **state)
{
	struct fixture *f = *state;
	size_t wakes;

	start(f, 0, 0, 0);
	spin(f, 3);
	wakes = f->wakes;
	fake_groups_publish(&f->groups, 0, 10, true);
	spin(f, 5);
	assert_int_equal(f->wakes, wakes + 1);
	assert_int_equal(f->groups.pulls, 0); /* nobody has read yet */
	read_to(f, 0, 10);
	assert_int_equal(f->groups.pulls, 1);
	/* What comes next is told in full again. */
	fake_groups_publish(&f->groups, 0, 1, false);
	spin(f, 5);
	read_to(f, 0, 11);
	assert_int_equal(f->groups.pulls, 1);
}

static void an_old_growth_is_no_news(void **state)
{
	struct fixture *f = *state;
	const struct wire_body_ev_grown old = { .group_id = GROUP_ID,
						.last_seq = 2 };
	size_t wakes;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, 5, false);
	spin(f, 5);
	wakes = f->wakes;
	fake_peer_send(&f->groups.peer, WIRE_EV_GROWN, 0, 0, &old);
	spin(f, 5);
	assert_int_equal(f->wakes, wakes);
	read_to(f, 0, 5);
}

static void a_bye_does_nothing_to_the_subs(void **state)
{
	struct fixture *f = *state;
	const struct wire_body_ev_bye bye = { .retry_after_ms = 10 };

	start(f, 0, 0, 0);
	fake_peer_send(&f->groups.peer, WIRE_EV_BYE, 0, 0, &bye);
	spin(f, 5);
	fake_peer_drop(&f->groups.peer);
	spin(f, 5);
	fake_groups_publish(&f->groups, 0, 3, false);
	read_to(f, 0, 3);
	assert_int_equal(f->sub[0].state, FEED_LIVE);
}

static void messages_that_cannot_be_decoded_lose_the_connection(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, 3, false);
	spin(f, 5);
	fake_groups_publish_rubbish(&f->groups, 0);
	while (f->client.online)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_string_equal(f->client.why,
			    "groupd sent messages that cannot be decoded");
	/* And nothing is lost by that. */
	read_to(f, 0, 5);
	assert_int_equal(f->groups.peer.connected, 2);
}

static void one_before_what_is_kept_is_told_so_at_its_start(void **state)
{
	struct fixture *f = *state;

	f->groups.g[0].last_seq = 100;
	f->groups.g[0].first_seq = 51;
	subscribe(f, 0, 0, 49);
	subscribe(f, 1, 0, 50);
	until_state(f, 0, FEED_ENDED);
	assert_int_equal(f->sub[0].err->code, ERR_EPOCH_CHANGED);
	assert_non_null(strstr(f->sub[0].err->text, "51"));
	assert_int_equal(f->sub[0].cut_seq, 51);
	assert_false(f->sub[0].is_other_log);
	until_state(f, 1, FEED_LIVE);
	read_to(f, 1, 100);
}

static void from_the_start_is_from_what_is_kept_on(void **state)
{
	struct fixture *f = *state;

	f->groups.g[0].last_seq = 100;
	f->groups.g[0].first_seq = 51;
	subscribe(f, 0, 0, 0);
	until_state(f, 0, FEED_LIVE);
	assert_int_equal(f->sub[0].cursor, 50);
	read_to(f, 0, 100);
}

static void one_that_lags_behind_what_is_kept_is_told_so(void **state)
{
	struct fixture *f = *state;
	struct feed_message *m;
	int rc;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, 100, true);
	f->groups.g[0].first_seq = 31;
	spin(f, 5);
	while ((rc = feed_read(&f->sub[0], &m)) == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(rc, -ESTALE);
	assert_int_equal(f->sub[0].err->code, ERR_EPOCH_CHANGED);
}

static void a_pointer_before_what_is_kept_starts_at_its_first(void **state)
{
	struct fixture *f = *state;

	f->groups.g[0].last_seq = 100;
	f->groups.g[0].first_seq = 51;
	f->groups.g[0].pointer[0] = 7;
	start(f, 0, 0, FEED_FROM_POINTER);
	assert_int_equal(f->sub[0].cursor, 50);
	read_to(f, 0, 100);
}

static void a_removed_one_ends_and_another_user_goes_on(void **state)
{
	struct fixture *f = *state;
	struct feed_message *m;

	start(f, 0, 0, 0);
	start(f, 1, 1, 0);
	assert_int_equal(f->groups.watches, 2);
	fake_groups_publish(&f->groups, 0, 2, false);
	fake_groups_remove(&f->groups, 0, 0);
	fake_groups_publish(&f->groups, 0, 2, false);
	spin(f, 10);
	assert_int_equal(feed_read(&f->sub[0], &m), -EACCES);
	assert_int_equal(f->sub[0].err->code, ERR_NOT_MEMBER);
	read_to(f, 1, 4);
	assert_int_equal(f->groups.pulls, 0);
	/* The watch of the other one is still there after a reconnect. */
	fake_peer_drop(&f->groups.peer);
	while (f->groups.watches < 3)
		uv_run(&f->loop, UV_RUN_ONCE);
	spin(f, 5);
	fake_groups_publish(&f->groups, 0, 1, false);
	read_to(f, 1, 5);
	assert_int_equal(f->groups.watches, 3);
}

static void a_revoked_principal_reads_nothing_of_what_others_get(void **state)
{
	struct fixture *f = *state;
	const struct wire_body_ev_principal gone = {
		.code = ERR_UNAUTHENTICATED
	};
	struct feed_message *m;

	start(f, 0, 0, 0);
	start(f, 1, 1, 0);
	fake_peer_send(&f->groups.peer, WIRE_EV_PRINCIPAL, 0, f->who[0].id,
		       &gone);
	f->groups.g[0].watched[0] = false;
	fake_groups_publish(&f->groups, 0, 1, false);
	spin(f, 10);
	assert_null(feed_peek(&f->sub[0], 1));
	assert_false(feed_skip(&f->sub[0], 1));
	assert_non_null(feed_peek(&f->sub[1], 1));
	assert_int_equal(feed_read(&f->sub[0], &m), -EACCES);
	assert_int_equal(f->sub[0].err->code, ERR_UNAUTHENTICATED);
	assert_int_equal(f->sub[0].state, FEED_ENDED);
	read_to(f, 1, 1);
}

static void one_that_joins_a_watch_under_way_skips_nothing(void **state)
{
	struct fixture *f = *state;

	f->groups.g[0].last_seq = 100;
	f->groups.g[0].pointer[0] = 40;
	f->groups.hold = true;
	subscribe(f, 0, 0, FEED_FROM_POINTER);
	while (f->groups.watches == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(fake_groups_answer(&f->groups)); /* on its way, from 40 */
	f->groups.g[0].pointer[0] = 60;
	subscribe(f, 1, 0, FEED_FROM_POINTER);
	until_state(f, 1, FEED_LIVE);
	assert_int_equal(f->sub[0].cursor, 40);
	assert_int_equal(f->sub[1].cursor, 40); /* not later than 60 */
	assert_int_equal(f->groups.watches, 1);
	/* A third one, after that, asks for itself. */
	f->groups.hold = false;
	start(f, 2, 0, FEED_FROM_POINTER);
	assert_int_equal(f->sub[2].cursor, 60);
	assert_int_equal(f->groups.watches, 2);
	/* Who was live already stays where he was. */
	assert_int_equal(f->sub[0].cursor, 40);
}

static void ten_thousand_are_woken_in_one_pass(void **state)
{
	struct fixture *f = *state;
	size_t wakes;
	int turns = 0;

	for (size_t i = 0; i < MANY; i++)
		subscribe(f, i, (unsigned)i % FAKE_USERS, 0);
	until_state(f, MANY - 1, FEED_LIVE);
	while (turns++ < 20)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	wakes = f->wakes;
	fake_groups_publish(&f->groups, 0, 1, false);
	while (f->wakes == wakes)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->wakes, wakes + MANY);
	for (size_t i = 0; i < MANY; i++)
		read_to(f, i, 1);
	assert_int_equal(f->groups.watches, FAKE_USERS);
	assert_int_equal(f->groups.pulls, 0);
}

/* A put-back message is next, also when what follows it came meanwhile. */
static void one_put_back_late_is_next_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct feed_message *m;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, 2, false);
	spin(f, 5);
	read_to(f, 0, 2);
	fake_groups_publish(&f->groups, 0, 5, true);
	spin(f, 5);
	assert_int_equal(feed_read(&f->sub[0], &m), 0); /* it pulls 3 to 7 */
	while (f->groups.pulls == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	spin(f, 5);
	feed_unread(&f->sub[0]);
	assert_int_equal(feed_read(&f->sub[0], &m), 1);
	assert_int_equal(m->m.seq, 2);
	read_to(f, 0, 7);
}

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Nothing is kept for who does not read: 100 messages or 100,000. */
static void slow_subs_cost_the_same_however_far_they_lag(void **state)
{
	struct fixture *f = *state;
	enum { SLOW = 1000, ROUNDS = 50, BURST = 2000 };
	size_t before;

	for (size_t i = 0; i < SLOW; i++)
		subscribe(f, i, 0, 0);
	until_state(f, SLOW - 1, FEED_LIVE);
	/* The recent ones are full then. */
	for (int i = 0; i < 10; i++) {
		fake_groups_publish(&f->groups, 0, BURST, false);
		spin(f, 10);
	}
	before = heap();
	for (int i = 0; i < ROUNDS; i++) {
		fake_groups_publish(&f->groups, 0, BURST, false);
		spin(f, 10);
	}
	assert_true(heap() < before + ((size_t)1 << 20));
	/* One of them wakes up, and gets all of it by pages. */
	read_to(f, 3, (uint64_t)(ROUNDS + 10) * BURST);
	spin(f, 5);
	assert_true(heap() < before + ((size_t)1 << 20));
}

static void what_is_in_memory_can_be_skipped_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct feed_message *m;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, 3, false);
	spin(f, 5);
	assert_null(feed_peek(&f->sub[0], 0));
	assert_int_equal(feed_peek(&f->sub[0], 3)->m.seq, 3);
	assert_null(feed_peek(&f->sub[0], 4));
	assert_false(feed_skip(&f->sub[0], 4));
	assert_int_equal(f->sub[0].cursor, 0);
	assert_true(feed_skip(&f->sub[0], 2));
	assert_false(feed_skip(&f->sub[0], 2));
	assert_null(feed_peek(&f->sub[0], 2));
	read_to(f, 0, 3);
	/* With a hole behind its cursor it must read the page. */
	fake_groups_publish(&f->groups, 0, 1, true);
	fake_groups_publish(&f->groups, 0, 1, false);
	spin(f, 5);
	assert_null(feed_peek(&f->sub[0], 4));
	assert_false(feed_skip(&f->sub[0], 5));
	assert_int_equal(feed_read(&f->sub[0], &m), 0);
	assert_null(feed_peek(&f->sub[0], 5));
	assert_false(feed_skip(&f->sub[0], 5));
	read_to(f, 0, 5);
	assert_int_equal(f->groups.pulls, 1);
}

static void who_has_caught_up_keeps_no_page(void **state)
{
	struct fixture *f = *state;
	struct feed_message *m;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, 20, true);
	spin(f, 5);
	read_to(f, 0, 20);
	assert_non_null(f->sub[0].page);
	assert_int_equal(feed_read(&f->sub[0], &m), 0);
	assert_null(f->sub[0].page);
	/* Also then one may be put back. */
	feed_unread(&f->sub[0]);
	read_to(f, 0, 20);
}

/* What is asked for while another page is read is bounded for all together. */
static void of_many_who_lag_few_pull_ahead(void **state)
{
	struct fixture *f = *state;
	enum { SLOW = 1000, LAG = 8 * FEED_RECENT_COUNT };
	struct feed_message *m;

	f->groups.hold = true;
	for (size_t i = 0; i < SLOW; i++)
		subscribe(f, i, 0, 0);
	while (f->sub[SLOW - 1].state != FEED_LIVE) {
		uv_run(&f->loop, UV_RUN_ONCE);
		fake_groups_answer(&f->groups);
	}
	fake_groups_publish(&f->groups, 0, LAG, true);
	spin(f, 5);
	for (size_t i = 0; i < SLOW; i++)
		assert_int_equal(feed_read(&f->sub[i], &m), 0);
	while (f->groups.pulls < SLOW)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->groups.asked, SLOW * FEED_PAGE_BYTES);
	while (fake_groups_answer(&f->groups))
		spin(f, 1);
	for (size_t i = 0; i < SLOW; i++) {
		while (f->sub[i].cursor == 0) {
			spin(f, 1);
			(void)feed_read(&f->sub[i], &m);
		}
	}
	spin(f, 20);
	assert_true(f->groups.asked > 0);
	assert_true(f->groups.asked <= FEED_PAGES_BYTES);
	/* All get all the same. */
	f->groups.hold = false;
	while (fake_groups_answer(&f->groups))
		spin(f, 1);
	read_to(f, 0, LAG);
	read_to(f, SLOW - 1, LAG);
}

/* Nor is anything lost with what was pulled ahead. */
static void what_fails_ahead_is_pulled_again(void **state)
{
	struct fixture *f = *state;
	enum { LAG = 3 * FEED_RECENT_COUNT };
	struct feed_message *m;

	start(f, 0, 0, 0);
	fake_groups_publish(&f->groups, 0, LAG, true);
	spin(f, 5);
	read_to(f, 0, 1);
	while (f->groups.pulls < 2)
		spin(f, 1);
	f->groups.pull_errors = 3;
	read_to(f, 0, LAG);
	assert_int_equal(f->groups.pull_errors, 0);
	assert_int_equal(feed_read(&f->sub[0], &m), 0);
	assert_null(f->sub[0].page);
}

static void a_watch_that_fails_for_now_is_asked_again(void **state)
{
	struct fixture *f = *state;

	f->groups.watch_error = ERR_UNAVAILABLE;
	subscribe(f, 0, 0, 0);
	while (f->groups.watches < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->sub[0].state, FEED_STARTING);
	f->groups.watch_error = 0;
	until_state(f, 0, FEED_LIVE);
}

static void leave_and_come_back(struct fixture *f, struct feed_sub *sub)
{
	f->on_wake = NULL;
	for (size_t i = 0; i < 3; i++)
		feed_unsubscribe(&f->sub[i]);
	memset(f->sub, 0xa5, 2 * sizeof(*f->sub)); /* all is ours again */
	memset(f->sub, 0, 2 * sizeof(*f->sub));
	assert_ptr_equal(sub, &f->sub[0]);
	subscribe(f, 0, 1, 0);
}

static void a_wake_may_leave_and_subscribe_anew(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++)
		start(f, i, 0, 0);
	spin(f, 5);
	f->on_wake = leave_and_come_back;
	fake_groups_publish(&f->groups, 0, 4, false);
	while (f->on_wake != NULL)
		uv_run(&f->loop, UV_RUN_ONCE);
	until_state(f, 0, FEED_LIVE);
	read_to(f, 0, 4);
	spin(f, 5);
	assert_int_equal(f->groups.unwatches, 1);
	assert_true(f->groups.g[0].watched[1]);
	assert_false(f->groups.g[0].watched[0]);
}

/* groupd was not told yet that nobody watches through it any more, so it goes
 * on telling; and then its log is another one, which is shorter. */
static void what_an_old_watch_is_owed_says_nothing_of_another_log(void **state)
{
	struct fixture *f = *state;
	const struct wire_body_ev_floor floor = { .group_id = GROUP_ID,
						  .first_seq = 505 };
	struct fake_group *g = &f->groups.g[0];
	struct feed_message *m;

	g->last_seq = 500;
	start(f, 0, 0, 500);
	f->groups.hold = true;
	feed_unsubscribe(&f->sub[0]);
	subscribe(f, 1, 1, FEED_FROM_POINTER);
	while (f->groups.watches < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	fake_groups_publish(&f->groups, 0, 5, false);
	fake_groups_publish(&f->groups, 0, 5, true);
	fake_peer_send(&f->groups.peer, WIRE_EV_FLOOR, 0, 0, &floor);
	spin(f, 5);
	fake_peer_drop(&f->groups.peer);
	g->epoch++;
	g->last_seq = 200;
	f->groups.hold = false;
	until_state(f, 1, FEED_LIVE);
	assert_int_equal(feed_group_of(&f->sub[1])->last_seq, 200);
	assert_int_equal(feed_group_of(&f->sub[1])->first_seq, 1);
	/* Another answer, which is none of a log that became shorter. */
	start(f, 2, 2, 200);
	read_to(f, 1, 200);
	assert_int_equal(feed_read(&f->sub[1], &m), 0);
	fake_groups_publish(&f->groups, 0, 310, false);
	spin(f, 5);
	assert_int_equal(feed_peek(&f->sub[2], 503)->m.content.data[2], '2');
	read_to(f, 1, 510);
	assert_int_equal(f->sub[2].state, FEED_LIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(what_grew_is_pulled),
		T(an_old_growth_is_no_news),
		T(a_bye_does_nothing_to_the_subs),
		T(messages_that_cannot_be_decoded_lose_the_connection),
		T(one_before_what_is_kept_is_told_so_at_its_start),
		T(from_the_start_is_from_what_is_kept_on),
		T(one_that_lags_behind_what_is_kept_is_told_so),
		T(a_pointer_before_what_is_kept_starts_at_its_first),
		T(a_removed_one_ends_and_another_user_goes_on),
		T(a_revoked_principal_reads_nothing_of_what_others_get),
		T(one_that_joins_a_watch_under_way_skips_nothing),
		T(ten_thousand_are_woken_in_one_pass),
		T(one_put_back_late_is_next_all_the_same),
		T(slow_subs_cost_the_same_however_far_they_lag),
		T(what_is_in_memory_can_be_skipped_and_nothing_else),
		T(who_has_caught_up_keeps_no_page),
		T(of_many_who_lag_few_pull_ahead),
		T(what_fails_ahead_is_pulled_again),
		T(a_watch_that_fails_for_now_is_asked_again),
		T(a_wake_may_leave_and_subscribe_anew),
		T(what_an_old_watch_is_owed_says_nothing_of_another_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
