/* SPDX-License-Identifier: MIT */
/*
 * The statements and functions of the PostgreSQL back end that are not the
 * core's; store/postgres.h includes it.
 */
#ifndef GROUPFS_STORE_POSTGRES_REST_H
#define GROUPFS_STORE_POSTGRES_REST_H

#define PG_REST_STATEMENTS(X)

#endif
