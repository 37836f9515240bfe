/* SPDX-License-Identifier: MIT */
#include "fs/tgid.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/text.h"

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

pid_t tgid_of(pid_t tid)
{
	/* Tgid is the fourth line; Name, the only long one, has 64 bytes. */
	char text[1024];
	struct buf path = { 0 };
	ssize_t n = -1;
	int fd;

	if (tid <= 0)
		return 0;
	buf_printf(&path, "/proc/%d/status", (int)tid);
	fd = path.failed ? -1 : open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	buf_release(&path);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		close(fd);
	}
	return n <= 0 ? 0 : tgid_parse(str_make(text, (size_t)n));
}
