/* SPDX-License-Identifier: MIT */
/*
 * Scratch files: what editors and `sed -i` make beside a file of a group. They
 * are held in memory, belong to a user and a group, and nobody else sees them.
 *
 * A file lives as long as it has a name or is held. It loses its name when it
 * is unlinked, replaced, forgotten, or not used for SCRATCH_IDLE_MS. All is
 * bounded: -EFBIG for a file, -EDQUOT for a user, -ENOSPC for the mount. What
 * counts are the bytes of the contents; the memory is at most twice that.
 *
 * Knows neither FUSE nor groupd: who may is the caller's affair. One thread.
 */
#ifndef GROUPFS_FS_SCRATCH_H
#define GROUPFS_FS_SCRATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "lib/list.h"
#include "lib/str.h"
#include "lib/table.h"

enum {
	SCRATCH_NAME_MAX = 255,
	SCRATCH_FILE_MAX = 16 << 20,	  /* bytes of a file */
	SCRATCH_USER_MAX = 32 << 20,	  /* of all files of a user */
	SCRATCH_MOUNT_MAX = 256 << 20,	  /* of all files */
	SCRATCH_USER_FILES = 64,	  /* files of a user */
	SCRATCH_MOUNT_FILES = 16384,	  /* files of all users */
	SCRATCH_IDLE_MS = 10 * 60 * 1000, /* then a file is dropped */
};

struct scratch_owner;

struct scratch_file {
	uint64_t id; /* never used again in this mount */
	uint64_t group_id;
	uid_t uid;
	char name[SCRATCH_NAME_MAX + 1]; /* "" once it has none */
	mode_t mode;			 /* S_IFREG or S_IFLNK, permissions */
	struct buf content;		 /* of a symlink: where it points */
	struct timespec atime;
	struct timespec mtime;
	struct timespec ctime;

	/* private */
	struct table_node node; /* by id */
	struct list link;	/* of its owner */
	struct list order;	/* least recently used first */
	struct scratch_owner *owner;
	unsigned int refs;
	uint64_t used_ms;
};

struct scratch {
	const struct env *env; /* borrowed: the time of files */
	struct table files;
	struct table owners;
	struct list order;
	uint64_t last_id;
	size_t bytes;
};

void scratch_init(struct scratch *s, const struct env *env);
/* Frees all. No file may be held. */
void scratch_release(struct scratch *s);

/* A new file, held and without a name yet. mode: with its type. */
int scratch_new(struct scratch *s, uid_t uid, uint64_t group_id, mode_t mode,
		struct scratch_file **out);
struct scratch_file *scratch_hold(struct scratch_file *f);
/* now_ms: of a clock that only goes forward; this was a use. */
void scratch_drop(struct scratch *s, struct scratch_file *f, uint64_t now_ms);

/* Not held; NULL for none. */
struct scratch_file *scratch_by_id(const struct scratch *s, uint64_t id);
struct scratch_file *scratch_find(const struct scratch *s, uid_t uid,
				  uint64_t group_id, struct str name);
/* The user's files in a group that have a name, one after the other; NULL
 * asks for the first. */
struct scratch_file *scratch_next(const struct scratch *s, uid_t uid,
				  uint64_t group_id,
				  const struct scratch_file *before);

/* Gives it a name, in place of the one it had. Another file of this name
 * loses it. -ENAMETOOLONG; -EINVAL for none. */
int scratch_set_name(struct scratch *s, struct scratch_file *f,
		     struct str name);
/* Two files of one owner and group change names. */
void scratch_exchange(struct scratch *s, struct scratch_file *a,
		      struct scratch_file *b);
/* Takes its name away: it goes with the last who holds it. */
void scratch_unlink(struct scratch *s, struct scratch_file *f);

/* Both leave it as it was when they fail. A gap reads as zeros. mtime is
 * another one afterwards, however quick it went. */
int scratch_write(struct scratch *s, struct scratch_file *f, uint64_t off,
		  struct str data);
int scratch_resize(struct scratch *s, struct scratch_file *f, uint64_t size);
/* ctime is now. */
void scratch_changed(struct scratch *s, struct scratch_file *f);
/* The time that files are given now. */
struct timespec scratch_time(const struct scratch *s);

/* All that the user has in the group. */
void scratch_forget(struct scratch *s, uid_t uid, uint64_t group_id);
/* What nobody used for long. */
/* The same of all files of all users. */
void scratch_forget_all(struct scratch *s);
void scratch_tidy(struct scratch *s, uint64_t now_ms);

#endif
