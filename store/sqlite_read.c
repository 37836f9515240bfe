/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/input.h"

/* 0 goes on, 1 ends: what a walk returns in the end. */
static int end_walk(sqlite3_stmt *st, int rc)
{
	/* An open statement would pin the write-ahead log. */
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

/* The offset of its line, or *off unchanged when there is none. */
static int line_offset(struct sqlite_store *s, const struct sq_at *at,
		       uint64_t *off, struct err *err)
{
	sqlite3_stmt *st;
	int rc = sq_row(s, SQ_LINE, SQ_HOT_LINE, at, &st, err);

	if (rc > 0) {
		*off = sq_column(st, 1);
		sqlite3_reset(st);
	}
	return rc < 0 ? rc : 0;
}

/*
 * A fixed number of descents, whatever there is unread: by the numbers of the
 * last mention and of the last one read. What he says to everyone himself is
 * read when it is said; only who left and came back finds such a message
 * unread, among the STORE_HISTORY last when he came, and those are looked at.
 */
static int count_mentions(struct sqlite_store *s, struct str user,
			  struct wire_group *g, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_COUNT_MENTIONS);
	int rc;

	sq_bind_text(st, 1, user);
	sq_bind(st, 2, g->group_id);
	sq_bind(st, 3, g->last_read_seq);
	rc = sq_step(s, st, err);
	if (rc > 0) {
		g->mentions = sq_column(st, 0);
		sqlite3_reset(st);
	}
	return rc < 0 ? rc : 0;
}

/* Fills g from a row of SQ_GROUP_COLUMNS and what belongs to it; its strs
 * stay the row's. */
static int read_group(struct sqlite_store *s, sqlite3_stmt *st, struct str user,
		      struct wire_group *g, struct err *err)
{
	struct sq_tail tail;
	uint64_t sealed = sq_column(st, 5);
	int rc;

	*g = (struct wire_group){ .group_id = sq_column(st, 0),
				  .name = sq_column_str(st, 1),
				  .epoch = sq_column(st, 2),
				  .first_seq = sq_column(st, 3),
				  .first_off = sq_column(st, 4),
				  .first_jsonl_off = sq_column(st, 13),
				  .member_count = sq_column(st, 8),
				  .created_ms = sq_column(st, 9),
				  .created_by = sq_column_str(st, 10),
				  .info_ms = sq_column(st, 15),
				  .members_ms = sq_column(st, 16),
				  .role = ROLE_NONE };
	tail = (struct sq_tail){ .seq = sealed,
				 .off = sq_column(st, 6),
				 .jsonl_off = sq_column(st, 14),
				 .time_ms = sq_column(st, 7) };
	rc = sq_tail(s, g->group_id, &tail, err);
	if (rc < 0)
		return rc;
	g->last_seq = tail.seq;
	g->size = tail.off;
	g->jsonl_size = tail.jsonl_off;
	g->mtime_ms = tail.time_ms;
	g->read_off = g->first_off;
	if (sqlite3_column_type(st, 11) == SQLITE_NULL)
		return 0;
	g->role = sq_column(st, 11);
	g->last_read_seq = sq_column(st, 12);
	rc = sq_pointer(s, g->group_id, user, sq_column(st, 17),
			&g->last_read_seq, err);
	if (rc < 0)
		return rc;
	if (g->last_read_seq + 1 < g->first_seq)
		g->last_read_seq = g->first_seq - 1;
	if (g->last_read_seq >= g->last_seq)
		g->read_off = g->size;
	else
		rc = line_offset(s,
				 &(struct sq_at){ g->group_id, sealed,
						  g->last_read_seq + 1 },
				 &g->read_off, err);
	/* All unread mentions are of unread messages. */
	if (rc == 0 && g->last_read_seq < g->last_seq)
		rc = count_mentions(s, user, g, err);
	return rc;
}

static int id_of_name(struct sqlite_store *s, struct str name, uint64_t *id,
		      struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_GROUP_BY_NAME);
	int rc;

	sq_bind_text(st, 1, name);
	rc = sq_step(s, st, err);
	*id = 0;
	if (rc > 0) {
		*id = sq_column(st, 0);
		sqlite3_reset(st);
	}
	return rc < 0 ? rc : 0;
}

