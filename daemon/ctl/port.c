/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/port.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/base64.h"
#include "daemon/ctl/checksum.h"

static const char *const types[] = {
	[PORT_LINE_HEAD] = "groupfs-export", [PORT_LINE_MEMBER] = "member",
	[PORT_LINE_MESSAGE] = "message",     [PORT_LINE_MEDIA] = "media",
	[PORT_LINE_BYTES] = "bytes",	     [PORT_LINE_END] = "end",
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

static void open_line(struct buf *b, enum port_type type)
{
	buf_printf(b, "{\"type\":\"%s\"", types[type]);
}

static void close_line(struct buf *b)
{
	buf_append_str(b, str_of("}\n"));
}

static void put_str(struct buf *b, const char *key, struct str value)
{
	buf_printf(b, ",\"%s\":", key);
	json_put_str(b, value);
}

static void put_time(struct buf *b, const char *key, uint64_t time_ms)
{
	buf_printf(b, ",\"%s\":", key);
	json_put_time(b, time_ms);
}

static void put_u64(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, ",\"%s\":%" PRIu64, key, value);
}

/* On one line, however they are stored. */
static void put_settings(struct buf *b, struct str settings)
{
	struct json *json;

	if (settings.len == 0 ||
	    json_parse(&json, settings, WIRE_SETTINGS_MAX, NULL) < 0) {
		buf_append_str(b, str_of("{}"));
		return;
	}
	json_put_value(b, json);
	json_free(json);
}

void port_put_head(struct buf *b, const struct port_head *head, uint64_t now_ms)
{
	const struct wire_port_group *g = &head->group;
	struct buf settings = { 0 };
	struct wire_body_info info = { .name = g->name,
				       .description = g->description,
				       .avatar_url = g->avatar_url,
				       .created_by = g->created_by,
				       .created_ms = g->created_ms,
				       .max_members = g->max_members };

	put_settings(&settings, g->settings);
	info.settings = buf_str(&settings);
	open_line(b, PORT_LINE_HEAD);
	put_u64(b, "version", PORT_VERSION);
	buf_append_char(b, ',');
	json_put_info_fields(b, &info);
	buf_append_char(b, ',');
	json_put_epoch(b, g->epoch);
	put_u64(b, "first_seq", g->first_seq);
	if (g->first_seq > 1) {
		put_u64(b, "first_off", g->first_off);
		put_u64(b, "first_jsonl_off", g->first_jsonl_off);
	}
	put_u64(b, "last_seq", g->last_seq);
	buf_printf(b, ",\"media\":%s", head->media ? "true" : "false");
	put_time(b, "exported_at", now_ms);
	close_line(b);
	b->failed = b->failed || settings.failed;
	buf_release(&settings);
}

void port_put_member(struct buf *b, const struct wire_port_member *m)
{
	open_line(b, PORT_LINE_MEMBER);
	put_str(b, "user", m->name);
	put_str(b, "role", str_of(m->role == ROLE_ADMIN ? "admin" : "member"));
	put_time(b, "joined_at", m->joined_ms);
	put_u64(b, "joined_seq", m->joined_seq);
	if (m->last_read_seq != PORT_UNKNOWN)
		put_u64(b, "last_read_seq", m->last_read_seq);
	close_line(b);
}

void port_put_message(struct buf *b, const struct wire_message *m)
{
	open_line(b, PORT_LINE_MESSAGE);
	buf_append_char(b, ',');
	json_put_message_fields(b, m);
	close_line(b);
}

static void put_hash(struct buf *b, struct str hash)
{
	uint8_t bytes[WIRE_HASH] = { 0 };

	if (hash.len == WIRE_HASH)
		memcpy(bytes, hash.data, WIRE_HASH);
	checksum_put(b, bytes);
}

void port_put_media(struct buf *b, const struct wire_media *m)
{
	open_line(b, PORT_LINE_MEDIA);
	put_str(b, "name", m->name);
	put_u64(b, "sequence_number", m->seq);
	put_u64(b, "size", m->size);
	buf_append_str(b, str_of(",\"sha256\":\""));
	put_hash(b, m->hash);
	buf_append_char(b, '"');
	close_line(b);
}

