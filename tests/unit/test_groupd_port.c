/* SPDX-License-Identifier: MIT */
/* EXPORT and IMPORT on the wire: whose an import is, what becomes of it when
 * its connection goes, and who may have what. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/groupd_fixture.h"

static enum err_code export_part(struct conn *c, uint32_t principal,
				 uint64_t group_id, enum port_part part)
{
	const struct wire_body_export body = { .group_id = group_id,
					       .part = part,
					       .last_seq = 100 };

	return ask(c, WIRE_EXPORT, principal, &body);
}

static enum err_code import_part(struct conn *c, uint64_t id,
				 enum port_part part, const struct buf *records)
{
	const struct wire_body_import body = { .import_id = id,
					       .part = part,
					       .name = str_of("copy"),
					       .key = str_of("key"),
					       .records = buf_str(records) };

	return ask(c, WIRE_IMPORT, P_ROOT, &body);
}

/* An import of one admin and one message, without its end; its number. */
static uint64_t begin(struct conn *c, const struct fixture *f)
{
	const struct wire_port_group group = { .name = str_of("copy"),
					       .created_by = str_of("x"),
					       .created_ms = 1,
					       .max_members = 9,
					       .first_seq = 1,
					       .last_seq = 1 };
	const struct wire_port_member member = { .name = str_of(f->root),
						 .role = ROLE_ADMIN };
	const struct wire_message message = { .seq = 1,
					      .time_ms = 2,
					      .sender = str_of("x"),
					      .content = str_of("hi") };
	struct buf records = { 0 };
	uint64_t id;

	wire_put(&records, &wire_schema_port_group, &group);
	assert_int_equal(import_part(c, 0, PORT_GROUP, &records), ERR_NONE);
	id = c->body.ok.value;
	buf_clear(&records);
	wire_put(&records, &wire_schema_port_member, &member);
	assert_int_equal(import_part(c, id, PORT_MEMBERS, &records), ERR_NONE);
	buf_clear(&records);
	wire_put(&records, &wire_schema_message, &message);
	assert_int_equal(import_part(c, id, PORT_MESSAGES, &records), ERR_NONE);
	buf_release(&records);
	return id;
}

static enum err_code end(struct conn *c, uint64_t id)
{
	const struct buf none = { 0 };

	return import_part(c, id, PORT_END, &none);
}

static enum err_code find_copy(struct conn *c)
{
	const struct wire_body_find_group body = { .name = str_of("copy") };

	return ask(c, WIRE_FIND_GROUP, P_ROOT, &body);
}

static void members_export_and_see_their_own_pointer(void **state)
{
	struct fixture *f = *state;
	struct wire_port_member m;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = create_group(&c);
	assert_int_equal(say(&c, P_ROOT, id, "hi"), ERR_NONE);
	assert_int_equal(export_part(&c, P_DAEMON, id, PORT_MEMBERS), ERR_NONE);
	while (wire_next(&c.body.exported.records, &wire_schema_port_member,
			 &m) == 1) {
		bool own = str_eq(m.name, str_of("daemon"));

		assert_true((m.last_read_seq == PORT_UNKNOWN) != own);
	}
	assert_int_equal(export_part(&c, P_BIN, id, PORT_MEMBERS),
			 ERR_NO_SUCH_GROUP);
	assert_int_equal(export_part(&c, P_BIN, id, PORT_GROUP),
			 ERR_NO_SUCH_GROUP);
	assert_int_equal(export_part(&c, P_BIN, id, PORT_MESSAGES),
			 ERR_NO_SUCH_GROUP);
	/* Who was one hears that he is none any more. */
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_REMOVE, "daemon"), ERR_NONE);
	assert_int_equal(export_part(&c, P_DAEMON, id, PORT_MESSAGES),
			 ERR_NOT_MEMBER);
	/* root may all the same. */
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_ADMIN, "daemon"), ERR_NONE);
	assert_int_equal(edit(&c, P_ROOT, id, EDIT_REMOVE, f->root), ERR_NONE);
	assert_int_equal(export_part(&c, P_ROOT, id, PORT_MESSAGES), ERR_NONE);
	assert_true(c.body.exported.records.len > 0);
	/* Which does not make a member of him. */
	assert_int_equal(read_at(&c, P_ROOT, id, 0, 10), ERR_NOT_MEMBER);
	hang_up(&c);
}

