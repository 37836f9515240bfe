/* SPDX-License-Identifier: MIT */
/*
 * What tells one version of a resource from another by its time, and of a
 * part whether it still fits (RFC 9110, 5.6.7, 13.1). Pure functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_VALIDATOR_H
#define GROUPFS_DAEMON_GATEWAY_VALIDATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"

/* An If-Range is this strong tag, or the second of modified_ms. */
bool validator_is(struct str value, struct str etag, uint64_t modified_ms);

/* Nothing was changed since the time of an If-Modified-Since; false too when
 * that is no time. */
bool validator_unchanged(struct str since, uint64_t modified_ms);

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
void validator_put_time(struct buf *b, uint64_t time_ms);
/* Any of the three forms; seconds since 1970. */
bool validator_parse_time(struct str text, int64_t *seconds);

#endif
