/* SPDX-License-Identifier: MIT */
/*
 * A restore. What comes is put together in DATA/restore, checked, made ready
 * to be the store, and then named DATA/restore.ready: that is the moment from
 * which on it will be done. groupd starts anew, and before it opens its store
 * it puts that one in the place of it:
 *
 *   restore_write ... restore_check -> restore.ready -> (start) restore_apply
 *     groupd.db  -> groupd.db.before-restore-TIME,  the new one -> groupd.db
 *     media      -> media.before-restore-TIME,      the new one -> media
 *     restore.ready/complete -> last-restore
 *
 * Each step of that can be broken off, and is done at the next start.
 */
#ifndef GROUPFS_DAEMON_RESTORE_H
#define GROUPFS_DAEMON_RESTORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "daemon/media.h"
#include "daemon/staging.h"
#include "lib/buf.h"
#include "lib/wire.h"
#include "store/store.h"

struct restore {
	struct staging staging;
	const struct config *config; /* borrowed, as the next one */
	const struct store_options *options;
	atomic_bool placed; /* by the worker: it will be done */
	/* Loop: it is to be done now, by starting anew. */
	void (*on_placed)(struct restore *r);

	/* The worker's. */
	struct media media; /* DATA/restore/media */
	bool opened;
	int fd; /* of groupd.db; -1: none */
};

/* staging is started. */
void restore_init(struct restore *r, const struct config *config,
		  const struct store_options *options);

/* On the worker. */

/* What is there now, which it would replace. bytes: that will come. */
int restore_measure(const struct restore *r, struct store *store,
		    uint64_t bytes, struct store_totals *out, struct err *err);
/* A piece of a content or, with an empty hash, of the database. */
int restore_write(struct restore *r, struct str hash, uint64_t off,
		  struct str data, struct err *err);
/* Checks that all is there and as it is said to be, and names it ready. kept:
 * the name of the store of before. Also 0 when this id was done before. */
int restore_check(struct restore *r,
		  const struct wire_body_commit_restore *want, struct buf *kept,
		  struct err *err);

/* At start, before anything of DATA is opened; DATA is there. Does what is
 * ready; nothing when nothing is. -EBUSY while another groupd has the store. */
int restore_apply(const struct config *config, struct err *err);

#endif
