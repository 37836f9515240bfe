/* SPDX-License-Identifier: MIT */
/* Tickets: for whom, for which process, of which key. */
#include "daemon/ticket.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buf.h"

static const struct ticket_holder holder = { .pid = 77, .start = 123456 };

struct dir {
	char path[32];
	struct buf key; /* the path of the key's file */
};

static void make_dir(struct dir *d)
{
	*d = (struct dir){ 0 };
	memcpy(d->path, "/tmp/test_ticket-XXXXXX", 24);
	assert_non_null(mkdtemp(d->path));
	buf_printf(&d->key, "%s/ticket.key", d->path);
}

static void remove_dir(struct dir *d)
{
	assert_int_equal(unlink(buf_cstr(&d->key)), 0);
	assert_int_equal(rmdir(d->path), 0);
	buf_release(&d->key);
}

static void open_in(struct tickets *t, const struct dir *d)
{
	struct err err = { 0 };

	if (tickets_open(t, d->path, env_system(), &err) < 0)
		fail_msg("%s", err.text);
}

static int check(const struct tickets *t, const struct ticket_holder *who,
		 const char *ticket, uid_t *uid)
{
	struct err err = { 0 };
	int rc = ticket_check(t, who, str_of(ticket), uid, &err);

	if (rc < 0)
		assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	return rc;
}

static void a_ticket_says_who(void **state)
{
	static const uid_t uids[] = {
		0, 1, 1000, 65534, 0x7fffffff, 0xfffffffe
	};
	char ticket[TICKET_LEN + 1];
	struct tickets t;
	struct dir d;
	uid_t uid = 5;

	(void)state;
	make_dir(&d);
	open_in(&t, &d);
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		assert_int_equal(ticket_make(&t, &holder, uids[i], ticket), 0);
		assert_int_equal(strlen(ticket), TICKET_LEN);
		assert_int_equal(check(&t, &holder, ticket, &uid), 0);
		assert_int_equal(uid, uids[i]);
	}
	remove_dir(&d);
}

static void no_byte_of_it_may_change(void **state)
{
	char ticket[TICKET_LEN + 2] = { 0 };
	struct tickets t;
	struct dir d;
	uid_t uid;

	(void)state;
	make_dir(&d);
	open_in(&t, &d);
	assert_int_equal(ticket_make(&t, &holder, 0xab, ticket), 0);
	for (size_t i = 0; i < TICKET_LEN; i++) {
		char was = ticket[i];

		for (int c = 1; c < 128; c++) {
			ticket[i] = (char)c;
			assert_int_equal(check(&t, &holder, ticket, &uid),
					 c == was ? 0 : -EACCES);
		}
		ticket[i] = was;
	}
	ticket[TICKET_LEN] = '0';
	assert_int_equal(check(&t, &holder, ticket, &uid), -EACCES);
	ticket[TICKET_LEN - 1] = '\0';
	assert_int_equal(check(&t, &holder, ticket, &uid), -EACCES);
	assert_int_equal(check(&t, &holder, "", &uid), -EACCES);
	remove_dir(&d);
}

static void it_is_for_one_process(void **state)
{
	const struct ticket_holder other = { .pid = 78, .start = 123456 };
	const struct ticket_holder later = { .pid = 77, .start = 123457 };
	char ticket[TICKET_LEN + 1];
	struct tickets t;
	struct dir d;
	uid_t uid;

	(void)state;
	make_dir(&d);
	open_in(&t, &d);
	assert_int_equal(ticket_make(&t, &holder, 1000, ticket), 0);
	assert_int_equal(check(&t, &other, ticket, &uid), -EACCES);
	assert_int_equal(check(&t, &later, ticket, &uid), -EACCES);
	assert_int_equal(check(&t, &holder, ticket, &uid), 0);
	remove_dir(&d);
}

static void the_key_is_kept_and_is_ours_alone(void **state)
{
	char ticket[TICKET_LEN + 1];
	struct tickets first, second, other;
	struct dir d, elsewhere;
	struct stat st;
	uid_t uid;

	(void)state;
	make_dir(&d);
	make_dir(&elsewhere);
	open_in(&first, &d);
	open_in(&second, &d);
	open_in(&other, &elsewhere);
	assert_int_equal(ticket_make(&first, &holder, 1000, ticket), 0);
	assert_int_equal(check(&second, &holder, ticket, &uid), 0);
	assert_int_equal(check(&other, &holder, ticket, &uid), -EACCES);
	assert_int_equal(stat(buf_cstr(&d.key), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, TICKET_KEY);
	tickets_close(&first);
	for (size_t i = 0; i < TICKET_KEY; i++)
		assert_int_equal(first.key[i], 0);
	remove_dir(&d);
	remove_dir(&elsewhere);
}

static void a_damaged_key_is_made_anew(void **state)
{
	static const uint8_t zeros[TICKET_KEY];
	struct tickets t;
	struct dir d;

	(void)state;
	make_dir(&d);
	open_in(&t, &d);
	assert_int_equal(truncate(buf_cstr(&d.key), 5), 0);
	memset(&t, 0, sizeof(t));
	open_in(&t, &d);
	assert_memory_not_equal(t.key, zeros, TICKET_KEY);
	assert_int_equal(truncate(buf_cstr(&d.key), TICKET_KEY + 1), 0);
	open_in(&t, &d);
	assert_int_equal(truncate(buf_cstr(&d.key), TICKET_KEY), 0);
	remove_dir(&d);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct tickets t;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tickets_open(&t, "/nowhere", env_system(), &err),
			 -EIO);
	assert_non_null(strstr(err.text, "/nowhere/ticket.key"));
}

static void a_process_is_known_by_its_start(void **state)
{
	struct ticket_holder self, again, child;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(ticket_holder_of(getpid(), &self), 0);
	assert_int_equal(ticket_holder_of(getpid(), &again), 0);
	assert_int_equal(self.pid, getpid());
	assert_true(self.start > 0);
	assert_true(self.start == again.start);
	usleep(50000);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(ticket_holder_of(pid, &child), 0);
	assert_true(child.start > self.start);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ticket_holder_of(pid, &child), -ESRCH);
	assert_int_equal(ticket_holder_of(0, &child), -ESRCH);
	assert_int_equal(ticket_holder_of(-1, &child), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_says_who),
		cmocka_unit_test(no_byte_of_it_may_change),
		cmocka_unit_test(it_is_for_one_process),
		cmocka_unit_test(the_key_is_kept_and_is_ours_alone),
		cmocka_unit_test(a_damaged_key_is_made_anew),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
		cmocka_unit_test(a_process_is_known_by_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
