/* SPDX-License-Identifier: MIT */
/*
 * The imports that are under way, each with the session that makes it, and
 * what becomes of those that come to no end: they are taken away, a bounded
 * part a transaction, so that senders get theirs between.
 *
 *   EVENT_IMPORTING --> (session) --> EVENT_IMPORTED
 *                           \--lost--> lane: drop, drop ... --> gone
 *
 * What a groupd that was killed left behind is looked for at start, before
 * anybody can begin another one. Where the store is shared, those of other
 * nodes are not touched: each node notes its own in DATA/imports, a file of
 * the import's number each, and drops only those. What a node leaves that does
 * not come back stays, seen by nobody.
 *
 * The loop, but for what it gives to the lane.
 */
#ifndef GROUPFS_DAEMON_IMPORT_KEEPER_H
#define GROUPFS_DAEMON_IMPORT_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/event.h"
#include "daemon/media.h"
#include "daemon/sequencer.h"
#include "daemon/session.h"
#include "lib/list.h"
#include "lib/str.h"

enum { IMPORT_KEEPER_MAX = 64 /* imports at once, dropped ones too */ };

/* The key of the one upload of an import's files. */
#define IMPORT_KEEPER_UPLOAD "import"

struct import_keeper {
	struct session_host *host; /* borrowed, as the next two */
	struct sequencer *sequencer;
	struct media *media;
	int notes; /* DATA/imports; -1: the store is ours alone */
	/* One was taken away: its media files may be garbage. Set by the
	 * caller, as data, before it starts. */
	void (*on_gone)(void *data);
	void *data;

	/* private */
	struct list imports;
	size_t count;
	bool stopping;
	struct sequencer_op find;
	uint64_t found[IMPORT_KEEPER_MAX];
	size_t nfound;
};

/* Begins with looking for what was left behind. shared: the directory of the
 * notes, which is made (in one that is there); NULL: the store is ours alone.
 */
int import_keeper_start(struct import_keeper *k, struct session_host *host,
			struct sequencer *sequencer, struct media *media,
			const char *shared, struct err *err);
/* Before an import that has begun is committed; any thread. */
int import_keeper_note(const struct import_keeper *k, uint64_t import_id,
		       struct err *err);
/* Nothing more is given to the lane. */
void import_keeper_stop(struct import_keeper *k);
/* After the sequencer is closed. Takes one that was not started. */
void import_keeper_release(struct import_keeper *k);

/* Whether one more may begin. */
bool import_keeper_has_room(const struct import_keeper *k);
/* What was committed: one is in the store, and its session's, or it is a group
 * now. Other events are none of its business. */
void import_keeper_event(struct import_keeper *k, const struct event *e);
bool import_keeper_owns(const struct import_keeper *k, uint64_t session,
			uint64_t import_id);
/* The session is gone, and its imports with it. */
void import_keeper_lost(struct import_keeper *k, uint64_t session);

#endif
