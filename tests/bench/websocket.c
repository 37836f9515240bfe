/* SPDX-License-Identifier: MIT */
#include "tests/bench/websocket.h"

#include <string.h>

void websocket_put_upgrade(struct buf *out, struct str token)
{
	buf_printf(out,
		   "GET /api/ws HTTP/1.1\r\nHost: localhost\r\n"
		   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		   "Sec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Protocol: groupfs.v1\r\n"
		   "Authorization: Bearer %.*s\r\n\r\n",
		   (int)token.len, token.data);
}

void websocket_put_text(struct buf *out, struct str text)
{
	static const char mask[4];

	buf_append_char(out, (char)0x81);
	if (text.len < 126) {
		buf_append_char(out, (char)(0x80 | text.len));
	} else {
		buf_append_char(out, (char)(0x80 | 126));
		buf_append_char(out, (char)(text.len >> 8));
		buf_append_char(out, (char)(text.len & 0xff));
	}
	buf_append(out, mask, sizeof(mask));
	buf_append_str(out, text);
}

static size_t take_answer(const char *p, size_t n, struct str *payload)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	*payload = str_make(p, (size_t)(end - p) + 4);
	return payload->len;
}

size_t websocket_take(const char *p, size_t n, enum websocket_opcode *opcode,
		      struct str *payload)
{
	size_t head = 2, len;

	*opcode = WEBSOCKET_HTTP;
	if (n < 4)
		return 0;
	if (p[0] == 'H')
		return take_answer(p, n, payload);
	len = (unsigned char)p[1] & 0x7f;
	if (len == 126) {
		len = (size_t)(unsigned char)p[2] << 8 | (unsigned char)p[3];
		head = 4;
	}
	if (n < head + len)
		return 0;
	*opcode = (enum websocket_opcode)(p[0] & 0x0f);
	*payload = str_make(p + head, len);
	return head + len;
}
