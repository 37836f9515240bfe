/* SPDX-License-Identifier: MIT */
/*
 * What is written into `messages` and `messages.jsonl`, cut into lines: each
 * complete line is a message, the remainder waits for the next write or the
 * close.
 *
 *   rest + data --> items (complete lines)     lines_encode()
 *                   rest  (after the last LF)  lines_keep()
 *
 * Encoding changes nothing, so that a write that fails leaves the remainder
 * as it was. Pure, one owner.
 */
#ifndef GROUPFS_FS_LINES_H
#define GROUPFS_FS_LINES_H

#include <stddef.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

enum { LINES_PREFIX_MAX = 22 /* ">18446744073709551615 " */ };

/* How a line is read, and how long it may be. */
struct lines_form {
	/* Appends the wire_item of one line, which has no newline at its end;
	 * none for a line that says nothing. */
	int (*encode)(struct str line, size_t max, struct buf *items,
		      struct err *err);
	/* Bytes of a line whose content may have max bytes. */
	size_t (*line_max)(size_t max);
};

/* Content as it stands, or ">SEQ " and content. */
extern const struct lines_form lines_text;
/* A JSON object (json_get_item()); blank lines say nothing. */
extern const struct lines_form lines_json;

/*
 * Appends one wire_item for each complete line of rest+data; none when data
 * has no newline. 0; too_large when a line's content, or what would remain,
 * is over max bytes; bad_utf8; bad_request for what is no message in JSON;
 * -ENOMEM. The sentence names the line where data has several.
 */
int lines_encode(const struct lines_form *form, struct str rest,
		 struct str data, size_t max, struct buf *items,
		 struct err *err);

/* Makes rest what remains of rest+data. -ENOMEM: rest is as it was. */
int lines_keep(struct buf *rest, struct str data);

/* Appends the wire_item of a whole content, taken as it is. */
int lines_encode_content(struct str content, size_t max, struct buf *items,
			 struct err *err);

#endif
