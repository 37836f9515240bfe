/* SPDX-License-Identifier: MIT */
/*
 * What a group's settings say of how much of its log is kept:
 *
 *   {"retention":{"days":30,"messages":100000,"bytes":1000000000}}
 *
 * Any of the three may be missing; each is a whole number from 1 on. All else
 * in the settings is the users' own. Pure functions, any thread.
 */
#ifndef GROUPFS_STORE_KEEP_H
#define GROUPFS_STORE_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"
#include "store/store.h"

enum { KEEP_DAYS_MAX = 36500 };
#define KEEP_DAY_MS	(UINT64_C(24) * 3600 * 1000)
#define KEEP_NUMBER_MAX (UINT64_C(1) << 53)

/* settings: a JSON object or empty. *out has no bounds where they say none.
 * `bad_request`, in words, for a retention that is not as above. */
int keep_of_settings(struct str settings, struct store_keep *out,
		     struct err *err);

/* Of each two bounds the one that keeps less. */
struct store_keep keep_both(const struct store_keep *a,
			    const struct store_keep *b);
bool keep_has_bound(const struct store_keep *keep);

#endif
