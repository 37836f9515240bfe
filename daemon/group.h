/* SPDX-License-Identifier: MIT */
/*
 * The live groups: those that some session watches. Everything else about a
 * group is in the store only.
 *
 *   groups --id--> group --> interest (one a watching session)
 *                     \          \--> watch (one a principal)
 *                     |\-> pending: watches whose tail is being read
 *                     \-> online: the users with a watch that is present
 *
 * An entry is there from the moment that the first watch is asked for, so
 * that a commit between the reading of its tail and the answer is not lost.
 * All on the loop.
 */
#ifndef GROUPFS_DAEMON_GROUP_H
#define GROUPFS_DAEMON_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table.h"
#include "lib/list.h"
#include "lib/wire.h"

struct group;
struct nodes_group;

struct groups {
	struct table by_id;
	/* The entry is about to go. May be NULL. */
	void (*on_gone)(void *data, struct group *group);
	void *data;
};

struct group {
	struct table_node node;
	uint64_t id;
	uint64_t last_seq; /* fanned out, or read: what watchers know */
	uint64_t told_seq; /* fanned out: what who lags may be told */
	struct list interests;
	struct list pending;	    /* struct group_pending */
	struct table online;	    /* struct group_user, by name */
	struct nodes_group *remote; /* what daemon/nodes knows of it, or NULL */
};

/* A user who reads along, through one watch or more. */
struct group_user {
	struct table_node node;
	size_t watches;
	char name[WIRE_USER_MAX + 1];
};

/* A WATCH that is being read. Embedded by the request. */
struct group_pending {
	struct list link;
	struct group *group; /* holds the entry */
	uint64_t principal;  /* its serial, and the watch_kind: what */
	uint64_t kind;	     /* group_forget_pending() finds it by */
	bool stale;	     /* the members changed: read again */
	bool forgotten;	     /* it was ended before it was made */
};

/* The entry; NULL when nobody watches or waits to. */
struct group *groups_find(const struct groups *g, uint64_t id);
/* Whether a message of it would have to be told to anybody. */
bool groups_watched(const struct groups *g, uint64_t id);
/* Puts p on the group's list, making the entry. -ENOMEM. */
int groups_begin(struct groups *g, uint64_t id, struct group_pending *p);
/* Takes it off; frees the entry if it was the last. */
void groups_end(struct groups *g, struct group_pending *p);
/* Frees the entry when nobody is left. */
void groups_tidy(struct groups *g, struct group *group);
/* All pending watches have to be read again. */
void group_stale(struct group *group);
/* Those of that principal and kind will not be made. */
void group_forget_pending(struct group *group, uint64_t principal,
			  uint64_t kind);

/* One more watch of the user; NULL without memory. It goes with its last
 * watch. How many users there are costs nothing to know. */
struct group_user *group_arrive(struct group *group, struct str user);
void group_leave(struct group *group, struct group_user *user);
static inline size_t group_online(const struct group *group)
{
	return group->online.count;
}

#endif
