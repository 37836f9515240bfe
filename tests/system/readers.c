/* SPDX-License-Identifier: MIT */
/*
 * readers FILE THREADS POLLED: opens FILE for each of THREADS, which then
 * block in read(2), and POLLED times more for epoll(7). Prints "ready" when
 * all wait, then "got THREADS POLLED" with how many have read a text that ends
 * with "hello\n". Ends when killed.
 *
 * A blocked read(2) needs a thread here, of a small stack; the test counts
 * what it needs in groupfs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READ_SIZE = 131072 /* as cat asks for */ };

static const char *path;
static atomic_int opened;
static atomic_int got_threads;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int is_hello(const char *data, ssize_t n)
{
	return n >= 6 && memcmp(data + n - 6, "hello\n", 6) == 0;
}

static void *read_one(void *arg)
{
	char *data = malloc(READ_SIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	(void)arg;
	if (data == NULL || fd < 0)
		die(path);
	atomic_fetch_add(&opened, 1);
	n = read(fd, data, READ_SIZE);
	if (n < 0)
		die("read");
	if (is_hello(data, n))
		atomic_fetch_add(&got_threads, 1);
	free(data);
	/* The descriptor stays open: the count of readers is the same. */
	return NULL;
}

static void start_threads(int count)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32768);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < count; i++) {
		int rc = pthread_create(&thread, &attr, read_one, NULL);

		if (rc != 0) {
			fprintf(stderr, "thread %d: %s\n", i, strerror(rc));
			exit(1);
		}
	}
	while (atomic_load(&opened) < count)
		usleep(1000);
}

static int start_polled(int count)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < count; i++) {
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

		if (fd < 0)
			die(path);
		ev.data.fd = fd;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
			die("epoll_ctl");
	}
	return ep;
}

static int read_polled(int ep)
{
	struct epoll_event events[256];
	static char data[READ_SIZE];
	int got = 0;
	int n = epoll_wait(ep, events, 256, 50);

	for (int i = 0; i < n; i++) {
		ssize_t len = read(events[i].data.fd, data, sizeof(data));

		if (len < 0 && errno != EAGAIN)
			die("read");
		if (is_hello(data, len))
			got++;
	}
	return got;
}

int main(int argc, char **argv)
{
	int threads;
	int polled;
	int got = 0;
	int ep;

	if (argc != 4)
		return 2;
	path = argv[1];
	threads = atoi(argv[2]);
	polled = atoi(argv[3]);
	start_threads(threads);
	ep = start_polled(polled);
	puts("ready");
	fflush(stdout);
	while (got < polled || atomic_load(&got_threads) < threads) {
		got += read_polled(ep);
		if (polled == 0)
			usleep(1000);
	}
	printf("got %d %d\n", atomic_load(&got_threads), got);
	fflush(stdout);
	pause();
	return 0;
}
