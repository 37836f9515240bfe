/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/hangup.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/list.h"

enum { TURN = 64 /* sockets told of in one turn of the loop */ };

/* Both are told without being asked for. */
static const uint32_t broken = EPOLLERR | EPOLLHUP;

static void tell(struct hangup *u, uint32_t events)
{
	struct epoll_event rest = { .events = 0, .data.ptr = u };

	if ((events & broken) != 0) {
		hangup_leave(u);
		u->on_gone(u);
		return;
	}
	/* His half stays closed, and need not be told again. */
	(void)epoll_ctl(u->all->epoll, EPOLL_CTL_MOD, u->fd, &rest);
	u->on_end(u);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct hangups *all = container_of(poll, struct hangups, poll);
	struct epoll_event found[TURN];
	int n = epoll_wait(all->epoll, found, TURN, 0);

	(void)status;
	(void)events;
	for (int i = 0; i < n; i++)
		tell(found[i].data.ptr, found[i].events);
}

int hangups_start(struct hangups *all, uv_loop_t *loop)
{
	int rc;

	all->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (all->epoll < 0)
		return -errno;
	rc = uv_poll_init(loop, &all->poll, all->epoll);
	if (rc < 0) {
		close(all->epoll);
		return rc;
	}
	return uv_poll_start(&all->poll, UV_READABLE, on_event);
}

static void on_closed(uv_handle_t *handle)
{
	uv_poll_t *poll = (uv_poll_t *)handle;

	close(container_of(poll, struct hangups, poll)->epoll);
}

void hangups_close(struct hangups *all)
{
	uv_close((uv_handle_t *)&all->poll, on_closed);
}

void hangup_watch(struct hangups *all, struct hangup *u, int fd)
{
	struct epoll_event event = { .events = EPOLLRDHUP, .data.ptr = u };

	u->fd = fd;
	if (epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		u->all = all;
}

void hangup_leave(struct hangup *u)
{
	if (u->all != NULL)
		(void)epoll_ctl(u->all->epoll, EPOLL_CTL_DEL, u->fd, NULL);
	u->all = NULL;
}

bool hangup_vanished(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_unacked > 0 &&
	       info.tcpi_last_ack_recv >= HANGUP_VANISHED_MS;
}
