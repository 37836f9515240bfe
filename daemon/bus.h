/* SPDX-License-Identifier: MIT */
/*
 * Hints between the nodes that share a store, through Redis, and who is online
 * on any of them. Without a URL there is one node: then nothing here costs
 * anything, no handle is on the loop, and counts are those of this node.
 *
 *   bus.c           hints: encoded, gathered, published; the state
 *   bus_channels.c  whose hints come; checked, and given to the callbacks
 *   bus_presence.c  who is online where
 *   bus_online.c    how many are, over all nodes
 *   bus_redis*.c    the two connections to Redis: up, down, up again
 *   bus_url.c       what --bus takes
 *
 * All that comes is a HINT: it may be forged, lost, doubled, late or about
 * what is not there, and only numbers and names are in it, each of which was
 * checked for its form alone. A hint is a reason to look into the store, never
 * more. What is published while Redis is away is dropped: the sweep heals.
 *
 *   groupfs:<store>:g:<group>  "<last_seq> <member_version> <node>"
 *   groupfs:<store>:u:<user>   "v <version> <node>"
 *                              "m <group> <seq> <node>"     mentioned
 *                              "r <group> <seq> <node>"     read up to there
 *   groupfs:<store>:t          "<node>"                     tokens were revoked
 *   groupfs:<store>:n          "new|here|gone <node>"       who is there
 *
 * <store> and <node> are 16 hex digits; a node's number is made at its start,
 * and hints of its own do not come back to it. Nothing blocks; all functions
 * are the loop's, and callbacks come on the loop, never from inside a function
 * that was called.
 */
#ifndef GROUPFS_DAEMON_BUS_H
#define GROUPFS_DAEMON_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/str.h"

struct bus;
struct redis;	 /* daemon/bus_redis.c */
struct presence; /* daemon/bus_presence.c */
struct hints;	 /* daemon/bus.c */
struct channels; /* daemon/bus_channels.c */

/* What another node said; NULL: not asked for. Strings are borrowed until the
 * callback returns. From inside, all but bus_close() may be called. */
struct bus_ops {
	/* The group has reached last_seq and member_version, or was deleted
	 * (then both are 0). Either number may be 0 where it did not change. */
	void (*on_group)(void *data, uint64_t group_id, uint64_t last_seq,
			 uint64_t member_version);
	/* The user's version (store_list_user_versions()) is this. */
	void (*on_user)(void *data, struct str user, uint64_t version);
	/* The message seq of the group mentions the user. */
	void (*on_mention)(void *data, struct str user, uint64_t group_id,
			   uint64_t seq);
	/* The user's read pointer of the group is seq. */
	void (*on_read)(void *data, struct str user, uint64_t group_id,
			uint64_t seq);
	/* Some tokens are not valid any more. */
	void (*on_tokens)(void *data);
	/* Redis is there, or is not any more: what was published in between is
	 * lost, so look at everything once. */
	void (*on_state)(void *data, bool up);
};

struct bus_options {
	const char *url;	   /* as bus_check_url() takes; empty: no bus */
	uint64_t store;		   /* store_identity() */
	const struct env *env;	   /* borrowed */
	const struct bus_ops *ops; /* borrowed */
	void *data;		   /* borrowed; of the callbacks */
	uint64_t beat_ms; /* how often it says that it is there; 0: 5 s */
};

enum bus_state {
	BUS_NONE, /* one node */
	BUS_DOWN, /* Redis is not there; tried again, with back-off */
	BUS_UP
};

enum { BUS_WHY_MAX = 160 };

/* For `status` and /metrics. Counters are since the start. */
struct bus_figures {
	enum bus_state state;
	uint64_t since_ms; /* of the state */
	/* Why it is down; when it is up, what Redis refuses (no memory,
	 * read-only, no rights), or "". One line, printable ASCII. */
	char why[BUS_WHY_MAX];
	uint64_t published;	/* hints that were written to Redis */
	uint64_t dropped;	/* hints that were not: down, or no room */
	uint64_t received;	/* hints of other nodes */
	uint64_t rubbish;	/* what came and was none */
	uint64_t refused;	/* commands that Redis answered with an error */
	uint64_t connects;	/* how often it came up */
	uint64_t subscriptions; /* groups and users, now */
	uint64_t nodes;		/* that were heard of lately, this one too */
	uint64_t present;	/* users in groups here, once for each group */
};

