/* SPDX-License-Identifier: MIT */
/* A message as a terminal shows it: columns, wrapping, colours, escapes. */
#include "daemon/ctl/show.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct terminal terminal;
	struct show show;
	struct buf out;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->show = (struct show){ .terminal = &f->terminal,
				 .me = "me",
				 .utc = true };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_release(&f->out);
	free(f);
	return 0;
}

/* 2026-11-24 12:00 UTC */
static struct wire_message message(const char *sender, const char *content)
{
	return (struct wire_message){ .seq = 7,
				      .time_ms = UINT64_C(1795521600000),
				      .sender = str_of(sender),
				      .content = str_of(content) };
}

/* What is shown of m, behind the line of the day. */
static const char *shown(struct fixture *f, const struct wire_message *m,
			 const struct show_quote *quote)
{
	const char *line;

	buf_clear(&f->out);
	show_message(&f->show, &f->out, "dev", m, quote);
	assert_false(f->out.failed);
	line = buf_cstr(&f->out);
	return strncmp(line, "-- ", 3) == 0 ? strchr(line, '\n') + 1 : line;
}

static const char *text(struct fixture *f, const char *content)
{
	struct wire_message m = message("alice", content);

	return shown(f, &m, NULL);
}

static void the_day_is_said_once(void **state)
{
	struct fixture *f = *state;
	struct wire_message m = message("alice", "x");

	show_message(&f->show, &f->out, "dev", &m, NULL);
	assert_string_equal(buf_cstr(&f->out),
			    "-- Tuesday 24 November 2026 --\n"
			    "     7 12:00 alice     x\n");
	buf_clear(&f->out);
	show_message(&f->show, &f->out, "dev", &m, NULL);
	m.time_ms += 12 * 3600 * 1000;
	show_message(&f->show, &f->out, "dev", &m, NULL);
	assert_string_equal(buf_cstr(&f->out),
			    "     7 12:00 alice     x\n"
			    "-- Wednesday 25 November 2026 --\n"
			    "     7 00:00 alice     x\n");
}

static void lines_are_indented(void **state)
{
	assert_string_equal(text(*state, "a\n  b\n\tc\n\nd\n\n"),
			    "     7 12:00 alice     a\n"
			    "                         b\n"
			    "                               c\n"
			    "                       \n"
			    "                       d\n");
}

static void words_wrap_and_none_is_cut(void **state)
{
	struct fixture *f = *state;

	f->terminal.width = 60;
	assert_string_equal(
		text(f, "one two three four five six seven eight nine"),
		"     7 12:00 alice     one two three four five six seven\n"
		"                       eight nine\n");
	assert_string_equal(
		text(f, "see https://example.org/0123456789/0123456789/01"),
		"     7 12:00 alice     see\n"
		"                       "
		"https://example.org/0123456789/0123456789/01\n");
	/* Each of these is two columns wide. */
	assert_string_equal(
		text(f, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5"
			"\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac"
			"\xe8\xaa\x9e 12345678901234567890"),
		"     7 12:00 alice     "
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5"
		"\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac"
		"\xe8\xaa\x9e\n"
		"                       12345678901234567890\n");
	f->terminal.width = 40;
	assert_string_equal(text(f, "in a narrow one, text is below the name"),
			    "     7 12:00 alice     \n"
			    "    in a narrow one, text is below the\n"
			    "    name\n");
}

static void nothing_steers_the_terminal(void **state)
{
	struct fixture *f = *state;
	struct wire_message m = message("alice", "a\x1b[2Jb\rc\x9b"
						 "d\xe2\x80\xae\x07\\e\x7f");
	struct show_quote quote;
	const char *s;

	m.reply_to = 3;
	m.type = MESSAGE_MEDIA;
	m.media_url = str_of("media/\x1b]0;x");
	m.content = str_of("a\x1b[2Jb\rc\xc2\x9b"
			   "d\xe2\x80\xae\x07\\e\x7f");
	show_take_quote(&quote, &m);
	quote.seq = 3;
	s = shown(f, &m, &quote);
	for (; *s != '\0'; s++)
		assert_true(*s == '\n' || ((unsigned char)*s >= 0x20 &&
					   (unsigned char)*s < 0x7f));
	assert_non_null(strstr(buf_cstr(&f->out),
			       "a\\x1b[2Jb\\rc\\xc2\\x9bd\\xe2\\x80\\xae"
			       "\\x07\\e\\x7f"));
	assert_non_null(strstr(buf_cstr(&f->out), "[media/\\x1b]0;x]"));
}

