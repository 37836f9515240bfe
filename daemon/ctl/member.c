/* SPDX-License-Identifier: MIT */
/* The members of a group: listed, added, removed. */
#include <inttypes.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/names.h"
#include "daemon/ctl/terminal.h"
#include "lib/json.h"

/* As `members` in the mount has it; on a terminal, in columns. */
static void put_page(struct buf *out, const struct terminal *t, bool json,
		     struct str members)
{
	struct wire_member m;
	struct buf rows = { 0 };

	while (wire_next(&members, &wire_schema_member, &m) == 1) {
		if (json) {
			json_put_member(out, &m);
			buf_append_char(out, '\n');
			continue;
		}
		buf_append_str(&rows, m.name);
		buf_printf(&rows, "%c%s\n", t->is_tty ? '\t' : ' ',
			   json_role_name(m.role));
	}
	if (t->is_tty)
		terminal_table(t, out, NULL, buf_str(&rows));
	else
		buf_append_str(out, buf_str(&rows));
	out->failed = out->failed || rows.failed;
	buf_release(&rows);
}

/* The last one's name, from where the next page goes on. */
static bool last_name(struct str members, char out[WIRE_USER_MAX + 1])
{
	struct wire_member m;
	bool any = false;

	while (wire_next(&members, &wire_schema_member, &m) == 1)
		any = str_to_cstr(m.name, out, WIRE_USER_MAX + 1);
	return any;
}

enum ctl_exit ctl_members(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv)
{
	struct wire_body_list_members body = { .limit = WIRE_PAGE_MAX };
	struct wire_body_member_list page = { 0 };
	struct wire_body_group group;
	char after[WIRE_USER_MAX + 1] = "";
	struct terminal t;
	struct buf out = { 0 };
	enum ctl_exit rc = ctl_find_group(ctl, argv[0], &group);

	(void)argc;
	body.group_id = group.group_id;
	terminal_init(&t, o->color);
	while (rc == CTL_OK && page.complete == 0) {
		body.after = str_of(after);
		rc = ctl_call(ctl, WIRE_LIST_MEMBERS, &body, &page);
		if (rc != CTL_OK || !last_name(page.members, after))
			break;
		buf_clear(&out);
		put_page(&out, &t, o->json, page.members);
		rc = ctl_print(&out);
	}
	buf_release(&out);
	return rc;
}

struct edits {
	enum edit_op op;
	struct buf list; /* wire list of `edit` */
};

static enum ctl_exit add_edit(void *data, const char *name)
{
	struct edits *edits = data;
	const struct wire_edit edit = { .op = edits->op, .name = str_of(name) };

	wire_put(&edits->list, &wire_schema_edit, &edit);
	return CTL_OK;
}

/* All of them together, or none. */
static enum ctl_exit edit(struct ctl *ctl, enum edit_op op, int argc,
			  char **argv)
{
	struct edits edits = { .op = op };
	struct wire_body_edit_members body;
	struct wire_body_group group;
	struct wire_body_ok answer;
	enum ctl_exit rc = ctl_find_group(ctl, argv[0], &group);

	body.group_id = group.group_id;
	if (rc == CTL_OK)
		rc = names_each(argc - 1, argv + 1, add_edit, &edits);
	body.edits = buf_str(&edits.list);
	if (rc == CTL_OK &&
	    (edits.list.failed || edits.list.len > WIRE_FRAME_MAX / 2)) {
		ctl_complain("too many users at once");
		rc = CTL_REFUSED;
	}
	if (rc == CTL_OK && edits.list.len > 0)
		rc = ctl_call(ctl, WIRE_EDIT_MEMBERS, &body, &answer);
	buf_release(&edits.list);
	return rc;
}

enum ctl_exit ctl_add(struct ctl *ctl, const struct ctl_options *o, int argc,
		      char **argv)
{
	enum edit_op op = o->role == ROLE_ADMIN	   ? EDIT_ADMIN
			  : o->role == ROLE_MEMBER ? EDIT_MEMBER
						   : EDIT_ADD;

	return edit(ctl, op, argc, argv);
}

enum ctl_exit ctl_remove(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	(void)o;
	return edit(ctl, EDIT_REMOVE, argc, argv);
}
