/* SPDX-License-Identifier: MIT */
/*
 * What subscribers of a group are told between its messages: who came and
 * went. A note has its place in the log, behind the message after_seq, and is
 * kept once for all, encoded, until the last of those who were given it has
 * passed it. So it is in order with the messages for a slow subscriber, too.
 *
 *   notes:   note -- note -- note            each behind some message
 *              ^               ^
 *          subscriber      subscriber        the next one he is told
 *
 * Pure, but for memory; one loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_WS_NOTES_H
#define GROUPFS_DAEMON_GATEWAY_WS_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/list.h"

enum {
	/* Of one group. Whoever keeps more waiting is to be closed: he would
	 * miss one. */
	WS_NOTES_BYTES = 16 << 20
};

/* Of one group. */
struct ws_notes {
	struct list all;
	size_t bytes;
};

struct ws_note {
	struct list link;
	uint64_t after_seq;
	size_t readers; /* who has not passed it yet */
	struct buf frame;
};

void ws_notes_init(struct ws_notes *notes);
/* A new last note; takes frame's bytes. It goes with its last reader, so there
 * must be one. NULL: no memory, frame is as it was. */
struct ws_note *ws_notes_add(struct ws_notes *notes, uint64_t after_seq,
			     struct buf *frame);
/* Gives the last note to one more subscriber; *next is what he is told next,
 * NULL when there was nothing. Who was given one is given all that follow. */
void ws_notes_give(struct ws_notes *notes, struct ws_note **next);
/* He was told *next; goes on to the one behind it. */
void ws_notes_pass(struct ws_notes *notes, struct ws_note **next);
/* He will be told no more. */
void ws_notes_leave(struct ws_notes *notes, struct ws_note **next);

#endif
