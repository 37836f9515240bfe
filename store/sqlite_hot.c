/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <stdlib.h>

#include "lib/text.h"

enum { GAP_MAX = 1 << 20 /* rows that a damaged table may lack */ };

const char sq_hot_deleted[] = "hot_deleted";

/* Building the index. */

/* Rows that follow each other do so without a gap, unless somebody has taken
 * some: those are rows that nothing is found by, and `verify` tells. */
static int add_row(struct sqlite_store *s, struct hot_index *x,
		   sqlite3_stmt *st, struct err *err)
{
	const struct hot_entry none = { .group_id = 0 };
	const struct hot_entry e = { .group_id = sq_column(st, 1),
				     .seq = sq_column(st, 2),
				     .bytes = sq_column(st, 3),
				     .user = sq_column_str(st, 4),
				     .client_id = sq_column_str(st, 5),
				     .batch_id = sq_column_str(st, 6) };
	uint64_t id = sq_column(st, 0);
	uint64_t next = hot_next(x);

	if (id < next || id - next > GAP_MAX)
		return sq_fail(s, SQLITE_CORRUPT, err);
	for (; next < id; next++) {
		if (!hot_add(x, &none))
			return sq_no_memory(s, err);
	}
	return hot_add(x, &e) ? 0 : sq_no_memory(s, err);
}

static int read_rows(struct sqlite_store *s, struct hot_index *x, uint64_t last,
		     struct err *err)
{
	uint64_t from = hot_next(x) - 1;
	sqlite3_stmt *st = sq_use(s, SQ_HOT_ALL);
	int rc;

	if (last > from + 2 * HOT_ROWS)
		last = from + 2 * HOT_ROWS;
	if (!hot_load_begin(x, last > from ? last - from : 0))
		return sq_no_memory(s, err);
	sq_bind(st, 1, from);
	while ((rc = sq_step(s, st, err)) > 0) {
		rc = add_row(s, x, st, err);
		if (rc < 0)
			break;
	}
	sqlite3_reset(st);
	hot_load_end(x);
	return rc;
}

static int read_limit(struct sqlite_store *s, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_HOT_LIMIT);
	int rc = sq_step(s, st, err);

	s->hot_limit = rc > 0 ? sq_column(st, 0) : 0;
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

static int new_index(struct sqlite_store *s, struct err *err)
{
	uint64_t deleted;
	int rc = sq_get_meta(s, sq_hot_deleted, &deleted, err);

	if (rc < 0)
		return rc;
	s->hot = hot_index_new(s->base.options.env, deleted);
	if (s->hot == NULL)
		return sq_no_memory(s, err);
	if (s->cold)
		sq_read_ahead(s);
	rc = read_limit(s, err);
	return rc < 0 ? rc : read_rows(s, s->hot, s->hot_limit, err);
}

int sq_hot_open(struct sqlite_store *s, struct err *err)
{
	int rc = new_index(s, err);

	if (rc < 0)
		return rc;
	s->hot_limit = UINT64_MAX;
	hot_index_publish(s->hot, s->dev, s->ino);
	return 0;
}

void sq_hot_close(struct sqlite_store *s)
{
	if (s->hot != NULL && !s->base.options.read_only)
		hot_index_retire(s->hot);
	hot_index_drop(s->hot);
	s->hot = NULL;
	free(s->seal.places);
	s->seal.places = NULL;
}

/* Views. The writer has none: it sees what it has written, and nobody else
 * deletes. */

static void change_index(struct sqlite_store *s, struct hot_index *x)
{
	if (s->hot != NULL) {
		hot_view_end(s->hot, &s->hot_view);
		hot_index_drop(s->hot);
	}
	s->hot = x;
	if (x != NULL)
		hot_view_begin(x, &s->hot_view);
}

/* One of our own, of this view and the next ones, as long as there is no
 * writer in the process whose index it could be. */
static int keep_own(struct sqlite_store *s, struct err *err)
{
	uint64_t deleted;
	int rc = sq_get_meta(s, sq_hot_deleted, &deleted, err);

	if (rc == 0 && s->hot != NULL && !s->hot_shared &&
	    deleted < hot_next(s->hot)) {
		hot_forget(s->hot, deleted);
	} else if (rc == 0) {
		change_index(s, hot_index_new(s->base.options.env, deleted));
		s->hot_shared = false;
		if (s->hot == NULL)
			rc = sq_no_memory(s, err);
	}
	return rc < 0 ? rc : read_rows(s, s->hot, s->hot_limit, err);
}

