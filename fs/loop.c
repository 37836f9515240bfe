/* SPDX-License-Identifier: MIT */
#include "fs/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { PER_TURN = 64 /* requests */ };

static void readable(uv_poll_t *poll, int status, int events)
{
	struct fuse_loop *l = poll->data;

	(void)events;
	/* An unmount shows as an error of the poll: the read tells which. */
	(void)status;
	for (int i = 0; i < PER_TURN; i++) {
		int rc = fuse_session_receive_buf(l->session, &l->buf);

		if (rc == -EAGAIN)
			return;
		if (rc == -EINTR)
			continue;
		if (rc <= 0) {
			uv_poll_stop(poll);
			l->end(l, rc == -ENODEV ? 0 : rc);
			return;
		}
		fuse_session_process_buf(l->session, &l->buf);
		if (fuse_session_exited(l->session)) {
			uv_poll_stop(poll);
			l->end(l, 0);
			return;
		}
	}
}

int fuse_loop_start(struct fuse_loop *l, uv_loop_t *loop,
		    struct fuse_session *session, fuse_loop_end_cb end)
{
	int fd = fuse_session_fd(session);
	int flags = fcntl(fd, F_GETFL);
	int rc;

	l->session = session;
	l->end = end;
	l->buf = (struct fuse_buf){ 0 };
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	rc = uv_poll_init(loop, &l->poll, fd);
	if (rc != 0)
		return rc;
	l->poll.data = l;
	return uv_poll_start(&l->poll, UV_READABLE, readable);
}

void fuse_loop_close(struct fuse_loop *l)
{
	uv_close((uv_handle_t *)&l->poll, NULL);
	free(l->buf.mem);
	l->buf.mem = NULL;
}
