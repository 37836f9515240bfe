/* SPDX-License-Identifier: MIT */
/* The lines of an export: what is written is read back as it was, and what is
 * not as it must be is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/ctl/base64.h"
#include "daemon/ctl/jsonl.h"
#include "daemon/ctl/port.h"

/* A line as an object; its newline is checked. */
static struct json *parse(const struct buf *line)
{
	struct json *json;
	struct err err;

	assert_false(line->failed);
	assert_int_equal(line->data[line->len - 1], '\n');
	assert_null(memchr(line->data, '\n', line->len - 1));
	if (json_parse(&json, buf_str(line), JSONL_MAX, &err) < 0)
		fail_msg("%s: %s", buf_cstr(line), err.text);
	return json;
}

static void assert_type(const struct json *json, enum port_type expected)
{
	enum port_type type;
	struct err err;

	assert_int_equal(port_get_type(json, &type, &err), 0);
	assert_int_equal(type, expected);
}

static void assert_str(struct str a, struct str b)
{
	assert_int_equal(a.len, b.len);
	if (a.len > 0)
		assert_memory_equal(a.data, b.data, a.len);
}

static struct wire_message message(void)
{
	return (struct wire_message){
		.seq = 12345678901,
		.time_ms = UINT64_C(1764000000123),
		.type = MESSAGE_MEDIA,
		.reply_to = 3,
		.sender = str_of("alice"),
		.content = str_make("a\0\n\t\"\\\x7f\xc3\xa9\xe2\x80\xa8", 12),
		.media_url = str_of("media/x"),
		.mentions = str_of("bob everyone"),
		.client_id = str_of("id \"1\""),
	};
}

