/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/seat.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* One question: it outlives the seat, if need be. */
struct seat_ask {
	struct client_request req;
	struct list link;
	struct seats *all;
	struct bearer *bearer; /* one reference */
	struct seat *seat;     /* NULL: it has left */
	bool again;	       /* it was taken before */
};

void seats_init(struct seats *all, struct client *c)
{
	all->client = c;
	list_init(&all->taken);
	list_init(&all->asking);
}

static void ask_free(struct seat_ask *ask)
{
	list_remove(&ask->link);
	bearer_put(ask->bearer);
	free(ask);
}

static void give_back(struct seats *all, struct bearer *bearer)
{
	const struct wire_body_drop_connection body = { 0 };

	/* Where it cannot be told, groupd has dropped the whole principal. */
	client_tell(all->client, &bearer->principal, WIRE_DROP_CONNECTION,
		    &body);
}

static void on_answer(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct seat_ask *ask = req->data;
	struct seats *all = ask->all;
	struct seat *s = ask->seat;
	bool again = ask->again;

	(void)body;
	if (s == NULL && err == NULL)
		give_back(all, ask->bearer);
	ask_free(ask);
	if (s == NULL)
		return;
	s->ask = NULL;
	if (err == NULL)
		list_push(&all->taken, &s->link);
	if (!again)
		s->answered(s, err);
}

/* Without a deadline: what became of it would not be known. */
static int ask(struct seat *s, bool again)
{
	const struct wire_body_take_connection body = { .open = again };
	struct seats *all = s->all;
	struct seat_ask *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return -ENOMEM;
	a->req.data = a;
	a->all = all;
	a->seat = s;
	a->again = again;
	a->bearer = bearer_hold(s->bearer);
	list_push(&all->asking, &a->link);
	rc = client_submit(all->client, &a->req, &s->bearer->principal,
			   WIRE_TAKE_CONNECTION, &body, 0, on_answer);
	if (rc < 0)
		ask_free(a);
	else
		s->ask = a;
	return rc;
}

void seats_online(struct seats *all)
{
	struct list lost;

	list_init(&lost);
	list_splice(&lost, &all->taken);
	while (!list_empty(&lost)) {
		struct seat *s =
			container_of(list_pop(&lost), struct seat, link);

		/* Without memory it is one that nobody counts. */
		(void)ask(s, true);
	}
}

void seats_close(struct seats *all)
{
	assert(list_empty(&all->taken));
	while (!list_empty(&all->asking)) {
		struct seat_ask *a =
			container_of(all->asking.next, struct seat_ask, link);

		assert(a->seat == NULL);
		client_cancel(&a->req);
		ask_free(a);
	}
}

int seat_take(struct seats *all, struct seat *s, struct bearer *bearer,
	      void (*answered)(struct seat *s, const struct err *err))
{
	int rc;

	assert(s->all == NULL);
	*s = (struct seat){ .all = all,
			    .bearer = bearer,
			    .answered = answered };
	list_init(&s->link);
	rc = ask(s, false);
	if (rc < 0)
		s->all = NULL;
	return rc;
}

void seat_leave(struct seat *s)
{
	if (s->all == NULL)
		return;
	if (s->ask != NULL)
		s->ask->seat = NULL;
	else if (!list_empty(&s->link))
		give_back(s->all, s->bearer);
	list_remove(&s->link);
	s->ask = NULL;
	s->all = NULL;
}
