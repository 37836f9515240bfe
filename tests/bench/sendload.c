/* SPDX-License-Identifier: MIT */
/*
 * Senders over one connection to a server, or one each.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/sendbench.h"

enum { READ = 64 << 10, PATIENCE_MS = 20000 };

struct conn {
	int fd;
	unsigned opened; /* answers to its opening */
	struct buf in, out;
	/* Those of its senders who wait, in order: a ring. */
	uint32_t *order; /* owned */
	uint32_t first, waiting;
};

struct load {
	const struct sendproto *proto;
	const char *address;
	size_t nsenders, nconns;
	uint64_t groups; /* at random of so many; 1: the hot one */
	uint64_t each;	 /* not at random: the next one, until there is none */
	bool in_turn;
	struct conn *conns;
	uint64_t since_ns[SENDBENCH_SENDERS];
	size_t under_way;
	bool over;
	struct sendtimes times;
	int poller;
};

/* The path of a socket, or a port of this machine. */
static int connect_to(const char *address)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in port = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bool local = strchr(address, '/') != NULL;
	int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
			0);
	int one = 1, rc;

	if (local) {
		if (strlen(address) >= sizeof(path.sun_path))
			bench_die(address, -ENAMETOOLONG);
		(void)snprintf(path.sun_path, sizeof(path.sun_path), "%s",
			       address);
		rc = connect(fd, (struct sockaddr *)&path, sizeof(path));
	} else {
		port.sin_port = htons((uint16_t)bench_number(address));
		rc = connect(fd, (struct sockaddr *)&port, sizeof(port));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
	}
	if (fd < 0 || rc < 0)
		bench_die(address, -errno);
	return fd;
}

static void flush(struct conn *c)
{
	bench_send(c->fd, buf_str(&c->out));
	buf_clear(&c->out);
}

static void put_next(struct load *l, struct conn *c, uint32_t tag)
{
	size_t per_conn = l->nsenders / l->nconns;
	size_t number = (size_t)(c - l->conns) * per_conn + tag;

	l->since_ns[number] = bench_now_ns();
	l->proto->put(&c->out, tag,
		      l->in_turn ? l->each++ : sendbench_random() % l->groups);
	c->order[(c->first + c->waiting++) % per_conn] = tag;
	l->under_way++;
}

static void on_answer(struct load *l, struct conn *c, uint32_t tag)
{
	size_t number = (size_t)(c - l->conns) * (l->nsenders / l->nconns);

	l->under_way--;
	l->over = !sendtimes_note(&l->times, l->since_ns[number + tag],
				  bench_now_ns()) ||
		  l->over;
	l->over = l->over || (l->in_turn && l->each == l->groups);
	if (!l->over)
		put_next(l, c, tag);
}

static void take_apart(struct load *l, struct conn *c)
{
	uint32_t per_conn = (uint32_t)(l->nsenders / l->nconns);
	size_t at = 0, len;
	struct sendpiece piece = { 0 };

	while (at < c->in.len &&
	       (len = l->proto->parse(c->in.data + at, c->in.len - at,
				      &piece)) > 0) {
		at += len;
		if (piece.kind == SENDPIECE_OPEN)
			c->opened++;
		if (piece.kind == SENDPIECE_NEXT)
			piece.tag = c->order[c->first];
		if (piece.kind == SENDPIECE_NEXT ||
		    piece.kind == SENDPIECE_ANSWER) {
			if (piece.tag >= per_conn || c->waiting == 0)
				bench_die("an answer to nothing", -EPROTO);
			c->first = (c->first + 1) % per_conn;
			c->waiting--;
			on_answer(l, c, piece.tag);
		}
		piece.kind = SENDPIECE_OTHER;
	}
	buf_consume(&c->in, at);
}

static void read_some(struct load *l, struct conn *c)
{
	ssize_t n;

	if (!buf_reserve(&c->in, READ))
		bench_die("memory", -ENOMEM);
	n = recv(c->fd, c->in.data + c->in.len, READ, 0);
	if (n <= 0)
		bench_die("a connection ended", n < 0 ? -errno : -EPIPE);
	c->in.len += (size_t)n;
	take_apart(l, c);
}

static void open_conn(struct load *l, struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->fd = connect_to(l->address);
	c->order = calloc(l->nsenders / l->nconns, sizeof(*c->order));
	if (c->order == NULL)
		bench_die("memory", -ENOMEM);
	if (l->proto->open != NULL)
		l->proto->open(&c->out, (uint32_t)(c - l->conns));
	flush(c);
	while (c->opened < l->proto->opens)
		read_some(l, c);
	if (epoll_ctl(l->poller, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		bench_die("epoll_ctl", -errno);
}

static void turn(struct load *l)
{
	struct epoll_event evs[SENDBENCH_SENDERS];
	int n = epoll_wait(l->poller, evs, SENDBENCH_SENDERS, PATIENCE_MS);

	if (n == 0)
		bench_die("no answer", -ETIMEDOUT);
	for (int i = 0; i < n; i++) {
		struct conn *c = evs[i].data.ptr;

		read_some(l, c);
		flush(c);
	}
}

int load_main(int argc, char **argv)
{
	static struct load l;
	struct conn *c;

	if (argc != 8)
		bench_die("load", -EINVAL);
	l.proto = sendproto_of(argv[3]);
	l.address = argv[4];
	l.nsenders = bench_number(argv[5]);
	l.nconns = bench_number(argv[6]);
	l.groups = bench_number(argv[7]);
	l.in_turn = str_eq(str_of(argv[0]), str_of("each"));
	if (l.nsenders == 0 || l.nsenders > SENDBENCH_SENDERS ||
	    l.nconns == 0 || l.nsenders % l.nconns != 0 || l.groups == 0 ||
	    (l.in_turn && l.groups < l.nsenders))
		bench_die("load", -EINVAL);
	l.poller = epoll_create1(EPOLL_CLOEXEC);
	l.conns = calloc(l.nconns, sizeof(*l.conns));
	if (l.poller < 0 || l.conns == NULL)
		bench_die("load", -ENOMEM);
	for (size_t i = 0; i < l.nconns; i++)
		open_conn(&l, &l.conns[i]);
	sendtimes_start(&l.times);
	if (l.in_turn) {
		l.times.begin_ns = bench_now_ns();
		l.times.end_ns = UINT64_MAX;
	}
	for (c = l.conns; c < l.conns + l.nconns; c++) {
		for (uint32_t i = 0; i < l.nsenders / l.nconns; i++)
			put_next(&l, c, i);
		flush(c);
	}
	while (l.under_way > 0)
		turn(&l);
	if (l.in_turn)
		l.times.end_ns = bench_now_ns();
	sendtimes_report(&l.times, argv[1], argv[2]);
	return 0;
}
