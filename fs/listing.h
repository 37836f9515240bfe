/* SPDX-License-Identifier: MIT */
/*
 * The entries of an open folder, as they were when it was opened; and, of the
 * root's, what each group's attributes were then. `ls -l` opens the folder
 * and asks for the attributes of all that it read: while the thread that
 * opened it goes on reading, it is answered from the listing. An event about
 * members ends that, and so does a second without a readdir.
 *
 * One loop thread.
 */
#ifndef GROUPFS_FS_LISTING_H
#define GROUPFS_FS_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/inode.h"
#include "lib/buf.h"
#include "lib/list.h"
#include "lib/str.h"

struct groupfs;
struct op;
struct user;

enum { LISTING_MS = 1000 };

struct listing_entry {
	uint64_t ino;
	uint64_t mtime_ms; /* of groups; else 0 */
	enum kind kind;
	struct str name; /* at most 255 bytes; NUL-terminated when read */
};

/* Entries one after the other. */
void listing_add(struct buf *list, const struct listing_entry *e);
/* The entry at *at, which moves on; false at the end. */
bool listing_next(const struct buf *list, size_t *at, struct listing_entry *e);

/* What an open root folder may answer. */
struct listing {
	struct list link;	  /* in fs->listings */
	const struct buf *list;	  /* borrowed */
	const struct user *owner; /* borrowed: held by the handle */
	pid_t tid;
	uint64_t read_ms; /* uv_now() of the last readdir */
	size_t at;	  /* behind the entry that was found last */
	struct listing_entry found;
};

/* NULL without memory, or for a thread that has no number here. The list and
 * op's user live as long as it. */
struct listing *listing_new(const struct op *op, const struct buf *list);
void listing_free(struct listing *l); /* takes NULL */

/* The group of op->group_id or, where that is 0, of op->name, as op's thread
 * has just listed it. */
bool listing_find(const struct op *op, struct listing_entry *out);
/* None answers any more. */
void listing_end_all(struct groupfs *fs);

#endif