static void json_steers_no_terminal_either(void **state)
{
	struct fixture *f = *state;

	buf_append_str(&f->out, str_of("\xc2\x9b{\"a\":\"\xc2\x9b"
				       "1\xe2\x80\xae"
				       "2\xe6\x97\xa5\x7f\"}"));
	terminal_escape_json(&f->out, 2);
	assert_string_equal(buf_cstr(&f->out),
			    "\xc2\x9b{\"a\":\"\\u009b1\\u202e"
			    "2\xe6\x97\xa5\\u007f\"}");
}

static void who_mentions_me_is_marked(void **state)
{
	struct fixture *f = *state;
	struct wire_message m = message("alice", "hi @me");

	m.mentions = str_of("bob me");
	assert_string_equal(shown(f, &m, NULL),
			    "*    7 12:00 alice     hi @me\n");
	m.mentions = str_of("bob");
	assert_string_equal(shown(f, &m, NULL),
			    "     7 12:00 alice     hi @me\n");
	m.mentions = str_of("everyone");
	m.content = str_of("@everyone, @meet");
	f->terminal.color = true;
	assert_non_null(strstr(shown(f, &m, NULL),
			       "\033[1;7m@everyone\033[0m, @meet\n"));
	/* Not by myself. */
	m.sender = str_of("me");
	assert_null(strstr(shown(f, &m, NULL), "\033[1;7m"));
}

static void a_reply_shows_what_it_answers(void **state)
{
	struct fixture *f = *state;
	struct wire_message first =
		message("bob", "a question that is rather long, and more "
			       "than a line\nthe second line");
	struct wire_message m = message("alice", "yes");
	struct show_quote quote;

	f->terminal.width = 60;
	show_take_quote(&quote, &first);
	m.reply_to = 7;
	assert_string_equal(shown(f, &m, &quote),
			    "     7 12:00 alice     "
			    "> bob: a question that is rather l...\n"
			    "                       yes\n");
	m.reply_to = 8;
	assert_string_equal(shown(f, &m, &quote),
			    "     7 12:00 alice     > 8\n"
			    "                       yes\n");
	assert_string_equal(shown(f, &m, NULL), buf_cstr(&f->out));
}

static void a_quote_is_not_cut_in_a_character(void **state)
{
	struct fixture *f = *state;
	struct show_quote quote;
	struct wire_message m = message("bob", "");

	for (size_t i = 0; i < SHOW_QUOTE_MAX; i++)
		buf_append_str(&f->out, str_of("\xe2\x82\xac"));
	m.content = buf_str(&f->out);
	show_take_quote(&quote, &m);
	assert_int_equal(strlen(quote.text),
			 SHOW_QUOTE_MAX - SHOW_QUOTE_MAX % 3);
}

static void columns_grow_and_groups_have_one(void **state)
{
	struct fixture *f = *state;
	struct wire_message m =
		message("a-rather-long-name-of-32-letters", "x");

	f->show.several = true;
	assert_string_equal(shown(f, &m, NULL),
			    "     7 12:00 dev  "
			    "a-rather-long-name-of-32-letters  x\n");
	m.sender = str_of("alice");
	assert_string_equal(shown(f, &m, NULL),
			    "     7 12:00 dev  alice             x\n");
}

static void a_name_keeps_its_color(void **state)
{
	(void)state;
	assert_ptr_equal(terminal_color_of(str_of("alice")),
			 terminal_color_of(str_of("alice")));
	assert_string_not_equal(terminal_color_of(str_of("alice")),
				terminal_color_of(str_of("bob")));
}

static void tables_stand_in_columns(void **state)
{
	struct fixture *f = *state;

	terminal_table(&f->terminal, &f->out, "group\tlast",
		       str_of("dev\t7\nlonger\t1234\n"));
	assert_string_equal(buf_cstr(&f->out), "group   last\n"
					       "dev        7\n"
					       "longer  1234\n");
	buf_clear(&f->out);
	terminal_table(&f->terminal, &f->out, "group\tlast", str_of(""));
	assert_int_equal(f->out.len, 0);
}

int main(void)
{
#define WITH_FIXTURE(test)                                                     \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(the_day_is_said_once),
		WITH_FIXTURE(lines_are_indented),
		WITH_FIXTURE(words_wrap_and_none_is_cut),
		WITH_FIXTURE(nothing_steers_the_terminal),
		WITH_FIXTURE(json_steers_no_terminal_either),
		WITH_FIXTURE(who_mentions_me_is_marked),
		WITH_FIXTURE(a_reply_shows_what_it_answers),
		WITH_FIXTURE(a_quote_is_not_cut_in_a_character),
		WITH_FIXTURE(columns_grow_and_groups_have_one),
		WITH_FIXTURE(a_name_keeps_its_color),
		WITH_FIXTURE(tables_stand_in_columns),
	};
#undef WITH_FIXTURE

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
