/* SPDX-License-Identifier: MIT */
/* What .me/mentions is in the mount: unread messages that mention me. */
#include "daemon/ctl/commands.h"
#include "daemon/ctl/show.h"
#include "lib/json.h"
#include "lib/text.h"

struct place {
	char group[WIRE_NAME_MAX + 1];
	uint64_t seq;
};

static void put_json(struct buf *out, const char *group,
		     const struct wire_message *m)
{
	buf_append_str(out, str_of("{\"group\":"));
	json_put_str(out, str_of(group));
	buf_append_char(out, ',');
	json_put_message_fields(out, m);
	buf_append_str(out, str_of("}\n"));
}

/* Appends a page of them; *last becomes the last one's place. False: it is
 * empty. */
static bool put_page(struct buf *out, struct show *show,
		     const struct ctl_options *o, struct str mentions,
		     struct place *last)
{
	const struct terminal *t = show->terminal;
	struct wire_mention mention;
	bool any = false;

	while (wire_next(&mentions, &wire_schema_mention, &mention) == 1) {
		const struct wire_message m = wire_mention_message(&mention);

		any = true;
		last->seq = m.seq;
		(void)str_to_cstr(mention.group, last->group,
				  sizeof(last->group));
		if (o->json) {
			put_json(out, last->group, &m);
		} else if (t->is_tty || o->color == COLOR_ALWAYS) {
			show_message(show, out, last->group, &m, NULL);
		} else {
			buf_printf(out, "%s\t", last->group);
			text_render(out, &m);
		}
	}
	if (o->json)
		terminal_escape_json(out, 0);
	return any;
}

enum ctl_exit ctl_mentions(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv)
{
	struct wire_body_list_mentions body = { .limit = WIRE_PAGE_MAX };
	struct wire_body_mention_list page = { 0 };
	struct place last = { 0 };
	struct terminal t;
	struct show show = { .terminal = &t,
			     .me = ctl->self.name,
			     .utc = o->utc,
			     .several = true };
	struct buf out = { 0 };
	enum ctl_exit rc = CTL_OK;

	(void)argc;
	(void)argv;
	terminal_init(&t, o->color);
	while (rc == CTL_OK && page.complete == 0) {
		body.after_group = str_of(last.group);
		body.after_seq = last.seq;
		rc = ctl_call(ctl, WIRE_LIST_MENTIONS, &body, &page);
		buf_clear(&out);
		if (rc != CTL_OK ||
		    !put_page(&out, &show, o, page.mentions, &last))
			break;
		rc = ctl_print(&out);
	}
	buf_release(&out);
	return rc;
}
