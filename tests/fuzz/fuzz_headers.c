/* SPDX-License-Identifier: MIT */
/*
 * The values of headers: lists, tokens, tags, ranges, times, names of files.
 * FILES: daemon/gateway/headers_value.c daemon/gateway/range.c
 * daemon/gateway/validator.c daemon/gateway/media_type.c
 *
 * Input: two bytes of a size, and a value. A range lies within what there is; a
 * time that is written again is the same; whoever is found in a list is there.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/headers.h"
#include "daemon/gateway/media_type.h"
#include "daemon/gateway/range.h"
#include "daemon/gateway/validator.h"

static bool is_within(struct str part, struct str whole)
{
	return part.data >= whole.data &&
	       part.data + part.len <= whole.data + whole.len;
}

static void check_lists(struct str value)
{
	struct str token = { 0 }, trimmed = headers_trim(value);
	struct str tag = str_of("\"e-1\"");

	assert(is_within(trimmed, value));
	assert(trimmed.len == 0 ||
	       (trimmed.data[0] != ' ' && trimmed.data[0] != '\t'));
	if (headers_bearer(value, &token))
		assert(token.len > 0 && is_within(token, value));
	/* A tag that is there is there for weak comparison, too. */
	if (headers_tags_have(value, tag, false))
		assert(headers_tags_have(value, tag, true));
	(void)headers_tags_begin(value, str_of("e"));
	if (headers_list_has(value, "close"))
		assert(headers_list_has_word(value, "close"));
	if (headers_media_type(value, "application/json") &&
	    memchr(value.data, ',', value.len) == NULL)
		assert(headers_accept(value, "application/json"));
	(void)headers_accept(value, "text/event-stream");
}

static void check_range(struct str value, uint64_t size)
{
	uint64_t first = 0, len = 0;

	if (range_of(value, size, &first, &len) == RANGE_PART)
		assert(len > 0 && first < size && len <= size - first);
}

static void check_time(struct str value)
{
	struct buf text = { 0 };
	int64_t seconds, second;

	(void)validator_is(value, str_of("\"e-1\""), 784111777000);
	(void)validator_unchanged(value, 784111777000);
	if (!validator_parse_time(value, &seconds) || seconds < 0)
		return;
	validator_put_time(&text, (uint64_t)seconds * 1000 + 999);
	assert(validator_parse_time(buf_str(&text), &second));
	assert(second == seconds);
	assert(validator_is(buf_str(&text), str_of(""),
			    (uint64_t)seconds * 1000));
	buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint64_t length = fuzz_byte(&in);
	unsigned shift = fuzz_byte(&in) % 57;
	char *copy = fuzz_copy(in);
	struct str value = str_make(copy, in.len);
	const struct media_type *type = media_type_of(value);

	check_lists(value);
	check_range(value, length << shift);
	check_time(value);
	assert(type != NULL && type->type != NULL);
	/* What a browser would run is never shown. */
	assert(!type->shown || strstr(type->type, "html") == NULL);
	free(copy);
	return 0;
}
