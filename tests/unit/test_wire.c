/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/wire.h"

static const struct wire_message sample = {
	.seq = 300,
	.off = UINT64_MAX,
	.len = 127,
	.time_ms = 1764000000120,
	.type = MESSAGE_MEDIA,
	.reply_to = 128,
	.sender = { "alice", 5 },
	.content = { "a\0b", 3 },
	.media_url = { "https://x/y", 11 },
	.mentions = { "bob everyone", 12 },
	.client_id = { NULL, 0 },
};

static void assert_same_message(const struct wire_message *a,
				const struct wire_message *b)
{
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->off, b->off);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->time_ms, b->time_ms);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->reply_to, b->reply_to);
	assert_true(str_eq(a->sender, b->sender));
	assert_true(str_eq(a->content, b->content));
	assert_true(str_eq(a->media_url, b->media_url));
	assert_true(str_eq(a->mentions, b->mentions));
	assert_true(str_eq(a->client_id, b->client_id));
}

static void a_message_comes_back_as_it_was(void **state)
{
	struct buf b = { 0 };
	struct wire_message out;

	(void)state;
	wire_put(&b, &wire_schema_message, &sample);
	assert_int_equal(b.len, wire_size(&wire_schema_message, &sample));
	assert_int_equal(b.data[b.len], 0);
	assert_int_equal(wire_get(buf_str(&b), &wire_schema_message, &out), 0);
	assert_same_message(&out, &sample);
	buf_release(&b);
}

static void a_cut_or_longer_body_is_refused(void **state)
{
	struct buf b = { 0 };
	struct wire_message out;

	(void)state;
	wire_put(&b, &wire_schema_message, &sample);
	for (size_t n = 0; n < b.len; n++) {
		/* A copy of exactly n bytes, so that a sanitizer sees a read
		 * behind it. */
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, b.data, n);
		copy = realloc(copy, n == 0 ? 1 : n);
		assert_int_equal(
			wire_get(str_make(copy, n), &wire_schema_message, &out),
			-EBADMSG);
		free(copy);
	}
	buf_append_char(&b, '\0');
	assert_int_equal(wire_get(buf_str(&b), &wire_schema_message, &out),
			 -EBADMSG);
	buf_release(&b);
}

static int get_number(const char *bytes, size_t len, uint64_t *value)
{
	struct wire_body_ok ok = { 0 };
	int rc = wire_get(str_make(bytes, len), wire_schema_of(WIRE_OK), &ok);

	*value = ok.value;
	return rc;
}

