/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/convert.h"

#include <inttypes.h>

enum { RESTORED_RETRY_MS = 1000 };

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

bool convert_is_cut(uint64_t after_seq, uint64_t first_seq, struct err *err)
{
	if (after_seq == 0 || after_seq + 1 >= first_seq)
		return false;
	err_set(err, ERR_EPOCH_CHANGED,
		"The messages before %" PRIu64
		" are not kept any more: start again from there",
		first_seq);
	return true;
}

void convert_restored(struct err *err)
{
	if (err->code != ERR_EPOCH_CHANGED)
		return;
	err_set(err, ERR_UNAVAILABLE, "A backup was restored: come again");
	err->retry_after_ms = RESTORED_RETRY_MS;
}

void convert_put_start(struct buf *b, uint64_t epoch, uint64_t first_seq)
{
	buf_append_char(b, ',');
	json_put_epoch(b, epoch);
	buf_printf(b, ",\"first_seq\":%" PRIu64, first_seq);
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
