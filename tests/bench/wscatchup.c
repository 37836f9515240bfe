/* SPDX-License-Identifier: MIT */
/*
 * Who has missed BEHIND messages, and reads them.
 *
 * wsclients resume PORT N: N WebSockets, until each has all.
 * wsclients pages PORT GROUP: as pages of GET, the largest there are, one after
 * the other on one connection. Of a page it looks at its end only, which says
 * where the next begins.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "tests/bench/bench.h"
#include "tests/bench/wsrun.h"

enum { ROOM = 4 << 20, END = 128 /* bytes that have the numbers in them */ };

struct pages {
	int fd;
	const char *group;
	char token[WIRE_TOKEN_MAX + 2];
	struct buf in; /* head and body of the last answer; owned */
	size_t body;   /* where that begins */
};

static void connect_to(struct pages *p, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port =
					  htons((uint16_t)bench_number(port)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		bench_die(port, -errno);
	(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void ask(const struct pages *p, uint64_t after, unsigned int limit)
{
	struct buf b = { 0 };

	buf_printf(&b,
		   "GET /api/groups/%s/messages?after_seq=%llu&limit=%u "
		   "HTTP/1.1\r\nHost: localhost\r\n"
		   "Authorization: Bearer %s\r\n\r\n",
		   p->group, (unsigned long long)after, limit, p->token);
	if (send(p->fd, b.data, b.len, MSG_NOSIGNAL) != (ssize_t)b.len)
		bench_die("send", -errno);
	buf_release(&b);
}

static void receive(struct pages *p)
{
	ssize_t n = recv(p->fd, p->in.data + p->in.len, ROOM - p->in.len, 0);

	if (n <= 0)
		bench_die("a page", n < 0 ? -errno : -EPIPE);
	p->in.len += (size_t)n;
}

static void take_answer(struct pages *p)
{
	static const char length[] = "\r\nContent-Length: ";
	const char *end, *at;

	p->in.len = 0;
	do {
		receive(p);
		end = memmem(p->in.data, p->in.len, "\r\n\r\n", 4);
	} while (end == NULL);
	p->body = (size_t)(end - p->in.data) + 4;
	at = memmem(p->in.data, p->body, length, strlen(length));
	if (memcmp(p->in.data, "HTTP/1.1 200 ", 13) != 0 || at == NULL)
		bench_die("that is no page", -EBADMSG);
	while (p->in.len < p->body + strtoull(at + strlen(length), NULL, 10))
		receive(p);
}

/* A number behind a key, between two places of the body. */
static uint64_t number(const struct pages *p, size_t from, const char *key)
{
	const char *at =
		memmem(p->in.data + from, p->in.len - from, key, strlen(key));

	if (at == NULL)
		bench_die(key, -EBADMSG);
	return strtoull(at + strlen(key), NULL, 10);
}

static uint64_t last_seq(struct pages *p)
{
	ask(p, 0, 1);
	take_answer(p);
	return number(p, p->body, "\"last_seq\":");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(double *took, size_t count, uint64_t rows, uint64_t bytes,
		   uint64_t ns)
{
	double s = (double)ns / 1e9;

	qsort(took, count, sizeof(took[0]), by_size);
	bench_sample("pages", "ours", "msg/s", (double)rows / s);
	bench_sample("pages, bytes", "ours", "MB/s", (double)bytes / 1e6 / s);
	bench_sample("a page of 1000, p50", "ours", "ms", took[count / 2]);
	bench_sample("a page of 1000, p99", "ours", "ms",
		     took[count * 99 / 100]);
}

static void read_token(struct pages *p)
{
	FILE *f = fopen(getenv("TOKENS"), "r");

	if (f == NULL || fgets(p->token, sizeof(p->token), f) == NULL)
		bench_die("TOKENS", -EINVAL);
	(void)fclose(f);
	p->token[strcspn(p->token, "\n")] = '\0';
}

int pages_main(int argc, char **argv)
{
	static struct pages p;
	uint64_t behind = bench_env("BEHIND", WIRE_PAGE_MAX);
	uint64_t last, at, start, before, bytes = 0;
	size_t count = 0;
	double *took = calloc(behind / WIRE_PAGE_MAX + 1, sizeof(*took));

	if (argc != 3 || took == NULL || getenv("TOKENS") == NULL ||
	    !buf_reserve(&p.in, ROOM))
		bench_die("pages", -EINVAL);
	p.group = argv[2];
	read_token(&p);
	connect_to(&p, argv[1]);
	last = last_seq(&p);
	at = last - behind;
	start = bench_now_ns();
	for (; at < last; count++) {
		before = at;
		took[count] = (double)bench_now_ns();
		ask(&p, at, WIRE_PAGE_MAX);
		take_answer(&p);
		took[count] = ((double)bench_now_ns() - took[count]) / 1e6;
		at = number(&p, p.in.len - END, "\"next_after\":");
		bytes += p.in.len;
		if (at <= before ||
		    (at - before != WIRE_PAGE_MAX && at != last))
			bench_die("a page is short", -EBADMSG);
	}
	report(took, count, behind, bytes, bench_now_ns() - start);
	free(took);
	buf_release(&p.in);
	return 0;
}

static void sample_cpu(const struct run *r, const struct wscpu *before)
{
	struct wscpu after = wsserver_cpu(r->pids, r->nnodes);
	double messages = (double)r->wanted;

	bench_sample("resume, gateway's CPU", r->side, "us/msg",
		     (double)(after.writers - before->writers) / 1e3 /
			     messages);
	bench_sample("resume, server's CPU", r->side, "us/msg",
		     (double)(after.all - before->all) / 1e3 / messages);
}

int resume_main(int argc, char **argv)
{
	uint64_t start, behind = bench_env("BEHIND", 1);
	static struct run r;
	struct wscpu before;

	r.pids = getenv("PIDS");
	if (argc != 3 || r.pids == NULL)
		bench_die("resume", -EINVAL);
	r.side = "ours";
	r.proto = wsbench_proto(r.side);
	r.n = bench_number(argv[2]);
	run_set_up(&r, argv[1], 1, r.n);
	for (size_t i = 0; i < r.n; i++)
		run_connect(&r, &r.conns[i]);
	run_await(&r, "opened", &r.opened, r.n);
	r.wanted = behind * r.n;
	before = wsserver_cpu(r.pids, r.nnodes);
	start = bench_now_ns();
	for (size_t i = 0; i < r.n; i++)
		run_subscribe(&r, &r.conns[i]);
	run_await(&r, "resumed", &r.got, r.wanted);
	bench_sample("resume", r.side, "msg/s",
		     (double)r.wanted * 1e9 / (double)(r.last_ns - start));
	sample_cpu(&r, &before);
	for (size_t i = 0; i < r.n; i++) {
		if (r.conns[i].got != behind)
			bench_die("one got more than another", -EIO);
	}
	return 0;
}
