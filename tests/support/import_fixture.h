/* SPDX-License-Identifier: MIT */
/* Short ways to import a group into a store under test. */
#ifndef GROUPFS_TESTS_SUPPORT_IMPORT_FIXTURE_H
#define GROUPFS_TESTS_SUPPORT_IMPORT_FIXTURE_H

#include "tests/support/store_fixture.h"

enum { IMPORT_LINE = 100 /* of the first record that is given */ };

typedef int (*import_verb_fn)(struct store *s, const struct store_import *op,
			      struct err *err);

/* A group that may be imported. */
struct wire_port_group import_group_named(const char *name, uint64_t last_seq);
/* Begins one; its number. */
uint64_t import_begin(struct store_fixture *f, const char *name,
		      uint64_t last_seq);
/* What the verb says of the records. */
int import_give(struct store_fixture *f, import_verb_fn verb, uint64_t id,
		const struct buf *records);
/* Fails the test where rc says so. */
void import_must(struct store_fixture *f, int rc);
/* 0, 1 where it had ended before, or what it is refused with. */
int import_end(struct store_fixture *f, uint64_t id, const char *name,
	       const char *key);

#endif
