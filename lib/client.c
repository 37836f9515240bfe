/* SPDX-License-Identifier: MIT */
/*
 * What happens to a request:
 *
 *   submit -> waiting -> queue -> sent -> finish (answer, error, deadline)
 *               ^          |       |
 *               +----------+-------+  the connection was lost: again
 *
 * Each callback may submit, cancel, close principals or close the client, so
 * lists are never walked while callbacks run: what is to be called back is
 * moved to a list of its own first and popped from there.
 */
#include "lib/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/client_conn.h"
#include "lib/client_pending.h"

enum {
	BACKOFF_FIRST_MS = 10,
	BACKOFF_MAX_MS = 500,
	TICK_MS = 100 /* how late a deadline may be seen */
};

struct client_private {
	struct client *c;
	uv_loop_t *loop;
	struct client_options options; /* path and agent are ours */
	char *path;
	char *agent;
	struct client_conn *conn; /* NULL: none now */
	struct pending pending;
	struct list principals;
	struct list reopen; /* principals' open requests to be sent again */
	uv_timer_t retry;
	uv_timer_t tick;
	uv_idle_t turn; /* runs in the next turn: what must not run at once */
	uint64_t backoff_ms;
	unsigned handles; /* not closed yet: ours and connections */
	uint32_t last_principal;
	bool principals_wrapped;
	bool hello_done;	/* WELCOME came on this connection */
	bool told, told_online; /* what on_state said last */
	bool closing;
	client_close_cb close_cb;
};

static void run_turn(uv_idle_t *idle);
static void connect_again(struct client_private *p);

static void next_turn(struct client_private *p)
{
	if (!uv_is_active((uv_handle_t *)&p->turn) &&
	    !uv_is_closing((uv_handle_t *)&p->turn))
		uv_idle_start(&p->turn, run_turn);
}

static void tell_state(struct client_private *p)
{
	struct client *c = p->c;

	if (p->closing || (p->told && p->told_online == c->online))
		return;
	p->told = true;
	p->told_online = c->online;
	if (p->options.on_state != NULL)
		p->options.on_state(c, c->online, c->online ? NULL : c->why);
}

static void set_online(struct client_private *p, bool online, const char *why)
{
	struct client *c = p->c;
	struct timespec now;

	if (online != c->online || c->since_ms == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		c->since_ms = (uint64_t)now.tv_sec * 1000 +
			      (uint64_t)now.tv_nsec / 1000000;
	}
	c->online = online;
	c->why[0] = '\0';
	if (!online)
		snprintf(c->why, sizeof(c->why), "%s", why);
}

/* Requests. */

/* The request is the caller's again, then it is told. */
static void finish(struct client_request *req, const struct err *err,
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

static void fail_all(struct list *list, const struct err *err)
{
	struct list mine;

	list_init(&mine);
	list_splice(&mine, list);
	while (!list_empty(&mine))
		finish(container_of(mine.next, struct client_request, link),
		       err, NULL);
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
		next_turn(p);
	} else if (!p->c->online ||
		   (pr != NULL && pr->state != CLIENT_PRINCIPAL_READY)) {
		list_push(waiting_list(p, req), &req->link);
	} else {
		list_push(&p->pending.queue, &req->link);
		next_turn(p);
	}
}

static bool is_write(enum wire_type type)
{
	switch (type) {
	case WIRE_SEND:
	case WIRE_CREATE_GROUP:
	case WIRE_EDIT_MEMBERS:
	case WIRE_DELETE_GROUP:
	case WIRE_SET_READ:
	case WIRE_ADD_USERS:
	case WIRE_CREATE_TOKEN:
	case WIRE_REVOKE_TOKEN:
		return true;
	default:
		return false;
	}
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

		if (req->sent && is_write(req->type))
			err_set(&err, ERR_OUTCOME_UNKNOWN, NULL);
		else if (p->c->online)
			err_set(&err, ERR_UNAVAILABLE,
				"groupd did not answer in time");
		else
			err_set(&err, ERR_UNAVAILABLE, "%s", p->c->why);
		finish(req, &err, NULL);
	}
}

