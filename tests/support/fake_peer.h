/* SPDX-License-Identifier: MIT */
/*
 * A groupd in the test's own loop: it listens on a Unix socket, greets, opens
 * every principal as "alice" (or as the test says), and gives all other frames
 * to on_request, which answers as the test wants (at once, later, never,
 * rubbish).
 */
#ifndef GROUPFS_TESTS_FAKE_PEER_H
#define GROUPFS_TESTS_FAKE_PEER_H

#include <stdbool.h>
#include <uv.h>

#include "lib/buf.h"
#include "lib/wire.h"

struct fake_peer {
	void *data; /* the test's */
	/* body: a struct wire_body_* of header->type. */
	void (*on_request)(struct fake_peer *peer,
			   const struct wire_header *header,
			   const union wire_body *body);
	/* Whose name a principal gets that is opened for uid. May be NULL. */
	const char *(*name_of)(struct fake_peer *peer, uint32_t principal,
			       uint64_t uid);
	unsigned refuse_code; /* of OPEN_PRINCIPAL; 0: opens */
	unsigned version;     /* of WELCOME */
	uint64_t store;	      /* of WELCOME */
	bool mute;	      /* HELLO is not answered */
	bool byte_by_byte;    /* each byte is written by itself */
	unsigned connected;   /* how often somebody connected */
	char path[96];

	/* private */
	char dir[64];
	uv_pipe_t listener;
	uv_pipe_t conn;
	bool has_conn;
	struct buf in;
	unsigned closing;
	bool next; /* one has connected while the last was closed */
};

void fake_peer_start(struct fake_peer *peer, uv_loop_t *loop);
/* Stops and removes the socket; the loop must run for it to end. */
void fake_peer_close(struct fake_peer *peer);
/* Drops the connection that there is. */
void fake_peer_drop(struct fake_peer *peer);
/* Stops reading from the connection that there is, and goes on. */
void fake_peer_pause(struct fake_peer *peer);
void fake_peer_resume(struct fake_peer *peer);
/* Writes a frame: an answer (the request's id) or an event (id 0). */
void fake_peer_send(struct fake_peer *peer, enum wire_type type, uint32_t id,
		    uint32_t principal, const void *body);
void fake_peer_send_bytes(struct fake_peer *peer, const char *data, size_t len);
void fake_peer_error(struct fake_peer *peer, const struct wire_header *header,
		     unsigned code);

#endif
