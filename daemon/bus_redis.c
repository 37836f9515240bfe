/* SPDX-License-Identifier: MIT */
/*
 * The two connections to Redis, one for commands and one for what is
 * subscribed (RESP2 allows nothing else on it), and, with bus_redis_in.c, the
 * only user of hiredis:
 *
 *   WAITING --timer--> RESOLVING -> COMMANDS -> HINTS -> UP
 *      ^                   (AUTH, SELECT, PING) (AUTH, SUBSCRIBE)
 *      \---- CLOSING <---- whatever goes wrong, on either
 *
 * Of hiredis we use what takes its protocol apart and puts it together. Its
 * own asynchronous half (0.14) is not for a peer that may lie: it looks names
 * up blocking, has no bound on what it buffers, and asserts that what comes on
 * a subscribed connection has the right types, so that three bytes of rubbish
 * would end groupd.
 *
 * Redis is taken for dead when it does not answer for DEAD_MS. Bounds: output
 * OUT_MAX a connection, FIFO_MAX commands under way, REPLY_MAX a reply.
 */
#include "daemon/bus_redis.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/env.h"

enum {
	OUT_MAX = 1 << 20,
	SLOW_OUT_MAX = 64 << 10,
	SLOW_FIFO_MAX = 64,
	CONNECT_MS = 2000,
	TICK_MS = 1000,
	DEAD_MS = 3000,
	RETRY_MS = 100,
	RETRY_MAX_MS = 5000,
	STEADY_MS = 10000 /* up for so long: the next retry is soon */
};

static void on_timer(uv_timer_t *timer);
static void try_again(struct redis *r);

static bool is_unix(const struct redis *r)
{
	return r->url.host[0] == '\0';
}

static uint64_t now(const struct redis *r)
{
	return uv_now(r->bus->loop);
}

/* Going down. */

static void release_link(struct redis_link *l)
{
	buf_release(&l->out);
	buf_release(&l->writing);
	if (l->reader != NULL)
		redisReaderFree(l->reader);
	l->reader = NULL;
}

static void free_redis(struct redis *r)
{
	struct bus *bus = r->bus;

	uv_freeaddrinfo(r->lookup.addrinfo);
	explicit_bzero(&r->url, sizeof(r->url));
	free(r);
	bus->redis = NULL;
	bus_part_closed(bus);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free_redis(handle->data);
}

/* Once neither connection nor look-up is left. */
static void closed(struct redis *r)
{
	if (r->state != CLOSING || r->commands.has_handle ||
	    r->hints.has_handle || r->looking_up)
		return;
	if (r->closing) {
		r->state = CLOSED;
		uv_close((uv_handle_t *)&r->timer, on_timer_closed);
		return;
	}
	try_again(r);
}

static void on_link_closed(uv_handle_t *handle)
{
	struct redis_link *l = handle->data;

	release_link(l);
	l->has_handle = false;
	closed(l->redis);
}

static void close_link(struct redis_link *l)
{
	l->open = false;
	if (l->has_handle && !uv_is_closing(&l->io.handle))
		uv_close(&l->io.handle, on_link_closed);
}

static void close_all(struct redis *r)
{
	r->state = CLOSING;
	r->first = 0;
	r->count = 0;
	uv_timer_stop(&r->timer);
	if (r->looking_up)
		(void)uv_cancel((uv_req_t *)&r->lookup);
	close_link(&r->commands);
	close_link(&r->hints);
	closed(r);
}

/* Whatever went wrong; with it both connections go. */
void redis_fail(struct redis *r, const char *why)
{
	if (r->state == CLOSING || r->state == CLOSED)
		return;
	if (r->state == UP && now(r) - r->up_ms > STEADY_MS)
		r->attempts = 0;
	close_all(r);
	bus_went_down(r->bus, why);
}