/* An idle process does not wake: the timer runs only for a reason. */
static void tick_cb(uv_timer_t *timer)
{
	struct client_private *p = timer->data;

	if (p->c->online && !list_empty(&p->reopen)) {
		list_splice(&p->pending.queue, &p->reopen);
		next_turn(p);
	}
	expire(p);
	if (p->pending.timed == 0 && list_empty(&p->reopen) &&
	    !uv_is_closing((uv_handle_t *)timer))
		uv_timer_stop(timer);
}

static void need_tick(struct client_private *p)
{
	if (!uv_is_active((uv_handle_t *)&p->tick) && !p->closing)
		uv_timer_start(&p->tick, tick_cb, TICK_MS, TICK_MS);
}

static void tell_done(struct client_request *req, const struct err *err,
		      const void *body)
{
	(void)err;
	(void)body;
	free(req);
}

/* A request that has no meaning on another connection. */
static void drop_oneway(struct client_private *p, struct client_request *req)
{
	pending_remove(&p->pending, req);
	req->client = NULL;
	if (req->cb == tell_done)
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
		if (req->oneway)
			drop_oneway(p, req);
		else
			list_push_front(waiting_list(p, req), &req->link);
	}
}

/* The connection. */

static void lose(struct client_private *p, const char *why)
{
	if (p->conn != NULL)
		client_conn_close(p->conn);
	p->conn = NULL;
	p->hello_done = false;
	take_back(p, &p->pending.queue);
	take_back(p, &p->pending.sent);
	take_back(p, &p->reopen);
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next)
		container_of(l, struct client_principal, link)->state =
			CLIENT_PRINCIPAL_OPENING;
	set_online(p, false, why);
	next_turn(p);
	if (!p->closing && p->path != NULL)
		connect_again(p);
}

static void flush(struct client_private *p)
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

			buf_append(out, req->frame.data, req->frame.len);
			req->sent = true;
			list_push(&p->pending.sent, &req->link);
		}
		if (client_conn_flush(p->conn) != 0)
			lose(p, "The connection to groupd failed");
	}
}

static void run_turn(uv_idle_t *idle)
{
	struct client_private *p = idle->data;
	struct list failing;

	uv_idle_stop(idle);
	tell_state(p);
	list_init(&failing);
	list_splice(&failing, &p->pending.failing);
	while (!list_empty(&failing)) {
		struct client_request *req =
			container_of(failing.next, struct client_request, link);
		struct err err;

		/* Copied: the callback may close the principal. */
		if (req->principal != NULL &&
		    req->principal->err.code != ERR_NONE)
			err = req->principal->err;
		else
			err_set(&err, ERR_UNAVAILABLE, NULL);
		finish(req, &err, NULL);
	}
	flush(p);
}

/* Principals. */

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
	pr->err = copy;
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
	next_turn(p);
	tell_principal(pr, &copy);
}

static void open_done(struct client_request *req, const struct err *err,
		      const void *body);

/* Asks for it to be opened on this connection. False: no memory. */
static bool open_on_wire(struct client_private *p, struct client_principal *pr)
{
	struct wire_body_open_principal body = { .kind = pr->kind,
						 .uid = pr->uid,
						 .token = str_of(pr->token) };
	struct client_request *req = &pr->open;

	*req = (struct client_request){ .cb = open_done,
					.type = WIRE_OPEN_PRINCIPAL,
					.oneway = true };
	if (pending_add(&p->pending, req, pr->id, &body) != 0)
		return false;
	req->client = p->c;
	list_push(&p->pending.queue, &req->link);
	next_turn(p);
	return true;
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

	if (err != NULL && err->code == ERR_UNAVAILABLE && !p->closing) {
		/* Not a refusal: ask again with the next tick. */
		if (open_on_wire(p, pr)) {
			list_remove(&req->link);
			list_push(&p->reopen, &req->link);
			need_tick(p);
			return;
		}
	}
	if (p->closing)
		return;
	if (err == NULL && !str_to_cstr(who->name, pr->name, sizeof(pr->name)))
		err = &nobody;
	if (err != NULL) {
		refuse(p, pr, err);
		return;
	}
	pr->admin = who->admin == 1;
	pr->state = CLIENT_PRINCIPAL_READY;
	list_splice(&p->pending.queue, &pr->waiting);
	next_turn(p);
	tell_principal(pr, NULL);
}

