/* SPDX-License-Identifier: MIT */
/*
 * Read pointers on a store that machines share: kept here, and written
 * together now and then, because a commit for each would cost more than the
 * messages themselves.
 *
 *   SET_READ --reader: member, not beyond the end--> loop: pointers_move()
 *     --at most POINTERS_MS later, sorted, a batch a commit--> the lanes
 *   this node's answers: pointers_see() puts them over what the store says
 *
 * A pointer stays for a while after its commit, for a reader whose snapshot is
 * older. A crash loses the pointers of the last second; none ever moves back.
 * While the store is away they stay here. Bounded by POINTERS_MAX: what comes
 * above is written by itself.
 *
 * The loop, but for what is said to be any thread's.
 */
#ifndef GROUPFS_DAEMON_POINTERS_H
#define GROUPFS_DAEMON_POINTERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/sequencer.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/table.h"
#include "lib/wire.h"
#include "store/store.h"

enum {
	POINTERS_MS = 500,
	POINTERS_BATCH = 500, /* in one commit */
	POINTERS_MAX = 200000
};

struct pointers {
	struct sequencer *sequencer; /* borrowed */
	uv_timer_t timer;
	pthread_mutex_t lock;
	struct table table; /* protected by lock, as what is in it */
	/* Each entry is on one of them: to be written; given to a lane; written
	 * since the last tick; before it. */
	struct list dirty;
	struct list sending;
	struct list written;
	struct list old;
	size_t in_flight; /* batches */
	bool stopping;
	void (*on_close)(struct pointers *p);
};

void pointers_start(struct pointers *p, uv_loop_t *loop,
		    struct sequencer *sequencer);
/* seq: was found to be one of the group's. 1: it moved forward to it; 0: it is
 * there, or further; -EBUSY: there is no room, nothing happened. */
int pointers_move(struct pointers *p, uint64_t group_id, struct str user,
		  uint64_t seq);
/* How far it is known to be here; 0: nothing is. Any thread. */
uint64_t pointers_find(struct pointers *p, uint64_t group_id, struct str user);
/* Whether there are any. Any thread. */
bool pointers_are_there(struct pointers *p);

/* What depends on a user's pointer, of struct wire_group. */
struct pointers_view {
	uint64_t last_read_seq;
	uint64_t read_off;
	uint64_t mentions;
};
/* 1: it is further here than g, the user's, says, and *out is what holds then;
 * 0: it is not. May use the handle. A reader. */
int pointers_see(struct pointers *p, struct store *store, struct str user,
		 const struct wire_group *g, struct pointers_view *out,
		 struct err *err);

/* Gives all to the lanes, whose close commits it; then cb. */
void pointers_close(struct pointers *p, void (*cb)(struct pointers *p));
/* After the sequencer was closed. */
void pointers_release(struct pointers *p);

#endif
