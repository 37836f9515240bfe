/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <uv.h>

#include "lib/client.h"
#include "lib/feed.h"
#include "tests/support/fake_peer.h"

enum { GROUP = 5, OTHER = 6, SUBS = 100 };

struct fixture {
	uv_loop_t loop;
	struct fake_peer peer;
	struct client client;
	struct feed feed;
	struct client_principal alice;
	struct feed_sub sub[SUBS];
	uint64_t epoch, last_seq, pointer; /* of the fake group */
	unsigned watches, unwatches, pulls;
	unsigned kinds[2]; /* watches there are, by enum watch_kind */
	unsigned refuse_watch;
	unsigned pull_errors; /* so many PULLs are `unavailable` */
	size_t wakes, wide_wakes, turned;
	bool wake_unsubscribes_all;
};

static void put_messages(struct buf *b, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		const struct wire_message m = { .seq = seq,
						.sender = str_of("bob"),
						.content = str_of("hello") };

		wire_put(b, &wire_schema_message, &m);
	}
}

static void on_pull(struct fixture *f, const struct wire_header *h,
		    const struct wire_body_pull *pull)
{
	struct wire_body_messages a = { .epoch = f->epoch,
					.first_seq = 1,
					.last_seq = f->last_seq };
	struct buf b = { 0 };
	uint64_t to = pull->after_seq + pull->limit;

	f->pulls++;
	if (f->pull_errors > 0) {
		f->pull_errors--;
		fake_peer_error(&f->peer, h, ERR_UNAVAILABLE);
		return;
	}
	put_messages(&b, pull->after_seq + 1,
		     to < f->last_seq ? to : f->last_seq);
	a.messages = buf_str(&b);
	fake_peer_send(&f->peer, WIRE_MESSAGES, h->id, h->principal, &a);
	buf_release(&b);
}

static void answer(struct fake_peer *peer, const struct wire_header *h,
		   const union wire_body *body)
{
	struct fixture *f = peer->data;
	const struct wire_body_watching watching = { .epoch = f->epoch,
						     .first_seq = 1,
						     .last_seq = f->last_seq,
						     .last_read_seq =
							     f->pointer };
	const struct wire_body_ok ok = { 0 };

	if (h->type == WIRE_PULL) {
		on_pull(f, h, &body->pull);
	} else if (h->type == WIRE_WATCH) {
		f->watches++;
		f->kinds[body->watch.kind]++;
		if (f->refuse_watch != 0)
			fake_peer_error(peer, h, f->refuse_watch);
		else
			fake_peer_send(peer, WIRE_WATCHING, h->id, h->principal,
				       &watching);
	} else {
		f->unwatches += h->type == WIRE_UNWATCH;
		if (h->type == WIRE_UNWATCH)
			f->kinds[body->unwatch.kind]--;
		fake_peer_send(peer, WIRE_OK, h->id, h->principal, &ok);
	}
}

static void event(struct client *c, const struct wire_header *h,
		  const void *body)
{
	struct fixture *f = c->data;

	feed_on_event(&f->feed, h, body);
}

static void state(struct client *c, bool online, const char *why)
{
	struct fixture *f = c->data;

	(void)why;
	feed_on_state(&f->feed, online);
}

static int set_up(void **st)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct client_options options = { .agent = "test/1",
					  .data = f,
					  .on_event = event,
					  .on_state = state };

	uv_loop_init(&f->loop);
	f->epoch = 1;
	f->peer.data = f;
	f->peer.on_request = answer;
	fake_peer_start(&f->peer, &f->loop);
	options.path = f->peer.path;
	assert_int_equal(client_start(&f->client, &f->loop, &options), 0);
	assert_int_equal(feed_start(&f->feed, &f->loop, &f->client), 0);
	client_open_principal(&f->client, &f->alice, PRINCIPAL_UID, 1, NULL,
			      NULL);
	*st = f;
	return 0;
}

