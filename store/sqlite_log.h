/* SPDX-License-Identifier: MIT */
/*
 * SQLite's write-ahead log, as its file format says it is: a header, then
 * frames, each of a page and of checksums that go on from those of the frame
 * before. SQLite recovers up to the first frame that does not fit, and takes
 * all behind it for a commit that was cut short. Here the two are told apart.
 */
#ifndef GROUPFS_STORE_SQLITE_LOG_H
#define GROUPFS_STORE_SQLITE_LOG_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum { SQ_LOG_HEADER = 32, SQ_LOG_FRAME_HEADER = 24 };

/* Of a page that was just read at `offset` of the log: SQLITE_OK,
 * SQLITE_IOERR_DATA where its checksums are not those of its frame, or what
 * went wrong. Only for frames that are committed. */
int sq_log_check_frame(sqlite3_file *log, const void *page,
		       sqlite3_int64 offset);

/* Where a log is damaged, and up to where it is whole: bytes. */
struct sq_log_damage {
	uint64_t at;
	uint64_t whole;
};

/* Reads the log at `path`, which no writer has open. 1: it is damaged before
 * the end of what was acknowledged. 0: it is not there, or whole, or its last
 * commit is cut short, which a crash may do. Else -errno. */
int sq_log_find_damage(const char *path, struct sq_log_damage *out,
		       struct err *err);

/* Whether the log at `path` holds that page in a whole commit, so that it is
 * read from there, whatever the database has of it. Its writer may be at work.
 * False, too, where it cannot be read. */
bool sq_log_has_page(const char *path, uint64_t number);

#endif
