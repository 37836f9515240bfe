/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/convert.h"

#include <inttypes.h>

void convert_put_sent(struct buf *b, const struct wire_body_sent *sent)
{
	buf_printf(b, "\"sequence_number\":%" PRIu64 ",\"timestamp\":",
		   sent->first_seq);
	json_put_time(b, sent->time_ms);
	buf_printf(b, ",\"offset\":%" PRIu64 ",", sent->offset);
	json_put_epoch(b, sent->epoch);
	buf_printf(b, ",\"duplicate\":%s",
		   sent->duplicate != 0 ? "true" : "false");
	if ((sent->warnings & WARN_MENTION_DROPPED) != 0)
		buf_append_str(b,
			       str_of(",\"warnings\":[\"mention_dropped\"]"));
}

const char *convert_role(uint64_t role)
{
	return role == ROLE_ADMIN ? "admin" : "member";
}

int convert_get_role(const struct json *j, enum role *role, struct err *err)
{
	struct str text;
	int rc = json_get_str(j, "role", 16, &text, err);

	if (rc <= 0)
		return rc;
	if (str_eq(text, str_of("admin")))
		*role = ROLE_ADMIN;
	else if (str_eq(text, str_of("member")))
		*role = ROLE_MEMBER;
	else
		return err_set(err, ERR_BAD_REQUEST,
			       "\"role\" must be member or admin");
	return 1;
}

static uint64_t unread(const struct wire_group *g)
{
	return g->last_seq > g->last_read_seq ? g->last_seq - g->last_read_seq
					      : 0;
}

void convert_put_group(struct buf *b, const struct wire_group *g,
		       const struct wire_body_info *info)
{
	buf_printf(b, "{\"group_id\":%" PRIu64 ",", g->group_id);
	if (info != NULL) {
		json_put_info_fields(b, info);
	} else {
		buf_append_str(b, str_of("\"name\":"));
		json_put_str(b, g->name);
	}
	buf_printf(b,
		   ",\"role\":\"%s\",\"last_seq\":%" PRIu64
		   ",\"last_read_seq\":%" PRIu64 ",\"unread\":%" PRIu64
		   ",\"mentions\":%" PRIu64,
		   convert_role(g->role), g->last_seq, g->last_read_seq,
		   unread(g), g->mentions);
	if (info != NULL) {
		buf_append_char(b, ',');
		json_put_epoch(b, g->epoch);
		buf_printf(b,
			   ",\"first_seq\":%" PRIu64 ",\"size\":%" PRIu64
			   ",\"member_count\":%" PRIu64 ",\"online\":%" PRIu64,
			   g->first_seq, g->size, g->member_count,
			   info->online);
	}
	buf_append_char(b, '}');
}

int convert_put_page(struct buf *b, const struct convert_page *asked,
		     const struct wire_body_messages *page)
{
	struct str list = page->messages;
	struct wire_message m;
	uint64_t first = 0, last = asked->after_seq;
	bool older, complete;
	int rc;

	json_put_epoch(b, page->epoch);
	buf_printf(b,
		   ",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64
		   ",\"messages\":[",
		   page->first_seq, page->last_seq);
	while ((rc = wire_next(&list, &wire_schema_message, &m)) == 1) {
		if (first == 0)
			first = m.seq;
		else
			buf_append_char(b, ',');
		last = m.seq;
		json_put_message(b, &m);
	}
	/* Only before_seq walks backwards: then the start is the end. */
	older = asked->before_seq != 0 && asked->after_seq == 0;
	complete = older ? first == 0 || first <= page->first_seq
			 : last >= page->last_seq ||
				   (asked->before_seq != 0 &&
				    last + 1 >= asked->before_seq);
	buf_printf(b, "],\"next_after\":%" PRIu64 ",\"complete\":%s", last,
		   complete ? "true" : "false");
	return rc;
}
