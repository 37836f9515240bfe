/* SPDX-License-Identifier: MIT */
/*
 * What strangers send as JSON. FILES: lib/json.c lib/json_item.c
 * lib/json_message.c lib/json_info.c
 *
 * Input: a text. A value that is written and read again is the same, compact
 * and pretty; so is a message, an item, a group's metadata. Any UTF-8 survives
 * as a string.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/text.h"

enum { MAX = 1 << 16 };

/* Takes what was written; it must be an object. */
static struct json *again(struct buf *b)
{
	struct json *j = NULL;
	struct err err;
	int rc = json_parse(&j, buf_str(b), SIZE_MAX, &err);

	assert(!b->failed && rc == 0 && j != NULL);
	return j;
}

static void check_value(const struct json *j)
{
	struct buf compact = { 0 }, pretty = { 0 }, second = { 0 };
	struct json *parsed;

	json_put_value(&compact, j);
	json_put_pretty(&pretty, j);
	parsed = again(&pretty);
	json_put_value(&second, parsed);
	assert(str_eq(buf_str(&compact), buf_str(&second)));
	json_free(parsed);
	buf_release(&compact);
	buf_release(&pretty);
	buf_release(&second);
}

static void check_getters(const struct json *j)
{
	static const char *const keys[] = { "id",      "type",	   "groups",
					    "content", "settings", "media",
					    "none" };
	struct str text, key;
	const struct json *part = NULL;
	struct err err;
	uint64_t n;
	bool flag;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (json_get_str(j, keys[i], 32, &text, &err) == 1)
			assert(text.len <= 32 && text_is_utf8(text));
		if (json_get_u64(j, keys[i], 1000, &n, &err) == 1)
			assert(n <= 1000);
		(void)json_get_bool(j, keys[i], &flag, &err);
		if (json_get_object(j, keys[i], &part, &err) == 1)
			assert(json_is_object_value(part));
		if (json_get_array(j, keys[i], 8, &part, &err) != 1)
			continue;
		assert(json_array_len(part) <= 8);
		for (size_t at = 0; at < json_array_len(part); at++)
			(void)json_as_str(json_array_at(part, at), &text);
	}
	for (size_t i = 0; json_key_at(j, i, &key); i++)
		assert(text_is_utf8(key));
}

static void check_message(const struct wire_message *m)
{
	struct buf line = { 0 }, mentions = { 0 }, second = { 0 };
	struct wire_message got;
	struct json *parsed;
	struct err err;

	json_put_message_line(&line, m);
	assert(line.len == json_message_line_len(m));
	assert(line.data[line.len - 1] == '\n' &&
	       memchr(line.data, '\n', line.len - 1) == NULL);
	parsed = again(&line);
	assert(json_get_message(parsed, &got, &mentions, &err) == 0);
	json_put_message_line(&second, &got);
	assert(str_eq(buf_str(&line), buf_str(&second)));
	json_free(parsed);
	buf_release(&line);
	buf_release(&mentions);
	buf_release(&second);
}

static void check_messages(const struct json *j)
{
	struct buf mentions = { 0 }, stored = { 0 };
	struct wire_message m;
	struct wire_item item;
	struct err err;

	if (json_get_item(j, 1000, &item, &mentions, &err) == 0) {
		assert(item.content.len <= 1000 && item.type <= 1);
		m = (struct wire_message){ .seq = 1,
					   .sender = str_of("bob"),
					   .type = item.type,
					   .reply_to = item.reply_to,
					   .content = item.content,
					   .media_url = item.media_url,
					   .mentions = item.mentions,
					   .client_id = item.client_id };
		check_message(&m);
	}
	if (json_get_message(j, &m, &stored, &err) == 0)
		check_message(&m);
	buf_release(&mentions);
	buf_release(&stored);
}

static void check_info(const struct json *j)
{
	struct wire_body_set_info set = { 0 };
	struct wire_body_info info = { .name = str_of("dev"),
				       .created_by = str_of("bob"),
				       .created_ms = UINT64_C(1764000000000) };
	struct wire_group g = { .name = str_of("dev"), .last_seq = 2 };
	struct wire_member member = { .name = str_of("bob") };
	struct buf settings = { 0 }, out = { 0 };
	struct json *parsed;
	struct err err;

	(void)json_check_info(j, &info, &err);
	if (json_get_info(j, &set, &settings, &err) == 0) {
		info.description = set.description;
		info.avatar_url = set.avatar_url;
		info.max_members = set.max_members;
		info.settings = set.settings;
		g.role = set.max_members % 2;
		json_put_group(&out, &g, &info);
		assert(json_info_tag(&info) != 0);
		parsed = again(&out);
		json_free(parsed);
		buf_clear(&out);
		buf_append_char(&out, '{');
		json_put_info_fields(&out, &info);
		buf_append_char(&out, '}');
		parsed = again(&out);
		assert(json_check_info(parsed, &info, &err) == 0);
		json_free(parsed);
	}
	buf_clear(&out);
	json_put_group(&out, &g, NULL);
	json_free(again(&out));
	buf_clear(&out);
	json_put_member(&out, &member);
	json_free(again(&out));
	buf_release(&settings);
	buf_release(&out);
}

static void check_sent(uint64_t number)
{
	struct wire_body_sent sent = { .first_seq = number,
				       .duplicate = number % 2,
				       .warnings = number / 2 % 2 };
	struct buf out = { 0 };

	buf_append_char(&out, '{');
	json_put_sent(&out, &sent);
	buf_append_char(&out, '}');
	json_free(again(&out));
	buf_release(&out);
}

/* As it is, within quotes. */
static void check_string(struct str text)
{
	struct buf out = { 0 };
	struct str got;
	struct json *parsed;
	struct err err;

	if (!text_is_utf8(text))
		return;
	buf_append_str(&out, str_of("{\"k\":"));
	json_put_str(&out, text);
	buf_append_char(&out, '}');
	parsed = again(&out);
	assert(json_get_str(parsed, "k", SIZE_MAX, &got, &err) == 1);
	assert(str_eq(got, text));
	json_free(parsed);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct json *j;
	struct err err;

	check_string(text);
	check_sent(size);
	if (json_parse(&j, text, MAX, &err) < 0) {
		assert(j == NULL && err.code != ERR_NONE);
		return 0;
	}
	assert(text_is_utf8(text));
	check_value(j);
	check_getters(j);
	check_messages(j);
	check_info(j);
	json_free(j);
	return 0;
}
