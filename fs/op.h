/* SPDX-License-Identifier: MIT */
/*
 * One FUSE request, from its arrival to its one reply.
 *
 *   kernel -> ops_*.c -> op_new -> op_ask -> lib/client -> groupd
 *   kernel <- op_reply_*  <------- answer  <-
 *
 * An op ends in exactly one of the op_reply_ functions, op_fail() or
 * op_deny(): they answer the kernel and free it. Whatever asks (op_ask,
 * op_find_group, op_send) may end it too, so it is the last thing that a
 * step does. Ops of one handle that write go one after the other, in the
 * order they came (handle.h).
 *
 * Interrupts: an op that waits for a message, for its turn, or for a groupd
 * that is away is given up with EINTR; one that groupd already works on is
 * finished, so that what was sent is stored once and said to be.
 *
 * One loop thread.
 */
#ifndef GROUPFS_FS_OP_H
#define GROUPFS_FS_OP_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <uv.h>

#include "fs/floors.h"
#include "fs/inode.h"
#include "fs/known.h"
#include "fs/outside.h"
#include "fs/scratch.h"
#include "fs/users.h"
#include "fs/waited.h"
#include "lib/client.h"
#include "lib/feed.h"
#include "lib/list.h"

struct handle;
struct op;
struct upload;

/* What the parts of a mount share. */
struct groupfs {
	uv_loop_t *loop; /* borrowed */
	struct outside outside;
	struct client client;
	struct feed feed;
	struct users users;
	struct known known;
	struct waited waited;	    /* threads */
	struct waited waited_files; /* that are written, by inode */
	struct scratch scratch;
	struct floors floors;
	struct list ops;     /* all that the kernel waits for */
	struct list stalled; /* the client was full: asked again */
	struct list handles;
	struct list uploads;
	uint64_t last_upload; /* the number of the newest one */
	struct list streams;  /* open .me/live */
	uv_timer_t relist;    /* some of those list their groups again */
	struct list listings; /* open root folders that answer */
	size_t ahead_bytes;   /* of fs/ahead */
	size_t writing;	      /* ops that may store something */
	struct wire_body_space space; /* as groupd last told it */
	uint64_t started_ms;	      /* wall clock */
	uint16_t generation;	      /* of inode numbers */
	bool initialised;	      /* the kernel's INIT was answered */
	bool closing;		      /* nothing new is asked */
};

enum op_what {
	OP_LOOKUP,
	OP_GETATTR,
	OP_SETATTR,
	OP_ACCESS,
	OP_MKDIR,
	OP_OPEN,
	OP_OPENDIR,
	OP_READ,
	OP_READDIR,
	OP_WRITE,
	OP_FLUSH,
	OP_RELEASE,
	OP_POLL,
	OP_OTHER
};

/* Encodes and submits with op_submit(): 0 or its negative errno. */
typedef int (*op_ask_fn)(struct op *op);
/* groupd's answer, borrowed until it returns; refusals do not come here. */
typedef void (*op_answer_cb)(struct op *op, const void *body);
typedef void (*op_step_cb)(struct op *op);

/* What the last FIND_GROUP said; op_know_group() fills what struct
 * known_group has. */
struct op_group {
	uint64_t id;
	enum role role;
	uint64_t size;
	uint64_t jsonl_size;
	uint64_t mtime_ms;
	uint64_t info_ms;
	uint64_t members_ms;
	uint64_t read_off;
	uint64_t last_read_seq;
	uint64_t last_seq;
	uint64_t first_seq;
	uint64_t first_off;
	uint64_t first_jsonl_off;
};

struct op {
	struct groupfs *fs;
	fuse_req_t req;
	struct list link; /* in fs->ops */
	enum op_what what;
	uint64_t id;	   /* the inode's */
	uint64_t group_id; /* 0: of no group, or of a file in a media/ */
	enum kind kind;
	uid_t uid;
	gid_t gid;
	pid_t tid;	       /* the thread that asks */
	struct user *user;     /* held; NULL: nobody's, as in a release */
	struct handle *handle; /* held; NULL for those by path */
	struct upload *upload; /* held; NULL for what is about none */
	struct scratch_file *scratch; /* held; KIND_SCRATCH, or renamed */
	struct floor *floor; /* held: where this log begins; NULL: at 0 */
	bool interrupted;

