/* SPDX-License-Identifier: MIT */
#include "fs/lines.h"

#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "lib/wire.h"

/* What follows the last newline; all of it when there is none. */
static struct str tail_of(struct str data)
{
	const char *nl =
		data.len == 0 ? NULL : memrchr(data.data, '\n', data.len);
	size_t used = nl == NULL ? 0 : (size_t)(nl - data.data) + 1;

	return str_make(data.data + used, data.len - used);
}

static int encode(struct str content, uint64_t reply_to, size_t max,
		  struct buf *items, struct err *err)
{
	const struct wire_item item = { .type = MESSAGE_TEXT,
					.reply_to = reply_to,
					.content = content };

	if (content.len > max)
		return err_set(err, ERR_TOO_LARGE,
			       "A message has %zu bytes, %zu are allowed",
			       content.len, max);
	if (!text_is_utf8(content))
		return err_set(err, ERR_BAD_UTF8, NULL);
	wire_put(items, &wire_schema_item, &item);
	return items->failed ? -ENOMEM : 0;
}

int lines_encode_content(struct str content, size_t max, struct buf *items,
			 struct err *err)
{
	return encode(content, 0, max, items, err);
}

static int encode_text_line(struct str line, size_t max, struct buf *items,
			    struct err *err)
{
	uint64_t reply_to = 0;
	struct str content;

	text_parse_line(line, &reply_to, &content);
	return encode(content, reply_to, max, items, err);
}

static size_t text_line_max(size_t max)
{
	return max + LINES_PREFIX_MAX;
}

const struct lines_form lines_text = { .encode = encode_text_line,
				       .line_max = text_line_max };

/* A byte of content is at most six of JSON; the rest is for the other
 * fields. */
static size_t json_line_max(size_t max)
{
	return 6 * max + 6 * (size_t)WIRE_URL_MAX +
	       3 * (size_t)WIRE_MENTIONS_MAX;
}

static bool is_blank(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (strchr(" \t\r", line.data[i]) == NULL)
			return false;
	}
	return true;
}

static int encode_json_line(struct str line, size_t max, struct buf *items,
			    struct err *err)
{
	struct buf mentions = { 0 };
	struct json *json = NULL;
	struct wire_item item;
	int rc;

	if (is_blank(line))
		return 0;
	rc = json_parse(&json, line, json_line_max(max), err);
	if (rc == 0)
		rc = json_get_item(json, max, &item, &mentions, err);
	if (rc == 0)
		wire_put(items, &wire_schema_item, &item);
	buf_release(&mentions);
	json_free(json);
	return rc == 0 && items->failed ? -ENOMEM : rc;
}

const struct lines_form lines_json = { .encode = encode_json_line,
				       .line_max = json_line_max };

/* The first complete line is the remainder's end. */
static int encode_joined(const struct lines_form *form, struct str rest,
			 struct str end, size_t max, struct buf *items,
			 struct err *err)
{
	struct buf line = { 0 };
	int rc;

	buf_append_str(&line, rest);
	buf_append_str(&line, end);
	rc = line.failed ? -ENOMEM
			 : form->encode(buf_str(&line), max, items, err);
	buf_release(&line);
	return rc;
}

/* The lines of data, which ends with a newline. */
static int encode_lines(const struct lines_form *form, struct str rest,
			struct str data, size_t max, struct buf *items,
			struct err *err)
{
	size_t number = 0;
	int rc = 0;

	while (rc == 0 && data.len > 0) {
		const char *nl = memchr(data.data, '\n', data.len);
		struct str line = str_make(data.data, (size_t)(nl - data.data));

		number++;
		data = str_make(nl + 1, data.len - line.len - 1);
		if (number == 1 && rest.len > 0)
			rc = encode_joined(form, rest, line, max, items, err);
		else
			rc = form->encode(line, max, items, err);
		if (rc < 0 && rc != -ENOMEM && (number > 1 || data.len > 0))
			err_wrap(err, "line %zu", number);
	}
	return rc;
}

int lines_encode(const struct lines_form *form, struct str rest,
		 struct str data, size_t max, struct buf *items,
		 struct err *err)
{
	struct str tail = tail_of(data);
	size_t end = data.len - tail.len;
	size_t remains = tail.len + (end == 0 ? rest.len : 0);

	if (remains > form->line_max(max))
		return err_set(err, ERR_TOO_LARGE,
			       "A line has over %zu bytes, its message may "
			       "have %zu",
			       form->line_max(max), max);
	return encode_lines(form, rest, str_make(data.data, end), max, items,
			    err);
}

int lines_keep(struct buf *rest, struct str data)
{
	struct str tail = tail_of(data);

	/* Room first: an append that fails would spoil what is there. */
	if (!buf_reserve(rest, tail.len)) {
		rest->failed = false;
		return -ENOMEM;
	}
	if (tail.len < data.len)
		buf_clear(rest);
	buf_append_str(rest, tail);
	return 0;
}
