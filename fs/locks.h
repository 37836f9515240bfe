/* SPDX-License-Identifier: MIT */
/*
 * What groupfs locks itself into when its mount is made: it speaks to the
 * kernel, to groupd's socket and to the process outside (fs/outside.h), reads
 * /proc, and opens, executes and signals nothing else.
 */
#ifndef GROUPFS_FS_LOCKS_H
#define GROUPFS_FS_LOCKS_H

#include <stdbool.h>

/* What the kernel cannot lock is logged. False: it could not give up its
 * privileges, and must not go on. */
bool locks_put_on(void);

#endif
