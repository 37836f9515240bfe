/* SPDX-License-Identifier: MIT */
/*
 * A seeded random life of a feed: subscribers come and go, also inside their
 * wakes; groups grow, are cut and restored; members are removed and added;
 * the connection is lost, or spoilt. Whatever happens, each sub sees every
 * seq once and in order, nothing that was sent after its removal, and in the
 * end all there is.
 *
 * STRESS_SEED=n and STRESS_STEPS=n try another life, or a longer one. The
 * seed says what happens; when the answers come is up to the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "lib/client.h"
#include "lib/feed.h"
#include "tests/support/fake_groups.h"

enum { SLOTS = 60, SEEDS = 4, STEPS = 4000, LIMIT_MS = 20000 };

struct slot {
	struct feed_sub sub;
	struct life *life;
	unsigned group, user;
	bool used, live;
	bool from_pointer;
	uint64_t after;	    /* what it asked for */
	uint64_t seen;	    /* the last seq that it got, once live */
	uint64_t epoch;	    /* once live */
	uint64_t limit;	    /* what came after it was removed */
	unsigned upheavals; /* of its group, when it subscribed */
};

struct life {
	uv_loop_t loop;
	struct fake_groups groups;
	struct client client;
	struct feed feed;
	struct client_principal who[FAKE_USERS];
	struct slot slot[SLOTS];
	unsigned upheavals[FAKE_GROUPS]; /* cut or restored */
	uint64_t random;
	uint64_t got;	 /* messages */
	unsigned ended;	 /* subs */
	unsigned spoilt; /* the connection on which rubbish was sent */
	bool calm;	 /* wakes only read */
};

static unsigned pick(struct life *l, unsigned n)
{
	l->random = l->random * UINT64_C(6364136223846793005) +
		    UINT64_C(1442695040888963407);
	return (unsigned)((l->random >> 33) % n);
}

static void event(struct client *c, const struct wire_header *h,
		  const void *body)
{
	feed_on_event(&((struct life *)c->data)->feed, h, body);
}

static void state(struct client *c, bool online, const char *why)
{
	(void)why;
	feed_on_state(&((struct life *)c->data)->feed, online);
}

/* The subscribers. */

static void leave(struct slot *s)
{
	feed_unsubscribe(&s->sub);
	memset(&s->sub, 0xa5, sizeof(s->sub)); /* it is ours: nobody looks */
	s->used = false;
}

static void check_end(struct slot *s)
{
	struct life *l = s->life;
	enum err_code code = s->sub.err->code;

	l->ended++;
	if (code == ERR_EPOCH_CHANGED || code == ERR_BAD_REQUEST)
		assert_true(l->upheavals[s->group] != s->upheavals);
	else
		assert_true(code == ERR_NOT_MEMBER ||
			    code == ERR_NO_SUCH_GROUP);
	leave(s);
}

/* It has just become live: it starts where it asked to. */
static void check_start(struct slot *s)
{
	const struct fake_group *g = &s->life->groups.g[s->group];
	bool same = s->life->upheavals[s->group] == s->upheavals;

	s->live = true;
	s->seen = s->sub.cursor;
	s->epoch = feed_group_of(&s->sub)->epoch;
	/* From the start, that is where the log begins by now. */
	if (!s->from_pointer && (s->after > 0 || same))
		assert_int_equal(s->seen, s->after);
	else if (same)
		assert_true(s->seen <= g->pointer[s->user] ||
			    s->seen == g->first_seq - 1);
}

static void check_message(struct slot *s, const struct feed_message *m)
{
	char want[80];
	int n = snprintf(want, sizeof(want), "%u %llu %llu", s->group,
			 (unsigned long long)s->epoch,
			 (unsigned long long)s->seen + 1);

	assert_int_equal(m->m.seq, s->seen + 1);
	assert_int_equal(m->m.content.len, n);
	assert_memory_equal(m->m.content.data, want, (size_t)n);
	assert_true(m->m.seq <= s->limit);
	s->seen = m->m.seq;
	s->life->got++;
}

/* As one does who hands the same messages to many subs. */
static void skip_some(struct slot *s, unsigned count)
{
	const struct feed_message *m;
	uint64_t seq = s->sub.cursor;

	while (count-- > 0 && (m = feed_peek(&s->sub, seq + 1)) != NULL) {
		check_message(s, m);
		seq++;
	}
	if (seq > s->sub.cursor)
		assert_true(feed_skip(&s->sub, seq));
	assert_int_equal(s->sub.cursor, seq);
}

