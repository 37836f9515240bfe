/* SPDX-License-Identifier: MIT */
/* Contents by their hash, and what both files share. */
#include "daemon/media_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int media_no_memory(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
}

int media_failed(struct err *err, const char *what)
{
	int number = errno;

	if (err_of_file(number) == ERR_OUT_OF_SPACE)
		return err_set(err, ERR_OUT_OF_SPACE,
			       "There is no space left for media files");
	return err_set(err, ERR_UNAVAILABLE, "Cannot %s a media file: %s", what,
		       strerror(number));
}

int media_not_begun(struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "There is no such upload: it was not begun, was sent, "
		       "or was left alone for too long");
}

int media_sync_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return rc;
}

struct blob_path {
	char text[3 + 2 * STORE_HASH + 1]; /* "ab/abcdef..." */
	char dir[3];
};

static void put_blob(struct blob_path *p, const uint8_t hash[STORE_HASH])
{
	static const char digits[] = "0123456789abcdef";
	char *out = p->text + 3;

	for (size_t i = 0; i < STORE_HASH; i++) {
		*out++ = digits[hash[i] >> 4];
		*out++ = digits[hash[i] & 15];
	}
	*out = '\0';
	memcpy(p->text, p->text + 3, 2);
	p->text[2] = '/';
	memcpy(p->dir, p->text, 2);
	p->dir[2] = '\0';
}

static int make_dir(struct media *m, const struct blob_path *blob,
		    struct err *err)
{
	if (mkdirat(m->root, blob->dir, 0700) == 0)
		return fsync(m->root) < 0 ? media_failed(err, "store") : 0;
	return errno == EEXIST ? 0 : media_failed(err, "store");
}

/* Where nobody else can remove it, its time says nothing. */
static int touch(const struct media *m, const struct blob_path *blob)
{
	return m->shared ? utimensat(m->root, blob->text, NULL,
				     AT_SYMLINK_NOFOLLOW)
			 : 0;
}

/* Its second name, or the one that it has. 0, or -1 and errno. */
static int put_name(struct media *m, const char *sealed,
		    const struct blob_path *blob, bool *fresh)
{
	enum { TRIES = 100 };

	for (int i = 0; i < TRIES; i++) {
		*fresh = linkat(m->incoming, sealed, m->root, blob->text, 0) ==
			 0;
		if (!*fresh && errno != EEXIST)
			return -1;
		/* Else it was just taken away. */
		if (touch(m, blob) == 0)
			return 0;
		if (errno != ENOENT)
			return -1;
	}
	return -1;
}

static int place(struct media *m, struct media_placing *p, struct err *err)
{
	struct buf sealed = { 0 };
	struct blob_path blob;
	int rc = media_put_path(&sealed, p->upload, MEDIA_SEALED, err);

	put_blob(&blob, p->hash);
	if (rc == 0)
		rc = make_dir(m, &blob, err);
	if (rc == 0 && put_name(m, buf_cstr(&sealed), &blob, &p->fresh) < 0)
		rc = errno == ENOENT ? media_not_begun(err)
				     : media_failed(err, "store");
	buf_release(&sealed);
	return rc;
}

/* Whether it could be placed. */
static int look(const struct media *m, const struct media_placing *p,
		struct err *err)
{
	struct buf sealed = { 0 };
	int rc = media_put_path(&sealed, p->upload, MEDIA_SEALED, err);

	if (rc == 0 && faccessat(m->incoming, buf_cstr(&sealed), F_OK, 0) < 0)
		rc = errno == ENOENT ? media_not_begun(err)
				     : media_failed(err, "store");
	buf_release(&sealed);
	return rc;
}

int media_ready(struct media *m, struct media_placing *p, struct err *err)
{
	p->fresh = false;
	return m->shared ? look(m, p, err) : place(m, p, err);
}

/* It was there when the verb began: the refusal is one to come again after. */
static int place_late(struct media *m, struct media_placing *p, struct err *err)
{
	int rc = place(m, p, err);

	if (rc < 0 && err != NULL && err->code == ERR_BAD_REQUEST)
		rc = err_set(err, ERR_UNAVAILABLE,
			     "The upload was dropped while it was sent");
	return rc;
}

int media_settle(struct media *m, struct media_placing *p, struct err *err)
{
	struct blob_path blob;
	int rc = m->shared ? place_late(m, p, err) : 0;

	if (rc < 0)
		return rc;
	put_blob(&blob, p->hash);
	/* A node that has lost its lock may have taken it away since. */
	return faccessat(m->root, blob.text, F_OK, 0) < 0 ||
			       media_sync_dir(m->root, blob.dir) < 0
		       ? media_failed(err, "store")
		       : 0;
}

/* Whether fd, a content by its name, is what was checked, a while ago. */
static bool was_checked(struct media *m, const uint8_t hash[STORE_HASH],
			const struct stat *st)
{
	const struct media_checked *c = &m->checked[hash[0] % MEDIA_CHECKED];
	bool found;

	pthread_mutex_lock(&m->checked_lock);
	found = c->until_ms > env_now_ms(m->env) && c->inode == st->st_ino &&
		c->written.tv_sec == st->st_mtim.tv_sec &&
		c->written.tv_nsec == st->st_mtim.tv_nsec &&
		memcmp(c->hash, hash, STORE_HASH) == 0;
	pthread_mutex_unlock(&m->checked_lock);
	return found;
}

static void note_checked(struct media *m, const uint8_t hash[STORE_HASH],
			 const struct stat *st)
{
	struct media_checked *c = &m->checked[hash[0] % MEDIA_CHECKED];

	pthread_mutex_lock(&m->checked_lock);
	memcpy(c->hash, hash, STORE_HASH);
	c->inode = st->st_ino;
	c->written = st->st_mtim;
	c->until_ms = env_now_ms(m->env) + MEDIA_CHECKED_MS;
	pthread_mutex_unlock(&m->checked_lock);
}