static int find_group(struct sqlite_store *s, uint64_t group_id,
		      struct str user, struct wire_group *out, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_GROUP);
	int rc;

	sq_bind(st, 1, group_id);
	sq_bind_text(st, 2, user);
	rc = sq_step(s, st, err);
	if (rc > 0)
		rc = read_group(s, st, user, out, err);
	else if (rc == 0)
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc == 0 && user.len > 0 && out->role == ROLE_NONE)
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc == 0) {
		bool fits = str_to_cstr(out->name, s->group_name,
					sizeof(s->group_name)) &&
			    str_to_cstr(out->created_by, s->group_creator,
					sizeof(s->group_creator));

		assert(fits);
		out->name = str_of(s->group_name);
		out->created_by = str_of(s->group_creator);
	}
	return end_walk(st, rc);
}

int sq_find_group(struct store *base, uint64_t group_id, struct str name,
		  struct str user, struct wire_group *out, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	rc = sq_view_enter(s, err);
	if (rc < 0)
		return rc;
	if (group_id == 0)
		rc = id_of_name(s, name, &group_id, err);
	if (rc == 0)
		rc = find_group(s, group_id, user, out, err);
	sq_view_leave(s);
	if (rc < 0)
		*out = (struct wire_group){ 0 };
	return rc;
}

int sq_list_groups(struct store *base, struct str user, struct str after,
		   store_group_fn fn, void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct wire_group g;
	sqlite3_stmt *st;
	int rc = sq_view_enter(s, err);

	if (rc < 0)
		return rc;
	st = sq_use(s, SQ_GROUPS_OF);
	sq_bind_text(st, 1, user);
	sq_bind_after(st, 2, after);
	while ((rc = sq_step(s, st, err)) > 0) {
		rc = read_group(s, st, user, &g, err);
		if (rc == 0)
			rc = fn(data, &g);
		if (rc != 0)
			break;
	}
	rc = end_walk(st, rc);
	sq_view_leave(s);
	return rc;
}

void sq_read_message(sqlite3_stmt *st, struct wire_message *m)
{
	m->seq = sq_seq(sq_column(st, 0));
	m->off = sq_column(st, 1);
	m->len = sq_column(st, 2);
	m->jsonl_off = sq_column(st, 3);
	m->jsonl_len = sq_column(st, 4);
	m->time_ms = sq_column(st, 5);
	m->type = sq_column(st, 6);
	m->reply_to = sq_column(st, 7);
	m->sender = sq_column_str(st, 8);
	m->media_url = sq_column_str(st, 9);
	m->mentions = sq_column_str(st, 10);
	m->client_id = sq_column_str(st, 11);
	m->content = sq_column_str(st, 12);
}

static int scan(struct sqlite_store *s, enum sq_statement sealed,
		uint64_t group_id, uint64_t after_seq, struct sq_scan *to,
		struct err *err)
{
	struct sq_walk w = { .s = s,
			     .cold = SQ_SCAN,
			     .hot = SQ_HOT_SCAN,
			     .group_id = group_id,
			     .to = SQ_SEQ_MAX };
	struct wire_message m;
	struct sq_floor floor;
	int rc = sq_floor(s, group_id, &floor, err);

	if (rc <= 0)
		return rc;
	w.sealed = floor.sealed;
	w.seq = after_seq + 1 < floor.seq ? floor.seq : after_seq + 1;
	if (w.seq <= w.sealed) {
		rc = sq_scan_sealed(s, sealed, group_id, w.seq, w.sealed, to,
				    err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		w.seq = w.sealed + 1;
	}
	while ((rc = sq_walk_next(&w, err)) > 0) {
		sq_read_message(w.st, &m);
		rc = to->fn(to->data, &m);
		if (rc != 0)
			break;
	}
	sq_walk_end(&w);
	return rc < 0 ? rc : 0;
}

static int scan_in_view(struct store *base, enum sq_statement sealed,
			uint64_t group_id, uint64_t after_seq,
			store_message_fn fn, void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct sq_scan to = { .fn = fn, .data = data };
	int rc;

	if (group_id > SQ_GROUP_MAX || after_seq >= SQ_SEQ_MAX)
		return 0;
	rc = sq_view_enter(s, err);
	if (rc < 0)
		return rc;
	rc = scan(s, sealed, group_id, after_seq, &to, err);
	sq_view_leave(s);
	return rc;
}

int sq_scan(struct store *base, uint64_t group_id, uint64_t after_seq,
	    store_message_fn fn, void *data, struct err *err)
{
	return scan_in_view(base, SQ_TAKE, group_id, after_seq, fn, data, err);
}

int sq_scan_text(struct store *base, uint64_t group_id, uint64_t after_seq,
		 store_message_fn fn, void *data, struct err *err)
{
	return scan_in_view(base, SQ_TAKE_TEXT, group_id, after_seq, fn, data,
			    err);
}

/* Where a search stands: byte off lies in a line of [low, high], whose first
 * byte is low_off and whose end is high_off. */
struct search {
	uint64_t group_id;
	uint64_t sealed;
	enum log_format format;
	uint64_t off;
	uint64_t low;
	uint64_t low_off;
	uint64_t high;
	uint64_t high_off;
};

enum { SCAN_LINES = 32 }; /* a range this short is stepped through */

/* The line of a row of SQ_LINE_COLUMNS, in the log that is searched. */
static void read_line(const struct search *q, sqlite3_stmt *st, uint64_t *off,
		      uint64_t *len)
{
	int column = q->format == LOG_JSONL ? 3 : 1;

	*off = sq_column(st, column);
	*len = sq_column(st, column + 1);
}

/* Looks at one line between. 1: it holds the byte, low is it. */
static int probe(struct sqlite_store *s, struct search *q, uint64_t guess,
		 struct err *err)
{
	const struct sq_at at = { q->group_id, q->sealed, guess };
	sqlite3_stmt *st;
	uint64_t off;
	uint64_t len;
	int rc = sq_row(s, SQ_LINE, SQ_HOT_LINE, &at, &st, err);

