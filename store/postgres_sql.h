/* SPDX-License-Identifier: MIT */
/*
 * What lies inside of PostgreSQL: the files store/postgres_*.sql, which
 * postgres_sql.S brings into the program as they are, and postgres_schema.c
 * gives to the database. A change of what is released needs a migration.
 */
#ifndef GROUPFS_STORE_POSTGRES_SQL_H
#define GROUPFS_STORE_POSTGRES_SQL_H

/* All of version 1: a script of many statements, each of which begins in the
 * first column of a line, as nothing within it does. */
extern const char pg_schema_1[];

#endif
