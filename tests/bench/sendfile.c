/* SPDX-License-Identifier: MIT */
/*
 * What durable messages cost at the least: records appended to a bare file,
 * write(2) and fdatasync(2), all that wait in one go. In this process; behind
 * a socket; and without anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/sendbench.h"

enum { READ = 256 << 10, CONNS_MAX = 1024 };

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
		      0644);

	if (fd < 0)
		bench_die(path, -errno);
	return fd;
}

static void commit(int fd, const struct buf *records)
{
	if (write(fd, records->data, records->len) != (ssize_t)records->len ||
	    fdatasync(fd) != 0)
		bench_die("the bare file", -errno);
}

static void put_record(struct buf *out)
{
	char head[SENDBENCH_RECORD - SENDBENCH_CONTENT] = { 0 };

	buf_append(out, head, sizeof(head));
	buf_append_str(out, sendbench_content());
}

/* In this process: one thread sends, for all senders; one writes, as a lane
 * does. */

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint32_t waiting[SENDBENCH_SENDERS]; /* senders; all under lock */
	uint32_t done[SENDBENCH_SENDERS];
	size_t nwaiting, ndone;
	bool stop;
	int file, told;
};

static void *write_main(void *arg)
{
	struct shared *s = arg;
	uint32_t batch[SENDBENCH_SENDERS];
	struct buf records = { 0 };
	uint64_t one = 1;

	for (;;) {
		size_t n;

		pthread_mutex_lock(&s->lock);
		while (s->nwaiting == 0 && !s->stop)
			pthread_cond_wait(&s->wake, &s->lock);
		n = s->nwaiting;
		memcpy(batch, s->waiting, n * sizeof(batch[0]));
		s->nwaiting = 0;
		pthread_mutex_unlock(&s->lock);
		if (n == 0)
			break;
		buf_clear(&records);
		for (size_t i = 0; i < n; i++)
			put_record(&records);
		commit(s->file, &records);
		pthread_mutex_lock(&s->lock);
		memcpy(s->done + s->ndone, batch, n * sizeof(batch[0]));
		s->ndone += n;
		pthread_mutex_unlock(&s->lock);
		if (write(s->told, &one, sizeof(one)) != sizeof(one))
			bench_die("eventfd", -errno);
	}
	buf_release(&records);
	return NULL;
}

static void hand_over(struct shared *s, const uint32_t *senders, size_t n)
{
	if (n == 0)
		return;
	pthread_mutex_lock(&s->lock);
	memcpy(s->waiting + s->nwaiting, senders, n * sizeof(senders[0]));
	s->nwaiting += n;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* Waits for answers, in n; false: the time is over, and nothing is left. */
static size_t take_answers(struct shared *s, uint32_t *senders)
{
	uint64_t told;
	size_t n;

	if (read(s->told, &told, sizeof(told)) != sizeof(told))
		bench_die("eventfd", -errno);
	pthread_mutex_lock(&s->lock);
	n = s->ndone;
	memcpy(senders, s->done, n * sizeof(senders[0]));
	s->ndone = 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void send_all(struct shared *s, struct sendtimes *t, size_t nsenders)
{
	uint64_t since[SENDBENCH_SENDERS];
	uint32_t senders[SENDBENCH_SENDERS];
	size_t n = nsenders, left = nsenders;

	for (uint32_t i = 0; i < nsenders; i++) {
		senders[i] = i;
		since[i] = bench_now_ns();
	}
	while (left > 0) {
		size_t again = 0, answers;

		hand_over(s, senders, n);
		answers = take_answers(s, senders);
		for (size_t i = 0; i < answers; i++) {
			uint32_t who = senders[i];
			uint64_t now = bench_now_ns();

			if (!sendtimes_note(t, since[who], now)) {
				left--;
				continue;
			}
			since[who] = now;
			senders[again++] = who;
		}
		n = again;
	}
}

int file_main(int argc, char **argv)
{
	static struct shared s = { .lock = PTHREAD_MUTEX_INITIALIZER,
				   .wake = PTHREAD_COND_INITIALIZER };
	struct sendtimes times = { 0 };
	pthread_t writer;
	size_t senders;

	if (argc != 5)
		bench_die("file", -EINVAL);
	senders = bench_number(argv[4]);
	if (senders == 0 || senders > SENDBENCH_SENDERS)
		bench_die("file", -EINVAL);
	s.file = open_file(argv[3]);
	s.told = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&writer, NULL, write_main, &s) != 0)
		bench_die("thread", -EAGAIN);
	sendtimes_start(&times);
	send_all(&s, &times, senders);
	pthread_mutex_lock(&s.lock);
	s.stop = true;
	pthread_cond_signal(&s.wake);
	pthread_mutex_unlock(&s.lock);
	(void)pthread_join(writer, NULL);
	sendtimes_report(&times, argv[1], argv[2]);
	(void)unlink(argv[3]);
	return 0;
}