static int fail_content(const struct blob_path *blob, const char *what,
			struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE,
		       "The media file %s is %s: restore a backup "
		       "(DAMAGE in groupd(8))",
		       blob->text, what);
}

static int check_content(struct media *m, int fd,
			 const uint8_t hash[STORE_HASH],
			 const struct blob_path *blob, struct err *err)
{
	uint8_t found[STORE_HASH];
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return media_failed(err, "read");
	if (was_checked(m, hash, &st))
		return 0;
	rc = media_hash_file(fd, found, err);
	if (rc < 0)
		return rc;
	if (memcmp(found, hash, STORE_HASH) != 0)
		return fail_content(blob, "damaged", err);
	note_checked(m, hash, &st);
	return 0;
}

int media_read(struct media *m, const uint8_t hash[STORE_HASH], uint64_t off,
	       size_t size, struct buf *out, struct err *err)
{
	struct blob_path blob;
	ssize_t n = 1;
	int rc;
	int fd;

	if (!buf_reserve(out, size))
		return media_no_memory(err);
	put_blob(&blob, hash);
	fd = openat(m->root, blob.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return fail_content(&blob, "missing", err);
	if (fd < 0)
		return media_failed(err, "read");
	rc = check_content(m, fd, hash, &blob, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	while (size > 0 && n != 0 && off <= INT64_MAX) {
		n = pread(fd, out->data + out->len, size, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		out->len += (size_t)n;
		size -= (size_t)n;
		off += (uint64_t)n;
	}
	close(fd);
	return n < 0 ? media_failed(err, "read") : 0;
}

bool media_is_sound(struct media *m, const uint8_t hash[STORE_HASH],
		    uint64_t size, struct err *err)
{
	uint8_t found[STORE_HASH] = { 0 };
	struct blob_path blob;
	struct stat st = { 0 };
	int rc = 0;
	int fd;

	put_blob(&blob, hash);
	fd = openat(m->root, blob.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = media_failed(err, "read");
	if (rc == 0)
		rc = media_hash_file(fd, found, err);
	if (rc == 0 && ((uint64_t)st.st_size != size ||
			memcmp(found, hash, STORE_HASH) != 0))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The media file %s is damaged", blob.text);
	if (fd >= 0)
		close(fd);
	return rc == 0;
}

int media_put(struct media *m, const uint8_t hash[STORE_HASH], uint64_t off,
	      struct str data, struct err *err)
{
	struct blob_path blob;
	int fd;
	int rc;

	put_blob(&blob, hash);
	if (mkdirat(m->root, blob.dir, 0700) < 0 && errno != EEXIST)
		return media_failed(err, "write");
	fd = openat(m->root, blob.text,
		    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return media_failed(err, "write");
	rc = media_write_all(fd, data, off, err);
	close(fd);
	return rc;
}

void media_look(const struct media *m, const uint8_t hash[STORE_HASH],
		struct media_seen *seen)
{
	struct blob_path blob;
	struct stat st;

	*seen = (struct media_seen){ 0 };
	put_blob(&blob, hash);
	if (m->shared &&
	    fstatat(m->root, blob.text, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*seen = (struct media_seen){ st.st_ino, st.st_mtim };
}

static bool is_as_seen(const struct stat *st, const struct media_seen *seen)
{
	return st->st_ino == seen->inode &&
	       st->st_mtim.tv_sec == seen->placed.tv_sec &&
	       st->st_mtim.tv_nsec == seen->placed.tv_nsec;
}

/* "ab/abcdef...-going": no content has such a name. */
static int remove_shared(struct media *m, const struct blob_path *blob,
			 const struct media_seen *seen, struct err *err)
{
	struct buf going = { 0 };
	struct stat st;
	int rc = 0;

	buf_printf(&going, "%s-going", blob->text);
	if (going.failed) {
		rc = media_no_memory(err);
		goto release;
	}
	if (renameat(m->root, blob->text, m->root, buf_cstr(&going)) < 0) {
		rc = errno == ENOENT ? 0 : media_failed(err, "remove");
		goto release;
	}
	if (fstatat(m->root, buf_cstr(&going), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !is_as_seen(&st, seen))
		rc = 1;
	/* A link does not take the place of what was placed since. */
	if (rc == 1 &&
	    linkat(m->root, buf_cstr(&going), m->root, blob->text, 0) < 0 &&
	    errno != EEXIST)
		rc = media_failed(err, "keep");
	else if (unlinkat(m->root, buf_cstr(&going), 0) < 0 && errno != ENOENT)
		rc = media_failed(err, "remove");
release:
	buf_release(&going);
	return rc;
}

static int remove_ours(struct media *m, const struct blob_path *blob,
		       struct err *err)
{
	if (unlinkat(m->root, blob->text, 0) < 0 && errno != ENOENT)
		return media_failed(err, "remove");
	/* The last one of its folder; any other keeps it. */
	unlinkat(m->root, blob->dir, AT_REMOVEDIR);
	return 0;
}

int media_remove(struct media *m, const uint8_t hash[STORE_HASH],
		 const struct media_seen *seen, struct err *err)
{
	struct blob_path blob;

	put_blob(&blob, hash);
	return m->shared ? remove_shared(m, &blob, seen, err)
			 : remove_ours(m, &blob, err);
}

/* What is fresh was placed at once, so nodes do not share. */
void media_undo(struct media *m, struct media_placing *p)
{
	struct blob_path blob;

	put_blob(&blob, p->hash);
	if (p->fresh)
		remove_ours(m, &blob, NULL);
	p->fresh = false;
}
