/* SPDX-License-Identifier: MIT */
/* The inside that nodes.c, nodes_own.c, nodes_group.c, nodes_user.c and
 * nodes_sweep.c share; all on the loop. */
#ifndef GROUPFS_DAEMON_NODES_PRIVATE_H
#define GROUPFS_DAEMON_NODES_PRIVATE_H

#include "daemon/nodes.h"

/* What is known of a group that is watched here. */
struct nodes_group {
	struct list link; /* nodes->groups */
	struct nodes *nodes;
	struct group *group; /* NULL: gone, while it is being read */
	uint64_t id;
	/* What came before it was watched, and up to where all was told. */
	uint64_t base_seq;
	uint64_t seq;
	uint64_t base_version;
	uint64_t version;
	uint64_t first_seq; /* the floor that was told */
	uint64_t round;	    /* of the last sweep that asked for it, */
	uint64_t seen;	    /* and of the last that found it */
	uint64_t asked_seq; /* what had been told when it asked */
	uint64_t asked_version;
	uint64_t looked; /* the serial of the last look that was answered */
	uint64_t missed; /* what that did not find, though it is there; 0 */
	/* What hints say: that it has reached these, or is gone. */
	uint64_t want;
	uint64_t want_version;
	bool want_gone;
	unsigned futile;
	bool look;  /* what there is, whatever was said */
	bool roles; /* changes were lost: who watches is asked for each */
	bool busy;  /* being read */
};

enum {
	NODES_RING = 16,
	NODES_HINTS = 8,
	NODES_LAST = 16,      /* of a user and kind: what was told */
	NODES_SKEW_MS = 5000, /* by which the clocks of nodes may differ */
	NODES_TRIES = 3	      /* sweeps until a pointer is written */
};

/* Of a user's change in a group: it was told without a look at him. */
struct nodes_told {
	uint64_t group_id; /* 0: none */
	enum member_change change;
};

enum nodes_hint_kind { NODES_MENTION, NODES_READ, NODES_HINT_KINDS };
struct nodes_hint {
	enum nodes_hint_kind kind;
	uint64_t group_id;
	uint64_t seq;
	unsigned tries;
	uint64_t time_ms; /* of a mention that was told */
};

/* What a user was told of a kind, by whatever way, oldest first: each mention,
 * and the pointer of each group. */
struct nodes_last {
	size_t count;
	struct nodes_hint hints[NODES_LAST];
};

/* A user who has a principal here. */
struct nodes_user {
	struct table_node node; /* nodes->by_name */
	struct list link;	/* nodes->users */
	struct list wait;	/* nodes->waiting */
	struct list late;	/* nodes->late */
	struct nodes *nodes;
	char name[WIRE_USER_MAX + 1];
	uint64_t version;
	uint64_t asked; /* what it was when the last sweep asked */
	uint64_t round;
	uint64_t since; /* waits for a look at a group behind this serial */
	unsigned futile;
	bool look;
	bool hinted;
	bool busy;
	bool gone; /* his last principal, while he is being looked at */
	struct nodes_told told[NODES_RING];   /* oldest first */
	struct nodes_told looked[NODES_RING]; /* by his looks, likewise; the
						 last of each group */
	struct nodes_hint hints[NODES_HINTS]; /* to be looked at */
	size_t nhints;
	struct nodes_hint later[NODES_HINTS]; /* by the next sweep */
	size_t nlater;
	struct nodes_last last[NODES_HINT_KINDS];
	/* The youngest mention that is not in last any more, and may have been
	 * told, its time less NODES_SKEW_MS; at first, the time since when he
	 * is here. Hints at what is not younger are forged. */
	struct nodes_hint floor;
	/* Since the last sweep: true ones that are old are forged, too. */
	unsigned heard[NODES_HINT_KINDS];
};

struct nodes_group *nodes_find_group(const struct nodes *n, uint64_t id);
struct nodes_user *nodes_find_user(const struct nodes *n, struct str name);
/* The store has answered, or has not; that is said once. */
void nodes_answered(struct nodes *n);
void nodes_failed(struct nodes *n, const struct err *err);
/* Somebody's membership was told: his look need not tell it again. */
void nodes_note(struct nodes *n, const struct event *e);
/* His look tells it: an event of our own, that comes behind that, need not. */
void nodes_note_look(struct nodes_user *u, const struct event *e);
/* The mentions of an event that were told, by another event: they go. */
void nodes_strip(const struct nodes_group *ng, struct event *e);

/* Whether something is said of it that was not told. */
bool nodes_group_wants(const struct nodes_group *ng);
/* Reads the group, now or when the present look is over. */
void nodes_group_kick(struct nodes_group *ng);
/* Tells that the floor is at v's, once all below it was told. Whether it was
 * news. */
bool nodes_group_floor(struct nodes_group *ng, const struct store_version *v);
/* The store says less of it than it said: it has lost what it acknowledged, as
 * a database does that fails over to one that is behind. Numbers that were told
 * will be those of other messages; so who watches begins anew. Says nothing. */
void nodes_group_lost(struct nodes_group *ng, const struct store_version *v);
/* Frees one that is gone. */
void nodes_group_drop(struct nodes_group *ng);

/* Whether one says as much. */
bool nodes_hint_is_in(const struct nodes_hint *hints, size_t count,
		      const struct nodes_hint *hint);
bool nodes_user_knows(const struct nodes_user *u,
		      const struct nodes_hint *hint);
/* He was told. */
void nodes_user_note(struct nodes_user *u, const struct nodes_hint *hint);
/* The mentions and the pointer of an event were told here. */
void nodes_note_told(struct nodes *n, const struct event *e);
void nodes_user_kick(struct nodes_user *u);
void nodes_user_drop(struct nodes_user *u);

enum { SWEEP_FRESH = 1, SWEEP_GROUPS = 2, SWEEP_USERS = 4 };

struct nodes_sweep *nodes_sweep_new(struct nodes *n);
void nodes_sweep_free(struct nodes_sweep *s);
/* False: one is still under way. */
bool nodes_sweep_start(struct nodes *n, unsigned what);
/* In a moment. */
void nodes_sweep_soon(struct nodes *n, unsigned what);
/* A whole sweep has gone through. */
void nodes_swept(struct nodes *n);

#endif