void port_put_bytes(struct buf *b, uint64_t offset, struct str data)
{
	open_line(b, PORT_LINE_BYTES);
	put_u64(b, "offset", offset);
	buf_append_str(b, str_of(",\"base64\":\""));
	base64_put(b, data);
	buf_append_char(b, '"');
	close_line(b);
}

void port_put_end(struct buf *b, const struct port_counts *counts,
		  const uint8_t sha256[WIRE_HASH])
{
	open_line(b, PORT_LINE_END);
	put_u64(b, "members", counts->members);
	put_u64(b, "messages", counts->messages);
	put_u64(b, "media", counts->media);
	buf_append_str(b, str_of(",\"sha256\":\""));
	checksum_put(b, sha256);
	buf_append_char(b, '"');
	close_line(b);
}

/* Reading. */

static int missing(const char *key, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST, "\"%s\" is missing", key);
}

static int need_str(const struct json *j, const char *key, size_t max,
		    struct str *out, struct err *err)
{
	int rc = json_get_str(j, key, max, out, err);

	return rc == 0 ? missing(key, err) : rc < 0 ? rc : 0;
}

static int need_u64(const struct json *j, const char *key, uint64_t *out,
		    struct err *err)
{
	int rc = json_get_u64(j, key, INT64_MAX, out, err);

	return rc == 0 ? missing(key, err) : rc < 0 ? rc : 0;
}

static int need_time(const struct json *j, const char *key, uint64_t *out,
		     struct err *err)
{
	int rc = json_get_time(j, key, out, err);

	return rc == 0 ? missing(key, err) : rc < 0 ? rc : 0;
}

int port_get_type(const struct json *j, enum port_type *type, struct err *err)
{
	struct str name;
	int rc = need_str(j, "type", SIZE_MAX, &name, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < TYPES; i++) {
		if (!str_eq(name, str_of(types[i])))
			continue;
		*type = (enum port_type)i;
		return 0;
	}
	return err_set(err, ERR_BAD_REQUEST, "There is no type \"%.*s\"",
		       (int)(name.len < 64 ? name.len : 64), name.data);
}

static int check_version(const struct json *j, struct err *err)
{
	uint64_t version;
	int rc = need_u64(j, "version", &version, err);

	if (rc == 0 && version != PORT_VERSION)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "Version %" PRIu64 " is not known here, only %d",
			     version, PORT_VERSION);
	return rc;
}

static int get_texts(const struct json *j, struct wire_port_group *g,
		     struct buf *settings, struct err *err)
{
	int rc = need_str(j, "name", WIRE_NAME_MAX, &g->name, err);

	if (rc == 0)
		rc = need_str(j, "created_by", WIRE_USER_MAX, &g->created_by,
			      err);
	if (rc == 0)
		rc = need_time(j, "created_at", &g->created_ms, err);
	if (rc == 0)
		rc = json_get_str(j, "description", WIRE_DESCRIPTION_MAX,
				  &g->description, err);
	if (rc >= 0)
		rc = json_get_str(j, "avatar_url", WIRE_URL_MAX, &g->avatar_url,
				  err);
	if (rc >= 0)
		rc = json_get_settings(j, settings, err);
	/* Empty ones are those of a group that was never given any. */
	if (rc == 1 && !str_eq(buf_str(settings), str_of("{}")))
		g->settings = buf_str(settings);
	return rc < 0 ? rc : 0;
}

int port_get_head(const struct json *j, struct port_head *head,
		  struct buf *settings, struct err *err)
{
	static const char *const keys[] = {
		"type",	      "version",     "name",	   "description",
		"avatar_url", "created_by",  "created_at", "max_members",
		"settings",   "epoch",	     "first_seq",  "last_seq",
		"media",      "exported_at", "first_off",  "first_jsonl_off",
		NULL
	};
	struct wire_port_group *g = &head->group;
	int rc = check_version(j, err);

	*head = (struct port_head){ 0 };
	if (rc == 0)
		rc = json_check_keys(j, keys, err);
	if (rc == 0)
		rc = get_texts(j, g, settings, err);
	if (rc >= 0)
		rc = need_u64(j, "max_members", &g->max_members, err);
	if (rc == 0)
		rc = need_u64(j, "first_seq", &g->first_seq, err);
	if (rc == 0)
		rc = need_u64(j, "last_seq", &g->last_seq, err);
	if (rc == 0)
		rc = json_get_u64(j, "first_off", INT64_MAX, &g->first_off,
				  err);
	if (rc >= 0)
		rc = json_get_u64(j, "first_jsonl_off", INT64_MAX,
				  &g->first_jsonl_off, err);
	if (rc >= 0)
		rc = json_get_bool(j, "media", &head->media, err);
	return rc < 0 ? rc : 0;
}

