/* SPDX-License-Identifier: MIT */
/*
 * The live groups: those that some session watches. Everything else about a
 * group is in the store only.
 *
 *   groups --id--> group --> interest (one a watching session)
 *                     \          \--> watch (one a principal)
 *                      \-> pending: watches whose tail is being read
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

struct groups {
	struct table by_id;
};

struct group {
	struct table_node node;
	uint64_t id;
	uint64_t last_seq; /* fanned out, or read: what watchers know */
	struct list interests;
	struct list pending; /* struct group_pending */
};

/* A WATCH that is being read. Embedded by the request. */
struct group_pending {
	struct list link;
	struct group *group; /* holds the entry */
	bool stale;	     /* the members changed: read again */
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

#endif