struct bus {
	uv_loop_t *loop;
	const struct env *env;
	const struct bus_ops *ops;
	void *data;
	uint64_t node;
	uint64_t beat_ms;
	struct buf prefix; /* groupfs:<store>: */
	struct bus_figures figures;
	struct hints *hints;	   /* owned; NULL, as the next three: no bus */
	struct channels *channels; /* owned */
	struct presence *presence; /* owned */
	struct redis *redis;	   /* owned */
	void (*on_closed)(struct bus *bus);
};

/*
 * What --bus and `bus` take:
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]
 *   unix://[[USER]:PASSWORD@]/PATH[?db=DB]
 * USER and PASSWORD percent-encoded. `bad_request`, in words.
 */
int bus_check_url(struct str url, struct err *err);
/* Of an URL over TCP; 0: there is none. */
uint16_t bus_port(struct str url);
/* The same without user and password, for logs and status. */
void bus_show_url(struct buf *out, struct str url);

/* Connects in the background: that Redis is not there is no error. The bus
 * must be closed also after a failure: `bad_request` (the URL), -ENOMEM. */
int bus_start(struct bus *bus, uv_loop_t *loop,
	      const struct bus_options *options, struct err *err);
/* Tells the others, as far as Redis takes it at once; answers all that wait.
 * cb, later: the memory is the caller's. Where there is no bus there is
 * nothing to wait for, and cb is called at once. */
void bus_close(struct bus *bus, void (*cb)(struct bus *bus));

/* Whether there are, or may be, other nodes. */
static inline bool bus_is_on(const struct bus *bus)
{
	return bus->redis != NULL;
}

/* Whose hints come. They are lost until Redis has heard of it, a moment later,
 * and whenever it is away. What is subscribed already stays so. -ENOMEM. */
int bus_subscribe_group(struct bus *bus, uint64_t group_id);
void bus_unsubscribe_group(struct bus *bus, uint64_t group_id);
int bus_subscribe_user(struct bus *bus, struct str user);
void bus_unsubscribe_user(struct bus *bus, struct str user);

/* To the other nodes, at the end of this turn of the loop: of several about
 * one group, or one user's version, the highest numbers go, in one PUBLISH. */
void bus_publish_group(struct bus *bus, uint64_t group_id, uint64_t last_seq,
		       uint64_t member_version);
void bus_publish_deleted(struct bus *bus, uint64_t group_id);
void bus_publish_user(struct bus *bus, struct str user, uint64_t version);
void bus_publish_mention(struct bus *bus, struct str user, uint64_t group_id,
			 uint64_t seq);
void bus_publish_read(struct bus *bus, struct str user, uint64_t group_id,
		      uint64_t seq);
void bus_publish_tokens(struct bus *bus);

/* A user has come to a group on this node, or has left it for good (not with
 * the first of several watches: with the last). */
void bus_arrive(struct bus *bus, uint64_t group_id, struct str user);
void bus_leave(struct bus *bus, uint64_t group_id, struct str user);

/* How many different users are online in a group, over all nodes. */
struct bus_online {
	struct list link;
	uint64_t group_id;
	uint64_t local; /* in: how many are here */
	uint64_t count; /* out; at least local. Not older than a second; local
			   where Redis is not there or says nothing */
	void (*cb)(struct bus_online *q);
};
/* True: q->count is there now, and cb is not called. False: q is the bus'
 * until cb, which is called once, within BUS_ONLINE_MS. */
bool bus_online(struct bus *bus, struct bus_online *q);
/* Asks nobody. False: q->count is only what is here. */
bool bus_online_known(const struct bus *bus, struct bus_online *q);

enum { BUS_ONLINE_MS = 500 };

/* Where Redis is, without the password; borrowed. Only while it is on. */
const char *bus_shown_url(const struct bus *bus);
/* The state as one line: "up since TIME", "down since TIME: why". */
void bus_describe(const struct bus *bus, struct buf *out);

#endif
