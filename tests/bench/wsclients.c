/* SPDX-License-Identifier: MIT */
/*
 * The light clients of `make bench-ws`; tests/bench/ws.sh starts the servers.
 *
 *   wsclients scene SOCKET GROUP N >TOKENS
 *   wsclients run SIDE PORT N
 *
 * run opens N connections to a server (SIDE names its protocol), subscribes
 * them, publishes and counts: each must get each message, once. Of the
 * environment: PIDS the server's processes, the one that writes first;
 * RSS_BASE its KiB before the first connection; BENCH_SLICE_MS; SUSTAIN_MS (0:
 * not); for `ours` SOCKET and TOKENS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsbench.h"

enum {
	READ = 256 << 10,
	CARRY = 2048, /* a piece that is not complete */
	WINDOW = 256, /* connections being opened at a time */
	BURST = 20,
	RATE = 100, /* a second, when sustained */
	SAMPLES = 65536,
	PATIENCE_MS = 20000
};

enum state { CONNECTING, OPENING, OPEN, SUBSCRIBING, READY };

struct conn {
	int fd;
	enum state state;
	uint32_t got;
	uint32_t ncarry;
	char *carry; /* owned, made when it is needed */
};

struct run {
	const struct wsbench_proto *proto;
	const char *side;
	const char *pids; /* the server's; the one that writes first */
	uint16_t port;
	size_t n;
	struct conn *conns;	/* n subscribers; behind them who publishes */
	struct conn *publisher; /* NULL: the sender does */
	struct wssender sender;
	int poller, timer;

	size_t opened, subscribed;
	uint64_t got, wanted; /* messages, all connections */
	uint64_t published;   /* messages */
	uint64_t first_ns, last_ns, sent_ns;
	double *delays; /* of each delivery, when sustained */
	size_t ndelays;
};

