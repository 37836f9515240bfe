/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_peer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct write {
	uv_write_t req;
	struct buf bytes; /* owned */
};

static void written_cb(uv_write_t *req, int rc)
{
	struct write *w = req->data;

	(void)rc;
	buf_release(&w->bytes);
	free(w);
}

static void write_all(struct fake_peer *peer, const char *data, size_t len)
{
	struct write *w = calloc(1, sizeof(*w));
	uv_buf_t b;

	assert(w != NULL);
	buf_append(&w->bytes, data, len);
	w->req.data = w;
	b = uv_buf_init(w->bytes.data, (unsigned)len);
	if (uv_write(&w->req, (uv_stream_t *)&peer->conn, &b, 1, written_cb) !=
	    0)
		written_cb(&w->req, 0);
}

void fake_peer_send_bytes(struct fake_peer *peer, const char *data, size_t len)
{
	assert(peer->has_conn);
	if (!peer->byte_by_byte) {
		write_all(peer, data, len);
		return;
	}
	for (size_t i = 0; i < len; i++)
		write_all(peer, data + i, 1);
}

void fake_peer_send(struct fake_peer *peer, enum wire_type type, uint32_t id,
		    uint32_t principal, const void *body)
{
	struct buf b = { 0 };

	wire_put_frame(&b, type, id, principal, body);
	fake_peer_send_bytes(peer, b.data, b.len);
	buf_release(&b);
}

void fake_peer_error(struct fake_peer *peer, const struct wire_header *header,
		     unsigned code)
{
	const struct wire_body_error body = { .code = code };

	fake_peer_send(peer, WIRE_ERROR, header->id, header->principal, &body);
}

static void open_principal(struct fake_peer *peer, const struct wire_header *h,
			   uint64_t uid)
{
	const char *name = peer->name_of == NULL
				   ? "alice"
				   : peer->name_of(peer, h->principal, uid);
	const struct wire_body_principal who = { .name = str_of(name),
						 .admin = 1 };

	if (peer->refuse_code != 0)
		fake_peer_error(peer, h, peer->refuse_code);
	else
		fake_peer_send(peer, WIRE_PRINCIPAL, h->id, h->principal, &who);
}

static void frame(struct fake_peer *peer, const struct wire_header *h,
		  const union wire_body *body)
{
	const struct wire_body_welcome welcome = { .version = peer->version,
						   .agent = str_of("fake/1"),
						   .instance = 7,
						   .max_content = 65536,
						   .store = peer->store };

	if (h->type == WIRE_HELLO && !peer->mute)
		fake_peer_send(peer, WIRE_WELCOME, h->id, 0, &welcome);
	else if (h->type == WIRE_OPEN_PRINCIPAL)
		open_principal(peer, h, body->open_principal.uid);
	else if (h->type != WIRE_HELLO)
		peer->on_request(peer, h, body);
}

static void alloc_cb(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	(void)handle;
	*out = uv_buf_init(malloc(size), (unsigned)size);
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct fake_peer *peer = stream->data;
	struct wire_header h;
	union wire_body body;

	if (n > 0)
		buf_append(&peer->in, b->base, (size_t)n);
	free(b->base);
	if (n < 0) {
		fake_peer_drop(peer);
		return;
	}
	while (peer->has_conn && peer->in.len >= WIRE_HEADER) {
		struct buf one = { 0 };

		assert(wire_get_header(peer->in.data, &h) == 0);
		if (peer->in.len < WIRE_HEADER + (size_t)h.len)
			break;
		/* Copied: on_request may drop the connection. */
		buf_append(&one, peer->in.data + WIRE_HEADER, h.len);
		buf_consume(&peer->in, WIRE_HEADER + (size_t)h.len);
		assert(wire_get(buf_str(&one), wire_schema_of(h.type), &body) ==
		       0);
		frame(peer, &h, &body);
		buf_release(&one);
	}
}

static void take_next(struct fake_peer *peer)
{
	int rc;

	uv_pipe_init(peer->listener.loop, &peer->conn, 0);
	peer->conn.data = peer;
	rc = uv_accept((uv_stream_t *)&peer->listener,
		       (uv_stream_t *)&peer->conn);
	assert(rc == 0);
	peer->has_conn = true;
	peer->connected++;
	uv_read_start((uv_stream_t *)&peer->conn, alloc_cb, read_cb);
}

static void accept_cb(uv_stream_t *listener, int rc)
{
	struct fake_peer *peer = listener->data;

	assert(rc == 0);
	/* The old one's end may be seen after the new one's begin. */
	fake_peer_drop(peer);
	/* The dropped one is closed first: its memory is used again. */
	peer->next = peer->closing > 0;
	if (!peer->next)
		take_next(peer);
}

void fake_peer_pause(struct fake_peer *peer)
{
	if (peer->has_conn)
		uv_read_stop((uv_stream_t *)&peer->conn);
}

void fake_peer_resume(struct fake_peer *peer)
{
	if (peer->has_conn)
		uv_read_start((uv_stream_t *)&peer->conn, alloc_cb, read_cb);
}

void fake_peer_start(struct fake_peer *peer, uv_loop_t *loop)
{
	int rc;

	peer->version = peer->version == 0 ? WIRE_VERSION : peer->version;
	snprintf(peer->dir, sizeof(peer->dir), "/tmp/fake-peer-XXXXXX");
	assert(mkdtemp(peer->dir) != NULL);
	snprintf(peer->path, sizeof(peer->path), "%s/s", peer->dir);
	uv_pipe_init(loop, &peer->listener, 0);
	peer->listener.data = peer;
	rc = uv_pipe_bind(&peer->listener, peer->path);
	assert(rc == 0);
	rc = uv_listen((uv_stream_t *)&peer->listener, 16, accept_cb);
	assert(rc == 0);
}

static void dropped_cb(uv_handle_t *handle)
{
	struct fake_peer *peer = handle->data;

	peer->closing--;
	buf_release(&peer->in);
	if (peer->next && !uv_is_closing((uv_handle_t *)&peer->listener))
		take_next(peer);
	peer->next = false;
}

void fake_peer_drop(struct fake_peer *peer)
{
	if (!peer->has_conn)
		return;
	peer->has_conn = false;
	peer->closing++;
	uv_close((uv_handle_t *)&peer->conn, dropped_cb);
}

void fake_peer_close(struct fake_peer *peer)
{
	fake_peer_drop(peer);
	uv_close((uv_handle_t *)&peer->listener, NULL);
	unlink(peer->path);
	rmdir(peer->dir);
}
