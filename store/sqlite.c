/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite_log.h"

static void sq_close(struct store *base)
{
	struct sqlite_store *s = sq_of(base);

	sq_hot_close(s);
	sq_senders_free(s->senders);
	sq_known_close(s);
	for (size_t i = 0; i < SQ_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	buf_release(&s->path);
	buf_release(&s->names);
	buf_release(&s->held);
	free(s);
}

static int sq_begin(struct store *base, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct hot_size size;

	hot_size(s->hot, &size);
	s->hot_begin = size.next;
	s->hot_begin_bytes = size.bytes;
	s->dedupe_turned = false;
	return sq_run(s, sq_use(s, SQ_BEGIN_WRITE), err);
}

static void end_without(struct sqlite_store *s)
{
	/* SQLite has rolled back by itself after some errors. */
	if (!sqlite3_get_autocommit(s->db)) {
		sqlite3_stmt *st = sq_use(s, SQ_ROLLBACK);

		sqlite3_step(st);
		sqlite3_reset(st);
	}
}

static void sq_rollback(struct store *base)
{
	struct sqlite_store *s = sq_of(base);

	end_without(s);
	hot_undo(s->hot, s->hot_begin);
	sq_seal_undone(s);
	sq_known_undone(s);
	sq_senders_clear(s->senders);
}

/* After a failed write or fsync nothing can be promised any more. */
static int stop(struct sqlite_store *s, int result, struct err *err)
{
	(void)sq_fail(s, result, err);
	s->base.dead = true;
	if (err != NULL)
		err->code = ERR_OUTCOME_UNKNOWN;
	return -EINPROGRESS;
}

/* Moves the WAL into the file. What was committed stays so whatever happens
 * here, and a disk that is only full may wait: SQLITE_OK, too. */
static int move_log(struct sqlite_store *s)
{
	int result = sqlite3_wal_checkpoint_v2(
		s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	int kind = result & 0xff;

	return kind == SQLITE_IOERR || kind == SQLITE_CORRUPT ? result
							      : SQLITE_OK;
}

static int sq_commit(struct store *base, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	sqlite3_stmt *st = sq_use(s, SQ_COMMIT);
	int rc = sq_seal_some(s, err);
	int result;

	if (rc < 0) {
		sq_rollback(base);
		return rc;
	}
	result = sqlite3_step(st);
	if (result == SQLITE_DONE) {
		sqlite3_reset(st);
		sq_seal_kept(s);
		(void)sq_learn_known(s, SQ_LEARN_COMMIT);
		if (s->wal_pages >= SQ_CHECKPOINT_PAGES)
			result = move_log(s);
		/* It is stored; but a disk that fails is not asked again, and
		 * from then on nobody is told that all is well. */
		return result == SQLITE_DONE || result == SQLITE_OK
			       ? 0
			       : stop(s, result, err);
	}
	/* A full disk or a busy file was found before the commit record was
	 * written. After anything else, such as a failed fsync, the record may
	 * be in the file and come back with the next open. */
	if ((result & 0xff) == SQLITE_FULL || (result & 0xff) == SQLITE_BUSY)
		rc = sq_fail(s, result, err);
	else
		rc = stop(s, result, err);
	sqlite3_reset(st);
	sq_rollback(base);
	return rc;
}

static int sq_snapshot(struct store *base, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	int rc = sq_run(s, sq_use(s, SQ_BEGIN_READ), err);

	if (rc < 0)
		return rc;
	/* The view is that of the first read. */
	rc = sq_hot_enter(s, err);
	if (rc == 0) {
		rc = sq_step(s, sq_use(s, SQ_TOUCH), err);
		sqlite3_reset(s->statements[SQ_TOUCH]);
		if (rc < 0)
			sq_hot_leave(s);
	}
	if (rc < 0)
		end_without(s);
	return rc < 0 ? rc : 0;
}

static void sq_release(struct store *base)
{
	sq_hot_leave(sq_of(base));
	end_without(sq_of(base));
}

static const struct store_ops sqlite_ops = {
	.close = sq_close,
	.begin = sq_begin,
	.commit = sq_commit,
	.rollback = sq_rollback,
	.snapshot = sq_snapshot,
	.release = sq_release,
	.append = sq_append,
	.create_group = sq_create_group,
	.delete_group = sq_delete_group,
	.edit_members = sq_edit_members,
	.set_read = sq_set_read,
	.set_info = sq_set_info,
	.add_media = sq_add_media,
	.drop_garbage = sq_drop_garbage,
	.trim = sq_trim,
	.list_overdue = sq_list_overdue,
	.tend = sq_tend,
	.import_begin = sq_import_begin,
	.import_members = sq_import_members,
	.import_messages = sq_import_messages,
	.import_media = sq_import_media,
	.import_end = sq_import_end,
	.import_drop = sq_import_drop,
	.next_import = sq_next_import,
	.export_members = sq_export_members,
	.add_user = sq_add_user,
	.create_token = sq_create_token,
	.revoke_token = sq_revoke_token,
	.find_group = sq_find_group,
	.list_groups = sq_list_groups,
	.scan = sq_scan,
	.scan_text = sq_scan_text,
	.seek = sq_seek,
	.get_info = sq_get_info,
	.find_media = sq_find_media,
	.list_media = sq_list_media,
	.hash_used = sq_hash_used,
	.next_garbage = sq_next_garbage,
	.list_mentions = sq_list_mentions,
	.role = sq_role_op,
	.find_user = sq_find_user,
	.list_users = sq_list_users,
	.find_token = sq_find_token,
	.list_tokens = sq_list_tokens,
	.count = sq_count,
	.size = sq_size,
	.verify = sq_verify,
	.count_all = sq_count_all,
	.list_contents = sq_list_contents,
	.identity = sq_identity,
	.copy = sq_copy,
	.renew = sq_renew,
	.list_loose = sq_list_loose,
	.next_group = sq_next_group,
	.list_keys = sq_list_keys,
	.get_numbers = sq_get_numbers,
	.moved_from = sq_moved_from,
	.move_begin = sq_move_begin,
	.move_reset = sq_move_reset,
	.move_loose = sq_move_loose,
	.move_keys = sq_move_keys,
	.move_end = sq_move_end,
};

static int on_wal(void *data, sqlite3 *db, const char *name, int pages)
{
	struct sqlite_store *s = data;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

/* The lock lies beside the store, in a file of its own: closing a descriptor
 * of the store itself would drop SQLite's POSIX locks. */
int sq_take_lock(struct sqlite_store *s, struct err *err)
{
	struct buf path;

	buf_init(&path);
	buf_printf(&path, "%s.lock", buf_cstr(&s->path));
	if (!path.failed)
		s->lock_fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC,
				  0600);
	buf_release(&path);
	if (s->lock_fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "Cannot lock %s: %s",
			       buf_cstr(&s->path), strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	err_set(err, ERR_UNAVAILABLE,
		"Another groupd is writing to the store %s",
		buf_cstr(&s->path));
	return -EBUSY;
}

static int fail_file(const char *what, const struct buf *path, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "Cannot %s %s: %s", what,
		       buf_cstr(path), strerror(errno));
}

/* SQLite takes an empty file for a new database. One that was a store has left
 * its mark in the lock. */
static int check_emptied(const struct sqlite_store *s, struct err *err)
{
	const char *path = buf_cstr(&s->path);
	struct stat file;
	struct stat lock;

	if (stat(path, &file) < 0 || fstat(s->lock_fd, &lock) < 0)
		return fail_file("look at", &s->path, err);
	if (file.st_size > 0 || lock.st_size == 0)
		return 0;
	return err_set(err, ERR_UNAVAILABLE,
		       "The store %s is empty, and was not: restore a backup "
		       "(DAMAGE in groupd(8))",
		       path);
}

static int mark_made(const struct sqlite_store *s, struct err *err)
{
	static const char mark[] = "a store was made here\n";
	struct stat lock;

	if (fstat(s->lock_fd, &lock) == 0 && lock.st_size > 0)
		return 0;
	if (pwrite(s->lock_fd, mark, sizeof(mark) - 1, 0) == sizeof(mark) - 1 &&
	    fsync(s->lock_fd) == 0)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "Cannot write %s.lock: %s",
		       buf_cstr(&s->path), strerror(errno));
}

/* Makes a file of the store before SQLite does, so that its mode is ours and
 * not the umask's. */
static int make_file(const struct buf *path, struct err *err)
{
	int fd = path->failed
			 ? -1
			 : open(buf_cstr(path),
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0 || fchmod(fd, 0600) < 0)
		rc = fail_file("make", path, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Has a file be read from the disk. Without a copy in memory nothing changes:
 * there it is the file. */
static int forget(const struct buf *path, struct err *err)
{
	int fd = open(buf_cstr(path), O_RDWR | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || fdatasync(fd) < 0)
		rc = fail_file("write", path, err);
	else
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Where there is a log, the last groupd has not stopped by itself. What it
 * could not bring to disk the kernel still shows, and takes for written: an
 * fsync that failed is told of once. Nobody is to hear that this is stored; and
 * writing it once more does not mend it (ext4). */
static int forget_unsynced(struct sqlite_store *s, const struct buf *log,
			   struct err *err)
{
	struct stat st;
	int rc;

	if (stat(buf_cstr(log), &st) < 0)
		return fail_file("look at", log, err);
	if (st.st_size == 0)
		return 0;
	s->cold = true;
	rc = forget(log, err);
	return rc < 0 ? rc : forget(&s->path, err);
}

int sq_sync_folder(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct buf dir;
	int fd = -1;
	int rc = 0;

	buf_init(&dir);
	if (slash == NULL)
		buf_append_char(&dir, '.');
	else
		buf_append(&dir, path, (size_t)(slash - path) + 1);
	if (!dir.failed)
		fd = open(buf_cstr(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		rc = err_set(err, ERR_UNAVAILABLE, "Cannot sync %s: %s",
			     buf_cstr(&dir), strerror(errno));
	if (fd >= 0)
		close(fd);
	buf_release(&dir);
	return rc;
}

/* The folder is on disk before SQLite syncs it, which ignores an error of that
 * (and a second fsync would not tell of it). */
static int make_files(struct sqlite_store *s, struct err *err)
{
	struct buf log;
	int rc = make_file(&s->path, err);

	buf_init(&log);
	buf_printf(&log, "%s-wal", buf_cstr(&s->path));
	if (rc == 0)
		rc = check_emptied(s, err);
	if (rc == 0)
		rc = make_file(&log, err);
	if (rc == 0)
		rc = forget_unsynced(s, &log, err);
	if (rc == 0)
		rc = sq_sync_folder(buf_cstr(&s->path), err);
	buf_release(&log);
	return rc;
}

/* Of a reader: a writer is at work, and has looked. */
static bool is_written(const struct sqlite_store *s)
{
	struct buf path = { 0 };
	bool written = false;
	int fd = -1;

	buf_printf(&path, "%s.lock", buf_cstr(&s->path));
	if (!path.failed)
		fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		written = flock(fd, LOCK_SH | LOCK_NB) < 0;
		close(fd);
	}
	buf_release(&path);
	return written;
}

/* Before SQLite recovers, which would take damage for the end of the log, and
 * write over what is behind it. */
static int check_log(struct sqlite_store *s, struct err *err)
{
	struct sq_log_damage damage = { 0 };
	struct buf path = { 0 };
	int rc = 0;

	if (s->base.options.read_only && is_written(s))
		return 0;
	buf_printf(&path, "%s-wal", buf_cstr(&s->path));
	if (path.failed)
		rc = sq_no_memory(s, err);
	else
		rc = sq_log_find_damage(buf_cstr(&path), &damage, err);
	if (rc > 0)
		rc = err_set(
			err, ERR_UNAVAILABLE,
			"The write-ahead log %s is damaged at byte %" PRIu64
			", and more was stored behind it: restore a "
			"backup, or keep its first %" PRIu64
			" bytes (DAMAGE in groupd(8))",
			buf_cstr(&path), damage.at, damage.whole);
	buf_release(&path);
	return rc;
}

static int on_progress(void *data)
{
	const struct sqlite_store *s = data;

	s->base.options.alive(s->base.options.alive_data);
	return 0;
}

/* Which file it is: two handles of one have the same index. */
static int note_file(struct sqlite_store *s, struct err *err)
{
	struct stat st;

	if (stat(buf_cstr(&s->path), &st) < 0)
		return err_set(err, ERR_UNAVAILABLE, "Cannot look at %s: %s",
			       buf_cstr(&s->path), strerror(errno));
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static int connect_db(struct sqlite_store *s, struct err *err)
{
	bool read_only = s->base.options.read_only;
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int result =
		sqlite3_open_v2(buf_cstr(&s->path), &s->db,
				flags | SQLITE_OPEN_NOMUTEX, sq_checksum_vfs());

	if (result != SQLITE_OK && access(buf_cstr(&s->path), F_OK) < 0) {
		err_set(err, ERR_UNAVAILABLE, "There is no store at %s",
			buf_cstr(&s->path));
		return -ENOENT;
	}
	if (result != SQLITE_OK)
		return sq_fail(s, result, err);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, SQ_BUSY_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	result = sq_scan_set_up(s);
	if (result == SQLITE_OK && !read_only)
		result = sq_checksum_reserve(s->db);
	if (result != SQLITE_OK)
		return sq_fail(s, result, err);
	if (s->base.options.alive != NULL)
		sqlite3_progress_handler(s->db, SQ_ALIVE_STEPS, on_progress, s);
	if (read_only)
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				  NULL);
	return 0;
}

static int set_up_reader(struct sqlite_store *s, struct err *err)
{
	int rc = connect_db(s, err);

	if (rc == 0)
		rc = sq_exec(
			s,
			"PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0;"
			"PRAGMA cache_size=-8192; PRAGMA mmap_size=0;"
			"PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=1",
			err);

	return rc < 0 ? rc : sq_schema_check(s, err);
}

/* A page that a checkpoint did not bring to disk as a whole is sound in the log
 * alone: it is written once more before the file is looked at by itself. */
static int mend_file(struct sqlite_store *s, struct err *err)
{
	int result = move_log(s);

	return result == SQLITE_OK ? 0 : sq_fail(s, result, err);
}

/* The pragmas that durability hangs on are read back. */
int sq_connect(struct sqlite_store *s, struct err *err)
{
	int64_t synchronous = 0;
	int rc = connect_db(s, err);

	if (rc == 0)
		rc = sq_schema_check(s, err);
	if (rc == 0)
		rc = sq_exec(s,
			     "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE;"
			     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			     "PRAGMA wal_autocheckpoint=0;"
			     "PRAGMA secure_delete=OFF; PRAGMA mmap_size=0;"
			     "PRAGMA foreign_keys=OFF;"
			     "PRAGMA cache_size=-65536;"
			     "PRAGMA temp_store=MEMORY;"
			     "PRAGMA cell_size_check=1",
			     err);
	if (rc == 0)
		rc = sq_pragma(s, "PRAGMA synchronous", &synchronous, err);
	if (rc < 0)
		return rc;
	if (synchronous != 2)
		return err_set(err, ERR_UNAVAILABLE,
			       "SQLite refuses synchronous=FULL");
	rc = sq_pragma(s, "SELECT journal_mode='wal' FROM pragma_journal_mode",
		       &synchronous, err);
	if (rc == 0 && synchronous != 1)
		return err_set(err, ERR_UNAVAILABLE,
			       "%s cannot use a write-ahead log there",
			       buf_cstr(&s->path));
	return rc;
}

static int set_up_writer(struct sqlite_store *s, struct err *err)
{
	int rc = sq_connect(s, err);

	if (rc == 0)
		rc = sq_schema_apply(s, err);
	if (rc == 0)
		rc = mend_file(s, err);
	/* Checkpoints are done by commit, which so sees their errors. */
	if (rc == 0)
		sqlite3_wal_hook(s->db, on_wal, s);
	return rc;
}

/* What only a writer has: before SQLite opens the file, and behind it. */
static int begin_writer(struct sqlite_store *s, struct err *err)
{
	int rc;

	s->senders = sq_senders_new();
	if (s->senders == NULL)
		return sq_no_memory(s, err);
	rc = sq_take_lock(s, err);
	return rc < 0 ? rc : make_files(s, err);
}

static int end_writer(struct sqlite_store *s, struct err *err)
{
	int rc = sq_make_identity(s, err);

	if (rc == 0)
		rc = sq_hot_open(s, err);
	return rc < 0 ? rc : mark_made(s, err);
}

int sqlite_store_open(struct store **out, const char *path,
		      const struct store_options *options, struct err *err)
{
	struct sqlite_store *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	s->base.ops = &sqlite_ops;
	s->base.options = *options;
	s->lock_fd = -1;
	buf_append_str(&s->path, str_of(path));
	if (s->path.failed)
		rc = sq_no_memory(s, err);
	if (rc == 0 && !options->read_only)
		rc = begin_writer(s, err);
	if (rc == 0)
		rc = check_log(s, err);
	if (rc == 0)
		rc = options->read_only ? set_up_reader(s, err)
					: set_up_writer(s, err);
	if (rc == 0)
		rc = sq_prepare_all(s, err);
	if (rc == 0)
		rc = note_file(s, err);
	if (rc == 0 && !options->read_only)
		rc = end_writer(s, err);
	if (rc < 0) {
		sq_close(&s->base);
		return rc;
	}
	*out = &s->base;
	return 0;
}
