/* SPDX-License-Identifier: MIT */
/*
 * A store of a format without checksums gets room for them, in each page: so
 * all of it is written anew, once, into a file beside it (PATH.new), which then
 * takes its name. Until then the old one is what counts, and after a crash all
 * begins again; then it is gone.
 */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TOLD_EVERY_S = 5 };

struct rewriting {
	struct sqlite_store *s;
	const char *fresh; /* the path of the file that is made */
	uint64_t all;	   /* bytes of the old one */
	time_t told;
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void tell(struct rewriting *r)
{
	const struct store_options *options = &r->s->base.options;
	struct stat st = { 0 };
	char text[256];

	r->told = now_s();
	if (options->warn == NULL)
		return;
	(void)stat(r->fresh, &st);
	snprintf(text, sizeof(text),
		 "The store is written anew, with checksums: %.1f of %.1f MB",
		 (double)st.st_size / 1e6, (double)r->all / 1e6);
	options->warn(options->warn_data, text);
}

static int on_progress(void *data)
{
	struct rewriting *r = data;
	const struct store_options *options = &r->s->base.options;

	if (options->alive != NULL)
		options->alive(options->alive_data);
	if (now_s() - r->told >= TOLD_EVERY_S)
		tell(r);
	return 0;
}

static int write_anew(struct rewriting *r, struct err *err)
{
	struct sqlite_store *s = r->s;
	sqlite3_stmt *st = NULL;
	int result = sq_checksum_reserve(s->db);
	int rc;

	if (result == SQLITE_OK)
		result = sqlite3_prepare_v2(s->db, "VACUUM INTO ?1", -1, &st,
					    NULL);
	if (result != SQLITE_OK)
		return sq_fail(s, result, err);
	tell(r);
	sqlite3_progress_handler(s->db, SQ_ALIVE_STEPS, on_progress, r);
	sq_bind_text(st, 1, str_of(r->fresh));
	rc = sq_run(s, st, err);
	sqlite3_finalize(st);
	return rc;
}

static int failed(struct err *err, const char *what, const char *path)
{
	return err_set(err, err_of_file(errno), "Cannot %s %s: %s", what, path,
		       strerror(errno));
}

/* SQLite does not sync what it vacuums into. */
static int sync_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int rc = 0;

	if (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0)
		rc = failed(err, "sync", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The last connection that is closed merges the log, and it goes. With one
 * that stays, somebody reads the old store, and would read the new one by what
 * he knows of that. */
static int check_unused(const char *path, struct err *err)
{
	struct buf log = { 0 };
	struct stat st;
	int rc = 0;

	buf_printf(&log, "%s-wal", path);
	if (log.failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	else if (stat(buf_cstr(&log), &st) == 0 && st.st_size > 0)
		rc = err_set(err, ERR_UNAVAILABLE,
			     "Another program reads the store %s: it cannot be "
			     "brought to format %d now",
			     path, SQ_USER_VERSION);
	buf_release(&log);
	return rc;
}

static int take_place(const char *fresh, const char *path, struct err *err)
{
	int rc = check_unused(path, err);

	if (rc == 0)
		rc = sync_file(fresh, err);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = failed(err, "rename", fresh);
	return rc < 0 ? rc : sq_sync_folder(path, err);
}

static int forget(const char *fresh, struct err *err)
{
	return unlink(fresh) < 0 && errno != ENOENT
		       ? failed(err, "remove", fresh)
		       : 0;
}

int sq_rewrite(struct sqlite_store *s, struct err *err)
{
	struct buf fresh = { 0 };
	struct rewriting r = { .s = s };
	struct stat st = { 0 };
	int rc = 0;

	buf_printf(&fresh, "%s.new", buf_cstr(&s->path));
	if (fresh.failed)
		rc = sq_no_memory(s, err);
	r.fresh = buf_cstr(&fresh);
	if (stat(buf_cstr(&s->path), &st) == 0)
		r.all = (uint64_t)st.st_size;
	if (rc == 0)
		rc = forget(r.fresh, err);
	if (rc == 0)
		rc = write_anew(&r, err);
	if (rc == 0) {
		sqlite3_close(s->db);
		s->db = NULL;
		rc = take_place(r.fresh, buf_cstr(&s->path), err);
	}
	if (rc < 0)
		(void)forget(r.fresh, NULL);
	buf_release(&fresh);
	return rc < 0 ? rc : sq_connect(s, err);
}
