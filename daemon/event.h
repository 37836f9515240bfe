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
	EVENT_FRAME_BYTES = 256 << 10, /* of messages in one EV_MESSAGES; a
					  bigger message goes alone */
	EVENT_FILL_MAX = 512, /* messages of others that are read with ours */
	EVENT_MARKS = 1024
};

enum event_kind {
	EVENT_MESSAGES,	 /* first_seq..last_seq were appended */
	EVENT_MEMBERS,	 /* changes were made by `by` */
	EVENT_DELETED,	 /* the group is gone */
	EVENT_FLOOR,	 /* what is held of the log begins at first_seq */
	EVENT_READ,	 /* the pointer of `by` is last_seq now */
	EVENT_REVOKED,	 /* the token of this hash is gone */
	EVENT_IMPORTING, /* `session` has begun an import, for `by` */
	EVENT_IMPORTED	 /* it has ended: a group is there */
};

struct event_frame {
	struct frame *frame; /* owned: one reference */
	uint64_t last_seq;   /* of its last message */
};

struct event {
	struct list link;
	enum event_kind kind;
	uint64_t group_id;
	/* EVENT_FLOOR; its first_seq is below */
	uint64_t first_off;
	uint64_t first_jsonl_off;
	/* EVENT_MESSAGES */
	uint64_t first_seq;
	uint64_t last_seq;
	/* Where nodes share the store: the message that was to be told here
	 * next when a sender submitted, so that what others appended before
	 * ours comes with it; 0: does not matter. */
	uint64_t next_seq;
	uint64_t from_seq;    /* the first message that was read back */
	uint64_t newest_ms;   /* the time of the last one */
	bool want;	      /* somebody watched when a sender submitted */
	bool mentions;	      /* some of them mention somebody */
	struct buf mentioned; /* owned: those, as wire records that have seq,
				 time, sender and mentions only */
	struct event_frame *frames; /* owned; none: nobody watched, or there
				       was no memory: EV_GROWN tells */
	size_t nframes;
	/* EVENT_MEMBERS, EVENT_READ; group: EVENT_MESSAGES with mentions */
	char group[WIRE_NAME_MAX + 1];
	char by[WIRE_USER_MAX + 1];
	/* EVENT_READ, EVENT_IMPORTING: who asked for it */
	uint64_t session;
	uint32_t request;
	/* EVENT_MEMBERS */
	struct store_change *changes; /* owned */
	size_t count;
	uint64_t version; /* of the group, after the last of them; 0: unknown */
	bool remote;	  /* another node made them */
	/* EVENT_DELETED, of our own: a rest is to be taken away */
	bool more;
	/* EVENT_REVOKED */
	uint8_t hash[STORE_TOKEN_HASH];
};

/* A new event at the end of list; NULL without memory. */
struct event *event_add(struct list *list, enum event_kind kind,
			uint64_t group_id);
void event_free(struct event *e);
void events_clear(struct list *list);

/* Adds to the group's last event of the list when that is about messages,
 * else makes a new one; `news` is such an event: its first_seq, last_seq, want
 * and mentions. -ENOMEM. */
int event_add_messages(struct list *list, uint64_t group_id,
		       const struct event *news);

/* The event of one change that another node made. -ENOMEM. */
int event_add_change(struct list *list, const struct store_member_change *c);

/* Up to where a lane has read each of the groups that it wrote to last, which
 * need not be read again. A zeroed one is empty. */
struct event_marks {
	struct event_mark {
		uint64_t group_id;
		uint64_t next_seq;
	} marks[EVENT_MARKS];
};
/* For an EVENT_MESSAGES with a next_seq, before event_load(). */
void event_mark(struct event_marks *marks, struct event *e);

/* Reads an EVENT_MESSAGES' messages back where they are wanted or mention
 * somebody: encodes those wanted once for all, and notes the mentions. On any
 * failure there are no frames; nor mentions, with a line in the log, for the
 * store has them. Negative: the store did not say. The lane's thread. */
int event_load(struct event *e, struct store *store);
/* The same for what others appended: from first_seq on, at most max; last_seq
 * is what was found, first_seq - 1 where that is nothing. Any thread. */
int event_load_next(struct event *e, struct store *store, uint64_t max,
		    struct err *err);

/* Which frame begins right behind seq: cut in two where that is needed. False:
 * none does, or there is no memory. */
bool event_frame_after(struct event *e, uint64_t seq, size_t *frame);

#endif
