/* SPDX-License-Identifier: MIT */
/*
 * A principal is opened anew on each connection:
 *
 *   OPENING --PRINCIPAL--> READY ---EV_PRINCIPAL---> REFUSED
 *    ^  ^  \---ERROR------------------------------->  |
 *    |  +-- the connection was lost --+---------------+
 *    +-- `unavailable`: asked again with the next tick
 */
#include <assert.h>

#include "lib/client_private.h"

static void drop_err(struct client_principal *pr)
{
	err_drop(pr->err);
	pr->err = NULL;
}

static void tell_principal(struct client_principal *pr, const struct err *err)
{
	if (pr->told == pr->state)
		return;
	pr->told = pr->state;
	if (pr->cb != NULL)
		pr->cb(pr, err);
}

static void refuse(struct client_private *p, struct client_principal *pr,
		   const struct err *err)
{
	struct err copy = *err;
	struct list *next;

	pr->state = CLIENT_PRINCIPAL_REFUSED;
	err_drop(pr->err);
	pr->err = err_keep(&copy);
	list_splice(&p->pending.failing, &pr->waiting);
	for (struct list *l = p->pending.order.next; l != &p->pending.order;
	     l = next) {
		struct client_request *req =
			container_of(l, struct client_request, order);

		next = l->next;
		if (req->principal != pr)
			continue;
		list_remove(&req->link);
		list_push(&p->pending.failing, &req->link);
	}
	client_next_turn(p);
	tell_principal(pr, &copy);
}

static void open_done(struct client_request *req, const struct err *err,
		      const void *body);

/* Asks for it to be opened on this connection. False: no memory. */
static bool open_on_wire(struct client_private *p, struct client_principal *pr)
{
	const struct wire_body_open_principal body = {
		.kind = pr->kind, .uid = pr->uid, .token = str_of(pr->token)
	};

	return client_request_submit_oneway(p, &pr->open, pr->id,
					    WIRE_OPEN_PRINCIPAL, &body,
					    open_done) == 0;
}

static void open_done(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct client_principal *pr =
		container_of(req, struct client_principal, open);
	struct client_private *p = pr->client->p;
	const struct wire_body_principal *who = body;
	const struct err nobody = { .code = ERR_BAD_REQUEST,
				    .text = "groupd named a user badly" };

	if (p->closing)
		return;
	if (err != NULL && err->code == ERR_UNAVAILABLE &&
	    open_on_wire(p, pr)) {
		/* Not a refusal: ask again with the next tick. */
		err_drop(pr->err);
		pr->err = err_keep(err);
		if (!p->options.patient && err->retry_after_ms > 0) {
			list_splice(&p->pending.failing, &pr->waiting);
			client_next_turn(p);
		}
		list_remove(&req->link);
		list_push(&p->reopen, &req->link);
		client_requests_need_tick(p);
		return;
	}
	if (err == NULL && !str_to_cstr(who->name, pr->name, sizeof(pr->name)))
		err = &nobody;
	if (err != NULL) {
		refuse(p, pr, err);
		return;
	}
	pr->admin = who->admin == 1;
	drop_err(pr);
	pr->state = CLIENT_PRINCIPAL_READY;
	list_splice(&p->pending.queue, &pr->waiting);
	client_next_turn(p);
	tell_principal(pr, NULL);
}

static struct client_principal *find(struct client_private *p, uint32_t id)
{
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next) {
		struct client_principal *pr =
			container_of(l, struct client_principal, link);

		if (pr->id == id)
			return pr;
	}
	return NULL;
}

bool client_principals_open(struct client_private *p)
{
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next)
		if (!open_on_wire(
			    p, container_of(l, struct client_principal, link)))
			return false;
	return true;
}

void client_principals_lost(struct client_private *p)
{
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next)
		container_of(l, struct client_principal, link)->state =
			CLIENT_PRINCIPAL_OPENING;
}

void client_principals_revoked(struct client_private *p, uint32_t id,
			       uint64_t code)
{
	struct client_principal *pr = find(p, id);
	struct err err;

	if (pr == NULL)
		return; /* closed here in the meantime */
	client_request_err(&err, code, str_of(NULL));
	client_request_drop(p, &pr->open);
	refuse(p, pr, &err);
}

void client_principals_forget(struct client_private *p)
{
	while (!list_empty(&p->principals)) {
		struct client_principal *pr =
			container_of(list_pop(&p->principals),
				     struct client_principal, link);

		pr->client = NULL;
		drop_err(pr);
	}
}

/* Public. */

static uint32_t free_id(struct client_private *p)
{
	/* Looked up only once 32 bits were not enough: it walks them all. */
	do
		if (++p->last_principal == 0)
			p->principals_wrapped = true;
	while (p->last_principal == 0 ||
	       (p->principals_wrapped && find(p, p->last_principal) != NULL));
	return p->last_principal;
}

int client_open_principal(struct client *c, struct client_principal *pr,
			  enum principal_kind kind, uint32_t uid,
			  const char *token, client_principal_cb cb)
{
	struct client_private *p = c->p;

	if (p->closing)
		return -ECANCELED;
	*pr = (struct client_principal){
		.data = pr->data, .cb = cb, .kind = kind, .uid = uid
	};
	if (!str_to_cstr(str_of(token), pr->token, sizeof(pr->token)))
		return -EINVAL;
	list_init(&pr->waiting);
	pr->id = free_id(p);
	if (c->online && !open_on_wire(p, pr))
		return -ENOMEM;
	pr->client = c;
	list_push(&p->principals, &pr->link);
	return 0;
}

void client_close_principal(struct client_principal *pr)
{
	const struct wire_body_close_principal body = { 0 };
	bool known;

	drop_err(pr);
	if (pr->client == NULL)
		return;
	assert(pr->pending == 0);
	/* groupd has it open, or will have: the order of the wire helps. A
	 * refused one it does not have. */
	known = pr->state == CLIENT_PRINCIPAL_READY || pr->open.sent;
	client_request_drop(pr->client->p, &pr->open);
	if (known && pr->state != CLIENT_PRINCIPAL_REFUSED) {
		pr->state = CLIENT_PRINCIPAL_READY;
		client_tell(pr->client, pr, WIRE_CLOSE_PRINCIPAL, &body);
	}
	list_remove(&pr->link);
	pr->client = NULL;
}
