/* SPDX-License-Identifier: MIT */
/*
 * What is not kept any more goes. Now and then all groups with a bound are
 * looked through, and of each that holds too much the oldest messages are
 * taken, in steps, each a short transaction of its own on the lane, with a
 * pause behind it in which senders have the lane for themselves.
 *
 *   timer -> reader: store_list_overdue() -> lane: store_trim() -> EVENT_FLOOR
 *              ^----------- pause ------------------'
 *
 * On a store that is shared, what is old is archived then, in the same way:
 *
 *   -> lane: store_archive(), pause, store_archive() ... until it is over
 *
 * Where nothing is bounded a round is one look at an empty index. The loop,
 * but for what it gives to a reader and to the lane.
 */
#ifndef GROUPFS_DAEMON_RETENTION_H
#define GROUPFS_DAEMON_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/readers.h"
#include "daemon/sequencer.h"

enum {
	RETENTION_LOOK = 500, /* groups that a reader looks at in one go */
	RETENTION_FEW = 64,   /* of them that one look finds */
	RETENTION_STEP = 250, /* messages that one transaction takes */
	RETENTION_PACK = 500, /* that one archives, about */
	RETENTION_PAUSE_MS = 50
};

struct retention {
	struct readers *readers; /* borrowed, as the next two */
	struct sequencer *sequencer;
	const struct config *config; /* SIGHUP may change it */
	/* A round is over that took something: there may be garbage. */
	void (*on_swept)(void *data);
	void *data;

	/* private */
	uv_timer_t timer;
	struct readers_job look;
	struct sequencer_op trim;
	struct store_keep keep; /* of this round */
	struct store_trim step; /* at hand */
	struct sequencer_op pack;
	struct store_archive archive; /* where this round's stands */
	struct store_archive packed;  /* and behind the step at hand */
	uint64_t archived;	      /* messages of this round */
	uint64_t after_id;
	uint64_t found[RETENTION_FEW];
	size_t nfound;
	size_t next;  /* of found */
	bool failing; /* the last look did: said once */
	bool more;    /* groups behind after_id */
	bool took;    /* this round */
	bool packing; /* there may be more to archive */
	bool in_round;
	bool busy; /* a look or a step is under way */
	bool stopping;
	void (*on_close)(struct retention *r);
};

void retention_start(struct retention *r, uv_loop_t *loop,
		     struct readers *readers, struct sequencer *sequencer,
		     const struct config *config, void (*on_swept)(void *data),
		     void *data);
/* The bounds or the interval are others now: the next round begins at once, and
 * one under way is finished as it began. */
void retention_again(struct retention *r);
/* Nothing more is given to others; what they have ends with them. */
void retention_close(struct retention *r, void (*cb)(struct retention *r));

#endif
