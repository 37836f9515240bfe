/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 of what is written or read, and base64, of OpenSSL. One thread.
 */
#ifndef GROUPFS_DAEMON_CTL_CHECKSUM_H
#define GROUPFS_DAEMON_CTL_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"

enum { CHECKSUM_HEX = 2 * WIRE_HASH };

/* A failure (memory) is kept until the end. */
struct checksum {
	void *context; /* owned */
	bool failed;
};

void checksum_start(struct checksum *c);
void checksum_add(struct checksum *c, struct str data);
/* Fills hex, with a NUL; false when something failed. Releases. */
bool checksum_end(struct checksum *c, char hex[CHECKSUM_HEX + 1]);
/* For one that is not to be ended. Takes a zeroed one. */
void checksum_release(struct checksum *c);

/* Appends 64 digits for a hash. */
void checksum_put_hex(struct buf *out, struct str hash);
/* The hash of 64 small hexadecimal digits; false for anything else. */
bool checksum_get_hex(struct str hex, uint8_t hash[WIRE_HASH]);

/* RFC 4648, section 4, with padding. Decoding takes nothing else: -EINVAL. */
void checksum_put_base64(struct buf *out, struct str data);
int checksum_get_base64(struct buf *out, struct str text);

#endif
