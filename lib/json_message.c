/* SPDX-License-Identifier: MIT */
/* A stored message read back from JSON, as json_put_message_fields() writes
 * it: for what was exported. */
#include "lib/json.h"

#include "lib/text.h"

int json_check_keys(const struct json *j, const char *const *keys,
		    struct err *err)
{
	struct str key;

	for (size_t i = 0; json_key_at(j, i, &key); i++) {
		const char *const *known = keys;

		while (*known != NULL && !str_eq(key, str_of(*known)))
			known++;
		if (*known == NULL)
			return err_set(err, ERR_BAD_REQUEST,
				       "There is no \"%.*s\" in it",
				       (int)(key.len < 64 ? key.len : 64),
				       key.data);
	}
	return 0;
}

int json_get_time(const struct json *j, const char *key, uint64_t *time_ms,
		  struct err *err)
{
	struct str text;
	int rc = json_get_str(j, key, SIZE_MAX, &text, err);

	if (rc == 1 && !text_parse_time(text, time_ms))
		return err_set(err, ERR_BAD_REQUEST,
			       "\"%s\" must be a time like "
			       "2026-11-24T12:00:03.120Z",
			       key);
	return rc;
}

static int missing(const char *key, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST, "\"%s\" is missing", key);
}

int json_get_message(const struct json *j, struct wire_message *out,
		     struct buf *mentions, struct err *err)
{
	static const char *const keys[] = { "sequence_number",
					    "timestamp",
					    "sender",
					    "content",
					    "message_type",
					    "media_url",
					    "reply_to_seq",
					    "mentions",
					    "client_id",
					    "type",
					    NULL };
	struct wire_item item;
	int rc = json_check_keys(j, keys, err);

	*out = (struct wire_message){ 0 };
	if (rc == 0)
		rc = json_get_item(j, WIRE_CONTENT_MAX, &item, mentions, err);
	if (rc < 0)
		return rc;
	rc = json_get_u64(j, "sequence_number", INT64_MAX, &out->seq, err);
	if (rc <= 0)
		return rc < 0 ? rc : missing("sequence_number", err);
	rc = json_get_time(j, "timestamp", &out->time_ms, err);
	if (rc <= 0)
		return rc < 0 ? rc : missing("timestamp", err);
	rc = json_get_str(j, "sender", WIRE_USER_MAX, &out->sender, err);
	if (rc <= 0)
		return rc < 0 ? rc : missing("sender", err);
	out->type = item.type;
	out->reply_to = item.reply_to;
	out->content = item.content;
	out->media_url = item.media_url;
	out->mentions = item.mentions;
	out->client_id = item.client_id;
	return 0;
}
