/* SPDX-License-Identifier: MIT */
#include "daemon/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway_process.h"
#include "daemon/listener.h"
#include "lib/log.h"

void handover_open(struct gateway *gw)
{
	struct buf path = { 0 };

	pid_t pid = gw->peer->session.pid;

	handover_shut(gw);
	/* Connected to before it listened, it has the pid of the groupd that
	 * started it: it is connected to again. */
	if (!gateway_is(pid) || ticket_holder_of(pid, &gw->holder) < 0) {
		session_finish(&gw->peer->session);
		return;
	}
	gateway_door_path(gw, &path);
	gw->door = listener_connect(buf_cstr(&path), SOCK_SEQPACKET);
	if (gw->door < 0)
		log_warn("cannot reach the door of a gateway: slot=%u "
			 "why=\"%s\"",
			 gw->slot, strerror(-gw->door));
	buf_release(&path);
}

void handover_shut(struct gateway *gw)
{
	if (gw->door >= 0)
		close(gw->door);
	gw->door = -1;
}

static int send_fd(int door, const char *ticket, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (char *)(uintptr_t)ticket,
			      .iov_len = TICKET_LEN };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(door, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	/* Too many that are under way: as good as a full queue. */
	return errno == ETOOMANYREFS || errno == ENOBUFS ? -EAGAIN : -errno;
}

static int give(struct gateway *gw, const struct tickets *tickets, int fd,
		uid_t uid)
{
	char ticket[TICKET_LEN + 1];
	int rc;

	if (gw->door < 0 || gw->state != GATEWAY_RUNNING)
		return -EAGAIN;
	rc = ticket_make(tickets, &gw->holder, uid, ticket);
	if (rc == 0)
		rc = send_fd(gw->door, ticket, fd);
	/* It is gone; its next life has another door. */
	if (rc < 0 && rc != -EAGAIN && rc != -ENOMEM)
		handover_shut(gw);
	return rc;
}

int handover_give(struct supervisor *s, const struct tickets *tickets, int fd,
		  uid_t uid)
{
	if (s->count == 0 || s->stopping)
		return -ENOENT;
	for (size_t i = 0; i < s->count; i++) {
		s->turn = (s->turn + 1) % s->count;
		if (give(&s->gateways[s->turn], tickets, fd, uid) == 0)
			return 0;
	}
	return -EAGAIN;
}
