/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/frames.h"

#include <string.h>

#include "daemon/gateway/gateway.h"

enum {
	FIN = 0x80,
	RSV = 0x70,
	OPCODE = 0x0f,
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	MASK = 4,
	CLOSE_PROTOCOL = 1002,
	CLOSE_TOO_LARGE = 1009
};

void frames_init(struct frames *f, frames_control_cb control, void *data)
{
	*f = (struct frames){ .control = control, .data = data };
}

bool frames_is_cut(const struct frames *f)
{
	return f->have > 0 || f->left > 0;
}

static bool refuse(struct frames *f, int code)
{
	f->refusal = code;
	return false;
}

static size_t length_bytes(const struct frames *f)
{
	unsigned int form = f->header[1] & LENGTH;

	return form == LENGTH_16 ? 2 : form == LENGTH_64 ? 8 : 0;
}

/* The first two bytes, which say all but the length. */
static bool check_start(struct frames *f)
{
	unsigned int opcode = f->header[0] & OPCODE;
	bool final = (f->header[0] & FIN) != 0;

	if ((f->header[0] & RSV) != 0 || (f->header[1] & MASKED) == 0)
		return refuse(f, CLOSE_PROTOCOL);
	f->in_control = opcode >= FRAME_CLOSE;
	if (f->in_control)
		return (opcode <= FRAME_PONG && final &&
			(f->header[1] & LENGTH) <= FRAMES_CONTROL) ||
		       refuse(f, CLOSE_PROTOCOL);
	if (opcode > FRAME_BINARY ||
	    f->in_message != (opcode == FRAME_CONTINUATION))
		return refuse(f, CLOSE_PROTOCOL);
	f->in_message = !final;
	return true;
}

static bool check_length(struct frames *f)
{
	size_t bytes = length_bytes(f);
	uint64_t length = bytes == 0 ? f->header[1] & LENGTH : 0;

	for (size_t i = 0; i < bytes; i++)
		length = length << 8 | f->header[2 + i];
	/* The shortest form must be taken, and the top bit is zero. */
	if ((bytes == 2 && length < LENGTH_16) ||
	    (bytes == 8 && (length <= UINT16_MAX || length >> 63 != 0)))
		return refuse(f, CLOSE_PROTOCOL);
	if (length > GATEWAY_WS_MAX)
		return refuse(f, CLOSE_TOO_LARGE);
	f->left = length;
	f->got = 0;
	return true;
}

static void end_control(struct frames *f)
{
	enum frame_opcode opcode = (enum frame_opcode)(f->header[0] & OPCODE);

	f->have = 0;
	f->in_control = false;
	f->closed = opcode == FRAME_CLOSE;
	f->control(f->data, opcode, str_make((const char *)f->payload, f->got));
}

/* Appends a complete header to out: how many bytes. */
static size_t end_header(struct frames *f, char *out)
{
	size_t n = f->have;

	if (f->in_control) {
		if (f->left == 0)
			end_control(f);
		return 0;
	}
	memcpy(out, f->header, n);
	f->have = 0;
	return n;
}

/* One byte of a header. */
static size_t take_header(struct frames *f, char c, char *out)
{
	size_t lengths;

	f->header[f->have++] = (uint8_t)c;
	if (f->have < 2 || (f->have == 2 && !check_start(f)))
		return 0;
	lengths = 2 + length_bytes(f);
	if (f->have == lengths && !check_length(f))
		return 0;
	return f->have < lengths + MASK ? 0 : end_header(f, out);
}

/* One byte of a control frame's payload. */
static void take_control(struct frames *f, char c)
{
	const uint8_t *mask = f->header + f->have - MASK;

	f->payload[f->got] = (uint8_t)c ^ mask[f->got % MASK];
	f->got++;
	if (--f->left == 0)
		end_control(f);
}

static bool wants_payload(const struct frames *f)
{
	return f->left > 0 &&
	       (!f->in_control ? f->have == 0 : f->have >= 2 + MASK);
}

size_t frames_take(struct frames *f, char *data, size_t len)
{
	const char *in = data + FRAMES_HEADER;
	size_t at = 0, out = 0;

	while (at < len && f->refusal == 0 && !f->closed) {
		if (!wants_payload(f)) {
			out += take_header(f, in[at++], data + out);
		} else if (f->in_control) {
			take_control(f, in[at++]);
		} else {
			size_t n =
				f->left < len - at ? (size_t)f->left : len - at;

			memmove(data + out, in + at, n);
			f->left -= n;
			at += n;
			out += n;
		}
	}
	return out;
}
