/* SPDX-License-Identifier: MIT */
/*
 * The Range of a request (RFC 9110, 14.2). Pure functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_RANGE_H
#define GROUPFS_DAEMON_GATEWAY_RANGE_H

#include <stdint.h>

#include "lib/str.h"

enum range {
	RANGE_ALL,	    /* nothing to heed: the whole */
	RANGE_PART,	    /* first and len say which */
	RANGE_UNSATISFIABLE /* 416 */
};

/* What a Range header asks of size bytes. One that is malformed, of another
 * unit, or names several parts, is not heeded, as the RFC allows. */
enum range range_of(struct str header, uint64_t size, uint64_t *first,
		    uint64_t *len);

#endif
