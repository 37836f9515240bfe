/* SPDX-License-Identifier: MIT */
/*
 * Sealing, in rounds: all rows that `hot` has when a round begins, by group and
 * then seq, so that what lies together is written once. Then they are deleted.
 * A round goes on over any number of transactions; how far it has come stands
 * in groups.tail_*, in the same transaction as the messages, and so is true
 * after a crash at any point: what is sealed is passed over by the next round.
 */
#include "store/sqlite.h"

#include <stdlib.h>

enum {
	DELETE_TIMES = 4, /* deleting costs that much less than moving */
	PASS_TIMES = 64,  /* and so does passing over */
	COMMIT_ROWS = 2, /* with each commit, and half more than it has added */
	COMMIT_ROWS_MAX = 4096,
	COMMIT_BYTES_MAX = 4 * HOT_STEP_BYTES
};

/* What is written once of the messages of a group that a step moves. */
struct run {
	struct sqlite_store *s;
	uint64_t group_id;
	uint64_t first_seq; /* the floor; 0: there is no such group */
	struct sq_tail tail;
	size_t users;
	struct {
		char name[WIRE_USER_MAX + 1];
		uint64_t seq; /* of his newest */
	} user[HOT_STEP_ROWS];
};

static size_t places_of(const struct sq_seal *seal)
{
	return (size_t)(seal->to - seal->from);
}

/* 0: there is nothing to seal. */
static int begin_round(struct sqlite_store *s, struct err *err)
{
	struct hot_size size;

	hot_size(s->hot, &size);
	if (size.next == size.deleted + 1)
		return 0;
	s->seal = (struct sq_seal){ .from = size.deleted, .to = size.next - 1 };
	s->seal.places = hot_sort(s->hot, s->seal.from, s->seal.to);
	return s->seal.places != NULL ? 1 : sq_no_memory(s, err);
}

static int begin_run(struct run *r, struct err *err)
{
	sqlite3_stmt *st = sq_use(r->s, SQ_FLOOR);
	int rc;

	sq_bind(st, 1, r->group_id);
	rc = sq_step(r->s, st, err);
	if (rc <= 0)
		return rc;
	r->first_seq = sq_column(st, 1);
	r->tail = (struct sq_tail){ .seq = sq_column(st, 4),
				    .off = sq_column(st, 5),
				    .jsonl_off = sq_column(st, 6),
				    .time_ms = sq_column(st, 7) };
	sqlite3_reset(st);
	return 0;
}

static int seal_key(struct run *r, uint64_t id, sqlite3_stmt *st,
		    enum hot_key kind, struct err *err)
{
	int column = kind == HOT_BATCH ? SQ_KNOWN_BATCH : SQ_KNOWN_ITEM;
	const struct sq_key key = { .group_id = r->group_id,
				    .user = sq_column_str(st, SQ_KNOWN_SENDER),

				    .kind = kind,
				    .id = sq_column_str(st, column) };
	struct sq_known known;

	if (key.id.len == 0)
		return 0;
	sq_read_known(st, kind, &known);
	return sq_seal_known(r->s, id, &key, &known, err);
}

static void note_user(struct run *r, struct str name, uint64_t seq)
{
	size_t i = 0;

	while (i < r->users && !str_eq(str_of(r->user[i].name), name))
		i++;
	if (i == r->users) {
		str_to_cstr(name, r->user[i].name, sizeof(r->user[i].name));
		r->users++;
	}
	r->user[i].seq = seq;
}

static int move_message(struct run *r, uint64_t id, struct err *err)
{
	sqlite3_stmt *st = sq_use(r->s, SQ_SEAL_MESSAGE);

	sq_bind(st, 1, id);
	return sq_run(r->s, st, err);
}

/* One row, whose message may be sealed, or trimmed, or of no group any more. */
static int seal_row(struct run *r, uint64_t id, uint64_t *bytes,
		    struct err *err)
{
	sqlite3_stmt *st = sq_use(r->s, SQ_HOT_KNOWN);
	struct sq_tail end;
	int rc;