static struct client_principal *find_principal(struct client_private *p,
					       uint32_t id)
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

/* Frames. */

static void refused_by_groupd(struct err *err, uint64_t code, struct str text)
{
	if (code == ERR_NONE || code >= ERR_COUNT)
		code = ERR_UNAVAILABLE; /* of a newer groupd */
	err_set(err, (enum err_code)code, NULL);
	if (text.len > 0 && text.len < sizeof(err->text))
		(void)str_to_cstr(text, err->text, sizeof(err->text));
}

static void on_welcome(struct client_private *p, const struct wire_header *h,
		       const union wire_body *body)
{
	struct client *c = p->c;
	char why[ERR_TEXT_MAX];
	struct err err;

	if (h->type == WIRE_ERROR) {
		refused_by_groupd(&err, body->error.code, body->error.text);
		lose(p, err.text);
		return;
	}
	if (h->type != WIRE_WELCOME || body->welcome.version != WIRE_VERSION) {
		snprintf(why, sizeof(why),
			 "groupd does not speak version %d of the protocol",
			 WIRE_VERSION);
		lose(p, why);
		return;
	}
	p->hello_done = true;
	p->backoff_ms = BACKOFF_FIRST_MS;
	c->instance = body->welcome.instance;
	c->max_content = body->welcome.max_content;
	tell_state(p); /* an offline that was not told yet */
	if (p->closing)
		return;
	set_online(p, true, NULL);
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next)
		if (!open_on_wire(p, container_of(l, struct client_principal,
						  link))) {
			lose(p, "There is no memory to open the principals");
			return;
		}
	list_splice(&p->pending.queue, &p->pending.waiting);
	next_turn(p);
	tell_state(p);
}

static void on_event(struct client_private *p, const struct wire_header *h,
		     const union wire_body *body)
{
	struct client_principal *pr;
	struct err err;

	if (h->type != WIRE_EV_PRINCIPAL) {
		p->options.on_event(p->c, h, body);
		return;
	}
	pr = find_principal(p, h->principal);
	if (pr == NULL)
		return; /* closed here in the meantime */
	refused_by_groupd(&err, body->ev_principal.code, str_of(NULL));
	if (pr->open.client != NULL) {
		pending_remove(&p->pending, &pr->open);
		pr->open.client = NULL;
	}
	refuse(p, pr, &err);
}

static void on_answer(struct client_private *p, const struct wire_header *h,
		      const union wire_body *body)
{
	struct client_request *req = pending_find(&p->pending, h->id);
	struct err err;

	/* Cancelled or timed out meanwhile: nobody waits for it. */
	if (req == NULL)
		return;
	if (!req->sent ||
	    (h->type != WIRE_ERROR && h->type != wire_answer_of(req->type))) {
		lose(p, "groupd sent an answer that does not fit");
		return;
	}
	if (h->type != WIRE_ERROR) {
		finish(req, NULL, body);
		return;
	}
	refused_by_groupd(&err, body->error.code, body->error.text);
	finish(req, &err, NULL);
}

static bool is_event(enum wire_type type)
{
	return type >= WIRE_EV_MESSAGES && type <= WIRE_EV_BYE;
}

static void frame_cb(void *owner, const struct wire_header *h, struct str bytes)
{
	struct client_private *p = owner;
	union wire_body body;

	if (wire_get(bytes, wire_schema_of(h->type), &body) != 0) {
		lose(p, "groupd sent a frame that cannot be decoded");
		return;
	}
	if (!p->hello_done)
		on_welcome(p, h, &body);
	else if (is_event(h->type) != (h->id == 0))
		lose(p, "groupd sent an event that is not known");
	else if (h->id == 0)
		on_event(p, h, &body);
	else
		on_answer(p, h, &body);
}

