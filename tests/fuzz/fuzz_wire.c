/* SPDX-License-Identifier: MIT */
/*
 * A frame, or the records of a list. FILES: lib/wire.c
 *
 * Input: a byte; 0x80 up: records of one kind follow. Else a header, and all
 * that follows is its body, whatever length it says. What is decoded and
 * encoded again is the same bytes: a value has one encoding.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/wire.h"

/* Types whose last field is a str: they may be put together in their place. */
static const enum wire_type open_types[] = { WIRE_SEND, WIRE_MESSAGES,
					     WIRE_EV_MESSAGES, WIRE_TEXT,
					     WIRE_GET_SPACE };

static void check_open(const struct wire_header *h, const void *body,
		       size_t size, const struct buf *whole)
{
	struct buf b = { 0 };
	struct wire_open open;
	struct str last;
	bool is = false;

	for (size_t i = 0; open_types[i] != WIRE_GET_SPACE; i++)
		is = is || h->type == open_types[i];
	if (!is)
		return;
	memcpy(&last, (const char *)body + size - sizeof(last), sizeof(last));
	/* It is mostly, but not always, as long as was expected. */
	open = wire_open_frame(&b, h->type, h->id, h->principal, body,
			       last.len / 2 * 2);
	buf_append_str(&b, last);
	wire_close_frame(&b, &open);
	assert(str_eq(buf_str(&b), buf_str(whole)));
	buf_release(&b);
}

static void check_frame(const struct wire_header *h, struct str body)
{
	const struct wire_schema *schema = wire_schema_of(h->type);
	union wire_body decoded;
	struct wire_header again;
	struct buf b = { 0 };

	assert(schema != NULL && schema->size <= sizeof(decoded));
	assert(wire_type_name(h->type)[0] != '?');
	assert(wire_answer_of(h->type) == WIRE_NONE ||
	       wire_schema_of(wire_answer_of(h->type)) != NULL);
	(void)wire_has_field(schema, "group_id");
	if (wire_get(body, schema, &decoded) < 0)
		return;
	assert(wire_size(schema, &decoded) == body.len);
	wire_put_frame(&b, h->type, h->id, h->principal, &decoded);
	assert(str_eq(str_make(b.data + WIRE_HEADER, b.len - WIRE_HEADER),
		      body));
	check_open(h, &decoded, schema->size, &b);
	if (h->resent)
		wire_mark_resent(&b);
	assert(wire_get_header(b.data, &again) == 0);
	assert(again.len == body.len && again.type == h->type &&
	       again.id == h->id && again.principal == h->principal &&
	       again.resent == h->resent);
	buf_release(&b);
}

static void check_records(const struct wire_schema *schema, struct str list)
{
	union {
#define MEMBER(name, NAME) struct wire_##name name;
		WIRE_RECORDS(MEMBER)
#undef MEMBER
	} record;
	const char *begin = list.data;
	struct buf b = { 0 };

	while (wire_next(&list, schema, &record) == 1)
		wire_put(&b, schema, &record);
	/* Where one is refused, the list stays before it. */
	assert(str_eq(buf_str(&b),
		      str_make(begin, (size_t)(list.data - begin))));
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wire_schema *const records[] = {
#define SCHEMA(name, NAME) &wire_schema_##name,
		WIRE_RECORDS(SCHEMA)
#undef SCHEMA
	};
	struct str in = str_make((const char *)data, size);
	uint8_t kind = fuzz_byte(&in);
	struct wire_header header;

	assert(wire_schema_of(WIRE_NONE) == NULL);
	assert(wire_type_name((enum wire_type)65535)[0] == '?');
	assert(wire_answer_of((enum wire_type)65535) == WIRE_NONE);
	if (kind >= 0x80) {
		char *copy = fuzz_copy(in);

		check_records(
			records[kind % (sizeof(records) / sizeof(records[0]))],
			str_make(copy, in.len));
		free(copy);
	} else if (in.len >= WIRE_HEADER &&
		   wire_get_header(in.data, &header) == 0) {
		struct str body =
			str_make(in.data + WIRE_HEADER, in.len - WIRE_HEADER);
		char *copy = fuzz_copy(body);

		check_frame(&header, str_make(copy, body.len));
		free(copy);
	}
	return 0;
}
