/* SPDX-License-Identifier: MIT */
/* Two nodes and a real Redis. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/bus_fixture.h"

struct pair {
	uv_loop_t loop;
	struct redis_server redis;
	struct node a;
	struct node b;
};

static bool both_know(void *data)
{
	const struct pair *p = data;

	return p->a.bus.figures.nodes == 2 && p->b.bus.figures.nodes == 2;
}

static int start(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	uv_loop_init(&p->loop);
	redis_server_start(&p->redis, NULL);
	node_start(&p->a, &p->loop, p->redis.url);
	node_start(&p->b, &p->loop, p->redis.url);
	spin_until_state(&p->a, BUS_UP);
	spin_until_state(&p->b, BUS_UP);
	spin_until(&p->loop, both_know, p);
	*state = p;
	return 0;
}

static int stop(void **state)
{
	struct pair *p = *state;

	node_close(&p->a);
	node_close(&p->b);
	redis_server_stop(&p->redis);
	/* No handle is left. */
	assert_int_equal(uv_loop_close(&p->loop), 0);
	free(p);
	return 0;
}

/* Redis has heard of all that b wants, and nothing is on its way. */
static void settle(struct pair *p)
{
	unsigned tokens = p->b.tokens;

	spin_ms(&p->loop, 20);
	bus_publish_tokens(&p->a.bus);
	spin_until_count(&p->loop, &p->b.tokens, tokens + 1);
}

static void a_hint_of_each_kind_comes_to_the_other_node(void **state)
{
	struct pair *p = *state;
	struct str ann = str_of("ann");

	assert_int_equal(bus_subscribe_group(&p->b.bus, 7), 0);
	assert_int_equal(bus_subscribe_group(&p->a.bus, 7), 0);
	assert_int_equal(bus_subscribe_user(&p->b.bus, ann), 0);
	settle(p);
	bus_publish_group(&p->a.bus, 7, 12, 3);
	bus_publish_group(&p->a.bus, 8, 1, 1); /* nobody's */
	spin_until_count(&p->loop, &p->b.groups, 1);
	assert_int_equal(p->b.group, 7);
	assert_int_equal(p->b.a, 12);
	assert_int_equal(p->b.b, 3);
	bus_publish_user(&p->a.bus, ann, 9);
	spin_until_count(&p->loop, &p->b.users, 1);
	assert_int_equal(p->b.a, 9);
	assert_string_equal(p->b.user, "ann");
	bus_publish_mention(&p->a.bus, ann, 7, 13);
	spin_until_count(&p->loop, &p->b.mentions, 1);
	assert_int_equal(p->b.group, 7);
	assert_int_equal(p->b.a, 13);
	bus_publish_read(&p->a.bus, ann, 7, 14);
	spin_until_count(&p->loop, &p->b.reads, 1);
	assert_int_equal(p->b.a, 14);
	bus_publish_group(&p->a.bus, 7, 20, 3);
	bus_publish_deleted(&p->a.bus, 7);
	spin_until_count(&p->loop, &p->b.groups, 2);
	assert_int_equal(p->b.a, 0);
	assert_int_equal(p->b.b, 0);
	settle(p);
	/* None of its own, and none twice. */
	assert_int_equal(p->b.groups, 2);
	assert_int_equal(p->a.groups, 0);
	assert_int_equal(p->a.tokens, 0);
	assert_int_equal(p->b.bus.figures.rubbish, 0);
	bus_unsubscribe_group(&p->b.bus, 7);
	bus_unsubscribe_user(&p->b.bus, ann);
	settle(p);
	bus_publish_group(&p->a.bus, 7, 21, 3);
	settle(p);
	assert_int_equal(p->b.groups, 2);
	assert_int_equal(p->b.bus.figures.subscriptions, 0);
}

static void a_turn_of_the_loop_is_one_publish_a_group(void **state)
{
	struct pair *p = *state;
	unsigned before;

	assert_int_equal(bus_subscribe_group(&p->b.bus, 7), 0);
	settle(p);
	before = redis_server_calls(&p->redis, "publish");
	for (uint64_t seq = 1; seq <= 1000; seq++)
		bus_publish_group(&p->a.bus, 7, seq, 1001 - seq);
	spin_until_count(&p->loop, &p->b.groups, 1);
	assert_int_equal(p->b.a, 1000);
	assert_int_equal(p->b.b, 1000);
	/* Beats of the two nodes may be among them. */
	assert_in_range(redis_server_calls(&p->redis, "publish") - before, 1,
			5);
}

