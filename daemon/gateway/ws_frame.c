/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/ws.h"

#include <libwebsockets.h>
#include <string.h>

void ws_frame_room(struct buf *b)
{
	static const char room[LWS_PRE];

	buf_append(b, room, sizeof(room));
}

void ws_frame_type(struct buf *b, const char *type)
{
	buf_append_str(b, str_of("{\"type\":\""));
	buf_append_str(b, str_of(type));
	buf_append_char(b, '"');
}

void ws_frame_begin(struct buf *b, const char *type, struct str id)
{
	ws_frame_room(b);
	ws_frame_type(b, type);
	if (id.len > 0) {
		buf_append_str(b, str_of(",\"id\":"));
		buf_append_str(b, id);
	}
}

static size_t header_len(size_t len)
{
	return len < 126 ? 2 : len <= UINT16_MAX ? 4 : 10;
}

/* The header is the same for all: what a server sends is not masked. */
static void put_header(char *at, size_t len)
{
	uint8_t *p = (uint8_t *)at;
	size_t head = header_len(len);

	p[0] = 0x81; /* final, text */
	p[1] = head == 2 ? (uint8_t)len : head == 4 ? 126 : 127;
	for (size_t i = 2; i < head; i++)
		p[i] = (uint8_t)((uint64_t)len >> (8 * (head - 1 - i)));
}

struct str ws_frame_bytes(struct buf *frame)
{
	size_t len = frame->len - LWS_PRE;
	size_t head = header_len(len);
	char *at = frame->data + LWS_PRE - head;

	put_header(at, len);
	return str_make(at, head + len);
}

enum { USUAL_HEADER = 4 };

size_t ws_batch_begin(struct buf *out)
{
	static const char room[USUAL_HEADER];

	buf_append(out, room, sizeof(room));
	return out->len - sizeof(room);
}

void ws_batch_end(struct buf *out, size_t start)
{
	size_t len, head;
	char *at;

	if (out->failed)
		return;
	len = out->len - start - USUAL_HEADER;
	head = header_len(len);
	/* A short frame, or a very long one. */
	if (head > USUAL_HEADER && !buf_reserve(out, head - USUAL_HEADER))
		return;
	at = out->data + start;
	if (head != USUAL_HEADER)
		memmove(at + head, at + USUAL_HEADER, len);
	out->len = start + head + len;
	put_header(at, len);
}
