/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <string.h>

#include "lib/text.h"
#include "store/keep.h"

/* Fills all of it from a row of SQ_FLOOR_COLUMNS, but that the log may go on
 * in hot. */
static void read_floor(sqlite3_stmt *st, struct sq_floor *out)
{
	*out = (struct sq_floor){ .group_id = sq_column(st, 0),
				  .seq = sq_column(st, 1),
				  .off = sq_column(st, 2),
				  .jsonl_off = sq_column(st, 3),
				  .sealed = sq_column(st, 4),
				  .tail = { .seq = sq_column(st, 4),
					    .off = sq_column(st, 5),
					    .jsonl_off = sq_column(st, 6),
					    .time_ms = sq_column(st, 7) },
				  .keep = { .age_ms = sq_column(st, 8),
					    .messages = sq_column(st, 9),
					    .bytes = sq_column(st, 10) } };
}

int sq_floor(struct sqlite_store *s, uint64_t group_id, struct sq_floor *out,
	     struct err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return 0;
	st = sq_use(s, SQ_FLOOR);
	sq_bind(st, 1, group_id);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	read_floor(st, out);
	sqlite3_reset(st);
	rc = sq_tail(s, group_id, &out->tail, err);
	return rc < 0 ? rc : 1;
}

void sq_bind_keep(sqlite3_stmt *st, int i, struct str settings)
{
	struct store_keep keep;

	/* Settings are checked before they come here. */
	keep_of_settings(settings, &keep, NULL);
	sq_bind(st, i, keep.age_ms);
	sq_bind(st, i + 1, keep.messages);
	sq_bind(st, i + 2, keep.bytes);
}

/* What is kept begins at *seq or behind it: that is found by one bound. */

static void keep_messages(const struct sq_floor *f, uint64_t count,
			  uint64_t *seq)
{
	if (count > 0 && f->tail.seq >= count && f->tail.seq - count >= *seq)
		*seq = f->tail.seq - count + 1;
}

static int keep_bytes(struct sqlite_store *s, const struct sq_floor *f,
		      uint64_t bytes, uint64_t *seq, struct err *err)
{
	uint64_t from = f->tail.off > bytes ? f->tail.off - bytes : 0;
	uint64_t line;
	uint64_t off;
	int rc;

	if (bytes == 0 || from <= f->off)
		return 0;
	rc = sq_seek(&s->base, f->group_id, LOG_TEXT, from, &line, &off, err);
	if (rc < 0)
		return rc;
	/* A line that is not whole within the bound goes. */
	line += off < from;
	if (line > *seq)
		*seq = line;
	return 0;
}

/* Whether message seq, which is there, is older than limit_ms. */
static int is_older(struct sqlite_store *s, const struct sq_floor *f,
		    uint64_t seq, uint64_t limit_ms, bool *older,
		    struct err *err)
{
	const struct sq_at at = { f->group_id, f->sealed, seq };
	sqlite3_stmt *st;
	int rc = sq_row(s, SQ_TIME_OF, SQ_HOT_TIME_OF, &at, &st, err);

	if (rc <= 0)
		return rc < 0 ? rc : sq_fail(s, SQLITE_CORRUPT, err);
	*older = sq_column(st, 0) < limit_ms;
	sqlite3_reset(st);
	return 0;
}

/* Times do not go back. The first message is looked at first: mostly it is
 * young enough, and nothing else needs to be read. */
static int keep_young(struct sqlite_store *s, const struct sq_floor *f,
		      uint64_t age_ms, uint64_t *seq, struct err *err)
{
	uint64_t now_ms = env_now_ms(s->base.options.env);
	uint64_t low = *seq; /* all before are old */
	uint64_t high = f->tail.seq + 1;
	uint64_t at = low;
	bool older = false;
	int rc;

	if (age_ms == 0 || now_ms <= age_ms)
		return 0;
	while (low < high) {
		rc = is_older(s, f, at, now_ms - age_ms, &older, err);
		if (rc < 0)
			return rc;
		if (older)
			low = at + 1;
		else
			high = at;
		at = low + (high - low) / 2;
	}
	*seq = low;
	return 0;
}

/* The first message that is kept; one behind the last when none is. */
static int find_kept(struct sqlite_store *s, const struct sq_floor *f,
		     const struct store_keep *all, uint64_t *seq,
		     struct err *err)
{
	struct store_keep keep = keep_both(all, &f->keep);
	int rc;

	*seq = f->seq;
	keep_messages(f, keep.messages, seq);
	rc = keep_bytes(s, f, keep.bytes, seq, err);
	return rc < 0 ? rc : keep_young(s, f, keep.age_ms, seq, err);
}

/* Of each who is named in message seq, all mentions up to it but the last. */
static int trim_mentions(struct sqlite_store *s, uint64_t group_id,
			 uint64_t seq, struct str names, struct err *err)
{
	struct str name;
	int rc = 0;

	while (rc == 0 && text_next_word(&names, &name)) {
		sqlite3_stmt *st = sq_use(s, SQ_TRIM_MENTIONS);

		sq_bind_text(st, 1, name);
		sq_bind(st, 2, group_id);
		sq_bind(st, 3, seq);
		rc = sq_run(s, st, err);
	}
	return rc;
}

