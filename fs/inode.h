/* SPDX-License-Identifier: MIT */
/*
 * What there is in the mount, and the numbers of it. Numbers are computed,
 * not remembered: id << 8 | kind (and above, once a backup was restored, which
 * generation of ids it is), so nothing is kept for the kernel's lookups
 * and a forget means nothing. The root is 1, as FUSE wants it.
 *
 *   MOUNT/          KIND_ROOT        id 0
 *     .me/          KIND_ME          id 0
 *       name ...    KIND_ME_...      id 0
 *     GROUP/        KIND_GROUP       id: group_id
 *       messages    KIND_MESSAGES    id: group_id
 *                   KIND_CUT_...     id: a number of fs/floors; once its
 *                                    beginning is not kept any more
 *       SCRATCH     KIND_SCRATCH     id: a number of fs/scratch
 *       media/      KIND_MEDIA       id: group_id
 *         FILE      KIND_MEDIA_FILE  id: media_id
 *         FILE      KIND_UPLOAD      id: a number of fs/upload; being copied
 *
 * Pure functions, any thread.
 */
#ifndef GROUPFS_FS_INODE_H
#define GROUPFS_FS_INODE_H

#include <stdbool.h>
#include <stdint.h>

enum kind {
	KIND_NONE = 0,
	KIND_ROOT = 1,
	KIND_ME = 2,
	KIND_GROUP = 3,
	KIND_ME_NAME = 4,
	KIND_ME_GROUPS = 5,
	KIND_ME_ERROR = 6,
	KIND_ME_STATE = 7,
	KIND_MESSAGES = 8,
	KIND_POST = 9,
	KIND_LIVE = 10,
	KIND_UNREAD = 11,
	KIND_LAST_READ = 12,
	KIND_MEMBERS = 13,
	KIND_ME_MENTIONS = 14,
	KIND_ME_LIVE = 15,
	KIND_JSONL = 16,
	KIND_DESCRIPTION = 17,
	KIND_SETTINGS = 18,
	KIND_MEDIA = 19,
	KIND_MEDIA_FILE = 20,
	KIND_SCRATCH = 21,
	KIND_UPLOAD = 22,
	KIND_CUT_MESSAGES = 23,
	KIND_CUT_JSONL = 24,
	KIND_COUNT
};

/* What has an id above this has no number: it is shown to nobody. */
#define INODE_ID_MAX (UINT64_MAX >> 24)

struct kind_info {
	const char *name; /* in its folder; NULL for those without one name */
	enum kind parent;
	uint32_t mode; /* type and permissions, as an admin has them */
};

/* NULL for a kind that is none. */
const struct kind_info *kind_info(enum kind kind);
/* The kind of a name in a folder; KIND_NONE when there is none. Groups are
 * not found so. */
enum kind kind_lookup(enum kind parent, const char *name);
bool kind_is_dir(enum kind kind);
/* Type and permissions, as this user has them. */
uint32_t kind_mode(enum kind kind, bool admin);

/* id <= INODE_ID_MAX, and 0 for kinds that have none. */
uint64_t inode_of(uint64_t id, enum kind kind);
/* False for a number that inode_of() never gives. */
bool inode_split(uint64_t ino, uint64_t *id, enum kind *kind);

/* The number as the kernel has it: what has an id is another one in each
 * generation, of which there is one more whenever ids are given anew. */
uint64_t inode_mark(uint64_t ino, uint16_t generation);
/* The other way. False: it is of another generation. */
bool inode_unmark(uint64_t marked, uint16_t generation, uint64_t *ino);

#endif
