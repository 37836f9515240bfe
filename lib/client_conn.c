/* SPDX-License-Identifier: MIT */
#include "lib/client_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/err.h"

enum { KEEP_READS = 64, KEEP_BYTES = 2 << 20 };

struct client_conn {
	uv_pipe_t pipe;
	uv_connect_t connect;
	uv_write_t write;
	const struct client_conn_ops *ops;
	void *owner;	/* borrowed until on_closed; NULL: nobody to tell */
	struct buf in;	/* bytes read and not handled yet */
	unsigned keep;	/* its memory, for so many reads */
	struct buf out; /* owned by libuv while `writing` */
	char *path;	/* owned; NULL when attached */
	bool open;	/* frames may be written */
	bool writing;	/* an uv_write is under way */
	bool closing;
};

static void lost(struct client_conn *conn, const char *what, int rc)
{
	struct buf why = { 0 };

	if (conn->closing)
		return;
	if (rc == 0)
		buf_printf(&why, "%s", what);
	else
		buf_printf(&why, "%s: %s", what, strerror(-rc));
	conn->ops->on_lost(conn->owner, buf_cstr(&why));
	buf_release(&why);
}

/* Bytes that the frame at the start of `in` needs in all; the header alone
 * while that is not there yet. 0: it is no frame. */
static size_t frame_size(const char *data, size_t len, struct wire_header *h)
{
	if (len < WIRE_HEADER)
		return WIRE_HEADER;
	if (wire_get_header(data, h) != 0)
		return 0;
	return WIRE_HEADER + (size_t)h->len;
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct client_conn *conn = handle->data;
	struct wire_header h;
	size_t want = CLIENT_CONN_READ;
	size_t size = frame_size(conn->in.data, conn->in.len, &h);

	(void)suggested;
	if (size > conn->in.len && size - conn->in.len > want)
		want = size - conn->in.len;
	if (!buf_reserve(&conn->in, want)) {
		*out = uv_buf_init(NULL, 0); /* read_cb gets UV_ENOBUFS */
		return;
	}
	*out = uv_buf_init(conn->in.data + conn->in.len, (unsigned)want);
}

/* Where one large frame came, others may follow; but much memory, or for long,
 * is not kept for small ones. */
static void shrink(struct client_conn *conn)
{
	struct buf small = { 0 };

	if (conn->in.cap <= 8 * (size_t)CLIENT_CONN_READ ||
	    conn->in.len > CLIENT_CONN_READ)
		return;
	if (conn->keep > 0 && conn->in.cap <= KEEP_BYTES) {
		conn->keep--;
		return;
	}
	buf_append(&small, conn->in.data, conn->in.len);
	if (small.failed) {
		buf_release(&small);
		return;
	}
	buf_release(&conn->in);
	conn->in = small;
}

static void handle_frames(struct client_conn *conn)
{
	size_t pos = 0;

	for (;;) {
		struct wire_header h;
		const char *data = conn->in.data + pos;
		size_t left = conn->in.len - pos;
		size_t size = frame_size(data, left, &h);

		if (size == 0) {
			lost(conn, "groupd sent what is no frame", 0);
			return;
		}
		if (left < size)
			break;
		conn->ops->on_frame(conn->owner, &h,
				    str_make(data + WIRE_HEADER, h.len));
		if (conn->closing)
			return;
		pos += size;
		if (size > CLIENT_CONN_READ)
			conn->keep = KEEP_READS;
	}
	if (pos > 0)
		buf_consume(&conn->in, pos);
	shrink(conn);
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct client_conn *conn = stream->data;

	(void)b;
	if (conn->closing || n == 0)
		return;
	if (n == UV_EOF) {
		lost(conn, "groupd closed the connection", 0);
		return;
	}
	if (n < 0) {
		lost(conn, "The connection to groupd failed", (int)n);
		return;
	}
	conn->in.len += (size_t)n;
	handle_frames(conn);
}

static int start_reading(struct client_conn *conn)
{
	int rc = uv_read_start((uv_stream_t *)&conn->pipe, alloc_cb, read_cb);

	conn->open = rc == 0;
	return rc;
}

