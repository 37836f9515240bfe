/* SPDX-License-Identifier: MIT */
/*
 * A backup, in DATA/backup:
 *
 *   snapshot -> copy of the store (its pages) -> hash of it -> read in pieces
 *            -> which contents it knows         DATA/media --> read in pieces
 *
 * Only the copying holds the snapshot, so however slowly its client reads,
 * the log of what is written grows no longer than that takes. The contents
 * are not copied: from before the snapshot on to the end none is cleaned away
 * (daemon/media_keeper).
 */
#ifndef GROUPFS_DAEMON_BACKUP_H
#define GROUPFS_DAEMON_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/media.h"
#include "daemon/media_keeper.h"
#include "daemon/page.h"
#include "daemon/staging.h"
#include "lib/wire.h"
#include "store/store.h"

struct backup {
	struct staging staging;
	struct media *media;	     /* borrowed, as the next two */
	struct media_keeper *keeper; /* NULL: not held */
	const struct store_options *options;

	/* The worker's. */
	struct buf contents; /* wire list of `content`, by hash */
	int fd;		     /* of the copy; -1: none */
};

/* What was copied. Its strs point into hash and problems. */
struct backup_made {
	struct wire_body_backed_up body;
	uint8_t hash[STORE_HASH];
	struct buf problems; /* owned by who gave it */
};

/* staging is started. */
void backup_init(struct backup *b, struct media *media,
		 const struct store_options *options);
/* Loop: claims it. */
int backup_begin(struct backup *b, struct media_keeper *keeper,
		 const struct peer *owner, uint64_t id, struct err *err);

/* The rest on the worker. verify: audits the copy, too. */
int backup_make(struct backup *b, struct store *store, bool verify,
		struct backup_made *out, struct err *err);
/* Fills a page with `content`s behind a hash (empty: all). */
int backup_list(const struct backup *b, struct str after, struct page *page,
		struct err *err);
/* Appends up to size bytes of a content or, with an empty hash, of the copy. */
int backup_read(const struct backup *b, struct str hash, uint64_t off,
		size_t size, struct buf *out, struct err *err);

/* Whether a store is what it says: each sentence about it becomes a `problem`
 * in out, and v says what was looked at. */
int backup_audit(struct store *store, struct buf *out, struct store_verify *v,
		 struct err *err);

#endif
