/* SPDX-License-Identifier: MIT */
/* A commit whose outcome is unknown: nobody is answered, groupd exits with 3,
 * and the next one says by the client_id what is stored. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/faulty_store.h"
#include "tests/support/groupd_fixture.h"

enum { EXIT_UNKNOWN = 3 };

/* Whether the lane sleeps, with nothing to do; then kind awaits its second
 * commit from now on. */
static bool plan_asleep(struct lane *lane, enum faulty_kind kind)
{
	bool asleep;

	pthread_mutex_lock(&lane->lock);
	asleep = atomic_load(&lane->alive_ns) == 0;
	if (asleep) {
		lane->store = faulty_store_new(lane->store);
		faulty_store_plan(lane->store, FAULTY_COMMIT, kind, 2, 1);
	}
	pthread_mutex_unlock(&lane->lock);
	return asleep;
}

/* In the child: serves until the second commit of a client, the first being
 * that of its group. The lane begins with a commit of groupd's own, when it
 * looks for imports that were left: it is not to be counted. */
static void serve(int out, enum faulty_kind kind)
{
	struct fixture *f;
	void *state;

	set_up(&state);
	f = state;
	while (!plan_asleep(&f->groupd.sequencer.lane[0], kind))
		usleep(1000);
	if (write(out, &f->config, sizeof(f->config)) !=
	    (ssize_t)sizeof(f->config))
		_exit(1);
	pthread_join(f->thread, NULL);
	_exit(1);
}

static void send_keyed(struct conn *c, uint64_t group_id)
{
	struct wire_item item = { .content = str_of("once"),
				  .client_id = str_of("key-1") };
	struct wire_body_send body = { .group_id = group_id };
	struct buf items = { 0 };

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	write_frame(c, WIRE_SEND, P_ROOT, &body);
	buf_release(&items);
}

static void read_config(int fd, struct config *config)
{
	char *at = (char *)config;

	for (size_t left = sizeof(*config); left > 0;) {
		ssize_t n = read(fd, at, left);

		assert_true(n > 0);
		at += n;
		left -= (size_t)n;
	}
}

static void check(enum faulty_kind kind)
{
	struct fixture *next;
	struct config config;
	struct conn c;
	uint64_t group_id;
	int status;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		serve(fds[1], kind);
	close(fds[1]);
	read_config(fds[0], &config);
	close(fds[0]);
	next = fixture_of(&config);
	greet(&c, next);
	group_id = create_group(&c);
	send_keyed(&c, group_id);
	/* Events of the creation, then the end, and no answer. */
	while (next_frame(&c))
		assert_int_equal(c.header.id, 0);
	hang_up(&c);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_UNKNOWN);
	start_fixture(next);
	greet(&c, next);
	send_keyed(&c, group_id);
	assert_true(next_frame(&c));
	assert_int_equal(c.header.type, WIRE_SENT);
	assert_int_equal(c.body.sent.first_seq, 1);
	assert_int_equal(c.body.sent.duplicate, kind == FAULTY_STORED);
	hang_up(&c);
	tear_down((void *[]){ next });
}

static void what_was_stored_is_a_duplicate(void **state)
{
	(void)state;
	check(FAULTY_STORED);
}

static void what_was_lost_is_stored_once(void **state)
{
	(void)state;
	check(FAULTY_LOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_stored_is_a_duplicate),
		cmocka_unit_test(what_was_lost_is_stored_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
