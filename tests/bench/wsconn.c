/* SPDX-License-Identifier: MIT */
/*
 * Many light connections to one server or two, who publishes, and the count of
 * what comes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsrun.h"

enum {
	READ = 256 << 10,
	CARRY = 2048,	    /* a piece that is not complete */
	GROUPS_OF_ONE = 64, /* at most */
	GROUPS_AT_ONCE = 64,
	PATIENCE_MS = 20000 /* without one more */
};

double run_ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* Connections. */

/* Who may be lost is found so by what he reads. */
void run_put(struct run *r, struct conn *c, const struct buf *b)
{
	if (r->on_lost == NULL && c->state > OPENING)
		bench_send(c->fd, buf_str(b));
	else
		(void)bench_try_send(c->fd, buf_str(b));
}

static void watch(struct run *r, int fd, void *what, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	if (epoll_ctl(r->poller, op, fd, &ev) < 0)
		bench_die("epoll_ctl", -errno);
}

/* One whose queue of those who come is full may send them away: they come
 * again. */
static void lose(struct run *r, struct conn *c, int rc)
{
	if (r->on_lost == NULL && (c->state != OPENING || r->again++ == r->n))
		bench_die("no connection", rc);
	(void)close(c->fd);
	if (r->on_lost == NULL) {
		run_connect(r, c);
		return;
	}
	c->fd = -1;
	c->ncarry = 0;
	if (c->state >= OPEN)
		r->opened--;
	if (c->state >= READY)
		r->subscribed--;
	r->on_lost(r, c);
}