static void fail_connecting(struct redis *r, int status)
{
	char why[BUS_WHY_MAX];

	(void)snprintf(why, sizeof(why), "cannot connect: %s",
		       uv_strerror(status));
	redis_fail(r, why);
}

/* Out. */

static bool put(struct redis_link *l, const struct str *args, size_t count)
{
	const char *data[REDIS_ARGS_MAX];
	size_t lens[REDIS_ARGS_MAX];
	char *text;
	int len;

	assert(count > 0 && count <= REDIS_ARGS_MAX);
	for (size_t i = 0; i < count; i++) {
		data[i] = args[i].data;
		lens[i] = args[i].len;
	}
	len = redisFormatCommandArgv(&text, (int)count, data, lens);
	if (len < 0)
		return false;
	buf_append(&l->out, text, (size_t)len);
	redisFreeCommand(text);
	return !l->out.failed;
}

static size_t backlog(const struct redis_link *l)
{
	return l->out.len + l->writing.len;
}

static void flush(struct redis_link *l);

static void on_written(uv_write_t *write, int status)
{
	struct redis_link *l = write->data;

	l->is_writing = false;
	buf_clear(&l->writing);
	if (!l->open)
		return;
	if (status < 0) {
		redis_fail(l->redis, uv_strerror(status));
		return;
	}
	flush(l);
	bus_wake(l->redis->bus);
}

static void flush(struct redis_link *l)
{
	struct buf full = l->out;
	uv_buf_t piece;
	int rc;

	/* Sticky: without memory no command is in it by half. */
	if (l->open && full.failed) {
		redis_fail(l->redis, "no memory");
		return;
	}
	if (!l->open || l->is_writing || full.len == 0)
		return;
	l->out = l->writing;
	l->writing = full;
	piece = uv_buf_init(full.data, (unsigned)full.len);
	l->write.data = l;
	l->is_writing = true;
	rc = uv_write(&l->write, &l->io.stream, &piece, 1, on_written);
	if (rc < 0) {
		l->is_writing = false;
		redis_fail(l->redis, uv_strerror(rc));
	}
}

void redis_flush(struct redis *r)
{
	flush(&r->commands);
	flush(&r->hints);
}

static void expect(struct redis *r, const struct redis_command *c)
{
	assert(r->count < FIFO_MAX);
	if (r->count == 0)
		r->commands.heard_ms = now(r);
	r->fifo[(r->first + r->count++) % FIFO_MAX] =
		(struct expected){ .expect = c->expect,
				   .cb = c->cb,
				   .key = c->key,
				   .value = c->value };
}

static bool send_now(struct redis *r, const struct redis_command *c)
{
	if (r->count == FIFO_MAX || backlog(&r->commands) > OUT_MAX ||
	    !put(&r->commands, c->args, c->count))
		return false;
	expect(r, c);
	return true;
}

bool redis_has_room(const struct redis *r)
{
	return r->state == UP && r->count < FIFO_MAX &&
	       backlog(&r->commands) < OUT_MAX;
}

bool redis_has_slow_room(const struct redis *r)
{
	return r->state == UP && r->count < SLOW_FIFO_MAX &&
	       backlog(&r->commands) < SLOW_OUT_MAX;
}

bool redis_has_subscribe_room(const struct redis *r)
{
	return r->state == UP && backlog(&r->hints) < SLOW_OUT_MAX;
}

bool redis_send(struct redis *r, const struct redis_command *command)
{
	if (r->state != UP || !send_now(r, command))
		return false;
	bus_wake(r->bus);
	return true;
}

bool redis_subscribe(struct redis *r, const struct str *args, size_t count)
{
	if (!redis_has_subscribe_room(r) || !put(&r->hints, args, count))
		return false;
	bus_wake(r->bus);
	return true;
}

void redis_forgive(struct redis *r)
{
	if (!r->refused)
		bus_refusal(r->bus, "");
	r->refused = false;
}

/* Up. */

