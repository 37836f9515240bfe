/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/core_link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/list.h"
#include "lib/log.h"

bool core_link_is_core(int fd, int64_t core_uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	if (cred.uid == 0 || (int64_t)cred.uid == core_uid)
		return true;
	log_warn("core refused: uid=%u pid=%d", (unsigned int)cred.uid,
		 (int)cred.pid);
	return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct core_link *link = container_of(poll, struct core_link, poll);
	int fd, rc;

	(void)status;
	(void)events;
	fd = accept4(link->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!core_link_is_core(fd, link->core_uid)) {
		close(fd);
		return;
	}
	rc = client_attach(link->client, fd);
	if (rc < 0)
		log_warn("core not attached: error=%s", uv_strerror(rc));
}

static void on_grace(uv_timer_t *t)
{
	struct core_link *link = container_of(t, struct core_link, grace);

	log_warn("groupd is gone: seconds=%d", CORE_LINK_GRACE_S);
	link->abandoned(link);
}

int core_link_start(struct core_link *link, uv_loop_t *loop, int fd,
		    int64_t core_uid, struct client *c,
		    void (*abandoned)(struct core_link *link))
{
	int rc;

	link->fd = fd;
	link->core_uid = core_uid >= 0 ? core_uid : (int64_t)getuid();
	link->client = c;
	link->abandoned = abandoned;
	if (listen(fd, SOMAXCONN) < 0)
		return -errno;
	rc = uv_timer_init(loop, &link->grace);
	if (rc == 0)
		rc = uv_poll_init(loop, &link->poll, fd);
	if (rc == 0)
		rc = uv_poll_start(&link->poll, UV_READABLE, on_readable);
	if (rc == 0)
		core_link_state(link, false);
	return rc;
}

void core_link_state(struct core_link *link, bool online)
{
	if (online)
		uv_timer_stop(&link->grace);
	else if (!uv_is_active((uv_handle_t *)&link->grace) &&
		 !uv_is_closing((uv_handle_t *)&link->grace))
		uv_timer_start(&link->grace, on_grace,
			       CORE_LINK_GRACE_S * UINT64_C(1000), 0);
}

static void on_closed(uv_handle_t *handle)
{
	struct core_link *link = container_of(handle, struct core_link, poll);

	close(link->fd);
}

void core_link_close(struct core_link *link)
{
	uv_close((uv_handle_t *)&link->grace, NULL);
	uv_close((uv_handle_t *)&link->poll, on_closed);
}
