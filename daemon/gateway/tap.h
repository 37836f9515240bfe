/* SPDX-License-Identifier: MIT */
/*
 * What libwebsockets gets to read of a connection: one request at a time, and
 * only what is well-formed. It is strict where lws is not, and counts, so that
 * lws never sees two requests in one piece (a second one behind a body makes
 * it loop for ever), a header block that it would drop without a word, or a
 * frame that a client must not send.
 *
 *   HEAD --end of the headers--> BODY --Content-Length--> HELD
 *     ^                                                    |
 *     +------------------- tap_next() ---------------------+
 *                          tap_open_frames() --> FRAMES
 *   any of them --> REFUSED, with the status or close code to give
 *
 * Pure functions on bytes; intercept.c puts them between lws and the socket.
 * The rules are those of RFC 9112 (2.2, 3, 5, 6) and RFC 6455 (5.2, 5.5).
 */
#ifndef GROUPFS_DAEMON_GATEWAY_TAP_H
#define GROUPFS_DAEMON_GATEWAY_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

enum {
	TAP_HEAD_MAX = 8192,  /* bytes of request line and headers */
	TAP_NAME_MAX = 40,    /* bytes of a name that we look at */
	TAP_FRAME_HEADER = 14 /* bytes, at most */
};

enum tap_phase { TAP_HEAD, TAP_BODY, TAP_HELD, TAP_FRAMES, TAP_REFUSED };

struct tap {
	enum tap_phase phase;
	/* REFUSED: an HTTP status, or a close code of RFC 6455. */
	unsigned int refusal;

	/* private: of the head */
	unsigned int line; /* where in it: enum line in tap.c */
	uint32_t head_len;
	char name[TAP_NAME_MAX]; /* of the method, then of each field */
	uint8_t name_len;	 /* TAP_NAME_MAX + 1: it is longer */
	bool is_length;		 /* the field is Content-Length */
	bool number_over;	 /* no digit may follow */
	bool has_number;	 /* of this field */
	bool has_length;
	uint64_t number;
	uint64_t length;
	/* of the body, or the frame's payload: bytes still to come */
	uint64_t left;
	/* of a frame */
	uint8_t header[TAP_FRAME_HEADER];
	uint8_t have;
	bool in_message; /* a message is not complete */
};

/* Says of names of fields, in lower case, that they cannot be taken; NULL: of
 * none. For the whole process. */
void tap_set_refused_names(bool (*refused)(struct str name));

/* A new connection, or the request after an answer: HEAD. */
void tap_next(struct tap *t);
/* The handshake is done: FRAMES. */
void tap_open_frames(struct tap *t);

/*
 * How many of these bytes, which come next, are to be given on: all of them,
 * or up to the end of the request, or up to a frame that is refused. After
 * them the phase says how it goes on. In HELD and REFUSED none are.
 */
size_t tap_take(struct tap *t, const char *data, size_t len);

#endif
