/* SPDX-License-Identifier: MIT */
/*
 * Logging of the daemons, one line an event on stderr:
 *   groupd: warning: gateway exited: slot=0 status=1
 * "verb object: key=value ...". lib/ and store/ never log, they return a
 * struct err; an error is logged once, where it is handled. Contents of
 * messages and tokens are never logged; control characters, those of direction
 * and what is no UTF-8 are escaped. Where stderr takes no line (its reader has
 * stopped, its disk is full) that line is lost and counted, and nothing waits.
 * Thread-safe, keeps errno. Where stderr is what $JOURNAL_STREAM says, the
 * journal's, lines begin with sd-daemon(3)'s "<N>" priority.
 */
#ifndef GROUPFS_LIB_LOG_H
#define GROUPFS_LIB_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Call once at start, before any thread and before anything is opened: of the
 * first three descriptors those that are closed are opened, on /dev/null.
 * program is borrowed for ever. */
void log_open(const char *program, enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
