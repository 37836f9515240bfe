/* SPDX-License-Identifier: MIT */
/*
 * When media files are cleaned away: uploads that were left alone, at start
 * and every 10 minutes; contents that are nobody's since their group was
 * deleted, at start and after each deletion; those that a transaction which
 * was rolled back may have left, with the uploads.
 *
 *   media_keeper_sweep --lane--> a few contents a transaction --> again
 *   timer --mover--> media_tidy --doubts--> lane --mover--> media_tidy
 *
 * Whether a content is anybody's is asked on the lane, in a transaction of
 * its own, so never while an upload is between its placing and its commit.
 *
 * The loop, but for what it gives to the lane and to the movers.
 */
#ifndef GROUPFS_DAEMON_MEDIA_KEEPER_H
#define GROUPFS_DAEMON_MEDIA_KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/media.h"
#include "daemon/readers.h"
#include "daemon/sequencer.h"

enum {
	MEDIA_KEEPER_FEW = 16, /* contents a transaction */
	MEDIA_KEEPER_MS = 10 * 60 * 1000
};

struct media_keeper {
	struct media *media; /* borrowed, as the next two */
	struct readers *movers;
	struct sequencer *sequencer;
	uv_timer_t timer;
	bool stopping;
	/* While somebody holds, nothing is removed: asked at the begin of each
	 * transaction on the lane, so what a snapshot that is taken after
	 * media_keeper_hold() knows stays. */
	atomic_uint held;

	/* The sweep, on the lane: one pass over all, some a transaction, which
	 * goes past what cannot be removed now. */
	struct sequencer_op sweep;
	bool sweeping;
	bool garbage;		      /* the last tidying saw some */
	bool again;		      /* asked for meanwhile */
	size_t swept;		      /* by the pass, committed */
	uint8_t swept_to[STORE_HASH]; /* the last of them */
	size_t count;		      /* of the present transaction */
	uint8_t reached[STORE_HASH];  /* likewise */
	struct err why;		      /* why one of the pass stays */

	/* The tidying, on a mover, and its doubts, on the lane. */
	struct readers_job tidy;
	struct sequencer_op decide;
	bool tidying;
	bool decided; /* what is in doubts */
	size_t ndoubts;
	uint8_t doubts[MEDIA_KEEPER_FEW][STORE_HASH];

	void (*on_close)(struct media_keeper *k);
};

/* Begins with both at once. */
void media_keeper_start(struct media_keeper *k, uv_loop_t *loop,
			struct media *media, struct readers *movers,
			struct sequencer *sequencer);
/* No content is removed until as many release. Loop. */
void media_keeper_hold(struct media_keeper *k);
void media_keeper_release(struct media_keeper *k);
/* Looks for what is to be cleaned away: a deletion was committed. */
void media_keeper_sweep(struct media_keeper *k);
/* Nothing more is given to others. cb: the timer is gone. Movers and
 * sequencer are closed before its memory goes. */
void media_keeper_close(struct media_keeper *k,
			void (*cb)(struct media_keeper *k));

#endif
