/* SPDX-License-Identifier: MIT */
/*
 * Percent-decoding, once, and the query part of a URL. Pure functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_QUERY_H
#define GROUPFS_DAEMON_GATEWAY_QUERY_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/* Appends s with each %XX as its byte. -EINVAL on a cut or false escape and on
 * %00. A '+' stays what it is. */
int query_decode(struct buf *b, struct str s);

/* A number of the query "a=1&b=2": 1 and *out, 0 when key is absent, -EINVAL
 * and err (`bad_request`) when it is no number, above max or given twice. */
int query_get_u64(struct str query, const char *key, uint64_t max,
		  uint64_t *out, struct err *err);

/* The decoded text of key, appended to out. As above. */
int query_get_text(struct str query, const char *key, struct buf *out,
		   struct err *err);

#endif
