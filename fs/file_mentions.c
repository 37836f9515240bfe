/* SPDX-License-Identifier: MIT */
/*
 * .me/mentions: the unread messages that mention the caller, of all his
 * groups: GROUP TAB and the line of messages.
 */
#include <errno.h>

#include "fs/file.h"
#include "lib/text.h"

/* Goes on behind the last one that came: op->name and op->group hold it. */
static int ask_mentions(struct op *op)
{
	const struct wire_body_list_mentions body = {
		.after_group = str_of(op->name),
		.after_seq = op->group.last_seq,
		.limit = WIRE_PAGE_MAX
	};

	return op_submit(op, WIRE_LIST_MENTIONS, &body);
}

static void put_line(struct op *op, const struct wire_mention *mention)
{
	const struct wire_message m = wire_mention_message(mention);

	buf_append_str(&op->body, mention->group);
	buf_append_char(&op->body, '\t');
	text_render(&op->body, &m);
}

static void mentions_came(struct op *op, const void *body)
{
	const struct wire_body_mention_list *page = body;
	struct str list = page->mentions;
	struct wire_mention m;
	size_t before = op->body.len;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_mention, &m)) == 1) {
		put_line(op, &m);
		str_to_cstr(m.group, op->name, sizeof(op->name));
		op->group.last_seq = m.seq;
	}
	if (rc < 0)
		op_reply_err(op, EIO);
	else if (page->complete || op->body.len == before)
		file_text_made(op);
	else
		op_ask(op, ask_mentions, mentions_came);
}

static void mentions_make(struct op *op)
{
	op->name[0] = '\0';
	op->group.last_seq = 0;
	op_ask(op, ask_mentions, mentions_came);
}

static void mentions_read(struct op *op)
{
	file_text_read(op, mentions_make);
}

const struct file_ops file_me_mentions_ops = { .stat = mentions_make,
					       .read = mentions_read };
