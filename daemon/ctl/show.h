/* SPDX-License-Identifier: MIT */
/*
 * A message as a person reads it on a terminal:
 *
 *   -- Thursday 26 November 2026 --
 *      41 12:00 alice     who takes the deploy?
 *   *  42 12:01 bob       > alice: who takes the deploy?
 *                         @alice you do
 *
 * The star marks what mentions me. What others wrote cannot steer the
 * terminal: control characters are escaped. One thread; appends only.
 */
#ifndef GROUPFS_DAEMON_CTL_SHOW_H
#define GROUPFS_DAEMON_CTL_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ctl/terminal.h"
#include "lib/wire.h"

enum { SHOW_QUOTE_MAX = 512 /* bytes of the original that are kept */ };

struct show {
	const struct terminal *terminal; /* borrowed */
	const char *me;			 /* my name; borrowed */
	bool utc;
	bool several; /* with the group's name */
	/* private: columns grow with what was shown */
	size_t name_width;
	size_t group_width;
	char day[64]; /* of the last message */
};

/* The original of a reply, as far as it is shown. */
struct show_quote {
	uint64_t seq; /* 0: there is none */
	char sender[WIRE_USER_MAX + 1];
	char text[SHOW_QUOTE_MAX + 1]; /* the first line's beginning */
};

/* Takes what of m a reply to it shows. */
void show_take_quote(struct show_quote *quote, const struct wire_message *m);

/* quote: NULL, or of another seq, where the original is not known. */
void show_message(struct show *s, struct buf *out, const char *group,
		  const struct wire_message *m, const struct show_quote *quote);

#endif