static void a_message_is_read_as_it_was_written(void **state)
{
	struct wire_message in = message();
	struct buf line = { 0 };
	struct buf again = { 0 };
	struct buf mentions = { 0 };
	struct wire_message out;
	struct json *json;
	struct err err;

	(void)state;
	port_put_message(&line, &in);
	json = parse(&line);
	assert_type(json, PORT_LINE_MESSAGE);
	if (json_get_message(json, &out, &mentions, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(out.seq, in.seq);
	assert_int_equal(out.time_ms, in.time_ms);
	assert_int_equal(out.type, in.type);
	assert_int_equal(out.reply_to, in.reply_to);
	assert_str(out.sender, in.sender);
	assert_str(out.content, in.content);
	assert_str(out.media_url, in.media_url);
	assert_str(out.mentions, in.mentions);
	assert_str(out.client_id, in.client_id);
	port_put_message(&again, &out);
	assert_string_equal(buf_cstr(&again), buf_cstr(&line));
	json_free(json);
	buf_release(&line);
	buf_release(&again);
	buf_release(&mentions);
}

static void a_head_is_read_as_it_was_written(void **state)
{
	struct port_head in = { .media = true };
	struct buf line = { 0 };
	struct buf settings = { 0 };
	struct port_head out;
	struct json *json;
	struct err err;

	(void)state;
	in.group = (struct wire_port_group){
		.name = str_of("dev"),
		.description = str_of("a\nb"),
		.avatar_url = str_of("https://x"),
		.created_by = str_of("alice"),
		.created_ms = UINT64_C(1764000000000),
		.max_members = 7,
		.first_seq = 1,
		.last_seq = 42,
		.epoch = 1,
		/* Stored in lines, it is on one here. */
		.settings = str_of("{\n \"a\": [1]\n}"),
	};
	port_put_head(&line, &in, 0);
	json = parse(&line);
	assert_type(json, PORT_LINE_HEAD);
	if (port_get_head(json, &out, &settings, &err) < 0)
		fail_msg("%s", err.text);
	assert_str(out.group.name, in.group.name);
	assert_str(out.group.description, in.group.description);
	assert_str(out.group.avatar_url, in.group.avatar_url);
	assert_str(out.group.created_by, in.group.created_by);
	assert_int_equal(out.group.created_ms, in.group.created_ms);
	assert_int_equal(out.group.max_members, 7);
	assert_int_equal(out.group.last_seq, 42);
	assert_str(out.group.settings, str_of("{\"a\":[1]}"));
	assert_true(out.media);
	json_free(json);
	buf_release(&line);
	buf_release(&settings);
}

static void a_member_is_read_as_he_was_written(void **state)
{
	static const uint64_t pointers[] = { 0, 41, PORT_UNKNOWN };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct wire_port_member in = { .name = str_of("bob"),
					       .role = ROLE_ADMIN,
					       .joined_ms = 5,
					       .joined_seq = 6,
					       .last_read_seq = pointers[i] };
		struct buf line = { 0 };
		struct wire_port_member out;
		struct json *json;
		struct err err;

		port_put_member(&line, &in);
		json = parse(&line);
		assert_type(json, PORT_LINE_MEMBER);
		assert_int_equal(port_get_member(json, &out, &err), 0);
		assert_str(out.name, in.name);
		assert_int_equal(out.role, ROLE_ADMIN);
		assert_int_equal(out.joined_ms, 5);
		assert_int_equal(out.joined_seq, 6);
		assert_int_equal(out.last_read_seq, pointers[i]);
		json_free(json);
		buf_release(&line);
	}
}

static void a_file_is_read_as_it_was_written(void **state)
{
	uint8_t hash[WIRE_HASH];
	uint8_t read[WIRE_HASH];
	struct wire_media in = { .name = str_of("a \"b\""),
				 .seq = 9,
				 .size = 1000 };
	struct wire_media out;
	struct buf line = { 0 };
	struct json *json;
	struct err err;

	(void)state;
	for (size_t i = 0; i < WIRE_HASH; i++)
		hash[i] = (uint8_t)(i * 37);
	in.hash = str_make((const char *)hash, sizeof(hash));
	port_put_media(&line, &in);
	json = parse(&line);
	assert_type(json, PORT_LINE_MEDIA);
	assert_int_equal(port_get_media(json, &out, read, &err), 0);
	assert_str(out.name, in.name);
	assert_int_equal(out.seq, 9);
	assert_int_equal(out.size, 1000);
	assert_memory_equal(read, hash, WIRE_HASH);
	json_free(json);
	buf_release(&line);
}

static void bytes_are_read_as_they_were_written(void **state)
{
	char bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7);
	for (size_t len = 1; len <= sizeof(bytes); len++) {
		struct buf line = { 0 };
		struct buf data = { 0 };
		struct json *json;
		uint64_t offset;
		struct err err;

		port_put_bytes(&line, len, str_make(bytes, len));
		json = parse(&line);
		assert_type(json, PORT_LINE_BYTES);
		assert_int_equal(port_get_bytes(json, &offset, &data, &err), 0);
		assert_int_equal(offset, len);
		assert_str(buf_str(&data), str_make(bytes, len));
		json_free(json);
		buf_release(&line);
		buf_release(&data);
	}
}

