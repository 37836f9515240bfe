/* SPDX-License-Identifier: MIT */
/*
 * What the files of the feed share. Private to them.
 *
 *   feed -> group -> watch (one a principal and kind) -> subs
 *             |                                  |
 *           recent (feed_recent.c)             page (feed_pull.c)
 *
 *   feed.c        subscribers: woken, reading; events; start and close
 *   feed_watch.c  groups and watches: made, ended, forgotten
 *
 * feed_read() needs one rule only: what is in `recent` comes from there, and
 * what is not, but is up to last_seq, is pulled. So `recent` may be thrown
 * away at any time, and is whenever it would get a hole.
 *
 * Callbacks of the caller run in feed.c's turn alone, so that nothing here
 * changes under a function that walks a list.
 */
#ifndef GROUPFS_LIB_FEED_PRIVATE_H
#define GROUPFS_LIB_FEED_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/feed.h"
#include "lib/table.h"

/* What one lagging subscriber pulled, and is pulling. */
struct feed_page {
	struct client_request pull;
	struct feed_sub *sub;
	struct list retry;
	struct buf here;	     /* records, owned; being read */
	struct str left;	     /* of here: what is not read yet */
	struct str again;	     /* the same, before `current` was read */
	bool can_unread;	     /* and it is the last that was */
	struct buf ahead;	     /* records that follow, owned */
	uint64_t end;		     /* the last seq of all of them */
	size_t asked;		     /* bytes, of the last pull */
	size_t counted;		     /* of p->page_bytes */
	struct feed_message current; /* read last; its strs point into here */
};

struct feed_watch {
	struct table_node node; /* of the feed's */
	struct list link;	/* of its group */
	struct list subs;
	struct list retry;
	struct list idle; /* of its group's, while that is held */
	struct client_request req;
	struct client_principal *principal; /* borrowed from its subs */
	enum watch_kind kind;
	struct feed_group *group;
	bool made; /* on this connection */
};

struct feed_group_private {
	struct feed_group pub;
	struct feed_private *feed;
	struct table_node node; /* of the feed's */
	struct list link;	/* of the feed's */
	struct list watches;
	struct list idle; /* watches that lost their last sub while held */
	struct feed_message **recent; /* owned ring of `cap` */
	size_t cap, head, count, bytes;
	bool known; /* epoch and the seqs are */
	bool held;  /* nothing of it is freed now */
};

struct feed_private {
	struct feed *f;
	struct client *c;   /* borrowed */
	struct table by_id; /* the groups, and all of them in a list */
	struct list groups;
	size_t pulling;	      /* subs that have a page */
	size_t page_bytes;    /* of all pages, and of those on their way */
	struct table watches; /* by group and principal */
	struct list waking;
	uint64_t grown; /* the group that was woken last; 0: none */
	bool wide;	/* it was not the only one */
	bool wide_turn; /* the same, of those being woken */
	void (*turned)(struct feed *f);
	struct list retry_pages;
	struct list retry_watches;
	struct feed_message *fresh, *old; /* dropped, freed in two turns */
	uv_idle_t turn;
	uv_timer_t retry;
	unsigned handles;
	void (*close_cb)(struct feed *f);
};

/* feed.c */

/* Has the sub woken in the next loop turn. */
void feed_wake(struct feed_private *p, struct feed_sub *sub);
/* Frees it in the second turn from now: whoever got it from feed_read() may
 * hold it until the end of his turn. */
void feed_drop_message(struct feed_private *p, struct feed_message *m);
/* Puts el (of a page or a watch) on one of p's retry lists. */
void feed_retry_later(struct feed_private *p, struct list *list,
		      struct list *el);
/* Not a refusal: asked again a little later, or after a reconnect. */
bool feed_is_transient(enum err_code code);

/* feed_recent.c: consecutive messages, the newest known ones */

/* A copy in one block: the struct and behind it its strings. NULL: no
 * memory. */
struct feed_message *feed_message_new(const struct wire_message *src);
void feed_messages_free(struct feed_message *first);

/* NULL: it is not one of them. */
struct feed_message *feed_recent_find(const struct feed_group_private *g,
				      uint64_t seq);
/* Without memory nothing is kept, and it will be pulled. */
void feed_recent_add(struct feed_group_private *g,
		     const struct wire_message *src);
void feed_recent_drop_all(struct feed_group_private *g);

/* feed_pull.c: the page of a sub that lags, and the one behind it */

/* The next message of its page, which is the one after its cursor; NULL:
 * there is none. The cursor is the caller's to move. */
struct feed_message *feed_page_next(struct feed_sub *sub);
/* Puts the message at the cursor back, where it came from the page; else the
 * page is of no use any more and goes. */
void feed_page_unread(struct feed_sub *sub);
/* Pulls what comes after the cursor, unless that is under way. The sub will
 * be woken. */
void feed_page_pull(struct feed_sub *sub);
/* Takes a sub without one. */
void feed_page_free(struct feed_sub *sub);

/* feed_watch.c */

struct feed_group_private *feed_group_find(struct feed_private *p, uint64_t id);
/* Finds or makes the group's watch of that principal and kind. NULL: no
 * memory. */
struct feed_watch *feed_watch_get(struct feed_private *p, uint64_t group_id,
				  struct client_principal *principal,
				  enum watch_kind kind);
bool feed_watch_is_asked(const struct feed_watch *w);
/* Asks groupd for it, unless that is under way. */
void feed_watch_ask(struct feed_watch *w);
void feed_watches_ask_all(struct feed_private *p);
/* Ends the subs of all groups. */
void feed_groups_end_all(struct feed_private *p, enum err_code code);
/* The connection is gone: none is made. */
void feed_watches_lost(struct feed_private *p);
/* The watch is made: the sub starts where it wanted to, or ends. */
void feed_watch_start_sub(struct feed_watch *w, struct feed_sub *sub,
			  uint64_t last_read);

/* Takes the sub off its watch; the watch and the group go with their last. */
void feed_sub_detach(struct feed_sub *sub);
/* Ends it: FEED_ENDED, detached, woken. Not for use while walking a list. */
void feed_sub_end(struct feed_sub *sub, const struct err *err);
/* The messages after its cursor are not kept any more; or its log is another
 * one now, of that epoch. */
void feed_sub_end_cut(struct feed_sub *sub, uint64_t first_seq);
void feed_sub_end_epoch(struct feed_sub *sub, uint64_t epoch,
			uint64_t first_seq);
/* What is held begins later now. */
void feed_group_floor(struct feed_group_private *g,
		      const struct wire_body_ev_floor *ev);
/* Wakes all of the group that are live. */
void feed_group_wake(struct feed_group_private *g);
/* Ends all subs; user: only of that user's principals. The group may go. */
void feed_group_end(struct feed_group_private *g, const struct str *user,
		    enum err_code code);

#endif
