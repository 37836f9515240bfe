/* SPDX-License-Identifier: MIT */
/*
 * The same requests as the mount makes, without the kernel and groupfs: over
 * the socket to groupd, and on a store in this process.
 */
#include "tests/bench/bench.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/env.h"
#include "lib/text.h"

static const char MAKER[] = "root";

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	(void)c;
	(void)header;
	(void)body;
}

static void answered(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct direct *d = req->data;

	d->done = true;
	d->rc = err == NULL ? 0 : -err_errno(err->code);
	if (err == NULL && d->seen != NULL)
		d->seen(d, body);
	d->seen = NULL;
	if (err != NULL)
		(void)fprintf(stderr, "bench: %s\n", err->text);
	if (err == NULL && req->type == WIRE_FIND_GROUP) {
		const struct wire_group *g = body;

		d->group_id = g->group_id;
		d->size = g->size;
	}
}

int direct_ask(struct direct *d, enum wire_type type, const void *body)
{
	int rc;

	d->done = false;
	d->request.data = d;
	/* Nobody may have run it for longer than a request may take. */
	uv_update_time(&d->loop);
	rc = client_submit(&d->client, &d->request, &d->self, type, body,
			   CLIENT_TIMEOUT_MS, answered);
	if (rc != 0)
		return rc;
	while (!d->done)
		(void)uv_run(&d->loop, UV_RUN_ONCE);
	return d->rc;
}

int direct_find(void *data)
{
	struct direct *d = data;
	const struct wire_body_find_group body = {
		.group_id = d->group_id,
		.name = str_of(d->group_id == 0 ? d->group : "")
	};

	return direct_ask(d, WIRE_FIND_GROUP, &body);
}

int direct_unwatch(void *data)
{
	struct direct *d = data;
	const struct wire_body_unwatch body = { .group_id = d->group_id };

	return direct_ask(d, WIRE_UNWATCH, &body);
}

/* Each with a batch_id of its own, as groupfs does. */
int direct_send(void *data)
{
	struct direct *d = data;
	const struct wire_item item = { .content = str_make(bench_line(),
							    BENCH_LINE - 1) };
	uint64_t id[2] = { bench_random(), bench_now_ns() };
	struct buf items = { 0 };
	struct wire_body_send body = { .group_id = d->group_id,
				       .batch_id = str_make((const char *)id,
							    sizeof(id)) };
	int rc;

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	rc = direct_ask(d, WIRE_SEND, &body);
	buf_release(&items);
	return rc;
}

int direct_read(void *data)
{
	struct direct *d = data;
	const struct wire_body_read_text body = {
		.group_id = d->group_id,
		.offset = bench_random() % (d->size - BENCH_PAGE),
		.size = BENCH_PAGE
	};

	return direct_ask(d, WIRE_READ_TEXT, &body);
}

void direct_open_as(struct direct *d, const char *socket, const char *group,
		    const char *token)
{
	const struct client_options options = { .path = socket,
						.agent = "bench/1",
						.data = d,
						.on_event = on_event };
	int rc;

	*d = (struct direct){ .group = group };
	if (uv_loop_init(&d->loop) != 0)
		bench_die("libuv", -ENOMEM);
	rc = client_start(&d->client, &d->loop, &options);
	if (rc == 0)
		rc = client_open_principal(&d->client, &d->self,
					   token == NULL ? PRINCIPAL_SELF
							 : PRINCIPAL_TOKEN,
					   0, token, NULL);
	if (rc == 0 && group != NULL)
		rc = direct_find(d);
	if (rc != 0)
		bench_die(socket, rc);
}

void direct_open(struct direct *d, const char *socket, const char *group)
{
	direct_open_as(d, socket, group, NULL);
}

static void closed(struct client *c)
{
	(void)c;
}

void direct_close(struct direct *d)
{
	client_close(&d->client, closed);
	(void)uv_run(&d->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&d->loop);
}

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

void local_make(struct local *l, const char *url)
{
	const struct store_options options = { .env = env_system() };
	struct store_create create = { .name = str_of("bench"),
				       .creator = str_of(MAKER) };
	struct err err = { 0 };
	bool added;

	*l = (struct local){ 0 };
	check(store_open(&l->store, url, &options, &err), &err);
	check(store_begin(l->store, &err), &err);
	check(store_add_user(l->store, create.creator, &added, &err), &err);
	check(store_create_group(l->store, &create, &err), &err);
	check(store_commit(l->store, &err), &err);
	l->group_id = create.group_id;
}

void local_open(struct local *l, const char *url, const char *group)
{
	const struct store_options options = { .env = env_system(),
					       .read_only = true };
	struct err err = { 0 };
	struct wire_group found;

	*l = (struct local){ 0 };
	check(store_open(&l->store, url, &options, &err), &err);
	check(store_find_group(l->store, 0, str_of(group), str_of(""), &found,
			       &err),
	      &err);
	l->group_id = found.group_id;
	l->last_seq = found.last_seq;
	l->size = found.size;
}

void local_close(struct local *l)
{
	store_close(l->store);
	buf_release(&l->out);
}

int local_find(void *data)
{
	struct local *l = data;
	struct wire_group found;
	struct err err = { 0 };

	return store_find_group(l->store, l->group_id, str_of(""),
				str_of(MAKER), &found, &err);
}

int local_append(void *data)
{
	struct local *l = data;
	const struct wire_item item = { .content = str_make(bench_line(),
							    BENCH_LINE - 1) };
	uint64_t id[2] = { bench_random(), bench_now_ns() };
	struct store_append op = { .group_id = l->group_id,
				   .user = str_of(MAKER),
				   .batch_id = str_make((const char *)id,
							sizeof(id)) };
	struct err err = { 0 };

	buf_clear(&l->out);
	wire_put(&l->out, &wire_schema_item, &item);
	op.items = buf_str(&l->out);
	check(store_begin(l->store, &err), &err);
	check(store_append(l->store, &op, &err), &err);
	return store_commit(l->store, &err);
}

/* Until there is a page, and the rest of the line that the page begins in. */
static int render_page(void *data, const struct wire_message *m)
{
	struct local *l = data;

	text_render(&l->out, m);
	return l->out.len >= 2 * BENCH_PAGE ? 1 : 0;
}

int local_read(void *data)
{
	struct local *l = data;
	struct err err = { 0 };
	uint64_t seq, line_off;
	int rc;

	buf_clear(&l->out);
	rc = store_seek(l->store, l->group_id, LOG_TEXT,
			bench_random() % (l->size - BENCH_PAGE), &seq,
			&line_off, &err);
	if (rc < 0)
		return rc;
	return store_scan_text(l->store, l->group_id, seq - 1, render_page, l,
			       &err);
}

struct rendering {
	struct buf *out;
	uint64_t bytes;
};

static int render(void *data, const struct wire_message *m)
{
	struct rendering *r = data;

	size_t before;

	if (r->out->len > 1 << 20)
		buf_clear(r->out);
	before = r->out->len;
	text_render(r->out, m);
	r->bytes += r->out->len - before;
	return 0;
}

uint64_t local_render(struct local *l)
{
	struct rendering r = { .out = &l->out };
	struct err err = { 0 };

	check(store_scan_text(l->store, l->group_id, 0, render, &r, &err),
	      &err);
	return r.bytes;
}
