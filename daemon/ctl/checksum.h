/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 of what goes through groupctl. The only user of OpenSSL here. One
 * thread.
 */
#ifndef GROUPFS_DAEMON_CTL_CHECKSUM_H
#define GROUPFS_DAEMON_CTL_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"

struct checksum {
	void *context; /* owned */
};

/* False without memory, also of the next two. */
bool checksum_start(struct checksum *c);
bool checksum_add(struct checksum *c, struct str data);
/* Releases it, whatever it returns. */
bool checksum_end(struct checksum *c, uint8_t hash[WIRE_HASH]);
/* Takes a zeroed one. */
void checksum_release(struct checksum *c);

/* Appends it in hexadecimal; reads what that wrote, and nothing else. */
void checksum_put(struct buf *out, const uint8_t hash[WIRE_HASH]);
bool checksum_parse(struct str text, uint8_t hash[WIRE_HASH]);

#endif