	sq_bind(st, 1, id);
	rc = sq_step(r->s, st, err);
	if (rc <= 0)
		return rc;
	end = (struct sq_tail){ .seq = sq_seq(sq_column(st, 0)),
				.off = sq_column(st, SQ_KNOWN_END),
				.jsonl_off = sq_column(st, SQ_KNOWN_JSONL_END),
				.time_ms = sq_column(st, SQ_KNOWN_MS) };
	if (r->first_seq != 0 && end.seq > r->tail.seq) {
		*bytes += sq_column(st, SQ_KNOWN_LEN);
		note_user(r, sq_column_str(st, SQ_KNOWN_SENDER), end.seq);
		rc = seal_key(r, id, st, HOT_ITEM, err);
		if (rc == 0)
			rc = seal_key(r, id, st, HOT_BATCH, err);
		if (rc == 0 && end.seq >= r->first_seq)
			rc = move_message(r, id, err);
		r->tail = end;
	} else {
		rc = 0;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_set_sealed(struct sqlite_store *s, uint64_t group_id,
		  const struct sq_tail *tail, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_SEAL_TAIL);

	sq_bind(st, 1, group_id);
	sq_bind(st, 2, tail->seq);
	sq_bind(st, 3, tail->off);
	sq_bind(st, 4, tail->jsonl_off);
	sq_bind(st, 5, tail->time_ms);
	return sq_run(s, st, err);
}

static int end_run(struct run *r, struct err *err)
{
	sqlite3_stmt *st;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->users; i++) {
		st = sq_use(r->s, SQ_SEAL_POINTER);
		sq_bind(st, 1, r->group_id);
		sq_bind_text(st, 2, str_of(r->user[i].name));
		sq_bind(st, 3, r->user[i].seq);
		rc = sq_run(r->s, st, err);
	}
	if (rc < 0 || r->users == 0)
		return rc;
	return sq_set_sealed(r->s, r->group_id, &r->tail, err);
}

/* What an earlier round has sealed, which a crash broke off before it could
 * delete; or what is of no group any more. */
static void pass_over(struct run *r, uint64_t *rows)
{
	struct sq_seal *seal = &r->s->seal;
	uint64_t most = *rows * PASS_TIMES;
	uint64_t n = 0;

	for (; n < most && seal->at < places_of(seal); n++, seal->at++) {
		const struct hot_place *p = &seal->places[seal->at];

		if (p->group_id != r->group_id ||
		    (r->first_seq != 0 &&
		     hot_seq(r->s->hot, seal->from + p->ahead) > r->tail.seq))
			break;
	}
	*rows -= (n + PASS_TIMES - 1) / PASS_TIMES;
}

/* The rows of one group, at most *rows of them, until *moved is `bytes`. */
static int seal_run(struct sqlite_store *s, uint64_t *rows, uint64_t bytes,
		    uint64_t *moved, struct err *err)
{
	struct sq_seal *seal = &s->seal;
	struct run r = { .s = s, .group_id = seal->places[seal->at].group_id };
	size_t n = 0;
	int rc = begin_run(&r, err);

	if (rc == 0)
		pass_over(&r, rows);
	while (rc == 0 && n < *rows && n < HOT_STEP_ROWS && *moved < bytes &&
	       seal->at < places_of(seal) &&
	       seal->places[seal->at].group_id == r.group_id) {
		rc = seal_row(&r, seal->from + seal->places[seal->at].ahead,
			      moved, err);
		seal->at++;
		n++;
	}
	*rows -= n;
	return rc < 0 ? rc : end_run(&r, err);
}

/* 1: there are more. */
static int delete_some(struct sqlite_store *s, uint64_t rows, struct err *err)
{
	struct hot_size size;
	sqlite3_stmt *st;
	uint64_t upto;
	int rc;

	hot_size(s->hot, &size);
	upto = s->hot_forget > size.deleted ? s->hot_forget : size.deleted;
	upto += rows * DELETE_TIMES;
	if (upto > s->seal.to)
		upto = s->seal.to;
	st = sq_use(s, SQ_HOT_FORGET);
	sq_bind(st, 1, upto);
	rc = sq_run(s, st, err);
	if (rc == 0)
		rc = sq_set_meta(s, sq_hot_deleted, upto, err);
	if (rc < 0)
		return rc;
	s->hot_forget = upto;
	return upto < s->seal.to;
}

int sq_seal_step(struct sqlite_store *s, uint64_t rows, uint64_t bytes,
		 struct err *err)
{
	uint64_t moved = 0;
	int rc = s->seal.places == NULL ? begin_round(s, err) : 1;

	if (rc <= 0)
		return rc;
	while (rc >= 0 && rows > 0 && moved < bytes &&
	       s->seal.at < places_of(&s->seal))
		rc = seal_run(s, &rows, bytes, &moved, err);
	if (rc < 0 || rows == 0 || s->seal.at < places_of(&s->seal))
		return rc < 0 ? rc : 1;
	return delete_some(s, rows, err);
}

int sq_seal_all(struct sqlite_store *s, struct err *err)
{
	int rc;

	do
		rc = sq_seal_step(s, HOT_STEP_ROWS, HOT_STEP_BYTES, err);
	while (rc > 0);
	return rc;
}

