/* SPDX-License-Identifier: MIT */
/*
 * Tells groupd every second what this gateway counts, so that whichever
 * gateway is asked for /metrics can answer for all of them. While nothing
 * happens there is nothing to tell, and neither of the two is woken.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_REPORTER_H
#define GROUPFS_DAEMON_GATEWAY_REPORTER_H

#include "daemon/gateway/gateway.h"

/* From now on. 0 or a negative errno. */
int reporter_start(struct gateway *gw);
/* Before the wheel is closed. */
void reporter_close(struct gateway *gw);
/* At once, too; nothing happens while groupd is away. */
void reporter_tell(struct gateway *gw);

#endif
