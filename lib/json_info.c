/* SPDX-License-Identifier: MIT */
/* A group's metadata as JSON: the same for settings.json and REST. */
#include "lib/json.h"

#include <inttypes.h>

#include "lib/table.h"

void json_put_info_fields(struct buf *b, const struct wire_body_info *info)
{
	buf_append_str(b, str_of("\"name\":"));
	json_put_str(b, info->name);
	buf_append_str(b, str_of(",\"description\":"));
	json_put_str(b, info->description);
	buf_append_str(b, str_of(",\"avatar_url\":"));
	json_put_str(b, info->avatar_url);
	buf_append_str(b, str_of(",\"created_by\":"));
	json_put_str(b, info->created_by);
	buf_append_str(b, str_of(",\"created_at\":"));
	json_put_time(b, info->created_ms);
	buf_printf(b, ",\"max_members\":%" PRIu64 ",\"settings\":",
		   info->max_members);
	buf_append_str(b,
		       info->settings.len > 0 ? info->settings : str_of("{}"));
}

uint64_t json_info_tag(const struct wire_body_info *info)
{
	struct buf b = { 0 };
	uint64_t tag;

	json_put_info_fields(&b, info);
	tag = table_hash_bytes(buf_str(&b));
	/* Without memory it is like no other. */
	if (b.failed || tag == 0)
		tag = 1;
	buf_release(&b);
	return tag;
}

static bool is_known(struct str key)
{
	static const char *const KEYS[] = { "name",	  "description",
					    "avatar_url", "created_by",
					    "created_at", "max_members",
					    "first_off",  "settings" };

	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		if (str_eq(key, str_of(KEYS[i])))
			return true;
	}
	return false;
}

static int check_keys(const struct json *j, struct err *err)
{
	struct str key;

	for (size_t i = 0; json_key_at(j, i, &key); i++) {
		if (!is_known(key))
			return err_set(err, ERR_BAD_REQUEST,
				       "There is no \"%.*s\": what is yours "
				       "goes into \"settings\"",
				       (int)(key.len < 64 ? key.len : 64),
				       key.data);
	}
	return 0;
}

int json_get_settings(const struct json *j, struct buf *out, struct err *err)
{
	const struct json *object;
	int rc = json_get_object(j, "settings", &object, err);

	if (rc <= 0)
		return rc;
	json_put_value(out, object);
	if (out->failed)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	if (out->len > WIRE_SETTINGS_MAX)
		return err_set(err, ERR_TOO_LARGE,
			       "\"settings\" may have %d bytes",
			       WIRE_SETTINGS_MAX);
	return 1;
}

int json_get_info(const struct json *j, struct wire_body_set_info *out,
		  struct buf *settings, struct err *err)
{
	int rc = check_keys(j, err);

	out->set = 0;
	if (rc == 0)
		rc = json_get_str(j, "description", WIRE_DESCRIPTION_MAX,
				  &out->description, err);
	if (rc == 1)
		out->set |= INFO_DESCRIPTION;
	if (rc >= 0)
		rc = json_get_str(j, "avatar_url", WIRE_URL_MAX,
				  &out->avatar_url, err);
	if (rc == 1)
		out->set |= INFO_AVATAR_URL;
	if (rc >= 0)
		rc = json_get_u64(j, "max_members", INT64_MAX,
				  &out->max_members, err);
	if (rc == 1)
		out->set |= INFO_MAX_MEMBERS;
	if (rc >= 0)
		rc = json_get_settings(j, settings, err);
	if (rc <= 0)
		return rc;
	out->settings = buf_str(settings);
	out->set |= INFO_SETTINGS;
	return 0;
}

int json_check_info(const struct json *j, const struct wire_body_info *info,
		    struct err *err)
{
	struct buf time = { 0 };
	struct str name = info->name;
	struct str by = info->created_by;
	struct str at = { 0 };
	bool same;
	int rc = json_get_str(j, "name", SIZE_MAX, &name, err);

	if (rc >= 0)
		rc = json_get_str(j, "created_by", SIZE_MAX, &by, err);
	if (rc >= 0)
		rc = json_get_str(j, "created_at", SIZE_MAX, &at, err);
	if (rc < 0)
		return rc;
	json_put_time(&time, info->created_ms);
	if (time.failed)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	same = str_eq(name, info->name) && str_eq(by, info->created_by) &&
	       (at.data == NULL ||
		str_eq(at, str_make(time.data + 1, time.len - 2)));
	buf_release(&time);
	if (same)
		return 0;
	return err_set(err, ERR_BAD_REQUEST,
		       "name, created_by and created_at cannot be changed");
}

void json_put_sent(struct buf *b, const struct wire_body_sent *sent)
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

const char *json_role_name(uint64_t role)
{
	return role == ROLE_ADMIN ? "admin" : "member";
}

static uint64_t unread(const struct wire_group *g)
{
	return g->last_seq > g->last_read_seq ? g->last_seq - g->last_read_seq
					      : 0;
}

void json_put_group(struct buf *b, const struct wire_group *g,
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
		   json_role_name(g->role), g->last_seq, g->last_read_seq,
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

void json_put_member(struct buf *b, const struct wire_member *m)
{
	buf_append_str(b, str_of("{\"user\":"));
	json_put_str(b, m->name);
	buf_printf(b,
		   ",\"role\":\"%s\",\"joined_at\":", json_role_name(m->role));
	json_put_time(b, m->joined_ms);
	buf_append_char(b, '}');
}