struct question {
	struct bus_online q;
	bool answered;
};

static void on_online(struct bus_online *q)
{
	container_of(q, struct question, q)->answered = true;
}

static bool is_answered(void *data)
{
	return ((struct question *)data)->answered;
}

static uint64_t online(struct pair *p, struct node *n, uint64_t local)
{
	struct question x = {
		.q = { .group_id = 7, .local = local, .cb = on_online }
	};

	list_init(&x.q.link);
	if (!bus_online(&n->bus, &x.q))
		spin_until(&p->loop, is_answered, &x);
	return x.q.count;
}

struct expected {
	struct pair *pair;
	struct node *node;
	uint64_t local;
	uint64_t count;
};

static bool is_online(void *data)
{
	const struct expected *e = data;

	return online(e->pair, e->node, e->local) == e->count;
}

static void until_online(struct pair *p, struct node *n, uint64_t local,
			 uint64_t count)
{
	struct expected e = { p, n, local, count };

	spin_until(&p->loop, is_online, &e);
}

static void arrive(struct node *n, unsigned from, unsigned to)
{
	char name[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		bus_arrive(&n->bus, 7, str_of(name));
	}
}

static void who_is_on_two_nodes_is_counted_once(void **state)
{
	struct pair *p = *state;

	arrive(&p->a, 0, 3);
	arrive(&p->b, 2, 4);
	until_online(p, &p->a, 3, 4);
	until_online(p, &p->b, 2, 4);
	/* He has left one of them; then the other. */
	bus_leave(&p->a.bus, 7, str_of("user2"));
	until_online(p, &p->b, 2, 4);
	bus_leave(&p->b.bus, 7, str_of("user2"));
	until_online(p, &p->b, 1, 3);
	assert_int_equal(p->a.bus.figures.present, 2);
	/* A node that stops takes its people with it. */
	node_close(&p->b);
	until_online(p, &p->a, 2, 2);
	assert_int_equal(p->a.bus.figures.nodes, 1);
	node_start(&p->b, &p->loop, p->redis.url);
}

static void ten_thousand_cost_eighty_commands(void **state)
{
	struct pair *p = *state;
	unsigned commands;

	arrive(&p->a, 0, 10000);
	arrive(&p->b, 5000, 10001);
	until_online(p, &p->b, 5001, 10001);
	commands = redis_server_calls(&p->redis, "sadd");
	assert_in_range(commands, 79 + 40, 79 + 40 + 2);
	/* Those who stay cost nothing a second later. */
	spin_ms(&p->loop, 1200);
	assert_int_equal(redis_server_calls(&p->redis, "sadd"), commands);
	for (unsigned i = 0; i < 10000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user%u", i);
		bus_leave(&p->a.bus, 7, str_of(name));
	}
	until_online(p, &p->a, 0, 5001);
}

static bool is_written(void *data)
{
	struct pair *p = data;
	char command[96];

	snprintf(command, sizeof(command), "SCARD groupfs:%016x:o:7:%016llx",
		 42, (unsigned long long)p->a.bus.node);
	return redis_server_ask(&p->redis, command) == 3;
}

static void a_flushed_redis_is_filled_again(void **state)
{
	struct pair *p = *state;

	arrive(&p->a, 0, 3);
	arrive(&p->b, 2, 4);
	until_online(p, &p->a, 3, 4);
	redis_server_ask(&p->redis, "FLUSHALL");
	assert_false(is_written(p));
	spin_until(&p->loop, is_written, p);
}

static void a_restart_is_survived(void **state)
{
	struct pair *p = *state;

	arrive(&p->a, 0, 3);
	arrive(&p->b, 2, 4);
	assert_int_equal(bus_subscribe_group(&p->b.bus, 7), 0);
	until_online(p, &p->b, 2, 4);
	redis_server_restart(&p->redis);
	spin_until_count(&p->loop, &p->a.downs, 1);
	spin_until_count(&p->loop, &p->b.downs, 1);
	bus_publish_group(&p->a.bus, 7, 1, 1);
	assert_int_equal(p->a.bus.figures.dropped, 1);
	assert_int_equal(online(p, &p->a, 3), 3);
	spin_until_count(&p->loop, &p->a.ups, 2);
	spin_until_count(&p->loop, &p->b.ups, 2);
	settle(p);
	bus_publish_group(&p->a.bus, 7, 2, 1);
	spin_until_count(&p->loop, &p->b.groups, 1);
	assert_int_equal(p->b.a, 2);
	spin_until(&p->loop, both_know, p);
	until_online(p, &p->b, 2, 4);
}

