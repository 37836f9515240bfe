/* SPDX-License-Identifier: MIT */
/*
 * Who is this: uids through passwd, tokens through their hash. passwd lookups
 * block: reader threads only.
 */
#ifndef GROUPFS_DAEMON_AUTH_H
#define GROUPFS_DAEMON_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/env.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"
#include "store/store.h"

enum { AUTH_TOKEN_LEN = 47 /* "gfs_" and 43 of base64url */ };

/* The passwd name of a uid. `unauthenticated`, with a sentence. */
int auth_uid_name(uid_t uid, char user[WIRE_USER_MAX + 1], struct err *err);
/* Whether there is a local account of this name. */
bool auth_has_account(struct str user);

/* A new token from 32 random bytes. */
void auth_make_token(const struct env *env, char out[AUTH_TOKEN_LEN + 1]);
/* The token that belongs to a secret key. -ENOMEM */
int auth_derive_token(struct str key, char out[AUTH_TOKEN_LEN + 1]);
/* SHA-256 of the token's text. */
int auth_hash_token(struct str token, uint8_t hash[STORE_TOKEN_HASH]);

#endif
