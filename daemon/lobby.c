/* SPDX-License-Identifier: MIT */
#include "daemon/lobby.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/log.h"

enum guest_state {
	GUEST_SILENT, /* polled for its first byte */
	GUEST_VAGUE,  /* one byte is there, and may be either's */
	GUEST_HTTP    /* waits for a gateway */
};

struct guest {
	struct lobby *lobby;
	struct list link;
	uv_poll_t poll;
	int fd; /* owned; -1 when it was taken */
	uid_t uid;
	enum guest_state state;
	uint64_t since_ms; /* of SILENT, or of HTTP */
};

static const char no_gateway[] =
	"{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
	"\"status\":503,\"detail\":\"No gateway serves HTTP now\","
	"\"code\":\"unavailable\"}";

static void rearm(struct lobby *l);

static void handle_closed(struct lobby *l)
{
	if (--l->open == 0)
		l->on_close(l);
}

static void on_guest_closed(uv_handle_t *handle)
{
	struct guest *g = handle->data;
	struct lobby *l = g->lobby;

	free(g);
	handle_closed(l);
}

/* It leaves, with what is left of it. */
static void dismiss(struct guest *g)
{
	list_remove(&g->link);
	uv_close((uv_handle_t *)&g->poll, on_guest_closed);
	/* uv_close() has taken it from the loop's poll already. */
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

static void go_wire(struct guest *g)
{
	struct lobby *l = g->lobby;
	int fd = g->fd;

	g->fd = -1;
	dismiss(g);
	l->ops->on_wire(l->data, fd);
}

static void refuse_http(struct guest *g)
{
	struct buf out = { 0 };

	log_info("no gateway for a connection: uid=%u", (unsigned)g->uid);
	buf_printf(&out,
		   "HTTP/1.1 503 Service Unavailable\r\n"
		   "Server: groupfs\r\n"
		   "Content-Type: application/problem+json\r\n"
		   "Content-Length: %zu\r\n"
		   "Retry-After: 1\r\n"
		   "Connection: close\r\n\r\n%s",
		   sizeof(no_gateway) - 1, no_gateway);
	(void)send(g->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_release(&out);
	dismiss(g);
}

static void go_http(struct guest *g)
{
	struct lobby *l = g->lobby;
	int rc = l->ops->on_http(l->data, g->fd, g->uid);

	if (rc == 0)
		dismiss(g);
	else if (rc != -EAGAIN ||
		 uv_now(l->loop) - g->since_ms >= LOBBY_HTTP_MS)
		refuse_http(g);
}

static bool is_letter(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Looks at its first bytes, and lets it go on if they tell. */
static void look(struct guest *g)
{
	char first[2];
	ssize_t n = recv(g->fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		dismiss(g);
		return;
	}
	if (!is_letter(first[0]) || (n == 2 && !is_letter(first[1]))) {
		go_wire(g);
		return;
	}
	/* It stays readable: only time can tell of more. */
	uv_poll_stop(&g->poll);
	g->state = n == 2 ? GUEST_HTTP : GUEST_VAGUE;
	if (g->state == GUEST_HTTP) {
		g->since_ms = uv_now(g->lobby->loop);
		go_http(g);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct guest *g = poll->data;
	struct lobby *l = g->lobby;

	(void)events;
	if (status < 0)
		dismiss(g);
	else
		look(g);
	rearm(l);
}

static void on_timer(uv_timer_t *timer)
{
	struct lobby *l = timer->data;
	uint64_t now = uv_now(l->loop);
	struct list *next;

	for (struct list *el = l->guests.next; el != &l->guests; el = next) {
		struct guest *g = container_of(el, struct guest, link);

		next = el->next;
		if (g->state == GUEST_HTTP)
			go_http(g);
		else if (now - g->since_ms >= LOBBY_FIRST_MS)
			dismiss(g);
		else if (g->state == GUEST_VAGUE)
			look(g);
	}
	rearm(l);
}

/* Soon while somebody waits for more than his own bytes. */
static void rearm(struct lobby *l)
{
	uint64_t ms = LOBBY_FIRST_MS / 5;

	if (l->closing)
		return;
	for (const struct list *el = l->guests.next; el != &l->guests;
	     el = el->next) {
		if (container_of(el, const struct guest, link)->state !=
		    GUEST_SILENT)
			ms = LOBBY_RETRY_MS;
	}
	if (list_empty(&l->guests))
		uv_timer_stop(&l->timer);
	else if (!uv_is_active((uv_handle_t *)&l->timer) ||
		 ms == LOBBY_RETRY_MS)
		uv_timer_start(&l->timer, on_timer, ms, 0);
}

void lobby_start(struct lobby *l, uv_loop_t *loop, const struct lobby_ops *ops,
		 void *data)
{
	*l = (struct lobby){
		.loop = loop, .ops = ops, .data = data, .open = 1
	};
	list_init(&l->guests);
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
}

void lobby_enter(struct lobby *l, int fd, uid_t uid)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (g == NULL || uv_poll_init(l->loop, &g->poll, fd) < 0) {
		log_warn("refused a connection, no memory: uid=%u",
			 (unsigned)uid);
		free(g);
		close(fd);
		return;
	}
	l->open++;
	g->lobby = l;
	g->fd = fd;
	g->uid = uid;
	g->since_ms = uv_now(l->loop);
	g->poll.data = g;
	list_push(&l->guests, &g->link);
	if (uv_poll_start(&g->poll, UV_READABLE, on_readable) < 0)
		dismiss(g);
	else
		look(g); /* mostly it has spoken already */
	rearm(l);
}

size_t lobby_count(const struct lobby *l, uid_t uid)
{
	size_t count = 0;

	for (const struct list *el = l->guests.next; el != &l->guests;
	     el = el->next)
		count += container_of(el, const struct guest, link)->uid == uid;
	return count;
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void lobby_close(struct lobby *l, void (*cb)(struct lobby *l))
{
	l->closing = true;
	l->on_close = cb;
	while (!list_empty(&l->guests))
		dismiss(container_of(l->guests.next, struct guest, link));
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
