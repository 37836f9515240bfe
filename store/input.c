/* SPDX-License-Identifier: MIT */
#include "store/input.h"

#include <inttypes.h>
#include <string.h>

#include "lib/text.h"
#include "store/keep.h"

static int check_mentions(struct str mentions, struct err *err)
{
	struct str name;

	while (text_next_word(&mentions, &name)) {
		if (!text_is_user_name(name) &&
		    !str_eq(name, str_of("everyone")))
			return err_set(err, ERR_BAD_NAME,
				       "mentions holds what is no user name");
	}
	return 0;
}

/* The line shows "[media URL] ": a space or a control byte in the URL would
 * make it ambiguous. */
static int check_url(struct str url, const char *what, struct err *err)
{
	if (!text_is_utf8(url))
		return err_set(err, ERR_BAD_UTF8, "%s is not valid UTF-8",
			       what);
	for (size_t i = 0; i < url.len; i++) {
		char c = url.data[i];

		if ((c >= 0 && c <= ' ') || c == 0x7f)
			return err_set(err, ERR_BAD_REQUEST,
				       "%s holds a space or a control "
				       "character",
				       what);
	}
	return 0;
}

static int check_media_url(const struct wire_item *item, struct err *err)
{
	if (item->type == MESSAGE_TEXT) {
		if (item->media_url.len > 0)
			return err_set(err, ERR_BAD_REQUEST,
				       "Only a media message has a media_url");
		return 0;
	}
	if (item->media_url.len == 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "A media message needs a media_url");
	return check_url(item->media_url, "media_url", err);
}

int input_check_item(const struct wire_item *item, uint64_t max_content,
		     struct err *err)
{
	int rc;

	if (item->content.len > max_content)
		return err_set(err, ERR_TOO_LARGE,
			       "The message has %zu bytes, more than %" PRIu64,
			       item->content.len, max_content);
	if (!text_is_utf8(item->content))
		return err_set(err, ERR_BAD_UTF8, NULL);
	rc = check_media_url(item, err);
	if (rc < 0)
		return rc;
	if (item->mentions.len == 0)
		return 0;
	return check_mentions(item->mentions, err);
}

int input_check_items(struct str items, uint64_t max_content, size_t *count,
		      struct err *err)
{
	struct wire_item item;
	size_t n = 0;
	int rc;

	while ((rc = wire_next(&items, &wire_schema_item, &item)) > 0) {
		n++;
		rc = input_check_item(&item, max_content, err);
		if (rc < 0 && (n > 1 || items.len > 0))
			return err_wrap(err, "line %zu", n);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "The list of messages is damaged");
	if (n == 0)
		return err_set(err, ERR_BAD_REQUEST, "There is no message");
	*count = n;
	return 0;
}

int input_refuse_reply(uint64_t reply_to, size_t n, size_t count,
		       struct err *err)
{
	int rc = err_set(err, ERR_BAD_REQUEST,
			 "There is no message %" PRIu64 " to reply to",
			 reply_to);

	return count > 1 ? err_wrap(err, "line %zu", n) : rc;
}

int input_refuse_gone(uint64_t first_seq, struct err *err)
{
	return err_set(err, ERR_EPOCH_CHANGED,
		       "The messages before %" PRIu64
		       " are not kept any more: start again from there",
		       first_seq);
}

int input_check_settings(struct str settings, struct err *err)
{
	struct store_keep keep;

	if (settings.len > WIRE_SETTINGS_MAX)
		return err_set(err, ERR_TOO_LARGE, "The settings are too long");
	if (!text_is_utf8(settings))
		return err_set(err, ERR_BAD_UTF8, NULL);
	return keep_of_settings(settings, &keep, err);
}

int input_check_description(struct str description, struct err *err)
{
	if (description.len > WIRE_DESCRIPTION_MAX)
		return err_set(err, ERR_TOO_LARGE,
			       "The description is too long");
	return text_is_utf8(description) ? 0 : err_set(err, ERR_BAD_UTF8, NULL);
}

int input_check_info(const struct store_set_info *op, struct err *err)
{
	int rc = 0;

	if ((op->set & ~(unsigned)INFO_ALL) != 0)
		return err_set(err, ERR_BAD_REQUEST, NULL);
	if ((op->set & INFO_DESCRIPTION) != 0)
		rc = input_check_description(op->description, err);
	if (rc == 0 && (op->set & INFO_AVATAR_URL) != 0)
		rc = op->avatar_url.len > WIRE_URL_MAX
			     ? err_set(err, ERR_TOO_LARGE,
				       "avatar_url is too long")
			     : check_url(op->avatar_url, "avatar_url", err);
	if (rc == 0 && (op->set & INFO_SETTINGS) != 0)
		rc = input_check_settings(op->settings, err);
	if (rc == 0 && (op->set & INFO_MAX_MEMBERS) != 0 &&
	    (op->max_members < 1 || op->max_members > STORE_MEMBERS_MAX))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "max_members is from 1 to %d", STORE_MEMBERS_MAX);
	return rc;
}

int input_refuse_max_members(uint64_t count, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "max_members cannot be below the %" PRIu64
		       " members that there are",
		       count);
}

int input_refuse_media_name(struct str name, struct err *err)
{
	return err_set(err, ERR_FILE_EXISTS,
		       "media/%.*s is there already and does not change: "
		       "choose another name",
		       (int)name.len, name.data);
}

int input_check_user(struct str name, struct err *err)
{
	if (text_is_user_name(name))
		return 0;
	return err_set(err, ERR_BAD_NAME, "That is not a user's name");
}

int input_check_edits(struct str edits, bool creating, size_t *count,
		      struct err *err)
{
	struct wire_edit edit;
	size_t n = 0;
	int rc;

	while ((rc = wire_next(&edits, &wire_schema_edit, &edit)) > 0) {
		n++;
		if (!text_is_user_name(edit.name))
			return err_set(err, ERR_BAD_NAME,
				       "Member %zu is not a user's name", n);
		if (creating && edit.op != EDIT_ADD && edit.op != EDIT_ADMIN)
			return err_set(err, ERR_BAD_REQUEST,
				       "A new group can only gain members");
	}
	if (rc < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "The list of members is damaged");
	*count = n;
	return 0;
}

void input_mentions_init(struct input_mentions *it,
			 const struct wire_item *item)
{
	*it = (struct input_mentions){ 0 };
	it->content = item->content;
	it->explicit = item->mentions;
	/* Most messages hold no '@': one memchr decides. */
	it->in_content =
		item->content.len > 0 &&
		memchr(item->content.data, '@', item->content.len) != NULL;
}

bool input_next_mention(struct input_mentions *it, struct str *name)
{
	bool more = false;

	if (it->in_content)
		more = text_next_mention(it->content, &it->pos, name);
	if (!more) {
		it->in_content = false;
		more = text_next_word(&it->explicit, name);
	}
	if (!more)
		return false;
	if (it->seen == INPUT_CANDIDATES_MAX) {
		it->dropped = true;
		return false;
	}
	it->seen++;
	return true;
}