int sq_hot_enter(struct sqlite_store *s, struct err *err)
{
	struct hot_index *x;
	int rc;

	if (!s->base.options.read_only)
		return 0;
	/* Before the snapshot: what is deleted in that is not needed. */
	if (s->hot != NULL)
		hot_view_begin(s->hot, &s->hot_view);
	if (!s->hot_shared || !hot_index_is_live(s->hot)) {
		x = hot_index_find(s->dev, s->ino);
		if (x != NULL || s->hot_shared)
			change_index(s, x);
		s->hot_shared = x != NULL;
	}
	rc = read_limit(s, err);
	/* A shared one lacks rows only where the writer has failed. */
	if (rc == 0 && (!s->hot_shared || s->hot_limit >= hot_next(s->hot)))
		rc = keep_own(s, err);
	if (rc < 0)
		sq_hot_leave(s);
	return rc;
}

void sq_hot_leave(struct sqlite_store *s)
{
	if (s->hot != NULL && s->base.options.read_only)
		hot_view_end(s->hot, &s->hot_view);
}

/* Writing. */

static void bind_batch(sqlite3_stmt *st, int i, const struct sq_hot_row *row)
{
	if (row->batch == NULL) {
		for (int k = 0; k < 4; k++)
			sqlite3_bind_null(st, i + k);
		return;
	}
	sq_bind_bytes(st, i, row->batch_id);
	sq_bind(st, i + 1, row->batch->first_seq);
	sq_bind(st, i + 2, row->batch->off);
	sq_bind(st, i + 3, row->batch->warnings);
}

static int insert_row(struct sqlite_store *s, const struct sq_hot_row *row,
		      struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_HOT_INSERT);
	const struct wire_message *m = row->m;

	sq_bind(st, 1, hot_next(s->hot));
	sq_bind(st, 2, row->group_id);
	sq_bind(st, 3, m->seq);
	sq_bind(st, 4, m->off);
	sq_bind(st, 5, m->len);
	sq_bind(st, 6, m->jsonl_off);
	sq_bind(st, 7, m->jsonl_len);
	sq_bind(st, 8, TEXT_RENDER_VERSION);
	sq_bind(st, 9, m->time_ms);
	sq_bind(st, 10, m->type);
	sq_bind(st, 11, m->reply_to);
	sq_bind_text(st, 12, m->sender);
	sq_bind_bytes(st, 13, m->client_id);
	bind_batch(st, 14, row);
	sq_bind(st, 18, row->warnings);
	sq_bind_text(st, 19, m->media_url);
	sq_bind_text(st, 20, m->mentions);
	sq_bind_blob(st, 21, m->content);
	return sq_run(s, st, err);
}

int sq_hot_insert(struct sqlite_store *s, const struct sq_hot_row *row,
		  struct err *err)
{
	const struct hot_entry e = { .group_id = row->group_id,
				     .seq = row->m->seq,
				     .bytes = row->m->len,
				     .user = row->m->sender,
				     .client_id = row->m->client_id,
				     .batch_id = row->batch_id };
	int rc = insert_row(s, row, err);

	if (rc == 0 && !hot_add(s->hot, &e))
		rc = sq_no_memory(s, err);
	return rc;
}

int sq_hot_set_batch(struct sqlite_store *s, const struct sq_hot_row *row,
		     struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_HOT_SET_BATCH);
	int rc;

	sq_bind(st, 1, hot_next(s->hot) - 1);
	bind_batch(st, 2, row);
	rc = sq_run(s, st, err);
	if (rc == 0)
		hot_add_batch(s->hot, row->group_id, row->m->sender,
			      row->batch_id);
	return rc;
}

/* Reading. */

int sq_tail(struct sqlite_store *s, uint64_t group_id, struct sq_tail *tail,
	    struct err *err)
{
	uint64_t id = hot_find_last(s->hot, group_id, s->hot_limit);
	sqlite3_stmt *st;
	int rc;

