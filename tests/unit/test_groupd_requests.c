/* SPDX-License-Identifier: MIT */
/* Deleting, listing, reading pointers and members, frame by frame. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "lib/json.h"
#include "tests/support/groupd_fixture.h"

enum { MANY = 250, PAGE = 40 };

static void a_deleted_group_is_told_and_its_name_is_free(void **state)
{
	struct wire_body_delete_group body;
	struct conn admin;
	struct conn member;
	uint64_t id;

	greet(&admin, *state);
	id = create_group(&admin);
	body.group_id = id;
	greet(&member, *state);
	assert_int_equal(watch(&member, P_DAEMON, id), ERR_NONE);
	assert_int_equal(ask(&admin, WIRE_DELETE_GROUP, P_BIN, &body),
			 ERR_NO_SUCH_GROUP);
	assert_int_equal(ask(&admin, WIRE_DELETE_GROUP, P_DAEMON, &body),
			 ERR_NOT_ADMIN);
	assert_false(readable(&member, QUIET_MS));
	assert_int_equal(ask(&admin, WIRE_DELETE_GROUP, P_ROOT, &body),
			 ERR_NONE);
	assert_true(next_frame(&member));
	assert_int_equal(member.header.type, WIRE_EV_DELETED);
	assert_int_equal(member.body.ev_deleted.group_id, id);
	assert_int_not_equal(say(&admin, P_ROOT, id, "x"), ERR_NONE);
	assert_int_not_equal(create_group(&admin), id);
	hang_up(&admin);
	hang_up(&member);
}

static void groups_are_listed_page_by_page(void **state)
{
	struct wire_body_create_group create = { 0 };
	struct wire_body_list_groups list = { .limit = PAGE };
	char after[WIRE_NAME_MAX + 1] = "";
	struct wire_group group;
	struct buf name = { 0 };
	struct conn c;
	struct str page;
	int seen = 0;

	greet(&c, *state);
	for (int i = 0; i < MANY; i++) {
		buf_clear(&name);
		buf_printf(&name, "g%03d", i);
		create.name = buf_str(&name);
		assert_int_equal(ask(&c, WIRE_CREATE_GROUP, P_ROOT, &create),
				 ERR_NONE);
	}
	do {
		list.after = str_of(after);
		assert_int_equal(ask(&c, WIRE_LIST_GROUPS, P_ROOT, &list),
				 ERR_NONE);
		page = c.body.group_list.groups;
		while (wire_next(&page, &wire_schema_group, &group) > 0) {
			buf_clear(&name);
			buf_printf(&name, "g%03d", seen++);
			assert_true(str_eq(group.name, buf_str(&name)));
			str_to_cstr(group.name, after, sizeof(after));
		}
		assert_int_equal(seen % PAGE == 0 || seen == MANY, 1);
	} while (c.body.group_list.complete == 0);
	assert_int_equal(seen, MANY);
	hang_up(&c);
	buf_release(&name);
}

static enum err_code set_read(struct conn *c, uint64_t id, uint64_t seq)
{
	struct wire_body_set_read body = { .group_id = id, .seq = seq };

	return ask(c, WIRE_SET_READ, P_DAEMON, &body);
}

static void the_read_pointer_only_moves_forward(void **state)
{
	struct conn c;
	uint64_t id;

	greet(&c, *state);
	id = create_group(&c);
	for (int i = 0; i < 5; i++)
		assert_int_equal(say(&c, P_ROOT, id, "x"), ERR_NONE);
	assert_int_equal(set_read(&c, id, 3), ERR_NONE);
	assert_int_equal(c.body.ok.value, 3);
	assert_int_equal(set_read(&c, id, 1), ERR_NONE);
	assert_int_equal(c.body.ok.value, 3);
	assert_int_equal(set_read(&c, id, 6), ERR_BAD_REQUEST);
	assert_int_equal(set_read(&c, id, WIRE_READ_ALL), ERR_NONE);
	assert_int_equal(c.body.ok.value, 5);
	hang_up(&c);
}

static uint64_t member_count(struct conn *c, uint64_t id)
{
	struct wire_body_list_members list = { .group_id = id };

	assert_int_equal(ask(c, WIRE_LIST_MEMBERS, P_ROOT, &list), ERR_NONE);
	return c->body.member_list.total;
}

static void edits_happen_all_or_not_at_all(void **state)
{
	static const char *const names[] = { "bin", "nobody-at-all" };
	struct fixture *f = *state;
	struct wire_body_edit_members body = { 0 };
	struct buf edits = { 0 };
	struct conn c;

	greet(&c, f);
	body.group_id = create_group(&c);
	for (size_t i = 0; i < 2; i++) {
		struct wire_edit one = { .op = EDIT_ADD,
					 .name = str_of(names[i]) };

		wire_put(&edits, &wire_schema_edit, &one);
	}
	body.edits = buf_str(&edits);
	assert_int_equal(ask(&c, WIRE_EDIT_MEMBERS, P_ROOT, &body),
			 ERR_NO_SUCH_USER);
	assert_int_equal(member_count(&c, body.group_id), 2);
	body.edits = str_of("\xff");
	assert_int_equal(ask(&c, WIRE_EDIT_MEMBERS, P_ROOT, &body),
			 ERR_BAD_REQUEST);
	assert_int_equal(edit(&c, P_ROOT, body.group_id, EDIT_REMOVE, f->root),
			 ERR_LAST_ADMIN);
	assert_int_equal(edit(&c, P_ROOT, body.group_id, EDIT_MEMBER, f->root),
			 ERR_LAST_ADMIN);
	assert_int_equal(member_count(&c, body.group_id), 2);
	hang_up(&c);
	buf_release(&edits);
}

static void a_new_role_is_told(void **state)
{
	struct conn admin;
	struct conn member;
	uint64_t id;

	greet(&admin, *state);
	id = create_group(&admin);
	greet(&member, *state);
	assert_int_equal(watch(&member, P_DAEMON, id), ERR_NONE);
	assert_int_equal(edit(&admin, P_ROOT, id, EDIT_ADMIN, "daemon"),
			 ERR_NONE);
	assert_true(next_frame(&member));
	assert_int_equal(member.header.type, WIRE_EV_MEMBER);
	assert_int_equal(member.body.ev_member.change, MEMBER_ROLE);
	assert_int_equal(member.body.ev_member.role, ROLE_ADMIN);
	assert_int_equal(edit(&admin, P_DAEMON, id, EDIT_ADD, "bin"), ERR_NONE);
	hang_up(&admin);
	hang_up(&member);
}

static enum err_code describe(struct conn *c, uint64_t group_id,
			      uint64_t if_tag, const char *text, bool resent)
{
	struct wire_body_set_info body = { .group_id = group_id,
					   .set = INFO_DESCRIPTION,
					   .if_tag = if_tag,
					   .description = str_of(text) };
	struct buf frame = { 0 };

	wire_put_frame(&frame, WIRE_SET_INFO, ++c->id, P_ROOT, &body);
	if (resent)
		wire_mark_resent(&frame);
	assert_int_equal(send(c->fd, frame.data, frame.len, MSG_NOSIGNAL),
			 frame.len);
	buf_release(&frame);
	assert_true(next_frame(c));
	return c->header.type == WIRE_OK ? ERR_NONE
					 : (enum err_code)c->body.error.code;
}

static uint64_t info_tag(struct conn *c, uint64_t group_id)
{
	const struct wire_body_get_info body = { .group_id = group_id };

	assert_int_equal(ask(c, WIRE_GET_INFO, P_ROOT, &body), ERR_NONE);
	return json_info_tag(&c->body.info);
}

static void metadata_is_changed_on_a_condition(void **state)
{
	struct conn c;
	uint64_t id, tag;

	greet(&c, *state);
	id = create_group(&c);
	tag = info_tag(&c, id);
	assert_int_equal(describe(&c, id, tag, "one", false), ERR_NONE);
	assert_int_equal(describe(&c, id, tag, "two", false),
			 ERR_PRECONDITION_FAILED);
	/* Its answer was lost: it has been done. */
	assert_int_equal(describe(&c, id, tag, "one", true), ERR_NONE);
	/* Another one was quicker. */
	assert_int_equal(describe(&c, id, tag, "two", true),
			 ERR_PRECONDITION_FAILED);
	assert_int_not_equal(info_tag(&c, id), tag);
	assert_int_equal(describe(&c, id, info_tag(&c, id), "two", false),
			 ERR_NONE);
	assert_int_equal(describe(&c, id, 0, "three", false), ERR_NONE);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_deleted_group_is_told_and_its_name_is_free, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(groups_are_listed_page_by_page,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_read_pointer_only_moves_forward, set_up, tear_down),
		cmocka_unit_test_setup_teardown(edits_happen_all_or_not_at_all,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_role_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			metadata_is_changed_on_a_condition, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
