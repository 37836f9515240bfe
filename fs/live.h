/* SPDX-License-Identifier: MIT */
/*
 * The inside of an open stream, GROUP/live or .me/live: file_live.c reads it,
 * live_groups.c keeps .me/live's groups. One loop thread.
 */
#ifndef GROUPFS_FS_LIVE_H
#define GROUPFS_FS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/file.h"
#include "lib/feed.h"
#include "lib/table.h"

/* One group of a stream. */
struct source {
	struct list link;	/* in live->sources */
	struct list ready;	/* in live->ready: perhaps it has lines */
	struct table_node node; /* in live->by_group, of .me/live */
	struct live *live;
	struct feed_sub sub;
	uint64_t group_id;
	char *prefix; /* owned: "GROUP\t"; NULL in GROUP/live */
};

struct live {
	/* Messages that were to be read are not kept any more: the next read
	 * says so, and the one behind it goes on with what is. */
	struct err cut;
	struct handle *handle; /* borrowed: it owns this */
	struct list sources;
	struct list ready;
	struct list readers;		/* ops that wait, in order */
	struct source *partial;		/* its next line is begun */
	size_t skip;			/* bytes of that line, read */
	bool broken;			/* a begun line is not to be ended */
	struct fuse_pollhandle *poller; /* owned; NULL: nobody polls */

	/* .me/live */
	bool all;
	struct list of_fs; /* in fs->streams */
	struct table by_group;
	struct client_request listing;
	char after[WIRE_NAME_MAX + 1]; /* the last group that was listed */
	bool stale;		       /* to be listed once more */
};

/* The source of a group; NULL: there is none. .me/live only. */
struct source *live_find(const struct live *live, uint64_t group_id);
/* Reads the group, too, from after_seq on (feed.h). name is what its lines
 * begin with; empty: nothing. -ENOMEM. */
int live_add(struct live *live, uint64_t group_id, struct str name,
	     uint64_t after_seq);
void source_free(struct source *s);

/* Has it list them once more, a little later. */
void live_relist(struct live *live);
/* Adds all groups of the opener that are not in it yet. */
void live_list_groups(struct live *live);

#endif