	if (id == 0)
		return 0;
	st = sq_use(s, SQ_HOT_TAIL);
	sq_bind(st, 1, id);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc; /* sealed, and deleted, in this view */
	/* It may be sealed: then the group's row says the same, or more. */
	if (sq_column(st, 0) > tail->seq) {
		tail->seq = sq_column(st, 0);
		tail->off = sq_column(st, 1);
		tail->jsonl_off = sq_column(st, 2);
		tail->time_ms = sq_column(st, 3);
	}
	sqlite3_reset(st);
	return 0;
}

/* The row of hot that the walk is at next. */
static int next_hot(struct sq_walk *w, struct err *err)
{
	uint64_t id = 0;
	int rc;

	if (w->seq <= w->to)
		id = hot_find_seq(w->s->hot, w->group_id, w->seq,
				  w->s->hot_limit);
	if (id == 0)
		return 0;
	/* One that lies behind it needs no descent. */
	if (w->st == NULL || id != w->id + 1) {
		if (w->st != NULL)
			sqlite3_reset(w->st);
		w->st = sq_use(w->s, w->hot);
		sq_bind(w->st, 1, id);
	}
	w->id = id;
	w->seq++;
	rc = sq_step(w->s, w->st, err);
	if (rc == 0)
		rc = sq_fail(w->s, SQLITE_CORRUPT, err);
	if (rc < 0)
		w->st = NULL;
	return rc;
}

int sq_walk_next(struct sq_walk *w, struct err *err)
{
	uint64_t end = w->to < w->sealed ? w->to : w->sealed;
	int rc;

	if (w->id == 0 && w->st == NULL && w->seq <= end) {
		w->st = sq_use(w->s, w->cold);
		sq_bind(w->st, 1, sq_id(w->group_id, w->seq));
		sq_bind(w->st, 2, sq_id(w->group_id, end));
	}
	if (w->id == 0 && w->st != NULL) {
		rc = sq_step(w->s, w->st, err);
		if (rc > 0)
			return rc;
		w->st = NULL;
		if (rc < 0)
			return rc;
		w->seq = end + 1;
	}
	return next_hot(w, err);
}

void sq_walk_end(struct sq_walk *w)
{
	/* An open statement would pin the write-ahead log. */
	if (w->st != NULL)
		sqlite3_reset(w->st);
	w->st = NULL;
}

int sq_row(struct sqlite_store *s, enum sq_statement cold,
	   enum sq_statement hot, const struct sq_at *at, sqlite3_stmt **st,
	   struct err *err)
{
	bool is_sealed = at->seq <= at->sealed;
	uint64_t id = 0;

	if (is_sealed && at->seq <= SQ_SEQ_MAX)
		id = sq_id(at->group_id, at->seq);
	else if (!is_sealed)
		id = hot_find_seq(s->hot, at->group_id, at->seq, s->hot_limit);
	if (id == 0)
		return 0;
	*st = sq_use(s, is_sealed ? cold : hot);
	sq_bind(*st, 1, id);
	return sq_step(s, *st, err);
}

/* 1: he has sent it, and it is his newest in the group. */
static int is_his(struct sqlite_store *s, uint64_t id, struct str user,
		  uint64_t *seq, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_HOT_SENDER);
	int rc;

	sq_bind(st, 1, id);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	*seq = sq_column(st, 0);
	rc = str_eq(sq_column_str(st, 1), user);
	sqlite3_reset(st);
	return rc;
}

int sq_pointer(struct sqlite_store *s, uint64_t group_id, struct str user,
	       uint64_t joined_seq, uint64_t *seq, struct err *err)
{
	uint32_t hash = hot_hash_key(s->hot, group_id, user, str_make(NULL, 0));
	uint64_t sent = 0;
	uint64_t id = 0;
	int rc = 0;

	do {
		id = hot_find_key(s->hot, HOT_USER, group_id, hash, id,
				  s->hot_limit);
		if (id != 0)
			rc = is_his(s, id, user, &sent, err);
	} while (rc == 0 && id != 0);
	if (rc > 0 && sent > joined_seq && sent > *seq)
		*seq = sent;
	return rc < 0 ? rc : 0;
}