void redis_came_up(struct redis *r)
{
	r->state = UP;
	r->up_ms = now(r);
	r->tick_ms = now(r);
	uv_timer_start(&r->timer, on_timer, TICK_MS, TICK_MS);
	bus_came_up(r->bus);
}

/* Coming up, in the order of time. */

static void on_connected(uv_connect_t *connect, int status);

static int connect_tcp(struct redis_link *l, const struct addrinfo *list)
{
	const struct addrinfo *at = list;
	unsigned n = 0;

	/* One address a try: the next one is the next in the list. */
	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
		n++;
	assert(n > 0);
	for (n = (l->redis->attempts - 1) % n; n > 0; n--)
		at = at->ai_next;
	(void)uv_tcp_nodelay(&l->io.tcp, 1);
	return uv_tcp_connect(&l->connect, &l->io.tcp, at->ai_addr,
			      on_connected);
}

static void start_link(struct redis_link *l)
{
	struct redis *r = l->redis;
	uv_loop_t *loop = r->bus->loop;
	int rc;

	if (is_unix(r))
		rc = uv_pipe_init(loop, &l->io.pipe, 0);
	else
		rc = uv_tcp_init(loop, &l->io.tcp);
	assert(rc == 0);
	l->io.handle.data = l;
	l->connect.data = l;
	l->has_handle = true;
	if (!redis_make_reader(l)) {
		redis_fail(r, "no memory");
		return;
	}
	if (is_unix(r)) {
		uv_pipe_connect(&l->connect, &l->io.pipe, r->url.path,
				on_connected);
		return;
	}
	rc = connect_tcp(l, r->lookup.addrinfo);
	if (rc < 0)
		fail_connecting(r, rc);
}

static void greet(struct redis_link *l)
{
	const struct bus_url *url = &l->redis->url;
	struct str args[3] = { str_of("AUTH"), str_of(url->user),
			       str_of(url->password) };
	struct redis_command auth = { .args = args,
				      .count = 3,
				      .expect = EXPECT_STATUS };

	if (url->password[0] == '\0')
		return;
	if (url->user[0] == '\0') {
		args[1] = args[2];
		auth.count = 2;
	}
	if (l == &l->redis->commands)
		(void)send_now(l->redis, &auth);
	else
		(void)put(l, auth.args, auth.count);
}

static void on_ready(struct bus *bus, const struct redis_answer *answer,
		     uint64_t key, uint64_t value)
{
	struct redis *r = bus->redis;

	(void)answer; /* an error has ended it */
	(void)key;
	(void)value;
	assert(r->state == COMMANDS);
	r->state = HINTS;
	start_link(&r->hints);
}

static void greet_commands(struct redis *r)
{
	struct buf db = { 0 };
	struct str args[2] = { str_of("SELECT") };
	struct str ping = str_of("PING");

	greet(&r->commands);
	buf_printf(&db, "%u", r->url.db);
	args[1] = buf_str(&db);
	if (r->url.db != 0)
		(void)send_now(
			r, &(struct redis_command){ .args = args,
						    .count = 2,
						    .expect = EXPECT_STATUS });
	buf_release(&db);
	(void)send_now(r, &(struct redis_command){ .args = &ping,
						   .count = 1,
						   .expect = EXPECT_STATUS,
						   .cb = on_ready });
}

static void greet_hints(struct redis *r)
{
	struct buf tokens = { 0 };
	struct buf nodes = { 0 };
	struct str args[3] = { str_of("SUBSCRIBE") };

	greet(&r->hints);
	bus_name(r->bus, &tokens, "t");
	bus_name(r->bus, &nodes, "n");
	args[1] = buf_str(&tokens);
	args[2] = buf_str(&nodes);
	(void)put(&r->hints, args, 3);
	buf_release(&tokens);
	buf_release(&nodes);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct redis_link *l = connect->data;
	struct redis *r = l->redis;

	if (r->state != COMMANDS && r->state != HINTS)
		return;
	if (status == 0)
		status = redis_read_start(l);
	if (status < 0) {
		fail_connecting(r, status);
		return;
	}
	l->open = true;
	l->heard_ms = now(r);
	if (l == &r->commands)
		greet_commands(r);
	else
		greet_hints(r);
	flush(l);
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status,
			 struct addrinfo *list)
{
	struct redis *r = lookup->data;

