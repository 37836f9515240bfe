/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"

/* stderr goes into a pipe from begin_capture() to end_capture(). */
struct capture {
	int saved;
	int pipe[2];
	char text[8192];
};

static void begin_capture(struct capture *c)
{
	assert_int_equal(pipe(c->pipe), 0);
	c->saved = dup(STDERR_FILENO);
	assert_true(c->saved >= 0);
	assert_true(dup2(c->pipe[1], STDERR_FILENO) >= 0);
	(void)close(c->pipe[1]);
}

static const char *end_capture(struct capture *c)
{
	size_t len = 0;
	ssize_t n;

	assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
	(void)close(c->saved);
	while ((n = read(c->pipe[0], c->text + len,
			 sizeof(c->text) - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(c->pipe[0]);
	c->text[len] = '\0';
	return c->text;
}

static void a_line_names_program_and_level(void **state)
{
	struct capture c;

	(void)state;
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	log_open("prog", LOG_LEVEL_INFO);
	begin_capture(&c);
	log_warn("gateway exited: slot=%d", 3);
	log_info("ready");
	assert_string_equal(end_capture(&c),
			    "prog: warning: gateway exited: slot=3\n"
			    "prog: info: ready\n");
}

static void what_is_below_the_level_is_silent(void **state)
{
	struct capture c;

	(void)state;
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	log_open("prog", LOG_LEVEL_ERROR);
	begin_capture(&c);
	log_warn("no");
	log_info("no");
	log_debug("no");
	log_error("yes");
	assert_string_equal(end_capture(&c), "prog: error: yes\n");
}

static void the_journal_gets_a_priority(void **state)
{
	struct capture c;
	char text[64];
	struct stat st;

	(void)state;
	begin_capture(&c);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
	log_open("prog", LOG_LEVEL_DEBUG);
	log_error("a");
	log_debug("b");
	assert_string_equal(end_capture(&c), "<3>prog: error: a\n"
					     "<7>prog: debug: b\n");
}

static void what_is_not_the_journal_gets_none(void **state)
{
	struct capture c;

	(void)state;
	assert_int_equal(setenv("JOURNAL_STREAM", "8:1234", 1), 0);
	begin_capture(&c);
	log_open("prog", LOG_LEVEL_INFO);
	log_error("a");
	assert_string_equal(end_capture(&c), "prog: error: a\n");
}

static void control_characters_are_escaped(void **state)
{
	struct capture c;

	(void)state;
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	log_open("p", LOG_LEVEL_INFO);
	begin_capture(&c);
	log_info("%s", "a\nb\x1b[0m\x7f \xc2\x9b \xc3\xa9");
	/* U+2028, U+202E, U+2066, a C1 byte alone, a cut character */
	log_info("%s", "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6 \x9bx \xe2\x82");
	assert_string_equal(
		end_capture(&c),
		"p: info: a\\nb\\x1b[0m\\x7f \\xc2\\x9b \xc3\xa9\n"
		"p: info: \\xe2\\x80\\xa8\\xe2\\x80\\xae\\xe2\\x81\\xa6 \\x9bx "
		"\\xe2\\x82\n");
}

static void a_long_event_is_one_cut_line(void **state)
{
	struct capture c;
	char text[3000];
	const char *line;

	(void)state;
	memset(text, '\x01', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	log_open("p", LOG_LEVEL_INFO);
	begin_capture(&c);
	errno = EDQUOT;
	log_info("%s", text);
	assert_int_equal(errno, EDQUOT);
	line = end_capture(&c);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_true(strlen(line) <= PIPE_BUF);
}

/* Its reader has stopped: nobody waits for him, and later he is told. */
static void a_full_pipe_stops_nobody(void **state)
{
	struct capture c;
	const char *text;
	char room[1000];
	size_t lines = 0;

	(void)state;
	memset(room, 'x', sizeof(room));
	room[sizeof(room) - 1] = '\0';
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	log_open("p", LOG_LEVEL_INFO);
	begin_capture(&c);
	assert_true(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 8192) >= 8192);
	for (int i = 0; i < 20; i++)
		log_info("%s", room);
	assert_true(read(c.pipe[0], c.text, sizeof(c.text)) > 4000);
	log_info("again");
	text = end_capture(&c);
	assert_non_null(strstr(text, "p: warning: lost lines of this log: "
				     "count="));
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 2);
	assert_non_null(strstr(text, "p: info: again\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_names_program_and_level),
		cmocka_unit_test(what_is_below_the_level_is_silent),
		cmocka_unit_test(the_journal_gets_a_priority),
		cmocka_unit_test(what_is_not_the_journal_gets_none),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(a_long_event_is_one_cut_line),
		cmocka_unit_test(a_full_pipe_stops_nobody),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
