/* SPDX-License-Identifier: MIT */
/*
 * What stdout is, and text for people: colours, columns, tables. What is
 * appended here is safe on a terminal: control characters are escaped as
 * lib/text does it. One thread; lengths are bytes, widths are columns.
 */
#ifndef GROUPFS_DAEMON_CTL_TERMINAL_H
#define GROUPFS_DAEMON_CTL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/ctl/options.h"
#include "lib/buf.h"
#include "lib/str.h"

struct terminal {
	bool is_tty; /* stdout is a terminal */
	bool color;
	size_t width; /* 0: unknown, so nothing is wrapped */
};

/* Asks the kernel and the environment (NO_COLOR, TERM) about stdout. */
void terminal_init(struct terminal *t, enum ctl_color when);
/* The width may have changed since. */
void terminal_measure(struct terminal *t);

/* Columns that valid UTF-8 takes, once LC_CTYPE is a UTF-8 locale. */
size_t terminal_columns(struct str s);
/* The longest beginning of s that fits into so many columns. */
struct str terminal_fit(struct str s, size_t columns);

/* SGR sequences, where there is colour: "1;31" and the end of it. */
void terminal_on(const struct terminal *t, struct buf *out, const char *sgr);
void terminal_off(const struct terminal *t, struct buf *out);
/* s as it stands, between the two. */
void terminal_put(const struct terminal *t, struct buf *out, const char *sgr,
		  struct str s);
/* A name's own colour, the same on each day and machine. Static. */
const char *terminal_color_of(struct str name);

/* Appends s, control characters escaped; a backslash stays one. */
void terminal_escape(struct buf *out, struct str s);
/* From byte `from` of out on there is JSON: what of its strings could steer a
 * terminal (DEL, C1, bidi controls) becomes \u escapes, which mean the same. */
void terminal_escape_json(struct buf *out, size_t from);
void terminal_pad(struct buf *out, size_t columns);

/* Appends rows (cells with tabs between, escaped, a newline behind each) in
 * columns, dim `titles` above them where they are not NULL. Numbers, as the
 * first row has them, stand to the right. */
void terminal_table(const struct terminal *t, struct buf *out,
		    const char *titles, struct str rows);

#endif
