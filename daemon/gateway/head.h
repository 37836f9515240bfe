/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP request: read strictly, byte by byte, and written again
 * in the one form that libwebsockets is given. lws drops what is large or odd
 * without a word, swallows the line behind a header that is called "X",
 * decodes a path twice over, and takes lengths that disagree; so it gets only
 * what passed here, and only the headers that we look at, each trimmed.
 *
 * The rules are those of RFC 9112 (2.2, 3, 5, 6) and RFC 6455 (4.2.1). Pure;
 * one owner.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_HEAD_H
#define GROUPFS_DAEMON_GATEWAY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum {
	HEAD_MAX = 8192,	/* bytes of request line and headers */
	HEAD_OUT_MAX = 3 << 13, /* bytes that these become, at most */
	HEAD_LISTS = 5		/* fields whose lines are joined */
};

enum head_state { HEAD_OPEN, HEAD_DONE, HEAD_REFUSED };

struct head {
	enum head_state state;
	/* REFUSED: the status, and a sentence (static). */
	int status;
	const char *why;
	bool of_head; /* the method is HEAD: its answer has no body */
	/* DONE: what lws is given, and the bytes of body that follow. */
	struct buf out;
	uint64_t length;

	/* private */
	unsigned int line; /* where in it: enum line in head.c */
	size_t taken;
	struct buf name;  /* the method, then the name of each field */
	struct buf value; /* the target, the version, a field's value */
	struct buf lists[HEAD_LISTS];
	unsigned int seen; /* fields, as bits of enum field in head.c */
	bool get, with_body, options, old; /* the method; HTTP/1.0 */
	bool upgrade, connection_upgrade, connection_close;
};

/* Zeroed is a new one. Frees what it holds, and is a new one again. */
void head_release(struct head *h);
/* Takes bytes up to the end of the head, or what is refused: how many. */
size_t head_take(struct head *h, const char *data, size_t len);

#endif