void run_connect(struct run *r, struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(c->node->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	c->state = CONNECTING;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		bench_die("socket", -errno);
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS) {
		lose(r, c, -errno);
		return;
	}
	watch(r, c->fd, c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_connected(struct run *r, struct conn *c)
{
	struct buf b = { 0 };

	watch(r, c->fd, c, EPOLL_CTL_MOD, EPOLLIN);
	c->state = OPENING;
	r->proto->open(&b, (size_t)(c - r->conns));
	run_put(r, c, &b);
	buf_release(&b);
}

static void on_step(struct run *r, struct conn *c)
{
	if (c->state == OPENING) {
		c->state = OPEN;
		r->opened++;
		if (r->on_open != NULL)
			r->on_open(r, c);
	} else if (c->state == SUBSCRIBING) {
		c->state = READY;
		r->subscribed++;
	} else if (c->state == ASKING) {
		c->state = READY;
		r->answered++;
	}
}

static void note_delay(struct run *r, const struct conn *c, double delay)
{
	size_t i = c->got - 1 - r->behind;

	if (r->ndelays < r->maxdelays)
		r->delays[r->ndelays++] = delay;
	if (r->ngroups == 1 && i < r->nlasts && delay > c->node->lasts[i])
		c->node->lasts[i] = delay;
}

static void on_message(struct run *r, struct conn *c, const char *p, size_t n)
{
	c->got++;
	if (r->first_ns == 0)
		r->first_ns = bench_now_ns();
	if (++r->got == r->wanted)
		r->last_ns = bench_now_ns();
	if (r->nnodes > 1)
		c->node->last_ns = bench_now_ns();
	if (r->delays != NULL)
		note_delay(r, c, run_ms(bench_now_ns() - wsbench_stamp(p, n)));
}

/* The bytes of the complete pieces. */
static size_t take_apart(struct run *r, struct conn *c, const char *p, size_t n)
{
	size_t at = 0, len;
	enum wsbench_piece piece;

	while (at < n && (len = r->proto->parse(p + at, n - at, &piece)) > 0) {
		if (piece == PIECE_MESSAGE) {
			on_message(r, c, p + at, len);
		} else if (piece == PIECE_STEP) {
			on_step(r, c);
		} else if (piece == PIECE_PING) {
			struct buf pong = { 0 };

			buf_append_str(&pong, r->proto->pong);
			run_put(r, c, &pong);
			buf_release(&pong);
		}
		at += len;
	}
	return at;
}

static void on_readable(struct run *r, struct conn *c)
{
	static char data[CARRY + READ];
	size_t n = c->ncarry, took;
	ssize_t did;

	if (n > 0)
		memcpy(data, c->carry, n);
	did = recv(c->fd, data + n, READ, 0);
	if (did < 0 && errno == EAGAIN)
		return;
	if (did <= 0) {
		lose(r, c, did < 0 ? -errno : -EPIPE);
		return;
	}
	n += (size_t)did;
	took = take_apart(r, c, data, n);
	c->ncarry = (uint32_t)(n - took);
	if (c->ncarry > CARRY)
		bench_die("a piece is too large", -EMSGSIZE);
	if (c->ncarry > 0 && c->carry == NULL)
		c->carry = malloc(CARRY);
	if (c->ncarry > 0)
		memcpy(c->carry, data + took, c->ncarry);
}

/* Publishing. */

void run_subscribe(struct run *r, struct conn *c)
{
	const struct wsbench_group *of[GROUPS_OF_ONE];
	size_t places = r->ngroups * r->each, n = 0;
	struct buf b = { 0 };

	for (size_t at = (size_t)(c - r->conns); at < places; at += r->n) {
		if (n == GROUPS_OF_ONE)
			bench_die("groups of one connection", -EINVAL);
		of[n++] = &r->groups[at / r->each];
	}
	r->proto->subscribe(&b, of, n);
	c->state = SUBSCRIBING;
	run_put(r, c, &b);
	buf_release(&b);
}

void run_ask(struct run *r, struct conn *c, const struct buf *b)
{
	c->state = ASKING;
	run_put(r, c, b);
}

/* From now on they wait for that. */
static void expect(struct run *r, size_t group, uint32_t count)
{
	for (size_t k = 0; k < r->each; k++)
		r->conns[(group * r->each + k) % r->n].due += count;
	r->wanted += (uint64_t)count * r->each;
}

static void publish_part(struct run *r, size_t first, size_t n, uint32_t count)
{
	char content[WSBENCH_CONTENT];
	struct buf b = { 0 };

	wsbench_content(content, bench_now_ns());
	for (size_t g = first; g < first + n; g++) {
		for (uint32_t i = 0; i < count; i++)
			r->proto->publish(&b, &r->groups[g],
					  str_make(content, sizeof(content)));
	}
	run_put(r, r->publisher, &b);
	buf_release(&b);
}

void run_publish(struct run *r, size_t first, size_t ngroups, uint32_t count)
{
	const struct wsask ask = { (uint32_t)first, (uint32_t)ngroups, count };

	for (size_t g = first; g < first + ngroups; g++)
		expect(r, g, count);
	if (r->publisher == NULL) {
		if (write(r->sender.fd, &ask, sizeof(ask)) != sizeof(ask))
			bench_die("the sender is gone", -EPIPE);
		return;
	}
	/* A part at a time, so that what comes back meanwhile is read. */
	for (size_t did = 0; did < ngroups; did += GROUPS_AT_ONCE) {
		size_t left = ngroups - did;

		publish_part(r, first + did,
			     left < GROUPS_AT_ONCE ? left : GROUPS_AT_ONCE,
			     count);
		if (left > GROUPS_AT_ONCE)
			run_turn(r, 0);
	}
}

void run_publish_next(struct run *r)
{
	size_t group = r->next;

	r->next = (group + 1) % r->ngroups;
	run_publish(r, group, 1, 1);
}

static void on_sent(struct run *r)
{
	struct wssent sent;

	if (read(r->sender.fd, &sent, sizeof(sent)) != sizeof(sent))
		bench_die("the sender ended", -EPIPE);
	r->sent_ns = sent.at_ns;
}

static void on_tick(struct run *r)
{
	uint64_t ticks = 0;

	if (read(r->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	while (ticks-- > 0)
		run_publish_next(r);
}

void run_turn(struct run *r, int timeout_ms)
{
	struct epoll_event evs[512];
	int n = epoll_wait(r->poller, evs, 512, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct conn *c = evs[i].data.ptr;

		if (evs[i].data.ptr == &r->sender)
			on_sent(r);
		else if (evs[i].data.ptr == &r->timer)
			on_tick(r);
		else if (c->state == CONNECTING)
			on_connected(r, c);
		else
			on_readable(r, c);
	}
}

void run_await(struct run *r, const char *what, const uint64_t *count,
	       uint64_t wanted)
{
	uint64_t end = 0, before = 0;

	while (*count < wanted) {
		if (*count > before || end == 0)
			end = bench_now_ns() + PATIENCE_MS * UINT64_C(1000000);
		before = *count;
		run_turn(r, 100);
		if (bench_now_ns() > end) {
			(void)fprintf(stderr, "wsclients: %s: %llu of %llu\n",
				      what, (unsigned long long)*count,
				      (unsigned long long)wanted);
			bench_die(r->side, -ETIMEDOUT);
		}
	}
}

static void take_ports(struct run *r, const char *list)
{
	do {
		char *end;

		if (r->nnodes == NODES_MAX)
			bench_die("ports", -EINVAL);
		r->nodes[r->nnodes++].port = (uint16_t)strtoul(list, &end, 10);
		list = end + (*end == ',');
	} while (*list != '\0');
}

static void name_groups(struct run *r, size_t ngroups, size_t each)
{
	r->groups = calloc(ngroups, sizeof(*r->groups));
	if (r->groups == NULL)
		bench_die("groups", -ENOMEM);
	r->ngroups = ngroups;
	r->each = each;
	for (size_t i = 0; i < ngroups; i++) {
		struct wsbench_group *g = &r->groups[i];

		g->number = (uint32_t)i;
		(void)snprintf(g->name, sizeof(g->name), "bench");
		if (ngroups > 1)
			(void)snprintf(g->name, sizeof(g->name), "bench%zu", i);
	}
}

static void allow_files(void)
{
	struct rlimit files;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

void run_prepare(struct run *r, const char *ports, size_t ngroups, size_t each)
{
	take_ports(r, ports);
	name_groups(r, ngroups, each);
	allow_files();
	r->window = bench_env("BENCH_WINDOW", 256);
	r->conns = calloc(r->n + 1, sizeof(*r->conns));
	if (r->conns == NULL)
		bench_die("connections", -ENOMEM);
	for (size_t i = 0; i <= r->n; i++)
		r->conns[i].node =
			&r->nodes[i < r->n ? i * r->nnodes / r->n : 0];
	r->poller = epoll_create1(EPOLL_CLOEXEC);
}

void run_set_up(struct run *r, const char *ports, size_t ngroups, size_t each)
{
	run_prepare(r, ports, ngroups, each);
	if (r->proto->publish == NULL) {
		wssender_start(&r->sender, getenv("SOCKET"), r->groups,
			       ngroups);
		for (size_t i = 0; i < ngroups; i++)
			r->groups[i].after -= bench_env("BEHIND", 0);
		wsbench_use_tokens(getenv("TOKENS"));
	} else {
		r->publisher = &r->conns[r->n];
	}
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	watch(r, r->timer, &r->timer, EPOLL_CTL_ADD, EPOLLIN);
	if (r->publisher == NULL)
		watch(r, r->sender.fd, &r->sender, EPOLL_CTL_ADD, EPOLLIN);
}
