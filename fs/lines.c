/* SPDX-License-Identifier: MIT */
#include "fs/lines.h"

#include <string.h>

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

int lines_encode_one(struct str line, size_t max, struct buf *items,
		     struct err *err)
{
	uint64_t reply_to = 0;
	struct str content;

	text_parse_line(line, &reply_to, &content);
	return encode(content, reply_to, max, items, err);
}

/* The first complete line is the remainder's end. */
static int encode_joined(struct str rest, struct str end, size_t max,
			 struct buf *items, struct err *err)
{
	struct buf line = { 0 };
	int rc;

	buf_append_str(&line, rest);
	buf_append_str(&line, end);
	rc = line.failed ? -ENOMEM
			 : lines_encode_one(buf_str(&line), max, items, err);
	buf_release(&line);
	return rc;
}

int lines_encode(struct str rest, struct str data, size_t max,
		 struct buf *items, struct err *err)
{
	struct str tail = tail_of(data);
	size_t pos = 0;
	size_t end = data.len - tail.len;
	size_t remains = tail.len + (end == 0 ? rest.len : 0);

	if (remains > max + LINES_PREFIX_MAX)
		return err_set(err, ERR_TOO_LARGE,
			       "A line has over %zu bytes, %zu are allowed",
			       max + LINES_PREFIX_MAX, max);
	while (pos < end) {
		const char *p = data.data + pos;
		const char *nl = memchr(p, '\n', end - pos);
		struct str line = str_make(p, (size_t)(nl - p));
		int rc;

		if (pos == 0 && rest.len > 0)
			rc = encode_joined(rest, line, max, items, err);
		else
			rc = lines_encode_one(line, max, items, err);
		if (rc != 0)
			return rc;
		pos += line.len + 1;
	}
	return 0;
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
