/* SPDX-License-Identifier: MIT */
/*
 * What runs inside of PostgreSQL: each is one CREATE FUNCTION, in PL/pgSQL, of
 * statements on one table each. store/postgres_schema.c makes them; a change
 * of one that is released needs a migration.
 */
#ifndef GROUPFS_STORE_POSTGRES_FUNCTIONS_H
#define GROUPFS_STORE_POSTGRES_FUNCTIONS_H

/* A list that ends with NULL. */
extern const char *const pg_functions_1[];

#endif