static void only_root_imports(void **state)
{
	const struct wire_body_import body = { .part = PORT_GROUP };
	const struct wire_body_import_bytes bytes = { .import_id = 1 };
	struct fixture *f = *state;
	struct conn c;

	greet(&c, f);
	assert_int_equal(ask(&c, WIRE_IMPORT, P_DAEMON, &body), ERR_NOT_ADMIN);
	assert_int_equal(ask(&c, WIRE_IMPORT_BYTES, P_DAEMON, &bytes),
			 ERR_NOT_ADMIN);
	/* Nothing is in it. */
	assert_int_equal(ask(&c, WIRE_IMPORT, P_ROOT, &body), ERR_BAD_REQUEST);
	hang_up(&c);
}

static void an_import_is_its_connections(void **state)
{
	struct fixture *f = *state;
	struct buf none = { 0 };
	struct conn other;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	greet(&other, f);
	id = begin(&c, f);
	assert_int_equal(find_copy(&c), ERR_NO_SUCH_GROUP);
	assert_int_equal(import_part(&other, id, PORT_MESSAGES, &none),
			 ERR_BAD_REQUEST);
	assert_int_equal(end(&other, id), ERR_BAD_REQUEST);
	assert_int_equal(end(&c, id), ERR_NONE);
	assert_int_equal(c.body.ok.value, id);
	assert_int_equal(find_copy(&c), ERR_NONE);
	assert_int_equal(c.body.group.last_seq, 1);
	/* It has ended. */
	assert_int_equal(import_part(&c, id, PORT_MESSAGES, &none),
			 ERR_BAD_REQUEST);
	hang_up(&other);
	hang_up(&c);
}

/* Sends END as after a lost connection. */
static enum err_code end_again(struct conn *c, uint64_t id)
{
	const struct wire_body_import body = { .import_id = id,
					       .part = PORT_END,
					       .name = str_of("copy"),
					       .key = str_of("key") };
	struct buf frame = { 0 };

	wire_put_frame(&frame, WIRE_IMPORT, ++c->id, P_ROOT, &body);
	wire_mark_resent(&frame);
	assert_int_equal(write(c->fd, frame.data, frame.len), frame.len);
	buf_release(&frame);
	do
		assert_true(next_frame(c));
	while (c->header.id != c->id);
	return c->header.type == WIRE_ERROR ? (enum err_code)c->body.error.code
					    : ERR_NONE;
}

static void an_end_whose_answer_was_lost_is_known(void **state)
{
	struct fixture *f = *state;
	struct conn again;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = begin(&c, f);
	assert_int_equal(end(&c, id), ERR_NONE);
	hang_up(&c);
	greet(&again, f);
	assert_int_equal(end_again(&again, id), ERR_NONE);
	assert_int_equal(again.body.ok.value, id);
	assert_int_equal(end_again(&again, id + 1), ERR_BAD_REQUEST);
	hang_up(&again);
}

/* The number of the next group: an import's is not used again. */
static void what_has_no_end_goes_with_its_connection(void **state)
{
	struct fixture *f = *state;
	struct conn lost;
	struct conn c;
	uint64_t id;

	greet(&lost, f);
	id = begin(&lost, f);
	hang_up(&lost);
	greet(&c, f);
	assert_int_equal(end_again(&c, id), ERR_BAD_REQUEST);
	/* The name is free, and what comes of it is a new one. */
	assert_true(begin(&c, f) > id);
	hang_up(&c);
}

static void a_new_member_is_told_and_waits_for_nothing(void **state)
{
	struct fixture *f = *state;
	bool told = false;
	struct conn c;
	uint64_t id;

	greet(&c, f);
	id = begin(&c, f);
	write_frame(&c, WIRE_IMPORT, P_ROOT,
		    &(struct wire_body_import){ .import_id = id,
						.part = PORT_END,
						.name = str_of("copy") });
	do {
		assert_true(next_frame(&c));
		if (c.header.type == WIRE_EV_MEMBER) {
			assert_int_equal(c.body.ev_member.group_id, id);
			told = true;
		}
	} while (c.header.type != WIRE_OK);
	assert_true(told);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			members_export_and_see_their_own_pointer, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(only_root_imports, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_import_is_its_connections,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_end_whose_answer_was_lost_is_known, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_has_no_end_goes_with_its_connection, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_new_member_is_told_and_waits_for_nothing, set_up,
			tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
