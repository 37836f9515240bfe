/* SPDX-License-Identifier: MIT */
/*
 * Stands between libwebsockets and each of its connections. lws has no place
 * for that, so this program defines recv(2), SSL_read(3) and what tells more of
 * that, SSL_pending(3), SSL_get_error(3) and SSL_want(3), itself: the linker
 * takes a program's own before a library's, and lws calls nothing else to read
 * a connection. What they stand for is done through
 * recvfrom(2), SSL_read_ex(3) and OpenSSL's own. Descriptors that were not
 * added are read as ever.
 *
 *   HEAD --head.h--> BODY --Content-Length--> HELD --intercept_next()--> HEAD
 *                                intercept_open_frames() --> FRAMES
 *
 * lws is given one request at a time: a second one behind a body would make
 * it loop for ever. What comes too early stays with the kernel, or OpenSSL.
 *
 * One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_INTERCEPT_H
#define GROUPFS_DAEMON_GATEWAY_INTERCEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/gateway/frames.h"

/* What lws must give a read(2) room for. */
enum { INTERCEPT_READ = 32 << 10 };

/* They run inside lws' reading of a connection, and free nothing. */
struct intercept_ops {
	void *data;
	/* Of a WebSocket; its data is conn. */
	frames_control_cb control;
	/* Its client sent a frame that no client may. */
	void (*refused)(void *conn, int code);
	/* TLS: there is more to read than poll(2) tells. In the next turn.
	 * next: it is another request. */
	void (*read_on)(void *data, int fd, bool next);
};

/* Descriptors up to fds can be added. 0 or -ENOMEM. */
int intercept_start(size_t fds, const struct intercept_ops *ops);
void intercept_stop(void);

/* A new connection of lws, at the head of its first request. False: there is
 * no room for this descriptor. */
bool intercept_add(int fd);
/* The answer is given: the next request may come. */
void intercept_next(int fd);
/* It is a WebSocket now: conn is for the callbacks. */
void intercept_open_frames(int fd, void *conn);
/* Our close was sent: all but the client's is dropped from now on, and with
 * that the connection ends. */
void intercept_end_frames(int fd);
/* It is closed; also for one that was never added. */
void intercept_remove(int fd);

#endif
