/* SPDX-License-Identifier: MIT */
/*
 * What is written into `members`. FILES: fs/members_edit.c
 *
 * Input: the text. The commands that it is read as, written as lines, are read
 * as the same; a newline at the end, and CR before each, make no difference.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>

#include "fs/members_edit.h"
#include "lib/text.h"
#include "lib/wire.h"

static void write_edits(struct buf *out, struct str edits)
{
	static const char *const behind[] = { [EDIT_ADD] = "",
					      [EDIT_MEMBER] = "\tmember",
					      [EDIT_ADMIN] = " admin ",
					      [EDIT_REMOVE] = "" };
	struct wire_edit edit;
	int rc;

	while ((rc = wire_next(&edits, &wire_schema_edit, &edit)) == 1) {
		assert(text_is_user_name(edit.name));
		buf_printf(out, "%s%.*s%s\r\n",
			   edit.op == EDIT_REMOVE ? " -" : "+",
			   (int)edit.name.len, edit.name.data, behind[edit.op]);
	}
	assert(rc == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct buf edits = { 0 }, second = { 0 }, written = { 0 };
	struct err err = { 0 };
	int rc = members_edit_parse(text, &edits, &err);

	if (rc == 0)
		write_edits(&written, buf_str(&edits));
	else
		assert(err.code == ERR_BAD_REQUEST || err.code == ERR_BAD_NAME);
	if (rc == 0) {
		assert(members_edit_parse(buf_str(&written), &second, &err) ==
		       0);
		assert(str_eq(buf_str(&edits), buf_str(&second)));
	}
	buf_clear(&written);
	buf_clear(&second);
	buf_append_str(&written, text);
	buf_append_char(&written, '\n');
	assert(members_edit_parse(buf_str(&written), &second, &err) == rc);
	assert(str_eq(buf_str(&edits), buf_str(&second)));
	buf_release(&edits);
	buf_release(&second);
	buf_release(&written);
	return 0;
}
