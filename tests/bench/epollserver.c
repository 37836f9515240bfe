/* SPDX-License-Identifier: MIT */
/*
 * The plain epoll loop that `make bench-ws` measures against:
 *
 *   epollserver PORT [FILE]
 *
 * It greets who connects, and once more who says which groups he is in: "J",
 * their count (a byte), their numbers (two bytes each). A connection that began
 * with "P" sends messages: the group's number, the length (two bytes each), and
 * the bytes, which are written to all of the group at once: no protocol, no
 * log, nobody is asked who he is. What a socket does not take waits for it.
 * Messages of one group that are read together go to a socket in one write.
 * With a FILE what was read is written there first, and fdatasynced: what a
 * loop could do that keeps all it delivers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

enum {
	CONNS_MAX = 65536,
	GROUPS_MAX = 4096,
	READ = 64 << 10,
	SEND_BUFFER = 64 << 10,
	HEAD = 4, /* of a message */
	MEMBERS_FIRST = 16
};

struct conn {
	int fd;
	bool publisher;
	char *rest; /* owned: what waits */
	size_t nrest;
};

struct group {
	struct conn **members; /* owned */
	size_t count, cap;
};

static struct group groups[GROUPS_MAX];
static size_t nconns;
static int poller;
static int file = -1;

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

static void leave(struct group *g, const struct conn *c)
{
	for (size_t i = 0; i < g->count; i++) {
		if (g->members[i] == c)
			g->members[i--] = g->members[--g->count];
	}
}

static void drop(struct conn *c)
{
	for (size_t i = 0; i < GROUPS_MAX; i++)
		leave(&groups[i], c);
	nconns--;
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

static void hello(struct conn *c)
{
	static const char text[] = "\x81\x10{\"type\":\"hello\"}";

	give(c, text, sizeof(text) - 1);
}

static void join_group(struct group *g, struct conn *c)
{
	if (g->count == g->cap) {
		g->cap = g->cap == 0 ? MEMBERS_FIRST : g->cap * 2;
		g->members =
			realloc(g->members, g->cap * sizeof(struct conn *));
		if (g->members == NULL)
			die("realloc");
	}
	g->members[g->count++] = c;
}

static size_t number(const char *p)
{
	return (size_t)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static void join(struct conn *c, const char *data, size_t n)
{
	for (size_t at = 2; at + 2 <= n; at += 2)
		join_group(&groups[number(data + at) % GROUPS_MAX], c);
	hello(c);
}

static void store(const char *data, size_t n)
{
	if (file >= 0 && n > 0 &&
	    (write(file, data, n) != (ssize_t)n || fdatasync(file) < 0))
		die("store");
}

/* Whole messages; how many bytes of them. */
static size_t publish(const char *data, size_t n)
{
	static char joined[READ];
	size_t at = 0, len = 0;

	while (n - at >= HEAD && n - at - HEAD >= number(data + at + 2)) {
		size_t size = number(data + at + 2);
		const struct group *g = &groups[number(data + at) % GROUPS_MAX];
		const char *next = data + at + HEAD + size;
		size_t left = n - at - HEAD - size;

		memcpy(joined + len, data + at + HEAD, size);
		len += size;
		at += HEAD + size;
		if (left >= HEAD && number(next) == (size_t)(g - groups) &&
		    left - HEAD >= number(next + 2))
			continue;
		for (size_t i = 0; i < g->count; i++)
			give(g->members[i], joined, len);
		len = 0;
	}
	return at;
}

static void take(struct conn *c)
{
	static char data[READ], kept[READ]; /* there is one publisher */
	static size_t nkept;
	size_t n = c->publisher ? nkept : 0, from = 0;
	ssize_t did;

	memcpy(data, kept, n);
	did = read(c->fd, data + n, sizeof(data) - n);
	if (did < 0 && errno == EAGAIN)
		return;
	if (did <= 0) {
		nkept = c->publisher ? 0 : nkept;
		drop(c);
		return;
	}
	n += (size_t)did;
	if (!c->publisher && data[0] == 'P') {
		c->publisher = true;
		from = 1;
	} else if (!c->publisher) {
		join(c, data, n);
		return;
	}
	store(data + from, n - from);
	from += publish(data + from, n - from);
	nkept = n - from;
	memcpy(kept, data + from, nkept);
}

static void greet(int listener)
{
	int one = 1, size = SEND_BUFFER, fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));

		if (c == NULL || nconns == CONNS_MAX)
			die("too many");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		c->fd = fd;
		nconns++;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
		hello(c);
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

	if (argc < 2 || argc > 3)
		return 2;
	if (argc == 3)
		file = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			    0600);
	if (argc == 3 && file < 0)
		die(argv[2]);
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
