/* SPDX-License-Identifier: MIT */
/*
 * A store that is moved into another one: groupctl's only look into stores,
 * without groupd.
 *
 *   migrate.c          the command: opens both, copies, compares, ends
 *   migrate_copy.c     from the reader handle of the one to the writer handle
 *                      of the other, some MiB a transaction
 *   migrate_compare.c  what both say is the same
 *
 * Functions return 0 or a negative errno, and why in m->err. One thread.
 */
#ifndef GROUPFS_DAEMON_CTL_MIGRATE_H
#define GROUPFS_DAEMON_CTL_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/ctl/progress.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "store/move.h"

struct migration {
	struct store *locked; /* the old store's writer handle: nobody else
				 writes to it */
	struct store *from;
	struct store *to;   /* a writer */
	struct store *read; /* a reader of the new store, for comparing */
	struct progress progress;
	bool resumed;
	uint64_t done;	      /* messages */
	uint64_t weight;      /* bytes in the open transaction */
	struct buf different; /* what is not the same in both, a line each */
	size_t differences;
	struct err err;
};

/* One group as a store has it; strs point into held. */
struct migrated_group {
	struct wire_group group;
	struct wire_info info;
	struct str key;
	struct buf held;
};
/* The first group behind after_id: 1, or 0 when there is none. Releases what
 * *g had. */
int migrate_load_group(struct store *s, uint64_t after_id,
		       struct migrated_group *g, struct err *err);
void migrated_group_release(struct migrated_group *g);

/* Copies all that is not there yet, the groups behind those that are. */
int migrate_copy(struct migration *m);
/* Fills m->different with where they differ; nothing: they are the same. */
int migrate_compare(struct migration *m);

/* How many contents the groups of the old store have, and their bytes; and how
 * many DATA/media of the new groupd does not have in this size (data NULL: it
 * does not look). */
struct migrated_media {
	uint64_t contents;
	uint64_t bytes;
	uint64_t missing;
};
int migrate_look_for_media(struct migration *m, const char *data,
			   struct migrated_media *out);

#endif
