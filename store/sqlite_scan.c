/* SPDX-License-Identifier: MIT */
/*
 * A walk over sealed messages. A row that SQLite hands out costs as much as the
 * look at its columns again: each column is asked for by a call that locks,
 * checks and unlocks. So a walk is one aggregate: its step, which SQLite calls
 * with all columns of a row, is where a message is handed on, and the statement
 * returns when the walk is over.
 */
#include "store/sqlite.h"

#include <assert.h>

enum { TEXT_COLUMNS = 7, ALL_COLUMNS = 13 };

static uint64_t number(sqlite3_value *v)
{
	return (uint64_t)sqlite3_value_int64(v);
}

static struct str text(sqlite3_value *v)
{
	/* As sq_column_str(). */
	const char *data = sqlite3_value_blob(v);

	return str_make(data, (size_t)sqlite3_value_bytes(v));
}

/* The columns of SQ_TAKE, or of SQ_TAKE_TEXT, which are its first ones. */
static void take(sqlite3_context *context, int count, sqlite3_value **v)
{
	struct sqlite_store *s = sqlite3_user_data(context);
	struct sq_scan *scan = s->scan;
	struct wire_message m = { .seq = sq_seq(number(v[0])),
				  .time_ms = number(v[1]),
				  .type = number(v[2]),
				  .reply_to = number(v[3]),
				  .sender = text(v[4]),
				  .media_url = text(v[5]),
				  .content = text(v[6]) };

	if (count > TEXT_COLUMNS) {
		m.off = number(v[7]);
		m.len = number(v[8]);
		m.jsonl_off = number(v[9]);
		m.jsonl_len = number(v[10]);
		m.mentions = text(v[11]);
		m.client_id = text(v[12]);
	}
	/* The order of the table is that of its key. */
	assert(m.seq > scan->last);
	scan->last = m.seq;
	scan->rc = scan->fn(scan->data, &m);
	if (scan->rc != 0)
		sqlite3_result_error_code(context, SQLITE_ABORT);
}

static void taken(sqlite3_context *context)
{
	(void)context;
}

static int add(struct sqlite_store *s, int columns)
{
	return sqlite3_create_function_v2(s->db, "take", columns,
					  SQLITE_UTF8 | SQLITE_DIRECTONLY, s,
					  NULL, take, taken, NULL);
}

int sq_scan_set_up(struct sqlite_store *s)
{
	int result = add(s, TEXT_COLUMNS);

	return result == SQLITE_OK ? add(s, ALL_COLUMNS) : result;
}

int sq_scan_sealed(struct sqlite_store *s, enum sq_statement which,
		   uint64_t group_id, uint64_t from, uint64_t to,
		   struct sq_scan *scan, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, which);
	struct sq_scan *outer = s->scan;
	int result;
	int rc = 0;

	sq_bind(st, 1, sq_id(group_id, from));
	sq_bind(st, 2, sq_id(group_id, to));
	scan->last = from - 1;
	scan->rc = 0;
	s->scan = scan;
	result = sqlite3_step(st);
	s->scan = outer;
	if (scan->rc == 0 && result != SQLITE_ROW)
		rc = sq_fail(s, result, err);
	sqlite3_reset(st);
	return rc < 0 ? rc : scan->rc;
}
