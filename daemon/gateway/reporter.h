/* SPDX-License-Identifier: MIT */
/*
 * Tells groupd every second what this gateway counts, so that whichever
 * gateway is asked for /metrics can answer for all of them.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_REPORTER_H
#define GROUPFS_DAEMON_GATEWAY_REPORTER_H

#include "daemon/gateway/gateway.h"

/* From now on, until the wheel is closed. */
void reporter_start(struct gateway *gw);
/* At once, too; nothing happens while groupd is away. */
void reporter_tell(struct gateway *gw);

#endif
