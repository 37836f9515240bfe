/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

int sq_add_user(struct store *base, struct str name, bool *added,
		struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	bool found;
	sqlite3_stmt *st;
	int rc = sq_find_user(base, name, &found, err);

	if (rc < 0)
		return rc;
	*added = !found;
	if (found)
		return 0;
	st = sq_use(s, SQ_INSERT_USER);
	sq_bind_text(st, 1, name);
	sq_bind(st, 2, env_now_ms(base->options.env));
	return sq_run(s, st, err);
}

int sq_create_token(struct store *base, struct str user,
		    const uint8_t hash[STORE_TOKEN_HASH], uint64_t expires_ms,
		    uint64_t *token_id, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	bool found;
	sqlite3_stmt *st;
	int rc = sq_find_user(base, user, &found, err);

	if (rc < 0)
		return rc;
	if (!found)
		return err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			       (int)user.len, user.data);
	st = sq_use(s, SQ_INSERT_TOKEN);
	sq_bind_blob(st, 1,
		     str_make((const char *)hash, (size_t)STORE_TOKEN_HASH));
	sq_bind_text(st, 2, user);
	sq_bind(st, 3, env_now_ms(base->options.env));
	sq_bind(st, 4, expires_ms);
	rc = sq_run(s, st, err);
	if (rc == 0)
		*token_id = (uint64_t)sqlite3_last_insert_rowid(s->db);
	return rc;
}

int sq_revoke_token(struct store *base, uint64_t token_id, struct str owner,
		    uint8_t hash_out[STORE_TOKEN_HASH], struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_TOKEN);
	bool found = false;
	int rc;

	sq_bind(st, 1, token_id);
	rc = sq_step(s, st, err);
	if (rc > 0) {
		struct str hash = sq_column_str(st, 0);

		found = hash.len == STORE_TOKEN_HASH &&
			(owner.len == 0 || str_eq(owner, sq_column_str(st, 1)));
		if (found)
			memcpy(hash_out, hash.data, hash.len);
	}
	sqlite3_reset(st);
	if (rc < 0)
		return rc;
	if (!found)
		return err_set(err, ERR_BAD_REQUEST,
			       "There is no token %" PRIu64, token_id);
	st = sq_use(s, SQ_DELETE_TOKEN);
	sq_bind(st, 1, token_id);
	return sq_run(s, st, err);
}

int sq_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		  char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		  struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_FIND_TOKEN);
	bool valid = false;
	int rc;

	sq_bind_blob(st, 1,
		     str_make((const char *)hash, (size_t)STORE_TOKEN_HASH));
	rc = sq_step(s, st, err);
	if (rc > 0) {
		*expires_ms = sq_column(st, 1);
		valid = str_to_cstr(sq_column_str(st, 0), user,
				    WIRE_USER_MAX + 1) &&
			(*expires_ms == 0 ||
			 *expires_ms > env_now_ms(base->options.env));
	}
	sqlite3_reset(st);
	if (rc < 0)
		return rc;
	return valid ? 0 : err_set(err, ERR_UNAUTHENTICATED, NULL);
}

int sq_list_users(struct store *base, struct str after, store_name_fn fn,
		  void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_USERS);
	int rc;

	sq_bind_after(st, 1, after);
	while ((rc = sq_step(s, st, err)) > 0) {
		rc = fn(data, sq_column_str(st, 0));
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_list_tokens(struct store *base, struct str user, uint64_t after_id,
		   store_token_fn fn, void *data, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, user.len > 0 ? SQ_TOKENS_OF : SQ_TOKENS);
	int rc;

	if (after_id > INT64_MAX)
		return 0;
	sq_bind(st, 1, after_id);
	if (user.len > 0)
		sq_bind_text(st, 2, user);
	while ((rc = sq_step(s, st, err)) > 0) {
		struct wire_token_info t = { .token_id = sq_column(st, 0),
					     .user = sq_column_str(st, 1),
					     .created_ms = sq_column(st, 2),
					     .expires_ms = sq_column(st, 3) };

		rc = fn(data, &t);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

/* The bytes of PATH and the file beside it. */
static uint64_t file_size(const struct sqlite_store *s, const char *suffix)
{
	struct buf path;
	struct stat st;
	uint64_t size = 0;

	buf_init(&path);
	buf_printf(&path, "%s%s", buf_cstr(&s->path), suffix);
	if (!path.failed && stat(buf_cstr(&path), &st) == 0)
		size = (uint64_t)st.st_size;
	buf_release(&path);
	return size;
}

int sq_count(struct store *base, struct store_counts *out, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_COUNTS);
	int rc = sq_step(s, st, err);

	if (rc < 0)
		return rc;
	out->groups = sq_column(st, 0);
	out->users = sq_column(st, 1);
	sqlite3_reset(st);
	return 0;
}

int sq_size(struct store *base, struct store_size *out, struct err *err)
{
	const struct sqlite_store *s = sq_of(base);

	(void)err;
	out->data = file_size(s, "");
	out->log = file_size(s, "-wal");
	return 0;
}
