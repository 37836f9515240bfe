/* SPDX-License-Identifier: MIT */
/*
 * Senders in a mount; and how long a message of it takes to others.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/sendbench.h"
#include "tests/bench/websocket.h"

enum {
	FILES = 16, /* that a sender has open, of groups at random */
	SINGLES_MAX = 4096,
	PATIENCE_MS = 20000
};

static int open_messages(const char *mount, uint64_t group, int flags)
{
	struct buf path = { 0 };
	int fd;

	buf_printf(&path, "%s/g%llu/messages", mount,
		   (unsigned long long)group);
	fd = open(buf_cstr(&path), flags | O_CLOEXEC);
	if (fd < 0)
		bench_die(buf_cstr(&path), -errno);
	buf_release(&path);
	return fd;
}

/* Senders: a thread each, with descriptors of its own. */

struct writer {
	pthread_t thread;
	pthread_barrier_t *ready;
	int files[FILES];
	size_t nfiles;
	uint64_t random;
	struct sendtimes times;
};

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct buf line = { 0 };
	uint64_t since;

	buf_append_str(&line, sendbench_content());
	buf_append_char(&line, '\n');
	(void)pthread_barrier_wait(w->ready);
	sendtimes_start(&w->times);
	do {
		int fd = w->files[w->random++ % w->nfiles];

		since = bench_now_ns();
		if (write(fd, line.data, line.len) != (ssize_t)line.len)
			bench_die("write", -errno);
	} while (sendtimes_note(&w->times, since, bench_now_ns()));
	for (size_t i = 0; i < w->nfiles; i++)
		(void)close(w->files[i]);
	buf_release(&line);
	return NULL;
}

static void join(struct writer *writers, size_t n, struct sendtimes *all)
{
	sendtimes_start(all);
	for (size_t i = 0; i < n; i++) {
		(void)pthread_join(writers[i].thread, NULL);
		sendtimes_merge(all, &writers[i].times);
	}
}

int mount_main(int argc, char **argv)
{
	static struct writer writers[SENDBENCH_SENDERS];
	struct sendtimes all = { 0 };
	pthread_barrier_t ready;
	uint64_t groups;
	size_t n;

	if (argc != 6)
		bench_die("mount", -EINVAL);
	n = bench_number(argv[4]);
	groups = bench_number(argv[5]);
	if (n == 0 || n > SENDBENCH_SENDERS || groups == 0 ||
	    pthread_barrier_init(&ready, NULL, (unsigned)n) != 0)
		bench_die("mount", -EINVAL);
	for (size_t i = 0; i < n; i++) {
		struct writer *w = &writers[i];

		w->ready = &ready;
		w->nfiles = groups == 1 ? 1 : FILES;
		for (size_t k = 0; k < w->nfiles; k++)
			w->files[k] = open_messages(argv[3],
						    sendbench_random() % groups,
						    O_WRONLY | O_APPEND);
		if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
			bench_die("thread", -EAGAIN);
	}
	join(writers, n, &all);
	sendtimes_report(&all, argv[1], argv[2]);
	return 0;
}

/* End to end: what reads until it has seen the text of a message. */

struct reader {
	pthread_t thread;
	int fd;
	const char *what;
	_Atomic uint64_t wanted; /* stamp; 0: none */
	_Atomic uint64_t came_ns;
	double took_ms[SINGLES_MAX];
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct buf in = { 0 };

	for (;;) {
		char stamp[32];
		uint64_t wanted;
		ssize_t n;

		if (!buf_reserve(&in, 64 << 10))
			bench_die(r->what, -ENOMEM);
		n = read(r->fd, in.data + in.len, 64 << 10);
		if (n <= 0)
			bench_die(r->what, n < 0 ? -errno : -EPIPE);
		in.len += (size_t)n;
		wanted = r->wanted;
		(void)snprintf(stamp, sizeof(stamp), "#T%020llu",
			       (unsigned long long)wanted);
		if (wanted != 0 &&
		    memmem(in.data, in.len, stamp, strlen(stamp)) != NULL) {
			r->wanted = 0;
			r->came_ns = bench_now_ns();
			buf_clear(&in);
		}
	}
	return NULL;
}

static void start_reader(struct reader *r, int fd, const char *what)
{
	r->fd = fd;
	r->what = what;
	if (pthread_create(&r->thread, NULL, reader_main, r) != 0)
		bench_die("thread", -EAGAIN);
}

