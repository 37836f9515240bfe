/* SPDX-License-Identifier: MIT */
/*
 * The store as a whole. A copy is made by SQLite's own backup, a few pages at
 * a time: it begins anew when the source changes, but the reader's snapshot
 * stays open meanwhile, so for this connection nothing changes. The copy is of
 * pages, not of rows, which costs no more than reading and writing them.
 */
#include "store/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COPY_PAGES = 1024 /* 4 MiB; between two looks at step() */ };

static const char identity_key[] = "identity";

int sq_count_all(struct store *base, struct store_totals *out, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_COUNT_ALL);
	int rc = sq_step(s, st, err);

	if (rc < 0)
		return rc;
	*out = (struct store_totals){ .groups = sq_column(st, 0),
				      .users = sq_column(st, 1),
				      .messages = sq_column(st, 2),
				      .media = sq_column(st, 3),
				      .media_bytes = sq_column(st, 4) };
	sqlite3_reset(st);
	return 0;
}

int sq_list_contents(struct store *base, store_content_fn fn, void *data,
		     struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_CONTENTS);
	int rc;

	while ((rc = sq_step(s, st, err)) > 0) {
		struct str hash = sq_column_str(st, 0);

		if (hash.len != STORE_HASH)
			rc = sq_fail(s, SQLITE_CORRUPT, err);
		else
			rc = fn(data, (const uint8_t *)hash.data,
				sq_column(st, 1));
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

/* Identity and epochs. */

int sq_identity(struct store *base, uint64_t *identity, struct err *err)
{
	return sq_get_meta(sq_of(base), identity_key, identity, err);
}

int sq_set_identity(struct sqlite_store *s, uint64_t identity, struct err *err)
{
	return sq_set_meta(s, identity_key, identity, err);
}

static int new_identity(struct sqlite_store *s, struct err *err)
{
	return sq_set_identity(s, env_random_u64(s->base.options.env) | 1, err);
}

int sq_make_identity(struct sqlite_store *s, struct err *err)
{
	uint64_t identity;
	int rc = sq_get_meta(s, identity_key, &identity, err);

	/* One statement is a transaction. */
	return rc < 0 || identity != 0 ? rc : new_identity(s, err);
}

int sq_next_group_id(struct sqlite_store *s, uint64_t *group_id,
		     struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_NEXT_GROUP);
	int rc;

	sq_bind(st, 1, *group_id);
	rc = sq_step(s, st, err);
	if (rc > 0) {
		*group_id = sq_column(st, 0);
		rc = sqlite3_column_type(st, 0) != SQLITE_NULL;
	}
	sqlite3_reset(st);
	return rc;
}

int sq_renew(struct store *base, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	uint64_t group_id = 0;
	int rc;

	while ((rc = sq_next_group_id(s, &group_id, err)) > 0) {
		sqlite3_stmt *st = sq_change(s, SQ_SET_EPOCH, group_id);

		sq_bind(st, 1, group_id);
		sq_bind(st, 2, env_random_u64(base->options.env));
		rc = sq_run(s, st, err);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : new_identity(s, err);
}

/* Copying. */

static int copy_failed(const char *path, int result, const char *why,
		       struct err *err)
{
	if (result == SQLITE_FULL)
		return err_set(err, ERR_OUT_OF_SPACE,
			       "There is no space left for the copy %s", path);
	return err_set(err, ERR_UNAVAILABLE, "Cannot write the copy %s: %s",
		       path, why);
}

/* Writers of the store wait for their fsync(2), which on the same disk waits
 * for what we have written: so that is never much. */
static void pace(int fd, uint64_t from, uint64_t to, uint64_t *paced)
{
	if (*paced < from)
		(void)sync_file_range(fd, (off_t)*paced, (off_t)(from - *paced),
				      SYNC_FILE_RANGE_WAIT_BEFORE |
					      SYNC_FILE_RANGE_WRITE |
					      SYNC_FILE_RANGE_WAIT_AFTER);
	(void)sync_file_range(fd, (off_t)from, (off_t)(to - from),
			      SYNC_FILE_RANGE_WRITE);
	*paced = from;
}

static int copy_pages(struct sqlite_store *s, sqlite3 *to, int fd,
		      const struct store_copy *copy, struct err *err)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", s->db, "main");
	int result = b == NULL ? sqlite3_errcode(to) : SQLITE_OK;
	int64_t page_size = 0;
	uint64_t done = 0;
	uint64_t paced = 0;
	int rc = sq_pragma(s, "PRAGMA page_size", &page_size, err);

	while (rc == 0 && result == SQLITE_OK) {
		uint64_t before = done;
		uint64_t all;

		result = sqlite3_backup_step(b, COPY_PAGES);
		all = (uint64_t)sqlite3_backup_pagecount(b) *
		      (uint64_t)page_size;
		done = all - (uint64_t)sqlite3_backup_remaining(b) *
				     (uint64_t)page_size;
		if (copy->step != NULL && copy->step(copy->data, done, all))
			rc = -ECANCELED;
		pace(fd, before, done, &paced);
	}
	sqlite3_backup_finish(b);
	if (rc == -ECANCELED)
		err_set(err, ERR_UNAVAILABLE, "The copy was given up");
	else if (rc == 0 && ((result & 0xff) == SQLITE_CORRUPT ||
			     result == SQLITE_IOERR_DATA))
		rc = sq_fail(s, result, err);
	else if (rc == 0 && result != SQLITE_DONE)
		rc = copy_failed(copy->path, result & 0xff,
				 sqlite3_errstr(result), err);
	return rc;
}

