/* SPDX-License-Identifier: MIT */
/*
 * An open file or folder. What is written through one handle goes strictly
 * in order: handle_run() lets one op at a time act. A handle lives until the
 * kernel's release and the last op that holds it.
 */
#ifndef GROUPFS_FS_HANDLE_H
#define GROUPFS_FS_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/inode.h"
#include "fs/op.h"
#include "lib/buf.h"
#include "lib/list.h"

struct ahead;
struct listing;
struct live;
struct upload;

struct handle {
	struct groupfs *fs;
	struct list link; /* in fs->handles */
	unsigned int refs;
	enum kind kind;
	uint64_t group_id;
	char group[WIRE_NAME_MAX + 1]; /* its name when it was opened */
	int flags;		       /* of open(2) */
	pid_t opener;		       /* the process; 0: not known */
	bool stale;		       /* opened before a restore */
	struct user *owner;	       /* held: who opened it */
	struct scratch_file *scratch;  /* held; KIND_SCRATCH only */
	struct floor *floor;	       /* held: of a log that was cut before */

	/* Writing. */
	struct op *current;  /* borrowed: the one that acts */
	struct list queue;   /* those that wait for it */
	struct buf pending;  /* written, not sent yet */
	bool dirty;	     /* pending is to be sent at the close */
	bool cut;	     /* emptied by the open, and nothing written */
	int spoilt;	     /* errno of a write that failed; 0: none */
	bool abandoned;	     /* its opener died in the middle: no close sends */
	struct user *writer; /* held: who wrote it; NULL when not dirty */

	/* Reading: the text as it was first read. */
	struct buf text;
	bool loaded;
	uint64_t begin; /* unread: its bytes of `messages` */
	uint64_t end;
	struct live *live;	 /* owned; live only */
	struct listing *listing; /* owned; the root only */
	struct ahead *ahead;	 /* owned; the logs only */

	struct upload *upload; /* held; what it writes, in media/ */
};

/* NULL without memory. Holds op's user as its owner, and op's thread is of the
 * process that opens it; the reference is op's, op_reply_open() makes the
 * kernel's. */
struct handle *handle_new(struct op *op, int flags);
struct handle *handle_hold(struct handle *h);
void handle_drop(struct handle *h);
/* Holds it, open, until the handle goes. */
void handle_set_upload(struct handle *h, struct upload *u);
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* Runs step when no other op of the handle acts. */
void handle_run(struct op *op, op_step_cb step);
/* The op ends: the next one's turn. */
void handle_done(struct handle *h, struct op *op);

/* Marks as dirty, by op's user. False: another user's bytes are pending. */
bool handle_may_write(const struct handle *h, const struct op *op);
void handle_set_dirty(struct handle *h, struct user *user);
void handle_set_clean(struct handle *h);
/* A write failed, so what is pending is the beginning of something that was
 * not completed: the close drops it and reports the same error. In `messages`
 * a later write that succeeds (the writer tried again) makes it good. */
void handle_spoil(struct handle *h, int error);
/* The errno that refuses a write where nothing makes good the one that failed;
 * 0: it may go on. An interrupted one may always be tried again. */
int handle_refusal(const struct handle *h);

/* Whether this thread is of the process that opened it. */
bool handle_is_opener(const struct handle *h, pid_t pid);

#endif
