/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/text.h"

enum {
	SEQ_WIDTH = 5,
	NAME_WIDTH_MIN = 8,
	NAME_WIDTH_MAX = 16,
	TEXT_WIDTH_MIN = 32, /* with less, lines go on near the left edge */
	INDENT_MIN = 4,
	TAB = 8
};

/* Text in the making: where on the line it is, and where lines begin. */
struct flow {
	const struct show *show;
	struct buf *out;
	size_t indent; /* columns before the text of each line */
	size_t column; /* of the text, from the indent on */
	size_t spaces; /* that are owed to the next word */
	struct str content;
	bool marks; /* it mentions me: the next place, as offsets */
	size_t from;
	size_t to;
	size_t pos; /* of text_next_mention() */
};

static bool is_me(const struct show *s, struct str name)
{
	return str_eq(name, str_of(s->me)) || str_eq(name, str_of("everyone"));
}

static bool mentions_me(const struct show *s, const struct wire_message *m)
{
	struct str list = m->mentions, name;

	if (str_eq(m->sender, str_of(s->me)))
		return false;
	while (text_next_word(&list, &name)) {
		if (is_me(s, name))
			return true;
	}
	return false;
}

static void next_mention(struct flow *f)
{
	struct str name;

	f->from = f->to = f->content.len;
	while (f->marks && text_next_mention(f->content, &f->pos, &name)) {
		if (!is_me(f->show, name))
			continue;
		f->to = (size_t)(name.data - f->content.data) + name.len;
		f->from = f->to - name.len - 1;
		return;
	}
}

static void new_line(struct flow *f)
{
	buf_append_char(f->out, '\n');
	terminal_pad(f->out, f->indent);
	f->column = 0;
	f->spaces = 0;
}

/* content[at, end) has no space: as it stands, mentions of me in reverse. */
static void put_word(struct flow *f, size_t at, size_t end)
{
	while (at < end) {
		bool mine = at >= f->from && at < f->to;
		size_t stop = mine ? f->to : f->from;

		if (at >= f->to && f->to < f->content.len) {
			next_mention(f);
			continue;
		}
		if (stop > end || stop <= at)
			stop = end;
		if (mine)
			terminal_on(f->show->terminal, f->out, "1;7");
		terminal_escape(f->out,
				str_make(f->content.data + at, stop - at));
		if (mine)
			terminal_off(f->show->terminal, f->out);
		at = stop;
	}
}

static size_t width_of(struct str word)
{
	struct buf plain = { 0 };
	size_t width;

	terminal_escape(&plain, word);
	width = terminal_columns(buf_str(&plain));
	buf_release(&plain);
	return width;
}

/* A word that no line has room for is left to the terminal to break: so it
 * can be copied as one, as a URL should be. */
static void flow_word(struct flow *f, size_t at, size_t end)
{
	size_t width = width_of(str_make(f->content.data + at, end - at));
	size_t room = f->show->terminal->width;

	if (room > 0 && f->column > 0 &&
	    f->indent + f->column + f->spaces + width > room)
		new_line(f);
	terminal_pad(f->out, f->spaces);
	f->column += f->spaces + width;
	f->spaces = 0;
	put_word(f, at, end);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t';
}

static void flow_text(struct flow *f, struct str content)
{
	size_t at = 0;

	f->content = content;
	f->pos = 0;
	next_mention(f);
	while (content.len > 0 && content.data[content.len - 1] == '\n')
		content.len--;
	while (at < content.len) {
		size_t end = at;

		if (content.data[at] == '\n') {
			new_line(f);
		} else if (content.data[at] == ' ') {
			f->spaces++;
		} else if (content.data[at] == '\t') {
			f->spaces += TAB - (f->column + f->spaces) % TAB;
		} else {
			while (end < content.len &&
			       !is_space(content.data[end]))
				end++;
			flow_word(f, at, end);
			at = end;
			continue;
		}
		at++;
	}
}

/* Before the text. */

static void put_day(struct show *s, struct buf *out, const struct tm *tm)
{
	char day[sizeof(s->day)];

	if (strftime(day, sizeof(day), "%A %d %B %Y", tm) == 0 ||
	    strcmp(day, s->day) == 0)
		return;
	memcpy(s->day, day, sizeof(day));
	terminal_on(s->terminal, out, "2");
	buf_printf(out, "-- %s --", day);
	terminal_off(s->terminal, out);
	buf_append_char(out, '\n');
}

/* A column that is as wide as the widest so far, within reason. Returns its
 * width. */
static size_t put_column(const struct show *s, struct buf *out, const char *sgr,
			 struct str text, size_t *width)
{
	size_t columns = terminal_columns(text);

