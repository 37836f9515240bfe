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

/* Whether this thread is ending, in whatever way: 1, 0, or -ESRCH when it is
 * not known. */
int tgid_is_ending(pid_t tid);
/* Whether this thread ends by a signal, just now; false when it is not
 * known. */
bool tgid_is_killed(pid_t tid);

/* The same, from the text of a /proc/TID/stat. */
bool tgid_parse_killed(struct str stat);
/* Less exact, but shown to everybody: a thread that another one's exit(3) ends
 * looks so, too. */
bool tgid_parse_signaled(struct str stat);

/* Whether the process has a descriptor of this inode (of any mount) open: 1,
 * 0, or -EACCES where we may not look. */
int tgid_has_open(pid_t pid, uint64_t ino);
/* The same, of descriptors that can be written. */
int tgid_may_write(pid_t pid, uint64_t ino);

#endif
