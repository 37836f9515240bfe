/* SPDX-License-Identifier: MIT */
/*
 * GET /api/mentions: the unread messages that mention the caller, of all his
 * groups, by the group's name, then by number. A page ends with next_after,
 * "GROUP/SEQ", from which the next one goes on.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/gateway/query.h"
#include "daemon/gateway/rest.h"
#include "lib/text.h"

static void put_mention(struct buf *b, const struct wire_mention *mention)
{
	const struct wire_message m = wire_mention_message(mention);

	buf_append_str(b, str_of("{\"group\":"));
	json_put_str(b, mention->group);
	buf_append_char(b, ',');
	json_put_message_fields(b, &m);
	buf_append_char(b, '}');
}

static void list_mentions(struct http_request *r);

/* Each page appends; r->page.after and r->after_seq are where it ended. */
static void on_mentions(struct client_request *req, const struct err *err,
			const void *body)
{
	struct http_request *r = req->data;
	const struct wire_body_mention_list *page = body;
	struct wire_mention m;
	struct str list;

	if (!http_replied(r, err))
		return;
	list = page->mentions;
	while (wire_next(&list, &wire_schema_mention, &m) == 1) {
		rest_begin_item(r);
		put_mention(&r->text, &m);
		if (r->text.failed)
			break;
		rest_end_item(r, m.group);
		r->after_seq = m.seq;
	}
	if (page->complete == 0 && r->page.all && !r->text.failed) {
		list_mentions(r);
		return;
	}
	buf_append_str(&r->text, str_of("],\"next_after\":\""));
	if (r->after_seq != 0)
		buf_printf(&r->text, "%s/%" PRIu64, buf_cstr(&r->page.after),
			   r->after_seq);
	buf_printf(&r->text, "\",\"complete\":%s}",
		   page->complete != 0 ? "true" : "false");
	http_answer(r, 200);
}

static void list_mentions(struct http_request *r)
{
	struct wire_body_list_mentions body = { .after_group =
							buf_str(&r->page.after),
						.after_seq = r->after_seq,
						.limit = r->page.limit };

	http_submit(r, WIRE_LIST_MENTIONS, &body, on_mentions);
}

/* "GROUP/SEQ", or empty. */
static bool split_after(struct http_request *r)
{
	struct str text = buf_str(&r->page.after);
	const char *slash =
		text.len == 0 ? NULL : memchr(text.data, '/', text.len);
	size_t len = slash == NULL ? 0 : (size_t)(slash - text.data);

	if (text.len == 0)
		return true;
	if (slash == NULL || !text_is_group_name(str_make(text.data, len)) ||
	    !text_parse_u64(str_make(slash + 1, text.len - len - 1),
			    &r->after_seq))
		return false;
	buf_truncate(&r->page.after, len);
	return true;
}

void rest_mentions(struct http_request *r)
{
	struct err err;

	if (!rest_get_page(r, NULL))
		return;
	if (!split_after(r)) {
		err_set(&err, ERR_BAD_REQUEST,
			"\"after\" must be GROUP/SEQ, as next_after says");
		http_fail(r, &err);
		return;
	}
	buf_append_str(&r->text, str_of("{\"mentions\":["));
	list_mentions(r);
}
