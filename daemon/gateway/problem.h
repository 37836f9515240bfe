/* SPDX-License-Identifier: MIT */
/*
 * RFC 9457 problem bodies. Pure functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_PROBLEM_H
#define GROUPFS_DAEMON_GATEWAY_PROBLEM_H

#include "lib/buf.h"
#include "lib/err.h"

/* "Not Found" */
const char *problem_title(int status);

/* Appends {"type","title","status","detail","code"}; extra (may be NULL) is
 * more members, as JSON that begins with a comma. */
void problem_put(struct buf *b, int status, enum err_code code,
		 const char *detail, const char *extra);

#endif
