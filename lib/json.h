/* SPDX-License-Identifier: MIT */
/*
 * JSON in and out. Out: text is appended to a struct buf, without a tree. In:
 * a strict parser for what strangers send: one object, at most JSON_DEPTH_MAX
 * levels and max bytes (both checked before the parser runs), no duplicate
 * keys, valid UTF-8, integers that fit. The only user of jansson.
 *
 * A parsed struct json is owned by who parsed it; its parts and all strs read
 * from it are borrowed until json_free(). Pure functions, any thread.
 */
#ifndef GROUPFS_LIB_JSON_H
#define GROUPFS_LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"

enum { JSON_DEPTH_MAX = 16 };

/* Appends s as a JSON string with its quotes. s is valid UTF-8. */
void json_put_str(struct buf *b, struct str s);
/* Appends a time as "2026-11-24T12:00:03.120Z", quotes included. */
void json_put_time(struct buf *b, uint64_t time_ms);
/* Appends "epoch":"0123456789abcdef" */
void json_put_epoch(struct buf *b, uint64_t epoch);

/* Appends the members of a message (design.md section 3), without braces:
 * "sequence_number":1,"timestamp":...; what is empty is left out. */
void json_put_message_fields(struct buf *b, const struct wire_message *m);
/* The same as one object. */
void json_put_message(struct buf *b, const struct wire_message *m);
/* Its line in messages.jsonl: that object and a newline. A line never changes
 * once written, so what these write is a stored format: text.h's
 * TEXT_RENDER_VERSION counts for them too. */
void json_put_message_line(struct buf *b, const struct wire_message *m);
/* Bytes that json_put_message_line() appends, without building them. */
size_t json_message_line_len(const struct wire_message *m);

struct json;

/* Parses one object. 0, or err: `too_large` above max bytes, `bad_utf8`,
 * `bad_request` for anything else. */
int json_parse(struct json **out, struct str text, size_t max, struct err *err);
/* Takes NULL. */
void json_free(struct json *j);

/*
 * The getters of an object's members: 1 and *out; 0 when there is none or it
 * is null, then *out is untouched; a negative errno and err (`bad_request`,
 * the sentence names the key) when it is something else. j may be NULL: an
 * empty object.
 */
int json_get_str(const struct json *j, const char *key, size_t max_bytes,
		 struct str *out, struct err *err);
int json_get_u64(const struct json *j, const char *key, uint64_t max,
		 uint64_t *out, struct err *err);
int json_get_bool(const struct json *j, const char *key, bool *out,
		  struct err *err);
int json_get_array(const struct json *j, const char *key, size_t max_items,
		   const struct json **out, struct err *err);
int json_get_object(const struct json *j, const char *key,
		    const struct json **out, struct err *err);

size_t json_array_len(const struct json *array);
/* i < json_array_len(). */
const struct json *json_array_at(const struct json *array, size_t i);
/* False when it is no string / no object. */
bool json_as_str(const struct json *j, struct str *out);
bool json_is_object_value(const struct json *j);

/* The fields of a message to send (design.md section 3). item's strs are
 * borrowed from j and from mentions, which it fills. max: bytes of content. 0
 * or -errno and err. */
int json_get_item(const struct json *j, uint64_t max, struct wire_item *item,
		  struct buf *mentions, struct err *err);

/* The other way round of json_put_message_fields(): a stored message, without
 * its offsets and lengths. Keys that are none of a message are refused, but
 * for "type". out's strs are borrowed from j and from mentions, which it fills.
 * 0 or -errno and err. */
int json_get_message(const struct json *j, struct wire_message *out,
		     struct buf *mentions, struct err *err);

/* Member `key`, a time as json_put_time() writes it: as the getters. */
int json_get_time(const struct json *j, const char *key, uint64_t *time_ms,
		  struct err *err);
/* Refuses an object that has another key than these: a list that ends with
 * NULL. */
int json_check_keys(const struct json *j, const char *const *keys,
		    struct err *err);

/* Appends a group's metadata, without braces: "name":…,"settings":{…}. */
void json_put_info_fields(struct buf *b, const struct wire_body_info *info);
/* Differs when the above does, and is the same in each process; never 0. */
uint64_t json_info_tag(const struct wire_body_info *info);
/* The "settings" of an object, as they are written: 1, and appended to out; 0:
 * there are none; -errno and err. */
int json_get_settings(const struct json *j, struct buf *out, struct err *err);
/* What of it an object sets: fills out but for group_id. Its strs are borrowed
 * from j and from settings, which it fills. Keys that are none of the metadata
 * are refused. 0 or -errno and err. */
int json_get_info(const struct json *j, struct wire_body_set_info *out,
		  struct buf *settings, struct err *err);
/* What cannot be changed is, where the object has it, as it is: 0, else
 * `bad_request`. */
int json_check_info(const struct json *j, const struct wire_body_info *info,
		    struct err *err);

/* Appends "sequence_number":… of a single message that was sent, without
 * braces. */
void json_put_sent(struct buf *b, const struct wire_body_sent *sent);
/* Appends one group as its own user sees it, as an object; without info
 * (NULL) as in the list of groups. */
void json_put_group(struct buf *b, const struct wire_group *g,
		    const struct wire_body_info *info);
/* Appends one member as an object. */
void json_put_member(struct buf *b, const struct wire_member *m);
/* "admin", "member" */
const char *json_role_name(uint64_t role);

/* The i'th key of an object; false behind the last. */
bool json_key_at(const struct json *j, size_t i, struct str *key);

/* Appends the value as compact JSON, or with a member a line. */
void json_put_value(struct buf *b, const struct json *j);
void json_put_pretty(struct buf *b, const struct json *j);

#endif
