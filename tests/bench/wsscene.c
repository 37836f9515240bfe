/* SPDX-License-Identifier: MIT */
/*
 * The scene, made over groupd's socket: a group of all, a token for each, and
 * then the many groups of some.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsbench.h"
#include "tests/bench/wsclient.h"

enum { TOKENS_UNDER_WAY = 64, ADDED_AT_ONCE = 500 };

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	(void)c;
	(void)header;
	(void)body;
}

void wsclient_start(struct client *c, uv_loop_t *loop, const char *socket,
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

struct scene {
	uv_loop_t loop;
	struct client client;
	struct client_principal self;
	struct client_request change;
	struct client_request reqs[TOKENS_UNDER_WAY];
	uint64_t users[TOKENS_UNDER_WAY]; /* whose token that asks for */
	struct buf *tokens;		  /* owned: n of them */
	const char *name;
	uint64_t group_id;
	uint64_t n, asked, got, added;
	/* The many. */
	uint64_t ngroups, each, connections, made, making;
};

static void ask_token(struct scene *s, struct client_request *req);

static void on_token(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct scene *s = req->data;
	const struct wire_body_token *token = body;

	if (err != NULL)
		bench_die(err->text, -EIO);
	buf_append_str(&s->tokens[s->users[req - s->reqs]], token->token);
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
	s->users[req - s->reqs] = s->asked;
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

static void make_group(struct scene *s, struct client_request *req);

static void on_made(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct scene *s = req->data;

	(void)body;
	if (err != NULL)
		bench_die(err->text, -EIO);
	s->made++;
	make_group(s, req);
}

static void make_group(struct scene *s, struct client_request *req)
{
	struct wire_body_create_group body = { 0 };
	struct buf members = { 0 }, name = { 0 };
	uint64_t g = s->making;
	int rc;

	if (g == s->ngroups)
		return;
	s->making++;
	buf_printf(&name, "%s%llu", s->name, (unsigned long long)g);
	for (uint64_t k = 0; k < s->each; k++) {
		uint64_t u = (g * s->each + k) % s->connections;
		char user[WIRE_USER_MAX + 1];
		struct wire_edit edit = { .op = EDIT_ADD };

		(void)snprintf(user, sizeof(user), "u%llu",
			       (unsigned long long)u);
		edit.name = str_of(user);
		wire_put(&members, &wire_schema_edit, &edit);
	}
	body.name = buf_str(&name);
	body.key = buf_str(&name);
	body.members = buf_str(&members);
	req->data = s;
	rc = client_submit(&s->client, req, &s->self, WIRE_CREATE_GROUP, &body,
			   0, on_made);
	if (rc != 0)
		bench_die(buf_cstr(&name), rc);
	buf_release(&name);
	buf_release(&members);
}

static void make_many(struct scene *s, char **argv)
{
	s->ngroups = bench_number(argv[0]);
	s->each = bench_number(argv[1]);
	s->connections = bench_number(argv[2]);
	for (size_t i = 0; i < TOKENS_UNDER_WAY; i++)
		make_group(s, &s->reqs[i]);
	while (s->made < s->ngroups)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
}

int scene_main(int argc, char **argv)
{
	static struct scene s;
	struct wire_body_create_group body = { .key = str_of("bench") };
	int rc;

	if (argc != 4 && argc != 7)
		bench_die("scene", -EINVAL);
	s.n = bench_number(argv[3]);
	s.tokens = calloc(s.n, sizeof(struct buf));
	if (s.tokens == NULL)
		bench_die("tokens", -ENOMEM);
	wsclient_start(&s.client, &s.loop, argv[1], &s.self);
	s.name = argv[2];
	body.name = str_of(argv[2]);
	s.change.data = &s;
	rc = client_submit(&s.client, &s.change, &s.self, WIRE_CREATE_GROUP,
			   &body, 0, on_created);
	if (rc != 0)
		bench_die(argv[2], rc);
	while (s.got < s.n)
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	for (size_t i = 0; i < s.n; i++)
		(void)printf("%s\n", buf_cstr(&s.tokens[i]));
	if (argc == 7)
		make_many(&s, argv + 4);
	return 0;
}
