/* SPDX-License-Identifier: MIT */
/*
 * What a disk gives back is what was given to it, or the read fails: SQLite's
 * files through a layer of ours, which is what opens each database of a store.
 *
 * A page of the database ends with 8 bytes, reserved in its header (format 6),
 * which have the XXH3 of all before them, by the number of the page: so a page
 * at the wrong place is found, too, and one of zeros. They are made when the
 * page is written and checked whenever it is read; SQLite itself sees a page
 * that failed as a read that failed, SQLITE_IOERR_DATA. A page that was to be
 * overwritten, and was not, is sound: that is not found.
 *
 * A frame of the write-ahead log has checksums of SQLite's own, which SQLite
 * asks only when it recovers. Here they are asked for each page that is read.
 *
 * Thread-safe, as far as SQLite's own files are.
 */
#ifndef GROUPFS_STORE_SQLITE_CHECKSUM_H
#define GROUPFS_STORE_SQLITE_CHECKSUM_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	SQ_APPLICATION_ID = 0x474D5347, /* 'GMSG' */
	SQ_PAGE = 4096,			/* of each store, whatever its format */
	SQ_PAGE_CHECKSUM = 8,		/* of these, at its end */
	SQ_NO_CHECKSUMS = 5		/* the last format without */
};

/* The name of the layer, for sqlite3_open_v2(); NULL: there is no memory. */
const char *sq_checksum_vfs(void);

/* A database that is made by this connection, at once or by VACUUM, gets room
 * for checksums. An SQLite code. */
int sq_checksum_reserve(sqlite3 *db);

/* Whether the pages of the connection's database are checked. */
bool sq_checksum_is_on(sqlite3 *db);

/* What was found damaged last in the files of a connection. */
struct sq_damage {
	bool in_log;
	uint64_t at; /* the page, from 1; of a log, the byte */
};
/* False: nothing. */
bool sq_checksum_damage(sqlite3 *db, struct sq_damage *out);

/* Reads one page of the database file itself, whatever a log has of it.
 * SQLITE_OK, SQLITE_IOERR_DATA, or what went wrong. */
int sq_checksum_read(sqlite3 *db, uint64_t number);
/* The same, into `page`, of SQ_PAGE bytes. */
int sq_checksum_get(sqlite3 *db, uint64_t number, void *page);
/* How many pages the file has. */
int sq_checksum_pages(sqlite3 *db, uint64_t *pages);

#endif
