/* SPDX-License-Identifier: MIT */
/*
 * The rows lie in a ring by their ids. Of each kind of key there is a hash
 * table over them, whose chains run through the rows: a chain holds the newest
 * row of each key, which leads to the one before it. So a row that is taken
 * back leaves the one before it in its place, and one that is forgotten is
 * either the only one of its key, or behind one that stays.
 *
 * The ring grows, by copying it; the tables have the size that hot may have,
 * so that no commit waits for its rows to be hashed anew. What of them is not
 * used is no memory yet.
 */
#include "store/sqlite_hot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table.h"

enum {
	FIRST_ROWS = 1024,
	HEADS = HOT_ROWS, /* so chains are short */
	AHEAD = 16,	  /* rows */
	RADIX_BITS = 11,
	RADIX = 1 << RADIX_BITS
};

/* A link is an id modulo this, + 1; 0 is none. A power of two: no division. */
#define LINKS (UINT64_C(1) << 31)

struct row {
	uint32_t group_id;
	uint32_t seq;
	uint32_t bytes;
	uint32_t hash[HOT_KEYS]; /* 0: it has no such key */
	uint32_t next[HOT_KEYS]; /* of a chain */
	uint32_t back[HOT_KEYS]; /* to the row before it, in ids; 0: none */
};

struct hot_index {
	struct list link; /* of live ones */
	dev_t dev;
	ino_t ino;
	unsigned refs; /* with live_lock */
	bool live;     /* with live_lock */

	pthread_mutex_t lock; /* of all below */
	uint64_t seed;
	struct row *rows; /* owned, as heads */
	uint32_t *heads[HOT_KEYS];
	uint64_t capacity; /* of rows; a power of two, or 0 */
	uint64_t first;	   /* ids [first, next) are here */
	uint64_t next;
	uint64_t deleted;
	uint64_t bytes; /* of ids (deleted, next) */
	bool loading;
	uint64_t linked; /* then: those before it are in chains */
	struct list views;
};

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list live = LIST_INIT(live);

struct hot_index *hot_index_new(const struct env *env, uint64_t deleted)
{
	struct hot_index *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	list_init(&x->link);
	list_init(&x->views);
	pthread_mutex_init(&x->lock, NULL);
	x->refs = 1;
	x->seed = env_random_u64(env);
	x->deleted = deleted;
	x->first = x->next = deleted + 1;
	return x;
}

static void free_rows(struct hot_index *x)
{
	free(x->rows);
	x->rows = NULL;
	for (enum hot_key k = HOT_GROUP; k < HOT_KEYS; k++) {
		free(x->heads[k]);
		x->heads[k] = NULL;
	}
	x->capacity = 0;
}

