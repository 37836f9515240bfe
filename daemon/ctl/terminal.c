/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/table.h"
#include "lib/text.h"

enum { CELLS_MAX = 8 };

static bool may_color(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return (no == NULL || no[0] == '\0') && term != NULL &&
	       term[0] != '\0' && strcmp(term, "dumb") != 0;
}

void terminal_init(struct terminal *t, enum ctl_color when)
{
	*t = (struct terminal){ .is_tty = isatty(STDOUT_FILENO) == 1 };
	t->color = when == COLOR_ALWAYS ||
		   (when == COLOR_AUTO && t->is_tty && may_color());
	terminal_measure(t);
}

void terminal_measure(struct terminal *t)
{
	struct winsize size;

	if (t->is_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		t->width = size.ws_col;
}

/* The code point at s, which is valid UTF-8, and its bytes. */
static wchar_t decode(struct str s, size_t *len)
{
	unsigned int c = (unsigned char)s.data[0];
	size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

	if (more > 0)
		c &= 0x3fU >> more;
	if (more >= s.len)
		more = s.len - 1;
	for (size_t i = 1; i <= more; i++)
		c = c << 6 | ((unsigned char)s.data[i] & 0x3f);
	*len = more + 1;
	return (wchar_t)c;
}

struct str terminal_fit(struct str s, size_t columns)
{
	size_t at = 0;

	while (at < s.len) {
		size_t len;
		int w = wcwidth(
			decode(str_make(s.data + at, s.len - at), &len));

		/* What the C library does not know is one column wide. */
		if (w < 0)
			w = 1;
		if ((size_t)w > columns)
			break;
		columns -= (size_t)w;
		at += len;
	}
	return str_make(s.data, at);
}

size_t terminal_columns(struct str s)
{
	size_t columns = 0;

	for (size_t at = 0, len; at < s.len; at += len) {
		int w = wcwidth(
			decode(str_make(s.data + at, s.len - at), &len));

		columns += w < 0 ? 1 : (size_t)w;
	}
	return columns;
}

void terminal_on(const struct terminal *t, struct buf *out, const char *sgr)
{
	if (t->color)
		buf_printf(out, "\033[%sm", sgr);
}

void terminal_off(const struct terminal *t, struct buf *out)
{
	if (t->color)
		buf_append_str(out, str_of("\033[0m"));
}

void terminal_put(const struct terminal *t, struct buf *out, const char *sgr,
		  struct str s)
{
	terminal_on(t, out, sgr);
	buf_append_str(out, s);
	terminal_off(t, out);
}

/* Of the sixteen, since those are what a person chose for his terminal; not
 * red, which says that something is wrong, nor what is hard to read on black
 * or white. */
const char *terminal_color_of(struct str name)
{
	static const char *const colors[] = { "32", "33", "94", "35",
					      "36", "92", "95", "96" };

	return colors[table_hash_bytes(name) %
		      (sizeof(colors) / sizeof(colors[0]))];
}

void terminal_escape(struct buf *out, struct str s)
{
	while (s.len > 0) {
		const char *back = memchr(s.data, '\\', s.len);
		size_t len = back == NULL ? s.len : (size_t)(back - s.data);

		text_escape(out, str_make(s.data, len));
		if (back != NULL) {
			buf_append_char(out, '\\');
			len++;
		}
		s = str_make(s.data + len, s.len - len);
	}
}

void terminal_escape_json(struct buf *out, size_t from)
{
	struct buf json = { 0 };
	struct buf escaped = { 0 };
	struct str s;

	if (out->failed)
		return;
	buf_append(&json, out->data + from, out->len - from);
	buf_truncate(out, from);
	s = buf_str(&json);
	for (size_t at = 0, len; at < s.len; at += len) {
		wchar_t c = decode(str_make(s.data + at, s.len - at), &len);

		buf_clear(&escaped);
		/* Of ASCII, JSON leaves DEL alone as it is. */
		if (len > 1 || c == 0x7f)
			text_escape(&escaped, str_make(s.data + at, len));
		if (escaped.len > 0 && escaped.len != len)
			buf_printf(out, "\\u%04x", (unsigned int)c);
		else
			buf_append(out, s.data + at, len);
	}
	out->failed = out->failed || json.failed || escaped.failed;
	buf_release(&json);
	buf_release(&escaped);
}

void terminal_pad(struct buf *out, size_t columns)
{
	while (columns-- > 0)
		buf_append_char(out, ' ');
}

/* The next cell of a row; *row moves on. False behind the last. */
static bool next_cell(struct str *row, struct str *cell)
{
	const char *tab;

	if (row->data == NULL)
		return false;
	tab = memchr(row->data, '\t', row->len);
	*cell = str_make(row->data,
			 tab == NULL ? row->len : (size_t)(tab - row->data));
	*row = tab == NULL ? str_make(NULL, 0)
			   : str_make(tab + 1, row->len - cell->len - 1);
	return true;
}

static bool next_row(struct str *rows, struct str *row)
{
	const char *end =
		rows->len == 0 ? NULL : memchr(rows->data, '\n', rows->len);

	if (end == NULL)
		return false;
	*row = str_make(rows->data, (size_t)(end - rows->data));
	*rows = str_make(end + 1, rows->len - row->len - 1);
	return true;
}

static void widen(size_t widths[CELLS_MAX], struct str row)
{
	struct str cell;

	for (size_t i = 0; i < CELLS_MAX && next_cell(&row, &cell); i++) {
		size_t w = terminal_columns(cell);

		if (w > widths[i])
			widths[i] = w;
	}
}

static void put_row(struct buf *out, const size_t widths[CELLS_MAX],
		    const bool right[CELLS_MAX], struct str row)
{
	struct str cell;

	for (size_t i = 0; i < CELLS_MAX && next_cell(&row, &cell); i++) {
		size_t pad = widths[i] - terminal_columns(cell);

		if (right[i])
			terminal_pad(out, pad);
		buf_append_str(out, cell);
		if (row.data == NULL)
			break;
		terminal_pad(out, (right[i] ? 0 : pad) + 2);
	}
}

void terminal_table(const struct terminal *t, struct buf *out,
		    const char *titles, struct str rows)
{
	size_t widths[CELLS_MAX] = { 0 };
	bool right[CELLS_MAX] = { false };
	struct str rest = rows, row, cell;
	uint64_t number;

	if (titles != NULL)
		widen(widths, str_of(titles));
	while (next_row(&rest, &row))
		widen(widths, row);
	rest = rows;
	if (!next_row(&rest, &row))
		return;
	for (size_t i = 0; i < CELLS_MAX && next_cell(&row, &cell); i++)
		right[i] = text_parse_u64(cell, &number);
	if (titles != NULL) {
		terminal_on(t, out, "2");
		put_row(out, widths, right, str_of(titles));
		terminal_off(t, out);
		buf_append_char(out, '\n');
	}
	while (next_row(&rows, &row)) {
		put_row(out, widths, right, row);
		buf_append_char(out, '\n');
	}
}
