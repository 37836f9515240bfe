/* SPDX-License-Identifier: MIT */
/*
 * Base64 with padding (RFC 4648, section 4), by OpenSSL. Pure functions.
 */
#ifndef GROUPFS_DAEMON_CTL_BASE64_H
#define GROUPFS_DAEMON_CTL_BASE64_H

#include "lib/buf.h"
#include "lib/str.h"

/* Appends the text of data. */
void base64_put(struct buf *out, struct str data);
/* Appends the bytes of text, which holds nothing else: -EINVAL. -ENOMEM */
int base64_get(struct buf *out, struct str text);

#endif
