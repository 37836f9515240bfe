/* SPDX-License-Identifier: MIT */
/*
 * What is written into `messages` and `messages.jsonl`. FILES: fs/lines.c
 *
 * Input: a byte, whose lowest bit is the form and whose others cut the rest
 * into writes. In pieces it becomes the same messages as in one, or is refused
 * as well.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "fs/lines.h"
#include "lib/text.h"
#include "lib/wire.h"

enum { MAX = 24 };

/* Like an open file: false when a write was refused, which changes nothing. */
static bool write_piece(const struct lines_form *form, struct buf *rest,
			struct buf *items, struct str piece)
{
	size_t before = items->len;
	struct err err;

	if (lines_encode(form, buf_str(rest), piece, MAX, items, &err) < 0) {
		assert(err.code == ERR_TOO_LARGE || err.code == ERR_BAD_UTF8 ||
		       err.code == ERR_BAD_REQUEST);
		buf_truncate(items, before);
		return false;
	}
	assert(lines_keep(rest, piece) == 0);
	assert(rest->len <= form->line_max(MAX));
	return true;
}

static void check_items(struct str items)
{
	struct wire_item item;
	int rc;

	while ((rc = wire_next(&items, &wire_schema_item, &item)) == 1)
		assert(item.content.len <= MAX && text_is_utf8(item.content));
	assert(rc == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t how = fuzz_byte(&in);
	const struct lines_form *form = how & 1 ? &lines_json : &lines_text;
	struct buf rest = { 0 }, items = { 0 };
	struct buf rest_cut = { 0 }, items_cut = { 0 }, content = { 0 };
	struct fuzz_cut cut = { .left = in, .seed = how };
	bool whole = write_piece(form, &rest, &items, in);
	bool pieces = true;
	struct str piece;
	struct err err;

	while (fuzz_piece(&cut, &piece)) {
		pieces = pieces &&
			 write_piece(form, &rest_cut, &items_cut, piece);
		free((void *)(uintptr_t)piece.data);
	}
	assert(whole == pieces);
	if (whole) {
		assert(str_eq(buf_str(&items), buf_str(&items_cut)));
		assert(str_eq(buf_str(&rest), buf_str(&rest_cut)));
	}
	check_items(buf_str(&items));
	assert((lines_encode_content(in, MAX, &content, &err) == 0) ==
	       (in.len <= MAX && text_is_utf8(in)));
	buf_release(&content);
	buf_release(&rest);
	buf_release(&items);
	buf_release(&rest_cut);
	buf_release(&items_cut);
	return 0;
}
