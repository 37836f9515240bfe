/* SPDX-License-Identifier: MIT */
/*
 * The strangers' side: our own listener, what comes through the door,
 * libwebsockets on our loop, and the one callback, which only dispatches to
 * http.h and ws.h.
 *
 * What Debian's libwebsockets 4.1.6 makes necessary: upgrades other than to
 * "websocket" are refused (HTTP/2 is open to strangers otherwise); each HTTP
 * connection is closed after its answer (a request with a body behind another
 * one in the same segment makes lws spin for ever); nothing is read while a
 * request is under way.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_FRONT_H
#define GROUPFS_DAEMON_GATEWAY_FRONT_H

#include "daemon/gateway/gateway.h"

struct lws;

/* 0 or a negative errno. */
int front_start(struct gateway *gw);
/* No new connections. */
void front_stop_listening(struct gateway *gw);
/* Closes all connections. Their memory is gone once the loop has ended and
 * front_release() was called. */
void front_close(struct gateway *gw);
void front_release(struct gateway *gw);

/* The ticket that a connection came with; empty: none. Borrowed from it. */
struct str front_ticket(struct lws *wsi);

#endif
