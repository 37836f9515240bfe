/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/text.h"

/* Set once by log_open(), before there are threads; only read afterwards. It
 * is the process' own: a logger handed to every module would say no more. */
static struct {
	const char *program;
	enum log_level level;
	bool journal;
} config = { "groupfs", LOG_LEVEL_INFO, false };

enum {
	TEXT_MAX = 1024,	  /* bytes of an event before escaping */
	ESCAPED_MAX = 4 * 4,	  /* of a character */
	LINE_MAX_BYTES = PIPE_BUF /* and of its line: a pipe takes it whole */
};

/* Lines since the last one that stderr took. */
static atomic_uint lost;

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

/* What got the number of a closed stderr, as a client's connection, would get
 * the lines. */
static void open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return;
	}
}

void log_open(const char *program, enum log_level level)
{
	open_standard();
	config.program = program;
	config.level = level;
	config.journal = is_journal(STDERR_FILENO);
}

/* Bytes of the character at text; *shown: it may stand as it is. Not what
 * commands a terminal, hides text or begins a line, and what is no text. */
static size_t look(const char *text, size_t left, bool *shown)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t len = text_char_len(at, left);

	if (len == 1)
		*shown = at[0] >= 0x20 && at[0] != 0x7f;
	else
		*shown = len > 0 && text_hidden_len(at, left) == 0;
	return len == 0 ? 1 : len;
}

static size_t put_escaped(char *line, uint8_t c)
{
	static const char digits[] = "0123456789abcdef";

	line[0] = '\\';
	if (c == '\n') {
		line[1] = 'n';
		return 2;
	}
	line[1] = 'x';
	line[2] = digits[c >> 4];
	line[3] = digits[c & 15];
	return 4;
}

/* Escapes text into line, of which it leaves the last byte. Returns the bytes
 * written. */
static size_t escape(char *line, size_t room, const char *text)
{
	size_t left = strlen(text);
	size_t n = 0;

	while (left > 0) {
		bool shown;
		size_t len = look(text, left, &shown);

		if (n + ESCAPED_MAX >= room)
			break;
		for (size_t i = 0; i < len; i++, text++) {
			if (shown)
				line[n++] = *text;
			else
				n += put_escaped(line + n, (uint8_t)*text);
		}
		left -= len;
	}
	return n;
}

/* Who reads our pipe may have stopped: then it is the line that is lost, not
 * the service. Full disks and closed ends say so themselves. */
static bool takes_a_line(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

/* One write(2), so that the lines of threads and processes do not mix. */
static void put_line(enum log_level level, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t n = 0;
	int rc;

	if (config.journal)
		rc = snprintf(line, 256, "<%d>%s: %s: ", levels[level].priority,
			      config.program, levels[level].name);
	else
		rc = snprintf(line, 256, "%s: %s: ", config.program,
			      levels[level].name);
	if (rc > 0)
		n = (size_t)rc < 255 ? (size_t)rc : 255;
	n += escape(line + n, sizeof(line) - n, text);
	line[n++] = '\n';
	/* There is nowhere to tell that stderr is gone. */
	if (!takes_a_line() || write(STDERR_FILENO, line, n) < 0)
		atomic_fetch_add(&lost, 1);
}

__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[TEXT_MAX];
	unsigned missing = atomic_exchange(&lost, 0);
	int rc;

	if (missing > 0) {
		snprintf(text, sizeof(text), "lost lines of this log: count=%u",
			 missing);
		put_line(LOG_LEVEL_WARN, text);
		if (atomic_load(&lost) > 0)
			/* That one is not counted as well. */
			atomic_store(&lost, missing);
	}
	rc = vsnprintf(text, sizeof(text), fmt, ap);
	if (rc < 0)
		text[0] = '\0';
	else if ((size_t)rc >= sizeof(text))
		memcpy(text + sizeof(text) - sizeof("..."), "...",
		       sizeof("..."));
	put_line(level, text);
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