static void open_cb(void *owner)
{
	struct client_private *p = owner;
	struct wire_body_hello hello = { .version = WIRE_VERSION,
					 .agent = str_of(p->agent) };
	struct buf *out = client_conn_out(p->conn);

	assert(out != NULL && out->len == 0);
	/* Its answer is known by being the first, so any id will do. */
	wire_put_frame(out, WIRE_HELLO, 1, 0, &hello);
	if (client_conn_flush(p->conn) != 0)
		lose(p, "The connection to groupd failed");
}

static void room_cb(void *owner)
{
	flush(owner);
}

static void lost_cb(void *owner, const char *why)
{
	lose(owner, why);
}

static void handle_closed(struct client_private *p)
{
	struct client *c = p->c;
	client_close_cb cb = p->close_cb;

	assert(p->handles > 0);
	if (--p->handles > 0)
		return;
	assert(p->closing);
	/* Closing one later is then no error. */
	while (!list_empty(&p->principals))
		container_of(list_pop(&p->principals), struct client_principal,
			     link)
			->client = NULL;
	pending_release(&p->pending);
	free(p->path);
	free(p->agent);
	free(p);
	c->p = NULL;
	if (cb != NULL)
		cb(c);
}

static void conn_closed_cb(void *owner)
{
	handle_closed(owner);
}

static void own_closed_cb(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static const struct client_conn_ops conn_ops = { .on_open = open_cb,
						 .on_frame = frame_cb,
						 .on_room = room_cb,
						 .on_lost = lost_cb,
						 .on_closed = conn_closed_cb };

static void retry_cb(uv_timer_t *timer)
{
	struct client_private *p = timer->data;

	if (p->closing || p->conn != NULL)
		return;
	p->conn = client_conn_connect(p->loop, p->path, &conn_ops, p);
	if (p->conn == NULL)
		connect_again(p);
	else
		p->handles++;
}

/* Half of the wait is random, so that many clients do not come as one. */
static void connect_again(struct client_private *p)
{
	uint64_t half = p->backoff_ms / 2;
	uint64_t random = 0;

	(void)uv_random(NULL, NULL, &random, sizeof(random), 0, NULL);
	uv_timer_start(&p->retry, retry_cb, half + random % (half + 1), 0);
	p->backoff_ms *= 2;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
}

/* Public. */

static void own_handle(struct client_private *p, void *handle)
{
	((uv_handle_t *)handle)->data = p;
	p->handles++;
}

int client_start(struct client *c, uv_loop_t *loop,
		 const struct client_options *options)
{
	struct client_private *p;

	assert(options->on_event != NULL && options->agent != NULL);
	if (options->path != NULL &&
	    strlen(options->path) >=
		    sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->path = options->path == NULL ? NULL : strdup(options->path);
	p->agent = strdup(options->agent);
	if (p->agent == NULL || (options->path != NULL && p->path == NULL)) {
		free(p->path);
		free(p->agent);
		free(p);
		return -ENOMEM;
	}
	*c = (struct client){ .data = options->data, .p = p };
	p->c = c;
	p->loop = loop;
	p->options = *options;
	p->backoff_ms = BACKOFF_FIRST_MS;
	pending_init(&p->pending);
	list_init(&p->principals);
	list_init(&p->reopen);
	(void)uv_timer_init(loop, &p->retry); /* these three cannot fail */
	(void)uv_timer_init(loop, &p->tick);
	(void)uv_idle_init(loop, &p->turn);
	own_handle(p, &p->retry);
	own_handle(p, &p->tick);
	own_handle(p, &p->turn);
	set_online(p, false, "groupd was not reached yet");
	if (p->path != NULL)
		uv_timer_start(&p->retry, retry_cb, 0, 0);
	return 0;
}

int client_attach(struct client *c, int fd)
{
	struct client_private *p = c->p;
	struct client_conn *conn;
	int rc;

	assert(p->path == NULL);
	if (p->closing) {
		close(fd);
		return -ECANCELED;
	}
	rc = client_conn_attach(p->loop, fd, &conn_ops, p, &conn);
	if (rc != 0)
		return rc;
	p->handles++;
	if (p->conn != NULL)
		lose(p, "groupd made a new connection");
	p->conn = conn;
	open_cb(p);
	return 0;
}

static void close_turn(uv_idle_t *idle)
{
	struct client_private *p = idle->data;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "The connection to groupd is closed");
	fail_all(&p->pending.failing, &err);
	uv_close((uv_handle_t *)&p->retry, own_closed_cb);
	uv_close((uv_handle_t *)&p->tick, own_closed_cb);
	uv_close((uv_handle_t *)&p->turn, own_closed_cb);
}

void client_close(struct client *c, client_close_cb cb)
{
	struct client_private *p = c->p;

	assert(!p->closing);
	p->closing = true;
	p->close_cb = cb;
	lose(p, "The connection to groupd is closed");
	list_splice(&p->pending.failing, &p->pending.waiting);
	for (struct list *l = p->principals.next; l != &p->principals;
	     l = l->next)
		list_splice(&p->pending.failing,
			    &container_of(l, struct client_principal, link)
				     ->waiting);
	uv_timer_stop(&p->retry);
	uv_timer_stop(&p->tick);
	uv_idle_stop(&p->turn);
	uv_idle_start(&p->turn, close_turn);
}

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
	req->deadline_ms = timeout_ms == 0 ? 0 : uv_now(p->loop) + timeout_ms;
	rc = pending_add(&p->pending, req, pr == NULL ? 0 : pr->id, body);
	if (rc != 0)
		return rc;
	req->client = c;
	if (pr != NULL)
		pr->pending++;
	if (timeout_ms != 0)
		need_tick(p);
	place(p, req);
	return 0;
}

