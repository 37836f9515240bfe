/* SPDX-License-Identifier: MIT */
/*
 * The TCP address of the gateways, for the supervisor: found at start, and
 * written into RUNDIR/listen, for people, for tests, and for the next groupd
 * when the port was left to the kernel. Blocking (names).
 */
#ifndef GROUPFS_DAEMON_GATEWAY_ADDRESS_H
#define GROUPFS_DAEMON_GATEWAY_ADDRESS_H

#include <stdbool.h>

#include "daemon/supervisor.h"
#include "lib/err.h"

/* Fills s->bound and s->address; nothing for "none". adopted: gateways of an
 * earlier groupd live, and have it. */
int gateway_address_find(struct supervisor *s, bool adopted, struct err *err);
/* Removes the file. */
void gateway_address_forget(const struct supervisor *s);

#endif
