/* SPDX-License-Identifier: MIT */
/*
 * The file of an import. FILES: daemon/ctl/port.c daemon/ctl/jsonl.c@Reading
 * daemon/ctl/base64.c
 *
 * Input: the file. Its lines are those between newlines; each that is taken and
 * written again is taken as the same.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/ctl/base64.h"
#include "daemon/ctl/jsonl.h"
#include "daemon/ctl/port.h"

/* In the place of ctl.c's, which tell a person. */
void ctl_complain(const char *fmt, ...)
{
	assert(fmt[0] != '\0');
}

enum ctl_exit ctl_cannot(const char *what, const char *path)
{
	assert(what[0] != '\0' && path[0] != '\0');
	return CTL_REFUSED;
}

static void take(const struct json *j, struct buf *out, bool *taken);

/* out: what was written of the line before. */
static void check_again(const struct buf *out)
{
	struct buf second = { 0 };
	struct json *j;
	struct err err;
	bool taken = false;

	assert(!out->failed && out->len > 0);
	assert(json_parse(&j, str_make(out->data, out->len - 1), JSONL_MAX,
			  &err) == 0);
	take(j, &second, &taken);
	assert(taken && str_eq(buf_str(&second), buf_str(out)));
	json_free(j);
	buf_release(&second);
}

static bool take_head(const struct json *j, struct buf *out)
{
	struct buf settings = { 0 };
	struct port_head head;
	struct err err;
	bool taken = port_get_head(j, &head, &settings, &err) == 0;

	if (taken)
		port_put_head(out, &head, 0);
	buf_release(&settings);
	return taken;
}

static bool take_message(const struct json *j, struct buf *out)
{
	struct buf mentions = { 0 };
	struct wire_message m;
	struct err err;
	bool taken = json_get_message(j, &m, &mentions, &err) == 0;

	if (taken)
		port_put_message(out, &m);
	buf_release(&mentions);
	return taken;
}

static bool take_bytes(const struct json *j, struct buf *out)
{
	struct buf data = { 0 };
	struct err err;
	uint64_t offset;
	bool taken = port_get_bytes(j, &offset, &data, &err) == 0;

	if (taken)
		port_put_bytes(out, offset, buf_str(&data));
	buf_release(&data);
	return taken;
}

static bool take_end(const struct json *j, struct buf *out)
{
	struct port_counts counts = { 0 };
	uint8_t hash[WIRE_HASH] = { 0 };
	struct err err;
	bool summed;
	bool taken = port_get_end(j, &counts, hash, &summed, &err) == 0;

	if (taken)
		port_put_end(out, &counts, hash);
	return taken;
}

static void take(const struct json *j, struct buf *out, bool *taken)
{
	struct wire_port_member member;
	struct wire_media media;
	uint8_t hash[WIRE_HASH];
	enum port_type type;
	struct err err;

	if (port_get_type(j, &type, &err) < 0)
		return;
	switch (type) {
	case PORT_LINE_HEAD:
		*taken = take_head(j, out);
		break;
	case PORT_LINE_MEMBER:
		*taken = port_get_member(j, &member, &err) == 0;
		if (*taken)
			port_put_member(out, &member);
		break;
	case PORT_LINE_MESSAGE:
		*taken = take_message(j, out);
		break;
	case PORT_LINE_MEDIA:
		*taken = port_get_media(j, &media, hash, &err) == 0;
		if (*taken)
			port_put_media(out, &media);
		break;
	case PORT_LINE_BYTES:
		*taken = take_bytes(j, out);
		break;
	case PORT_LINE_END:
		*taken = take_end(j, out);
		break;
	}
}

static void take_line(struct str line)
{
	struct buf out = { 0 };
	struct json *j = NULL;
	struct err err;
	bool taken = false;

	if (json_parse(&j, line, JSONL_MAX, &err) < 0)
		return;
	take(j, &out, &taken);
	if (taken)
		check_again(&out);
	json_free(j);
	buf_release(&out);
}

static void check_base64(struct str text)
{
	struct buf data = { 0 }, second = { 0 };
	struct buf encoded = { 0 };

	base64_put(&encoded, text);
	assert(base64_get(&data, buf_str(&encoded)) == 0);
	assert(str_eq(buf_str(&data), text));
	buf_clear(&data);
	if (base64_get(&data, text) == 0) {
		buf_clear(&encoded);
		base64_put(&encoded, buf_str(&data));
		/* Bits that mean nothing may differ. */
		assert(encoded.len == text.len);
		assert(base64_get(&second, buf_str(&encoded)) == 0);
		assert(str_eq(buf_str(&data), buf_str(&second)));
	}
	buf_release(&data);
	buf_release(&second);
	buf_release(&encoded);
}

/* A line that is too long for any input, and files that cannot be read: once,
 * with the empty input. */
static void check_unreadable(void)
{
	static char long_line[JSONL_MAX + 2];
	struct fuzz_file file;
	struct jsonl_in in;
	bool more = true;

	assert(jsonl_open(&in, "/nowhere/at/all") == CTL_REFUSED);
	jsonl_close(&in);
	assert(jsonl_open(&in, "/") == CTL_OK);
	assert(jsonl_next(&in, &more) == CTL_REFUSED && !more);
	jsonl_close(&in);
	fuzz_file(&file, str_make(long_line, sizeof(long_line)));
	assert(jsonl_open(&in, file.path) == CTL_OK);
	assert(jsonl_next(&in, &more) == CTL_REFUSED && !more);
	jsonl_close(&in);
	close(file.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct fuzz_file file;
	struct jsonl_in in;
	uint8_t sum[WIRE_HASH];
	bool more = true;
	enum ctl_exit rc;

	check_base64(text);
	if (size == 0)
		check_unreadable();
	fuzz_file(&file, text);
	assert(jsonl_open(&in, file.path) == CTL_OK && in.size == size);
	while ((rc = jsonl_next(&in, &more)) == CTL_OK && more) {
		assert(text.len > 0);
		assert(str_eq(in.line, fuzz_until(&text, '\n')));
		take_line(in.line);
	}
	/* Refused is only what ends without a newline. */
	assert((rc == CTL_OK) == (text.len == 0));
	(void)jsonl_sum_before(&in, sum);
	jsonl_close(&in);
	close(file.fd);
	return 0;
}