static void a_number_has_one_encoding_only(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(get_number("\x00", 1, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(
		get_number("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &v),
		0);
	assert_int_equal(v, UINT64_MAX);
	/* 65 bits */
	assert_int_equal(
		get_number("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &v),
		-EBADMSG);
	/* eleven bytes */
	assert_int_equal(
		get_number("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x81\x01", 11,
			   &v),
		-EBADMSG);
	/* not the shortest */
	assert_int_equal(get_number("\x80\x00", 2, &v), -EBADMSG);
	assert_int_equal(get_number("\xff\x80\x00", 3, &v), -EBADMSG);
	/* cut */
	assert_int_equal(get_number("\x80", 1, &v), -EBADMSG);
	assert_int_equal(get_number("", 0, &v), -EBADMSG);
}

static void every_length_of_number_comes_back(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		for (int delta = -1; delta <= 1; delta++) {
			struct wire_body_ok in = {
				.value = (UINT64_C(1) << bit) + (uint64_t)delta
			};
			struct buf b = { 0 };
			uint64_t v;

			wire_put(&b, wire_schema_of(WIRE_OK), &in);
			assert_int_equal(
				b.len, wire_size(wire_schema_of(WIRE_OK), &in));
			assert_int_equal(get_number(b.data, b.len, &v), 0);
			assert_true(v == in.value);
			buf_release(&b);
		}
	}
}

static void a_value_above_its_bound_is_refused(void **state)
{
	struct wire_edit edit;
	struct wire_name name;
	char bytes[64] = { 33 };

	(void)state;
	assert_int_equal(wire_get(str_make("\x03\x01"
					   "a",
					   3),
				  &wire_schema_edit, &edit),
			 0);
	assert_int_equal(wire_get(str_make("\x04\x01"
					   "a",
					   3),
				  &wire_schema_edit, &edit),
			 -EBADMSG);
	assert_int_equal(
		wire_get(str_make(bytes, 34), &wire_schema_name, &name),
		-EBADMSG);
	bytes[0] = 32;
	assert_int_equal(
		wire_get(str_make(bytes, 33), &wire_schema_name, &name), 0);
	/* a length that would wrap around a pointer */
	assert_int_equal(
		wire_get(str_make("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
				  10),
			 &wire_schema_name, &name),
		-EBADMSG);
}

static void a_list_is_walked_to_its_end(void **state)
{
	struct buf b = { 0 };
	struct wire_item item = { .content = str_of("x") };
	struct wire_item out;
	struct str list;

	(void)state;
	for (uint64_t i = 0; i < 500; i++) {
		item.reply_to = i;
		wire_put(&b, &wire_schema_item, &item);
	}
	list = buf_str(&b);
	for (uint64_t i = 0; i < 500; i++) {
		assert_int_equal(wire_next(&list, &wire_schema_item, &out), 1);
		assert_int_equal(out.reply_to, i);
	}
	assert_int_equal(wire_next(&list, &wire_schema_item, &out), 0);
	list = str_make(b.data, 1);
	assert_int_equal(wire_next(&list, &wire_schema_item, &out), -EBADMSG);
	list = str_make(NULL, 0);
	assert_int_equal(wire_next(&list, &wire_schema_item, &out), 0);
	buf_release(&b);
}

static void a_frame_has_a_little_endian_header(void **state)
{
	struct buf b = { 0 };
	struct wire_body_ok ok = { .value = 1 };
	struct wire_header h;

	(void)state;
	buf_append_char(&b, '!');
	wire_put_frame(&b, WIRE_OK, 0x01020304, 0xa1b2c3d4, &ok);
	assert_int_equal(b.len, 1 + WIRE_HEADER + 1);
	assert_memory_equal(b.data,
			    "!\x01\0\0\0\x02\0\0\0\x04\x03\x02\x01"
			    "\xd4\xc3\xb2\xa1\x01",
			    b.len);
	assert_int_equal(wire_get_header(b.data + 1, &h), 0);
	assert_int_equal(h.len, 1);
	assert_int_equal(h.type, WIRE_OK);
	assert_int_equal(h.id, 0x01020304);
	assert_true(h.principal == 0xa1b2c3d4);
	buf_release(&b);
}

/* However long it was thought to become. */
static void a_frame_put_together_in_its_place_is_the_same(void **state)
{
	static const size_t lengths[] = { 0, 1, 127, 128, 16383, 16384, 70000 };
	struct wire_body_messages body = { .epoch = 7, .last_seq = 300 };
	struct buf whole = { 0 }, parts = { 0 }, bytes = { 0 };

	(void)state;
	for (size_t i = 0; i < 70000; i++)
		buf_append_char(&bytes, (char)i);
	for (size_t i = 0; i < 7 * 7; i++) {
		struct str s = str_make(bytes.data, lengths[i % 7]);
		struct wire_open open;

		buf_append_char(&whole, '!');
		buf_append_char(&parts, '!');
		body.messages = s;
		wire_put_frame(&whole, WIRE_MESSAGES, 5, 6, &body);
		body.messages = str_of("");
		open = wire_open_frame(&parts, WIRE_MESSAGES, 5, 6, &body,
				       lengths[i / 7]);
		buf_append(&parts, s.data, s.len / 2);
		buf_append(&parts, s.data + s.len / 2, s.len - s.len / 2);
		wire_close_frame(&parts, &open);
		assert_int_equal(parts.len, whole.len);
		assert_memory_equal(parts.data, whole.data, whole.len);
		assert_int_equal(parts.data[parts.len], 0);
	}
	buf_release(&whole);
	buf_release(&parts);
	buf_release(&bytes);
}

static void a_bad_header_is_refused(void **state)
{
	struct wire_header h;
	char header[WIRE_HEADER] = { 0, 0, 0, 1, WIRE_OK };

	(void)state;
	assert_int_equal(wire_get_header(header, &h), 0);
	assert_int_equal(h.len, WIRE_FRAME_MAX);
	header[0] = 1;
	assert_int_equal(wire_get_header(header, &h), -EBADMSG);
	header[0] = 0;
	header[6] = 1;
	assert_int_equal(wire_get_header(header, &h), 0);
	assert_true(h.resent);
	header[6] = 2;
	assert_int_equal(wire_get_header(header, &h), -EBADMSG);
	header[6] = 0;
	header[4] = 0;
	assert_int_equal(wire_get_header(header, &h), -EBADMSG);
	header[4] = 8;
	assert_int_equal(wire_get_header(header, &h), -EBADMSG);
	header[4] = WIRE_OK;
	header[5] = 1;
	assert_int_equal(wire_get_header(header, &h), -EBADMSG);
}

static void every_type_has_a_schema_and_a_name(void **state)
{
	int known = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		enum wire_type type = (enum wire_type)i;
		const struct wire_schema *schema = wire_schema_of(type);

		if (schema == NULL) {
			assert_string_equal(wire_type_name(type), "?");
			assert_int_equal(wire_answer_of(type), WIRE_NONE);
			continue;
		}
		known++;
		assert_true(schema->size <= sizeof(union wire_body));
		assert_true(schema->count > 0);
	}
#define COUNT(ENUM, name, number, answer) -1
	assert_int_equal(known WIRE_TYPES(COUNT), 0);
#undef COUNT
	assert_int_equal(wire_answer_of(WIRE_EDIT_MEMBERS), WIRE_OK);
	assert_string_equal(wire_type_name(WIRE_EV_BYE), "EV_BYE");
}

/* What decodes encodes to the same bytes again: rubbish is refused, and
 * nothing has two encodings. */
static void random_bytes_are_refused_or_exact(void **state)
{
	uint64_t seed = 88172645463325252;
	size_t taken = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		const struct wire_schema *schema;
		union wire_body body;
		char bytes[24];
		size_t len;
		struct buf b = { 0 };

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[i] =
				(char)(uint8_t)((seed & 0x700) == 0 ? seed
								    : seed & 7);
		}
		len = (seed >> 8) % sizeof(bytes);
		schema = wire_schema_of((enum wire_type)((seed >> 16) % 66));
		if (schema == NULL ||
		    wire_get(str_make(bytes, len), schema, &body) != 0)
			continue;
		taken++;
		wire_put(&b, schema, &body);
		assert_int_equal(b.len, len);
		assert_memory_equal(b.data, bytes, len);
		buf_release(&b);
	}
	assert_true(taken > 100);
}

