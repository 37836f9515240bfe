/* SPDX-License-Identifier: MIT */
#include "fs/tgid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/text.h"

enum { FDS_MAX = 4096 };

static const char KEY[] = "\nTgid:\t";

/* Of /proc/TID/stat, see proc_pid_stat(5). */
enum {
	FIELD_FLAGS = 9,
	FIELD_EXIT_CODE = 52,
	FLAG_EXITING = 4,      /* PF_EXITING of the kernel */
	FLAG_SIGNALED = 0x400, /* PF_SIGNALED */
	SIGNAL_BITS = 0x7f
};

pid_t tgid_parse(struct str status)
{
	const char *at = memmem(status.data, status.len, KEY, sizeof(KEY) - 1);
	const char *end = status.data + status.len;
	const char *digits;
	const char *nl;
	uint64_t n = 0;

	if (at == NULL)
		return 0;
	digits = at + sizeof(KEY) - 1;
	nl = memchr(digits, '\n', (size_t)(end - digits));
	if (nl == NULL ||
	    !text_parse_u64(str_make(digits, (size_t)(nl - digits)), &n) ||
	    n > INT_MAX)
		return 0;
	return (pid_t)n;
}

/* The first bytes of /proc/TID/FILE; their number, 0 for none. */
static size_t read_proc(pid_t tid, const char *file, char *text, size_t size)
{
	struct buf path = { 0 };
	ssize_t n = -1;
	int fd;

	if (tid <= 0)
		return 0;
	buf_printf(&path, "/proc/%d/%s", (int)tid, file);
	fd = path.failed ? -1 : open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	buf_release(&path);
	if (fd >= 0) {
		n = read(fd, text, size);
		close(fd);
	}
	return n < 0 ? 0 : (size_t)n;
}

pid_t tgid_of(pid_t tid)
{
	/* Tgid is the fourth line; Name, the only long one, has 64 bytes. */
	char text[1024];

	return tgid_parse(
		str_make(text, read_proc(tid, "status", text, sizeof(text))));
}

/* The n'th word, where that is a number. */
static bool number_at(struct str text, int n, uint64_t *out)
{
	for (; text.len > 0; n--) {
		const char *sp = memchr(text.data, ' ', text.len);
		size_t len = sp == NULL ? text.len : (size_t)(sp - text.data);

		if (n == 0)
			return text_parse_u64(str_make(text.data, len), out);
		if (sp == NULL)
			break;
		text = str_make(text.data + len + 1, text.len - len - 1);
	}
	return false;
}

/* Field n of /proc/TID/stat. */
static bool field_of(struct str stat, int n, uint64_t *out)
{
	/* The name, in parentheses, may hold any byte: field 3 follows the
	 * last one. */
	const char *end =
		stat.len == 0 ? NULL : memrchr(stat.data, ')', stat.len);
	size_t used;

	if (end == NULL)
		return false;
	used = (size_t)(end - stat.data) + 1;
	stat = str_make(end + 1, stat.len - used);
	if (stat.len > 0 && stat.data[stat.len - 1] == '\n')
		stat.len--;
	/* It begins with a blank, so word 0 is empty and field n is word
	 * n - 2. */
	return number_at(stat, n - 2, out);
}

bool tgid_parse_killed(struct str stat)
{
	uint64_t flags;
	uint64_t code;

	/* The code of who is only stopped is a signal, too. */
	return field_of(stat, FIELD_FLAGS, &flags) &&
	       (flags & FLAG_EXITING) != 0 &&
	       field_of(stat, FIELD_EXIT_CODE, &code) &&
	       (code & SIGNAL_BITS) != 0;
}

bool tgid_parse_signaled(struct str stat)
{
	const uint64_t both = FLAG_EXITING | FLAG_SIGNALED;
	uint64_t flags;

	return field_of(stat, FIELD_FLAGS, &flags) && (flags & both) == both;
}

/* Whether the text of a /proc/PID/fdinfo/FD is of this inode. */
static bool is_of(struct str info, uint64_t ino)
{
	static const char key[] = "\nino:\t";
	const char *at = memmem(info.data, info.len, key, sizeof(key) - 1);
	const char *end = info.data + info.len;
	const char *nl;
	uint64_t found;

	if (at == NULL)
		return false;
	at += sizeof(key) - 1;
	nl = memchr(at, '\n', (size_t)(end - at));
	return nl != NULL &&
	       text_parse_u64(str_make(at, (size_t)(nl - at)), &found) &&
	       found == ino;
}

/* The access mode of the descriptor, from the same text; -1: not known. */
static int way_of(struct str info)
{
	static const char key[] = "\nflags:\t";
	const char *at = memmem(info.data, info.len, key, sizeof(key) - 1);
	const char *end = info.data + info.len;
	const char *nl;

	if (at == NULL)
		return -1;
	at += sizeof(key) - 1;
	nl = memchr(at, '\n', (size_t)(end - at));
	/* It is octal, so the mode is in the last digit. */
	return nl == NULL || nl == at ? -1 : (nl[-1] - '0') & O_ACCMODE;
}

static bool fd_is_of(pid_t pid, const char *fd, uint64_t ino, bool writing)
{
	struct buf file = { 0 };
	char text[512];
	size_t n = 0;

	buf_printf(&file, "fdinfo/%s", fd);
	if (!file.failed)
		n = read_proc(pid, buf_cstr(&file), text, sizeof(text));
	buf_release(&file);
	return is_of(str_make(text, n), ino) &&
	       (!writing || way_of(str_make(text, n)) > O_RDONLY);
}

static int has_open(pid_t pid, uint64_t ino, bool writing)
{
	struct buf path = { 0 };
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	buf_printf(&path, "/proc/%d/fdinfo", (int)pid);
	dir = pid <= 0 || path.failed ? NULL : opendir(buf_cstr(&path));
	buf_release(&path);
	if (dir == NULL)
		return -EACCES;
	/* The loop waits for it, so it looks at no more than FDS_MAX. */
	for (int n = 0; n < FDS_MAX && !found; n++) {
		entry = readdir(dir);
		if (entry == NULL)
			break;
		found = entry->d_name[0] != '.' &&
			fd_is_of(pid, entry->d_name, ino, writing);
	}
	closedir(dir);
	return found ? 1 : 0;
}

int tgid_has_open(pid_t pid, uint64_t ino)
{
	return has_open(pid, ino, false);
}

int tgid_may_write(pid_t pid, uint64_t ino)
{
	return has_open(pid, ino, true);
}

bool tgid_is_killed(pid_t tid)
{
	/* 52 numbers of at most 20 digits, and the name. */
	char text[2048];
	struct str stat =
		str_make(text, read_proc(tid, "stat", text, sizeof(text)));

	/* Where another user's exit_code is hidden from us, it reads as 0. */
	return tgid_parse_killed(stat) ||
	       (tgid_parse_signaled(stat) && tgid_has_open(tid, 0) < 0);
}
