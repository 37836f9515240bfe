/* SPDX-License-Identifier: MIT */
/*
 * The last tier of fan-out, in a gateway and in groupfs: what groupd says
 * once to this process goes to the process' own subscribers.
 *
 *   EV_MESSAGES --> struct feed_group: the recent messages, once for all
 *                        |
 *           subscriber   subscriber   subscriber     each one a cursor
 *
 * Cursors, not queues: nothing is kept per subscriber but how far he has
 * read. feed_read() takes from the recent messages or, when the cursor is
 * older than those, from a page that is pulled from the log (FEED_PAGE_BYTES a
 * subscriber; while all pages are at most FEED_PAGES_BYTES, larger ones, and
 * the next ones while one is read). So a slow one costs little memory and loses
 * nothing; each subscriber sees every seq once, in order.
 *
 * One loop thread. wake() never runs inside a call of the subscriber's own.
 */
#ifndef GROUPFS_LIB_FEED_H
#define GROUPFS_LIB_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/client.h"
#include "lib/list.h"
#include "lib/wire.h"

enum {
	FEED_RECENT_BYTES = 1 << 20, /* recent messages a group, at most */
	FEED_RECENT_COUNT = 4096,
	FEED_PAGE_BYTES = 64 << 10, /* what one lagging subscriber pulls */
	FEED_PAGE_COUNT = 256,
	FEED_PAGE_BYTES_MAX = 256 << 10,
	FEED_AHEAD_BYTES = 512 << 10, /* of one, that wait */
	FEED_PAGES_BYTES = 32 << 20 /* of a process; above that no larger ones,
				       and none ahead */
};

struct feed;
struct feed_group;
struct feed_sub;
struct feed_watch;
struct feed_page;

/* One message; shared by all subscribers when it came from the recent ones:
 * then what is made of it once serves all. */
struct feed_message {
	struct wire_message m; /* borrowed strs: they live as long as it */
	bool shared;
	/* An encoding of it (a WebSocket frame, a line), made once by the
	 * first who needs it and freed with the message. */
	struct buf encoded;
	/* private */
	struct feed_message *next;
};

enum feed_state {
	FEED_STARTING, /* the watch is being made */
	FEED_LIVE,
	FEED_ENDED /* sub->err says why: removed, group deleted, refused */
};

/* There is something to read, or the state changed. */
typedef void (*feed_wake_cb)(struct feed_sub *sub);

/* The caller embeds it; zero it before subscribing, but for data and kind. */
struct feed_sub {
	void *data;	      /* the caller's */
	enum watch_kind kind; /* whether his user reads along: online */
	enum feed_state state;
	uint64_t cursor;    /* the last seq that feed_read() returned */
	uint64_t start_seq; /* last_seq when it became FEED_LIVE: what is
			       up to it is replay */

	/* private */
	struct list link;      /* of its watch */
	struct list wake_link; /* to be woken in this turn */
	struct feed_group *group;
	struct feed_watch *watch;
	struct client_principal *principal; /* borrowed until unsubscribed */
	feed_wake_cb wake;
	struct feed_page *page; /* owned; the lagging one's messages */
	bool from_pointer;
	bool asked_before; /* its watch was being asked for when it came */
	bool waking;

	/* Last: read once. Where it ended because messages are not kept any
	 * more, or the log is another one: of which log, and the first that is
	 * held; 0: not known, of another store, or else. */
	const struct err *err; /* owned, once FEED_ENDED; NULL before */
	uint64_t cut_epoch;
	uint64_t cut_seq;
	bool is_other_log; /* so no message was lost: the numbers are others' */
};

/* A group that this process watches. */
struct feed_group {
	uint64_t group_id;
	uint64_t epoch;
	uint64_t first_seq;
	uint64_t last_seq; /* known to be there */
	struct feed_group_private *p;
};

struct feed {
	struct feed_private *p;
};