void client_cancel(struct client_request *req)
{
	struct client_private *p;

	if (req->client == NULL)
		return;
	p = req->client->p;
	pending_remove(&p->pending, req);
	if (req->principal != NULL)
		req->principal->pending--;
	req->client = NULL;
	req->principal = NULL;
}

void client_tell(struct client *c, struct client_principal *pr,
		 enum wire_type type, const void *body)
{
	struct client_private *p = c->p;
	struct client_request *req;

	if (p->closing || !c->online ||
	    (pr != NULL && pr->state != CLIENT_PRINCIPAL_READY))
		return;
	req = calloc(1, sizeof(*req));
	if (req == NULL)
		return;
	req->cb = tell_done;
	req->type = type;
	req->oneway = true;
	if (pending_add(&p->pending, req, pr == NULL ? 0 : pr->id, body) != 0) {
		free(req);
		return;
	}
	req->client = c;
	list_push(&p->pending.queue, &req->link);
	next_turn(p);
}

static uint32_t free_principal_id(struct client_private *p)
{
	/* Looked up only once 32 bits were not enough: it walks them all. */
	do
		if (++p->last_principal == 0)
			p->principals_wrapped = true;
	while (p->last_principal == 0 ||
	       (p->principals_wrapped &&
		find_principal(p, p->last_principal) != NULL));
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
	pr->id = free_principal_id(p);
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

	if (pr->client == NULL)
		return;
	assert(pr->pending == 0);
	/* groupd has it open, or will have: the order of the wire helps. A
	 * refused one it does not have. */
	known = pr->state == CLIENT_PRINCIPAL_READY || pr->open.sent;
	client_cancel(&pr->open);
	if (known && pr->state != CLIENT_PRINCIPAL_REFUSED) {
		pr->state = CLIENT_PRINCIPAL_READY;
		client_tell(pr->client, pr, WIRE_CLOSE_PRINCIPAL, &body);
	}
	list_remove(&pr->link);
	pr->client = NULL;
}
