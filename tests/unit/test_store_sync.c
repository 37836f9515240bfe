/* SPDX-License-Identifier: MIT */
/* What a commit asks of the disk, and what it says when the disk fails: SQLite
 * calls this program's fdatasync(2). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/store_fixture.h"

static unsigned syncs;
static bool failing;

int fdatasync(int fd)
{
	syncs++;
	if (failing) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void a_commit_is_on_the_disk_when_it_returns(void **state)
{
	struct store_fixture *f = *state;
	uint64_t id;

	fixture_users(f, "alice");
	id = fixture_group(f, "g", "alice", "");
	for (int i = 0; i < 5; i++) {
		fixture_begin(f);
		assert_int_equal(fixture_say(f, id, "alice", "hi", "", NULL),
				 0);
		syncs = 0;
		fixture_commit(f);
		assert_true(syncs > 0);
	}
}

static void a_sync_that_failed_leaves_the_outcome_unknown(void **state)
{
	struct store_fixture *f = *state;
	uint64_t id;
	int rc;

	fixture_users(f, "alice");
	id = fixture_group(f, "g", "alice", "");
	fixture_begin(f);
	assert_int_equal(fixture_say(f, id, "alice", "hi", "", NULL), 0);
	failing = true;
	rc = store_commit(f->s, &f->err);
	failing = false;
	assert_int_equal(rc, -EINPROGRESS);
	assert_int_equal(f->err.code, ERR_OUTCOME_UNKNOWN);
	/* It is never asked again: the next sync may say what is not so. */
	syncs = 0;
	assert_int_equal(store_begin(f->s, &f->err), -EINPROGRESS);
	assert_int_equal(syncs, 0);
	fixture_reopen(f);
	assert_in_range(fixture_find(f, id, "alice").last_seq, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_ON(sqlite, a_commit_is_on_the_disk_when_it_returns),
		FIXTURE_ON(sqlite,
			   a_sync_that_failed_leaves_the_outcome_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
