/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, and the HMAC of it. Any thread; a digest has one owner.
 */
#ifndef GROUPFS_DAEMON_DIGEST_H
#define GROUPFS_DAEMON_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"
#include "store/store.h"

/* Of all the bytes that are added between start and end. */
struct digest {
	void *context; /* owned */
};

/* -ENOMEM */
int digest_start(struct digest *d);
int digest_add(struct digest *d, struct str data);
/* Fills hash, and releases, whatever it returns. */
int digest_end(struct digest *d, uint8_t hash[STORE_HASH]);
/* For one that is not to be ended. Takes a zeroed one. */
void digest_release(struct digest *d);

/* Of all that a descriptor can read from its beginning on; its offset stays.
 * -ENOMEM, or why it cannot be read. */
int digest_file(int fd, uint8_t hash[STORE_HASH]);

/* Of one text. -ENOMEM */
int digest_of(struct str data, uint8_t hash[STORE_HASH]);

/* HMAC-SHA-256 of one text with a key that is secret. -ENOMEM */
int digest_mac(struct str key, struct str data, uint8_t mac[STORE_HASH]);
/* Whether both are the same, in a time that depends on their length only. */
bool digest_same(struct str a, struct str b);

#endif
