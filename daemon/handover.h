/* SPDX-License-Identifier: MIT */
/*
 * Connections that came to groupd's own socket and speak HTTP: given to the
 * gateways, in turn, each with a ticket that says who it is (ticket.h).
 *
 *   listener -> lobby -> handover ==RUNDIR/gateway-N.door==> gateway
 *
 * A message is the ticket, with the descriptor (SCM_RIGHTS). What a gateway
 * that dies has not read yet is closed with it. All on the loop.
 */
#ifndef GROUPFS_DAEMON_HANDOVER_H
#define GROUPFS_DAEMON_HANDOVER_H

#include <sys/types.h>

#include "daemon/supervisor.h"
#include "daemon/ticket.h"

/* Connects to the door of a gateway that has said hello; shuts it again. */
void handover_open(struct gateway *gw);
void handover_shut(struct gateway *gw);

/* Gives the connection of this uid to the next gateway, which has a copy of
 * fd then. -EAGAIN: none takes one now; -ENOENT: there will be none; else a
 * negative errno. */
int handover_give(struct supervisor *s, const struct tickets *tickets, int fd,
		  uid_t uid);

#endif
