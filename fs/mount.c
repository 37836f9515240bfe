/* SPDX-License-Identifier: MIT */
#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/ops.h"

extern char **environ;

/* The n'th word (from 0) of a line. */
static struct str word(struct str line, size_t n)
{
	while (line.len > 0) {
		const char *sp = memchr(line.data, ' ', line.len);
		size_t len = sp == NULL ? line.len : (size_t)(sp - line.data);

		if (n-- == 0)
			return str_make(line.data, len);
		if (sp == NULL)
			break;
		line = str_make(line.data + len + 1, line.len - len - 1);
	}
	return str_make(NULL, 0);
}

/* Whether a word of mountinfo, where "\040" is a space, is this path. */
static bool is_path(struct str escaped, const char *path)
{
	size_t i = 0;

	while (i < escaped.len) {
		unsigned int c = (unsigned char)escaped.data[i++];

		if (c == '\\' && escaped.len - i >= 3) {
			c = 0;
			for (int k = 0; k < 3; k++)
				c = c * 8 +
				    ((unsigned char)escaped.data[i++] & 7U);
		}
		if ((unsigned char)*path != c || c == 0)
			return false;
		path++;
	}
	return *path == '\0';
}

struct str mount_type_of(struct str mountinfo, const char *path)
{
	struct str type = { 0 };

	while (mountinfo.len > 0) {
		const char *nl = memchr(mountinfo.data, '\n', mountinfo.len);
		size_t len = nl == NULL ? mountinfo.len
					: (size_t)(nl - mountinfo.data);
		size_t used = nl == NULL ? len : len + 1;
		struct str line = str_make(mountinfo.data, len);
		const char *sep =
			len == 0 ? NULL : memmem(line.data, len, " - ", 3);

		if (sep != NULL && is_path(word(line, 4), path)) {
			size_t at = (size_t)(sep - line.data) + 3;

			type = word(str_make(line.data + at, len - at), 0);
		}
		mountinfo =
			str_make(mountinfo.data + used, mountinfo.len - used);
	}
	return type;
}

static bool is_groupfs(const char *path)
{
	struct buf text = { 0 };
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	bool yes;

	while (fd >= 0 && n > 0 && buf_reserve(&text, 4096)) {
		n = read(fd, text.data + text.len, 4096);
		if (n > 0)
			text.len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	yes = str_eq(mount_type_of(buf_str(&text), path),
		     str_of("fuse.groupfs"));
	buf_release(&text);
	return yes;
}

int mount_undo(const char *path)
{
	char program[] = "fusermount3";
	char flags[] = "-uz";
	char end[] = "--";
	/* posix_spawn wants them writable; it does not write them. */
	char *const argv[] = { program, flags, end, (char *)(uintptr_t)path,
			       NULL };
	pid_t pid;
	int status = 0;
	int rc = posix_spawnp(&pid, program, NULL, NULL, argv, environ);

	if (rc != 0)
		return -rc;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

/* realpath(3) cannot look at a dead mount, but at the folder it lies in. */
static char *absolute(const char *path)
{
	struct buf whole = { 0 };
	char *parent_end;
	char *copy = strdup(path);
	char *parent;
	const char *name;
	size_t len = copy == NULL ? 0 : strlen(copy);

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	parent_end = copy == NULL ? NULL : strrchr(copy, '/');
	name = parent_end == NULL ? copy : parent_end + 1;
	if (copy == NULL || *name == '\0' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0) {
		free(copy);
		return realpath(path, NULL);
	}
	if (parent_end != NULL)
		*parent_end = '\0';
	parent = realpath(parent_end == NULL ? "."
			  : copy[0] == '\0'  ? "/"
					     : copy,
			  NULL);
	if (parent != NULL)
		buf_printf(&whole, "%s/%s",
			   strcmp(parent, "/") == 0 ? "" : parent, name);
	free(parent);
	free(copy);
	return parent == NULL || whole.failed ? NULL : whole.data;
}

static int resolve(struct mount_options *o, char **path, struct err *err)
{
	*path = realpath(buf_cstr(&o->mountpoint), NULL);
	if (*path == NULL && errno == ENOTCONN)
		*path = absolute(buf_cstr(&o->mountpoint));
	if (*path == NULL) {
		int rc = -errno;

		err_set(err, ERR_BAD_REQUEST, "%s: %s",
			buf_cstr(&o->mountpoint), strerror(-rc));
		return rc;
	}
	return 0;
}

int mount_prepare(struct mount_options *o, struct err *err)
{
	struct stat st;
	char *path;
	int rc = resolve(o, &path, err);

	if (rc != 0)
		return rc;
	if (stat(path, &st) != 0 && errno == ENOTCONN && is_groupfs(path))
		(void)mount_undo(path);
	if (stat(path, &st) != 0) {
		rc = -errno;
		err_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(-rc));
	} else if (is_groupfs(path)) {
		/* A second one would hide the first, which lives on unseen. */
		rc = -EBUSY;
		err_set(err, ERR_BAD_REQUEST, "%s is mounted already", path);
	} else if (!S_ISDIR(st.st_mode)) {
		rc = -ENOTDIR;
		err_set(err, ERR_BAD_REQUEST, "%s is not a folder", path);
	} else {
		buf_clear(&o->mountpoint);
		buf_append_str(&o->mountpoint, str_of(path));
		rc = o->mountpoint.failed ? -ENOMEM : 0;
	}
	free(path);
	return rc;
}

struct fuse_session *mount_session(const struct mount_options *o,
				   struct groupfs *fs)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	struct buf list = { 0 };

	/* A comma in the source would begin an option of its own. */
	buf_printf(&list, "subtype=groupfs,fsname=");
	for (size_t i = 0; i < o->source.len; i++) {
		if (strchr(",\\", o->source.data[i]) != NULL)
			buf_append_char(&list, '\\');
		buf_append_char(&list, o->source.data[i]);
	}
	if (o->source.len == 0)
		buf_printf(&list, "groupfs");
	if (o->rest.len > 0)
		buf_printf(&list, ",%s", buf_cstr(&o->rest));
	if (!list.failed && fuse_opt_add_arg(&args, "groupfs") == 0 &&
	    fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, buf_cstr(&list)) == 0 &&
	    (!o->debug || fuse_opt_add_arg(&args, "-d") == 0))
		session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
	fuse_opt_free_args(&args);
	buf_release(&list);
	return session;
}

int mount_daemonize(void)
{
	int fds[2];
	pid_t pid;
	char byte;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		setsid();
		return fds[1];
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	do {
		n = read(fds[0], &byte, 1);
	} while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

void mount_ready(int fd)
{
	int null;
	ssize_t n;

	if (fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	(void)!chdir("/");
	/* A parent that is gone need not be told. */
	n = write(fd, "1", 1);
	(void)n;
	close(fd);
}
