/* SPDX-License-Identifier: MIT */
/*
 * Who sends to groupd's group: a process of its own, so that what libuv and
 * the wire format cost is not the light clients'. And the scene, made over
 * the same socket.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsbench.h"

enum { UNDER_WAY = 256, TOKENS_UNDER_WAY = 64, ADDED_AT_ONCE = 500 };

struct sending {
	struct client_request req;
	struct sender *sender;
	bool busy;
};

struct sender {
	uv_loop_t loop;
	uv_poll_t asked;
	struct client client;
	struct client_principal self;
	struct client_request find;
	struct sending sendings[UNDER_WAY];
	uint64_t group_id;
	int fd;
};

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	(void)c;
	(void)header;
	(void)body;
}

static void start_client(struct client *c, uv_loop_t *loop, const char *socket,
			 struct client_principal *self)
{
	const struct client_options options = { .path = socket,
						.agent = "wsclients/1",
						.on_event = on_event };
	int rc = uv_loop_init(loop);

	if (rc == 0)
		rc = client_start(c, loop, &options);
	if (rc == 0)
		rc = client_open_principal(c, self, PRINCIPAL_SELF, 0, NULL,
					   NULL);
	if (rc != 0)
		bench_die(socket, rc);
}

static void tell(struct sender *s, uint64_t last_seq)
{
	const struct wssent sent = { .last_seq = last_seq,
				     .at_ns = bench_now_ns() };

	if (write(s->fd, &sent, sizeof(sent)) != sizeof(sent))
		exit(0);
}

static void on_sent(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct sending *sending = req->data;
	const struct wire_body_sent *sent = body;

	if (err != NULL)
		bench_die(err->text, -EIO);
	sending->busy = false;
	tell(sending->sender, sent->last_seq);
}

static void send_batch(struct sender *s, uint32_t count)
{
	char content[WSBENCH_CONTENT];
	const struct wire_item item = { .content = str_make(content,
							    sizeof(content)) };
	uint64_t id[2] = { bench_random(), bench_now_ns() };
	struct wire_body_send body = { .group_id = s->group_id,
				       .batch_id = str_make((const char *)id,
							    sizeof(id)) };
	struct sending *sending = s->sendings;
	struct buf items = { 0 };
	int rc;

	while (sending < s->sendings + UNDER_WAY && sending->busy)
		sending++;
	if (sending == s->sendings + UNDER_WAY)
		bench_die("groupd does not keep up", -EBUSY);
	wsbench_content(content, bench_now_ns());
	for (uint32_t i = 0; i < count; i++)
		wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	sending->busy = true;
	sending->sender = s;
	sending->req.data = sending;
	rc = client_submit(&s->client, &sending->req, &s->self, WIRE_SEND,
			   &body, CLIENT_TIMEOUT_MS, on_sent);
	if (rc != 0)
		bench_die("send", rc);
	buf_release(&items);
}

static void on_asked(uv_poll_t *poll, int status, int events)
{
	struct sender *s = poll->data;
	uint32_t count;

	(void)events;
	if (status < 0 || read(s->fd, &count, sizeof(count)) != sizeof(count))
		exit(0); /* our parent has ended */
	send_batch(s, count);
}

static void on_found(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct sender *s = req->data;
	const struct wire_group *g = body;
	int rc;

	if (err != NULL)
		bench_die(err->text, -EIO);
	s->group_id = g->group_id;
	rc = uv_poll_init(&s->loop, &s->asked, s->fd);
	s->asked.data = s;
	if (rc == 0)
		rc = uv_poll_start(&s->asked, UV_READABLE, on_asked);
	if (rc != 0)
		bench_die("sender", rc);
	tell(s, g->last_seq);
}

static void run_sender(int fd, const char *socket, const char *group)
{
	static struct sender s;
	const struct wire_body_find_group body = { .name = str_of(group) };
	int rc;

	s.fd = fd;
	start_client(&s.client, &s.loop, socket, &s.self);
	s.find.data = &s;
	rc = client_submit(&s.client, &s.find, &s.self, WIRE_FIND_GROUP, &body,
			   CLIENT_TIMEOUT_MS, on_found);
	if (rc != 0)
		bench_die(group, rc);
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	exit(1);
}

