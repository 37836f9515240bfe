/* SPDX-License-Identifier: MIT */
/*
 * The two tiers of the SQLite back end, and the index of the first.
 *
 *   sqlite_hot_index.c  which row of `hot` holds what, in memory
 *   sqlite_hot.c        a message, a tail, a key, whichever tier has it
 *   sqlite_seal.c       from the one to the other
 *
 * A message that is sent goes to the end of `hot`. Later, and sorted, it is
 * moved to `messages`. groups.tail_* says how far that has come: of a group's
 * messages those up to tail_seq are in `messages`, and those behind it in
 * `hot`; so each snapshot finds each message in one of them, whatever is left
 * of it in the other.
 *
 *   append -> hot, index            (a commit: the end of one table)
 *   seal   -> messages, members, dedupe_*, groups.tail_*    (in order)
 *   then   -> DELETE from the front of hot
 */
#ifndef GROUPFS_STORE_SQLITE_HOT_H
#define GROUPFS_STORE_SQLITE_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/env.h"
#include "lib/list.h"
#include "lib/str.h"

enum {
	/* What `hot` has at most, but for one transaction's: so much has to be
	 * read when a store is opened. */
	HOT_ROWS = 512 << 10,
	HOT_BYTES = 128 << 20, /* of lines */
	/* From half of that on each commit seals, half more than it adds. */
	HOT_HARD_ROWS = HOT_ROWS / 2,
	HOT_HARD_BYTES = HOT_BYTES / 2,
	/* Sealed when there is nothing else to do: what is more than this, or
	 * this old. */
	HOT_SOFT_ROWS = 64 << 10,
	HOT_SOFT_BYTES = 16 << 20,
	HOT_SOFT_MS = 60000,
	/* A batch of so many is sealed as it comes, and its group with it. */
	HOT_BULK = 64,
	/* One step: some milliseconds. */
	HOT_STEP_ROWS = 256,
	HOT_STEP_BYTES = 1 << 20
};

/*
 * The index. One is shared by all handles of a process whose writer is in the
 * process too; any other reader has its own. Each function locks. An id is a
 * row of `hot`, from 1, without gaps; 0: none. What is found is at most
 * `limit`: what a view of the table has.
 */
struct hot_index;

/* What rows are found by. Hashes of the last three, so a caller compares the
 * row itself; of the first two it is the row. */
enum hot_key {
	HOT_GROUP, /* the newest message of a group */
	HOT_SEQ,   /* a message */
	HOT_USER,  /* the newest message of a sender in a group */
	HOT_ITEM,  /* a client_id of a sender in a group */
	HOT_BATCH, /* a batch_id */
	HOT_KEYS
};

struct hot_entry {
	uint64_t group_id; /* 0: nothing that can be found */
	uint64_t seq;
	uint64_t bytes;
	struct str user;
	struct str client_id; /* may be empty, as batch_id */
	struct str batch_id;
};

/* Somebody who may need what is not in the newest `hot` any more. */
struct hot_view {
	struct list link;
	uint64_t low; /* needs nothing up to this */
};

/* Its rows follow `deleted`. Owned: hot_index_drop(). NULL without memory. */
struct hot_index *hot_index_new(const struct env *env, uint64_t deleted);
/* Takes NULL. */
void hot_index_drop(struct hot_index *x);
/* The writer's: others find it from then on, until it is retired. */
void hot_index_publish(struct hot_index *x, dev_t dev, ino_t ino);
void hot_index_retire(struct hot_index *x);
/* The one of the writer of this file, if he is in this process: owned. */
struct hot_index *hot_index_find(dev_t dev, ino_t ino);
bool hot_index_is_live(struct hot_index *x);

/* The id that the next row gets. */
uint64_t hot_next(struct hot_index *x);
/* Adds it. False: no memory. */
bool hot_add(struct hot_index *x, const struct hot_entry *e);
/* Rows are added, about so many, which nobody finds until the end of it. False:
 * no memory, and it has not begun. */
bool hot_load_begin(struct hot_index *x, uint64_t rows);
void hot_load_end(struct hot_index *x);
/* The newest row has this batch_id. */
void hot_add_batch(struct hot_index *x, uint64_t group_id, struct str user,
		   struct str batch_id);
/* Takes back the rows from next on. */
void hot_undo(struct hot_index *x, uint64_t next);
/* The rows up to id are deleted for good; they are forgotten as soon as no
 * view needs them. */
void hot_forget(struct hot_index *x, uint64_t id);
void hot_view_begin(struct hot_index *x, struct hot_view *v);
void hot_view_end(struct hot_index *x, struct hot_view *v);

struct hot_size {
	uint64_t deleted; /* the last id that is */
	uint64_t next;
	uint64_t bytes; /* of those between */
};
void hot_size(struct hot_index *x, struct hot_size *out);

uint64_t hot_find_seq(struct hot_index *x, uint64_t group_id, uint64_t seq,
		      uint64_t limit);
/* The newest of the group. */
uint64_t hot_find_last(struct hot_index *x, uint64_t group_id, uint64_t limit);
/* Of the last three kinds; key is empty for HOT_USER. Never 0, and the same as
 * long as there is the index. */
uint32_t hot_hash_key(const struct hot_index *x, uint64_t group_id,
		      struct str user, struct str key);
/* Candidates, newest first: older than `before` (0: any). */
uint64_t hot_find_key(struct hot_index *x, enum hot_key kind, uint64_t group_id,
		      uint32_t hash, uint64_t before, uint64_t limit);

/* Of a row that is here. */
uint64_t hot_seq(struct hot_index *x, uint64_t id);
/* The rows (from, to], sorted by group and then seq. Owned by the caller:
 * free(). NULL without memory. */
struct hot_place {
	uint32_t group_id;
	uint32_t ahead; /* of `from`: the id */
};
struct hot_place *hot_sort(struct hot_index *x, uint64_t from, uint64_t to);

#endif
