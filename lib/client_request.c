/* SPDX-License-Identifier: MIT */
/*
 * What happens to a request:
 *
 *   submit -> waiting -> queue -> sent -> finish (answer, error, deadline)
 *               ^          |       |
 *               +----------+-------+  the connection was lost: again
 */
#include <assert.h>
#include <stdlib.h>

#include "lib/client_private.h"
#include "lib/env.h"

enum {
	TICK_MS = 100, /* how late a deadline may be seen */
	AGAIN_MAX_MS = 1000
};

void client_request_finish(struct client_request *req, const struct err *err,
			   const void *body)
{
	struct client_private *p = req->client->p;

	pending_remove(&p->pending, req);
	if (req->principal != NULL)
		req->principal->pending--;
	req->client = NULL;
	req->principal = NULL;
	req->cb(req, err, body);
}

void client_request_drop(struct client_private *p, struct client_request *req)
{
	if (req->client == NULL)
		return;
	pending_remove(&p->pending, req);
	if (req->principal != NULL)
		req->principal->pending--;
	req->client = NULL;
	req->principal = NULL;
}

void client_request_err(struct err *err, uint64_t code, struct str text)
{
	if (code == ERR_NONE || code >= ERR_COUNT)
		code = ERR_UNAVAILABLE; /* of a newer groupd */
	err_set(err, (enum err_code)code, NULL);
	if (text.len > 0 && text.len < sizeof(err->text))
		(void)str_to_cstr(text, err->text, sizeof(err->text));
}

/* The list on which a request is until it can be written. */
static struct list *waiting_list(struct client_private *p,
				 struct client_request *req)
{
	return req->principal == NULL ? &p->pending.waiting
				      : &req->principal->waiting;
}

static void place(struct client_private *p, struct client_request *req)
{
	struct client_principal *pr = req->principal;

	if (pr != NULL && pr->state == CLIENT_PRINCIPAL_REFUSED) {
		list_push(&p->pending.failing, &req->link);
		client_next_turn(p);
	} else if (!p->c->online ||
		   (pr != NULL && pr->state != CLIENT_PRINCIPAL_READY)) {
		list_push(waiting_list(p, req), &req->link);
	} else {
		list_push(&p->pending.queue, &req->link);
		client_next_turn(p);
	}
}

/* Deadlines. */

static bool is_write(enum wire_type type)
{
	switch (type) {
	case WIRE_SEND:
	case WIRE_SEND_MEDIA:
	case WIRE_SET_INFO:
	case WIRE_CREATE_GROUP:
	case WIRE_EDIT_MEMBERS:
	case WIRE_DELETE_GROUP:
	case WIRE_SET_READ:
	case WIRE_ADD_USERS:
	case WIRE_CREATE_TOKEN:
	case WIRE_REVOKE_TOKEN:
	case WIRE_IMPORT:
		return true;
	default:
		return false;
	}
}

/* It waits for who asks to be known, and groupd has said why he is not. */
static bool has_reason(const struct client_request *req)
{
	const struct client_principal *pr = req->principal;

	return pr != NULL && pr->state == CLIENT_PRINCIPAL_OPENING &&
	       pr->err != NULL && pr->err->code == ERR_UNAVAILABLE;
}

static void expire(struct client_private *p)
{
	struct list expired;

	list_init(&expired);
	pending_expire(&p->pending, uv_now(p->loop), &expired);
	while (!list_empty(&expired)) {
		struct client_request *req =
			container_of(expired.next, struct client_request, link);
		struct err err;

		if (req->sent && !req->undone && is_write(req->type))
			err_set(&err, ERR_OUTCOME_UNKNOWN, NULL);
		else if (req->tries > 0 && p->c->online)
			err_set(&err, ERR_UNAVAILABLE,
				"groupd did not reach its store in time");
		else if (p->c->online && has_reason(req))
			err = *req->principal->err;
		else if (p->c->online)
			err_set(&err, ERR_UNAVAILABLE,
				"groupd did not answer in time");
		else
			err_set(&err, ERR_UNAVAILABLE, "%s", p->c->why);
		client_request_finish(req, &err, NULL);
	}
}

/* Those whose time has come. */
static void send_again(struct client_private *p)
{
	struct list *next;

	for (struct list *l = p->pending.later.next; l != &p->pending.later;
	     l = next) {
		struct client_request *req =
			container_of(l, struct client_request, link);

		next = l->next;
		if (req->again_ms > uv_now(p->loop))
			continue;
		list_remove(&req->link);
		place(p, req);
	}
}

