/* SPDX-License-Identifier: MIT */
/*
 * A second process of a mount, outside of its locks (fs/locks.h), for what they
 * forbid and a mount needs: to look into the processes of callers (tgid.h), and
 * to unmount it, which takes a setuid program. It reads nothing but questions
 * of a few numbers, and says a number; it does nothing else for who has taken
 * over the other one.
 *
 * It is a child, and ends when its parent does. One loop thread, which waits
 * for the answer: it is about as long in coming as the look itself.
 */
#ifndef GROUPFS_FS_OUTSIDE_H
#define GROUPFS_FS_OUTSIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct outside {
	int fd; /* 0: none was started; we look ourselves */
	pid_t pid;
};

/* Before the mount is made: who has a descriptor of that keeps it alive. Before
 * there are threads. path, the mountpoint's, is absolute. 0 or -errno. */
int outside_start(struct outside *o, const char *path);
/* As those of tgid.h. */
pid_t outside_tgid_of(struct outside *o, pid_t tid);
bool outside_is_killed(struct outside *o, pid_t tid);
int outside_has_open(struct outside *o, pid_t pid, uint64_t ino);
int outside_may_write(struct outside *o, pid_t pid, uint64_t ino);
/* Lazily: 0 or -errno. */
int outside_unmount(struct outside *o);
/* Its end is waited for. */
void outside_stop(struct outside *o);

#endif
