/* SPDX-License-Identifier: MIT */
/*
 * The frames of a WebSocket's client, as RFC 6455 (5.2, 5.4, 5.5) wants them:
 * masked, in their shortest form, in order, and no larger than we take. lws
 * accepts some that it must not, and answers one ping of several; so control
 * frames are taken out and told, and lws gets the others, complete headers
 * only.
 *
 * Pure; nothing is allocated.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_FRAMES_H
#define GROUPFS_DAEMON_GATEWAY_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

enum {
	FRAMES_HEADER = 14, /* bytes, at most */
	FRAMES_CONTROL = 125
};

enum frame_opcode {
	FRAME_CONTINUATION = 0,
	FRAME_TEXT = 1,
	FRAME_BINARY = 2,
	FRAME_CLOSE = 8,
	FRAME_PING = 9,
	FRAME_PONG = 10
};

/* A control frame, unmasked; payload is borrowed for the call. */
typedef void (*frames_control_cb)(void *data, enum frame_opcode opcode,
				  struct str payload);

struct frames {
	frames_control_cb control;
	void *data;
	/* Not 0: refused, with this close code; no more is taken. */
	int refusal;
	/* A close was told: no more is taken either. */
	bool closed;

	/* private */
	uint8_t header[FRAMES_HEADER];
	uint8_t have;
	bool in_message; /* a message is not complete */
	bool in_control; /* the payload is of a control frame */
	uint64_t left;	 /* bytes of payload still to come */
	uint8_t payload[FRAMES_CONTROL];
	uint8_t got;
};

/* In the middle of one. */
bool frames_is_cut(const struct frames *f);

void frames_init(struct frames *f, frames_control_cb control, void *data);

/*
 * Takes len bytes, which lie FRAMES_HEADER bytes behind data, and leaves at
 * data what is to be given on: how many bytes.
 */
size_t frames_take(struct frames *f, char *data, size_t len);

#endif
