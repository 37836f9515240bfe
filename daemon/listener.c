/* SPDX-License-Identifier: MIT */
#include "daemon/listener.h"

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

enum { BACKLOG = 1024 };

static int address_of(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!str_to_cstr(str_of(path), out->sun_path, sizeof(out->sun_path)))
		return -ENAMETOOLONG;
	return 0;
}

int listener_connect(const char *path)
{
	struct sockaddr_un address;
	int rc = address_of(path, &address);
	int fd;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Makes way: nothing there, or a socket that nobody answers on. */
static int clear_way(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_UNAVAILABLE,
			       "There is no socket but something else at %s",
			       path);
	fd = listener_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED && fd != -ENOENT)
		return err_set(err, ERR_UNAVAILABLE,
			       "Another process serves %s", path);
	unlink(path);
	return 0;
}

int listener_bind(const char *path, unsigned mode, struct err *err)
{
	struct sockaddr_un address;
	int rc = address_of(path, &address);
	int fd;

	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "The path of the socket is too long: %s", path);
	rc = clear_way(path, err);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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

static void on_connection(uv_stream_t *server, int status)
{
	struct listener *l = server->data;

	if (status < 0) {
		log_warn("cannot accept: why=\"%s\"", uv_strerror(status));
		return;
	}
	l->on_accept(l->data, server);
}

static void on_failed_start(uv_handle_t *handle)
{
	(void)handle;
}

int listener_start(struct listener *l, uv_loop_t *loop, const char *path,
		   listener_accept_cb on_accept, void *data, struct err *err)
{
	int fd = listener_bind(path, 0666, err);
	int rc;

	if (fd < 0)
		return fd;
	*l = (struct listener){ .on_accept = on_accept, .data = data };
	str_to_cstr(str_of(path), l->path, sizeof(l->path));
	uv_pipe_init(loop, &l->pipe, 0);
	l->pipe.data = l;
	rc = uv_pipe_open(&l->pipe, fd);
	if (rc < 0)
		close(fd);
	else
		rc = uv_listen((uv_stream_t *)&l->pipe, BACKLOG, on_connection);
	if (rc == 0)
		return 0;
	unlink(path);
	uv_close((uv_handle_t *)&l->pipe, on_failed_start);
	return err_set(err, ERR_UNAVAILABLE, "Cannot listen on %s: %s", path,
		       uv_strerror(rc));
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	l->on_close(l);
}

void listener_close(struct listener *l, void (*cb)(struct listener *l))
{
	l->on_close = cb;
	unlink(l->path);
	uv_close((uv_handle_t *)&l->pipe, on_closed);
}
