/* SPDX-License-Identifier: MIT */
/* A message that somebody sends, as JSON: the same for REST, WebSocket and
 * messages.jsonl. */
#include "lib/json.h"

#include "lib/text.h"

/* ["bob", …] -> names with a space between. */
static int get_mentions(const struct json *j, struct buf *out, struct err *err)
{
	const struct json *names;
	int rc = json_get_array(j, "mentions", WIRE_MENTIONS_MAX / 2, &names,
				err);

	for (size_t i = 0; rc == 1 && i < json_array_len(names); i++) {
		struct str name;

		if (!json_as_str(json_array_at(names, i), &name) ||
		    (!text_is_user_name(name) &&
		     !str_eq(name, str_of("everyone"))))
			return err_set(err, ERR_BAD_REQUEST,
				       "\"mentions\" must be names of users");
		if (i > 0)
			buf_append_char(out, ' ');
		buf_append_str(out, name);
	}
	if (out->failed)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	if (out->len > WIRE_MENTIONS_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"mentions\" are too many");
	return rc < 0 ? rc : 0;
}

static int get_type(const struct json *j, struct wire_item *item,
		    struct err *err)
{
	struct str type = str_of("text");
	int rc = json_get_str(j, "message_type", 16, &type, err);

	if (rc < 0)
		return rc;
	if (str_eq(type, str_of("media")))
		item->type = MESSAGE_MEDIA;
	else if (str_eq(type, str_of("text")))
		item->type = MESSAGE_TEXT;
	else
		return err_set(err, ERR_BAD_REQUEST,
			       "\"message_type\" must be text or media");
	return 0;
}

int json_get_item(const struct json *j, uint64_t max, struct wire_item *item,
		  struct buf *mentions, struct err *err)
{
	int rc;

	*item = (struct wire_item){ 0 };
	rc = json_get_str(j, "content", SIZE_MAX, &item->content, err);
	if (rc < 0)
		return rc;
	if (item->content.len > max || item->content.len > WIRE_CONTENT_MAX)
		return err_set(err, ERR_TOO_LARGE, NULL);
	rc = get_type(j, item, err);
	if (rc < 0)
		return rc;
	if (item->content.data == NULL && item->type == MESSAGE_TEXT)
		return err_set(err, ERR_BAD_REQUEST, "\"content\" is missing");
	rc = json_get_str(j, "media_url", WIRE_URL_MAX, &item->media_url, err);
	if (rc < 0)
		return rc;
	rc = json_get_u64(j, "reply_to_seq", INT64_MAX, &item->reply_to, err);
	if (rc < 0)
		return rc;
	rc = json_get_str(j, "client_id", WIRE_KEY_MAX, &item->client_id, err);
	if (rc < 0)
		return rc;
	rc = get_mentions(j, mentions, err);
	if (rc < 0)
		return rc;
	item->mentions = buf_str(mentions);
	return 0;
}
