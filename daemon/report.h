/* SPDX-License-Identifier: MIT */
/*
 * What a gateway told of itself last: figures, and nothing that is text, so
 * that a gateway in wrong hands cannot write into /metrics. Belongs to the
 * gateway's peer and goes with it. On the loop.
 */
#ifndef GROUPFS_DAEMON_REPORT_H
#define GROUPFS_DAEMON_REPORT_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/wire.h"

enum { REPORT_STATUSES = 5 /* 1xx to 5xx */ };

struct report {
	struct wire_body_report figures; /* its strs are empty */
	/* HTTP requests: [write][first digit of the status, less 1] */
	uint64_t requests[2][REPORT_STATUSES];
	uint64_t refused[ERR_COUNT]; /* sends, by the code */
	struct histogram fanout;
};

/* Takes a REPORT into *report, which is made where it is NULL, and is
 * malloc'd: free(). `bad_request`, and what was there stays. */
int report_take(struct report **report, const struct wire_body_report *body,
		struct err *err);

#endif
