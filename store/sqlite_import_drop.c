/* SPDX-License-Identifier: MIT */
/* Imports that come to nothing: found, and taken away piece by piece. */
#include "store/sqlite.h"

#include <string.h>

#include "lib/text.h"
#include "store/import.h"

/* 1: it removed as many as it may, so there may be more. */
static int drop_some(struct sqlite_store *s, sqlite3_stmt *st, struct err *err)
{
	int rc = sq_run(s, st, err);

	return rc < 0 ? rc : sqlite3_changes(s->db) == IMPORT_DROP_FEW;
}

static int drop_messages(struct sqlite_store *s, uint64_t id, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_DROP_MESSAGES);

	sq_bind(st, 1, sq_id(id, 0));
	sq_bind(st, 2, sq_id(id, SQ_SEQ_MAX));
	sq_bind(st, 3, IMPORT_DROP_FEW);
	return drop_some(s, st, err);
}

/* And what mentions them, which is found through them. */
static int drop_members(struct sqlite_store *s, uint64_t id, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_DROP_MENTIONS);
	int rc;

	sq_bind(st, 1, id);
	sq_bind(st, 2, IMPORT_DROP_FEW);
	rc = sq_run(s, st, err);
	if (rc < 0)
		return rc;
	st = sq_change(s, SQ_DROP_MEMBERS, id);
	sq_bind(st, 1, id);
	sq_bind(st, 2, IMPORT_DROP_FEW);
	return drop_some(s, st, err);
}

static int run_for(struct sqlite_store *s, uint64_t id,
		   const enum sq_statement *statements, size_t count,
		   struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		sqlite3_stmt *st = sq_use(s, statements[i]);

		sq_bind(st, 1, id);
		rc = sq_run(s, st, err);
	}
	return rc;
}

/* With the first that goes: what is left cannot be given more, or shown, and
 * no file is without its message. */
static int begin_drop(struct sqlite_store *s, uint64_t id, struct err *err)
{
	static const enum sq_statement files[] = { SQ_GARBAGE_OF_GROUP,
						   SQ_DELETE_MEDIA };
	const struct sq_import_key key = sq_import_key(id);
	sqlite3_stmt *st = sq_use(s, SQ_EMPTY_IMPORT);
	int rc;

	sq_bind_text(st, 1, str_of(key.text));
	rc = sq_run(s, st, err);
	if (rc < 0 || sqlite3_changes(s->db) == 0)
		return rc;
	return run_for(s, id, files, sizeof(files) / sizeof(files[0]), err);
}

static int drop_rest(struct sqlite_store *s, uint64_t id, struct err *err)
{
	static const enum sq_statement rest[] = { SQ_DELETE_EVERYONE,
						  SQ_DELETE_DEDUPE_0,
						  SQ_DELETE_DEDUPE_1 };
	int rc = run_for(s, id, rest, sizeof(rest) / sizeof(rest[0]), err);

	return rc < 0 ? rc : sq_delete_import(s, id, err);
}

int sq_import_drop(struct store *base, uint64_t import_id, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	uint64_t found;
	int rc;

	if (import_id == 0)
		return 0;
	rc = sq_next_import(base, import_id - 1, &found, err);
	/* One that ended is a group. */
	if (rc <= 0 || found != import_id)
		return rc < 0 ? rc : 0;
	rc = begin_drop(s, import_id, err);
	if (rc == 0)
		rc = drop_messages(s, import_id, err);
	if (rc == 0)
		rc = drop_members(s, import_id, err);
	return rc != 0 ? rc : drop_rest(s, import_id, err);
}

int sq_next_import(struct store *base, uint64_t after_id, uint64_t *import_id,
		   struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	const struct sq_import_key after = sq_import_key(after_id);
	size_t prefix = strlen("import/");
	sqlite3_stmt *st;
	struct str key;
	int rc;

	if (after_id > SQ_GROUP_MAX)
		return 0;
	st = sq_use(s, SQ_NEXT_IMPORT);
	sq_bind_text(st, 1, str_of(after.text));
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	key = sq_column_str(st, 0);
	if (key.len < prefix ||
	    !text_parse_u64(str_make(key.data + prefix, key.len - prefix),
			    import_id))
		rc = sq_fail(s, SQLITE_CORRUPT, err);
	sqlite3_reset(st);
	return rc;
}