void hot_index_drop(struct hot_index *x)
{
	bool last;

	if (x == NULL)
		return;
	pthread_mutex_lock(&live_lock);
	last = --x->refs == 0;
	pthread_mutex_unlock(&live_lock);
	if (!last)
		return;
	free_rows(x);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

void hot_index_publish(struct hot_index *x, dev_t dev, ino_t ino)
{
	x->dev = dev;
	x->ino = ino;
	pthread_mutex_lock(&live_lock);
	x->live = true;
	list_push(&live, &x->link);
	pthread_mutex_unlock(&live_lock);
}

void hot_index_retire(struct hot_index *x)
{
	pthread_mutex_lock(&live_lock);
	x->live = false;
	list_remove(&x->link);
	pthread_mutex_unlock(&live_lock);
}

struct hot_index *hot_index_find(dev_t dev, ino_t ino)
{
	struct hot_index *found = NULL;

	pthread_mutex_lock(&live_lock);
	for (struct list *l = live.next; l != &live; l = l->next) {
		struct hot_index *x = container_of(l, struct hot_index, link);

		if (x->dev == dev && x->ino == ino)
			found = x;
	}
	if (found != NULL)
		found->refs++;
	pthread_mutex_unlock(&live_lock);
	return found;
}

bool hot_index_is_live(struct hot_index *x)
{
	bool is_live;

	pthread_mutex_lock(&live_lock);
	is_live = x->live;
	pthread_mutex_unlock(&live_lock);
	return is_live;
}

/* Slots, ids and chains. */

static struct row *row_of(const struct hot_index *x, uint64_t id)
{
	return &x->rows[id & (x->capacity - 1)];
}

static uint32_t link_to(uint64_t id)
{
	return (uint32_t)(id % LINKS) + 1;
}

/* The row of that link which is here. */
static uint64_t id_of(const struct hot_index *x, uint32_t link)
{
	uint64_t back = (x->next % LINKS + LINKS - (link - 1)) % LINKS;

	return x->next - back;
}

/* The link that leads to the newest row of the key; or the end of its chain. */
static uint32_t *find_link(const struct hot_index *x, enum hot_key k,
			   uint32_t hash)
{
	uint32_t *at = &x->heads[k][hash % HEADS];
	struct row *row;

	while (*at != 0) {
		row = row_of(x, id_of(x, *at));
		if (row->hash[k] == hash)
			break;
		at = &row->next[k];
	}
	return at;
}

static uint64_t before(const struct hot_index *x, enum hot_key k, uint64_t id)
{
	uint32_t back = row_of(x, id)->back[k];

	return back != 0 && id - x->first >= back ? id - back : 0;
}

static void link_key(struct hot_index *x, enum hot_key k, uint64_t id)
{
	struct row *row = row_of(x, id);
	uint32_t *at;

	row->next[k] = 0;
	row->back[k] = 0;
	if (row->hash[k] == 0)
		return;
	at = find_link(x, k, row->hash[k]);
	if (*at != 0) {
		row->next[k] = row_of(x, id_of(x, *at))->next[k];
		row->back[k] = (uint32_t)(id - id_of(x, *at));
	}
	*at = link_to(id);
}

static void unlink_key(struct hot_index *x, enum hot_key k, uint64_t id)
{
	const struct row *row = row_of(x, id);
	uint64_t older = before(x, k, id);
	uint32_t *at;

	if (row->hash[k] == 0)
		return;
	at = find_link(x, k, row->hash[k]);
	if (*at != link_to(id))
		return; /* a newer one is in its place */
	if (older != 0) {
		row_of(x, older)->next[k] = row->next[k];
		*at = link_to(older);
	} else {
		*at = row->next[k];
	}
}

/* Room for so many rows; the tables, where there are none yet. */
static bool grow(struct hot_index *x, uint64_t count)
{
	uint64_t capacity = x->capacity == 0 ? FIRST_ROWS : x->capacity;
	struct row *rows;

	while (capacity < count)
		capacity *= 2;
	rows = malloc(capacity * sizeof(*rows));
	for (enum hot_key k = HOT_GROUP; k < HOT_KEYS; k++) {
		if (x->heads[k] == NULL)
			x->heads[k] = calloc(HEADS, sizeof(uint32_t));
		if (x->heads[k] == NULL) {
			free(rows);
			return false;
		}
	}
	if (rows == NULL)
		return false;
	for (uint64_t id = x->first; id < x->next; id++)
		rows[id & (capacity - 1)] = *row_of(x, id);
	free(x->rows);
	x->rows = rows;
	x->capacity = capacity;
	return true;
}

/* Keys. */

static uint32_t fold(uint64_t hash)
{
	uint32_t folded = (uint32_t)(hash ^ hash >> 32);

	return folded == 0 ? 1 : folded;
}

static uint32_t hash_seq(uint64_t group_id, uint64_t seq)
{
	return fold(table_hash_pair(group_id, seq));
}

static uint32_t hash_group(uint64_t group_id)
{
	return fold(table_hash_u64(group_id));
}

uint32_t hot_hash_key(const struct hot_index *x, uint64_t group_id,
		      struct str user, struct str key)
{
	uint64_t hash = table_hash_keyed(x->seed ^ group_id, user);

	return fold(key.len == 0 ? hash : table_hash_keyed(hash, key));
}

uint64_t hot_next(struct hot_index *x)
{
	uint64_t next;

	pthread_mutex_lock(&x->lock);
	next = x->next;
	pthread_mutex_unlock(&x->lock);
	return next;
}

bool hot_add(struct hot_index *x, const struct hot_entry *e)
{
	bool ok = true;
	struct row *row;

	pthread_mutex_lock(&x->lock);
	if (x->next - x->first == x->capacity)
		ok = grow(x, x->capacity + 1);
	if (ok) {
		row = row_of(x, x->next);
		*row = (struct row){ .group_id = (uint32_t)e->group_id,
				     .seq = (uint32_t)e->seq,
				     .bytes = (uint32_t)e->bytes };
		if (e->group_id != 0) {
			row->hash[HOT_GROUP] = hash_group(e->group_id);
			row->hash[HOT_SEQ] = hash_seq(e->group_id, e->seq);
			row->hash[HOT_USER] = hot_hash_key(
				x, e->group_id, e->user, str_make(NULL, 0));
		}
		if (e->client_id.len > 0)
			row->hash[HOT_ITEM] = hot_hash_key(
				x, e->group_id, e->user, e->client_id);
		if (e->batch_id.len > 0)
			row->hash[HOT_BATCH] = hot_hash_key(
				x, e->group_id, e->user, e->batch_id);
		x->bytes += e->bytes;
		x->next++;
		for (enum hot_key k = HOT_GROUP; k < HOT_KEYS && !x->loading;
		     k++)
			link_key(x, k, x->next - 1);
	}
	pthread_mutex_unlock(&x->lock);
	return ok;
}

bool hot_load_begin(struct hot_index *x, uint64_t rows)
{
	uint64_t count;
	bool ok;

	pthread_mutex_lock(&x->lock);
	count = x->next - x->first + rows;
	ok = rows == 0 || count <= x->capacity || grow(x, count);
	x->loading = ok;
	x->linked = x->next;
	pthread_mutex_unlock(&x->lock);
	return ok;
}

/* Kind by kind: so one table stays in the processor's cache, and not five. */
static void link_all(struct hot_index *x, enum hot_key k)
{
	for (uint64_t id = x->linked; id < x->next; id++) {
		if (id + AHEAD < x->next) {
			uint32_t hash = row_of(x, id + AHEAD)->hash[k];

			__builtin_prefetch(&x->heads[k][hash % HEADS], 1);
		}
		link_key(x, k, id);
	}
}

void hot_load_end(struct hot_index *x)
{
	pthread_mutex_lock(&x->lock);
	for (enum hot_key k = HOT_GROUP; k < HOT_KEYS; k++)
		link_all(x, k);
	x->loading = false;
	pthread_mutex_unlock(&x->lock);
}

void hot_add_batch(struct hot_index *x, uint64_t group_id, struct str user,
		   struct str batch_id)
{
	pthread_mutex_lock(&x->lock);
	row_of(x, x->next - 1)->hash[HOT_BATCH] =
		hot_hash_key(x, group_id, user, batch_id);
	link_key(x, HOT_BATCH, x->next - 1);
	pthread_mutex_unlock(&x->lock);
}

void hot_undo(struct hot_index *x, uint64_t next)
{
	pthread_mutex_lock(&x->lock);
	while (x->next > next) {
		for (enum hot_key k = HOT_GROUP; k < HOT_KEYS; k++)
			unlink_key(x, k, x->next - 1);
		x->bytes -= row_of(x, x->next - 1)->bytes;
		x->next--;
	}
	pthread_mutex_unlock(&x->lock);
}

/* With the lock. */
static void prune(struct hot_index *x)
{
	uint64_t low = x->deleted;

	for (struct list *l = x->views.next; l != &x->views; l = l->next) {
		const struct hot_view *v =
			container_of(l, struct hot_view, link);

		if (v->low < low)
			low = v->low;
	}
	for (; x->first <= low && x->first < x->next; x->first++) {
		for (enum hot_key k = HOT_GROUP; k < HOT_KEYS; k++)
			unlink_key(x, k, x->first);
	}
	if (x->first == x->next && x->capacity > FIRST_ROWS)
		free_rows(x);
}

void hot_forget(struct hot_index *x, uint64_t id)
{
	pthread_mutex_lock(&x->lock);
	for (; x->deleted < id && x->deleted + 1 < x->next; x->deleted++)
		x->bytes -= row_of(x, x->deleted + 1)->bytes;
	prune(x);
	pthread_mutex_unlock(&x->lock);
}

void hot_view_begin(struct hot_index *x, struct hot_view *v)
{
	pthread_mutex_lock(&x->lock);
	v->low = x->deleted;
	list_push(&x->views, &v->link);
	pthread_mutex_unlock(&x->lock);
}

/* What only this view has held goes with what is deleted next. */
void hot_view_end(struct hot_index *x, struct hot_view *v)
{
	pthread_mutex_lock(&x->lock);
	list_remove(&v->link);
	pthread_mutex_unlock(&x->lock);
}

void hot_size(struct hot_index *x, struct hot_size *out)
{
	pthread_mutex_lock(&x->lock);
	*out = (struct hot_size){ x->deleted, x->next, x->bytes };
	pthread_mutex_unlock(&x->lock);
}

/* Finding. With the lock: the newest row of the hash up to limit. */
static uint64_t newest(const struct hot_index *x, enum hot_key k, uint32_t hash,
		       uint64_t limit)
{
	uint32_t link = x->capacity == 0 ? 0 : *find_link(x, k, hash);
	uint64_t id = link == 0 ? 0 : id_of(x, link);

	while (id > limit)
		id = before(x, k, id);
	return id;
}

uint64_t hot_find_seq(struct hot_index *x, uint64_t group_id, uint64_t seq,
		      uint64_t limit)
{
	uint64_t id;

	pthread_mutex_lock(&x->lock);
	id = newest(x, HOT_SEQ, hash_seq(group_id, seq), limit);
	while (id != 0 && (row_of(x, id)->group_id != group_id ||
			   row_of(x, id)->seq != seq))
		id = before(x, HOT_SEQ, id);
	pthread_mutex_unlock(&x->lock);
	return id;
}

uint64_t hot_find_last(struct hot_index *x, uint64_t group_id, uint64_t limit)
{
	uint64_t id;

	pthread_mutex_lock(&x->lock);
	id = newest(x, HOT_GROUP, hash_group(group_id), limit);
	while (id != 0 && row_of(x, id)->group_id != group_id)
		id = before(x, HOT_GROUP, id);
	pthread_mutex_unlock(&x->lock);
	return id;
}

uint64_t hot_find_key(struct hot_index *x, enum hot_key kind, uint64_t group_id,
		      uint32_t hash, uint64_t limit_before, uint64_t limit)
{
	uint64_t id;

	if (limit_before != 0 && limit_before <= limit)
		limit = limit_before - 1;
	pthread_mutex_lock(&x->lock);
	id = newest(x, kind, hash, limit);
	while (id != 0 && row_of(x, id)->group_id != group_id)
		id = before(x, kind, id);
	pthread_mutex_unlock(&x->lock);
	return id;
}

uint64_t hot_seq(struct hot_index *x, uint64_t id)
{
	uint64_t seq;

	pthread_mutex_lock(&x->lock);
	seq = row_of(x, id)->seq;
	pthread_mutex_unlock(&x->lock);
	return seq;
}

/* Sorting: by groups, in place, and so that what was in order stays so. */
static void sort_by(struct hot_place *from, struct hot_place *to, size_t count,
		    unsigned shift)
{
	size_t starts[RADIX] = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		starts[from[i].group_id >> shift & (RADIX - 1)]++;
	for (size_t d = 0; d < RADIX; d++) {
		size_t n = starts[d];

		starts[d] = at;
		at += n;
	}
	for (size_t i = 0; i < count; i++)
		to[starts[from[i].group_id >> shift & (RADIX - 1)]++] = from[i];
}

struct hot_place *hot_sort(struct hot_index *x, uint64_t from, uint64_t to)
{
	size_t count = (size_t)(to - from);
	struct hot_place *places = malloc((count + 1) * sizeof(*places));
	struct hot_place *other = malloc((count + 1) * sizeof(*other));

	if (places == NULL || other == NULL) {
		free(places);
		free(other);
		return NULL;
	}
	pthread_mutex_lock(&x->lock);
	for (size_t i = 0; i < count; i++)
		places[i] =
			(struct hot_place){ row_of(x, from + 1 + i)->group_id,
					    (uint32_t)(i + 1) };
	pthread_mutex_unlock(&x->lock);
	for (unsigned shift = 0; shift < 32; shift += RADIX_BITS) {
		struct hot_place *sorted = other;

		sort_by(places, other, count, shift);
		other = places;
		places = sorted;
	}
	free(other);
	return places;
}