/* Until the socket has said that. */
static void expect(int fd, const char *what)
{
	struct buf in = { 0 };

	while (in.len == 0 ||
	       memmem(in.data, in.len, what, strlen(what)) == NULL) {
		char part[4096];
		ssize_t n = recv(fd, part, sizeof(part), 0);

		if (n <= 0)
			bench_die(what, n < 0 ? -errno : -EPIPE);
		buf_append(&in, part, (size_t)n);
	}
	buf_release(&in);
}

static int open_websocket(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port =
					  htons((uint16_t)bench_number(port)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char text[] =
		"{\"type\":\"subscribe\",\"groups\":[{\"group\":\"g1\"}]}";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf out = { 0 };

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		bench_die(port, -errno);
	sendproto_of("websocket")->open(&out, 0);
	if (send(fd, out.data, out.len, 0) != (ssize_t)out.len)
		bench_die("send", -errno);
	expect(fd, "\"hello\"");
	buf_clear(&out);
	websocket_put_text(&out, str_of(text));
	if (send(fd, out.data, out.len, 0) != (ssize_t)out.len)
		bench_die("send", -errno);
	expect(fd, "\"type\":\"live\"");
	buf_release(&out);
	return fd;
}

/* As `echo >>` does. */
static void say(const char *mount, uint64_t stamp)
{
	int fd = open_messages(mount, 1, O_WRONLY | O_APPEND);
	char line[64];
	int n = snprintf(line, sizeof(line), "#T%020llu\n",
			 (unsigned long long)stamp);

	if (write(fd, line, (size_t)n) != n)
		bench_die("write", -errno);
	(void)close(fd);
}

static bool has_come(const struct reader *r, uint64_t since_ns,
		     uint64_t within_ms)
{
	while (r->came_ns == 0) {
		if (bench_now_ns() - since_ns > within_ms * 1000000)
			return false;
		(void)usleep(100);
	}
	return true;
}

static double came(const struct reader *r, uint64_t since_ns)
{
	if (!has_come(r, since_ns, PATIENCE_MS))
		bench_die(r->what, -ETIMEDOUT);
	return (double)(r->came_ns - since_ns) / 1e6;
}

static void expect_stamp(struct reader *r, uint64_t stamp)
{
	r->came_ns = 0;
	r->wanted = stamp;
}

/* It is certain that it reads when it has got one: who begins to read later has
 * read what he said himself. */
static void await_reader(struct reader *r, const char *mount)
{
	uint64_t since;
	int tries = 0;

	do {
		since = bench_now_ns();
		expect_stamp(r, since);
		say(mount, since);
	} while (!has_come(r, since, 500) && ++tries < 40);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *metric, const char *side, double *ms, size_t n)
{
	char name[128];

	qsort(ms, n, sizeof(*ms), by_size);
	(void)snprintf(name, sizeof(name), "%s, p50", metric);
	bench_sample(name, side, "ms", ms[n / 2]);
	(void)snprintf(name, sizeof(name), "%s, p99", metric);
	bench_sample(name, side, "ms", ms[n * 99 / 100]);
}

static double sync_once(int fd)
{
	uint64_t since = bench_now_ns();

	if (write(fd, sendbench_content().data, SENDBENCH_CONTENT) !=
		    SENDBENCH_CONTENT ||
	    fdatasync(fd) != 0)
		bench_die("fdatasync", -errno);
	return (double)(bench_now_ns() - since) / 1e6;
}

int end_main(int argc, char **argv)
{
	static struct reader ws, live;
	static double echo_ms[SINGLES_MAX], sync_ms[SINGLES_MAX];
	uint64_t n;
	int file;

	if (argc != 6 || (n = bench_number(argv[5])) > SINGLES_MAX)
		bench_die("end", -EINVAL);
	file = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	start_reader(&ws, open_websocket(argv[3]), "the WebSocket");
	start_reader(&live, open(argv[2], O_RDONLY | O_CLOEXEC), "live");
	await_reader(&ws, argv[1]);
	await_reader(&live, argv[1]);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t since = bench_now_ns();

		expect_stamp(&ws, since);
		expect_stamp(&live, since);
		say(argv[1], since);
		echo_ms[i] = (double)(bench_now_ns() - since) / 1e6;
		ws.took_ms[i] = came(&ws, since);
		live.took_ms[i] = came(&live, since);
		sync_ms[i] = sync_once(file);
	}
	report("echo >>, to its end", "ours", echo_ms, n);
	report("echo >>, to its end", "fdatasync", sync_ms, n);
	report("echo >>, to a WebSocket's frame", "ours", ws.took_ms, n);
	report("echo >>, to a WebSocket's frame", "fdatasync", sync_ms, n);
	report("echo >>, to cat live of another mount", "ours", live.took_ms,
	       n);
	report("echo >>, to cat live of another mount", "fdatasync", sync_ms,
	       n);
	return 0;
}
