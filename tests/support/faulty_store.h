/* SPDX-License-Identifier: MIT */
/*
 * A store that fails when it is told to, and otherwise is the one it wraps:
 *
 *   store_append(faulty) -> counts, fails or -> store_append(inner)
 *
 * A fault stays planned until it has happened `times` times.
 */
#ifndef GROUPFS_TESTS_SUPPORT_FAULTY_STORE_H
#define GROUPFS_TESTS_SUPPORT_FAULTY_STORE_H

#include "store/store.h"

enum faulty_verb {
	FAULTY_BEGIN,
	FAULTY_COMMIT,
	FAULTY_SNAPSHOT,
	FAULTY_APPEND,
	FAULTY_APPEND_ALL,
	FAULTY_ADD_MEDIA,
	FAULTY_EDIT_MEMBERS,
	FAULTY_CREATE_GROUP,
	FAULTY_SET_READ,
	FAULTY_FLUSH_READS,
	FAULTY_SCAN,
	FAULTY_FIND_GROUP,
	FAULTY_LIST_VERSIONS,
	FAULTY_LIST_CHANGES,
	FAULTY_LIST_USER_VERSIONS,
	FAULTY_LIST_USER_CHANGES,
	FAULTY_REACH,
	FAULTY_VERBS
};

enum faulty_kind {
	FAULTY_IO,     /* -EIO: roll back */
	FAULTY_FULL,   /* -ENOSPC, out_of_space: roll back */
	FAULTY_UNDONE, /* -EIO: roll back, it may be run again */
	FAULTY_AWAY,   /* -EIO: roll back, a shared store was not reached */
	/* commit, append_all: -EINPROGRESS; the handle goes on when inner is
	 * shared. */
	FAULTY_LOST,   /* nothing was stored */
	FAULTY_STORED, /* all was stored */
	/* append_all, reach, scan: no answer comes, until
	 * faulty_store_let_go() or the handle's deadline; then as FAULTY_LOST,
	 * or FAULTY_AWAY. */
	FAULTY_SILENT
};

/* Takes inner over: store_close() closes both. NULL without memory. */
struct store *faulty_store_new(struct store *inner);

/* The nth call of the verb from now on (1: the next), and the `times` - 1
 * after it, fail so. A verb has one fault at a time. */
void faulty_store_plan(struct store *s, enum faulty_verb verb,
		       enum faulty_kind kind, unsigned nth, unsigned times);

/* Any thread: who waits so is let go, and nobody waits any more. */
void faulty_store_let_go(struct store *s);

/* How often the verb was called. */
unsigned faulty_store_calls(const struct store *s, enum faulty_verb verb);

#endif
