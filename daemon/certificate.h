/* SPDX-License-Identifier: MIT */
/*
 * The certificate that the gateways show, with its chain and its key: read
 * and checked by groupd, which may read the files, and handed on as bytes to
 * the gateways, which may not.
 *
 * Blocking; main, and the loop at SIGHUP.
 */
#ifndef GROUPFS_DAEMON_CERTIFICATE_H
#define GROUPFS_DAEMON_CERTIFICATE_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "store/store.h"

enum { CERTIFICATE_MAX = 256 << 10 /* bytes of each file */ };

/* A zeroed one is none. */
struct certificate {
	struct buf pem; /* owned: the certificate, its chain, the key */
	uint8_t hash[STORE_HASH]; /* of these bytes */
	bool expired;
};

/* Reads both files: PEM, the certificate first and then its chain; a key
 * without a passphrase that belongs to it. bad_request, with a sentence that
 * names the file. */
int certificate_load(struct certificate *c, const char *cert_file,
		     const char *key_file, struct err *err);
/* Wipes the key. Takes a zeroed one. */
void certificate_release(struct certificate *c);
static inline bool certificate_is_there(const struct certificate *c)
{
	return c->pem.len > 0;
}

#endif