	if (columns > *width)
		*width = columns < NAME_WIDTH_MAX ? columns : NAME_WIDTH_MAX;
	terminal_put(s->terminal, out, sgr, text);
	if (columns < *width)
		terminal_pad(out, *width - columns);
	buf_append_str(out, str_of("  "));
	return (columns > *width ? columns : *width) + 2;
}

/* All that stands before the text; its columns. */
static size_t put_head(struct show *s, struct buf *out, const char *group,
		       const struct wire_message *m, const struct tm *tm,
		       bool marks)
{
	size_t width = 0;
	char numbers[64];
	char sgr[16];

	if (marks)
		terminal_put(s->terminal, out, "1;33", str_of("*"));
	else
		buf_append_char(out, ' ');
	(void)snprintf(numbers, sizeof(numbers), "%*" PRIu64 " %02d:%02d ",
		       SEQ_WIDTH, m->seq, tm->tm_hour, tm->tm_min);
	terminal_put(s->terminal, out, "2", str_of(numbers));
	width += 1 + strlen(numbers);
	if (s->several)
		width +=
			put_column(s, out, "2", str_of(group), &s->group_width);
	if (s->name_width < NAME_WIDTH_MIN)
		s->name_width = NAME_WIDTH_MIN;
	(void)snprintf(sgr, sizeof(sgr), "%s%s",
		       str_eq(m->sender, str_of(s->me)) ? "1;" : "",
		       terminal_color_of(m->sender));
	return width + put_column(s, out, sgr, m->sender, &s->name_width);
}

static void put_quote(struct flow *f, uint64_t seq,
		      const struct show_quote *quote)
{
	const struct terminal *t = f->show->terminal;
	size_t room = t->width > f->indent ? t->width - f->indent : 60;
	struct buf line = { 0 };
	struct str fits;

	if (quote == NULL || quote->seq != seq)
		buf_printf(&line, "> %" PRIu64, seq);
	else
		buf_printf(&line, "> %s: ", quote->sender);
	if (quote != NULL && quote->seq == seq)
		terminal_escape(&line, str_of(quote->text));
	fits = terminal_fit(buf_str(&line), room - 3);
	terminal_on(t, f->out, "2");
	buf_append_str(f->out, fits);
	if (fits.len < line.len)
		buf_append_str(f->out, str_of("..."));
	terminal_off(t, f->out);
	buf_release(&line);
	new_line(f);
}

void show_take_quote(struct show_quote *quote, const struct wire_message *m)
{
	struct str text = m->content.len > 0 ? m->content : m->media_url;
	const char *nl =
		text.len == 0 ? NULL : memchr(text.data, '\n', text.len);
	size_t len = nl == NULL ? text.len : (size_t)(nl - text.data);

	*quote = (struct show_quote){ .seq = m->seq };
	if (len > SHOW_QUOTE_MAX)
		len = SHOW_QUOTE_MAX;
	/* Not in the middle of a character. */
	while (len > 0 && len < text.len &&
	       ((unsigned char)text.data[len] & 0xc0) == 0x80)
		len--;
	(void)str_to_cstr(m->sender, quote->sender, sizeof(quote->sender));
	/* A NUL, which nobody types, ends what is shown of it. */
	(void)str_to_cstr(
		str_make(text.data, len == 0 ? 0 : strnlen(text.data, len)),
		quote->text, sizeof(quote->text));
}

void show_message(struct show *s, struct buf *out, const char *group,
		  const struct wire_message *m, const struct show_quote *quote)
{
	time_t seconds = (time_t)(m->time_ms / 1000);
	struct flow f = { .show = s, .out = out, .marks = mentions_me(s, m) };
	struct tm tm = { 0 };

	if (s->utc)
		(void)gmtime_r(&seconds, &tm);
	else
		(void)localtime_r(&seconds, &tm);
	put_day(s, out, &tm);
	f.indent = put_head(s, out, group, m, &tm, f.marks);
	if (s->terminal->width > 0 &&
	    s->terminal->width < f.indent + TEXT_WIDTH_MIN) {
		f.indent = INDENT_MIN;
		new_line(&f);
	}
	if (m->reply_to != 0)
		put_quote(&f, m->reply_to, quote);
	if (m->type == MESSAGE_MEDIA) {
		terminal_on(s->terminal, out, "2");
		buf_append_char(out, '[');
		terminal_escape(out, m->media_url);
		buf_append_char(out, ']');
		terminal_off(s->terminal, out);
		f.column = width_of(m->media_url) + 2;
		f.spaces = 1;
	}
	flow_text(&f, m->content);
	buf_append_char(out, '\n');
}
