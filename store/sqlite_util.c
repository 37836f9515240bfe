/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const sql_text[SQ_COUNT] = {
#define SQ_TEXT(ENUM, sql) [SQ_##ENUM] = sql,
	SQ_STATEMENTS(SQ_TEXT)
#undef SQ_TEXT
};

/* Pointers are not remembered; and where sealing has come to changes nothing of
 * where a log ends. */
static bool is_remembered(int action, const char *table, const char *column)
{
	bool is_one =
		strcmp(table, "groups") == 0 || strcmp(table, "members") == 0;

	return is_one &&
	       (action == SQLITE_INSERT || action == SQLITE_DELETE ||
		(action == SQLITE_UPDATE && strncmp(column, "tail_", 5) != 0 &&
		 strcmp(column, "last_read_seq") != 0));
}

/* SQLite itself says what a statement writes, as it is prepared. */
static int note_write(void *data, int action, const char *table,
		      const char *column, const char *database,
		      const char *trigger)
{
	bool *changes = data;

	(void)database;
	(void)trigger;
	if (table != NULL && is_remembered(action, table, column))
		*changes = true;
	return SQLITE_OK;
}

/* A reader has none of them: they take most of the time to prepare. */
static bool is_writing(const char *sql)
{
	static const char *const verbs[] = { "INSERT ", "REPLACE ", "UPDATE ",
					     "DELETE " };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strncmp(sql, verbs[i], strlen(verbs[i])) == 0)
			return true;
	}
	return false;
}

int sq_prepare_all(struct sqlite_store *s, struct err *err)
{
	int result = SQLITE_OK;

	for (size_t i = 0; result == SQLITE_OK && i < SQ_COUNT; i++) {
		if (s->base.options.read_only && is_writing(sql_text[i]))
			continue;
		sqlite3_set_authorizer(s->db, note_write, &s->changes[i]);
		result = sqlite3_prepare_v3(s->db, sql_text[i], -1,
					    SQLITE_PREPARE_PERSISTENT,
					    &s->statements[i], NULL);
	}
	sqlite3_set_authorizer(s->db, NULL, NULL);
	return result == SQLITE_OK ? 0 : sq_fail(s, result, err);
}

static sqlite3_stmt *use(struct sqlite_store *s, enum sq_statement which)
{
	sqlite3_stmt *st = s->statements[which];

	assert(st != NULL);
	/* Two walks of one kind inside each other would cut the outer one. */
	assert(!sqlite3_stmt_busy(st));
	return st;
}

sqlite3_stmt *sq_use(struct sqlite_store *s, enum sq_statement which)
{
	assert(!s->changes[which]);
	return use(s, which);
}

sqlite3_stmt *sq_change(struct sqlite_store *s, enum sq_statement which,
			uint64_t group_id)
{
	assert(s->senders != NULL);
	sq_senders_drop(s->senders, group_id);
	return use(s, which);
}

static void must_bind(int result)
{
	assert(result == SQLITE_OK);
	(void)result;
}

void sq_bind(sqlite3_stmt *st, int i, uint64_t value)
{
	/* The epoch is any 64-bit pattern; the cast back restores it. */
	must_bind(sqlite3_bind_int64(st, i, (sqlite3_int64)value));
}

void sq_bind_text(sqlite3_stmt *st, int i, struct str s)
{
	if (s.len == 0)
		must_bind(sqlite3_bind_null(st, i));
	else
		must_bind(sqlite3_bind_text(st, i, s.data, (int)s.len,
					    SQLITE_STATIC));
}

void sq_bind_blob(sqlite3_stmt *st, int i, struct str s)
{
	must_bind(sqlite3_bind_blob(st, i, s.len > 0 ? s.data : "", (int)s.len,
				    SQLITE_STATIC));
}

void sq_bind_bytes(sqlite3_stmt *st, int i, struct str s)
{
	if (s.len == 0)
		must_bind(sqlite3_bind_null(st, i));
	else
		sq_bind_blob(st, i, s);
}

void sq_bind_after(sqlite3_stmt *st, int i, struct str name)
{
	must_bind(sqlite3_bind_text(st, i, name.len > 0 ? name.data : "",
				    (int)name.len, SQLITE_STATIC));
}

void sq_bind_hash(sqlite3_stmt *st, int i, const uint8_t hash[STORE_HASH])
{
	sq_bind_blob(st, i, str_make((const char *)hash, (size_t)STORE_HASH));
}

int sq_hold(struct sqlite_store *s, struct str *const *strs, size_t count,
	    struct err *err)
{
	const char *at;

	buf_clear(&s->held);
	for (size_t i = 0; i < count; i++)
		buf_append_str(&s->held, *strs[i]);
	if (s->held.failed)
		return sq_no_memory(s, err);
	at = s->held.data;
	for (size_t i = 0; i < count; i++) {
		strs[i]->data = at;
		at += strs[i]->len;
	}
	return 0;
}

uint64_t sq_column(sqlite3_stmt *st, int i)
{
	return (uint64_t)sqlite3_column_int64(st, i);
}

struct str sq_column_str(sqlite3_stmt *st, int i)
{
	/* Text is stored as UTF-8, so that its bytes are those of the blob. */
	const char *data = sqlite3_column_blob(st, i);

	return str_make(data, (size_t)sqlite3_column_bytes(st, i));
}

