/* SPDX-License-Identifier: MIT */
/*
 * What other nodes wrote comes to this node's watchers, as if it had been
 * written here.
 *
 *   hint (daemon/bus) --\
 *                        +--> reader thread: store --> loop: fanout
 *   sweep, each second --/
 *
 *   nodes.c        what is known of groups and users here; hints that come
 *   nodes_own.c    what our own lanes committed, and hints about it
 *   nodes_group.c  a group has grown: its messages and changes of members;
 *                  its floor has moved
 *   nodes_user.c   a user was added somewhere, was mentioned, has read
 *   nodes_sweep.c  all groups and users, and tokens, looked at by number
 *
 * A hint is a reason to look, never more: what is told is what the store says.
 * A group is read once for all who watch it here, at most once at a time;
 * hints that come meanwhile become one more look. The changes of members are
 * read behind the messages and told before them, so whoever was removed is
 * told nothing that came behind that. Who hints three times in a row at what
 * is not there waits for the next sweep, and so does who hints too often.
 *
 * Where the store has not answered for NODES_DOUBT_MS, nobody knows here who
 * is a member: mounts are disconnected, since they answer from what they were
 * told, and may not watch until a sweep went through; messages are not handed
 * out to watchers, who are told to read the log instead, where each is checked.
 *
 * Only where the store is shared; elsewhere there is no struct nodes. All on
 * the loop, but for what runs on its own two reader threads.
 */
#ifndef GROUPFS_DAEMON_NODES_H
#define GROUPFS_DAEMON_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/event.h"
#include "daemon/peer.h"
#include "daemon/readers.h"
#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/list.h"
#include "lib/str.h"
#include "lib/table.h"

enum {
	NODES_SWEEP_MS = 1000,
	NODES_SOON_MS = 50, /* what was just begun is looked at once more */
	NODES_DOUBT_MS = 5000,
	NODES_PIECE = 1000,   /* groups, or users, a question to the store */
	NODES_READ_MAX = 512, /* messages that are read at a time */
	NODES_FAR = 10000,    /* messages behind: watchers pull themselves */
	NODES_CHANGES_MAX = 10000,
	NODES_FUTILE_MAX = 3,	/* hints in a row that lied */
	NODES_HINTS_MAX = 64,	/* of a user and kind, that are heard a sweep */
	NODES_TOKENS_MAX = 2,	/* hints at tokens that are heard a sweep */
	NODES_USERS_TOLD = 1000 /* of one change of members, by hints */
};

/* A version that nobody knows yet: the number that hints may have at most. */
static const uint64_t NODES_NEWER = INT64_MAX;

/* How the other nodes are told: daemon/bus, as in bus.h, or a test's double. */
struct nodes_tell {
	int (*subscribe_group)(void *data, uint64_t group_id);
	void (*unsubscribe_group)(void *data, uint64_t group_id);
	int (*subscribe_user)(void *data, struct str user);
	void (*unsubscribe_user)(void *data, struct str user);
	void (*group)(void *data, uint64_t group_id, uint64_t last_seq,
		      uint64_t member_version);
	void (*deleted)(void *data, uint64_t group_id);
	void (*user)(void *data, struct str user, uint64_t version);
	void (*mention)(void *data, struct str user, uint64_t group_id,
			uint64_t seq);
	void (*read)(void *data, struct str user, uint64_t group_id,
		     uint64_t seq);
	void (*tokens)(void *data);
};

/* Since the start. */
struct nodes_figures {
	uint64_t hints;		  /* that named what is watched or open here */
	uint64_t news;		  /* of those: that had the store looked into */
	uint64_t dropped;	  /* too many at once, or lies before */
	uint64_t messages;	  /* of other nodes, that were told */
	uint64_t changes;	  /* of members, likewise */
	uint64_t sweeps;	  /* that went through */
	uint64_t failures;	  /* questions that the store did not answer */
	struct histogram seconds; /* how long a sweep took */
	struct histogram lag;	  /* of a message, from its time on */
};

struct nodes_sweep; /* nodes_sweep.c */

struct nodes {
	struct registry *registry; /* borrowed, as the next two */
	struct session_host *host;
	const struct env *env;
	const struct nodes_tell *tell; /* NULL: nobody is told */
	void *tell_data;
	uv_loop_t *loop;
	struct nodes_figures figures;
	bool doubtful;

	/* private */
	struct readers pool;
	uv_timer_t timer;
	uv_timer_t soon;
	struct list groups;  /* struct nodes_group; those first that no sweep
				has seen yet */
	struct list users;   /* struct nodes_user, likewise */
	struct list waiting; /* users that wait for a group to be read */
	struct list late;    /* users with hints that came before the store */
	struct table by_name;
	size_t count_groups;
	struct nodes_sweep *sweep; /* owned */
	unsigned due;		   /* SWEEP_* */
	unsigned token_sweeps;	   /* that hints asked for, since the last */
	uint64_t serial;	   /* of the last look at a group */
	uint64_t answered_ms;	   /* when the store last did, uv_now() */
	uint64_t doubt_ms;	   /* NODES_DOUBT_MS, but for tests */
	bool failing;		   /* it did not, the last time */
	bool closing;
	int open; /* handles */
	void (*on_close)(struct nodes *n);
};

struct nodes_options {
	struct registry *registry;
	struct session_host *host;
	const struct env *env;
	const char *url;
	const struct store_options *store;
};

/* Hooks itself into the registry. After a failure nothing is to be closed. */
int nodes_start(struct nodes *n, uv_loop_t *loop,
		const struct nodes_options *options, struct err *err);
/* Blocks for what is being read. */
void nodes_close(struct nodes *n, void (*cb)(struct nodes *n));

/* Of a group that is watched, the message that is to be told next, and the
 * member_version that was told; 0: it is not. n may be NULL, in all of these.
 */
uint64_t nodes_next(const struct nodes *n, uint64_t group_id);
uint64_t nodes_version(const struct nodes *n, uint64_t group_id);
/* Whether a WATCH has to bring the group's version, from the snapshot in
 * which its user was a member. */
bool nodes_needs(const struct nodes *n, const struct group *group);
/* A watch was made; told: up to where its session knows. version: what was
 * read, or NULL. -ENOMEM: what others write would not be told. */
int nodes_watch(struct nodes *n, struct group *group,
		const struct store_version *version, uint64_t told);
/* The same of a user's first principal; version: before it was answered. */
int nodes_open(struct nodes *n, struct str user, uint64_t version);

/* An event of our own lane, before it is fanned out: tells the others whom it
 * names, then takes off what was told here already. False: that is all of it.
 */
bool nodes_before(struct nodes *n, struct event *e);
/* And when it was fanned out: tells the others the rest. */
void nodes_after(struct nodes *n, const struct event *e);

/* Hints, as in struct bus_ops. */
void nodes_on_group(struct nodes *n, uint64_t group_id, uint64_t last_seq,
		    uint64_t member_version);
void nodes_on_user(struct nodes *n, struct str user, uint64_t version);
void nodes_on_mention(struct nodes *n, struct str user, uint64_t group_id,
		      uint64_t seq);
void nodes_on_read(struct nodes *n, struct str user, uint64_t group_id,
		   uint64_t seq);
void nodes_on_tokens(struct nodes *n);
void nodes_on_state(struct nodes *n, bool up);

#endif