/* An idle process does not wake: the timer runs only for a reason. */
static void tick_cb(uv_timer_t *timer)
{
	struct client_private *p = timer->data;

	if (p->c->online && !list_empty(&p->reopen)) {
		list_splice(&p->pending.queue, &p->reopen);
		client_next_turn(p);
	}
	expire(p);
	send_again(p);
	if (p->pending.timed == 0 && list_empty(&p->reopen) &&
	    list_empty(&p->pending.later) &&
	    !uv_is_closing((uv_handle_t *)timer))
		uv_timer_stop(timer);
}

void client_requests_need_tick(struct client_private *p)
{
	if (!uv_is_active((uv_handle_t *)&p->tick) && !p->closing)
		uv_timer_start(&p->tick, tick_cb, TICK_MS, TICK_MS);
}

/* The wire. */

static void tell_done(struct client_request *req, const struct err *err,
		      const void *body)
{
	(void)err;
	(void)body;
	free(req);
}

/* Puts all of list back to where it waits, before what waits there already:
 * so the order of each principal's requests stays. */
static void take_back(struct client_private *p, struct list *list)
{
	while (!list_empty(list)) {
		struct client_request *req =
			container_of(list->prev, struct client_request, link);

		list_remove(&req->link);
		if (!req->oneway) {
			list_push_front(waiting_list(p, req), &req->link);
			continue;
		}
		client_request_drop(p, req);
		if (req->cb == tell_done)
			free(req);
	}
}

void client_requests_take_back(struct client_private *p)
{
	take_back(p, &p->pending.later);
	take_back(p, &p->pending.queue);
	take_back(p, &p->pending.sent);
	take_back(p, &p->reopen);
}

/* Whether it may name a group or a file by its number, which is another one's
 * in another store. */
static bool names_by_number(enum wire_type type)
{
	const struct wire_schema *schema = wire_schema_of(type);

	return wire_has_field(schema, "group_id") ||
	       wire_has_field(schema, "media_id") ||
	       wire_has_field(schema, "import_id") ||
	       wire_has_field(schema, "token_id");
}

void client_requests_restored(struct client_private *p)
{
	struct list gone;

	list_init(&gone);
	for (struct list *l = p->pending.order.next, *next;
	     l != &p->pending.order; l = next) {
		struct client_request *req =
			container_of(l, struct client_request, order);

		next = l->next;
		if (!names_by_number(req->type))
			continue;
		list_remove(&req->link);
		list_push(&gone, &req->link);
	}
	while (!list_empty(&gone)) {
		struct err err;

		err_set(&err, ERR_EPOCH_CHANGED, NULL);
		client_request_finish(
			container_of(gone.next, struct client_request, link),
			&err, NULL);
	}
}

void client_requests_release(struct client_private *p)
{
	list_splice(&p->pending.queue, &p->pending.waiting);
	client_next_turn(p);
}

void client_requests_flush(struct client_private *p)
{
	struct list *queue = &p->pending.queue;
	struct buf *out;

	while (p->conn != NULL && p->hello_done && !list_empty(queue)) {
		out = client_conn_out(p->conn);
		if (out == NULL)
			return;
		while (!list_empty(queue) && out->len < CLIENT_CONN_OUT) {
			struct client_request *req = container_of(
				list_pop(queue), struct client_request, link);

			/* Known not to be done, it is as if never sent. */
			if (req->sent && !req->undone) {
				wire_mark_resent(&req->frame);
				req->unknown = true;
			}
			buf_append(out, req->frame.data, req->frame.len);
			req->sent = true;
			req->undone = false;
			list_push(&p->pending.sent, &req->link);
		}
		if (client_conn_flush(p->conn) != 0)
			client_lose(p, "The connection to groupd failed");
	}
}

/* Whether groupd said only that its store is away. Half of the wait is random,
 * so that many do not come as one. */
static bool is_put_off(struct client_private *p, struct client_request *req,
		       const struct err *err)
{
	uint64_t wait = (uint64_t)TICK_MS << (req->tries < 4 ? req->tries : 4);

	if (!p->options.patient || req->oneway ||
	    !(err->code == ERR_OUTCOME_UNKNOWN ||
	      (err->code == ERR_UNAVAILABLE && err->retry_after_ms > 0)))
		return false;
	if (wait > AGAIN_MAX_MS)
		wait = AGAIN_MAX_MS;
	req->again_ms =
		uv_now(p->loop) + env_spread(env_system(), wait / 2, wait / 2);
	/* Once unknown, it stays so until it is known. */
	req->undone = err->code == ERR_UNAVAILABLE && !req->unknown;
	req->unknown = !req->undone;
	req->tries++;
	list_remove(&req->link);
	list_push(&p->pending.later, &req->link);
	client_requests_need_tick(p);
	return true;
}