static void connect_cb(uv_connect_t *req, int rc)
{
	struct client_conn *conn = req->data;
	struct buf what = { 0 };

	if (conn->closing)
		return;
	if (rc == 0)
		rc = start_reading(conn);
	if (rc == 0) {
		conn->ops->on_open(conn->owner);
		return;
	}
	buf_printf(&what, "groupd does not answer at %s", conn->path);
	lost(conn, buf_cstr(&what), rc);
	buf_release(&what);
}

static struct client_conn *
conn_new(uv_loop_t *loop, const struct client_conn_ops *ops, void *owner)
{
	struct client_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	if (uv_pipe_init(loop, &conn->pipe, 0) != 0) {
		free(conn);
		return NULL;
	}
	conn->pipe.data = conn;
	conn->connect.data = conn;
	conn->write.data = conn;
	conn->ops = ops;
	conn->owner = owner;
	return conn;
}

struct client_conn *client_conn_connect(uv_loop_t *loop, const char *path,
					const struct client_conn_ops *ops,
					void *owner)
{
	char *copy = strdup(path);
	struct client_conn *conn;

	if (copy == NULL)
		return NULL;
	conn = conn_new(loop, ops, owner);
	if (conn == NULL) {
		free(copy);
		return NULL;
	}
	conn->path = copy;
	uv_pipe_connect(&conn->connect, &conn->pipe, path, connect_cb);
	return conn;
}

int client_conn_attach(uv_loop_t *loop, int fd,
		       const struct client_conn_ops *ops, void *owner,
		       struct client_conn **out)
{
	struct client_conn *conn = conn_new(loop, ops, owner);
	int rc;

	if (conn == NULL) {
		close(fd);
		return -ENOMEM;
	}
	rc = uv_pipe_open(&conn->pipe, fd);
	if (rc != 0)
		close(fd);
	else
		rc = start_reading(conn);
	if (rc != 0) {
		conn->owner = NULL; /* it was never its connection */
		client_conn_close(conn);
		return rc;
	}
	*out = conn;
	return 0;
}

bool client_conn_is_drained(const struct client_conn *conn)
{
	uv_os_fd_t fd;
	int waiting = 0;

	return conn->in.len == 0 && !conn->closing &&
	       uv_fileno((const uv_handle_t *)&conn->pipe, &fd) == 0 &&
	       ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0;
}

struct buf *client_conn_out(struct client_conn *conn)
{
	if (!conn->open || conn->writing || conn->closing)
		return NULL;
	return &conn->out;
}

static void written(struct client_conn *conn)
{
	buf_clear(&conn->out);
	if (conn->out.cap > 8 * (size_t)CLIENT_CONN_OUT)
		buf_release(&conn->out);
}

static void write_cb(uv_write_t *req, int rc)
{
	struct client_conn *conn = req->data;

	assert(conn->writing);
	conn->writing = false;
	if (conn->closing)
		return;
	if (rc != 0) {
		lost(conn, "The connection to groupd failed", rc);
		return;
	}
	written(conn);
	conn->ops->on_room(conn->owner);
}

int client_conn_flush(struct client_conn *conn)
{
	uv_stream_t *stream = (uv_stream_t *)&conn->pipe;
	uv_buf_t b;
	int n;

	assert(conn->open && !conn->writing && !conn->closing);
	if (conn->out.failed)
		return -ENOMEM;
	if (conn->out.len == 0)
		return 0;
	b = uv_buf_init(conn->out.data, (unsigned)conn->out.len);
	n = uv_try_write(stream, &b, 1);
	if (n < 0 && n != UV_EAGAIN)
		return n;
	if (n > 0 && (size_t)n == conn->out.len) {
		written(conn);
		return 0;
	}
	if (n > 0) {
		b.base += n;
		b.len -= (size_t)n;
	}
	n = uv_write(&conn->write, stream, &b, 1, write_cb);
	conn->writing = n == 0;
	return n;
}

static void close_cb(uv_handle_t *handle)
{
	struct client_conn *conn = handle->data;
	const struct client_conn_ops *ops = conn->ops;
	void *owner = conn->owner;

	buf_release(&conn->in);
	buf_release(&conn->out);
	free(conn->path);
	free(conn);
	if (owner != NULL)
		ops->on_closed(owner);
}

void client_conn_close(struct client_conn *conn)
{
	assert(!conn->closing);
	conn->closing = true;
	uv_close((uv_handle_t *)&conn->pipe, close_cb);
}
