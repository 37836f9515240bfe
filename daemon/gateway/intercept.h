/* SPDX-License-Identifier: MIT */
/*
 * Puts a tap (tap.h) between libwebsockets and each of its connections. lws
 * has no place for that, so this program defines recv(2) and SSL_read(3)
 * itself: the linker takes a program's own before a library's, and lws calls
 * nothing else to read a connection. What they stand for is done through
 * recvfrom(2) and SSL_read_ex(3). Descriptors that were not added are read as
 * ever.
 *
 * One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_INTERCEPT_H
#define GROUPFS_DAEMON_GATEWAY_INTERCEPT_H

#include <stddef.h>

#include "daemon/gateway/tap.h"

/* A frame was refused, in lws' reading: tap->refusal is the close code. */
typedef void (*intercept_cb)(void *conn, unsigned int code);

/* Descriptors up to fds can be added. 0 or -ENOMEM. */
int intercept_start(size_t fds, intercept_cb frame_refused);
void intercept_stop(void);

/* A new connection of lws, at the head of its first request. False: there is
 * no room for this descriptor. */
bool intercept_add(int fd);
/* The answer is given: the next request may come. */
void intercept_next(int fd);
/* It is a WebSocket now: conn is for the callback. */
void intercept_open_frames(int fd, void *conn);
/* It is closed; also for one that was never added. */
void intercept_remove(int fd);

#endif
