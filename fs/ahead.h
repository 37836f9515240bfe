/* SPDX-License-Identifier: MIT */
/*
 * Reading ahead in a log. Who reads on where he left off gets the next bytes
 * from memory, while groupd already renders those behind them:
 *
 *   read -> a piece that is here -> pieces that are coming
 *
 * A log never changes but at its end, so bytes that are here are right for
 * ever; whether the reader still may have them is asked at every read, before
 * this is. Only the one who opened the file reads ahead.
 *
 * Bounded: three pieces of AHEAD_WINDOW_MAX a handle, AHEAD_TOTAL_MAX in the
 * mount; above that nothing is read ahead. One loop thread.
 */
#ifndef GROUPFS_FS_AHEAD_H
#define GROUPFS_FS_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/op.h"
#include "lib/str.h"

enum {
	AHEAD_WINDOW_MIN = 256 << 10,
	AHEAD_WINDOW_MAX = WIRE_TEXT_MAX,
	AHEAD_TOTAL_MAX = 64 << 20
};

struct ahead;

/* Whether the first byte of a read is in memory, or coming. */
bool ahead_has(const struct op *op);
/* A read by one who may, within a log of that size: true when it was taken
 * over, to be answered from memory, now or when the bytes come: then op->run is
 * called, with op->off as it is now. */
bool ahead_serve(struct op *op, uint64_t size);
/* The bytes to ask groupd for in place of op->size, for a read that
 * ahead_serve() did not take. */
size_t ahead_window(struct op *op);
/* What groupd gave: answers op with its part and keeps the rest. */
void ahead_answer(struct op *op, struct str data);

/* Takes NULL. No op may wait for it. */
void ahead_free(struct ahead *a);

#endif
