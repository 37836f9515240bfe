/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket's client, as far as the benchmarks need it: each message is one
 * frame of less than 64 KiB. Reads and writes nothing itself. Any thread.
 */
#ifndef GROUPFS_TESTS_BENCH_WEBSOCKET_H
#define GROUPFS_TESTS_BENCH_WEBSOCKET_H

#include "lib/buf.h"

enum websocket_opcode {
	WEBSOCKET_HTTP = 0, /* the answer to the upgrade: no frame */
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_PING = 9
};

/* What a connection begins with, for the user of that token. */
void websocket_put_upgrade(struct buf *out, struct str token);
/* A text, masked with zeros, which leave it as it is. */
void websocket_put_text(struct buf *out, struct str text);
/* The bytes of the first piece that the server sent, 0 when it is not complete;
 * its payload is borrowed from p. */
size_t websocket_take(const char *p, size_t n, enum websocket_opcode *opcode,
		      struct str *payload);

#endif