/* c outlives the feed; its on_event and on_state must be passed on to
 * feed_on_event() and feed_on_state(). An event whose messages cannot be
 * decoded makes it drop c's connection. 0 or -ENOMEM. */
int feed_start(struct feed *f, uv_loop_t *loop, struct client *c);
/* Where more than one group grew before a turn of the loop, a subscriber may be
 * woken as often as he has groups of them: feed_turn_is_wide() says so while
 * they are woken, and cb runs when all are. cb may be NULL. */
void feed_on_turned(struct feed *f, void (*cb)(struct feed *f));
bool feed_turn_is_wide(const struct feed *f);
/* No subscriber may be left. cb runs when the memory is the caller's. */
void feed_close(struct feed *f, void (*cb)(struct feed *f));

void feed_on_event(struct feed *f, const struct wire_header *header,
		   const void *body);
void feed_on_state(struct feed *f, bool online);
/* Of client_options.on_restored: ends all subscribers, with `epoch_changed`. */
void feed_on_restored(struct feed *f);

/* after_seq for "from the principal's own read pointer": as groupd tells it
 * after this call, or, where the same principal is just asking to watch the
 * group, in the answer to that. The pointer only moves forward, so the earlier
 * answer replays more at worst, and never skips what was unread at the call.
 * Past that answer each sub keeps to its own cursor. */
#define FEED_FROM_POINTER UINT64_MAX

/*
 * Reads the group from after_seq on, for principal, who must be a member: he
 * is checked by groupd, now and after each reconnect, and ended at once when
 * he is removed (`not_member`); a principal that is REFUSED reads nothing more,
 * and the next feed_read() ends it. An after_seq that is not there yet ends it
 * with `bad_request`; one before what is kept, with `epoch_changed`, but for 0:
 * that is from the first that is held on. 0 or -ENOMEM.
 */
int feed_subscribe(struct feed *f, struct feed_sub *sub,
		   struct client_principal *principal, uint64_t group_id,
		   uint64_t after_seq, feed_wake_cb wake);
/* Its memory is the caller's at once. Takes one that was never subscribed. */
void feed_unsubscribe(struct feed_sub *sub);

/*
 * The next message: 1 and *out, borrowed until the next call for this sub, of
 * any function, or the end of this loop turn; 0: none now, wake() will say; a
 * negative errno: ended, sub->err. While groupd is away it is 0.
 */
int feed_read(struct feed_sub *sub, struct feed_message **out);

/* Puts the last message that feed_read() returned back: it is next again. Once
 * for each message. */
void feed_unread(struct feed_sub *sub);

/*
 * For whoever hands the same messages to many subs at once. A message after
 * the cursor, as feed_read() would return it, where that needs no page: else
 * NULL. The cursor stays.
 */
struct feed_message *feed_peek(const struct feed_sub *sub, uint64_t seq);
/* Moves the cursor on to seq. False: it stays, since one of the messages up to
 * seq would not be found by feed_peek(). */
bool feed_skip(struct feed_sub *sub, uint64_t seq);

/* LIVE, and nothing known is left to read. */
bool feed_caught_up(const struct feed_sub *sub);

/* LIVE, and not caught up. */
bool feed_is_behind(const struct feed_sub *sub);
/* It reads the log again, because the recent messages do not reach back to
 * its cursor; and how many subs do. */
bool feed_is_pulling(const struct feed_sub *sub);
size_t feed_pulling(const struct feed *f);

/* LIVE, and the watch is made on the present connection: what happens to the
 * group from now on is told. */
bool feed_is_current(const struct feed_sub *sub);

/* The messages of a LIVE sub's group that are in memory: those from *first to
 * the result, which is the group's last_seq; 0: none are. */
uint64_t feed_recent(const struct feed_sub *sub, uint64_t *first);
/* One of them, borrowed until the end of this loop turn. */
const struct wire_message *feed_recent_message(const struct feed_sub *sub,
					       uint64_t seq);

/* What is known of the group of a LIVE sub. */
const struct feed_group *feed_group_of(const struct feed_sub *sub);

#endif
