/* SPDX-License-Identifier: MIT */
/*
 * What SQLite is set up with before anybody uses it in this process.
 *
 * A commit throws away the pages of the cache that lie beyond the end of the
 * file; SQLite looks for them whenever a page had a number beyond it for a
 * moment. And it gives one such to a page whenever it splits one (btree.c,
 * balance_nonroot(): the page of the lock byte, at 1 GiB). So each commit with
 * a split looked at each page of the cache: of 64 MiB, 0.9 ms. Ours knows when
 * there are none.
 */
#ifndef GROUPFS_STORE_SQLITE_CACHE_H
#define GROUPFS_STORE_SQLITE_CACHE_H

/* Once, before the first sqlite3_open() of the process; behind it, it does
 * nothing, and what was said here is slower. Not thread-safe. */
void sq_cache_set_up(void);

#endif
