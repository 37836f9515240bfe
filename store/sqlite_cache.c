/* SPDX-License-Identifier: MIT */
#include "store/sqlite_cache.h"

#include <stdbool.h>
#include <stdlib.h>

#include <sqlite3.h>

enum { LOCK_BYTE = 0x40000000 /* of a file: its page is never used */ };

/* SQLite's own. */
static sqlite3_pcache_methods2 own;

/* One connection's pages. */
struct cache {
	sqlite3_pcache *pages; /* owned */
	unsigned last;	       /* no page has a number beyond it */
	unsigned lock_page;
	bool parked; /* one is called by that number now */
};

static struct cache *of(sqlite3_pcache *cache)
{
	return (struct cache *)(void *)cache;
}

static sqlite3_pcache *create(int page, int extra, int purgeable)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->lock_page = (unsigned)(LOCK_BYTE / page) + 1;
	c->pages = own.xCreate(page, extra, purgeable);
	if (c->pages == NULL) {
		free(c);
		return NULL;
	}
	return (sqlite3_pcache *)(void *)c;
}

static void set_size(sqlite3_pcache *cache, int pages)
{
	own.xCachesize(of(cache)->pages, pages);
}

static int count(sqlite3_pcache *cache)
{
	return own.xPagecount(of(cache)->pages);
}

static sqlite3_pcache_page *fetch(sqlite3_pcache *cache, unsigned number,
				  int how)
{
	struct cache *c = of(cache);
	sqlite3_pcache_page *page = own.xFetch(c->pages, number, how);

	if (page != NULL && number > c->last)
		c->last = number;
	return page;
}

static void unpin(sqlite3_pcache *cache, sqlite3_pcache_page *page, int discard)
{
	own.xUnpin(of(cache)->pages, page, discard);
}

static void renumber(sqlite3_pcache *cache, sqlite3_pcache_page *page,
		     unsigned from, unsigned to)
{
	struct cache *c = of(cache);

	own.xRekey(c->pages, page, from, to);
	if (from == c->lock_page)
		c->parked = false;
	if (to == c->lock_page)
		c->parked = true;
	else if (to > c->last)
		c->last = to;
}

static void drop_from(sqlite3_pcache *cache, unsigned first)
{
	struct cache *c = of(cache);

	if (c->last < first && !c->parked)
		return;
	own.xTruncate(c->pages, first);
	c->parked = c->parked && first > c->lock_page;
	if (c->last >= first)
		c->last = first - 1;
}

static void destroy(sqlite3_pcache *cache)
{
	own.xDestroy(of(cache)->pages);
	free(of(cache));
}

static void shrink(sqlite3_pcache *cache)
{
	own.xShrink(of(cache)->pages);
}

void sq_cache_set_up(void)
{
	sqlite3_pcache_methods2 ours;

	/* Nobody asks how much memory it has; to count it takes one lock for
	 * all threads with each piece. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &own) != SQLITE_OK)
		return;
	/* But for its start and end, which know no cache. */
	ours = own;
	ours.xCreate = create;
	ours.xCachesize = set_size;
	ours.xPagecount = count;
	ours.xFetch = fetch;
	ours.xUnpin = unpin;
	ours.xRekey = renumber;
	ours.xTruncate = drop_from;
	ours.xDestroy = destroy;
	ours.xShrink = shrink;
	(void)sqlite3_config(SQLITE_CONFIG_PCACHE2, &ours);
}
