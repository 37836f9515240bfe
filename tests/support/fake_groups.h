/* SPDX-License-Identifier: MIT */
/*
 * A fake groupd with groups in it: it keeps who is a member, read pointers
 * and watches as groupd does, and answers WATCH, UNWATCH and PULL. Messages
 * are not kept but made: their content says which group, epoch and seq they
 * are of, so that a reader can check what he got.
 *
 * The users are u0, u1, ... by uid.
 */
#ifndef GROUPFS_TESTS_FAKE_GROUPS_H
#define GROUPFS_TESTS_FAKE_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/list.h"
#include "tests/support/fake_peer.h"

enum { FAKE_GROUPS = 4, FAKE_USERS = 4, FAKE_PRINCIPALS = 64 };

struct fake_group {
	uint64_t epoch, first_seq, last_seq;
	uint64_t pointer[FAKE_USERS];
	bool member[FAKE_USERS];
	bool watched[FAKE_USERS]; /* on this connection */
};

/* Group g (0, 1, ...) has the id g + 1. All users are members at first. */
struct fake_groups {
	struct fake_peer peer; /* peer.data is this */
	struct fake_group g[FAKE_GROUPS];
	unsigned watches, unwatches, pulls; /* how many came */
	uint64_t asked;	      /* bytes of the pulls that are held */
	unsigned pull_errors; /* so many PULLs are `unavailable` */
	unsigned watch_error; /* all WATCHes are; 0: none */
	bool hold;	      /* answers wait for fake_groups_answer() */

	/* private */
	int uid_of[FAKE_PRINCIPALS]; /* by number; -1: not open */
	struct list held;
	unsigned connection;
};

void fake_groups_start(struct fake_groups *f, uv_loop_t *loop);
/* See fake_peer_close(). */
void fake_groups_close(struct fake_groups *f);

/* Answers the oldest request that is held. False: there is none. */
bool fake_groups_answer(struct fake_groups *f);

/* count more messages, with EV_MESSAGES to who watches, or EV_GROWN. */
void fake_groups_publish(struct fake_groups *f, unsigned at, unsigned count,
			 bool grown);
/* An EV_MESSAGES that ends in rubbish. */
void fake_groups_publish_rubbish(struct fake_groups *f, unsigned at);
/* With EV_MEMBER to who watches. True: the user's own watch gets it. */
bool fake_groups_remove(struct fake_groups *f, unsigned g, unsigned user);

#endif