	r->looking_up = false;
	if (r->state != RESOLVING) {
		uv_freeaddrinfo(list);
		lookup->addrinfo = NULL;
		closed(r);
		return;
	}
	if (status < 0 || list == NULL) {
		redis_fail(r, status < 0 ? uv_strerror(status) : "no address");
		return;
	}
	r->state = COMMANDS;
	start_link(&r->commands);
}

static void look_up(struct redis *r)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int rc;

	/* The last one's, which both connections took theirs from. */
	uv_freeaddrinfo(r->lookup.addrinfo);
	r->lookup = (uv_getaddrinfo_t){ .data = r };
	r->state = RESOLVING;
	r->looking_up = true;
	rc = uv_getaddrinfo(r->bus->loop, &r->lookup, on_looked_up, r->url.host,
			    r->url.port, &hints);
	if (rc == 0)
		return;
	r->looking_up = false;
	redis_fail(r, uv_strerror(rc));
}

static void begin(struct redis *r)
{
	r->attempts++;
	if (is_unix(r)) {
		r->state = COMMANDS;
		start_link(&r->commands);
	} else {
		look_up(r);
	}
}

/* A turn of the clock while it is up. Where our own loop stood still, it is
 * not Redis that is to blame. */
static void check(struct redis *r)
{
	struct str ping = str_of("PING");
	uint64_t at = now(r);
	bool stood_still = at - r->tick_ms > 2 * TICK_MS;

	r->tick_ms = at;
	if (stood_still) {
		r->commands.heard_ms = at;
		r->hints.heard_ms = at;
	}
	if ((r->count > 0 && at - r->commands.heard_ms > DEAD_MS) ||
	    at - r->hints.heard_ms > DEAD_MS) {
		redis_fail(r, "it does not answer");
		return;
	}
	if (r->count == 0)
		(void)send_now(
			r, &(struct redis_command){ .args = &ping,
						    .count = 1,
						    .expect = EXPECT_STATUS });
	if (backlog(&r->hints) == 0)
		(void)put(&r->hints, &ping, 1);
	redis_flush(r);
}

static void on_timer(uv_timer_t *timer)
{
	struct redis *r = timer->data;

	if (r->state == UP) {
		check(r);
	} else if (r->state == WAITING) {
		uv_timer_start(timer, on_timer, CONNECT_MS, TICK_MS);
		begin(r);
	} else {
		redis_fail(r, "it does not answer");
	}
}

static void try_again(struct redis *r)
{
	uint64_t ms = RETRY_MAX_MS;

	if (r->attempts < 7 && (RETRY_MS << r->attempts) / 2 < RETRY_MAX_MS)
		ms = (uint64_t)(RETRY_MS << r->attempts) / 2;
	r->state = WAITING;
	uv_timer_start(&r->timer, on_timer,
		       env_spread(r->bus->env, ms / 2, ms / 2 + 1), 0);
}

static void init_link(struct redis *r, struct redis_link *l)
{
	l->redis = r;
	l->write.data = l;
}

struct redis *redis_new(struct bus *bus, const struct bus_url *url)
{
	struct redis *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->bus = bus;
	r->url = *url;
	init_link(r, &r->commands);
	init_link(r, &r->hints);
	uv_timer_init(bus->loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, on_timer, 0, 0);
	return r;
}

void redis_close(struct redis *r)
{
	assert(!r->closing);
	r->closing = true;
	/* What was said last goes, if it goes at once: uv_write() tries. */
	redis_flush(r);
	close_all(r);
}
