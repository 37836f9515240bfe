/* SPDX-License-Identifier: MIT */
/*
 * The options of groupctl: one bit, one field and one row (in options.c) each.
 * They may stand before and behind the command; which ones a command takes is
 * said by the bits of its row in main.c, and checked when it is known.
 *
 * Functions that return false have not said why, but in out->wrong. One
 * thread.
 */
#ifndef GROUPFS_DAEMON_CTL_OPTIONS_H
#define GROUPFS_DAEMON_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/wire.h"

/* Options of a command, as bits. */
enum {
	TAKES_EXPIRES = 1 << 0,
	TAKES_JSON = 1 << 1,
	TAKES_AFTER = 1 << 2,
	TAKES_TAIL = 1 << 3,
	TAKES_NO_FOLLOW = 1 << 4,
	TAKES_MARK = 1 << 5,
	TAKES_COLOR = 1 << 6,
	TAKES_UTC = 1 << 7,
	TAKES_REPLY = 1 << 8,
	TAKES_CLIENT_ID = 1 << 9,
	TAKES_MEDIA = 1 << 10,
	TAKES_LINES = 1 << 11,
	TAKES_ROLE = 1 << 12,
	TAKES_WATCH = 1 << 13,
	TAKES_CHECK = 1 << 14,
	TAKES_AS = 1 << 15,
	TAKES_ADD_USERS = 1 << 16,
	TAKES_NO_MEDIA = 1 << 17,
	TAKES_VERIFY = 1 << 18,
	TAKES_YES = 1 << 19,
	TAKES_DATA = 1 << 20,
	TAKES_CITUS = 1 << 21,
};

enum ctl_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* What the options of a command say; zero where one is not given. */
struct ctl_options {
	uint64_t expires_ms; /* --expires, from now on; 0: never */
	bool json;
	bool from_seq; /* --after was given: */
	uint64_t after;
	bool from_tail; /* --tail was given: */
	uint64_t tail;
	bool no_follow;
	bool mark;
	enum ctl_color color;
	bool utc;
	uint64_t reply_to;     /* 0: none */
	const char *client_id; /* NULL: none */
	const char *media;     /* a file's path; NULL: none */
	bool lines;
	enum role role;	      /* ROLE_NONE: not given */
	unsigned int watch_s; /* 0: not given */
	bool check;
	const char *as; /* a group's name; NULL: its own */
	bool add_users;
	bool no_media;
	bool verify;
	bool yes;
	bool citus;
	const char *data; /* a folder; NULL: not given */
};

struct ctl_option {
	unsigned int bit;  /* 0: every command takes it */
	const char *name;  /* without its hyphens */
	const char *value; /* what its value is called; NULL: it has none */
	const char *what;  /* for people */
	/* Reads the value (NULL: it has none). False: it is none; wants says
	 * what would be one. */
	bool (*read)(struct ctl_options *o, const char *text);
	const char *wants;
};

/* What a command line says. Strings are argv's. */
struct ctl_arguments {
	const char *socket; /* NULL: the default */
	struct ctl_options options;
	unsigned int given; /* bits */
	bool help;
	bool version;
	int argc; /* what is no option, in order */
	char **argv;
	/* Why it cannot be taken; empty: it can. unknown: because of this
	 * option, with its hyphens. */
	char wrong[512];
	const char *unknown;
};

/* Sorts argv (permuting it): options into *out, the rest behind them. */
bool ctl_options_take(struct ctl_arguments *out, int argc, char **argv);

/* Row i; NULL behind the last. */
const struct ctl_option *ctl_option_at(size_t i);

/* "90d" (s, m, h, d, w) in milliseconds; false for anything else, zero and
 * what reaches beyond the year 9999. */
bool ctl_parse_duration(const char *text, uint64_t *ms);

#endif
