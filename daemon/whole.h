/* SPDX-License-Identifier: MIT */
/*
 * What concerns the store as a whole: the backup and the restore that are
 * under way, one of each, and the one thread that works for them. The loop.
 */
#ifndef GROUPFS_DAEMON_WHOLE_H
#define GROUPFS_DAEMON_WHOLE_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/backup.h"
#include "daemon/readers.h"
#include "daemon/restore.h"

struct whole {
	struct readers worker;
	struct backup backup;
	struct restore restore;
	struct media_keeper *keeper; /* borrowed */
	bool started;
	/* A restore is ready: groupd is to start anew. Set by the caller. */
	void (*on_restart)(struct whole *w);
	void (*on_close)(struct whole *w);
};

/* All but loop is borrowed until it is closed; media and keeper need not be
 * started yet. On failure nothing is left. */
int whole_start(struct whole *w, uv_loop_t *loop, const struct config *config,
		const struct store_options *options, struct media *media,
		struct media_keeper *keeper, struct err *err);
/* The peer's connection is gone, and so is what it had under way. */
void whole_lost(struct whole *w, const struct peer *peer);
/* Before the process ends: cancels both. Whether work is under way that is not
 * waited for: then it is not closed, and its memory stays. */
bool whole_abandon(struct whole *w);
/* Blocks for the job in work; then cb on the loop. */
void whole_close(struct whole *w, void (*cb)(struct whole *w));

#endif