/* False: the sub has ended and left. */
static bool read_some(struct slot *s, unsigned count)
{
	struct feed_message *m = NULL;
	int rc = 1;

	if (s->sub.state == FEED_LIVE && !s->live)
		check_start(s);
	if (s->sub.state == FEED_LIVE && pick(s->life, 2) == 0)
		skip_some(s, count);
	while (count-- > 0 && (rc = feed_read(&s->sub, &m)) == 1)
		check_message(s, m);
	if (rc < 0) {
		check_end(s);
		return false;
	}
	/* One that does not fit is put back; also one that was the last. */
	if (m != NULL && !s->life->calm && pick(s->life, 5) == 0) {
		feed_unread(&s->sub);
		s->seen--;
		s->life->got--;
	}
	return true;
}

static void woken(struct feed_sub *sub);

static void come(struct life *l)
{
	struct slot *s = &l->slot[pick(l, SLOTS)];
	struct fake_group *g;

	if (s->used)
		return;
	*s = (struct slot){ .life = l,
			    .group = pick(l, FAKE_GROUPS),
			    .user = pick(l, FAKE_USERS),
			    .used = true,
			    .from_pointer = pick(l, 3) == 0,
			    .limit = UINT64_MAX };
	g = &l->groups.g[s->group];
	s->upheavals = l->upheavals[s->group];
	/* The feed may still think of the log that was there before. */
	if (!l->groups.peer.has_conn)
		s->upheavals = UINT32_MAX;
	s->after = g->last_seq - pick(l, 600);
	if (s->after + 1 < g->first_seq || s->after > g->last_seq)
		s->after = g->first_seq - 1;
	assert_int_equal(
		feed_subscribe(
			&l->feed, &s->sub, &l->who[s->user], s->group + 1,
			s->from_pointer ? FEED_FROM_POINTER : s->after, woken),
		0);
}

static struct slot *anyone(struct life *l)
{
	struct slot *s = &l->slot[pick(l, SLOTS)];

	return s->used ? s : NULL;
}

static void woken(struct feed_sub *sub)
{
	struct slot *s = container_of(sub, struct slot, sub);
	struct life *l = s->life;
	struct slot *other;

	if (l->calm) {
		read_some(s, UINT32_MAX);
		return;
	}
	/* Many are slow: they read little, or not now. */
	if (!read_some(s, pick(l, 3) == 0 ? 0 : pick(l, 40)))
		return;
	switch (pick(l, 40)) {
	case 0:
		leave(s);
		break;
	case 1:
		other = anyone(l);
		if (other != NULL)
			leave(other);
		break;
	case 2:
		come(l);
		break;
	default:
		break;
	}
}

/* What happens to them. */

static void forget_limits(struct life *l)
{
	for (size_t i = 0; i < SLOTS; i++)
		l->slot[i].limit = UINT64_MAX;
}

/* Memberships are looked at anew after it. */
static void drop(struct life *l)
{
	fake_peer_drop(&l->groups.peer);
	forget_limits(l);
}

static void remove_one(struct life *l)
{
	unsigned g = pick(l, FAKE_GROUPS), u = pick(l, FAKE_USERS);
	bool told = fake_groups_remove(&l->groups, g, u);

	/* What comes behind rubbish is not read any more. */
	told = told && l->groups.peer.connected != l->spoilt;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &l->slot[i];

		if (told && s->used && s->live && s->group == g && s->user == u)
			s->limit = l->groups.g[g].last_seq;
	}
}

static void add_all(struct life *l, unsigned g)
{
	for (unsigned u = 0; u < FAKE_USERS; u++)
		l->groups.g[g].member[u] = true;
}

static void spoil(struct life *l, unsigned g)
{
	fake_groups_publish_rubbish(&l->groups, g);
	l->spoilt = l->groups.peer.connected;
	forget_limits(l);
}

static void cut(struct life *l, unsigned at)
{
	struct fake_group *g = &l->groups.g[at];

	if (g->last_seq == 0)
		return;
	l->upheavals[at]++;
	g->first_seq += pick(l, (unsigned)(g->last_seq - g->first_seq) + 1);
}

/* groupd was restored from a backup: the log is another one. */
static void restore(struct life *l, unsigned at)
{
	struct fake_group *g = &l->groups.g[at];

	l->upheavals[at]++;
	drop(l);
	g->epoch++;
	g->first_seq = 1;
	g->last_seq = pick(l, 300);
	memset(g->pointer, 0, sizeof(g->pointer));
}

static void read_pointer(struct life *l, unsigned at)
{
	struct fake_group *g = &l->groups.g[at];
	uint64_t *pointer = &g->pointer[pick(l, FAKE_USERS)];

	*pointer += pick(l, (unsigned)(g->last_seq - *pointer) + 1);
}

