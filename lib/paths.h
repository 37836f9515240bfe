/* SPDX-License-Identifier: MIT */
/*
 * Where groupd's data and its socket are when nobody says: for groupd itself,
 * and for its clients, the mount and groupctl.
 *
 * Reads the environment: call it at start, before there are threads.
 */
#ifndef GROUPFS_LIB_PATHS_H
#define GROUPFS_LIB_PATHS_H

#include "lib/buf.h"

/*
 * All append one path. 0; -ENOENT (nothing appended) when an ordinary user has
 * none of the variables; -ENOMEM.
 *
 * groupd's data: $STATE_DIRECTORY (systemd's), for root /var/lib/groupd,
 * $XDG_STATE_HOME/groupd, $HOME/.local/state/groupd.
 */
int paths_own_data(struct buf *b);
/* Its socket: $GROUPD_SOCKET, $RUNTIME_DIRECTORY/groupd.sock (systemd's), for
 * root /run/groupd/groupd.sock, $XDG_RUNTIME_DIR/groupd.sock. */
int paths_own_socket(struct buf *b);
/* For a client: $GROUPD_SOCKET; an ordinary user's own groupd, where its
 * socket is there; that of the machine, where that is there; else the socket
 * of one that is still to come: for root of the machine's, his own else. */
int paths_default_socket(struct buf *b);

#endif