/* Nothing is to be undone in a file that is new: it needs no journal. */
static int open_copy(const char *path, sqlite3 **to, struct err *err)
{
	int result = sqlite3_open_v2(
		path, to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		sq_checksum_vfs());

	if (result == SQLITE_OK)
		result = sq_checksum_reserve(*to);
	if (result == SQLITE_OK)
		result = sqlite3_exec(
			*to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
			NULL, NULL, NULL);
	if (result == SQLITE_OK)
		return 0;
	return copy_failed(path, result & 0xff, sqlite3_errstr(result), err);
}

int sq_copy(struct store *base, const struct store_copy *copy, struct err *err)
{
	int fd = open(copy->path,
		      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	sqlite3 *to = NULL;
	int rc;

	if (fd < 0)
		return copy_failed(copy->path,
				   err_of_file(errno) == ERR_OUT_OF_SPACE
					   ? SQLITE_FULL
					   : 0,
				   strerror(errno), err);
	rc = open_copy(copy->path, &to, err);
	if (rc == 0)
		rc = copy_pages(sq_of(base), to, fd, copy, err);
	sqlite3_close(to);
	close(fd);
	if (rc < 0)
		unlink(copy->path);
	return rc;
}

/* Exchanging. */

static int move_failed(const char *from, const char *to, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "Cannot rename %s to %s: %s", from,
		       to, strerror(errno));
}

/* Where `from` is not there, it was moved before. Nothing is overwritten. */
static int move_away(const char *from, const char *to, struct err *err)
{
	if (access(from, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	return move_failed(from, to, err);
}

/* The log of what was written last belongs to the store: found beside
 * another, it would be merged into that. So the old one's is gone, and known
 * to be gone, before the new store gets the name. */
static int move_old(const char *path, const char *kept, struct err *err)
{
	struct buf from = { 0 };
	struct buf to = { 0 };
	int rc = move_away(path, kept, err);

	buf_printf(&from, "%s-wal", path);
	buf_printf(&to, "%s-wal", kept);
	if (rc == 0 && (from.failed || to.failed))
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	if (rc == 0)
		rc = move_away(buf_cstr(&from), buf_cstr(&to), err);
	buf_clear(&from);
	buf_printf(&from, "%s-shm", path);
	if (rc == 0 && unlink(buf_cstr(&from)) < 0 && errno != ENOENT)
		rc = move_failed(buf_cstr(&from), "nothing", err);
	buf_release(&from);
	buf_release(&to);
	return rc == 0 ? sq_sync_folder(path, err) : rc;
}

int sqlite_store_exchange(const char *path, const char *fresh, const char *kept,
			  struct err *err)
{
	struct sqlite_store s = { .lock_fd = -1 };
	int rc = 0;

	if (access(fresh, F_OK) < 0 && errno == ENOENT)
		return 0;
	buf_append_str(&s.path, str_of(path));
	if (s.path.failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	if (rc == 0)
		rc = sq_take_lock(&s, err);
	if (rc == 0)
		rc = move_old(path, kept, err);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = move_failed(fresh, path, err);
	if (rc == 0)
		rc = sq_sync_folder(path, err);
	if (rc == 0)
		rc = sq_sync_folder(fresh, err);
	if (s.lock_fd >= 0)
		close(s.lock_fd);
	buf_release(&s.path);
	return rc;
}
