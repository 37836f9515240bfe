/* SPDX-License-Identifier: MIT */
/*
 * SQLite's page cache under ours: what is beyond the end of a file is thrown
 * away, whatever numbers its pages had, and is not looked for where there is
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/sqlite_cache.h"

enum {
	PAGE = 4096,
	EXTRA = 64,
	LOCK_PAGE = 0x40000000 / PAGE + 1,
	PAGES = 40,
	OPS = 20000,
	ROWS = 4000
};

/* Below ours: SQLite's, and how often it has looked. */
static sqlite3_pcache_methods2 below;
static unsigned looked;

static void count_drop(sqlite3_pcache *cache, unsigned first)
{
	looked++;
	below.xTruncate(cache, first);
}

static sqlite3_pcache_methods2 ours;

static int set_up(void **state)
{
	sqlite3_pcache_methods2 counting;

	(void)state;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &below),
			 SQLITE_OK);
	counting = below;
	counting.xTruncate = count_drop;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_PCACHE2, &counting),
			 SQLITE_OK);
	sq_cache_set_up();
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &ours),
			 SQLITE_OK);
	return sqlite3_initialize();
}

/* Numbers 1..PAGES, and that of the lock byte. */
static unsigned number_of(unsigned i)
{
	return i < PAGES ? i + 1 : LOCK_PAGE;
}

/* What a cache of ours should have. */
struct model {
	sqlite3_pcache *cache;
	bool has[PAGES + 1];
};

static bool fetch(struct model *m, unsigned i, int how)
{
	sqlite3_pcache_page *page = ours.xFetch(m->cache, number_of(i), how);

	if (page != NULL)
		ours.xUnpin(m->cache, page, 0);
	return page != NULL;
}

static void compare(struct model *m)
{
	for (unsigned i = 0; i <= PAGES; i++) {
		if (fetch(m, i, 0) != m->has[i])
			fail_msg("page %u: %s", number_of(i),
				 m->has[i] ? "gone" : "still there");
	}
}

static void give_number(struct model *m, unsigned from, unsigned to)
{
	sqlite3_pcache_page *page;

	if (!m->has[from] || m->has[to])
		return;
	page = ours.xFetch(m->cache, number_of(from), 0);
	assert_non_null(page);
	ours.xRekey(m->cache, page, number_of(from), number_of(to));
	ours.xUnpin(m->cache, page, 0);
	m->has[from] = false;
	m->has[to] = true;
}

static void drop_from(struct model *m, unsigned i)
{
	ours.xTruncate(m->cache, number_of(i));
	for (; i <= PAGES; i++)
		m->has[i] = false;
	compare(m);
}

static void test_random_numbers(void **state)
{
	struct model m = { .cache = ours.xCreate(PAGE, EXTRA, 1) };
	unsigned seed = 7;

	(void)state;
	assert_non_null(m.cache);
	ours.xCachesize(m.cache, 4 * PAGES);
	for (unsigned n = 0; n < OPS; n++) {
		unsigned i = (unsigned)rand_r(&seed) % (PAGES + 1);
		unsigned k = (unsigned)rand_r(&seed) % (PAGES + 1);

		switch (rand_r(&seed) % 8) {
		case 0:
			drop_from(&m, i);
			break;
		case 1:
			/* As it is split: out of the way, and back. */
			give_number(&m, i, PAGES);
			give_number(&m, PAGES, k);
			break;
		case 2:
			give_number(&m, i, k);
			break;
		default:
			if (i < PAGES)
				m.has[i] = fetch(&m, i, 2);
		}
	}
	compare(&m);
	ours.xDestroy(m.cache);
}

static void run(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

static char path[] = "/tmp/test_store_cache.XXXXXX";

static sqlite3 *open_db(void)
{
	sqlite3 *db;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
		"CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
	return db;
}

/* One commit each, in an order that splits pages in the middle. */
static void insert(sqlite3 *db, unsigned from, unsigned to)
{
	char sql[128];

	for (unsigned i = from; i < to; i++) {
		snprintf(sql, sizeof(sql),
			 "INSERT INTO t VALUES(%u, randomblob(300))",
			 i * 2654435761U >> 4);
		run(db, sql);
	}
}

static void close_db(sqlite3 *db)
{
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(unlink(path), 0);
	memset(path + sizeof(path) - 7, 'X', 6);
}

static void assert_sound(sqlite3 *db)
{
	sqlite3_stmt *st;

	assert_int_equal(
		sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
}

static void test_commits_look_for_nothing(void **state)
{
	sqlite3 *db = open_db();

	(void)state;
	insert(db, 0, ROWS);
	/* SQLite asks with each. */
	looked = 0;
	insert(db, ROWS, 2 * ROWS);
	assert_in_range(looked, 0, 3);
	assert_sound(db);
	close_db(db);
}

/* The pages that were added, and are not: others get their numbers. */
static void test_a_file_that_shrinks(void **state)
{
	sqlite3 *db = open_db();

	(void)state;
	insert(db, 0, ROWS);
	for (unsigned n = 1; n < 4; n++) {
		run(db, "BEGIN");
		insert(db, n * ROWS, (n + 1) * ROWS);
		run(db, "ROLLBACK");
		run(db, "BEGIN");
		insert(db, n * ROWS, n * ROWS + ROWS / 2);
		run(db, "COMMIT");
		assert_sound(db);
	}
	run(db, "DELETE FROM t WHERE id%3>0");
	run(db, "VACUUM");
	assert_sound(db);
	insert(db, 5 * ROWS, 6 * ROWS);
	assert_sound(db);
	close_db(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_numbers),
		cmocka_unit_test(test_commits_look_for_nothing),
		cmocka_unit_test(test_a_file_that_shrinks),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
