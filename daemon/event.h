/* SPDX-License-Identifier: MIT */
/*
 * What a committed transaction means to others: the lane makes events while
 * it runs the requests, in order, and the loop fans them out after it has
 * answered the senders. An event belongs to its list.
 */
#ifndef GROUPFS_DAEMON_EVENT_H
#define GROUPFS_DAEMON_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/frame.h"
#include "lib/list.h"
#include "lib/wire.h"
#include "store/store.h"

enum {
	EVENT_FRAME_BYTES = 256 << 10 /* of messages in one EV_MESSAGES; a
					 bigger message goes alone */
};

enum event_kind {
	EVENT_MESSAGES, /* first_seq..last_seq were appended */
	EVENT_MEMBERS,	/* changes were made by `by` */
	EVENT_DELETED,	/* the group is gone */
	EVENT_REVOKED	/* the token of this hash is gone */
};

struct event_frame {
	struct frame *frame; /* owned: one reference */
	uint64_t last_seq;   /* of its last message */
};

struct event {
	struct list link;
	enum event_kind kind;
	uint64_t group_id;
	/* EVENT_MESSAGES */
	uint64_t first_seq;
	uint64_t last_seq;
	bool want; /* somebody watched when a sender submitted */
	struct event_frame *frames; /* owned; none: nobody watched, or there
				       was no memory: EV_GROWN tells */
	size_t nframes;
	/* EVENT_MEMBERS */
	char group[WIRE_NAME_MAX + 1];
	char by[WIRE_USER_MAX + 1];
	struct store_change *changes; /* owned */
	size_t count;
	/* EVENT_REVOKED */
	uint8_t hash[STORE_TOKEN_HASH];
};

/* A new event at the end of list; NULL without memory. */
struct event *event_add(struct list *list, enum event_kind kind,
			uint64_t group_id);
void event_free(struct event *e);
void events_clear(struct list *list);

/* Adds to the group's last event of the list when that is about messages,
 * else makes a new one. -ENOMEM. */
int event_add_messages(struct list *list, uint64_t group_id, uint64_t first_seq,
		       uint64_t last_seq, bool want);

/* Reads an EVENT_MESSAGES' messages back and encodes them once for all. On
 * any failure there are no frames. The lane's thread. */
void event_load(struct event *e, struct store *store);

#endif