/* The one place that says it. */
static int fail_damaged(struct sqlite_store *s, struct err *err)
{
	const char *path = buf_cstr(&s->path);
	struct sq_damage damage;

	if (!sq_checksum_damage(s->db, &damage))
		return err_set(err, ERR_UNAVAILABLE,
			       "The store %s is damaged: restore a backup "
			       "(DAMAGE in groupd(8))",
			       path);
	return err_set(err, ERR_UNAVAILABLE,
		       damage.in_log
			       ? "The write-ahead log of the store %s is "
				 "damaged at byte %" PRIu64
				 ": restore a backup (DAMAGE in "
				 "groupd(8))"
			       : "The store %s is damaged in page %" PRIu64
				 ": restore a backup (DAMAGE in "
				 "groupd(8))",
		       path, damage.at);
}

/* Who has the disk reads what the kernel said of it. */
static int fail_disk(const struct sqlite_store *s, struct err *err)
{
	int number = s->db != NULL ? sqlite3_system_errno(s->db) : 0;

	if (err_of_file(number) == ERR_OUT_OF_SPACE)
		return err_set(err, ERR_UNAVAILABLE,
			       "No space is left on the disk of the store %s",
			       buf_cstr(&s->path));
	return err_set(err, ERR_UNAVAILABLE,
		       "The disk fails under the store %s: %s",
		       buf_cstr(&s->path),
		       number != 0     ? strerror(number)
		       : s->db != NULL ? sqlite3_errmsg(s->db)
				       : "disk I/O error");
}

int sq_fail(struct sqlite_store *s, int result, struct err *err)
{
	const char *path = buf_cstr(&s->path);

	s->base.broken = s->base.in_transaction;
	if (result == SQLITE_IOERR_DATA)
		return fail_damaged(s, err);
	switch (result & 0xff) {
	case SQLITE_FULL:
		return err_set(err, ERR_OUT_OF_SPACE, NULL);
	case SQLITE_IOERR:
		return fail_disk(s, err);
	case SQLITE_NOTADB:
		return err_set(err, ERR_UNAVAILABLE,
			       "%s is not a store of groupd", path);
	case SQLITE_CORRUPT:
		return fail_damaged(s, err);
	default:
		return err_set(err, ERR_UNAVAILABLE, "The store failed: %s",
			       s->db != NULL ? sqlite3_errmsg(s->db)
					     : sqlite3_errstr(result));
	}
}

int sq_no_memory(struct sqlite_store *s, struct err *err)
{
	s->base.broken = s->base.in_transaction;
	return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
}

int sq_step(struct sqlite_store *s, sqlite3_stmt *st, struct err *err)
{
	int result = sqlite3_step(st);

	if (result == SQLITE_ROW)
		return 1;
	if (result == SQLITE_DONE) {
		sqlite3_reset(st);
		return 0;
	}
	result = sq_fail(s, result, err);
	sqlite3_reset(st);
	return result;
}

int sq_run(struct sqlite_store *s, sqlite3_stmt *st, struct err *err)
{
	int rc = sq_step(s, st, err);

	assert(rc <= 0);
	return rc;
}

int sq_save(struct sqlite_store *s, struct err *err)
{
	s->hot_save = hot_next(s->hot);
	return sq_run(s, sq_use(s, SQ_SAVE), err);
}

int sq_end_save(struct sqlite_store *s, int rc, struct err *err)
{
	int undo_rc;

	/* A broken transaction is undone as a whole. */
	if (s->base.broken)
		return rc;
	if (rc < 0) {
		struct err unused;

		hot_undo(s->hot, s->hot_save);
		undo_rc = sq_run(s, sq_use(s, SQ_UNDO), &unused);
		if (undo_rc == 0)
			undo_rc = sq_run(s, sq_use(s, SQ_KEEP), &unused);
		if (undo_rc < 0 && err != NULL)
			*err = unused;
		return undo_rc < 0 ? undo_rc : rc;
	}
	return sq_run(s, sq_use(s, SQ_KEEP), err);
}

int sq_get_meta(struct sqlite_store *s, const char *name, uint64_t *value,
		struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_META_GET);
	int rc;

	sq_bind_text(st, 1, str_of(name));
	rc = sq_step(s, st, err);
	*value = rc > 0 ? sq_column(st, 0) : 0;
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_set_meta(struct sqlite_store *s, const char *name, uint64_t value,
		struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_META_SET);

	sq_bind_text(st, 1, str_of(name));
	sq_bind(st, 2, value);
	return sq_run(s, st, err);
}

int sq_view_enter(struct sqlite_store *s, struct err *err)
{
	struct err unused;
	int rc;

	if (!sqlite3_get_autocommit(s->db)) {
		if (s->views > 0)
			s->views++;
		return 0;
	}
	s->views = 1;
	rc = sq_run(s, sq_use(s, SQ_BEGIN_READ), err);
	if (rc < 0)
		return rc;
	rc = sq_hot_enter(s, err);
	if (rc < 0)
		(void)sq_run(s, sq_use(s, SQ_COMMIT), &unused);
	return rc;
}

void sq_view_leave(struct sqlite_store *s)
{
	struct err unused;

	if (s->views == 0 || --s->views > 0)
		return;
	sq_hot_leave(s);
	/* Nothing was written: if it cannot end now, closing ends it. */
	(void)sq_run(s, sq_use(s, SQ_COMMIT), &unused);
}
