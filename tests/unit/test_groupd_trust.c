/* SPDX-License-Identifier: MIT */
/* For whom a connection may act: what the kernel says of its other end counts,
 * and what it was shown. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/groupd_private.h"
#include "tests/support/groupd_fixture.h"

/* groupd's end of a connection that it made to a gateway. */
static void connect_gateway(struct fixture *f)
{
	int *fds = f->data;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_non_null(groupd_on_gateway(&f->groupd, fds[1]));
}

static void with_gateway(struct fixture *f)
{
	f->data = calloc(2, sizeof(int));
	assert_non_null(f->data);
	f->on_started = connect_gateway;
}

static int set_up_gateway(void **state)
{
	return set_up_changed(state, true, with_gateway);
}

static int tear_down_gateway(void **state)
{
	free(((struct fixture *)*state)->data);
	return tear_down(state);
}

static enum err_code claim(struct conn *c, uint32_t principal,
			   enum principal_kind kind, const char *token)
{
	struct wire_body_open_principal open = { .kind = kind,
						 .uid = UID_DAEMON,
						 .token = str_of(token) };

	return ask(c, WIRE_OPEN_PRINCIPAL, principal, &open);
}

static void hello(struct conn *c, const char *agent)
{
	struct wire_body_hello body = { .version = WIRE_VERSION,
					.agent = str_of(agent) };

	assert_int_equal(ask(c, WIRE_HELLO, 0, &body), ERR_NONE);
}

static void a_gateway_acts_for_nobody_whose_token_it_was_not_shown(void **state)
{
	struct fixture *f = *state;
	struct conn c = { .fd = ((int *)f->data)[0] };
	struct wire_body_get_status status = { 0 };

	hello(&c, "groupd-gateway/1");
	/* groupd runs as the same user, and still. */
	assert_int_equal(claim(&c, 1, PRINCIPAL_SELF, ""), ERR_UNAUTHENTICATED);
	assert_int_equal(claim(&c, 1, PRINCIPAL_UID, ""), ERR_UNAUTHENTICATED);
	assert_int_equal(claim(&c, 1, PRINCIPAL_TOKEN, "gfs_made_up"),
			 ERR_UNAUTHENTICATED);
	assert_int_equal(claim(&c, 1, PRINCIPAL_TICKET,
			       "00000001000000000000000000000000000000000000"
			       "0000000000000000000000000000"),
			 ERR_UNAUTHENTICATED);
	assert_int_equal(ask(&c, WIRE_GET_STATUS, 0, &status), ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_GET_STATUS, 1, &status),
			 ERR_UNAUTHENTICATED);
	hang_up(&c);
}

static void only_a_gateway_has_tickets(void **state)
{
	struct conn c;

	greet(&c, *state);
	assert_int_equal(claim(&c, 9, PRINCIPAL_TICKET, "00000001"),
			 ERR_UNAUTHENTICATED);
	hang_up(&c);
}

/* Of this thread alone: setresuid(3) would change all. */
static void be(uid_t uid)
{
	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
}

static void who_is_not_trusted_acts_for_himself_only(void **state)
{
	struct fixture *f = *state;
	struct conn c;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(buf_cstr(&f->dir), 0755), 0);
	be(UID_BIN);
	dial(&c, f);
	be(0);
	hello(&c, "test/1");
	assert_int_equal(claim(&c, 1, PRINCIPAL_UID, ""), ERR_UNAUTHENTICATED);
	assert_int_equal(claim(&c, 1, PRINCIPAL_SELF, ""), ERR_NONE);
	assert_true(str_eq(c.body.principal.name, str_of("bin")));
	assert_int_equal(c.body.principal.admin, 0);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_gateway_acts_for_nobody_whose_token_it_was_not_shown,
			set_up_gateway, tear_down_gateway),
		cmocka_unit_test_setup_teardown(only_a_gateway_has_tickets,
						set_up_memory, tear_down),
		cmocka_unit_test_setup_teardown(
			who_is_not_trusted_acts_for_himself_only, set_up_memory,
			tear_down),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
