/* SPDX-License-Identifier: MIT */
#include "fs/tgid.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/text.h"

enum { FDS_MAX = 4096 };

static const char KEY[] = "\nTgid:\t";

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

/* Reads the beginning of a file of /proc: how many bytes, 0 for none. */
static size_t read_text(int at, const char *path, char *out, size_t size)
{
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, out, size);
	close(fd);
	return n <= 0 ? 0 : (size_t)n;
}

static size_t read_proc(pid_t pid, const char *file, char *out, size_t size)
{
	struct buf path = { 0 };
	size_t n = 0;

	buf_printf(&path, "/proc/%d/%s", (int)pid, file);
	if (pid > 0 && !path.failed)
		n = read_text(AT_FDCWD, buf_cstr(&path), out, size);
	buf_release(&path);
	return n;
}

pid_t tgid_of(pid_t tid)
{
	/* Tgid is the fourth line; Name, the only long one, has 64 bytes. */
	char text[1024];
	size_t n = read_proc(tid, "status", text, sizeof(text));

	return n == 0 ? 0 : tgid_parse(str_make(text, n));
}

bool tgid_parse_killed(struct str stat)
{
	enum { SIGNAL_BITS = 0x7f };
	const char *space;
	uint64_t code;

	while (stat.len > 0 && stat.data[stat.len - 1] == '\n')
		stat.len--;
	space = stat.len == 0 ? NULL : memrchr(stat.data, ' ', stat.len);
	if (space == NULL)
		return false;
	space++;
	stat.len -= (size_t)(space - stat.data);
	return text_parse_u64(str_make(space, stat.len), &code) &&
	       (code & SIGNAL_BITS) != 0;
}

bool tgid_is_killed(pid_t tid)
{
	char text[2048];
	size_t n = read_proc(tid, "stat", text, sizeof(text));

	return n > 0 && tgid_parse_killed(str_make(text, n));
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

bool tgid_has_open(pid_t pid, uint64_t ino)
{
	struct buf path = { 0 };
	const struct dirent *entry;
	bool found = false;
	char text[512];
	DIR *dir;

	buf_printf(&path, "/proc/%d/fdinfo", (int)pid);
	dir = pid <= 0 || path.failed ? NULL : opendir(buf_cstr(&path));
	buf_release(&path);
	if (dir == NULL)
		return false;
	/* The loop waits for it, so it looks at no more than FDS_MAX. */
	for (int n = 0; n < FDS_MAX && !found; n++) {
		entry = readdir(dir);
		if (entry == NULL)
			break;
		if (entry->d_name[0] == '.')
			continue;
		found = is_of(
			str_make(text, read_text(dirfd(dir), entry->d_name,
						 text, sizeof(text))),
			ino);
	}
	closedir(dir);
	return found;
}
