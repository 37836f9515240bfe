/* SPDX-License-Identifier: MIT */
#include "tests/bench/nodes.h"

#include <errno.h>

#include "lib/client.h"
#include "tests/bench/bench.h"

/* Answers of each sender before the clock starts. */
enum { WARM_UP = 30 };

struct sender {
	struct client_request req;
	struct node *node;
};

struct node {
	const struct nodes_send *load;
	uv_loop_t loop;
	struct client client;
	struct client_principal self;
	struct buf items;
	struct sender senders[NODES_SENDERS];
	uint64_t answers;
	uint64_t began_ns; /* 0: it is not warm yet */
	uint64_t ended_ns;
	size_t under_way;
};

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	(void)c;
	(void)header;
	(void)body;
}

static bool is_over(const struct node *n)
{
	return n->began_ns != 0 &&
	       bench_now_ns() - n->began_ns >= n->load->ms * 1000000;
}

static void count_answer(struct node *n)
{
	n->answers++;
	n->ended_ns = bench_now_ns();
	if (n->began_ns == 0 && n->answers == n->load->senders * WARM_UP) {
		n->answers = 0;
		n->began_ns = n->ended_ns;
	}
}

static void send_next(struct sender *s);

static void on_sent(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct sender *s = req->data;
	struct node *n = s->node;

	(void)body;
	if (err != NULL)
		bench_die(err->text, -EIO);
	n->under_way--;
	if (is_over(n))
		return;
	count_answer(n);
	send_next(s);
}

static void send_next(struct sender *s)
{
	struct node *n = s->node;
	const struct nodes_send *load = n->load;
	uint64_t id[2] = { bench_random(), bench_now_ns() };
	const struct wire_body_send body = {
		.group_id = load->group_ids[bench_random() % load->groups],
		.batch_id = str_make((const char *)id, sizeof(id)),
		.items = buf_str(&n->items),
	};
	int rc;

	s->req.data = s;
	n->under_way++;
	rc = client_submit(&n->client, &s->req, &n->self, WIRE_SEND, &body,
			   CLIENT_TIMEOUT_MS, on_sent);
	if (rc != 0)
		bench_die("send", rc);
}

double nodes_send(const struct nodes_send *load)
{
	static struct node n;
	const struct client_options options = { .path = load->socket,
						.agent = "nodesbench/1",
						.on_event = on_event };
	int rc = uv_loop_init(&n.loop);

	if (load->senders == 0 || load->senders > NODES_SENDERS)
		bench_die("senders", -EINVAL);
	n.load = load;
	wire_put(&n.items, &wire_schema_item, &load->item);
	if (rc == 0)
		rc = client_start(&n.client, &n.loop, &options);
	if (rc == 0)
		rc = client_open_principal(&n.client, &n.self, PRINCIPAL_SELF,
					   0, NULL, NULL);
	if (rc != 0)
		bench_die(load->socket, rc);
	for (size_t i = 0; i < load->senders; i++) {
		n.senders[i].node = &n;
		send_next(&n.senders[i]);
	}
	/* The process ends then: nothing is closed. */
	while (n.under_way > 0)
		(void)uv_run(&n.loop, UV_RUN_ONCE);
	buf_release(&n.items);
	return (double)n.answers * 1e9 / (double)(n.ended_ns - n.began_ns);
}
