/* SPDX-License-Identifier: MIT */
/*
 * Two groupds on one store, each with a client, and between them a bus that
 * lies. Helpers that fail end the test.
 */
#ifndef GROUPFS_TESTS_SUPPORT_NODES_FIXTURE_H
#define GROUPFS_TESTS_SUPPORT_NODES_FIXTURE_H

#include "tests/support/fake_bus.h"
#include "tests/support/groupd_fixture.h"
#include "tests/support/postgres_fixture.h"

enum { A, B, HEALED_MS = 4000 };

struct pair {
	struct fake_bus bus;
	struct fixture *f[FAKE_BUS_NODES];
	struct conn c[FAKE_BUS_NODES]; /* one client of each, with all users */
	char url[POSTGRES_URL];	       /* or "" */
};

/* In memory; on PostgreSQL; in doubt of a store that is silent for 300 ms. */
int set_up_pair(void **state);
int set_up_postgres(void **state);
int set_up_doubting(void **state);
int tear_down_pair(void **state);

void assert_event(struct conn *c, enum wire_type type);
/* One EV_MESSAGES, of one message. */
void assert_message(struct conn *c, uint64_t seq, const char *text);
void assert_member(struct conn *c, const char *user, enum member_change change);
/* A group made on A, once its members have heard of it on B. */
uint64_t create(struct pair *p);
/* Whether this run is to be a small one. */
bool is_small(void);

#define ON_PAIR(test)                                                          \
	cmocka_unit_test_setup_teardown(test, set_up_pair, tear_down_pair)

#define ON_POSTGRES(test)                                                      \
	{                                                                      \
		"postgres: " #test, test, set_up_postgres, tear_down_pair,     \
			NULL                                                   \
	}

#endif
