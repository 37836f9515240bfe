/* SPDX-License-Identifier: MIT */
/*
 * Databases for tests, on a PostgreSQL of the tests' own (postgres.sh): the one
 * that tests/run.sh names in $GROUPFS_TEST_POSTGRES, which the first who wants
 * it starts, or one that ends with this process. Helpers that fail end the
 * test.
 */
#ifndef GROUPFS_TESTS_SUPPORT_POSTGRES_FIXTURE_H
#define GROUPFS_TESTS_SUPPORT_POSTGRES_FIXTURE_H

#include <stddef.h>

enum { POSTGRES_URL = 192 };

/* An empty database; its URL. */
void postgres_create(char url[POSTGRES_URL]);
/* A copy of one that nobody uses; its URL. */
void postgres_copy(char url[POSTGRES_URL], const char *from);
/* Also one that somebody still uses. */
void postgres_drop(const char *url);

/* Runs SQL, as somebody who may do all; what its first column and row say, if
 * there is one, or "". The answer is good until the next call. */
const char *postgres_run(const char *url, const char *sql);
/* The same, and how many times it says that it goes on. */
const char *postgres_hear(const char *url, const char *sql, unsigned *notices);

#endif
