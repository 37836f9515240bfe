/* SPDX-License-Identifier: MIT */
/*
 * What tests of the store share: a clock of their own, a directory of their
 * own, short ways to build lists and to append. Helpers that fail end the
 * test.
 */
#ifndef GROUPFS_TESTS_SUPPORT_STORE_FIXTURE_H
#define GROUPFS_TESTS_SUPPORT_STORE_FIXTURE_H

#include <stdint.h>

#include "lib/buf.h"
#include "store/store.h"
#include "tests/support/postgres_fixture.h"

struct store_fixture {
	struct env env; /* now_ms is the field below, random a counter's */
	uint64_t now_ms;
	uint64_t random;
	char dir[64];
	char url[POSTGRES_URL];
	char path[128];	 /* of a sqlite store */
	uint64_t seal;	 /* messages that each commit seals; UINT64_MAX: all */
	struct store *s; /* the writer */
	struct err err;
};

/* scheme: "sqlite", "memory" or "postgres". Opens the writer; release closes it
 * and removes the directory, or the database. */
void fixture_init(struct store_fixture *f, const char *scheme);
void fixture_release(struct store_fixture *f);
struct store *fixture_open(struct store_fixture *f, bool read_only);
/* Closes the writer and opens it again (memory forgets). */
void fixture_reopen(struct store_fixture *f);

void fixture_begin(struct store_fixture *f);
void fixture_commit(struct store_fixture *f);

/* In a transaction of their own. Names are separated by a space. */
void fixture_users(struct store_fixture *f, const char *names);
uint64_t fixture_group(struct store_fixture *f, const char *name,
		       const char *creator, const char *members);
/* The same in the open one. */
uint64_t fixture_new_group(struct store_fixture *f, const char *name,
			   const char *creator, const char *members);

/* Lists for requests. */
void fixture_item(struct buf *items, const char *content, uint64_t reply_to,
		  const char *client_id);
void fixture_edit(struct buf *edits, enum edit_op op, const char *name);

/* One message in the open transaction; what store_append() returned. */
int fixture_say(struct store_fixture *f, uint64_t group_id, const char *user,
		const char *content, const char *client_id,
		struct wire_body_sent *sent);
/* One edit in the open transaction. */
int fixture_edit_one(struct store_fixture *f, uint64_t group_id, const char *by,
		     enum edit_op op, const char *name);
/* A round of archiving, in steps: what they moved. Outside of a transaction. */
uint64_t fixture_archive(struct store_fixture *f, uint64_t before_ms,
			 uint64_t limit);
/* The store's own work, all of it; `limit` a step, and so many steps (0: until
 * there is no more). Outside of a transaction. */
void fixture_seal(struct store_fixture *f);
void fixture_seal_some(struct store_fixture *f, uint64_t limit, unsigned steps);
/* Fails the test when the store's audit finds a fault. */
void fixture_verify(struct store_fixture *f);
/* Whether to ask in which line of text byte off lies: always; but where each
 * question is a round trip, only of the ends of a line, and one byte of 31. */
bool fixture_seeks(const struct store_fixture *f, struct str text,
		   uint64_t off);
struct wire_group fixture_find(struct store_fixture *f, uint64_t group_id,
			       const char *user);

/* What a statement says of a sqlite store's file. */
int64_t fixture_number(const struct store_fixture *f, const char *sql);
/* A process that works on the group, which is killed so long behind the first
 * number that it has written to fd; the last that it has written. The store is
 * closed meanwhile: work opens it, and does not return. */
typedef void (*fixture_work_fn)(struct store_fixture *f, uint64_t group_id,
				int fd);
uint64_t fixture_kill_at_work(struct store_fixture *f, uint64_t group_id,
			      fixture_work_fn work, long after_us);

/* The set-up and the end of a test whose state is a struct store_fixture. */
int fixture_start_sqlite(void **state);
/* One whose rows are sealed after each commit: all, or one step of one. */
int fixture_start_sealed(void **state);
int fixture_start_sealing(void **state);
int fixture_start_memory(void **state);
int fixture_start_shared_memory(void **state);
int fixture_start_postgres(void **state);
int fixture_stop(void **state);

/* A row of a table of tests: on one back end, or once on each. */
#define FIXTURE_ON(scheme, test)                                               \
	{                                                                      \
#scheme ": " #test, test, fixture_start_##scheme,              \
			fixture_stop, NULL                                     \
	}
#define FIXTURE_ON_EACH(test)                                                  \
	FIXTURE_ON_SQLITE(test), FIXTURE_ON(memory, test),                     \
		FIXTURE_ON(postgres, test)

/* Wherever its messages lie. */
#define FIXTURE_ON_SQLITE(test)                                                \
	FIXTURE_ON(sqlite, test), FIXTURE_ON(sealed, test),                    \
		FIXTURE_ON(sealing, test)

/* Once on each back end that nodes can share. */
#define FIXTURE_ON_SHARED(test)                                                \
	FIXTURE_ON(shared_memory, test), FIXTURE_ON(postgres, test)

#endif
