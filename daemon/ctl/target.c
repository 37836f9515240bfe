/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool may_replace(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
		return true;
	ctl_complain("%s is there, and is not a regular file", path);
	return false;
}

/* Whether the name is still that of the file: who had it before may have
 * finished between our open(2) and our lock. */
static bool is_named(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Nothing is cut that another one is writing. */
static enum ctl_exit open_partial(struct target *t)
{
	const char *partial = buf_cstr(&t->partial);

	t->fd = open(partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0) {
		(void)ctl_cannot("make", partial);
		buf_clear(&t->partial);
		return CTL_REFUSED;
	}
	if (flock(t->fd, LOCK_EX | LOCK_NB) < 0 || !is_named(t->fd, partial)) {
		ctl_complain("another groupctl is writing %s", partial);
		buf_clear(&t->partial);
		return CTL_REFUSED;
	}
	if (fchmod(t->fd, 0600) < 0 || ftruncate(t->fd, 0) < 0)
		return ctl_cannot("make", partial);
	return CTL_OK;
}

enum ctl_exit target_open(struct target *t, const char *path)
{
	*t = (struct target){ .fd = STDOUT_FILENO };
	if (path == NULL || strcmp(path, "-") == 0)
		return CTL_OK;
	t->path = path;
	t->fd = -1;
	if (!may_replace(path))
		return CTL_REFUSED;
	buf_printf(&t->partial, "%s.partial", path);
	if (!t->partial.failed)
		return open_partial(t);
	buf_clear(&t->partial);
	ctl_complain("out of memory");
	return CTL_REFUSED;
}

const char *target_name(const struct target *t)
{
	return t->path == NULL ? "the output" : buf_cstr(&t->partial);
}

enum ctl_exit target_sync(const struct target *t)
{
	return t->path == NULL || fsync(t->fd) == 0
		       ? CTL_OK
		       : ctl_cannot("write", target_name(t));
}

/* So that the new name is on disk, too. */
static enum ctl_exit sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf dir = { 0 };
	enum ctl_exit rc = CTL_OK;
	int fd;

	buf_append_str(&dir,
		       slash == NULL
			       ? str_of(".")
			       : str_make(path, (size_t)(slash - path) + 1));
	fd = open(buf_cstr(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		rc = ctl_cannot("sync", buf_cstr(&dir));
	if (fd >= 0)
		close(fd);
	buf_release(&dir);
	return rc;
}

enum ctl_exit target_finish(struct target *t)
{
	enum ctl_exit rc = target_sync(t);

	if (rc != CTL_OK || t->path == NULL)
		return rc;
	if (rename(buf_cstr(&t->partial), t->path) < 0)
		return ctl_cannot("make", t->path);
	buf_clear(&t->partial);
	return sync_folder(t->path);
}

void target_close(struct target *t)
{
	if (t->path != NULL && t->partial.len > 0)
		(void)unlink(buf_cstr(&t->partial));
	if (t->path != NULL && t->fd >= 0)
		close(t->fd);
	buf_release(&t->partial);
}