static void a_stopped_redis_is_noticed_and_not_buffered_for(void **state)
{
	struct pair *p = *state;

	kill(p->redis.pid, SIGSTOP);
	for (uint64_t g = 1; g <= 100000; g++) {
		bus_publish_group(&p->a.bus, g, 1, 1);
		if (g % 1000 == 0)
			uv_run(&p->loop, UV_RUN_NOWAIT);
	}
	/* Of 100,000, what is in a queue and in the socket at most. */
	assert_true(p->a.bus.figures.dropped > 50000);
	spin_until_count(&p->loop, &p->a.downs, 1);
	assert_string_equal(p->a.bus.figures.why, "it does not answer");
	kill(p->redis.pid, SIGCONT);
	spin_until_count(&p->loop, &p->a.ups, 2);
}

static bool refuses(void *data)
{
	return ((struct node *)data)->bus.figures.why[0] != '\0';
}

static bool refuses_nothing(void *data)
{
	return !refuses(data);
}

static void a_redis_that_refuses_writes_still_carries_hints(void **state)
{
	static const char *const rows[][3] = {
		{ "CONFIG SET maxmemory 1", "OOM ", "CONFIG SET maxmemory 0" },
		{ "REPLICAOF 127.0.0.1 1", "READONLY ", "REPLICAOF NO ONE" },
	};
	struct pair *p = *state;

	assert_int_equal(bus_subscribe_group(&p->b.bus, 7), 0);
	settle(p);
	for (size_t i = 0; i < 2; i++) {
		unsigned had = p->b.groups;

		redis_server_ask(&p->redis, rows[i][0]);
		arrive(&p->a, (unsigned)i * 10, (unsigned)i * 10 + 3);
		spin_until(&p->loop, refuses, &p->a);
		if (strncmp(p->a.bus.figures.why, rows[i][1],
			    strlen(rows[i][1])) != 0)
			fail_msg("it says %s", p->a.bus.figures.why);
		assert_int_equal(p->a.bus.figures.state, BUS_UP);
		bus_publish_group(&p->a.bus, 7, i + 1, 1);
		spin_until_count(&p->loop, &p->b.groups, had + 1);
		assert_int_equal(online(p, &p->a, 3), 3);
		redis_server_ask(&p->redis, rows[i][2]);
		spin_until(&p->loop, refuses_nothing, &p->a);
	}
}

static void a_password_is_needed_and_taken(void **state)
{
	static const struct {
		const char *login;
		const char *why; /* NULL: comes up */
	} rows[] = { { "", "NOAUTH" },
		     { ":wrong@", "WRONGPASS" },
		     { "nobody:se%20cret@", "WRONGPASS" },
		     { ":se%20cret@", NULL },
		     { "default:se%20cret@", NULL } };
	struct redis_server redis;
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	redis_server_start(&redis, "se cret");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char url[160];
		struct node n;

		snprintf(url, sizeof(url), "unix://%s%s", rows[i].login,
			 redis.path);
		node_start(&n, &loop, url);
		if (rows[i].why == NULL) {
			spin_until_state(&n, BUS_UP);
		} else {
			spin_ms(&loop, 150);
			assert_non_null(strstr(n.bus.figures.why, rows[i].why));
			assert_int_equal(n.ups, 0);
		}
		node_close(&n);
	}
	redis_server_stop(&redis);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, start, stop)
		WITH_PAIR(a_hint_of_each_kind_comes_to_the_other_node),
		WITH_PAIR(a_turn_of_the_loop_is_one_publish_a_group),
		WITH_PAIR(who_is_on_two_nodes_is_counted_once),
		WITH_PAIR(ten_thousand_cost_eighty_commands),
		WITH_PAIR(a_flushed_redis_is_filled_again),
		WITH_PAIR(a_restart_is_survived),
		WITH_PAIR(a_stopped_redis_is_noticed_and_not_buffered_for),
		WITH_PAIR(a_redis_that_refuses_writes_still_carries_hints),
		cmocka_unit_test(a_password_is_needed_and_taken),
#undef WITH_PAIR
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