void wssender_start(struct wssender *s, const char *socket, const char *group)
{
	struct wssent sent;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		bench_die("socketpair", -errno);
	pid = fork();
	if (pid < 0)
		bench_die("fork", -errno);
	if (pid == 0) {
		(void)close(fds[0]);
		run_sender(fds[1], socket, group);
	}
	(void)close(fds[1]);
	s->fd = fds[0];
	if (read(s->fd, &sent, sizeof(sent)) != sizeof(sent))
		bench_die("the sender did not start", -EIO);
	s->last_seq = sent.last_seq;
}

/* The scene. */

struct scene {
	uv_loop_t loop;
	struct client client;
	struct client_principal self;
	struct client_request change;
	struct client_request reqs[TOKENS_UNDER_WAY];
	uint64_t group_id;
	uint64_t n, asked, got, added;
};

static void ask_token(struct scene *s, struct client_request *req);

static void on_token(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct scene *s = req->data;
	const struct wire_body_token *token = body;

	if (err != NULL)
		bench_die(err->text, -EIO);
	(void)printf("%.*s\n", (int)token->token.len, token->token.data);
	s->got++;
	ask_token(s, req);
}

static void ask_token(struct scene *s, struct client_request *req)
{
	struct wire_body_create_token body = { 0 };
	char user[WIRE_USER_MAX + 1];
	int rc;

	if (s->asked == s->n)
		return;
	(void)snprintf(user, sizeof(user), "u%llu",
		       (unsigned long long)s->asked++);
	body.user = str_of(user);
	req->data = s;
	rc = client_submit(&s->client, req, &s->self, WIRE_CREATE_TOKEN, &body,
			   0, on_token);
	if (rc != 0)
		bench_die("token", rc);
}

static void add_some(struct scene *s);

static void on_added(struct client_request *req, const struct err *err,
		     const void *body)
{
	(void)body;
	if (err != NULL)
		bench_die(err->text, -EIO);
	add_some(req->data);
}

/* Not all at once: on PostgreSQL a change may take some time only. */
static void add_some(struct scene *s)
{
	struct wire_body_edit_members body = { .group_id = s->group_id };
	struct buf edits = { 0 };
	uint64_t end = s->added + ADDED_AT_ONCE;
	int rc;

	if (s->added == s->n) {
		for (size_t i = 0; i < TOKENS_UNDER_WAY; i++)
			ask_token(s, &s->reqs[i]);
		return;
	}
	for (; s->added < s->n && s->added < end; s->added++) {
		char user[WIRE_USER_MAX + 1];
		struct wire_edit edit = { .op = EDIT_ADD };

		(void)snprintf(user, sizeof(user), "u%llu",
			       (unsigned long long)s->added);
		edit.name = str_of(user);
		wire_put(&edits, &wire_schema_edit, &edit);
	}
	body.edits = buf_str(&edits);
	rc = client_submit(&s->client, &s->change, &s->self, WIRE_EDIT_MEMBERS,
			   &body, 0, on_added);
	if (rc != 0)
		bench_die("members", rc);
	buf_release(&edits);
}

static void on_created(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct scene *s = req->data;
	const struct wire_body_group *group = body;

	if (err != NULL)
		bench_die(err->text, -EIO);
	s->group_id = group->group_id;
	add_some(s);
}

int scene_main(int argc, char **argv)
{
	static struct scene s;
	struct wire_body_create_group body = { .key = str_of("bench") };
	int rc;

	if (argc != 4)
		bench_die("scene", -EINVAL);
	s.n = bench_number(argv[3]);
	start_client(&s.client, &s.loop, argv[1], &s.self);
	body.name = str_of(argv[2]);
	s.change.data = &s;
	rc = client_submit(&s.client, &s.change, &s.self, WIRE_CREATE_GROUP,
			   &body, 0, on_created);
	if (rc != 0)
		bench_die(argv[2], rc);
	while (s.got < s.n)
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	return 0;
}