	if (rc == 0)
		return sq_fail(s, SQLITE_CORRUPT, err); /* a gap */
	if (rc < 0)
		return rc;
	read_line(q, st, &off, &len);
	sqlite3_reset(st);
	if (q->off < off) {
		q->high = guess - 1;
		q->high_off = off;
		return 0;
	}
	q->low = guess;
	q->low_off = off;
	if (q->off < off + len)
		return 1;
	q->low = guess + 1;
	q->low_off = off + len;
	return 0;
}

/* Two guesses by proportion, then one by halves, so that odd logs cost no
 * more than a binary search does three times over. */
static uint64_t guess_seq(const struct search *q, unsigned probes)
{
	uint64_t lines = q->high - q->low;
	double part;
	uint64_t guess;

	if (probes % 3 == 2 || q->high_off <= q->low_off)
		return q->low + lines / 2;
	part = (double)(q->off - q->low_off) /
	       (double)(q->high_off - q->low_off);
	guess = q->low + (uint64_t)(part * (double)lines);
	return guess > q->high ? q->high : guess;
}

static int step_to(struct sqlite_store *s, struct search *q, struct err *err)
{
	struct sq_walk w = { .s = s,
			     .cold = SQ_LINES,
			     .hot = SQ_HOT_LINES,
			     .group_id = q->group_id,
			     .sealed = q->sealed,
			     .seq = q->low,
			     .to = q->high };
	uint64_t off;
	uint64_t len;
	int rc;

	while ((rc = sq_walk_next(&w, err)) > 0) {
		read_line(q, w.st, &off, &len);
		if (q->off < off + len) {
			q->low = sq_seq(sq_column(w.st, 0));
			q->low_off = off;
			break;
		}
	}
	sq_walk_end(&w);
	if (rc == 0)
		rc = sq_fail(s, SQLITE_CORRUPT, err);
	return rc < 0 ? rc : 0;
}

/* The bounds of the search. -ENOENT: the byte is in no line. */
static int begin_search(struct sqlite_store *s, struct search *q,
			struct err *err)
{
	bool jsonl = q->format == LOG_JSONL;
	struct sq_floor floor;
	int rc = sq_floor(s, q->group_id, &floor, err);

	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	q->sealed = floor.sealed;
	q->high = floor.tail.seq;
	q->high_off = jsonl ? floor.tail.jsonl_off : floor.tail.off;
	q->low = floor.seq;
	q->low_off = jsonl ? floor.jsonl_off : floor.off;
	if (q->off >= q->high_off)
		return -ENOENT;
	return q->off < q->low_off ? input_refuse_gone(floor.seq, err) : 0;
}

static int search(struct sqlite_store *s, struct search *q, struct err *err)
{
	int rc = begin_search(s, q, err);

	for (unsigned probes = 0; rc == 0 && q->high - q->low > SCAN_LINES;
	     probes++)
		rc = probe(s, q, guess_seq(q, probes), err);
	if (rc == 0)
		rc = step_to(s, q, err);
	return rc < 0 ? rc : 0;
}

int sq_seek(struct store *base, uint64_t group_id, enum log_format format,
	    uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct search q = { .group_id = group_id,
			    .format = format,
			    .off = off };
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return -ENOENT;
	rc = sq_view_enter(s, err);
	if (rc < 0)
		return rc;
	rc = search(s, &q, err);
	sq_view_leave(s);
	if (rc < 0)
		return rc;
	*seq = q.low;
	*line_off = q.low_off;
	return 0;
}
