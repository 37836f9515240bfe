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
 * not come back is found by the others, who look now and then for what nobody
 * has been at for an hour (store_next_import()):
 *
 *   import_keeper_tick --> reader: look --> lane: still so? drop, drop ...
 *
 * What a large group leaves that was deleted goes in the same way
 * (store_delete_group()).
 *
 * The loop, but for what it gives to the lane and to the reader.
 */
#ifndef GROUPFS_DAEMON_IMPORT_KEEPER_H
#define GROUPFS_DAEMON_IMPORT_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/event.h"
#include "daemon/media.h"
#include "daemon/readers.h"
#include "daemon/sequencer.h"
#include "daemon/session.h"
#include "lib/list.h"
#include "lib/str.h"

enum {
	IMPORT_KEEPER_MAX = 64,		 /* imports at once, dropped ones too */
	IMPORT_KEEPER_MS = 5 * 60 * 1000 /* from look to look */
};

/* The key of the one upload of an import's files. */
#define IMPORT_KEEPER_UPLOAD "import"

struct import_keeper {
	struct session_host *host; /* borrowed, as the next two */
	struct sequencer *sequencer;
	struct media *media;
	struct readers *readers; /* borrowed; NULL: the store is ours alone */
	int notes;		 /* DATA/imports; -1: as well */
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
	bool failing; /* the last look did: said once */
	bool looking;
	uint64_t next_ms; /* when to look again */
	struct readers_job look;
	uint64_t left[IMPORT_KEEPER_MAX];
	size_t nleft;
};

/* Of a store that nodes share: where each notes its own, and what looks for
 * those of others. */
struct import_keeper_shared {
	const char *notes; /* the directory, made in one that is there */
	struct readers *readers;
};

/* Begins with looking for what was left behind. shared: NULL where the store is
 * ours alone. */
int import_keeper_start(struct import_keeper *k, struct session_host *host,
			struct sequencer *sequencer, struct media *media,
			const struct import_keeper_shared *shared,
			struct err *err);
/* Often; now_ms of a clock that only grows. */
void import_keeper_tick(struct import_keeper *k, uint64_t now_ms);
/* Before an import that has begun, or a deletion that leaves a rest, is
 * committed; any thread. */
int import_keeper_note(const struct import_keeper *k, uint64_t import_id,
		       struct err *err);
/* Nothing more is given to lane and reader. */
void import_keeper_stop(struct import_keeper *k);
/* After readers and sequencer are closed. Takes one that was not started. */
void import_keeper_release(struct import_keeper *k);

/* Whether one more may begin. */
bool import_keeper_has_room(const struct import_keeper *k);
/* What was committed: one is in the store, and its session's, or it is a group
 * now; or a group was deleted. Other events are none of its business. */
void import_keeper_event(struct import_keeper *k, const struct event *e);
bool import_keeper_owns(const struct import_keeper *k, uint64_t session,
			uint64_t import_id);
/* The session is gone, and its imports with it. */
void import_keeper_lost(struct import_keeper *k, uint64_t session);

#endif
