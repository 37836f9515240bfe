/* SPDX-License-Identifier: MIT */
/*
 * The file that a command makes: it has its name when all of it is on disk,
 * and is "NAME.partial" until then; nobody else may read it. Takes the place
 * of a file, but not of a device or a link, and of nothing that another
 * groupctl is writing. Or standard output, which is only written.
 *
 * Functions return what groupctl exits with and have then said why. One
 * thread.
 */
#ifndef GROUPFS_DAEMON_CTL_TARGET_H
#define GROUPFS_DAEMON_CTL_TARGET_H

#include "daemon/ctl/ctl.h"
#include "lib/buf.h"

struct target {
	const char *path;   /* borrowed; NULL: stdout */
	struct buf partial; /* its name meanwhile; empty: it was finished */
	int fd;		    /* to be written */
};

/* path NULL or "-": standard output. Whatever it returns, target_close(). */
enum ctl_exit target_open(struct target *t, const char *path);
/* What it is called now, for people. */
const char *target_name(const struct target *t);
/* What was written is on disk. */
enum ctl_exit target_sync(const struct target *t);
/* It is, and the file has its name. */
enum ctl_exit target_finish(struct target *t);
/* Takes away what was not finished. Takes a zeroed one with fd -1. */
void target_close(struct target *t);

#endif
