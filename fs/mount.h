/* SPDX-License-Identifier: MIT */
/*
 * Mounting: the session with its options, a dead mount cleaned away, and the
 * parent process that waits until the mount is usable.
 */
#ifndef GROUPFS_FS_MOUNT_H
#define GROUPFS_FS_MOUNT_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/op.h"
#include "fs/options.h"
#include "lib/str.h"

/* Makes the mountpoint absolute, frees it of a groupfs that died, refuses it
 * where one lives (-EBUSY). 0 or -errno, with a sentence. */
int mount_prepare(struct mount_options *o, struct err *err);

/* The type of the mount that covers path, from the text of a mountinfo file
 * (the last line counts); empty for none. Borrowed from the text. */
struct str mount_type_of(struct str mountinfo, const char *path);

/* Unmounts it lazily, by the program that may. path is absolute. Waits. 0 or
 * -errno. */
int mount_undo(const char *path);

/* A session with these options, not mounted yet; NULL: libfuse said why. */
struct fuse_session *mount_session(const struct mount_options *o,
				   struct groupfs *fs);

/* Goes on in a child. In the parent it does not return: it exits when the
 * child calls mount_ready() (0) or ends (1). Returns the fd to be ready on,
 * -1 on failure. */
int mount_daemonize(void);
/* Lets the parent go and the terminal, too. Takes -1 (foreground). */
void mount_ready(int fd);

#endif
