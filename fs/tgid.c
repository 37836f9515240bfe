/* SPDX-License-Identifier: MIT */
#include "fs/tgid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/process.h"
#include "lib/text.h"

enum { FDS_MAX = 4096 };

/* Of /proc/TID/stat, see proc_pid_stat(5). */
enum {
	FIELD_FLAGS = 9,
	FIELD_EXIT_CODE = 52,
	FLAG_EXITING = 4,      /* PF_EXITING of the kernel */
	FLAG_SIGNALED = 0x400, /* PF_SIGNALED */
	SIGNAL_BITS = 0x7f
};

/* The rest of the line that begins with key, of a text of /proc. */
static bool value_of(struct str text, const char *key, struct str *value)
{
	const char *end = text.data + text.len;
	const char *at = memmem(text.data, text.len, key, strlen(key));
	const char *nl;

	if (at == NULL)
		return false;
	at += strlen(key);
	nl = memchr(at, '\n', (size_t)(end - at));
	if (nl != NULL)
		*value = str_make(at, (size_t)(nl - at));
	return nl != NULL;
}

pid_t tgid_parse(struct str status)
{
	struct str digits;
	uint64_t n;

	if (!value_of(status, "\nTgid:\t", &digits) ||
	    !text_parse_u64(digits, &n) || n > INT_MAX)
		return 0;
	return (pid_t)n;
}

/* The first bytes of /proc/TID/FILE; their number, 0 for none. */
static size_t read_proc(pid_t tid, const char *file, char *text, size_t size)
{
	struct buf path = { 0 };
	size_t n = 0;

	if (tid <= 0)
		return 0;
	buf_printf(&path, "/proc/%d/%s", (int)tid, file);
	if (!path.failed)
		n = process_read_file(buf_cstr(&path), text, size);
	buf_release(&path);
	return n;
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

int tgid_is_ending(pid_t tid)
{
	char text[2048];
	struct str stat =
		str_make(text, read_proc(tid, "stat", text, sizeof(text)));
	uint64_t flags;

	if (!field_of(stat, FIELD_FLAGS, &flags))
		return -ESRCH;
	return (flags & FLAG_EXITING) != 0 ? 1 : 0;
}

/* Whether the text of a /proc/PID/fdinfo/FD is of this inode. */
static bool is_of(struct str info, uint64_t ino)
{
	struct str digits;
	uint64_t found;

	return value_of(info, "\nino:\t", &digits) &&
	       text_parse_u64(digits, &found) && found == ino;
}

/* Whether the descriptor can be written, from the same text. */
static bool is_writable(struct str info)
{
	struct str flags;

	/* They are octal, so the access mode is in the last digit. */
	return value_of(info, "\nflags:\t", &flags) && flags.len > 0 &&
	       ((flags.data[flags.len - 1] - '0') & O_ACCMODE) != O_RDONLY;
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
	       (!writing || is_writable(str_make(text, n)));
}

/* NULL where we may not look. */
static DIR *open_fds(pid_t pid)
{
	struct buf path = { 0 };
	DIR *dir;

	buf_printf(&path, "/proc/%d/fdinfo", (int)pid);
	dir = pid <= 0 || path.failed ? NULL : opendir(buf_cstr(&path));
	buf_release(&path);
	return dir;
}

static bool may_look(pid_t pid)
{
	DIR *dir = open_fds(pid);

	if (dir != NULL)
		closedir(dir);
	return dir != NULL;
}

static int has_open(pid_t pid, uint64_t ino, bool writing)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = open_fds(pid);

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
	       (tgid_parse_signaled(stat) && !may_look(tid));
}
