/* SPDX-License-Identifier: MIT */
/*
 * What is made, renamed and removed in the folder of a group: scratch files
 * (scratch.h) beside the fixed files, which stay. A rename onto a fixed file
 * is an edit of it; a rename of one makes a copy, as editors' backups are.
 *
 * Each takes over an op whose inode is the group's (of readlink: the file's),
 * asks groupd whether the caller is a member, and ends it.
 */
#ifndef GROUPFS_FS_OPS_SCRATCH_H
#define GROUPFS_FS_OPS_SCRATCH_H

#include "fs/op.h"

/* Of a name that is none of the fixed ones. */
void ops_scratch_lookup(struct op *op, const char *name);
/* flags: of open(2). */
void ops_scratch_create(struct op *op, const char *name, mode_t mode,
			int flags);
void ops_scratch_mknod(struct op *op, const char *name, mode_t mode);
void ops_scratch_symlink(struct op *op, const char *name, const char *target);
void ops_scratch_unlink(struct op *op, const char *name);
/* flags: RENAME_ of renameat2(2). */
void ops_scratch_rename(struct op *op, const char *name, fuse_ino_t new_parent,
			const char *new_name, unsigned int flags);

/* The stat of the scratch file that op is about. */
struct stat ops_scratch_stat(const struct op *op);

#endif
