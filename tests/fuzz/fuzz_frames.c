/* SPDX-License-Identifier: MIT */
/*
 * The frames of a WebSocket's client. FILES: daemon/gateway/frames.c
 *
 * Input: a byte that cuts, and what the client sends. In pieces it gives the
 * same. What lws is given holds no control frame, and is itself taken as it is.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/frames.h"

/* What came of it. */
struct told {
	struct buf out;
	struct buf controls;
	struct frames frames;
};

static void on_control(void *data, enum frame_opcode opcode, struct str payload)
{
	struct told *told = data;

	assert(opcode >= FRAME_CLOSE && opcode <= FRAME_PONG);
	assert(payload.len <= FRAMES_CONTROL);
	buf_printf(&told->controls, "%d:%zu:", (int)opcode, payload.len);
	buf_append_str(&told->controls, payload);
}

static void give(struct told *told, struct str piece)
{
	char *room = malloc(FRAMES_HEADER + piece.len);
	size_t n;

	assert(room != NULL);
	if (piece.len > 0)
		memcpy(room + FRAMES_HEADER, piece.data, piece.len);
	n = frames_take(&told->frames, room, piece.len);
	assert(n <= FRAMES_HEADER + piece.len);
	buf_append(&told->out, room, n);
	free(room);
}

static void init(struct told *told)
{
	*told = (struct told){ 0 };
	frames_init(&told->frames, on_control, told);
}

static void release(struct told *told)
{
	buf_release(&told->out);
	buf_release(&told->controls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t seed = fuzz_byte(&in);
	struct fuzz_cut cut = { .left = in, .seed = seed };
	struct told whole, pieces, again;
	struct str piece;

	init(&whole);
	init(&pieces);
	init(&again);
	give(&whole, in);
	while (fuzz_piece(&cut, &piece)) {
		give(&pieces, piece);
		free((void *)(uintptr_t)piece.data);
	}
	assert(str_eq(buf_str(&whole.out), buf_str(&pieces.out)));
	assert(str_eq(buf_str(&whole.controls), buf_str(&pieces.controls)));
	assert(whole.frames.refusal == pieces.frames.refusal &&
	       whole.frames.closed == pieces.frames.closed);
	assert(frames_is_cut(&whole.frames) == frames_is_cut(&pieces.frames));
	give(&again, buf_str(&whole.out));
	assert(again.frames.refusal == 0 && again.controls.len == 0);
	assert(str_eq(buf_str(&again.out), buf_str(&whole.out)));
	release(&whole);
	release(&pieces);
	release(&again);
	return 0;
}