static void happen(struct life *l)
{
	unsigned g = pick(l, FAKE_GROUPS);
	unsigned what = pick(l, 1000);
	struct slot *s;

	if (what < 300) {
		come(l);
	} else if (what < 380) {
		s = anyone(l);
		if (s != NULL)
			leave(s);
	} else if (what < 650) {
		fake_groups_publish(&l->groups, g, 1 + pick(l, 40),
				    pick(l, 4) == 0);
	} else if (what < 850) {
		s = anyone(l);
		if (s != NULL)
			read_some(s, pick(l, 100));
	} else if (what < 880) {
		remove_one(l);
	} else if (what < 920) {
		add_all(l, g);
	} else if (what < 960) {
		read_pointer(l, g);
	} else if (what < 970) {
		l->groups.hold = !l->groups.hold;
	} else if (what < 980) {
		l->groups.pull_errors = 1;
	} else if (what < 985) {
		fake_groups_publish(&l->groups, g, 5000, pick(l, 2) == 0);
	} else if (what < 990) {
		cut(l, g);
	} else if (what < 994) {
		drop(l);
	} else if (what < 997) {
		spoil(l, g);
	} else {
		restore(l, g);
	}
}

/* The life. */

static void begin(struct life *l, uint64_t seed)
{
	struct client_options options = { .agent = "test/1",
					  .data = l,
					  .on_event = event,
					  .on_state = state };

	signal(SIGPIPE, SIG_IGN);
	l->random = seed;
	uv_loop_init(&l->loop);
	fake_groups_start(&l->groups, &l->loop);
	options.path = l->groups.peer.path;
	assert_int_equal(client_start(&l->client, &l->loop, &options), 0);
	assert_int_equal(feed_start(&l->feed, &l->loop, &l->client), 0);
	for (unsigned u = 0; u < FAKE_USERS; u++)
		assert_int_equal(client_open_principal(&l->client, &l->who[u],
						       PRINCIPAL_UID, u, NULL,
						       NULL),
				 0);
}

static bool all_have_all(struct life *l)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &l->slot[i];

		if (s->used &&
		    (!s->live || s->seen != l->groups.g[s->group].last_seq))
			return false;
	}
	return true;
}

static void tick(uv_timer_t *timer)
{
	(void)timer; /* so that a wake that does not come ends the test */
}

/* All is well again: whoever is left gets all there is. Who was slow reads
 * once; after that a wake must come for each message. */
static void settle(struct life *l)
{
	uint64_t end = uv_now(&l->loop) + LIMIT_MS;
	uv_timer_t timer;

	uv_timer_init(&l->loop, &timer);
	uv_timer_start(&timer, tick, 50, 50);
	l->calm = true;
	l->groups.hold = false;
	for (unsigned g = 0; g < FAKE_GROUPS; g++)
		add_all(l, g);
	while (fake_groups_answer(&l->groups))
		;
	for (size_t i = 0; i < SLOTS; i++)
		if (l->slot[i].used)
			read_some(&l->slot[i], UINT32_MAX);
	while (!l->client.online && uv_now(&l->loop) < end)
		uv_run(&l->loop, UV_RUN_ONCE);
	for (unsigned g = 0; g < FAKE_GROUPS; g++)
		fake_groups_publish(&l->groups, g, 1, false);
	while (!all_have_all(l) && uv_now(&l->loop) < end)
		uv_run(&l->loop, UV_RUN_ONCE);
	assert_true(all_have_all(l));
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&l->loop, UV_RUN_NOWAIT);
}

static void finish(struct life *l)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (l->slot[i].used)
			leave(&l->slot[i]);
	feed_close(&l->feed, NULL);
	client_close(&l->client, NULL);
	fake_groups_close(&l->groups);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static void live_through(uint64_t seed, uint64_t steps)
{
	struct life *l = calloc(1, sizeof(*l));

	print_message("seed %llu\n", (unsigned long long)seed);
	begin(l, seed);
	for (uint64_t i = 0; i < steps; i++) {
		happen(l);
		if (l->groups.hold && pick(l, 3) == 0)
			fake_groups_answer(&l->groups);
		for (unsigned turns = pick(l, 4); turns > 0; turns--)
			uv_run(&l->loop, UV_RUN_NOWAIT);
		/* Time to come back after a lost connection, mostly. */
		while (!l->client.online && pick(l, 20) != 0)
			uv_run(&l->loop, UV_RUN_ONCE);
	}
	settle(l);
	/* It was a life, not a sleep. */
	assert_true(l->got > steps && l->ended > steps / 200);
	assert_true(l->groups.pulls > 0 && l->groups.peer.connected > 1);
	finish(l);
	free(l);
}

static void each_sub_sees_every_seq_once_in_order(void **st)
{
	uint64_t steps = number("STRESS_STEPS", STEPS);

	(void)st;
	if (getenv("STRESS_SEED") != NULL) {
		live_through(number("STRESS_SEED", 0), steps);
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		live_through(seed, steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sub_sees_every_seq_once_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