static void a_schema_knows_its_fields(void **state)
{
	(void)state;
	assert_true(wire_has_field(wire_schema_of(WIRE_SEND), "group_id"));
	assert_true(
		wire_has_field(wire_schema_of(WIRE_FIND_MEDIA), "media_id"));
	assert_false(
		wire_has_field(wire_schema_of(WIRE_GET_STATUS), "group_id"));
	assert_false(wire_has_field(wire_schema_of(WIRE_COMMIT_RESTORE),
				    "group_id"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schema_knows_its_fields),
		cmocka_unit_test(a_message_comes_back_as_it_was),
		cmocka_unit_test(a_cut_or_longer_body_is_refused),
		cmocka_unit_test(a_number_has_one_encoding_only),
		cmocka_unit_test(every_length_of_number_comes_back),
		cmocka_unit_test(a_value_above_its_bound_is_refused),
		cmocka_unit_test(a_list_is_walked_to_its_end),
		cmocka_unit_test(a_frame_has_a_little_endian_header),
		cmocka_unit_test(a_frame_put_together_in_its_place_is_the_same),
		cmocka_unit_test(a_bad_header_is_refused),
		cmocka_unit_test(every_type_has_a_schema_and_a_name),
		cmocka_unit_test(random_bytes_are_refused_or_exact),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
