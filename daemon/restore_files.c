/* SPDX-License-Identifier: MIT */
#include "daemon/restore_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All paths are relative to DATA. */
static const char staged[] = "restore";
static const char ready[] = "restore.ready";
static const char note_staged[] = "restore/complete";
static const char note_ready[] = "restore.ready/complete";
static const char note_done[] = "last-restore";
static const char media_ready[] = "restore.ready/media";

static int failed(struct err *err, const char *what, const char *path)
{
	return err_set(err, err_of_file(errno), "Cannot %s %s: %s", what, path,
		       strerror(errno));
}

static int open_data(const char *data, int *fd, struct err *err)
{
	*fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? failed(err, "open", data) : 0;
}

/* Names have no colons: tools like scp(1) take them for hosts. */
static void put_stamp(struct buf *out, const struct restore_files *f)
{
	for (const char *c = f->stamp; *c != '\0'; c++) {
		if (*c != ':' && *c != '-')
			buf_append_char(out, *c);
	}
}

void restore_files_kept(struct buf *out, const char *store,
			const struct restore_files *f)
{
	buf_printf(out, "%s.before-restore-", store);
	put_stamp(out, f);
}

int restore_files_strip(const char *database, struct err *err)
{
	static const char *const suffixes[] = { "-wal", "-shm", ".lock" };
	struct buf path = { 0 };
	struct stat st;
	int rc = 0;

	for (size_t i = 0; i < 3 && rc == 0; i++) {
		buf_clear(&path);
		buf_printf(&path, "%s%s", database, suffixes[i]);
		if (path.failed)
			rc = err_set(err, ERR_UNAVAILABLE,
				     "groupd is out of memory");
		else if (i == 0 && stat(buf_cstr(&path), &st) == 0 &&
			 st.st_size > 0)
			rc = err_set(err, ERR_UNAVAILABLE, "%s was not merged",
				     buf_cstr(&path));
		else if (unlink(buf_cstr(&path)) < 0 && errno != ENOENT)
			rc = failed(err, "remove", buf_cstr(&path));
	}
	buf_release(&path);
	return rc;
}

/* The note is small: one write, or none. */
static int write_note(int data, const struct restore_files *f, struct err *err)
{
	struct buf text = { 0 };
	int rc = 0;
	int fd;

	buf_printf(&text, "%016" PRIx64 " %s\n", f->id, f->stamp);
	fd = openat(data, note_staged,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (text.failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	else if (fd < 0 ||
		 write(fd, text.data, text.len) != (ssize_t)text.len ||
		 fsync(fd) < 0)
		rc = failed(err, "write", note_staged);
	if (fd >= 0)
		close(fd);
	buf_release(&text);
	return rc;
}

/* 1: read. 0: there is none. */
static int read_note(int data, const char *path, struct restore_files *f,
		     struct err *err)
{
	char text[64] = { 0 };
	uint64_t time_ms;
	ssize_t n;
	int fd = openat(data, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : failed(err, "read", path);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return failed(err, "read", path);
	if (sscanf(text, "%16" SCNx64 " %24s", &f->id, f->stamp) == 2 &&
	    text_parse_time(str_of(f->stamp), &time_ms))
		return 1;
	return err_set(err, ERR_UNAVAILABLE, "%s does not say what it must",
		       path);
}

/* Some file systems cannot refuse to replace: tried before anything moves. */
static int try_rename(int data, struct err *err)
{
	static const char from[] = "restore/try", to[] = "restore/tried";
	int fd = openat(data, from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return failed(err, "make", from);
	close(fd);
	if (renameat2(data, from, data, to, RENAME_NOREPLACE) < 0)
		rc = failed(err, "rename", from);
	(void)unlinkat(data, from, 0);
	(void)unlinkat(data, to, 0);
	return rc;
}

int restore_files_check(const char *data, struct err *err)
{
	struct stat folder, media;
	int fd;
	int rc = open_data(data, &fd, err);

	if (rc < 0)
		return rc;
	if (fstat(fd, &folder) < 0)
		rc = failed(err, "look at", data);
	else if (fstatat(fd, "media", &media, AT_SYMLINK_NOFOLLOW) == 0 &&
		 (!S_ISDIR(media.st_mode) || media.st_dev != folder.st_dev))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "%s/media is a file system of its own, or a link: "
			     "it cannot be restored here",
			     data);
	else
		rc = try_rename(fd, err);
	close(fd);
	return rc;
}

int restore_files_ready(const char *data, const struct restore_files *f,
			struct err *err)
{
	int fd;
	int rc = open_data(data, &fd, err);

	if (rc < 0)
		return rc;
	rc = write_note(fd, f, err);
	/* All files of it, which may be many, and their folders. */
	if (rc == 0 && syncfs(fd) < 0)
		rc = failed(err, "sync", data);
	if (rc == 0 && renameat(fd, staged, fd, ready) < 0)
		rc = failed(err, "rename", staged);
	if (rc == 0 && fsync(fd) < 0) {
		rc = failed(err, "sync", data);
		/* What was refused is not to be done by a later start. */
		(void)renameat(fd, ready, fd, staged);
	}
	close(fd);
	return rc;
}

int restore_files_find(const char *data, struct restore_files *f,
		       struct err *err)
{
	int fd;
	int rc = open_data(data, &fd, err);

	if (rc < 0)
		return rc;
	rc = read_note(fd, note_ready, f, err);
	/* The note went last: only the folder may be left. */
	if (rc == 0)
		(void)unlinkat(fd, ready, AT_REMOVEDIR);
	close(fd);
	return rc;
}

/* The media folder of before goes first: then its name is free. */
static int exchange_media(int data, const struct restore_files *f,
			  struct err *err)
{
	struct buf kept = { 0 };
	int rc = 0;

	if (faccessat(data, media_ready, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	buf_printf(&kept, "media.before-restore-");
	put_stamp(&kept, f);
	if (kept.failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	else if (renameat2(data, "media", data, buf_cstr(&kept),
			   RENAME_NOREPLACE) < 0 &&
		 errno != ENOENT)
		rc = failed(err, "rename", "media");
	if (rc == 0 && renameat(data, media_ready, data, "media") < 0)
		rc = failed(err, "rename", media_ready);
	if (rc == 0 && fsync(data) < 0)
		rc = failed(err, "sync", "media");
	buf_release(&kept);
	return rc;
}

int restore_files_done(const char *data, const struct restore_files *f,
		       struct err *err)
{
	int fd;
	int rc = open_data(data, &fd, err);

	if (rc < 0)
		return rc;
	rc = exchange_media(fd, f, err);
	if (rc == 0 && renameat(fd, note_ready, fd, note_done) < 0)
		rc = failed(err, "rename", note_ready);
	if (rc == 0)
		(void)unlinkat(fd, ready, AT_REMOVEDIR);
	if (rc == 0 && fsync(fd) < 0)
		rc = failed(err, "sync", data);
	close(fd);
	return rc;
}

bool restore_files_was_done(const char *data, uint64_t id,
			    struct restore_files *f)
{
	struct err err;
	bool done;
	int fd;

	if (open_data(data, &fd, &err) < 0)
		return false;
	done = read_note(fd, note_done, f, &err) > 0 && f->id == id;
	close(fd);
	return done;
}
