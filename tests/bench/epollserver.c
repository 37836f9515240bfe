/* SPDX-License-Identifier: MIT */
/*
 * The plain epoll loop that `make bench-ws` measures against: epollserver PORT
 *
 * It greets who connects, and writes what a connection that began with "P"
 * sends to all others at once: no protocol, no log, nobody is asked who he is.
 * What a socket does not take waits for it. What is read at a time goes to a
 * socket in one write.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 65536, READ = 64 << 10, SEND_BUFFER = 64 << 10 };

struct conn {
	int fd;
	bool publisher;
	size_t at;  /* in `conns` */
	char *rest; /* owned: what waits */
	size_t nrest;
};

static struct conn *conns[CONNS_MAX];
static size_t nconns;
static int poller;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(poller, op, c->fd, &ev) < 0)
		die("epoll_ctl");
}

static void drop(struct conn *c)
{
	conns[c->at] = conns[--nconns];
	conns[c->at]->at = c->at;
	close(c->fd);
	free(c->rest);
	free(c);
}

static void keep(struct conn *c, const char *data, size_t n)
{
	char *grown = realloc(c->rest, c->nrest + n);

	if (grown == NULL)
		die("realloc");
	memcpy(grown + c->nrest, data, n);
	if (c->nrest == 0)
		watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	c->rest = grown;
	c->nrest += n;
}

static void give(struct conn *c, const char *data, size_t n)
{
	ssize_t did = 0;

	if (c->nrest == 0)
		did = send(c->fd, data, n, MSG_NOSIGNAL);
	if (did < 0 && errno != EAGAIN)
		return; /* its end is read soon */
	if (did < 0)
		did = 0;
	if ((size_t)did < n)
		keep(c, data + did, n - (size_t)did);
}

static void give_rest(struct conn *c)
{
	ssize_t did = send(c->fd, c->rest, c->nrest, MSG_NOSIGNAL);

	if (did <= 0)
		return;
	c->nrest -= (size_t)did;
	memmove(c->rest, c->rest + did, c->nrest);
	if (c->nrest == 0)
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void take(struct conn *c)
{
	static char data[READ];
	ssize_t n = read(c->fd, data, sizeof(data));
	size_t from = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	if (!c->publisher && data[0] == 'P') {
		c->publisher = true;
		from = 1;
	}
	for (size_t i = 0; i < nconns && (size_t)n > from; i++) {
		if (conns[i] != c)
			give(conns[i], data + from, (size_t)n - from);
	}
}

static void greet(int listener)
{
	static const char hello[] = "\x81\x10{\"type\":\"hello\"}";
	int one = 1, size = SEND_BUFFER, fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));

		if (c == NULL || nconns == CONNS_MAX)
			die("too many");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		c->fd = fd;
		c->at = nconns;
		conns[nconns++] = c;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
		give(c, hello, sizeof(hello) - 1);
	}
}

static int start_listening(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		die("listen");
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event evs[256], ev = { .events = EPOLLIN };
	struct rlimit files;
	int listener, n;

	if (argc != 2)
		return 2;
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	listener = start_listening((uint16_t)strtoul(argv[1], NULL, 10));
	poller = epoll_create1(0);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &ev) < 0)
		die("epoll_ctl");
	while ((n = epoll_wait(poller, evs, 256, -1)) >= 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			struct conn *c = evs[i].data.ptr;

			if (c == NULL)
				greet(listener);
			else if ((evs[i].events & EPOLLOUT) != 0)
				give_rest(c);
			else
				take(c);
		}
	}
	return 1;
}
