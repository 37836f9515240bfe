/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Set once by log_open(), before there are threads; only read afterwards. It
 * is the process' own: a logger handed to every module would say no more. */
static struct {
	const char *program;
	enum log_level level;
	bool journal;
} config = { "groupfs", LOG_LEVEL_INFO, false };

enum {
	TEXT_MAX = 1024, /* bytes of an event before escaping */
	LINE_MAX_BYTES = 4 * TEXT_MAX + 256 /* and of its line */
};

struct level {
	const char *name;
	int priority; /* of syslog(3) */
};

static const struct level levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* By systemd's own rule: what is set may be of a service further up, and
 * stderr a file. */
static bool is_journal(int fd)
{
	const char *journal = getenv("JOURNAL_STREAM");
	char text[64];
	struct stat st;

	if (journal == NULL || fstat(fd, &st) < 0)
		return false;
	snprintf(text, sizeof(text), "%" PRIuMAX ":%" PRIuMAX,
		 (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(journal, text) == 0;
}

void log_open(const char *program, enum log_level level)
{
	config.program = program;
	config.level = level;
	config.journal = is_journal(STDERR_FILENO);
}

/* C0, DEL, and C1 as UTF-8 (its second byte). */
static bool is_control(const char *text, size_t i)
{
	uint8_t c = (uint8_t)text[i];

	if (c >= 0x80 && c <= 0x9f)
		return i > 0 && (uint8_t)text[i - 1] == 0xc2;
	return c < 0x20 || c == 0x7f;
}

/* Escapes text into line, which has room for four times its length. Returns
 * the bytes written. */
static size_t escape(char *line, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; text[i] != '\0'; i++) {
		uint8_t c = (uint8_t)text[i];

		if (!is_control(text, i)) {
			line[n++] = text[i];
			continue;
		}
		line[n++] = '\\';
		if (c == '\n') {
			line[n++] = 'n';
		} else {
			line[n++] = 'x';
			line[n++] = digits[c >> 4];
			line[n++] = digits[c & 15];
		}
	}
	return n;
}

/* One write(2), so that the lines of threads and processes do not mix. */
__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[TEXT_MAX];
	char line[LINE_MAX_BYTES];
	size_t n = 0;
	int rc;

	rc = vsnprintf(text, sizeof(text), fmt, ap);
	if (rc < 0)
		text[0] = '\0';
	else if ((size_t)rc >= sizeof(text))
		memcpy(text + sizeof(text) - sizeof("..."), "...",
		       sizeof("..."));
	if (config.journal)
		rc = snprintf(line, 256, "<%d>%s: %s: ", levels[level].priority,
			      config.program, levels[level].name);
	else
		rc = snprintf(line, 256, "%s: %s: ", config.program,
			      levels[level].name);
	if (rc > 0)
		n = (size_t)rc < 255 ? (size_t)rc : 255;
	n += escape(line + n, text);
	line[n++] = '\n';
	/* There is nowhere to tell that stderr is gone. */
	if (write(STDERR_FILENO, line, n) < 0)
		errno = saved;
	errno = saved;
}

#define DEFINE(verb, LEVEL)                                                    \
	void verb(const char *fmt, ...)                                        \
	{                                                                      \
		va_list ap;                                                    \
                                                                               \
		if (config.level < (LEVEL))                                    \
			return;                                                \
		va_start(ap, fmt);                                             \
		log_line(LEVEL, fmt, ap);                                      \
		va_end(ap);                                                    \
	}

DEFINE(log_error, LOG_LEVEL_ERROR)
DEFINE(log_warn, LOG_LEVEL_WARN)
DEFINE(log_info, LOG_LEVEL_INFO)
DEFINE(log_debug, LOG_LEVEL_DEBUG)