bool client_requests_answer(struct client_private *p,
			    const struct wire_header *h,
			    const union wire_body *body)
{
	struct client_request *req = pending_find(&p->pending, h->id);
	struct err err;

	/* Cancelled or timed out meanwhile: nobody waits for it. */
	if (req == NULL)
		return true;
	if (!req->sent ||
	    (h->type != WIRE_ERROR && h->type != wire_answer_of(req->type)))
		return false;
	if (h->type != WIRE_ERROR) {
		client_request_finish(req, NULL, body);
		return true;
	}
	client_request_err(&err, body->error.code, body->error.text);
	err.retry_after_ms = body->error.retry_after_ms;
	err.rate_limit = body->error.rate_limit;
	err.rate_reset_ms = body->error.rate_reset_ms;
	if (is_put_off(p, req, &err))
		return true;
	client_request_finish(req, &err, NULL);
	return true;
}

void client_requests_fail(struct client_private *p, const char *text)
{
	struct list failing;

	list_init(&failing);
	list_splice(&failing, &p->pending.failing);
	while (!list_empty(&failing)) {
		struct client_request *req =
			container_of(failing.next, struct client_request, link);
		struct err err;

		/* Copied: the callback may close the principal. */
		if (req->principal != NULL && text == NULL &&
		    req->principal->err != NULL)
			err = *req->principal->err;
		else if (text != NULL)
			err_set(&err, ERR_UNAVAILABLE, "%s", text);
		else
			err_set(&err, ERR_UNAVAILABLE, NULL);
		client_request_finish(req, &err, NULL);
	}
}

void client_requests_give_up(struct client_private *p)
{
	list_splice(&p->pending.failing, &p->pending.waiting);
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next)
		list_splice(&p->pending.failing,
			    &container_of(l, struct client_principal, link)
				     ->waiting);
}

/* Public, but client_request_submit_oneway(). */

int client_submit(struct client *c, struct client_request *req,
		  struct client_principal *pr, enum wire_type type,
		  const void *body, uint64_t timeout_ms, client_reply_cb cb)
{
	struct client_private *p = c->p;
	int rc;

	assert(req->client == NULL && cb != NULL);
	assert(wire_answer_of(type) != WIRE_NONE);
	assert(pr == NULL || pr->client == c);
	if (p->closing)
		return -ECANCELED;
	req->principal = pr;
	req->cb = cb;
	req->type = type;
	req->oneway = false;
	req->sent = false;
	req->undone = false;
	req->unknown = false;
	req->tries = 0;
	req->deadline_ms = timeout_ms == 0 ? 0 : uv_now(p->loop) + timeout_ms;
	rc = pending_add(&p->pending, req, pr == NULL ? 0 : pr->id, body);
	if (rc != 0)
		return rc;
	req->client = c;
	if (pr != NULL)
		pr->pending++;
	if (timeout_ms != 0)
		client_requests_need_tick(p);
	place(p, req);
	return 0;
}

void client_cancel(struct client_request *req)
{
	if (req->client != NULL)
		client_request_drop(req->client->p, req);
}

int client_request_submit_oneway(struct client_private *p,
				 struct client_request *req,
				 uint32_t principal_id, enum wire_type type,
				 const void *body, client_reply_cb cb)
{
	int rc;

	assert(p->hello_done);
	*req = (struct client_request){ .cb = cb,
					.type = type,
					.oneway = true };
	rc = pending_add(&p->pending, req, principal_id, body);
	if (rc != 0)
		return rc;
	req->client = p->c;
	list_push(&p->pending.queue, &req->link);
	client_next_turn(p);
	return 0;
}

void client_tell(struct client *c, struct client_principal *pr,
		 enum wire_type type, const void *body)
{
	struct client_private *p = c->p;
	struct client_request *req;

	if (p->closing || !c->online ||
	    p->pending.bytes >= CLIENT_IN_FLIGHT_MAX ||
	    (pr != NULL && pr->state != CLIENT_PRINCIPAL_READY))
		return;
	req = calloc(1, sizeof(*req));
	if (req == NULL)
		return;
	if (client_request_submit_oneway(p, req, pr == NULL ? 0 : pr->id, type,
					 body, tell_done) != 0)
		free(req);
}
