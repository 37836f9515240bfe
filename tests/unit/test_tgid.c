/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/tgid.h"

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
		cmocka_unit_test(nobody_is_no_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
