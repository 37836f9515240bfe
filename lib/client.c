/* SPDX-License-Identifier: MIT */
/*
 * The connection of the client:
 *
 *   away --connect, attach--> greeting --WELCOME--> online
 *    ^                           |                    |
 *    +------ client_lose() ------+--------------------+
 */
#include "lib/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/client_private.h"

enum {
	BACKOFF_FIRST_MS = 10,
	BACKOFF_MAX_MS = 500,
};

static const char closed_text[] = "The connection to groupd is closed";

/* Online, or why not. */

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

static void turn_cb(uv_idle_t *idle)
{
	struct client_private *p = idle->data;

	uv_idle_stop(idle);
	tell_state(p);
	client_requests_fail(p, NULL);
	client_requests_flush(p);
}

void client_next_turn(struct client_private *p)
{
	if (!uv_is_active((uv_handle_t *)&p->turn) &&
	    !uv_is_closing((uv_handle_t *)&p->turn))
		uv_idle_start(&p->turn, turn_cb);
}

/* Making it. */

static void connect_again(struct client_private *p);

void client_lose(struct client_private *p, const char *why)
{
	if (p->conn != NULL)
		client_conn_close(p->conn);
	p->conn = NULL;
	p->hello_done = false;
	client_requests_take_back(p);
	client_principals_lost(p);
	set_online(p, false, why);
	client_next_turn(p);
	uv_timer_stop(&p->wait);
	if (!p->closing && p->path != NULL)
		connect_again(p);
}

static void hello_late_cb(uv_timer_t *timer)
{
	struct client_private *p = timer->data;
	char why[ERR_TEXT_MAX];

	assert(p->conn != NULL && !p->hello_done);
	snprintf(why, sizeof(why),
		 "groupd took the connection, but did not greet within %d s",
		 CLIENT_HELLO_MS / 1000);
	client_lose(p, why);
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
		client_lose(p, "The connection to groupd failed");
	else
		uv_timer_start(&p->wait, hello_late_cb, CLIENT_HELLO_MS, 0);
}

/* Frames. */

static void on_welcome(struct client_private *p, const struct wire_header *h,
		       const union wire_body *body)
{
	struct client *c = p->c;
	uint64_t store = c->store;
	char why[ERR_TEXT_MAX];
	struct err err;

	if (h->type == WIRE_ERROR) {
		client_request_err(&err, body->error.code, body->error.text);
		client_lose(p, err.text);
		return;
	}
	if (h->type != WIRE_WELCOME || body->welcome.version != WIRE_VERSION) {
		snprintf(why, sizeof(why),
			 "groupd does not speak version %d of the protocol",
			 WIRE_VERSION);
		client_lose(p, why);
		return;
	}
	uv_timer_stop(&p->wait);
	p->hello_done = true;
	p->backoff_ms = BACKOFF_FIRST_MS;
	c->instance = body->welcome.instance;
	c->max_content = body->welcome.max_content;
	c->store = body->welcome.store;
	if (p->told)
		tell_state(p); /* an offline that was not told yet */
	if (p->hello_done && store != 0 && store != c->store) {
		if (p->options.on_restored != NULL)
			p->options.on_restored(c);
		client_requests_restored(p);
	}
	/* It may have closed the client or attached another connection. */
	if (!p->hello_done)
		return;
	set_online(p, true, NULL);
	if (!client_principals_open(p)) {
		client_lose(p, "There is no memory to open the principals");
		return;
	}
	client_requests_release(p);
	tell_state(p);
}

static bool is_event(enum wire_type type)
{
	return (type >= WIRE_EV_MESSAGES && type <= WIRE_EV_BYE) ||
	       type == WIRE_EV_READ || type == WIRE_EV_MENTION ||
	       type == WIRE_EV_FLOOR;
}

/* No one touches the frame after it ran callbacks: they may have ended the
 * connection, and only its bytes are certain to be still there. */
static void frame_cb(void *owner, const struct wire_header *h, struct str bytes)
{
	struct client_private *p = owner;
	union wire_body body;

	if (wire_get(bytes, wire_schema_of(h->type), &body) != 0)
		client_lose(p, "groupd sent a frame that cannot be decoded");
	else if (!p->hello_done)
		on_welcome(p, h, &body);
	else if (is_event(h->type) != (h->id == 0))
		client_lose(p, "groupd sent an event that is not known");
	else if (h->type == WIRE_EV_PRINCIPAL)
		client_principals_revoked(p, h->principal,
					  body.ev_principal.code);
	else if (h->id == 0)
		p->options.on_event(p->c, h, &body);
	else if (!client_requests_answer(p, h, &body))
		client_lose(p, "groupd sent an answer that does not fit");
}

static void room_cb(void *owner)
{
	client_requests_flush(owner);
}

static void lost_cb(void *owner, const char *why)
{
	client_lose(owner, why);
}

/* The end. */

static void handle_closed(struct client_private *p)
{
	struct client *c = p->c;
	client_close_cb cb = p->close_cb;

	assert(p->handles > 0);
	if (--p->handles > 0)
		return;
	assert(p->closing);
	client_principals_forget(p);
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

static void connect_cb(uv_timer_t *timer)
{
	struct client_private *p = timer->data;

	assert(p->conn == NULL && !p->closing);
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
	uv_timer_start(&p->wait, connect_cb, half + random % (half + 1), 0);
	p->backoff_ms *= 2;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
}

static void close_turn_cb(uv_idle_t *idle)
{
	struct client_private *p = idle->data;

	client_requests_fail(p, closed_text);
	uv_close((uv_handle_t *)&p->wait, own_closed_cb);
	uv_close((uv_handle_t *)&p->tick, own_closed_cb);
	uv_close((uv_handle_t *)&p->turn, own_closed_cb);
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
	(void)uv_timer_init(loop, &p->wait); /* these three cannot fail */
	(void)uv_timer_init(loop, &p->tick);
	(void)uv_idle_init(loop, &p->turn);
	own_handle(p, &p->wait);
	own_handle(p, &p->tick);
	own_handle(p, &p->turn);
	set_online(p, false, "groupd was not reached yet");
	if (p->path != NULL)
		uv_timer_start(&p->wait, connect_cb, 0, 0);
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
		client_lose(p, "groupd made a new connection");
	p->conn = conn;
	open_cb(p);
	return 0;
}

bool client_is_settled(const struct client *c)
{
	return c->online && c->p->conn != NULL &&
	       client_conn_is_drained(c->p->conn);
}

size_t client_sends_pending(const struct client *c)
{
	return c->p->pending.sends;
}

void client_drop(struct client *c, const char *why)
{
	if (c->p->conn != NULL)
		client_lose(c->p, why);
}

void client_close(struct client *c, client_close_cb cb)
{
	struct client_private *p = c->p;

	assert(!p->closing);
	p->closing = true;
	p->close_cb = cb;
	client_lose(p, closed_text);
	client_requests_give_up(p);
	uv_timer_stop(&p->tick);
	uv_idle_stop(&p->turn);
	uv_idle_start(&p->turn, close_turn_cb);
}
