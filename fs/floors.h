/* SPDX-License-Identifier: MIT */
/*
 * Where the logs begin that retention has cut. `messages` at path begins at the
 * first message that is held; a descriptor from before keeps the beginning that
 * it had, so that its positions stay what they were. So each beginning is a
 * file of its own, with a number of its own: `tail -f` sees no file that
 * shrinks.
 *
 *   LOOKUP --> floors_get() --> inode of its number --> floors_find() --> base
 *
 * One that a handle holds stays. Of others FLOORS_MAX stay, the last used: the
 * kernel looks up anew what is stale. One loop thread.
 */
#ifndef GROUPFS_FS_FLOORS_H
#define GROUPFS_FS_FLOORS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/table.h"

enum { FLOORS_MAX = 1024 };

struct floor {
	struct table_node by_number;
	struct table_node by_group;
	struct list order; /* of those that nobody holds */
	uint64_t number;   /* from 1 on, never used again */
	uint64_t group_id;
	uint64_t first_seq;
	uint64_t off;	    /* where first_seq begins in `messages`, and in */
	uint64_t jsonl_off; /* `messages.jsonl` */
	unsigned refs;
};

struct floors {
	struct table by_number;
	struct table by_group; /* and first_seq */
	struct list order;     /* least recently used first */
	size_t idle;	       /* of order */
	uint64_t last;
};

void floors_init(struct floors *f);
/* Nobody holds any. */
void floors_release(struct floors *f);
/* Held: floor_drop(). NULL: there is no memory, or no such number. */
struct floor *floors_get(struct floors *f, uint64_t group_id,
			 uint64_t first_seq, uint64_t off, uint64_t jsonl_off);
struct floor *floors_find(struct floors *f, uint64_t number);
struct floor *floor_hold(struct floors *f, struct floor *floor);
/* Takes NULL. */
void floor_drop(struct floors *f, struct floor *floor);

#endif
