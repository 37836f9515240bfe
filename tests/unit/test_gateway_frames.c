/* SPDX-License-Identifier: MIT */
/* The frames of a WebSocket's client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs these four before it. */
#include <cmocka.h>

#include "daemon/gateway/frames.h"
#include "daemon/gateway/gateway.h"
#include "lib/buf.h"

/* What was told of control frames: "9:hi 8:". */
static struct buf told;

static void on_control(void *data, enum frame_opcode opcode, struct str payload)
{
	assert_ptr_equal(data, &told);
	buf_printf(&told, "%d:%.*s ", (int)opcode, (int)payload.len,
		   payload.data);
}

/* Takes len bytes, `step` at a time; appends what is given on. */
static void take(struct frames *f, const char *bytes, size_t len, size_t step,
		 struct buf *out)
{
	char room[FRAMES_HEADER + 256];

	for (size_t i = 0; i < len; i += step) {
		size_t n = len - i < step ? len - i : step;

		memcpy(room + FRAMES_HEADER, bytes + i, n);
		buf_append(out, room, frames_take(f, room, n));
	}
}

/* Whole, and in pieces of one to eight bytes. */
static void frame(const char *bytes, size_t len, const char *out,
		  size_t out_len, const char *control, int refusal)
{
	for (size_t step = 1; step <= 9; step++) {
		struct buf given = { 0 };
		struct frames f;

		buf_clear(&told);
		frames_init(&f, on_control, &told);
		take(&f, bytes, len, step == 9 ? len : step, &given);
		assert_int_equal(f.refusal, refusal);
		assert_int_equal(given.len, out_len);
		assert_memory_equal(buf_cstr(&given), out, out_len);
		assert_string_equal(buf_cstr(&told), control);
		buf_release(&given);
	}
}

#define FRAME(in, out, control, refusal)                                       \
	frame(in, sizeof(in) - 1, out, sizeof(out) - 1, control, refusal)
#define M "\0\0\0\0"

static void messages_are_given_and_control_frames_told(void **state)
{
	(void)state;
	FRAME("\x81\x82" M "hi", "\x81\x82" M "hi", "", 0);
	FRAME("\x89\x80" M, "", "9: ", 0);
	FRAME("\x89\x82"
	      "\1\2\3\4"
	      "ik",
	      "", "9:hi ", 0);
	FRAME("\x8a\x83" M "abc"
	      "\x89\x81" M "d",
	      "", "10:abc 9:d ", 0);
	FRAME("\x01\x81" M "a"
	      "\x89\x81" M "p"
	      "\x80\x81" M "b",
	      "\x01\x81" M "a"
	      "\x80\x81" M "b",
	      "9:p ", 0);
	FRAME("\x01\x80" M "\x00\x80" M "\x80\x80" M,
	      "\x01\x80" M "\x00\x80" M "\x80\x80" M, "", 0);
	/* Nothing counts behind a close. */
	FRAME("\x88\x82" M "\x03\xe8"
	      "\x81\x82" M "hi",
	      "", "8:\x03\xe8 ", 0);
}

static void what_no_client_may_send_is_refused(void **state)
{
	(void)state;
	/* not masked */
	FRAME("\x81\x02hi", "", "", 1002);
	FRAME("\x88\x00", "", "", 1002);
	/* reserved bits and codes */
	FRAME("\xc1\x82" M, "", "", 1002);
	FRAME("\xa1\x82" M, "", "", 1002);
	FRAME("\x91\x82" M, "", "", 1002);
	FRAME("\x83\x82" M, "", "", 1002);
	FRAME("\x8b\x82" M, "", "", 1002);
	/* control frames: whole, and short */
	FRAME("\x09\x80" M, "", "", 1002);
	FRAME("\x89\xfe\x00\x7e" M, "", "", 1002);
	/* parts of messages */
	FRAME("\x80\x81" M "a", "", "", 1002);
	FRAME("\x01\x81" M "a"
	      "\x81\x81" M "b",
	      "\x01\x81" M "a", "", 1002);
}

static void lengths_are_in_their_shortest_form_and_bounded(void **state)
{
	(void)state;
	FRAME("\x81\xfe\x00\x7d" M, "", "", 1002);
	FRAME("\x81\xfe\x00\x7e" M, "\x81\xfe\x00\x7e" M, "", 0);
	FRAME("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff" M, "", "", 1002);
	FRAME("\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00" M,
	      "\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00" M, "", 0);
	FRAME("\x81\xff\x00\x00\x00\x00\x00\x10\x00\x01" M, "", "", 1009);
	FRAME("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01" M, "", "", 1002);
}

static void a_payload_may_be_anything(void **state)
{
	static char room[FRAMES_HEADER + GATEWAY_WS_MAX];
	struct buf out = { 0 };
	struct frames f;

	(void)state;
	frames_init(&f, on_control, &told);
	take(&f, "\x81\xff\x00\x00\x00\x00\x00\x10\x00\x00" M, 14, 5, &out);
	assert_int_equal(out.len, 14);
	assert_true(frames_is_cut(&f));
	memset(room, 0x89, sizeof(room));
	assert_int_equal(frames_take(&f, room, GATEWAY_WS_MAX), GATEWAY_WS_MAX);
	assert_int_equal(room[0] & 0xff, 0x89);
	assert_false(frames_is_cut(&f));
	take(&f, "\x81\x02", 2, 1, &out);
	assert_int_equal(f.refusal, 1002);
	buf_release(&out);
}

static int release(void **state)
{
	(void)state;
	buf_release(&told);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_given_and_control_frames_told),
		cmocka_unit_test(what_no_client_may_send_is_refused),
		cmocka_unit_test(
			lengths_are_in_their_shortest_form_and_bounded),
		cmocka_unit_test(a_payload_may_be_anything),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