	/* How it waits: on one of these lists, or for groupd. */
	struct list queue; /* fs->stalled, a handle's queue, live's readers */
	bool blocked;	   /* may be given up: its turn or a message */
	bool asking;	   /* request is the client's */
	bool writes;	   /* what it asks may store something */
	bool counted;	   /* in fs->writing */
	bool sends_upload; /* so it is being sent until this ends */
	op_step_cb run;	   /* when its turn comes */
	op_ask_fn ask;
	op_answer_cb answer;
	op_step_cb then;
	struct client_request request;

	/* What it is about. */
	size_t size;
	size_t want; /* bytes that groupd is asked for */
	uint64_t off;
	int mask;	  /* of access; flags of open, create, rename */
	int to_set;	  /* of setattr */
	struct stat attr; /* of setattr */
	char name[WIRE_NAME_MAX + 1];
	char key[WIRE_KEY_MAX + 1]; /* makes a resend harmless */
	struct op_group group;
	uint64_t asked;	   /* known_ask() */
	struct buf data;   /* what was written */
	struct buf body;   /* a list to send; a text that comes in pages */
	struct buf file;   /* a name in the folder that it is about */
	struct buf target; /* of a rename, a symlink */
};

/* NULL: it was answered already. A handle is held. uid and gid are those of
 * the request; a release, whose are unknown, and a flush act for who wrote.
 * Of a scratch file group_id is its group's; to others than its owner it does
 * not exist. */
struct op *op_new(fuse_req_t req, enum op_what what, fuse_ino_t ino,
		  struct handle *handle);

/* The number of what the op is about, unmarked. */
uint64_t op_inode(const struct op *op);

void op_ask(struct op *op, op_ask_fn ask, op_answer_cb answer);
int op_submit(struct op *op, enum wire_type type, const void *body);

/* With more time than others have. */
int op_submit_within(struct op *op, enum wire_type type, const void *body,
		     uint64_t timeout_ms);

/* Asks groupd for the group (op->group_id, or op->name where that is 0), by
 * which the user is a member, then goes on. */
void op_find_group(struct op *op, op_step_cb then);
/* Whether it is known without asking: fills op->group as far as struct
 * known_group goes. */
bool op_knows_group(struct op *op);
/* The same, where possible without asking: for who needs no more than what
 * struct known_group has. */
void op_know_group(struct op *op, op_step_cb then);
/* Sends op->body (wire_items) to the handle's group. */
void op_send(struct op *op, op_answer_cb answer);
/* Fills op->key. */
void op_make_key(struct op *op);
/* Bytes that a message may have. */
size_t op_max_content(const struct op *op);

/* Waits on a list, until it is taken off it or interrupted. */
void op_block(struct op *op, struct list *on);
/* Gives up those whom an interrupt met, now that groupd is away. */
void ops_give_up(struct groupfs *fs);
/* Ends all: the mount is gone. */
void ops_abort(struct groupfs *fs);

/* Refusals: the sentence goes to .me/error, with what was refused. */
void op_fail(struct op *op, const struct err *err);
void op_deny(struct op *op, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The last refusal was of this kind and about the same, and is not true any
 * more: .me/error forgets it. */
void op_forget_refusal(struct op *op, enum err_code code);

/* Type and permissions of a kind, as op's user has them in op->group. */
static inline uint32_t op_mode(const struct op *op, enum kind kind)
{
	return kind_mode(kind, op->group.role == ROLE_ADMIN);
}

void op_reply_err(struct op *op, int error);
void op_reply_attr(struct op *op, uint64_t size, uint64_t mtime_ms);
void op_reply_entry(struct op *op, uint64_t ino, uint64_t size,
		    uint64_t mtime_ms);
/* The attributes, and the entry, of what keeps its own. */
void op_reply_stat(struct op *op, const struct stat *st);
void op_reply_node(struct op *op, const struct stat *st);
void op_reply_create(struct op *op, const struct stat *st);
void op_reply_readlink(struct op *op, const char *target);
/* open_flags: FOPEN_ of <linux/fuse.h>. The kernel owns the handle then. */
void op_reply_open(struct op *op, uint32_t open_flags);
/* The same with the entry that it made, and FOPEN_DIRECT_IO. */
void op_reply_created(struct op *op, uint64_t ino, uint64_t size,
		      uint64_t mtime_ms);
void op_reply_buf(struct op *op, const char *data, size_t len);
void op_reply_iov(struct op *op, const struct iovec *parts, int count);
/* The part of a whole text that a read at op->off asks for. */
void op_reply_slice(struct op *op, struct str text);
void op_reply_write(struct op *op);
void op_reply_poll(struct op *op, unsigned int revents);
void op_reply_statfs(struct op *op, const struct statvfs *st);

#endif