/* One thread, one record at a time. */
int fdatasync_main(int argc, char **argv)
{
	struct sendtimes times = { 0 };
	struct buf record = { 0 };
	uint64_t since, now;
	int fd;

	if (argc != 4)
		bench_die("fdatasync", -EINVAL);
	fd = open_file(argv[3]);
	put_record(&record);
	sendtimes_start(&times);
	now = bench_now_ns();
	do {
		since = now;
		commit(fd, &record);
		now = bench_now_ns();
	} while (sendtimes_note(&times, since, now));
	sendtimes_report(&times, argv[1], argv[2]);
	buf_release(&record);
	(void)unlink(argv[3]);
	return 0;
}

/* Behind a socket: one thread. What all connections have sent by now is
 * written at once, made durable, and answered. */

struct conn {
	int fd;
	struct buf in, out;
};

struct server {
	int poller, listener, file;
	struct buf records;
	struct conn *ready[CONNS_MAX];
	size_t nready, nconns;
};

static void accept_conn(struct server *s)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c == NULL || s->nconns == CONNS_MAX)
		bench_die("too many connections", -ENOMEM);
	c->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (c->fd < 0 || epoll_ctl(s->poller, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		bench_die("accept", -errno);
	/* Each measurement has a file that is empty. */
	if (s->nconns++ == 0 && ftruncate(s->file, 0) < 0)
		bench_die("ftruncate", -errno);
}

static void drop_conn(struct server *s, struct conn *c)
{
	s->nconns--;
	(void)close(c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

static void read_conn(struct server *s, struct conn *c)
{
	size_t at = 0;
	ssize_t n;

	if (!buf_reserve(&c->in, READ))
		bench_die("memory", -ENOMEM);
	n = recv(c->fd, c->in.data + c->in.len, READ, 0);
	if (n <= 0) {
		drop_conn(s, c);
		return;
	}
	c->in.len += (size_t)n;
	for (; c->in.len - at >= SENDBENCH_RECORD; at += SENDBENCH_RECORD) {
		buf_append(&s->records, c->in.data + at, SENDBENCH_RECORD);
		buf_append(&c->out, c->in.data + at, sizeof(uint32_t));
	}
	buf_consume(&c->in, at);
	if (at > 0)
		s->ready[s->nready++] = c;
}

static void commit_and_answer(struct server *s)
{
	if (s->nready == 0)
		return;
	commit(s->file, &s->records);
	buf_clear(&s->records);
	for (size_t i = 0; i < s->nready; i++) {
		struct conn *c = s->ready[i];

		/* Who has gone is found at the next read. */
		(void)send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		buf_clear(&c->out);
	}
	s->nready = 0;
}

static void listen_at(struct server *s, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct epoll_event ev = { .events = EPOLLIN };

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	s->poller = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(s->listener, SOMAXCONN) < 0 ||
	    epoll_ctl(s->poller, EPOLL_CTL_ADD, s->listener, &ev) < 0)
		bench_die(path, -errno);
}

int server_main(int argc, char **argv)
{
	static struct server s;
	struct epoll_event evs[CONNS_MAX];
	int n;

	if (argc != 3)
		bench_die("server", -EINVAL);
	s.file = open_file(argv[2]);
	listen_at(&s, argv[1]);
	while ((n = epoll_wait(s.poller, evs, CONNS_MAX, -1)) >= 0 ||
	       errno == EINTR) {
		for (int i = 0; i < n; i++) {
			if (evs[i].data.ptr == NULL)
				accept_conn(&s);
			else
				read_conn(&s, evs[i].data.ptr);
		}
		commit_and_answer(&s);
	}
	return 1;
}
