/* SPDX-License-Identifier: MIT */
/*
 * groupd's figures as a person reads them: what needs him first, then how it
 * is, on one screen. Pure functions; figures are a wire list of `figure`, and
 * one that is missing counts as 0.
 */
#ifndef GROUPFS_DAEMON_CTL_HEALTH_H
#define GROUPFS_DAEMON_CTL_HEALTH_H

#include "daemon/ctl/terminal.h"
#include "lib/buf.h"
#include "lib/str.h"

enum health { HEALTH_GOOD, HEALTH_NOTE, HEALTH_BAD };

/* Appends a sentence a line for what is not as it should be, the worst first;
 * returns how bad it is. t colours them; may be NULL: no colours. out may be
 * NULL: nothing is said. */
enum health health_warnings(struct buf *out, const struct terminal *t,
			    struct str figures);
/* Appends the whole screen. */
enum health health_screen(struct buf *out, const struct terminal *t,
			  struct str figures);

/* "812 bytes", "1.5 KiB", "41.0 GiB" */
void health_put_bytes(struct buf *out, uint64_t bytes);
/* "42 s", "5 min", "3 h 20 min", "12 days 4 h" */
void health_put_span(struct buf *out, uint64_t seconds);

#endif
