/* SPDX-License-Identifier: MIT */
/*
 * Where groupd's socket is when nobody says: the one rule that groupd, the
 * mount and groupctl share.
 *
 * Reads the environment: call it at start, before there are threads.
 */
#ifndef GROUPFS_LIB_PATHS_H
#define GROUPFS_LIB_PATHS_H

#include "lib/buf.h"

/*
 * Appends the first of: $GROUPD_SOCKET; for root /run/groupd/groupd.sock;
 * $XDG_RUNTIME_DIR/groupd.sock. 0; -ENOENT (nothing appended) when an ordinary
 * user has neither variable; -ENOMEM.
 */
int paths_default_socket(struct buf *b);

#endif
