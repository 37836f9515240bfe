/* SPDX-License-Identifier: MIT */
/*
 * Files that are being copied into a media/: what this process knows of the
 * uploads whose bytes groupd keeps. An upload is its user's alone: nobody
 * else finds it. It begins with a create, and ends by being sent, as a file
 * and a message, or discarded.
 *
 * One whose name begins with a dot is a scratch file, as rsync makes one: it
 * is not sent at the close but stays, to be renamed, until nobody has used it
 * for UPLOAD_IDLE_MS. Any other is discarded with its last close.
 *
 * One loop thread.
 */
#ifndef GROUPFS_FS_UPLOAD_H
#define GROUPFS_FS_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/op.h"
#include "lib/client.h"
#include "lib/list.h"
#include "lib/wire.h"

enum { UPLOAD_IDLE_MS = 10 * 60 * 1000 };

enum upload_state { UPLOAD_BEGUN, UPLOAD_SENT, UPLOAD_DISCARDED };

struct upload {
	struct list link; /* in fs->uploads */
	struct groupfs *fs;
	unsigned int refs; /* of handles, ops, and one while it is BEGUN */
	enum upload_state state;
	struct user *user; /* held */
	uint64_t id;	   /* of its inode */
	uint64_t group_id;
	uint64_t size;
	uint64_t mtime_ms;
	uint64_t used_ms; /* uv_now() */
	bool open;	  /* a handle writes it: one at a time */
	bool written;	  /* something was, once */
	bool sending;
	char name[WIRE_FILE_MAX + 1];
	char key[WIRE_KEY_MAX + 1];
	struct client_request drop;
};

/* Names that an upload may have: those of files, with dots before. */
bool upload_is_name(struct str name);
bool upload_is_scratch(const struct upload *u);

/* A new one of op's user in op's group, held for the caller; NULL without
 * memory. */
struct upload *upload_new(struct op *op, struct str name);
struct upload *upload_hold(struct upload *u);
/* Takes NULL. */
void upload_drop(struct upload *u);

/* A user's own one that is BEGUN; NULL: none. Borrowed. */
struct upload *upload_find(struct groupfs *fs, const struct user *user,
			   uint64_t group_id, struct str name);
struct upload *upload_of_id(struct groupfs *fs, const struct user *user,
			    uint64_t id);
/* Calls fn for each of a user's in a group. */
void upload_each(struct groupfs *fs, const struct user *user, uint64_t group_id,
		 void (*fn)(void *data, const struct upload *u), void *data);

/* Its bytes, or its name, were changed. */
void upload_touch(struct upload *u);
/* Its handle is gone. */
void upload_closed(struct upload *u);
void upload_sent(struct upload *u);
/* groupd is told to forget it. */
void upload_discard(struct upload *u);

/* Discards what nobody writes: a user's in a group that he left; what was left
 * alone. */
void uploads_forget(struct groupfs *fs, const struct user *user,
		    uint64_t group_id);
void uploads_tidy(struct groupfs *fs);
/* Forgets all. No handle or op may be left. */
void uploads_release(struct groupfs *fs);

#endif
