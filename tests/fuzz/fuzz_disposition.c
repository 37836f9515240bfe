/* SPDX-License-Identifier: MIT */
/*
 * Content-Disposition. FILES: daemon/gateway/disposition.c
 *
 * Input: a value. The name of a file that it brings, if it may be one, comes
 * back from what an answer says of it.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/disposition.h"
#include "lib/text.h"

static void check_filename(struct str name)
{
	struct disposition d = { 0 };
	struct buf value = { 0 };

	disposition_put(&value, name.len % 2 == 0, name);
	for (size_t i = 0; i < value.len; i++)
		assert(value.data[i] >= ' ' && value.data[i] <= '~');
	assert(disposition_parse(buf_str(&value), &d) == 0);
	assert(d.has_filename && !d.has_name);
	assert(str_eq(buf_str(&d.filename), name));
	disposition_release(&d);
	buf_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(str_make((const char *)data, size));
	struct str value = str_make(copy, size);
	struct disposition d = { 0 };
	size_t before;

	if (text_is_file_name(value))
		check_filename(value);
	if (disposition_parse(value, &d) == 0) {
		assert(d.type.len > 0);
		assert(d.has_filename || d.filename.len == 0);
		assert(d.has_name || d.name.len == 0);
		if (text_is_file_name(buf_str(&d.filename)))
			check_filename(buf_str(&d.filename));
		before = d.filename.len;
		disposition_unquote_form(&d.filename);
		assert(d.filename.len <= before);
	}
	disposition_release(&d);
	free(copy);
	return 0;
}
