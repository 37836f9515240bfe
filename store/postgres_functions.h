/* SPDX-License-Identifier: MIT */
/*
 * What lies inside of PostgreSQL, and store/postgres_schema.c makes: a change
 * of what is released needs a migration. Each function is one CREATE FUNCTION,
 * in PL/pgSQL, of statements on one table each. Lists end with NULL.
 */
#ifndef GROUPFS_STORE_POSTGRES_FUNCTIONS_H
#define GROUPFS_STORE_POSTGRES_FUNCTIONS_H

extern const char *const pg_schema_1[];
extern const char *const pg_functions_1[];
extern const char *const pg_trim_functions_1[];

#endif
