/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway/core_link.h"
#include "lib/log.h"
#include "lib/wire.h"

enum { TURN = 64 /* connections taken at a time */ };

struct giver {
	struct door *door;
	struct list link;
	uv_poll_t poll;
	int fd; /* owned */
};

static void on_giver_closed(uv_handle_t *handle)
{
	free(container_of(handle, struct giver, poll));
}

static void giver_close(struct giver *g)
{
	list_remove(&g->link);
	uv_close((uv_handle_t *)&g->poll, on_giver_closed);
	close(g->fd);
}

/* The one descriptor of a message, or -1; more than that were cut off. */
static int take_fd(struct msghdr *message)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* False: there is no more now, or never. */
static bool take_one(struct giver *g)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char ticket[WIRE_TOKEN_MAX];
	struct iovec part = { .iov_base = ticket, .iov_len = sizeof(ticket) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(g->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		giver_close(g);
		return false;
	}
	fd = take_fd(&message);
	if (fd >= 0)
		g->door->on_given(g->door, fd, str_make(ticket, (size_t)n));
	else
		/* There was no descriptor left for it. */
		log_warn("lost a connection that groupd gave: flags=%d",
			 message.msg_flags);
	return true;
}

static void on_message(uv_poll_t *poll, int status, int events)
{
	struct giver *g = container_of(poll, struct giver, poll);

	(void)events;
	if (status < 0) {
		giver_close(g);
		return;
	}
	for (int i = 0; i < TURN && take_one(g); i++)
		;
}

static void giver_open(struct door *d, uv_loop_t *loop, int fd)
{
	struct giver *g = calloc(1, sizeof(*g));

	if (g == NULL || uv_poll_init(loop, &g->poll, fd) < 0) {
		free(g);
		close(fd);
		return;
	}
	g->door = d;
	g->fd = fd;
	list_push(&d->givers, &g->link);
	if (uv_poll_start(&g->poll, UV_READABLE, on_message) < 0)
		giver_close(g);
}

static void on_knock(uv_poll_t *poll, int status, int events)
{
	struct door *d = container_of(poll, struct door, listener);
	int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	if (core_link_is_core(fd, d->core_uid))
		giver_open(d, poll->loop, fd);
	else
		close(fd);
}

int door_start(struct door *d, uv_loop_t *loop, int fd, int64_t core_uid,
	       void (*on_given)(struct door *d, int fd, struct str ticket))
{
	int rc = uv_poll_init(loop, &d->listener, fd);

	d->fd = fd;
	d->core_uid = core_uid >= 0 ? core_uid : (int64_t)getuid();
	d->on_given = on_given;
	list_init(&d->givers);
	if (rc == 0)
		rc = uv_poll_start(&d->listener, UV_READABLE, on_knock);
	return rc;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct door *d = container_of(handle, struct door, listener);

	close(d->fd);
}

void door_close(struct door *d)
{
	while (!list_empty(&d->givers)) {
		struct giver *g =
			container_of(d->givers.next, struct giver, link);

		/* What is on its way here is not to be lost. */
		while (take_one(g))
			;
		if (!list_empty(&d->givers) && d->givers.next == &g->link)
			giver_close(g);
	}
	uv_close((uv_handle_t *)&d->listener, on_listener_closed);
}