static void sample(const struct run *r, const char *what, const char *unit,
		   double value)
{
	char metric[96];

	(void)snprintf(metric, sizeof(metric), "N=%zu %s", r->n, what);
	bench_sample(metric, r->side, unit, value);
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* Connections. */

static void put(struct conn *c, const struct buf *b)
{
	size_t at = 0;

	while (at < b->len) {
		ssize_t did = send(c->fd, b->data + at, b->len - at, 0);
		struct pollfd full = { .fd = c->fd, .events = POLLOUT };

		if (did < 0 && errno == EAGAIN)
			(void)poll(&full, 1, PATIENCE_MS);
		else if (did < 0)
			bench_die("send", -errno);
		else
			at += (size_t)did;
	}
}

static void watch(struct run *r, int fd, void *what, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	if (epoll_ctl(r->poller, op, fd, &ev) < 0)
		bench_die("epoll_ctl", -errno);
}

static void connect_one(struct run *r, struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(r->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		bench_die("socket", -errno);
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS)
		bench_die("connect", -errno);
	watch(r, c->fd, c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_connected(struct run *r, struct conn *c)
{
	struct buf b = { 0 };

	watch(r, c->fd, c, EPOLL_CTL_MOD, EPOLLIN);
	c->state = OPENING;
	r->proto->open(&b, (size_t)(c - r->conns));
	put(c, &b);
	buf_release(&b);
}

static void on_step(struct run *r, struct conn *c)
{
	if (c->state == OPENING) {
		c->state = OPEN;
		r->opened++;
	} else if (c->state == SUBSCRIBING) {
		c->state = READY;
		r->subscribed++;
	}
}

static void on_message(struct run *r, struct conn *c, const char *p, size_t n)
{
	c->got++;
	if (r->first_ns == 0)
		r->first_ns = bench_now_ns();
	if (++r->got == r->wanted)
		r->last_ns = bench_now_ns();
	if (r->delays != NULL)
		r->delays[r->ndelays++] =
			ms(bench_now_ns() - wsbench_stamp(p, n));
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
			put(c, &pong);
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
	if (did <= 0)
		bench_die("a connection ended", did < 0 ? -errno : -EPIPE);
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

static void publish(struct run *r, uint32_t count)
{
	char content[WSBENCH_CONTENT];
	struct buf b = { 0 };

	r->wanted += (uint64_t)count * r->n;
	r->published += count;
	if (r->publisher == NULL) {
		if (write(r->sender.fd, &count, sizeof(count)) != sizeof(count))
			bench_die("the sender is gone", -EPIPE);
		return;
	}
	wsbench_content(content, bench_now_ns());
	for (uint32_t i = 0; i < count; i++)
		r->proto->publish(&b, str_make(content, sizeof(content)));
	put(r->publisher, &b);
	buf_release(&b);
}

static void on_sent(struct run *r)
{
	uint64_t last_seq;

	if (read(r->sender.fd, &last_seq, sizeof(last_seq)) != sizeof(last_seq))
		bench_die("the sender ended", -EPIPE);
	r->sent_ns = bench_now_ns();
}

static void on_tick(struct run *r)
{
	uint64_t ticks = 0;

	if (read(r->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	while (ticks-- > 0)
		publish(r, 1);
}

static void turn(struct run *r, int timeout_ms)
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

/* Until what is counted is there. */
static void await(struct run *r, const char *what, const uint64_t *count,
		  uint64_t wanted)
{
	uint64_t end = bench_now_ns() + PATIENCE_MS * UINT64_C(1000000);

	while (*count < wanted) {
		turn(r, 100);
		if (bench_now_ns() > end) {
			(void)fprintf(stderr, "wsclients: %s: %llu of %llu\n",
				      what, (unsigned long long)*count,
				      (unsigned long long)wanted);
			bench_die(r->side, -ETIMEDOUT);
		}
	}
}

/* The server. */

static uint64_t cpu_ns_of(const char *pid)
{
	unsigned long long ns = 0, one;
	char path[64];
	glob_t threads;

	(void)snprintf(path, sizeof(path), "/proc/%.12s/task/*/schedstat", pid);
	if (glob(path, 0, NULL, &threads) != 0)
		bench_die(path, -ESRCH);
	for (size_t i = 0; i < threads.gl_pathc; i++) {
		FILE *f = fopen(threads.gl_pathv[i], "r");

		if (f != NULL && fscanf(f, "%llu", &one) == 1)
			ns += one;
		if (f != NULL)
			(void)fclose(f);
	}
	globfree(&threads);
	return ns;
}

struct cpu {
	uint64_t writer, all;
};

static struct cpu cpu_ns(const struct run *r)
{
	char pids[128], *at = NULL, *pid;
	struct cpu cpu = { 0 };

	(void)snprintf(pids, sizeof(pids), "%s", r->pids);
	for (pid = strtok_r(pids, " ", &at); pid != NULL;
	     pid = strtok_r(NULL, " ", &at)) {
		uint64_t ns = cpu_ns_of(pid);

		if (cpu.all == 0)
			cpu.writer = ns;
		cpu.all += ns;
	}
	return cpu;
}

static void sample_memory(const struct run *r)
{
	char path[64];
	unsigned long long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", atoi(r->pids));
	f = fopen(path, "r");
	if (f == NULL)
		bench_die(path, -errno);
	for (char line[256]; fgets(line, sizeof(line), f) != NULL;)
		(void)sscanf(line, "VmRSS: %llu", &kib);
	(void)fclose(f);
	sample(r, "memory a connection", "KiB",
	       ((double)kib - (double)bench_env("RSS_BASE", 0)) / (double)r->n);
}

/* What is measured. */

static void open_all(struct run *r)
{
	size_t all = r->n + (r->publisher != NULL ? 1 : 0);
	uint64_t start = bench_now_ns();

	for (size_t i = 0; i < all; i++) {
		connect_one(r, &r->conns[i]);
		while (i + 1 - r->opened >= WINDOW)
			turn(r, 1000);
	}
	await(r, "opened", &r->opened, all);
	sample(r, "connect all", "ms", ms(bench_now_ns() - start));
}

static void subscribe_all(struct run *r)
{
	uint64_t start = bench_now_ns();
	struct buf b = { 0 };

	if (r->proto->subscribe == NULL)
		return;
	r->proto->subscribe(&b);
	for (size_t i = 0; i < r->n; i++) {
		r->conns[i].state = SUBSCRIBING;
		put(&r->conns[i], &b);
		while (i + 1 - r->subscribed >= WINDOW)
			turn(r, 1000);
	}
	await(r, "subscribed", &r->subscribed, r->n);
	sample(r, "subscribe all", "ms", ms(bench_now_ns() - start));
	buf_release(&b);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *of, size_t n, double q)
{
	size_t at = (size_t)((double)n * q);

	qsort(of, n, sizeof(of[0]), by_size);
	return of[at < n ? at : n - 1];
}

static void sample_times(const struct run *r, const char *what, double *of,
			 size_t n)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s, p50", what);
	sample(r, metric, "ms", quantile(of, n, 0.5));
	(void)snprintf(metric, sizeof(metric), "%s, p99", what);
	sample(r, metric, "ms", quantile(of, n, 0.99));
	(void)snprintf(metric, sizeof(metric), "%s, max", what);
	sample(r, metric, "ms", of[n - 1]);
}

static void sample_cpu(const struct run *r, const char *what,
		       const struct cpu *before, uint64_t deliveries)
{
	struct cpu after = cpu_ns(r);
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s, writer's CPU", what);
	sample(r, metric, "us/deliv",
	       (double)(after.writer - before->writer) / 1e3 /
		       (double)deliveries);
	(void)snprintf(metric, sizeof(metric), "%s, server's CPU", what);
	sample(r, metric, "us/deliv",
	       (double)(after.all - before->all) / 1e3 / (double)deliveries);
}

/* The next goes out when all have the last. */
static void closed_loop(struct run *r, const char *what, uint32_t count)
{
	static double last[SAMPLES], sent[SAMPLES], spread[SAMPLES];
	uint64_t end, start, now, deliveries = r->got;
	size_t n = 0;
	char metric[64];
	struct cpu before = cpu_ns(r);

	start = bench_now_ns();
	end = start + bench_env("BENCH_SLICE_MS", 1000) * 1000000;
	do {
		uint64_t from = bench_now_ns();

		r->first_ns = 0;
		publish(r, count);
		await(r, what, &r->got, r->wanted);
		last[n] = ms(r->last_ns - from);
		spread[n] = ms(r->last_ns - r->first_ns);
		if (r->publisher == NULL && r->sent_ns < from)
			await(r, "sent", &r->sent_ns, from);
		sent[n] = r->sent_ns > r->last_ns ? 0
						  : ms(r->last_ns - r->sent_ns);
		n++;
		now = bench_now_ns();
	} while (now < end && n < SAMPLES);
	deliveries = r->got - deliveries;
	(void)snprintf(metric, sizeof(metric), "%s, to the last", what);
	sample_times(r, metric, last, n);
	(void)snprintf(metric, sizeof(metric), "%s, first to last, p50", what);
	sample(r, metric, "ms", quantile(spread, n, 0.5));
	if (r->publisher == NULL) {
		(void)snprintf(metric, sizeof(metric), "%s, sent to last, p50",
			       what);
		sample(r, metric, "ms", quantile(sent, n, 0.5));
	}
	(void)snprintf(metric, sizeof(metric), "%s, deliveries", what);
	sample(r, metric, "a second",
	       (double)deliveries * 1e9 / (double)(now - start));
	sample_cpu(r, what, &before, deliveries);
}

/* RATE messages a second, whether all have the last or not. */
static void sustained(struct run *r, uint64_t for_ms)
{
	struct itimerspec tick = {
		.it_interval = { .tv_nsec = 1000000000 / RATE },
		.it_value = { .tv_nsec = 1000000000 / RATE },
	};
	uint64_t start = bench_now_ns(), got = r->got;
	struct cpu before = cpu_ns(r), after;

	r->delays =
		calloc(r->n * (for_ms * RATE / 1000 + RATE), sizeof(double));
	if (r->delays == NULL)
		bench_die("delays", -ENOMEM);
	(void)timerfd_settime(r->timer, 0, &tick, NULL);
	while (bench_now_ns() - start < for_ms * 1000000)
		turn(r, 100);
	after = cpu_ns(r);
	sample(r, "sustained, server's CPU", "cores",
	       (double)(after.all - before.all) /
		       (double)(bench_now_ns() - start));
	sample(r, "sustained, deliveries", "a second",
	       (double)(r->got - got) * 1e9 / (double)(bench_now_ns() - start));
	memset(&tick, 0, sizeof(tick));
	(void)timerfd_settime(r->timer, 0, &tick, NULL);
	await(r, "sustained", &r->got, r->wanted);
	sample_times(r, "sustained", r->delays, r->ndelays);
	free(r->delays);
	r->delays = NULL;
}

static void check_each(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->conns[i].got == r->published)
			continue;
		(void)fprintf(stderr, "wsclients: number %zu got %u of %llu\n",
			      i, r->conns[i].got,
			      (unsigned long long)r->published);
		bench_die(r->side, -EIO);
	}
}

static void set_up(struct run *r)
{
	const char *socket = getenv("SOCKET"), *path = getenv("TOKENS");
	struct rlimit files;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	r->conns = calloc(r->n + 1, sizeof(*r->conns));
	if (r->conns == NULL)
		bench_die("connections", -ENOMEM);
	if (r->proto->publish == NULL) {
		wssender_start(&r->sender, socket, "bench");
		wsbench_use_tokens(path, r->sender.last_seq);
	} else {
		r->publisher = &r->conns[r->n];
	}
	r->poller = epoll_create1(EPOLL_CLOEXEC);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	watch(r, r->timer, &r->timer, EPOLL_CTL_ADD, EPOLLIN);
	if (r->publisher == NULL)
		watch(r, r->sender.fd, &r->sender, EPOLL_CTL_ADD, EPOLLIN);
}

static int run_main(int argc, char **argv)
{
	static struct run r;
	struct buf hello = { 0 };

	r.pids = getenv("PIDS");
	if (argc != 4 || r.pids == NULL)
		bench_die("run", -EINVAL);
	r.side = argv[1];
	r.proto = wsbench_proto(argv[1]);
	r.port = (uint16_t)bench_number(argv[2]);
	r.n = bench_number(argv[3]);
	set_up(&r);
	open_all(&r);
	if (strcmp(r.side, "plain") == 0) {
		buf_append_char(&hello, 'P');
		put(r.publisher, &hello);
	}
	subscribe_all(&r);
	sample_memory(&r);
	publish(&r, 1);
	await(&r, "the first message", &r.got, r.wanted);
	closed_loop(&r, "one by one", 1);
	closed_loop(&r, "20 at a time", BURST);
	if (bench_env("SUSTAIN_MS", 0) > 0)
		sustained(&r, bench_env("SUSTAIN_MS", 0));
	check_each(&r);
	buf_release(&hello);
	return 0;
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "scene") == 0)
		return scene_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return run_main(argc - 1, argv + 1);
	(void)fputs("usage: see the head of tests/bench/wsclients.c\n", stderr);
	return 2;
}
