/* SPDX-License-Identifier: MIT */
/*
 * The files of DATA by which a restore is done, also over a crash:
 *
 *   restore.ready/            what is to be the store, complete and on disk
 *     complete                "ID STAMP": its restore, the time in names
 *     groupd.db, media/
 *   media.before-restore-STAMP
 *   last-restore              the `complete` of the restore that was done
 *
 * Blocking; no thread of its own.
 */
#ifndef GROUPFS_DAEMON_RESTORE_FILES_H
#define GROUPFS_DAEMON_RESTORE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/text.h"

struct restore_files {
	uint64_t id;
	char stamp[TEXT_TIME_LEN + 1]; /* RFC 3339 */
};

/* What SQLite leaves beside a database that nobody has open goes; `bad` when
 * its log still holds something. */
int restore_files_strip(const char *database, struct err *err);
/* Before anything comes: whether what will be in DATA/restore, which is there,
 * can take the place of what is in DATA. `bad_request`, `unavailable`. */
int restore_files_check(const char *data, struct err *err);
/* DATA/restore is on disk, and DATA/restore.ready from then on. */
int restore_files_ready(const char *data, const struct restore_files *f,
			struct err *err);
/* What is ready: 1, 0 for nothing, or why it cannot be told. */
int restore_files_find(const char *data, struct restore_files *f,
		       struct err *err);
/* The database is in its place: the rest, and DATA/last-restore. */
int restore_files_done(const char *data, const struct restore_files *f,
		       struct err *err);
/* Whether the last restore that was done was the one of this id: fills f. */
bool restore_files_was_done(const char *data, uint64_t id,
			    struct restore_files *f);
/* Appends "STORE.before-restore-STAMP". */
void restore_files_kept(struct buf *out, const char *store,
			const struct restore_files *f);

#endif
