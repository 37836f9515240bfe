/* SPDX-License-Identifier: MIT */
/*
 * The inside of the sequencer.
 *
 *   sequencer.c       lanes: batches and their transactions
 *   sequencer_wait.c  what waits on a lane, and for how long
 */
#ifndef GROUPFS_DAEMON_SEQUENCER_PRIVATE_H
#define GROUPFS_DAEMON_SEQUENCER_PRIVATE_H

#include "daemon/sequencer.h"

enum {
	/* After a batch the store's own work waits for so long: others may
	 * come. */
	LANE_QUIET_MS = 20,
	/* Where so long a pause has not come for so long, a short one is
	 * enough, for a small step, at most each tenth of the time: what is to
	 * be tidied, and read at the next start, does not grow meanwhile. */
	LANE_LATE_MS = 1000,
	LANE_PAUSE_MS = 2,
	LANE_SHARE = 10,
	LANE_STEP = 64,		    /* messages */
	LANE_TEND_AGAIN_MS = 60000, /* after an error */
	LANE_FULL_MS = 60000	    /* between two words on a full disk */
};

/* What went into one transaction. */
struct batch {
	struct list link;
	struct list ops;
	size_t count;
	struct list events;
};

static inline struct sequencer_op *op_of(struct list *el)
{
	return container_of(el, struct sequencer_op, link);
}

/* A lane cannot go on without its batch struct: it waits for memory. */
struct batch *batch_new(void);

/* Lane: whether there is something to take, from a store that was reached just
 * now; waits for both. lock is held, and is released meanwhile. False: stop. */
bool lane_wait(struct lane *lane);
/* Lane: a batch of so many is about to be posted. */
void lane_answered(struct lane *lane, size_t count);
/* Lane: a batch was posted. Says when the store may be tended, if no other
 * comes. */
void lane_rest(struct lane *lane);
/* Lane, behind lane_wait(): waits for those who were answered just now. lock is
 * held, and is released meanwhile. */
void lane_gather(struct lane *lane);
/* Loop: wakes the lanes that have something to do. */
void lanes_wake(uv_idle_t *turn);
/* Lane: nobody knows what is stored: does not return in a daemon, but where the
 * store is shared. */
void lane_unknown(struct lane *lane, const struct err *err);
/* Lane: logs that a batch of so many has failed; of a full disk not each. */
void lane_say_failed(struct lane *lane, const char *what, size_t ops,
		     const struct err *err);
/* Lane: the last transaction failed, so perhaps the store is away. Who has
 * waited for that is answered. */
void lane_doubt(struct lane *lane);
/* Loop: answers who waits for too long. */
void lanes_look(uv_timer_t *timer);

#endif
