/* SPDX-License-Identifier: MIT */
/*
 * GROUP/media: a folder of files that never change. What is copied in is an
 * upload (fs/upload.h) until its close, or the rename of a scratch file,
 * makes a file and a message of it.
 *
 * What ops_*.c hands to it, by the kind of the folder or of the file. Each
 * takes the op over.
 */
#ifndef GROUPFS_FS_MEDIA_H
#define GROUPFS_FS_MEDIA_H

#include <stdbool.h>

#include "fs/op.h"

/* KIND_MEDIA_FILE and KIND_UPLOAD. */
bool media_is_file(enum kind kind);

/* In a KIND_MEDIA. */
void media_lookup(struct op *op, const char *name);
void media_create(struct op *op, const char *name, int flags);
void media_unlink(struct op *op, const char *name);
void media_rename(struct op *op, const char *name, fuse_ino_t new_parent,
		  const char *new_name, unsigned int flags);
/* Adds the entries to the handle's list and ends in dir_opened(). */
void media_list(struct op *op);

/* Sends op->upload under this name, then goes on. */
void op_send_upload(struct op *op, struct str name, op_step_cb then);

/* Of a file: getattr, setattr, access. */
void media_stat(struct op *op);
void media_open(struct op *op);
/* Of an upload's handle. */
void media_flush(struct op *op);
void media_release(struct op *op);

#endif
