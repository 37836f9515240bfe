/* SPDX-License-Identifier: MIT */
/*
 * groupd has another store: a backup was restored. The numbers of groups and
 * files may be those of others there, so nothing that was found or opened
 * before is used any more: its descriptors, and folders that somebody is in,
 * answer ESTALE, and names are looked up anew. One loop thread.
 */
#ifndef GROUPFS_FS_RESTORED_H
#define GROUPFS_FS_RESTORED_H

#include "fs/op.h"

/* client_options.on_restored of a mount. */
void fs_restored(struct groupfs *fs);

#endif
