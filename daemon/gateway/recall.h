/* SPDX-License-Identifier: MIT */
/*
 * Which group a user meant by a name when he last used it, so that a message
 * to it need not be preceded by a question. What is recalled may be over: he
 * has left, or the group was deleted, and perhaps another one has its name. So
 * only what groupd itself checks may be done with it, and what is refused as
 * if there were no such group is asked anew (resolve.h). Nobody finds what
 * another user has found: not even by how long it takes. One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_RECALL_H
#define GROUPFS_DAEMON_GATEWAY_RECALL_H

#include <stdint.h>

#include "lib/list.h"
#include "lib/table.h"

enum { RECALL_MAX = 65536 /* names; the one used longest ago goes */ };

struct recall {
	struct table table;
	struct list order; /* by their last use */
	uint64_t seed;
};

void recall_init(struct recall *all, uint64_t seed);
void recall_release(struct recall *all);
/* 0: it is not known. */
uint64_t recall_find(struct recall *all, struct str user, struct str name);
/* Without memory it is not noted. */
void recall_note(struct recall *all, struct str user, struct str name,
		 uint64_t group_id);
void recall_forget(struct recall *all, struct str user, struct str name);

#endif
