/* SPDX-License-Identifier: MIT */
#include "daemon/listener.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/list.h"
#include "lib/log.h"
#include "lib/str.h"

enum { BACKLOG = 1024, ACCEPT_TURN = 64, PAUSE_MS = 100 };

static int address_of(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!str_to_cstr(str_of(path), out->sun_path, sizeof(out->sun_path)))
		return -ENAMETOOLONG;
	return 0;
}

int listener_connect(const char *path, int type)
{
	struct sockaddr_un address;
	int rc = address_of(path, &address);
	int fd;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Makes way: nothing there, or a socket that nobody answers on. */
static int clear_way(const char *path, int type, struct err *err)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_UNAVAILABLE,
			       "There is no socket but something else at %s",
			       path);
	fd = listener_connect(path, type);
	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED && fd != -ENOENT)
		return err_set(err, ERR_UNAVAILABLE,
			       "Another process serves %s", path);
	unlink(path);
	return 0;
}

int listener_bind(const char *path, int type, unsigned mode, struct err *err)
{
	struct sockaddr_un address;
	int rc = address_of(path, &address);
	int fd;

	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "The path of the socket is too long: %s", path);
	rc = clear_way(path, type, err);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto failed;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, mode) < 0)
		goto close_fd;
	return fd;
close_fd:
	rc = errno;
	close(fd);
	errno = rc; /* close() may have changed it */
failed:
	rc = errno;
	err_set(err, ERR_UNAVAILABLE, "Cannot bind %s: %s", path, strerror(rc));
	return -rc;
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_end(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	if (!uv_is_closing((uv_handle_t *)&l->poll))
		uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

/* The connection waits, and the loop must not spin meanwhile. */
static void take_a_pause(struct listener *l)
{
	log_warn("cannot accept: why=\"%s\"", strerror(errno));
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->pause, on_pause_end, PAUSE_MS, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			l->on_accept(l->data, fd);
		else if (errno == EMFILE || errno == ENFILE ||
			 errno == ENOMEM || errno == ENOBUFS)
			take_a_pause(l);
		/* on_accept() may have closed it. */
		if (fd < 0 || uv_is_closing((uv_handle_t *)poll))
			return;
	}
}

int listener_start(struct listener *l, uv_loop_t *loop, const char *path,
		   int inherited, listener_accept_cb on_accept, void *data,
		   struct err *err)
{
	int fd = inherited > 0 ? inherited
			       : listener_bind(path, SOCK_STREAM, 0666, err);
	int rc;

	if (fd < 0)
		return fd;
	*l = (struct listener){ .on_accept = on_accept,
				.data = data,
				.fd = fd,
				.inherited = inherited > 0 };
	str_to_cstr(str_of(path), l->path, sizeof(l->path));
	/* Of an inherited one this sets the length of the queue. */
	rc = listen(fd, BACKLOG) < 0 ? -errno
				     : uv_poll_init(loop, &l->poll, fd);
	if (rc < 0)
		goto unlink_path;
	uv_timer_init(loop, &l->pause);
	l->poll.data = l;
	l->pause.data = l;
	/* Of a handle that is fine: it cannot fail. */
	rc = uv_poll_start(&l->poll, UV_READABLE, on_connection);
	assert(rc == 0);
	return 0;
unlink_path:
	if (!l->inherited) {
		unlink(path);
		close(fd);
	}
	return err_set(err, ERR_UNAVAILABLE, "Cannot listen on %s: %s", path,
		       strerror(-rc));
}

static void on_pause_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	l->on_close(l);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	if (!l->inherited)
		close(l->fd);
	uv_close((uv_handle_t *)&l->pause, on_pause_closed);
}

void listener_close(struct listener *l, void (*cb)(struct listener *l))
{
	l->on_close = cb;
	if (!l->inherited)
		unlink(l->path);
	uv_close((uv_handle_t *)&l->poll, on_poll_closed);
}
