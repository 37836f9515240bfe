/* SPDX-License-Identifier: MIT */
/*
 * A folder DATA/NAME in which one connection at a time has something put
 * together: a backup, or a restore.
 *
 *   FREE --claim--> TAKEN --(left, lost, alone for too long)--> LEAVING
 *     ^                                                            |
 *     +------- the folder is removed, on the worker <--------------+
 *
 * The work itself is done by a pool of one thread, one job after the other;
 * so what is removed is in nobody's use. A job looks at `cancelled` now and
 * then. What a killed groupd has left there is removed at the next start.
 *
 * The loop, but for `cancelled` and the path.
 */
#ifndef GROUPFS_DAEMON_STAGING_H
#define GROUPFS_DAEMON_STAGING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/readers.h"
#include "lib/buf.h"
#include "lib/err.h"

enum { STAGING_ALONE_MS = 10 * 60 * 1000 };

enum staging_state { STAGING_FREE, STAGING_TAKEN, STAGING_LEAVING };

struct peer;

struct staging {
	const char *what;	/* "backup": its name, and that of the folder */
	struct buf path;	/* owned */
	struct readers *worker; /* borrowed */
	uv_timer_t alone;
	enum staging_state state;
	const struct peer *owner; /* borrowed, for comparing */
	uint64_t id;
	atomic_bool cancelled;
	atomic_bool at_length; /* with what does not look at it */
	struct readers_job leave;
	/* Worker: the rest of what is to be cleaned up. Then loop: it is free.
	 * May be NULL. */
	void (*on_leave)(struct staging *s);
	void (*on_free)(struct staging *s);
	void (*on_close)(struct staging *s);
};

/* what is borrowed, as is the worker; the folder of before is removed. */
int staging_start(struct staging *s, uv_loop_t *loop, const char *data,
		  const char *what, struct readers *worker, struct err *err);
/* Makes it the peer's, and the folder; `unavailable` while it is another's.
 * Whoever has it already and names the same id has it still. */
int staging_claim(struct staging *s, const struct peer *owner, uint64_t id,
		  struct err *err);
/* Whether it is the peer's, under this id. */
int staging_check(const struct staging *s, const struct peer *owner,
		  uint64_t id, struct err *err);
/* Any thread: `out_of_space` where so many bytes do not fit: said before they
 * fill the disk that the writers need. */
int staging_check_room(const struct staging *s, uint64_t bytes,
		       struct err *err);
/* A job for its owner begins; has ended, and the owner has so long until the
 * next. */
void staging_busy(struct staging *s);
void staging_idle(struct staging *s, const struct peer *owner);
/* It is over. Nothing happens when it is free. */
void staging_leave(struct staging *s);
/* Worker: begins what does not look at `cancelled` and may take minutes. False:
 * it is cancelled. */
bool staging_long(struct staging *s);
void staging_short(struct staging *s);
/* Cancels it. True: it is at length. Any thread. */
bool staging_cancel(struct staging *s);
/* The peer's connection is gone. */
void staging_lost(struct staging *s, const struct peer *owner);
/* After the worker was closed. cb: its memory is the caller's. */
void staging_close(struct staging *s, void (*cb)(struct staging *s));

/* Removes a folder with all that is in it; what is not there is no error. */
void staging_remove(const char *path);

#endif
