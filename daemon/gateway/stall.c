/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/stall.h"

#include <libwebsockets.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	TICK_MS = 20,
	LINGER_TICKS = 100,
	DROP_PIECE = 16 << 10,
	DROP_PIECES = 64 /* a tick */
};

/* Bytes there, 0 for the end, or -1 for nothing. */
static ssize_t peek(int fd)
{
	char byte;

	return recvfrom(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
}

/* poll(2) tells of no less (socket(7)); of the end always. */
static void set_low_water(int fd, int bytes)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/* There is so much that poll(2) tells of it all the same. */
static bool is_full(int fd)
{
	int low = 0, there = 0;
	socklen_t len = sizeof(low);

	return getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len) == 0 &&
	       ioctl(fd, FIONREAD, &there) == 0 && there >= low;
}

static bool takes_output(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1;
}

/* True: there is no more to come. */
static bool drop_input(int fd)
{
	char piece[DROP_PIECE];
	ssize_t n = 1;

	for (int i = 0; i < DROP_PIECES && n > 0; i++)
		n = recvfrom(fd, piece, sizeof(piece), MSG_DONTWAIT, NULL,
			     NULL);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void tick_one(struct stall *s)
{
	int fd = lws_get_socket_fd(s->wsi);
	ssize_t input;

	if (s->lingers) {
		if (drop_input(fd) || ++s->ticks > LINGER_TICKS) {
			stall_end(s);
			lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK,
					LWS_TO_KILL_ASYNC);
		}
		return;
	}
	input = peek(fd);
	if (input > 0 && !s->deaf) {
		s->deaf = true;
		set_low_water(fd, INT_MAX);
		return;
	}
	s->asks = s->asks || input == 0 || (input > 0 && is_full(fd));
	if (!s->asks)
		return;
	if (takes_output(fd)) {
		lws_rx_flow_control(s->wsi, 1);
		lws_callback_on_writable(s->wsi);
	} else {
		lws_rx_flow_control(s->wsi, 0);
	}
}

/* Nothing in it frees another one. */
static void on_tick(uv_timer_t *tick)
{
	struct stalls *all = container_of(tick, struct stalls, tick);
	struct list *next;

	for (struct list *l = all->all.next; l != &all->all; l = next) {
		next = l->next;
		tick_one(container_of(l, struct stall, link));
	}
	if (list_empty(&all->all))
		uv_timer_stop(tick);
}

int stalls_start(struct stalls *all, uv_loop_t *loop)
{
	list_init(&all->all);
	return uv_timer_init(loop, &all->tick);
}

void stalls_close(struct stalls *all)
{
	uv_close((uv_handle_t *)&all->tick, NULL);
}

void stall_init(struct stall *s)
{
	list_init(&s->link);
}

static void add(struct stalls *all, struct stall *s, struct lws *wsi)
{
	s->wsi = wsi;
	list_remove(&s->link);
	list_push(&all->all, &s->link);
	if (!uv_is_active((uv_handle_t *)&all->tick))
		uv_timer_start(&all->tick, on_tick, TICK_MS, TICK_MS);
}

void stall_wait(struct stalls *all, struct stall *s, struct lws *wsi)
{
	add(all, s, wsi);
	if (s->asks)
		lws_rx_flow_control(wsi, 0);
}

bool stall_linger(struct stalls *all, struct stall *s, struct lws *wsi,
		  bool more_to_come)
{
	int fd = lws_get_socket_fd(wsi);

	if (!more_to_come && peek(fd) < 0)
		return false;
	/* What was written goes out, then the end of it. */
	shutdown(fd, SHUT_WR);
	s->lingers = true;
	s->ticks = 0;
	add(all, s, wsi);
	lws_rx_flow_control(wsi, 0);
	return true;
}

void stall_end(struct stall *s)
{
	list_remove(&s->link);
	if (s->deaf)
		set_low_water(lws_get_socket_fd(s->wsi), 1);
	s->deaf = false;
}
