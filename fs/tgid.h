/* SPDX-License-Identifier: MIT */
/*
 * FUSE tells the thread that makes a request; who opened and who closes is a
 * question of processes.
 */
#ifndef GROUPFS_FS_TGID_H
#define GROUPFS_FS_TGID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/str.h"

/* The process of a thread, by /proc; 0 when it is not known (it is gone, or
 * lives in a pid namespace that we cannot see). */
pid_t tgid_of(pid_t tid);

/* The same, from the text of a /proc/TID/status. */
pid_t tgid_parse(struct str status);

/*
 * Whether the thread's process is being ended by a signal, which is known
 * before the kernel closes its files; false where /proc does not tell.
 */
bool tgid_is_killed(pid_t tid);

/* The same, from the text of a /proc/PID/stat: exit_code, the last field. */
bool tgid_parse_killed(struct str stat);

/* Whether the process has a descriptor of this inode (of any mount) open; false
 * where /proc does not tell. */
bool tgid_has_open(pid_t pid, uint64_t ino);

#endif
