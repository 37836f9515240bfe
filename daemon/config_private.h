/* SPDX-License-Identifier: MIT */
/*
 * The inside that config.c and config_keys.c share.
 *
 *   config.c       defaults, the file, the command line
 *   config_keys.c  the keys: what a value may be
 */
#ifndef GROUPFS_DAEMON_CONFIG_PRIVATE_H
#define GROUPFS_DAEMON_CONFIG_PRIVATE_H

#include "daemon/config.h"

enum { CONFIG_KEYS = 22 };

struct config_key {
	const char *name;
	/* Refuses by `bad_request`, and a sentence that lacks the key. */
	int (*set)(struct config *c, struct str value, struct err *err);
	const char *help; /* NULL: not offered */
};
extern const struct config_key *const config_keys; /* CONFIG_KEYS of them */

/* -1: there is none. */
int config_find_key(struct str name);
/* The first of several spellings: what is set is one thing. */
int config_canonical_key(int key);

#endif
