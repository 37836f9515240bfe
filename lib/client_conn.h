/* SPDX-License-Identifier: MIT */
/*
 * One connection of the client: a stream socket that carries frames. It knows
 * neither requests nor principals; the client does, and makes a new one of
 * these when one is lost.
 *
 *   client -- client_conn_out(), _flush() --> socket --> on_frame --> client
 *
 * On the heap because libuv needs a handle's memory until its close callback,
 * while the next connection is being made already. One loop thread.
 */
#ifndef GROUPFS_LIB_CLIENT_CONN_H
#define GROUPFS_LIB_CLIENT_CONN_H

#include <stdbool.h>
#include <uv.h>

#include "lib/buf.h"
#include "lib/wire.h"

enum {
	/* What client_conn_out() should be filled to between two flushes. */
	CLIENT_CONN_OUT = 256 << 10,
	CLIENT_CONN_READ = 64 << 10 /* room for one read, at least */
};

struct client_conn;

/* All run on the loop, none after client_conn_close() but on_closed. */
struct client_conn_ops {
	/* Connected: frames may be written. */
	void (*on_open)(void *owner);
	/* body: header->len bytes, borrowed until it returns. It may close
	 * the connection. */
	void (*on_frame)(void *owner, const struct wire_header *header,
			 struct str body);
	/* What was flushed is written: there is room again. */
	void (*on_room)(void *owner);
	/* The connection is of no use any more: why, a sentence. The owner
	 * must close it. */
	void (*on_lost)(void *owner, const char *why);
	/* After client_conn_close(): the memory is gone. */
	void (*on_closed)(void *owner);
};

/* Connects to a Unix socket. NULL: no memory. A failure to connect is
 * on_lost. */
struct client_conn *client_conn_connect(uv_loop_t *loop, const char *path,
					const struct client_conn_ops *ops,
					void *owner);
/* Takes over a connected socket, and closes fd where that fails. on_open is
 * not called. 0 or -errno. */
int client_conn_attach(uv_loop_t *loop, int fd,
		       const struct client_conn_ops *ops, void *owner,
		       struct client_conn **out);

/* Where frames are appended before a flush; NULL while a flush is still being
 * written or the connection is not open: on_room or on_open will tell. */
struct buf *client_conn_out(struct client_conn *conn);
/* Writes what was appended. 0, or -errno: the connection is of no use. */
int client_conn_flush(struct client_conn *conn);

void client_conn_close(struct client_conn *conn);

/* Nothing that came is left unread or not handled. */
bool client_conn_is_drained(const struct client_conn *conn);

#endif