int port_get_member(const struct json *j, struct wire_port_member *m,
		    struct err *err)
{
	static const char *const keys[] = { "type",	  "user",
					    "role",	  "joined_at",
					    "joined_seq", "last_read_seq",
					    NULL };
	struct str role;
	int rc = json_check_keys(j, keys, err);

	*m = (struct wire_port_member){ .last_read_seq = PORT_UNKNOWN };
	if (rc == 0)
		rc = need_str(j, "user", WIRE_USER_MAX, &m->name, err);
	if (rc == 0)
		rc = need_str(j, "role", SIZE_MAX, &role, err);
	if (rc < 0)
		return rc;
	if (str_eq(role, str_of("admin")))
		m->role = ROLE_ADMIN;
	else if (!str_eq(role, str_of("member")))
		return err_set(err, ERR_BAD_REQUEST,
			       "\"role\" must be admin or member");
	rc = need_time(j, "joined_at", &m->joined_ms, err);
	if (rc == 0)
		rc = json_get_u64(j, "joined_seq", INT64_MAX, &m->joined_seq,
				  err);
	if (rc >= 0)
		rc = json_get_u64(j, "last_read_seq", INT64_MAX,
				  &m->last_read_seq, err);
	return rc < 0 ? rc : 0;
}

static int parse_hash(struct str hex, uint8_t hash[WIRE_HASH], struct err *err)
{
	if (checksum_parse(hex, hash))
		return 0;
	return err_set(err, ERR_BAD_REQUEST,
		       "\"sha256\" must be 64 hexadecimal digits");
}

int port_get_media(const struct json *j, struct wire_media *m,
		   uint8_t hash[WIRE_HASH], struct err *err)
{
	static const char *const keys[] = { "type", "name",   "sequence_number",
					    "size", "sha256", NULL };
	struct str hex;
	int rc = json_check_keys(j, keys, err);

	*m = (struct wire_media){ 0 };
	if (rc == 0)
		rc = need_str(j, "name", WIRE_FILE_MAX, &m->name, err);
	if (rc == 0)
		rc = need_u64(j, "sequence_number", &m->seq, err);
	if (rc == 0)
		rc = need_u64(j, "size", &m->size, err);
	if (rc == 0)
		rc = need_str(j, "sha256", SIZE_MAX, &hex, err);
	if (rc == 0)
		rc = parse_hash(hex, hash, err);
	m->hash = str_make((const char *)hash, (size_t)WIRE_HASH);
	return rc;
}

int port_get_bytes(const struct json *j, uint64_t *offset, struct buf *data,
		   struct err *err)
{
	static const char *const keys[] = { "type", "offset", "base64", NULL };
	struct str text;
	int rc = json_check_keys(j, keys, err);

	if (rc == 0)
		rc = need_u64(j, "offset", offset, err);
	if (rc == 0)
		rc = need_str(j, "base64", WIRE_TEXT_MAX, &text, err);
	if (rc < 0)
		return rc;
	rc = base64_get(data, text);
	if (rc == -EINVAL)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"base64\" is not valid base64");
	return rc < 0 ? err_set(err, ERR_UNAVAILABLE, "Out of memory") : 0;
}

int port_get_end(const struct json *j, struct port_counts *counts,
		 uint8_t sha256[WIRE_HASH], bool *summed, struct err *err)
{
	static const char *const keys[] = { "type",  "members", "messages",
					    "media", "sha256",	NULL };
	struct str hex = { 0 };
	int rc = json_check_keys(j, keys, err);

	if (rc == 0)
		rc = need_u64(j, "members", &counts->members, err);
	if (rc == 0)
		rc = need_u64(j, "messages", &counts->messages, err);
	if (rc == 0)
		rc = need_u64(j, "media", &counts->media, err);
	if (rc == 0)
		rc = json_get_str(j, "sha256", SIZE_MAX, &hex, err);
	*summed = rc == 1;
	return rc == 1 ? parse_hash(hex, sha256, err) : rc;
}
