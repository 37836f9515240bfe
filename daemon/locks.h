/* SPDX-License-Identifier: MIT */
/*
 * What groupd locks itself into before it opens its store: the folders that
 * its configuration names, the libraries and /etc, the TCP ports of its own
 * address, its database and its bus; to execute, itself and the gateway; and
 * no privilege that it has no use for.
 *
 * It holds for the life of the process, over SIGHUP and a restore: what a new
 * configuration names elsewhere is refused by the kernel until groupd is
 * stopped and started.
 */
#ifndef GROUPFS_DAEMON_LOCKS_H
#define GROUPFS_DAEMON_LOCKS_H

#include "daemon/config.h"
#include "lib/err.h"

/* file is that of the configuration, NULL: the default one. The folders of c
 * are there. What the kernel cannot lock is logged, and no failure. Before
 * there are threads; blocking. */
int locks_put_on(const struct config *c, const char *file, struct err *err);

#endif