static void what_is_no_base64_is_refused(void **state)
{
	static const char *const bad[] = {
		"A",	"AA",	 "AAA",	 "A===", "=AAA", "AA=A",    "AAAA=",
		" AAA", "AAA\n", "AA A", "AA-_", "====", "AAAA AAA"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf out = { 0 };

		if (base64_get(&out, str_of(bad[i])) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
		buf_release(&out);
	}
}

static void an_end_is_read_as_it_was_written(void **state)
{
	static const uint8_t sum[WIRE_HASH] = { 1, 0xab, 255 };
	const struct port_counts in = { 1, 2, 3 };
	uint8_t read[WIRE_HASH];
	struct port_counts out;
	struct buf line = { 0 };
	struct json *json;
	struct err err;
	bool summed;

	(void)state;
	port_put_end(&line, &in, sum);
	json = parse(&line);
	assert_type(json, PORT_LINE_END);
	assert_int_equal(port_get_end(json, &out, read, &summed, &err), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_true(summed);
	assert_memory_equal(read, sum, WIRE_HASH);
	json_free(json);
	buf_release(&line);
}

/* Whatever a line says, a getter refuses it or gives what fits the wire. */
static void try_line(struct str text)
{
	struct buf scratch = { 0 };
	struct buf record = { 0 };
	struct port_counts counts;
	struct wire_port_member member;
	struct wire_message message_out;
	struct wire_media media;
	struct port_head head;
	uint8_t hash[WIRE_HASH];
	uint64_t offset;
	struct json *json;
	struct err err;
	bool summed;

	if (json_parse(&json, text, JSONL_MAX, &err) < 0)
		return;
	if (port_get_head(json, &head, &scratch, &err) == 0)
		wire_put(&record, &wire_schema_port_group, &head.group);
	if (port_get_member(json, &member, &err) == 0)
		wire_put(&record, &wire_schema_port_member, &member);
	buf_clear(&scratch);
	if (json_get_message(json, &message_out, &scratch, &err) == 0)
		wire_put(&record, &wire_schema_message, &message_out);
	if (port_get_media(json, &media, hash, &err) == 0)
		wire_put(&record, &wire_schema_media, &media);
	buf_clear(&scratch);
	(void)port_get_bytes(json, &offset, &scratch, &err);
	(void)port_get_end(json, &counts, hash, &summed, &err);
	json_free(json);
	buf_release(&scratch);
	buf_release(&record);
}

static void mutated_lines_do_no_harm(void **state)
{
	static const char *const lines[] = {
		"{\"type\":\"groupfs-export\",\"version\":1,\"name\":\"d\","
		"\"created_by\":\"a\",\"created_at\":\"2026-11-24T12:00:03."
		"120Z\",\"max_members\":9,\"settings\":{\"a\":1},\"epoch\":"
		"\"00\",\"first_seq\":1,\"last_seq\":2,\"media\":true}",
		"{\"type\":\"member\",\"user\":\"a\",\"role\":\"admin\","
		"\"joined_at\":\"2026-11-24T12:00:03.120Z\","
		"\"joined_seq\":0,\"last_read_seq\":1}",
		"{\"type\":\"message\",\"sequence_number\":1,\"timestamp\":"
		"\"2026-11-24T12:00:03.120Z\",\"sender\":\"a\",\"content\":"
		"\"x\",\"message_type\":\"text\",\"mentions\":[\"b\",\"c\"],"
		"\"reply_to_seq\":1,\"client_id\":\"k\"}",
		"{\"type\":\"bytes\",\"offset\":0,\"base64\":\"QUJD\"}",
		"{\"type\":\"end\",\"members\":1,\"messages\":1,\"media\":0}",
	};
	static const char with[] = "\0\"\\{}[]:,0-9e.aA=\xff\n";

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t len = strlen(lines[i]);
		char *text = strdup(lines[i]);

		for (size_t at = 0; at < len; at++) {
			char was = text[at];

			for (size_t w = 0; w < sizeof(with) - 1; w++) {
				text[at] = with[w];
				try_line(str_make(text, len));
			}
			text[at] = was;
			try_line(str_make(text, at));
		}
		free(text);
	}
}

static void a_file_is_there_when_it_is_whole(void **state)
{
	char dir[] = "/tmp/groupfs-port-XXXXXX";
	char path[64];
	char partial[80];
	struct jsonl_out out;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x", dir);
	snprintf(partial, sizeof(partial), "%s.partial", path);
	assert_int_equal(jsonl_create(&out, path), CTL_OK);
	buf_append_str(&out.pending, str_of("one\n"));
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(stat(partial, &st), 0);
	jsonl_abandon(&out);
	assert_int_equal(stat(partial, &st), -1);
	assert_int_equal(jsonl_create(&out, path), CTL_OK);
	buf_append_str(&out.pending, str_of("one\n"));
	assert_int_equal(jsonl_finish(&out), CTL_OK);
	jsonl_abandon(&out);
	assert_int_equal(stat(partial, &st), -1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_read_as_it_was_written),
		cmocka_unit_test(a_head_is_read_as_it_was_written),
		cmocka_unit_test(a_member_is_read_as_he_was_written),
		cmocka_unit_test(a_file_is_read_as_it_was_written),
		cmocka_unit_test(bytes_are_read_as_they_were_written),
		cmocka_unit_test(what_is_no_base64_is_refused),
		cmocka_unit_test(an_end_is_read_as_it_was_written),
		cmocka_unit_test(mutated_lines_do_no_harm),
		cmocka_unit_test(a_file_is_there_when_it_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
