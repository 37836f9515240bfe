/* SPDX-License-Identifier: MIT */
/*
 * What this mount knows of the groups that are in use, so that a stat(2) or
 * an open(2) need not ask groupd each time: that a user is a member, his role,
 * the size and time of the log.
 *
 *   FIND_GROUP's answer --> known --> known_find()      events --> feed, known
 *
 * Nothing here grows old. A group that a user comes back to is watched
 * (lib/feed): groupd tells each message and each change of its members, and
 * before it answers whoever caused them. What is known is used only while the
 * watch stands on the present connection, all that groupd has sent was read
 * (client_is_settled()), and no event said that it may be otherwise; else
 * groupd is asked, as the first time. So a member who was removed is out when
 * `echo -bob >> members` returns, on every mount.
 *
 * Bounded: KNOWN_MAX groups of users, of which the one idle for longest makes
 * room. One loop thread.
 */
#ifndef GROUPFS_FS_KNOWN_H
#define GROUPFS_FS_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/users.h"
#include "lib/client.h"
#include "lib/feed.h"
#include "lib/list.h"
#include "lib/table.h"
#include "lib/wire.h"

enum {
	KNOWN_MAX = 256,
	KNOWN_WATCH_USES = 2,	  /* from then on it is watched */
	KNOWN_IDLE_MS = 60 * 1000 /* then it is forgotten */
};

/* What is known: the part of FIND_GROUP's answer that events keep true. */
struct known_group {
	char name[WIRE_NAME_MAX + 1];
	uint64_t group_id;
	enum role role;
	uint64_t last_seq;
	uint64_t size;
	uint64_t jsonl_size;
	uint64_t mtime_ms;
	uint64_t first_seq;
	uint64_t first_off;
	uint64_t first_jsonl_off;
};

struct known {
	struct client *client; /* borrowed */
	struct feed *feed;     /* borrowed */
	struct users *users;   /* borrowed */
	uv_loop_t *loop;       /* borrowed */
	struct table by_id;    /* (uid, group_id) */
	struct table by_name;  /* (uid, name) */
	struct list order;     /* least recently used first */
	size_t count;
	uint64_t changes; /* counts what may have made an answer untrue that
			     is on its way */
};

void known_init(struct known *k, uv_loop_t *loop, struct client *client,
		struct feed *feed, struct users *users);
void known_release(struct known *k);

/* By id, or by name where that is 0. False: groupd must be asked. */
bool known_find(struct known *k, const struct user *user, uint64_t group_id,
		const char *name, struct known_group *out);
/* The watch of a user's group, for the messages that are in memory; NULL when
 * there is none that known_find() would use. */
const struct feed_sub *known_watch(struct known *k, const struct user *user,
				   uint64_t group_id);

/* To be called when groupd is asked; its result goes with the answer. */
uint64_t known_ask(const struct known *k, const struct user *user,
		   uint64_t group_id, const char *name);
/* groupd's answer to a question that was asked at `asked`. */
void known_learn(struct known *k, struct user *user,
		 const struct wire_body_group *g, uint64_t asked);
/* The group's log reaches seq, by an answer to this user: what is known
 * without it is too old, until its event is here too. */
void known_reaches(struct known *k, const struct user *user, uint64_t group_id,
		   uint64_t seq);

void known_on_event(struct known *k, const struct wire_header *header,
		    const void *body);
/* The connection was lost or made. */
void known_on_state(struct known *k);
/* Forgets all. */
void known_forget(struct known *k);
/* Forgets who is idle. */
void known_tidy(struct known *k);

#endif
