/* SPDX-License-Identifier: MIT */
/*
 * The pages of `hot` lie wherever one was free, and after a crash none of them
 * is in memory: each, read where the table has it, would wait for the disk.
 * The pages above the leaves say which they are.
 */
#include "store/sqlite.h"

#include <stdlib.h>

enum {
	/* A page of a table's B-tree that has others below it (SQLite's file
	 * format, 1.6). */
	INTERIOR = 5,
	AT_CELLS = 3, /* how many */
	AT_LAST = 8,  /* the page behind them all */
	AT_CELL = 12, /* where each lies; it begins with its page */
	DEPTH_MAX = 6,
	/* More than hot may have. */
	PAGES_MAX = 1 << 17
};

struct ahead {
	sqlite3 *db;
	uint32_t *pages; /* owned */
	size_t count;
};

static uint32_t get16(const unsigned char *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const unsigned char *at)
{
	return get16(at) << 16 | get16(at + 2);
}

/* The page in its place, from 0 on; 0: there is none. */
static uint32_t below(const unsigned char *page, uint32_t i)
{
	uint32_t cells = get16(page + AT_CELLS);
	uint32_t at = AT_CELL + 2 * i;

	if (i == cells)
		return get32(page + AT_LAST);
	if (i > cells || at + 2 > SQ_PAGE)
		return 0;
	at = get16(page + at);
	return at + 4 <= SQ_PAGE ? get32(page + at) : 0;
}

/* The leaves below a page, which is one itself where it is not interior. */
static void collect(struct ahead *a, uint32_t number, int depth)
{
	unsigned char page[SQ_PAGE];
	bool leaves = false;
	uint32_t child;

	if (depth > DEPTH_MAX ||
	    sq_checksum_get(a->db, number, page) != SQLITE_OK ||
	    page[0] != INTERIOR)
		return;
	for (uint32_t i = 0; (child = below(page, i)) != 0; i++) {
		size_t before = a->count;

		/* All are as deep as the first. */
		if (!leaves)
			collect(a, child, depth + 1);
		leaves = leaves || a->count == before;
		if (leaves && a->count < PAGES_MAX)
			a->pages[a->count++] = child;
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void sq_read_ahead(struct sqlite_store *s)
{
	struct ahead a = { .db = s->db };
	int64_t root = 0;
	struct err unused;

	a.pages = malloc(PAGES_MAX * sizeof(*a.pages));
	if (a.pages == NULL)
		return;
	if (sq_pragma(s, "SELECT rootpage FROM sqlite_schema WHERE name='hot'",
		      &root, &unused) == 0 &&
	    root > 0 && root <= UINT32_MAX)
		collect(&a, (uint32_t)root, 0);
	qsort(a.pages, a.count, sizeof(*a.pages), by_number);
	for (size_t i = 0; i < a.count; i++)
		(void)sq_checksum_read(s->db, a.pages[i]);
	free(a.pages);
}
