/* SPDX-License-Identifier: MIT */
/*
 * The schema of the PostgreSQL store as text, for psql(1): what a groupd makes
 * in an empty database, so that it finds it made. Pure; any thread.
 */
#ifndef GROUPFS_STORE_SCHEMA_H
#define GROUPFS_STORE_SCHEMA_H

#include <stdbool.h>

#include "lib/buf.h"

/* Appends it. citus: and then what spreads it over the machines of Citus. */
void store_put_schema(struct buf *out, bool citus);

#endif
