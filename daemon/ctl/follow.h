/* SPDX-License-Identifier: MIT */
/*
 * The inside of `groupctl follow`, which these share: follow.c subscribes and
 * runs, follow_print.c prints, follow_groups.c finds the groups where all of
 * them are followed.
 *
 *   feed --wake--> source --ready--> print: at most FOLLOW_BATCH bytes, then
 *                                    a write(2) that waits for the reader
 *
 * So a slow reader of stdout slows this process and nothing is held for him:
 * a source is a cursor into the log. One loop thread.
 */
#ifndef GROUPFS_DAEMON_CTL_FOLLOW_H
#define GROUPFS_DAEMON_CTL_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/show.h"
#include "lib/feed.h"
#include "lib/list.h"

enum { FOLLOW_BATCH = 64 << 10 /* bytes */ };

/* How messages are printed: for people; the lines of `live`; JSON Lines. */
enum follow_form { FOLLOW_PEOPLE, FOLLOW_LINES, FOLLOW_JSON };

struct follow {
	struct ctl *ctl;		   /* borrowed */
	const struct ctl_options *options; /* borrowed */
	struct ctl_watcher watcher;
	struct feed feed;
	struct list sources;
	struct list ready; /* sources that perhaps have something */
	struct buf out;	   /* to be written in this turn */
	struct terminal terminal;
	struct show show;
	enum follow_form form;
	bool all;	  /* my groups, those too that I am added to */
	bool several;	  /* the group's name is printed */
	bool notes;	  /* stderr is a terminal: it is told what goes on */
	bool offline;	  /* and was told so */
	bool live;	  /* it was told that all are live */
	bool stopped;	  /* the feed is gone */
	uint64_t mark_ms; /* loop time when the pointers were moved last */
	enum ctl_exit rc;

	/* follow_groups.c */
	struct client_request listing;
	char after[WIRE_NAME_MAX + 1]; /* the last group that was listed */
	bool listed;		       /* to the end, once */
	bool stale;		       /* to be listed once more */
};

/* One group. */
struct source {
	struct list link;
	struct list ready;
	struct follow *follow;
	struct feed_sub sub;
	uint64_t group_id;
	uint64_t marked; /* as far as the read pointer was moved */
	uint64_t shown;	 /* the last seq that was written to stdout */
	bool started;	 /* it was said how much there is to catch up */
	/* The original of the reply that comes next. */
	struct client_request pull;
	struct show_quote quote;
	bool asked;    /* for quote.seq: it is there, or will not be */
	bool restored; /* what it followed is gone: groupd has another store */
	char name[WIRE_NAME_MAX + 1];
};

/* Follows one more group, from after_seq on (feed.h). -ENOMEM */
int follow_add(struct follow *f, uint64_t group_id, struct str name,
	       uint64_t after_seq);
struct source *follow_find(const struct follow *f, uint64_t group_id);
void follow_drop(struct source *s);

/* "-- text --" on stderr, where that is a terminal. */
void follow_note(const struct follow *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends what there is, up to FOLLOW_BATCH bytes, to f->out. Sources that
 * have come to their end are handed to ended(). */
void follow_gather(struct follow *f, void (*ended)(struct source *s));

/* Lists all my groups and follows those that are new. */
void follow_list(struct follow *f);
/* I was added to a group, perhaps. */
void follow_on_member(struct follow *f, const struct wire_body_ev_member *ev);

#endif