static int tear_down(void **st)
{
	struct fixture *f = *st;

	for (size_t i = 0; i < SUBS; i++)
		feed_unsubscribe(&f->sub[i]);
	feed_close(&f->feed, NULL);
	client_close(&f->client, NULL);
	fake_peer_close(&f->peer);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void woken(struct feed_sub *sub)
{
	struct fixture *f = sub->data;

	f->wakes++;
	f->wide_wakes += feed_turn_is_wide(&f->feed);
	if (f->wake_unsubscribes_all)
		for (size_t i = 0; i < SUBS; i++)
			feed_unsubscribe(&f->sub[i]);
}

static void turned(struct feed *feed)
{
	container_of(feed, struct fixture, feed)->turned++;
}

static void subscribe_to(struct fixture *f, size_t i, uint64_t group_id,
			 uint64_t after)
{
	f->sub[i].data = f;
	assert_int_equal(feed_subscribe(&f->feed, &f->sub[i], &f->alice,
					group_id, after, woken),
			 0);
	assert_int_equal(f->sub[i].state, FEED_STARTING);
}

static void subscribe(struct fixture *f, size_t i, uint64_t after)
{
	subscribe_to(f, i, GROUP, after);
}

static void spin(struct fixture *f, int turns)
{
	for (int i = 0; i < turns; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void run_until_state(struct fixture *f, size_t i, enum feed_state want)
{
	uint64_t end = uv_now(&f->loop) + 5000;

	while (f->sub[i].state != want && uv_now(&f->loop) < end)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->sub[i].state, want);
}

/* Reads all up to `to`, each once, in order. */
static void read_to(struct fixture *f, size_t i, uint64_t to)
{
	uint64_t end = uv_now(&f->loop) + 5000;

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

static void tell_messages(struct fixture *f, uint64_t group_id, uint64_t from,
			  uint64_t to)
{
	struct wire_body_ev_messages ev = { .group_id = group_id };
	struct buf b = { 0 };

	put_messages(&b, from, to);
	ev.messages = buf_str(&b);
	f->last_seq = to;
	fake_peer_send(&f->peer, WIRE_EV_MESSAGES, 0, 0, &ev);
	buf_release(&b);
}

static void send_messages(struct fixture *f, uint64_t from, uint64_t to)
{
	tell_messages(f, GROUP, from, to);
	spin(f, 10);
}

static void all_subs_share_one_watch_and_the_messages(void **st)
{
	struct fixture *f = *st;
	struct feed_message *a, *b;

	subscribe(f, 0, 0);
	subscribe(f, 1, 0);
	run_until_state(f, 0, FEED_LIVE);
	send_messages(f, 1, 3);
	assert_int_equal(feed_read(&f->sub[0], &a), 1);
	assert_int_equal(feed_read(&f->sub[1], &b), 1);
	assert_ptr_equal(a, b);
	read_to(f, 0, 3);
	assert_true(feed_caught_up(&f->sub[0]));
	assert_int_equal(f->watches, 1);
	assert_int_equal(f->pulls, 0);
}

static void groups_that_grow_together_make_a_wide_turn(void **st)
{
	struct fixture *f = *st;

	feed_on_turned(&f->feed, turned);
	subscribe_to(f, 0, GROUP, 0);
	subscribe_to(f, 1, OTHER, 0);
	run_until_state(f, 0, FEED_LIVE);
	run_until_state(f, 1, FEED_LIVE);
	spin(f, 10);
	f->wakes = f->wide_wakes = f->turned = 0;
	send_messages(f, 1, 1);
	assert_int_equal(f->wakes, 1);
	assert_int_equal(f->wide_wakes, 0);
	assert_int_equal(f->turned, 0);
	/* One group twice is no other one. */
	tell_messages(f, OTHER, 1, 1);
	tell_messages(f, OTHER, 2, 2);
	spin(f, 10);
	assert_int_equal(f->wide_wakes, 0);
	f->wakes = 0;
	tell_messages(f, GROUP, 2, 2);
	tell_messages(f, OTHER, 3, 3);
	spin(f, 10);
	assert_int_equal(f->wakes, 2);
	assert_int_equal(f->wide_wakes, 2);
	assert_int_equal(f->turned, 1);
	assert_false(feed_turn_is_wide(&f->feed));
}

static void a_gap_is_pulled(void **st)
{
	struct fixture *f = *st;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	send_messages(f, 1, 2);
	send_messages(f, 1000, 1001);
	read_to(f, 0, 1001);
	assert_true(f->pulls > 0);
}

static void the_pointer_says_where_to_start(void **st)
{
	struct fixture *f = *st;

	f->last_seq = 90;
	f->pointer = 40;
	subscribe(f, 0, FEED_FROM_POINTER);
	run_until_state(f, 0, FEED_LIVE);
	assert_int_equal(f->sub[0].cursor, 40);
	assert_int_equal(f->sub[0].start_seq, 90);
	f->pull_errors = 1;
	read_to(f, 0, 90);
}

static void after_seq_beyond_the_end_is_refused(void **st)
{
	struct fixture *f = *st;

	f->last_seq = 3;
	subscribe(f, 0, 4);
	run_until_state(f, 0, FEED_ENDED);
	assert_int_equal(f->sub[0].err->code, ERR_BAD_REQUEST);
}

static void removal_ends_before_later_messages(void **st)
{
	struct fixture *f = *st;
	const struct wire_body_ev_member ev = { .group_id = GROUP,
						.user = str_of("alice"),
						.change = MEMBER_REMOVED };
	struct feed_message *m;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	send_messages(f, 1, 1);
	fake_peer_send(&f->peer, WIRE_EV_MEMBER, 0, 0, &ev);
	send_messages(f, 2, 2);
	assert_int_equal(feed_read(&f->sub[0], &m), -EACCES);
	assert_int_equal(f->sub[0].err->code, ERR_NOT_MEMBER);
}

static void deletion_ends_all(void **st)
{
	struct fixture *f = *st;
	const struct wire_body_ev_deleted ev = { .group_id = GROUP };

	subscribe(f, 0, 0);
	subscribe(f, 1, 0);
	run_until_state(f, 1, FEED_LIVE);
	fake_peer_send(&f->peer, WIRE_EV_DELETED, 0, 0, &ev);
	run_until_state(f, 0, FEED_ENDED);
	run_until_state(f, 1, FEED_ENDED);
	assert_int_equal(f->sub[1].err->code, ERR_NO_SUCH_GROUP);
}

static void a_reconnect_watches_again_and_goes_on(void **st)
{
	struct fixture *f = *st;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	send_messages(f, 1, 2);
	read_to(f, 0, 2);
	fake_peer_drop(&f->peer);
	f->last_seq = 7; /* sent meanwhile */
	while (f->watches < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	while (feed_caught_up(&f->sub[0]))
		uv_run(&f->loop, UV_RUN_ONCE);
	read_to(f, 0, 7);
}

static void another_epoch_ends_after_a_reconnect(void **st)
{
	struct fixture *f = *st;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	f->epoch = 2;
	fake_peer_drop(&f->peer);
	run_until_state(f, 0, FEED_ENDED);
	assert_int_equal(f->sub[0].err->code, ERR_EPOCH_CHANGED);
	assert_int_equal(f->sub[0].cut_epoch, 2);
	assert_int_equal(f->sub[0].cut_seq, 1);
	assert_true(f->sub[0].is_other_log);
}

/* It was exchanged, and no reconnect has said so yet. */
static void a_page_of_another_log_ends_who_reads_it(void **st)
{
	struct fixture *f = *st;
	struct feed_message *m;

	f->last_seq = 5;
	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	f->epoch = 2;
	assert_int_equal(feed_read(&f->sub[0], &m), 0);
	run_until_state(f, 0, FEED_ENDED);
	assert_int_equal(f->sub[0].err->code, ERR_EPOCH_CHANGED);
	assert_int_equal(f->sub[0].cut_epoch, 2);
	assert_true(f->sub[0].is_other_log);
}

/* Under the same name: a database that has lost what was read already. */
static void a_shorter_log_ends_after_a_reconnect(void **st)
{
	struct fixture *f = *st;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	send_messages(f, 1, 2);
	read_to(f, 0, 2);
	f->last_seq = 1;
	fake_peer_drop(&f->peer);
	run_until_state(f, 0, FEED_ENDED);
	assert_int_equal(f->sub[0].err->code, ERR_EPOCH_CHANGED);
	assert_int_equal(f->sub[0].cut_epoch, 1);
	assert_int_equal(f->sub[0].cut_seq, 1);
	/* Who goes on with cut_seq reads all of it once more. */
	assert_true(f->sub[0].is_other_log);
}

static void another_store_ends_all_at_once(void **st)
{
	struct fixture *f = *st;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	/* A watch of its own, which is not made yet. */
	f->sub[1].kind = WATCH_QUIET;
	subscribe(f, 1, 0);
	feed_on_restored(&f->feed);
	for (size_t i = 0; i < 2; i++) {
		run_until_state(f, i, FEED_ENDED);
		assert_int_equal(f->sub[i].err->code, ERR_EPOCH_CHANGED);
	}
}

static void a_refused_watch_ends_its_subs(void **st)
{
	struct fixture *f = *st;

	f->refuse_watch = ERR_NO_SUCH_GROUP;
	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_ENDED);
	assert_int_equal(f->sub[0].err->code, ERR_NO_SUCH_GROUP);
}

static void unread_puts_back_from_recent_and_page(void **st)
{
	struct fixture *f = *st;
	struct feed_message *m;

	f->last_seq = 2;
	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	read_to(f, 0, 1);
	feed_unread(&f->sub[0]);
	read_to(f, 0, 2);
	send_messages(f, 3, 3);
	read_to(f, 0, 3);
	feed_unread(&f->sub[0]);
	assert_int_equal(feed_read(&f->sub[0], &m), 1);
	assert_int_equal(m->m.seq, 3);
}

static void a_wake_may_unsubscribe_all(void **st)
{
	struct fixture *f = *st;

	for (size_t i = 0; i < SUBS; i++)
		subscribe(f, i, 0);
	f->wake_unsubscribes_all = true;
	while (f->wakes == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	for (int i = 0; i < 100 && f->unwatches == 0; i++)
		spin(f, 1);
	assert_int_equal(f->wakes, 1);
	assert_int_equal(f->unwatches, 1);
}

static void a_slow_sub_reads_all_through_pages(void **st)
{
	struct fixture *f = *st;

	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	for (uint64_t seq = 1; seq < 3 * FEED_RECENT_COUNT; seq += 1024)
		send_messages(f, seq, seq + 1023);
	read_to(f, 0, f->last_seq);
	/* The oldest were no longer recent: that bound held. */
	assert_true(f->pulls >= 2 * FEED_RECENT_COUNT / WIRE_PAGE_MAX);
}

/* So that groupd knows who reads along, and when the last of these ends. */
static void each_kind_is_watched_and_ended_for_itself(void **st)
{
	struct fixture *f = *st;

	f->last_seq = 3;
	f->sub[0].kind = WATCH_QUIET;
	subscribe(f, 0, 0);
	run_until_state(f, 0, FEED_LIVE);
	assert_int_equal(f->kinds[WATCH_PRESENT], 0);
	subscribe(f, 1, 0);
	run_until_state(f, 1, FEED_LIVE);
	f->sub[2].data = f;
	assert_int_equal(feed_subscribe(&f->feed, &f->sub[2], &f->alice, GROUP,
					0, woken),
			 0);
	assert_int_equal(f->sub[2].state, FEED_LIVE);
	assert_int_equal(f->kinds[WATCH_PRESENT], 1);
	assert_int_equal(f->kinds[WATCH_QUIET], 1);
	for (size_t i = 0; i < 3; i++)
		read_to(f, i, 3);
	feed_unsubscribe(&f->sub[1]);
	spin(f, 20);
	assert_int_equal(f->kinds[WATCH_PRESENT], 1);
	feed_unsubscribe(&f->sub[2]);
	spin(f, 20);
	assert_int_equal(f->kinds[WATCH_PRESENT], 0);
	assert_int_equal(f->kinds[WATCH_QUIET], 1);
	assert_true(feed_is_current(&f->sub[0]));
	feed_unsubscribe(&f->sub[0]);
	spin(f, 20);
	assert_int_equal(f->kinds[WATCH_QUIET], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(all_subs_share_one_watch_and_the_messages),
		T(groups_that_grow_together_make_a_wide_turn),
		T(a_gap_is_pulled),
		T(the_pointer_says_where_to_start),
		T(after_seq_beyond_the_end_is_refused),
		T(removal_ends_before_later_messages),
		T(deletion_ends_all),
		T(a_reconnect_watches_again_and_goes_on),
		T(another_epoch_ends_after_a_reconnect),
		T(a_page_of_another_log_ends_who_reads_it),
		T(a_shorter_log_ends_after_a_reconnect),
		T(another_store_ends_all_at_once),
		T(a_refused_watch_ends_its_subs),
		T(unread_puts_back_from_recent_and_page),
		T(a_wake_may_unsubscribe_all),
		T(a_slow_sub_reads_all_through_pages),
		T(each_kind_is_watched_and_ended_for_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
