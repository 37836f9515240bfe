/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/tgid.h"
#include "lib/buf.h"

static void the_text_names_the_process(void **state)
{
	(void)state;
	assert_int_equal(tgid_parse(str_of("Name:\tsh\nUmask:\t0022\n"
					   "Tgid:\t4711\nPid:\t4712\n")),
			 4711);
}

static void a_text_without_a_number_names_nobody(void **state)
{
	(void)state;
	assert_int_equal(tgid_parse(str_of("")), 0);
	assert_int_equal(tgid_parse(str_of("Name:\tTgid:\t7\n")), 0);
	assert_int_equal(tgid_parse(str_of("x\nTgid:\t12")), 0);
	assert_int_equal(tgid_parse(str_of("x\nTgid:\t-1\n")), 0);
	assert_int_equal(tgid_parse(str_of("x\nTgid:\t99999999999\n")), 0);
}

static void *ask_in_thread(void *out)
{
	*(pid_t *)out = tgid_of(gettid());
	return NULL;
}

static void a_thread_belongs_to_its_process(void **state)
{
	pthread_t thread;
	pid_t seen = 0;

	(void)state;
	assert_int_equal(tgid_of(getpid()), getpid());
	assert_int_equal(pthread_create(&thread, NULL, ask_in_thread, &seen),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(seen, getpid());
}

/* Of a kernel of 2025, field 52 at the end; the name as given. */
static bool killed(const char *name, unsigned int flags, int code)
{
	struct buf text = { 0 };
	bool yes;

	buf_printf(&text,
		   "4711 (%s) R 1 4711 4711 0 -1 %u 103 0 0 0 0 0 0 0 20 0 1 0 "
		   "1234567 2621440 226 18446744073709551615 1 1 0 0 0 0 0 0 0 "
		   "0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 %d\n",
		   name, flags, code);
	yes = tgid_parse_killed(buf_str(&text));
	buf_release(&text);
	return yes;
}

static void a_signal_is_told_from_an_exit(void **state)
{
	(void)state;
	assert_true(killed("sh", 4194308, 2));
	assert_true(killed("sh", 4, 9));
	assert_true(killed("sh", 4, 0x80 | 11)); /* with a core */
	assert_false(killed("sh", 4194308, 0));
	assert_false(killed("sh", 4194308, 256));
	assert_false(killed("sh", 4194308, 130 * 256));
}

static bool signaled(unsigned int flags)
{
	struct buf text = { 0 };
	bool yes;

	buf_printf(&text, "1 (a) b) S 1 1 1 1 -1 %u 1 0\n", flags);
	yes = tgid_parse_signaled(buf_str(&text));
	buf_release(&text);
	return yes;
}

static void a_hidden_exit_code_leaves_the_flags(void **state)
{
	(void)state;
	assert_true(signaled(0x404));
	assert_false(signaled(0x400));
	assert_false(signaled(0x4));
}

static void an_open_inode_is_seen_in_proc(void **state)
{
	struct stat st;
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(tgid_has_open(getpid(), st.st_ino), 1);
	close(fd);
	assert_int_equal(tgid_has_open(getpid(), st.st_ino), 0);
	assert_true(tgid_has_open(0, st.st_ino) < 0);
}

static void who_only_reads_does_not_write(void **state)
{
	char name[] = "/tmp/test_tgid.XXXXXX";
	struct stat st;
	int fd = mkstemp(name);
	int reader = open(name, O_RDONLY);

	(void)state;
	assert_true(fd >= 0 && reader >= 0);
	unlink(name);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(tgid_may_write(getpid(), st.st_ino), 1);
	close(fd);
	assert_int_equal(tgid_may_write(getpid(), st.st_ino), 0);
	assert_int_equal(tgid_has_open(getpid(), st.st_ino), 1);
	close(reader);
	assert_true(tgid_may_write(0, st.st_ino) < 0);
}

static void who_is_only_stopped_is_not_killed(void **state)
{
	(void)state;
	assert_false(killed("sh", 4194304, 19));
}

static void a_name_may_hold_blanks_and_parentheses(void **state)
{
	(void)state;
	assert_true(killed("a b) R 1 (c", 4, 2));
	assert_true(killed(") S 1 1 1 1 1 0", 4, 2));
	assert_false(killed("2) R 1 1 1 1 1 4 2 (", 4, 0));
}

static void a_text_that_is_cut_says_nothing(void **state)
{
	(void)state;
	assert_false(tgid_parse_killed(str_of("")));
	assert_false(tgid_parse_killed(str_of("4711 (sh")));
	assert_false(tgid_parse_killed(str_of("4711 (sh)")));
	assert_false(tgid_parse_killed(str_of("4711 (sh) R 1 1 1 0 -1 4 1")));
	assert_false(tgid_is_killed(0));
	assert_false(tgid_is_killed(getpid()));
}

static void nobody_is_no_process(void **state)
{
	(void)state;
	assert_int_equal(tgid_of(0), 0);
	assert_int_equal(tgid_of(-5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_names_the_process),
		cmocka_unit_test(a_text_without_a_number_names_nobody),
		cmocka_unit_test(a_thread_belongs_to_its_process),
		cmocka_unit_test(a_signal_is_told_from_an_exit),
		cmocka_unit_test(a_hidden_exit_code_leaves_the_flags),
		cmocka_unit_test(an_open_inode_is_seen_in_proc),
		cmocka_unit_test(who_only_reads_does_not_write),
		cmocka_unit_test(who_is_only_stopped_is_not_killed),
		cmocka_unit_test(a_name_may_hold_blanks_and_parentheses),
		cmocka_unit_test(a_text_that_is_cut_says_nothing),
		cmocka_unit_test(nobody_is_no_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
