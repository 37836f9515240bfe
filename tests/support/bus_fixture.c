/* SPDX-License-Identifier: MIT */
#include "tests/support/bus_fixture.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/text.h"

static void note(struct node *n, uint64_t group, uint64_t a, uint64_t b)
{
	n->group = group;
	n->a = a;
	n->b = b;
}

static void on_group(void *data, uint64_t group_id, uint64_t last_seq,
		     uint64_t member_version)
{
	struct node *n = data;

	n->groups++;
	note(n, group_id, last_seq, member_version);
}

static void on_user(void *data, struct str user, uint64_t version)
{
	struct node *n = data;

	n->users++;
	assert_true(str_to_cstr(user, n->user, sizeof(n->user)));
	note(n, 0, version, 0);
}

static void on_mention(void *data, struct str user, uint64_t group_id,
		       uint64_t seq)
{
	struct node *n = data;

	n->mentions++;
	assert_true(str_to_cstr(user, n->user, sizeof(n->user)));
	note(n, group_id, seq, 0);
}

static void on_read(void *data, struct str user, uint64_t group_id,
		    uint64_t seq)
{
	struct node *n = data;

	n->reads++;
	assert_true(str_to_cstr(user, n->user, sizeof(n->user)));
	note(n, group_id, seq, 0);
}

static void on_tokens(void *data)
{
	((struct node *)data)->tokens++;
}

static void on_state(void *data, bool up)
{
	struct node *n = data;

	n->ups += up;
	n->downs += !up;
}

static const struct bus_ops ops = {
	.on_group = on_group,
	.on_user = on_user,
	.on_mention = on_mention,
	.on_read = on_read,
	.on_tokens = on_tokens,
	.on_state = on_state,
};

void node_start(struct node *n, uv_loop_t *loop, const char *url)
{
	const struct bus_options options = {
		.url = url,
		.store = 42,
		.env = env_system(),
		.ops = &ops,
		.data = n,
		.beat_ms = 250,
	};
	struct err err;

	signal(SIGPIPE, SIG_IGN); /* as groupd does */
	*n = (struct node){ 0 };
	if (bus_start(&n->bus, loop, &options, &err) < 0)
		fail_msg("%s", err.text);
}

static void on_closed(struct bus *bus)
{
	container_of(bus, struct node, bus)->closed = true;
}

static bool is_closed(void *data)
{
	return ((struct node *)data)->closed;
}

void node_close(struct node *n)
{
	uv_loop_t *loop = n->bus.loop;

	bus_close(&n->bus, on_closed);
	spin_until(loop, is_closed, n);
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
}

/* True: the time is over, and done() has not come true. */
static bool spin(uv_loop_t *loop, bool (*done)(void *data), void *data,
		 uint64_t ms)
{
	uv_timer_t timer;
	uint64_t end;
	bool late = false;

	uv_update_time(loop);
	end = uv_now(loop) + ms;
	uv_timer_init(loop, &timer);
	uv_timer_start(&timer, on_timer, 5, 5);
	while (!late && (done == NULL || !done(data))) {
		uv_run(loop, UV_RUN_ONCE);
		late = uv_now(loop) > end;
	}
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	return late;
}

void spin_until(uv_loop_t *loop, bool (*done)(void *data), void *data)
{
	if (spin(loop, done, data, 15000))
		fail_msg("waited 15 s for what did not come");
}

void spin_ms(uv_loop_t *loop, uint64_t ms)
{
	(void)spin(loop, NULL, NULL, ms);
}

struct wanted {
	const unsigned *counter;
	unsigned value;
};

static bool is_reached(void *data)
{
	const struct wanted *w = data;

	return *w->counter >= w->value;
}

void spin_until_count(uv_loop_t *loop, const unsigned *counter, unsigned value)
{
	struct wanted w = { counter, value };

	spin_until(loop, is_reached, &w);
}

static bool is_up(void *data)
{
	return ((struct node *)data)->bus.figures.state == BUS_UP;
}

static bool is_down(void *data)
{
	return !is_up(data);
}

void spin_until_state(struct node *n, enum bus_state state)
{
	spin_until(n->bus.loop, state == BUS_UP ? is_up : is_down, n);
}

/* The server. */

static redisContext *talk_to(const struct redis_server *s)
{
	return redisConnectUnix(s->path);
}

static void run(const struct redis_server *s, const char *password)
{
	char *args[] = { (char[]){ "redis-server" },
			 (char[]){ "--port" },
			 (char[]){ "0" },
			 (char[]){ "--unixsocket" },
			 (char *)s->path,
			 (char[]){ "--save" },
			 (char[]){ "" },
			 (char[]){ "--dir" },
			 (char *)s->dir,
			 (char[]){ "--loglevel" },
			 (char[]){ "warning" },
			 (char[]){ "--logfile" },
			 (char[]){ "log" },
			 (char[]){ "--requirepass" },
			 (char *)password,
			 NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (password == NULL)
		args[13] = NULL;
	/* Debian has it under two names; by this one it is no service. */
	execvp("redis-check-rdb", args);
	_exit(127);
}

static void begin(struct redis_server *s, const char *password)
{
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		run(s, password);
	for (unsigned i = 0; i < 1000; i++) {
		redisContext *c = talk_to(s);
		bool there = c != NULL && c->err == 0;

		redisFree(c);
		if (there)
			return;
		usleep(10000);
	}
	fail_msg("redis-server does not start: apt-get install redis-tools");
}

void redis_server_start(struct redis_server *s, const char *password)
{
	*s = (struct redis_server){ .dir = "/tmp/groupfs-redis-XXXXXX" };
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	snprintf(s->url, sizeof(s->url), "unix://%s", s->path);
	begin(s, password);
}

static void end(struct redis_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	unlink(s->path);
}

void redis_server_restart(struct redis_server *s)
{
	end(s);
	begin(s, NULL);
}

void redis_server_stop(struct redis_server *s)
{
	char log[96];

	end(s);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	unlink(log);
	rmdir(s->dir);
}

long long redis_server_ask(struct redis_server *s, const char *command)
{
	redisContext *c = talk_to(s);
	redisReply *reply;
	long long number;

	assert_non_null(c);
	assert_int_equal(c->err, 0);
	reply = redisCommand(c, command);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", command, reply->str);
	number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	freeReplyObject(reply);
	redisFree(c);
	return number;
}

unsigned redis_server_calls(struct redis_server *s, const char *name)
{
	redisContext *c = talk_to(s);
	redisReply *reply = redisCommand(c, "INFO commandstats");
	char key[64];
	const char *at;
	unsigned calls = 0;

	assert_non_null(reply);
	snprintf(key, sizeof(key), "cmdstat_%s:calls=", name);
	at = strstr(reply->str, key);
	if (at != NULL)
		calls = (unsigned)strtoul(at + strlen(key), NULL, 10);
	freeReplyObject(reply);
	redisFree(c);
	return calls;
}
