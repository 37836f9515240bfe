/* SPDX-License-Identifier: MIT */
/* My groups: all of them in a list, one of them in full, its read pointer. */
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/terminal.h"
#include "lib/json.h"
#include "lib/text.h"

static uint64_t unread(uint64_t last_seq, uint64_t last_read_seq)
{
	return last_seq > last_read_seq ? last_seq - last_read_seq : 0;
}

/* As .me/groups in the mount has it, or as REST. */
static void put_group(struct buf *out, struct buf *rows, bool json,
		      const struct wire_group *g)
{
	if (json) {
		json_put_group(out, g, NULL);
		buf_append_char(out, '\n');
		return;
	}
	buf_printf(rows, "%.*s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
		   (int)g->name.len, g->name.data, json_role_name(g->role),
		   g->last_seq, unread(g->last_seq, g->last_read_seq),
		   g->mentions);
}

/* All pages; rows (not with json) are kept, for columns need all of them. */
static enum ctl_exit list(struct ctl *ctl, bool json, struct buf *rows)
{
	struct wire_body_list_groups body = { .limit = WIRE_GROUPS_MAX };
	struct wire_body_group_list page = { 0 };
	char after[WIRE_NAME_MAX + 1] = "";
	struct buf out = { 0 };
	enum ctl_exit rc = CTL_OK;

	while (rc == CTL_OK && page.complete == 0) {
		struct wire_group g;
		bool any = false;

		body.after = str_of(after);
		rc = ctl_call(ctl, WIRE_LIST_GROUPS, &body, &page);
		while (rc == CTL_OK &&
		       wire_next(&page.groups, &wire_schema_group, &g) == 1) {
			any = true;
			put_group(&out, rows, json, &g);
			(void)str_to_cstr(g.name, after, sizeof(after));
		}
		if (rc != CTL_OK || !any)
			break;
		rc = ctl_print(&out);
		buf_clear(&out);
	}
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_groups(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct terminal t;
	struct buf rows = { 0 };
	struct buf out = { 0 };
	enum ctl_exit rc = list(ctl, o->json, &rows);

	(void)argc;
	(void)argv;
	terminal_init(&t, o->color);
	if (rc == CTL_OK && t.is_tty && !o->json) {
		terminal_table(&t, &out, "group\trole\tlast\tunread\tmentions",
			       buf_str(&rows));
		rc = ctl_print(&out);
	} else if (rc == CTL_OK && !o->json) {
		rc = ctl_print(&rows);
	}
	buf_release(&out);
	buf_release(&rows);
	return rc;
}

static void put_line(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, "%-12s ", name);
	terminal_escape(out, value);
	buf_append_char(out, '\n');
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
	buf_printf(out, "%-12s %" PRIu64 "\n", name, value);
}

static void put_info(struct buf *out, const struct wire_body_group *g,
		     const struct wire_body_info *info)
{
	char time[TEXT_TIME_LEN + 1];

	text_format_time(time, info->created_ms);
	put_line(out, "name", info->name);
	put_number(out, "group_id", info->group_id);
	put_line(out, "description", info->description);
	put_line(out, "role", str_of(json_role_name(g->role)));
	put_number(out, "members", g->member_count);
	put_number(out, "online", info->online);
	put_number(out, "messages", g->last_seq);
	put_number(out, "unread", unread(g->last_seq, g->last_read_seq));
	put_number(out, "mentions", g->mentions);
	put_line(out, "created_by", info->created_by);
	put_line(out, "created_at", str_of(time));
	put_number(out, "max_members", info->max_members);
}

enum ctl_exit ctl_info(struct ctl *ctl, const struct ctl_options *o, int argc,
		       char **argv)
{
	struct wire_body_get_info body;
	struct wire_body_group group;
	struct wire_body_info info;
	struct wire_group record;
	struct buf out = { 0 };
	enum ctl_exit rc = ctl_find_group(ctl, argv[0], &group);

	(void)argc;
	if (rc != CTL_OK)
		return rc;
	body.group_id = group.group_id;
	rc = ctl_call(ctl, WIRE_GET_INFO, &body, &info);
	if (rc != CTL_OK)
		return rc;
	if (o->json) {
		/* The same fields make both structs; its strs went with the
		 * second call, and those of info are meant. */
		_Static_assert(sizeof(record) == sizeof(group), "one list");
		memcpy(&record, &group, sizeof(record));
		json_put_group(&out, &record, &info);
		buf_append_char(&out, '\n');
		terminal_escape_json(&out, 0);
	} else {
		put_info(&out, &group, &info);
	}
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_describe(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv)
{
	struct wire_body_set_info body = { .set = INFO_DESCRIPTION,
					   .description = str_of(argv[1]) };
	struct wire_body_group group;
	struct wire_body_ok answer;
	enum ctl_exit rc = ctl_find_group(ctl, argv[0], &group);

	(void)o;
	(void)argc;
	if (rc != CTL_OK)
		return rc;
	if (body.description.len > WIRE_DESCRIPTION_MAX) {
		ctl_complain("a description takes %d bytes, not %zu",
			     WIRE_DESCRIPTION_MAX, body.description.len);
		return CTL_REFUSED;
	}
	body.group_id = group.group_id;
	return ctl_call(ctl, WIRE_SET_INFO, &body, &answer);
}

enum ctl_exit ctl_read(struct ctl *ctl, const struct ctl_options *o, int argc,
		       char **argv)
{
	struct wire_body_set_read body = { .seq = WIRE_READ_ALL };
	struct wire_body_group group;
	struct wire_body_ok answer;
	struct buf out = { 0 };
	enum ctl_exit rc;

	(void)o;
	if (argc == 2 && strcmp(argv[1], "all") != 0 &&
	    (!text_parse_u64(str_of(argv[1]), &body.seq) ||
	     body.seq > INT64_MAX)) {
		ctl_complain("'%s' is no message's number: say a number, or "
			     "all",
			     argv[1]);
		return CTL_USAGE;
	}
	rc = ctl_find_group(ctl, argv[0], &group);
	if (rc != CTL_OK)
		return rc;
	body.group_id = group.group_id;
	if (argc == 2)
		return ctl_call(ctl, WIRE_SET_READ, &body, &answer);
	buf_printf(&out, "%" PRIu64 "\n", group.last_read_seq);
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}
