/* SPDX-License-Identifier: MIT */
/*
 * Prometheus' text exposition format 0.0.4: a family's head, then its
 * samples. Pure functions; memory failure shows in the buf.
 *
 * Names, help and labels are ours, never what somebody sent, so nothing is
 * escaped. Labels are written as they stand between the braces:
 * `gateway="0",kind="websocket"`, or "" for none.
 */
#ifndef GROUPFS_DAEMON_EXPOSITION_H
#define GROUPFS_DAEMON_EXPOSITION_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/histogram.h"

/* type: "counter", "gauge", "histogram". */
void exposition_family(struct buf *out, const char *name, const char *type,
		       const char *help);
void exposition_sample(struct buf *out, const char *name, const char *labels,
		       uint64_t value);
/* value / 10^decimals, exactly. */
void exposition_scaled(struct buf *out, const char *name, const char *labels,
		       uint64_t value, unsigned decimals);
/* Its buckets, sum and count. */
void exposition_histogram(struct buf *out, const char *name, const char *labels,
			  const struct histogram *h);

/* A family of one sample without labels. */
void exposition_counter(struct buf *out, const char *name, const char *help,
			uint64_t value);
void exposition_gauge(struct buf *out, const char *name, const char *help,
		      uint64_t value);

#endif
