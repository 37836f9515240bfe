/* SPDX-License-Identifier: MIT */
/* The inside that groupd.c, groupd_stop.c, groupd_bus.c and groupd_sessions.c
 * share; all on the loop. */
#ifndef GROUPFS_DAEMON_GROUPD_PRIVATE_H
#define GROUPFS_DAEMON_GROUPD_PRIVATE_H

#include "daemon/groupd.h"

extern const struct session_ops groupd_session_ops;
extern const struct lobby_ops groupd_lobby_ops;

/* Somebody connected to the socket: takes fd. data: the groupd, as below. */
void groupd_on_accept(void *data, int fd);
/* The supervisor connected to a gateway: takes fd. NULL: it is closed. */
struct peer *groupd_on_gateway(void *data, int fd);
/* See handlers.greeted. */
void groupd_on_greeted(void *data, struct peer *peer, struct str agent);

/* The bus, between the nodes and the registry; after nodes_start(). */
int groupd_start_bus(struct groupd *g, struct err *err);

/* While it stops: begins with the closing of the next part. */
void groupd_step(struct groupd *g);

#endif
