/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/hangup.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/list.h"

enum { TURN = 64 /* sockets looked at in one turn of the loop */ };

/* Reads away what is there. Whether the client has gone. */
static bool is_over(int fd)
{
	char rest[4096];
	ssize_t n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
	struct hangups *all = container_of(poll, struct hangups, poll);
	struct epoll_event found[TURN];
	int n = epoll_wait(all->epoll, found, TURN, 0);

	(void)status;
	(void)events;
	for (int i = 0; i < n; i++) {
		struct hangup *u = found[i].data.ptr;

		if (!is_over(u->fd))
			continue;
		hangup_leave(u);
		u->gone(u);
	}
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
	return uv_poll_start(&all->poll, UV_READABLE, on_input);
}

static void on_closed(uv_handle_t *handle)
{
	close(container_of(handle, struct hangups, poll)->epoll);
}

void hangups_close(struct hangups *all)
{
	uv_close((uv_handle_t *)&all->poll, on_closed);
}

void hangup_watch(struct hangups *all, struct hangup *u, int fd,
		  void (*gone)(struct hangup *u))
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = u };

	*u = (struct hangup){ .fd = fd, .gone = gone };
	if (epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		u->all = all;
}

void hangup_leave(struct hangup *u)
{
	if (u->all != NULL)
		(void)epoll_ctl(u->all->epoll, EPOLL_CTL_DEL, u->fd, NULL);
	u->all = NULL;
}