/* Walks from the floor to `kept`, as far as this step goes, and moves *f. */
static int walk(struct sqlite_store *s, struct store_trim *op, uint64_t kept,
		struct sq_floor *f, struct err *err)
{
	struct sq_walk w = { .s = s,
			     .cold = SQ_TRIM_ROWS,
			     .hot = SQ_HOT_TRIM_ROWS,
			     .group_id = f->group_id,
			     .sealed = f->sealed,
			     .seq = f->seq,
			     .to = kept - 1 };
	uint64_t from = f->off;
	int rc = 0;

	while (op->trimmed < op->limit && (rc = sq_walk_next(&w, err)) > 0) {
		uint64_t end = sq_column(w.st, 1);

		if (op->trimmed > 0 && end - from > STORE_TRIM_BYTES)
			break;
		rc = trim_mentions(s, f->group_id, f->seq,
				   sq_column_str(w.st, 3), err);
		if (rc < 0)
			break;
		f->seq++;
		f->off = end;
		f->jsonl_off = sq_column(w.st, 2);
		op->trimmed++;
	}
	sq_walk_end(&w);
	return rc < 0 ? rc : 0;
}

/* The files of the messages that are gone. A message brings one at most. */
static int trim_media(struct sqlite_store *s, const struct sq_floor *f,
		      struct err *err)
{
	int rc;

	for (;;) {
		sqlite3_stmt *st = sq_use(s, SQ_FILE_BELOW);
		uint8_t hash[STORE_HASH] = { 0 };
		struct str found;
		uint64_t media_id;

		sq_bind(st, 1, f->group_id);
		sq_bind(st, 2, f->seq);
		rc = sq_step(s, st, err);
		if (rc <= 0)
			return rc;
		media_id = sq_column(st, 0);
		found = sq_column_str(st, 1);
		if (found.len == sizeof(hash))
			memcpy(hash, found.data, sizeof(hash));
		sqlite3_reset(st);
		st = sq_use(s, SQ_DELETE_FILE);
		sq_bind(st, 1, media_id);
		rc = sq_run(s, st, err);
		if (rc < 0)
			return rc;
		st = sq_use(s, SQ_GARBAGE_IF_UNUSED);
		sq_bind_hash(st, 1, hash);
		rc = sq_run(s, st, err);
		if (rc < 0)
			return rc;
	}
}

/* Takes the messages between two floors away, and what belongs to them. */
static int move_floor(struct sqlite_store *s, uint64_t from_seq,
		      const struct sq_floor *f, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_DELETE_MESSAGES);
	int rc;

	sq_bind(st, 1, sq_id(f->group_id, from_seq));
	sq_bind(st, 2, sq_id(f->group_id, f->seq - 1));
	rc = sq_run(s, st, err);
	if (rc == 0)
		rc = trim_media(s, f, err);
	if (rc < 0)
		return rc;
	st = sq_use(s, SQ_TRIM_EVERYONE);
	sq_bind(st, 1, f->group_id);
	sq_bind(st, 2, f->seq);
	rc = sq_run(s, st, err);
	if (rc < 0)
		return rc;
	/* What lies in hot is dropped when it would be sealed. */
	st = sq_change(s, SQ_SET_FLOOR, f->group_id);
	sq_bind(st, 1, f->group_id);
	sq_bind(st, 2, f->seq);
	sq_bind(st, 3, f->off);
	sq_bind(st, 4, f->jsonl_off);
	return sq_run(s, st, err);
}

int sq_trim(struct store *base, struct store_trim *op, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct sq_floor f;
	uint64_t from_seq;
	uint64_t kept = 0;
	int rc = sq_floor(s, op->group_id, &f, err);

	if (rc == 0)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc > 0)
		rc = find_kept(s, &f, &op->keep, &kept, err);
	if (rc < 0)
		return rc;
	from_seq = f.seq;
	if (kept > f.seq)
		rc = walk(s, op, kept, &f, err);
	if (rc == 0 && f.seq > from_seq)
		rc = move_floor(s, from_seq, &f, err);
	if (rc < 0)
		return rc;
	op->first_seq = f.seq;
	op->first_off = f.off;
	op->first_jsonl_off = f.jsonl_off;
	op->left = kept - f.seq;
	return 0;
}

/* 1: the walk ends. */
static int look(struct sqlite_store *s, sqlite3_stmt *st,
		const struct store_keep *keep, uint64_t *after_id,
		store_overdue_fn fn, void *data, struct err *err)
{
	struct sq_floor f;
	uint64_t kept = 0;
	int rc;

	read_floor(st, &f);
	*after_id = f.group_id;
	rc = sq_tail(s, f.group_id, &f.tail, err);
	if (rc == 0)
		rc = find_kept(s, &f, keep, &kept, err);
	return rc == 0 && kept > f.seq ? fn(data, f.group_id) : rc;
}

int sq_list_overdue(struct store *base, const struct store_keep *keep,
		    size_t count, uint64_t *after_id, store_overdue_fn fn,
		    void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	size_t looked = 0;
	sqlite3_stmt *st;
	int rc;

	if (*after_id >= SQ_GROUP_MAX)
		return 0;
	rc = sq_view_enter(s, err);
	if (rc < 0)
		return rc;
	st = sq_use(s, keep_has_bound(keep) ? SQ_FLOORS : SQ_FLOORS_KEPT);
	sq_bind(st, 1, *after_id);
	sq_bind(st, 2, count);
	while ((rc = sq_step(s, st, err)) > 0) {
		looked++;
		rc = look(s, st, keep, after_id, fn, data, err);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	sq_view_leave(s);
	return rc != 0 ? (rc < 0 ? rc : 1) : looked == count;
}
