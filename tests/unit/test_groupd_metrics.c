/* SPDX-License-Identifier: MIT */
/* Who may ask for the metrics and report, and that they move. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

static void say_hello(struct conn *c)
{
	struct wire_body_hello hello = { .version = WIRE_VERSION,
					 .agent = str_of("test/1") };

	assert_int_equal(ask(c, WIRE_HELLO, 0, &hello), ERR_NONE);
}

static enum err_code scrape(struct conn *c)
{
	struct wire_body_get_metrics body = { 0 };

	return ask(c, WIRE_GET_METRICS, 0, &body);
}

/* The value of the sample whose line begins so. */
static uint64_t value_of(struct conn *c, const char *name)
{
	struct buf text = { 0 };
	struct buf line = { 0 };
	const char *at;
	uint64_t value;

	assert_int_equal(scrape(c), ERR_NONE);
	buf_append_char(&text, '\n');
	buf_append_str(&text, c->body.metrics.text);
	buf_printf(&line, "\n%s", name);
	at = strstr(buf_cstr(&text), buf_cstr(&line));
	if (at == NULL)
		fail_msg("there is no sample %s", name);
	value = strtoull(at + line.len, NULL, 10);
	buf_release(&text);
	buf_release(&line);
	return value;
}

static void root_needs_no_principal(void **state)
{
	struct conn c;

	dial(&c, *state);
	say_hello(&c);
	assert_int_equal(scrape(&c), ERR_NONE);
	assert_int_equal(c.header.type, WIRE_METRICS);
	assert_int_equal(value_of(&c, "groupfs_messages_total "), 0);
	assert_int_equal(value_of(&c, "groupfs_sessions{kind=\"other\"} "), 1);
	assert_int_equal(value_of(&c, "groupfs_sessions{kind=\"gateway\"} "),
			 0);
	hang_up(&c);
}

/* Of this thread only: SO_PEERCRED says who connected. */
static void become(uid_t uid)
{
	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
}

static void others_are_refused(void **state)
{
	struct fixture *f = *state;
	struct conn c;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(buf_cstr(&f->dir), 0711), 0);
	become(UID_DAEMON);
	dial(&c, f);
	become(0);
	say_hello(&c);
	assert_int_equal(scrape(&c), ERR_NOT_ADMIN);
	/* Nor does a principal of an ordinary user help. */
	open_uid(&c, P_DAEMON, UID_DAEMON);
	write_frame(&c, WIRE_GET_METRICS, P_DAEMON,
		    &(struct wire_body_get_metrics){ 0 });
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_ERROR);
	assert_int_equal(c.body.error.code, ERR_NOT_ADMIN);
	hang_up(&c);
}

/* A mount, and be it root's, cannot pass for a gateway. */
static void only_gateways_report(void **state)
{
	struct wire_body_report report = { .websockets = 1 };
	struct conn c;

	greet(&c, *state);
	assert_int_equal(ask(&c, WIRE_REPORT, P_ROOT, &report), ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_REPORT, 0, &report), ERR_NOT_ADMIN);
	assert_int_equal(scrape(&c), ERR_NONE);
	hang_up(&c);
}

static void nobody_asks_before_his_hello(void **state)
{
	struct conn c;

	dial(&c, *state);
	assert_int_equal(scrape(&c), ERR_BAD_REQUEST);
	assert_false(next_frame(&c));
	hang_up(&c);
}

static void sends_and_refusals_are_counted(void **state)
{
	static const char too_large[] =
		"groupfs_sends_refused_total{code=\"too_large\"} ";
	struct fixture *f = *state;
	struct buf big = { 0 };
	uint64_t group, commits, reads;
	struct conn c;

	greet(&c, f);
	group = create_group(&c);
	commits = value_of(&c, "groupfs_commits_total ");
	reads = value_of(&c, "groupfs_read_seconds_count ");
	assert_int_equal(say(&c, P_ROOT, group, "one"), ERR_NONE);
	assert_int_equal(say(&c, P_ROOT, group, "two"), ERR_NONE);
	for (uint64_t i = 0; i <= f->config.max_message_bytes; i++)
		buf_append_char(&big, 'x');
	assert_int_equal(say(&c, P_ROOT, group, buf_cstr(&big)), ERR_TOO_LARGE);
	assert_int_equal(say(&c, P_BIN, group, "three"), ERR_NO_SUCH_GROUP);
	/* Refused too, but no send. */
	assert_int_equal(edit(&c, P_DAEMON, group, EDIT_ADD, "bin"),
			 ERR_NOT_ADMIN);
	assert_int_equal(value_of(&c, "groupfs_messages_total "), 2);
	assert_int_equal(value_of(&c, "groupfs_commit_messages_sum "), 2);
	assert_int_equal(value_of(&c, too_large), 1);
	assert_int_equal(
		value_of(&c, "groupfs_sends_refused_total{code=\"no_such_group"
			     "\"} "),
		1);
	assert_int_equal(
		value_of(&c,
			 "groupfs_sends_refused_total{code=\"not_admin\"} "),
		0);
	assert_int_equal(value_of(&c, "groupfs_requests_refused_total "), 3);
	assert_true(value_of(&c, "groupfs_commits_total ") >= commits + 2);
	assert_true(value_of(&c, "groupfs_read_seconds_count ") > reads);
	buf_release(&big);
	hang_up(&c);
}

static void what_is_open_is_counted(void **state)
{
	uint64_t group, principals;
	struct conn c;

	greet(&c, *state);
	principals = value_of(&c, "groupfs_principals ");
	assert_int_equal(principals, 3);
	group = create_group(&c);
	assert_int_equal(watch(&c, P_ROOT, group), ERR_NONE);
	assert_int_equal(watch(&c, P_DAEMON, group), ERR_NONE);
	assert_int_equal(value_of(&c, "groupfs_watches "), 2);
	assert_int_equal(value_of(&c, "groupfs_live_groups "), 1);
	assert_int_equal(value_of(&c, "groupfs_lagging_sessions "), 0);
	assert_int_equal(
		value_of(&c, "groupfs_queued_requests{queue=\"writes\"} "), 0);
	assert_true(value_of(&c, "groupfs_store_bytes{file=\"database\"} ") >
		    0);
	assert_true(value_of(&c, "process_resident_memory_bytes ") > 1000000);
	assert_true(value_of(&c, "process_open_fds ") > 3);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(root_needs_no_principal, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(others_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(only_gateways_report, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nobody_asks_before_his_hello,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(sends_and_refusals_are_counted,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_open_is_counted, set_up,
						tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
