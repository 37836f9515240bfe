/* SPDX-License-Identifier: MIT */
/*
 * The command line of groupfs, also as mount(8) gives it:
 *   groupfs [-fd] [-o OPTION,...] [SOURCE] MOUNTPOINT
 */
#ifndef GROUPFS_FS_OPTIONS_H
#define GROUPFS_FS_OPTIONS_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"

struct mount_options {
	bool help;
	bool version;
	bool foreground;
	bool debug; /* foreground, and every request on stderr */
	struct buf socket;
	struct buf source;     /* empty: none was named */
	struct buf mountpoint; /* absolute once resolved by main */
	struct buf rest;       /* for libfuse: "allow_other,..." */
};

/* Fills out (zeroed by the caller; release it in any case). The socket that
 * nobody names is lib/paths.h's. 0; bad_request in words; -ENOMEM. */
int mount_options_parse(struct mount_options *out, int argc, char **argv,
			struct err *err);
void mount_options_release(struct mount_options *o);

#endif
