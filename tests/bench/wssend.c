/* SPDX-License-Identifier: MIT */
/*
 * Who sends to groupd's groups: a process of its own, so that what libuv and
 * the wire format cost is not the light clients'.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsbench.h"
#include "tests/bench/wsclient.h"

enum { UNDER_WAY = 4096 };

/* What was asked for at once. */
struct asked {
	size_t left; /* SENDs */
};

struct sending {
	struct client_request req;
	struct sender *sender;
	struct asked *asked; /* NULL: free */
};

struct finding {
	struct client_request req;
	struct sender *sender;
	uint64_t id, last_seq;
};

struct sender {
	uv_loop_t loop;
	uv_poll_t poll;
	struct client client;
	struct client_principal self;
	struct finding *groups; /* owned */
	size_t ngroups, found;
	struct sending sendings[UNDER_WAY];
	size_t next;
	int fd;
};

/* Our parent may be busy; when it has ended, so do we. */
static void tell(struct sender *s, const void *what, size_t n)
{
	struct pollfd full = { .fd = s->fd, .events = POLLOUT };

	while (write(s->fd, what, n) != (ssize_t)n) {
		if (errno != EAGAIN || poll(&full, 1, -1) < 0)
			exit(0);
	}
}

static void on_sent(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct sending *sending = req->data;
	struct asked *asked = sending->asked;
	struct wssent sent;

	(void)body;
	if (err != NULL)
		bench_die(err->text, -EIO);
	sending->asked = NULL;
	if (--asked->left > 0)
		return;
	free(asked);
	sent.at_ns = bench_now_ns();
	tell(sending->sender, &sent, sizeof(sent));
}

/* They come back nearly in turn. */
static struct sending *free_sending(struct sender *s)
{
	for (size_t i = 0; i < UNDER_WAY; i++) {
		struct sending *sending = &s->sendings[s->next];

		s->next = (s->next + 1) % UNDER_WAY;
		if (sending->asked == NULL)
			return sending;
	}
	bench_die("groupd does not keep up", -EBUSY);
}

static void send_batch(struct sender *s, const struct finding *group,
		       struct str items, struct asked *asked)
{
	uint64_t id[2] = { bench_random(), bench_now_ns() };
	const struct wire_body_send body = {
		.group_id = group->id,
		.batch_id = str_make((const char *)id, sizeof(id)),
		.items = items
	};
	struct sending *sending = free_sending(s);
	int rc;

	sending->asked = asked;
	sending->sender = s;
	sending->req.data = sending;
	rc = client_submit(&s->client, &sending->req, &s->self, WIRE_SEND,
			   &body, CLIENT_TIMEOUT_MS, on_sent);
	if (rc != 0)
		bench_die("send", rc);
}

static void on_asked(uv_poll_t *poll, int status, int events)
{
	struct sender *s = poll->data;
	char content[WSBENCH_CONTENT];
	const struct wire_item item = { .content = str_make(content,
							    sizeof(content)) };
	struct asked *asked = calloc(1, sizeof(*asked));
	struct buf items = { 0 };
	struct wsask ask;

	(void)events;
	if (status < 0 || read(s->fd, &ask, sizeof(ask)) != sizeof(ask))
		exit(0); /* our parent has ended */
	if (asked == NULL)
		bench_die("sender", -ENOMEM);
	asked->left = ask.ngroups;
	wsbench_content(content, bench_now_ns());
	for (uint32_t i = 0; i < ask.count; i++)
		wire_put(&items, &wire_schema_item, &item);
	for (uint32_t i = 0; i < ask.ngroups; i++)
		send_batch(s, &s->groups[ask.first + i], buf_str(&items),
			   asked);
	buf_release(&items);
}

static void on_found(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct finding *f = req->data;
	struct sender *s = f->sender;
	const struct wire_group *g = body;
	int rc;

	if (err != NULL)
		bench_die(err->text, -EIO);
	f->id = g->group_id;
	f->last_seq = g->last_seq;
	if (++s->found < s->ngroups)
		return;
	/* Several are asked at a time, and answer in any order. */
	for (size_t i = 0; i < s->ngroups; i++)
		tell(s, &s->groups[i].last_seq, sizeof(uint64_t));
	rc = uv_poll_init(&s->loop, &s->poll, s->fd);
	s->poll.data = s;
	if (rc == 0)
		rc = uv_poll_start(&s->poll, UV_READABLE, on_asked);
	if (rc != 0)
		bench_die("sender", rc);
}

static void run_sender(int fd, const char *socket, struct wsbench_group *groups,
		       size_t n)
{
	static struct sender s;

	s.fd = fd;
	s.ngroups = n;
	s.groups = calloc(n, sizeof(*s.groups));
	if (s.groups == NULL)
		bench_die("sender", -ENOMEM);
	wsclient_start(&s.client, &s.loop, socket, &s.self);
	for (size_t i = 0; i < n; i++) {
		struct finding *f = &s.groups[i];
		const struct wire_body_find_group body = {
			.name = str_of(groups[i].name)
		};
		int rc;

		f->sender = &s;
		f->req.data = f;
		rc = client_submit(&s.client, &f->req, &s.self, WIRE_FIND_GROUP,
				   &body, CLIENT_TIMEOUT_MS, on_found);
		if (rc != 0)
			bench_die(groups[i].name, rc);
	}
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	exit(1);
}

void wssender_start(struct wssender *s, const char *socket,
		    struct wsbench_group *groups, size_t n)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		bench_die("socketpair", -errno);
	pid = fork();
	if (pid < 0)
		bench_die("fork", -errno);
	if (pid == 0) {
		(void)close(fds[0]);
		run_sender(fds[1], socket, groups, n);
	}
	(void)close(fds[1]);
	s->fd = fds[0];
	for (size_t i = 0; i < n; i++) {
		if (read(s->fd, &groups[i].after, sizeof(groups[i].after)) !=
		    sizeof(groups[i].after))
			bench_die("the sender did not start", -EIO);
	}
}
