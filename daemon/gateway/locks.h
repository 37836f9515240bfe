/* SPDX-License-Identifier: MIT */
/*
 * What a gateway locks itself into before it reads a byte of a stranger's: it
 * has the descriptors that groupd gave it, takes more by accept(2) and over
 * its door, and opens nothing: no file, no socket, no connection, no process.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_LOCKS_H
#define GROUPFS_DAEMON_GATEWAY_LOCKS_H

#include <stdbool.h>
#include <sys/types.h>

/* Becomes that user (uid 0: who it is), for ever, without a capability. False:
 * it could not, and must not go on. */
bool locks_drop_rights(uid_t uid, gid_t gid);
/* All is open: locks files, ports, signals and system calls. */
void locks_close(void);

#endif
