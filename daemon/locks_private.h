/* SPDX-License-Identifier: MIT */
/* The inside of daemon/locks.h: the system calls of groupd, in a file of their
 * own. */
#ifndef GROUPFS_DAEMON_LOCKS_PRIVATE_H
#define GROUPFS_DAEMON_LOCKS_PRIVATE_H

/* Without a condition; NULL ends them. */
extern const char *const locks_calls[];

#endif
