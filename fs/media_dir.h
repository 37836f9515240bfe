/* SPDX-License-Identifier: MIT */
/*
 * GROUP/media: a folder of files that never change. What is copied in is an
 * upload (fs/upload.h) until its close, or the rename of a scratch file,
 * makes a file and a message of it (fs/file_media.c).
 *
 * What ops_*.c hands to it where the folder is a KIND_MEDIA. Each takes the
 * op over.
 */
#ifndef GROUPFS_FS_MEDIA_DIR_H
#define GROUPFS_FS_MEDIA_DIR_H

#include "fs/op.h"

void media_dir_lookup(struct op *op, const char *name);
void media_dir_create(struct op *op, const char *name, int flags);
void media_dir_unlink(struct op *op, const char *name);
void media_dir_rename(struct op *op, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned int flags);
/* Adds the entries to the handle's list and ends in dir_opened(). */
void media_dir_list(struct op *op);

#endif
