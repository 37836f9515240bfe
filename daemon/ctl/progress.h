/* SPDX-License-Identifier: MIT */
/*
 * A line on stderr for work that takes long, only where that is a terminal:
 *
 *   backup  [########----------]   42%  1.2 GB of 2.9 GB  85.0 MB/s  0:20 left
 *
 * It appears when the work has lasted a moment, is drawn at most ten times a
 * second, fits the terminal's width, and is taken away when a signal ends
 * groupctl. Whoever prints anything else meanwhile calls progress_clear()
 * first. One thread; one at a time.
 */
#ifndef GROUPFS_DAEMON_CTL_PROGRESS_H
#define GROUPFS_DAEMON_CTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum progress_kind {
	PROGRESS_TIME,	/* only how long it has been going on */
	PROGRESS_BYTES, /* in SI units: 1 MB is 1,000,000 bytes */
	PROGRESS_COUNT	/* things that have a name */
};

/* How far it was at a time. */
struct progress_mark {
	uint64_t ms;
	uint64_t done;
};

struct progress {
	const char *what; /* ASCII; borrowed */
	const char *noun; /* "messages", of PROGRESS_COUNT; borrowed */
	enum progress_kind kind;
	uint64_t total; /* 0: unknown */
	uint64_t done;
	uint64_t started_ms; /* of a clock that only goes forward */
	/* The rate is that since the first of these, which are moved on so
	 * that it lies some seconds back. */
	struct progress_mark marks[2];

	/* private */
	uint64_t drawn_ms;
	bool terminal;
	bool shown;
};

/* noun: of PROGRESS_COUNT, else NULL. */
void progress_start(struct progress *p, const char *what,
		    enum progress_kind kind, const char *noun, uint64_t total);
/* So much is done now. Draws where it is time to. */
void progress_set(struct progress *p, uint64_t done);
/* Draws where it is time to. Takes NULL. */
void progress_tick(struct progress *p);
/* Takes the line away; the next draw brings it back. Takes NULL. */
void progress_clear(struct progress *p);
/* The work is done: on a terminal a line that stays says what it was and how
 * long it took (PROGRESS_TIME: none). */
void progress_finish(struct progress *p);

/* Appends the line as it is at now_ms on a terminal of so many columns, of
 * which it leaves the last one free. What does not fit is left out, the least
 * important first. Pure. */
void progress_put_line(struct buf *out, const struct progress *p,
		       uint64_t now_ms, size_t columns);
/* Appends what progress_finish() says, without a line's end. Pure. */
void progress_put_summary(struct buf *out, const struct progress *p,
			  uint64_t now_ms);

/* "2.9 GB"; "1,234,567". */
void progress_put_bytes(struct buf *out, uint64_t bytes);
void progress_put_count(struct buf *out, uint64_t count);

#endif
