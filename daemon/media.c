/* SPDX-License-Identifier: MIT */
#include "daemon/media.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/digest.h"
#include "daemon/media_private.h"

/* Paths. */

static bool is_key(struct str key)
{
	for (size_t i = 0; i < key.len; i++) {
		char c = key.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z'))
			return false;
	}
	return key.len > 0 && key.len <= WIRE_KEY_MAX;
}

int media_put_path(struct buf *path, const struct media_upload *u,
		   const char *suffix, struct err *err)
{
	buf_clear(path);
	if (!is_key(u->key))
		return err_set(err, ERR_BAD_REQUEST,
			       "The key of an upload is 1 to 64 of a-z 0-9");
	buf_append_str(path, u->user);
	buf_printf(path, "/%" PRIu64 ".", u->group_id);
	buf_append_str(path, u->key);
	buf_printf(path, "%s", suffix);
	return path->failed ? media_no_memory(err) : 0;
}

/* Opening. */

static int open_dir(int at, const char *path, int *fd)
{
	if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
		return -1;
	*fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? -1 : 0;
}

int media_open(struct media *m, const char *data, const struct env *env,
	       uint64_t max_bytes, struct err *err)
{
	struct buf path = { 0 };
	int rc;

	*m = (struct media){ .env = env, .root = -1, .incoming = -1 };
	atomic_init(&m->max_bytes, max_bytes);
	pthread_rwlock_init(&m->lock, NULL);
	pthread_mutex_init(&m->checked_lock, NULL);
	buf_printf(&path, "%s/media", data);
	rc = path.failed ? -1 : open_dir(AT_FDCWD, buf_cstr(&path), &m->root);
	if (rc == 0)
		rc = open_dir(m->root, "incoming", &m->incoming);
	if (rc == 0)
		rc = media_sync_dir(AT_FDCWD, data);
	if (rc < 0) {
		rc = err_set(err, ERR_UNAVAILABLE, "Cannot make %s: %s",
			     buf_cstr(&path), strerror(errno));
		media_close(m);
	}
	buf_release(&path);
	return rc;
}

void media_close(struct media *m)
{
	if (m->env == NULL)
		return;
	if (m->root >= 0)
		close(m->root);
	if (m->incoming >= 0)
		close(m->incoming);
	pthread_rwlock_destroy(&m->lock);
	pthread_mutex_destroy(&m->checked_lock);
	*m = (struct media){ .root = -1, .incoming = -1 };
}

void media_set_max(struct media *m, uint64_t max_bytes)
{
	atomic_store(&m->max_bytes, max_bytes);
}

/* To be read by readdir(3); NULL: it cannot. */
static DIR *read_folder(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

/* What a user has begun. */

struct usage {
	size_t count;
	uint64_t bytes;
};

/* Nothing of a user whose folder cannot be read: then nothing can be begun
 * there either. */
static struct usage usage_of(struct media *m, const char *path)
{
	struct usage usage = { 0 };
	const char *slash = strchr(path, '/');
	char user[WIRE_USER_MAX + 1];
	const struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (!str_to_cstr(str_make(path, (size_t)(slash - path)), user,
			 sizeof(user)))
		return usage;
	dir = read_folder(m->incoming, user);
	if (dir == NULL)
		return usage;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		usage.count++;
		usage.bytes += (uint64_t)st.st_size;
	}
	closedir(dir);
	return usage;
}

/* Whether the file may grow to size, and the user have so much. */
static int check_growth(struct media *m, const char *path, uint64_t old,
			uint64_t size, struct err *err)
{
	uint64_t max = atomic_load(&m->max_bytes);
	struct usage usage;

	if (size <= old)
		return 0;
	if (size > max)
		return err_set(err, ERR_TOO_LARGE,
			       "A media file may have %" PRIu64 " bytes", max);
	usage = usage_of(m, path);
	if (usage.bytes - old + size > MEDIA_QUOTA * max)
		return err_set(err, ERR_RATE_LIMITED,
			       "Too much is being copied in at once: at most "
			       "%" PRIu64 " bytes for a user",
			       MEDIA_QUOTA * max);
	return 0;
}

/* Writing. */

/* Opens what was begun. Under the lock. */
static int open_upload(struct media *m, const char *path, struct stat *st,
		       int *fd, struct err *err)
{
	*fd = openat(m->incoming, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0 && errno == ENOENT)
		return media_not_begun(err);
	if (*fd < 0)
		return media_failed(err, "write");
	if (fstat(*fd, st) == 0)
		return 0;
	close(*fd);
	return media_failed(err, "write");
}

