/* SPDX-License-Identifier: MIT */
/*
 * The head of a request. FILES: daemon/gateway/head.c
 *
 * Input: a byte that cuts, and what a client sends. In pieces it becomes what
 * it becomes in one. What lws is given has no bare CR or LF, no control
 * character and one end; and is itself a head that is taken, and means the
 * same.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/head.h"

static size_t take_cut(struct head *h, struct str in, uint8_t seed)
{
	struct fuzz_cut cut = { .left = in, .seed = seed };
	struct str piece;
	size_t taken = 0;
	bool whole = true;

	while (fuzz_piece(&cut, &piece)) {
		size_t n = whole ? head_take(h, piece.data, piece.len) : 0;

		taken += n;
		whole = whole && n == piece.len;
		free((void *)(uintptr_t)piece.data);
	}
	return taken;
}

static void check_out(struct str out)
{
	assert(out.len >= 4 && out.len <= HEAD_OUT_MAX);
	assert(memmem(out.data, out.len, "\r\n\r\n", 4) ==
	       out.data + out.len - 4);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.data[i];

		if (c == '\n')
			assert(i > 0 && out.data[i - 1] == '\r');
		else if (c == '\r')
			assert(i + 1 < out.len && out.data[i + 1] == '\n');
		else
			assert((c >= 0x20 || c == '\t') && c != 0x7f);
	}
}

static void check_again(const struct head *h)
{
	struct head second = { 0 };

	if (h->out.len > HEAD_MAX)
		return;
	assert(head_take(&second, h->out.data, h->out.len) == h->out.len);
	assert(second.state == HEAD_DONE);
	assert(second.length == h->length && second.of_head == h->of_head);
	head_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t seed = fuzz_byte(&in);
	struct head whole = { 0 }, pieces = { 0 };
	size_t taken = head_take(&whole, in.data, in.len);

	assert(taken <= in.len &&
	       (taken == in.len || whole.state != HEAD_OPEN));
	assert(take_cut(&pieces, in, seed) == taken);
	assert(pieces.state == whole.state && pieces.status == whole.status &&
	       pieces.why == whole.why && pieces.of_head == whole.of_head);
	if (whole.state == HEAD_DONE) {
		assert(str_eq(buf_str(&whole.out), buf_str(&pieces.out)));
		assert(whole.length == pieces.length);
		check_out(buf_str(&whole.out));
		check_again(&whole);
	}
	if (whole.state == HEAD_REFUSED)
		assert(whole.status >= 400 && whole.why[0] != '\0');
	head_release(&whole);
	head_release(&pieces);
	return 0;
}
