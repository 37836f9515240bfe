/* SPDX-License-Identifier: MIT */
/* The inside that clients.c, frames.c and answers.c share. */
#ifndef GROUPFS_TESTS_SIM_CLIENTS_H
#define GROUPFS_TESTS_SIM_CLIENTS_H

#include "lib/wire.h"
#include "tests/sim/sim.h"

enum {
	CLIENTS = 8,
	CLIENT_PRINCIPALS = 2,
	CLIENT_ASKS = 8,
	CLIENTS_SENDS = 1500,
	SEND_ITEMS = 3
};

enum send_state { SEND_NEW, SEND_ACKED, SEND_REFUSED, SEND_UNKNOWN };

/* One SEND, over all connections that it is tried on. */
struct send {
	unsigned user;
	struct model_group *g;
	uint64_t items[SEND_ITEMS];
	size_t count;
	bool keyed; /* each has a client_id */
	bool batch; /* all have a batch_id */
	uint64_t reply_to;
	enum send_state state;
	unsigned pending;
	uint64_t first, last; /* SEND_ACKED */
};

/* One request under way, and what was committed when it was sent. */
struct ask {
	enum wire_type type; /* WIRE_NONE: free */
	uint32_t id;
	unsigned p;
	unsigned user;
	struct model_group *g;
	uint64_t moment;
	uint64_t last;
	uint64_t pointer;
	uint64_t joins;
	uint64_t seq;	/* SET_READ, PULL: what it says */
	bool refusable; /* OPEN_PRINCIPAL: the token is known to be revoked */
	struct send *send;
};

/* What one connection knows of a group. */
struct view {
	bool watched[CLIENT_PRINCIPALS];
	uint64_t told;
	size_t changes;	       /* of members, heard since */
	size_t changes_before; /* that were committed when it began */
	size_t change_at;      /* the last one that was heard of, + 1 */
	uint64_t read[MODEL_USERS];
};

struct principal_of {
	uint32_t id;
	unsigned user;
	enum { CLOSED, OPENING, OPEN } state;
	bool by_token;
};

struct client {
	struct loop_pipe *pipe; /* NULL: not connected */
	struct buf in;
	bool mount;
	bool slow;
	uint32_t last_id;
	struct principal_of principal[CLIENT_PRINCIPALS];
	struct ask asks[CLIENT_ASKS];
	struct view view[MODEL_GROUPS];
};

struct clients {
	struct client client[CLIENTS];
	struct send send[CLIENTS_SENDS];
	size_t sends;
	uint64_t items;
	uint64_t names;
	bool revoking[MODEL_USERS];
	bool revoked[MODEL_USERS]; /* answered so */
};

extern struct clients clients;

static inline bool view_is_watched(const struct view *v)
{
	bool watched = false;

	for (unsigned p = 0; p < CLIENT_PRINCIPALS; p++)
		watched = watched || v->watched[p];
	return watched;
}

/* One who is told of that message, or of what follows it. */
void clients_may_hear(const struct client *c, const struct model_group *g,
		      uint64_t seq);
/* A message that somebody was given is as the model has it. */
void clients_check_message(const struct model_group *g,
			   const struct wire_message *m);
void clients_event(struct client *c, const struct wire_header *h,
		   const union wire_body *body);
void clients_answer(struct client *c, const struct wire_header *h,
		    const union wire_body *body);

#endif