static int begin(struct media *m, const struct media_upload *u,
		 const char *path, struct err *err)
{
	struct buf sealed = { 0 };
	char user[WIRE_USER_MAX + 1];
	bool there;
	int fd;
	int rc = media_put_path(&sealed, u, MEDIA_SEALED, err);

	if (rc < 0)
		return rc;
	there = faccessat(m->incoming, buf_cstr(&sealed), F_OK, 0) == 0;
	buf_release(&sealed);
	if (there)
		return err_set(err, ERR_BAD_REQUEST,
			       "This upload is complete already");
	str_to_cstr(u->user, user, sizeof(user));
	if (mkdirat(m->incoming, user, 0700) < 0 && errno != EEXIST)
		return media_failed(err, "begin");
	if (faccessat(m->incoming, path, F_OK, 0) < 0 &&
	    usage_of(m, path).count >= MEDIA_UPLOADS_MAX)
		return err_set(err, ERR_RATE_LIMITED,
			       "Too many files are being copied in at once: at "
			       "most %d for a user",
			       MEDIA_UPLOADS_MAX);
	fd = openat(m->incoming, path,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return media_failed(err, "begin");
	close(fd);
	return 0;
}

static int resize(struct media *m, const char *path, uint64_t size,
		  struct err *err)
{
	struct stat st;
	int fd;
	int rc = open_upload(m, path, &st, &fd, err);

	if (rc < 0)
		return rc;
	rc = check_growth(m, path, (uint64_t)st.st_size, size, err);
	if (rc == 0 && ftruncate(fd, (off_t)size) < 0)
		rc = media_failed(err, "resize");
	close(fd);
	return rc;
}

int media_resize(struct media *m, const struct media_upload *u, uint64_t size,
		 struct err *err)
{
	struct buf path = { 0 };
	int rc = media_put_path(&path, u, "", err);

	if (rc == 0) {
		pthread_rwlock_rdlock(&m->lock);
		if (size == 0)
			rc = begin(m, u, buf_cstr(&path), err);
		else
			rc = resize(m, buf_cstr(&path), size, err);
		pthread_rwlock_unlock(&m->lock);
	}
	buf_release(&path);
	return rc;
}

int media_write_all(int fd, struct str data, uint64_t off, struct err *err)
{
	while (data.len > 0) {
		ssize_t n = pwrite(fd, data.data, data.len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return media_failed(err, "write");
		data.data += n;
		data.len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static int write_at(struct media *m, const char *path, uint64_t off,
		    struct str data, uint64_t *size, struct err *err)
{
	struct stat st;
	uint64_t end;
	int fd;
	int rc = open_upload(m, path, &st, &fd, err);

	if (rc < 0)
		return rc;
	end = off > UINT64_MAX - data.len ? UINT64_MAX : off + data.len;
	*size = (uint64_t)st.st_size > end ? (uint64_t)st.st_size : end;
	rc = check_growth(m, path, (uint64_t)st.st_size, *size, err);
	if (rc == 0)
		rc = media_write_all(fd, data, off, err);
	/* Begun now, so that the fsync at the end finds little to do. */
	if (rc == 0)
		(void)sync_file_range(fd, (off_t)off, (off_t)data.len,
				      SYNC_FILE_RANGE_WRITE);
	close(fd);
	return rc;
}

int media_write(struct media *m, const struct media_upload *u, uint64_t off,
		struct str data, uint64_t *size, struct err *err)
{
	struct buf path = { 0 };
	int rc = media_put_path(&path, u, "", err);

	if (rc == 0) {
		pthread_rwlock_rdlock(&m->lock);
		rc = write_at(m, buf_cstr(&path), off, data, size, err);
		pthread_rwlock_unlock(&m->lock);
	}
	buf_release(&path);
	return rc;
}

/* Completing. */

int media_hash_file(int fd, uint8_t hash[STORE_HASH], struct err *err)
{
	int rc = digest_file(fd, hash);

	if (rc == -ENOMEM)
		return media_no_memory(err);
	errno = -rc;
	return rc < 0 ? media_failed(err, "read") : 0;
}

/* Nobody writes it from here on: who had it open to write held the lock. Its
 * time is new, so that it is not tidied away meanwhile. */
static int seal(struct media *m, const char *path, const char *sealed)
{
	int rc;

	pthread_rwlock_wrlock(&m->lock);
	rc = renameat(m->incoming, path, m->incoming, sealed);
	if (rc == 0)
		rc = utimensat(m->incoming, sealed, NULL, 0);
	pthread_rwlock_unlock(&m->lock);
	return rc;
}

static int settle(int fd, uint8_t hash[STORE_HASH], uint64_t *size,
		  struct err *err)
{
	struct stat st;
	int rc = media_hash_file(fd, hash, err);

	if (rc < 0)
		return rc;
	if (fsync(fd) < 0 || fstat(fd, &st) < 0)
		return media_failed(err, "store");
	*size = (uint64_t)st.st_size;
	return 0;
}

int media_seal(struct media *m, const struct media_upload *u,
	       uint8_t hash[STORE_HASH], uint64_t *size, bool *found,
	       struct err *err)
{
	struct buf path = { 0 };
	struct buf sealed = { 0 };
	int fd = -1;
	int rc = media_put_path(&path, u, "", err);

	*found = false;
	if (rc == 0)
		rc = media_put_path(&sealed, u, MEDIA_SEALED, err);
	if (rc == 0 && seal(m, buf_cstr(&path), buf_cstr(&sealed)) < 0 &&
	    errno != ENOENT)
		rc = media_failed(err, "complete");
	if (rc == 0) {
		fd = openat(m->incoming, buf_cstr(&sealed),
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno != ENOENT)
			rc = media_failed(err, "read");
	}
	if (rc == 0 && fd >= 0) {
		*found = true;
		rc = settle(fd, hash, size, err);
	}
	if (fd >= 0)
		close(fd);
	buf_release(&path);
	buf_release(&sealed);
	return rc;
}

void media_forget(struct media *m, const struct media_upload *u)
{
	struct buf path = { 0 };

	if (media_put_path(&path, u, MEDIA_SEALED, NULL) == 0)
		unlinkat(m->incoming, buf_cstr(&path), 0);
	if (media_put_path(&path, u, "", NULL) == 0)
		unlinkat(m->incoming, buf_cstr(&path), 0);
	buf_release(&path);
}

int media_drop(struct media *m, const struct media_upload *u, struct err *err)
{
	struct buf path = { 0 };
	struct stat st;
	int rc = media_put_path(&path, u, MEDIA_SEALED, err);

	if (rc == 0) {
		bool placed = fstatat(m->incoming, buf_cstr(&path), &st,
				      AT_SYMLINK_NOFOLLOW) == 0 &&
			      st.st_nlink > 1;

		if (!placed)
			media_forget(m, u);
	}
	buf_release(&path);
	return rc;
}

/* Tidying. */

struct tidying {
	struct media *media;
	media_doubt_fn doubt;
	void *data;
	uint64_t before_ms; /* last written before: stale */
};

static bool may_go(const struct tidying *t, int dir, const char *name,
		   const struct stat *st)
{
	uint8_t hash[STORE_HASH];
	struct err err;
	int fd;
	int rc;

	if (st->st_nlink < 2)
		return true;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	rc = fd < 0 ? -1 : media_hash_file(fd, hash, &err);
	if (fd >= 0)
		close(fd);
	return rc == 0 && t->doubt(t->data, hash);
}

static void tidy_file(const struct tidying *t, int dir, const char *name)
{
	struct stat st;
	uint64_t written_ms;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	written_ms = (uint64_t)st.st_mtim.tv_sec * 1000 +
		     (uint64_t)st.st_mtim.tv_nsec / 1000000;
	if (written_ms < t->before_ms && may_go(t, dir, name, &st))
		unlinkat(dir, name, 0);
}

/* Calls fn for each entry of a folder (at, path). */
static void walk(const struct tidying *t, int at, const char *path,
		 void (*fn)(const struct tidying *t, int dir, const char *name))
{
	DIR *dir = read_folder(at, path);
	const struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			fn(t, dirfd(dir), entry->d_name);
	}
	closedir(dir);
}

static void tidy_user(const struct tidying *t, int incoming, const char *user)
{
	walk(t, incoming, user, tidy_file);
	/* Uploads are begun under the other side of this lock. */
	pthread_rwlock_wrlock(&t->media->lock);
	unlinkat(incoming, user, AT_REMOVEDIR);
	pthread_rwlock_unlock(&t->media->lock);
}

void media_tidy(struct media *m, media_doubt_fn doubt, void *data)
{
	uint64_t now = env_now_ms(m->env);
	const struct tidying t = { .media = m,
				   .doubt = doubt,
				   .data = data,
				   .before_ms = now > MEDIA_STALE_MS
							? now - MEDIA_STALE_MS
							: 0 };

	walk(&t, m->root, "incoming", tidy_user);
}