/* As many as one run has: 1: there may be more. */
static int seal_next(struct sqlite_store *s, uint64_t group_id, struct err *err)
{
	struct run r = { .s = s, .group_id = group_id };
	uint64_t bytes = 0;
	size_t n = 0;
	int rc = begin_run(&r, err);

	for (; rc == 0 && n < HOT_STEP_ROWS; n++) {
		uint64_t id = hot_find_seq(s->hot, group_id, r.tail.seq + 1,
					   UINT64_MAX);

		if (id == 0)
			break;
		rc = seal_row(&r, id, &bytes, err);
	}
	if (rc == 0)
		rc = end_run(&r, err);
	return rc < 0 ? rc : n == HOT_STEP_ROWS;
}

int sq_seal_group(struct sqlite_store *s, uint64_t group_id, struct err *err)
{
	int rc;

	do
		rc = seal_next(s, group_id, err);
	while (rc > 0);
	return rc;
}

static uint64_t half_more(uint64_t n)
{
	return n + n / 2;
}

/* Half more than the transaction has added, in rows and in bytes: so a round of
 * half of what may be there is over, and deleted, before the rest is full. Who
 * sends one message waits for no more than a few. */
int sq_seal_some(struct sqlite_store *s, struct err *err)
{
	struct hot_size size;
	uint64_t there;
	uint64_t rows;
	uint64_t bytes;
	int rc;

	hot_size(s->hot, &size);
	there = size.next - 1 - size.deleted;
	if (size.next == s->hot_begin ||
	    (there < HOT_HARD_ROWS && size.bytes < HOT_HARD_BYTES))
		return 0;
	rows = COMMIT_ROWS + half_more(size.next - s->hot_begin);
	bytes = HOT_STEP_BYTES + half_more(size.bytes - s->hot_begin_bytes);
	if (there < HOT_ROWS && size.bytes < HOT_BYTES) {
		rows = rows < COMMIT_ROWS_MAX ? rows : COMMIT_ROWS_MAX;
		bytes = bytes < COMMIT_BYTES_MAX ? bytes : COMMIT_BYTES_MAX;
	}
	rc = sq_seal_step(s, rows, bytes, err);
	return rc < 0 ? rc : 0;
}

static void end_round(struct sqlite_store *s)
{
	free(s->seal.places);
	s->seal = (struct sq_seal){ 0 };
}

void sq_seal_kept(struct sqlite_store *s)
{
	if (s->hot_forget > 0)
		hot_forget(s->hot, s->hot_forget);
	if (s->seal.places != NULL && s->hot_forget == s->seal.to)
		end_round(s);
	s->hot_forget = 0;
	s->seal.begin = s->seal.at;
}

/* A round that began in it may have rows that are not there. */
void sq_seal_undone(struct sqlite_store *s)
{
	if (s->seal.places != NULL && s->seal.to >= hot_next(s->hot))
		end_round(s);
	s->hot_forget = 0;
	s->seal.at = s->seal.begin;
}

/* The time that the oldest row will be old enough, from now; 0: it is. */
static int wait_for_oldest(struct sqlite_store *s, uint64_t *wait_ms,
			   struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_HOT_OLDEST);
	uint64_t now_ms = env_now_ms(s->base.options.env);
	uint64_t age = 0;
	int rc = sq_step(s, st, err);

	if (rc > 0 && sq_column(st, 0) < now_ms)
		age = now_ms - sq_column(st, 0);
	sqlite3_reset(st);
	*wait_ms = age < HOT_SOFT_MS ? HOT_SOFT_MS - age : 0;
	return rc < 0 ? rc : 0;
}

/* *wait_ms: 0: at once. */
static int when_due(struct sqlite_store *s, bool all, uint64_t *wait_ms,
		    struct err *err)
{
	struct hot_size size;

	hot_size(s->hot, &size);
	*wait_ms = 0;
	if (size.next == size.deleted + 1)
		*wait_ms = UINT64_MAX;
	else if (!all && s->seal.places == NULL &&
		 size.next - 1 - size.deleted < HOT_SOFT_ROWS &&
		 size.bytes < HOT_SOFT_BYTES)
		return wait_for_oldest(s, wait_ms, err);
	return 0;
}

int sq_tend(struct store *base, struct store_tend *op, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc = when_due(s, op->all, &op->wait_ms, err);

	if (rc < 0)
		return rc;
	if (op->wait_ms > 0) {
		if (!sq_learn_known(s, op->limit != 0 ? (unsigned)op->limit
						      : SQ_LEARN_IDLE))
			return 0;
		op->wait_ms = 0;
		return 1;
	}
	rc = store_begin(base, err);
	if (rc < 0)
		return rc;
	rc = sq_seal_step(s, op->limit != 0 ? op->limit : HOT_STEP_ROWS,
			  HOT_STEP_BYTES, err);
	if (rc < 0) {
		store_rollback(base);
		return rc;
	}
	rc = store_commit(base, err);
	if (rc == 0)
		rc = when_due(s, op->all, &op->wait_ms, err);
	return rc < 0 ? rc : op->wait_ms == 0;
}
