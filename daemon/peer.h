/* SPDX-License-Identifier: MIT */
/*
 * What groupd knows about the other end of a session: its principals, what
 * they watch, and where they were members.
 *
 *   peer --> principal --> watch --> interest --> group
 *                    \--> seen (a group he was a member of)
 *   registry: all principals by user and by token
 *
 * All on the loop. Bounds: PEER_PRINCIPALS_MAX, PEER_WATCHES_MAX; of `seen`
 * the oldest go.
 */
#ifndef GROUPFS_DAEMON_PEER_H
#define GROUPFS_DAEMON_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/connections.h"
#include "daemon/group.h"
#include "daemon/report.h"
#include "daemon/session.h"
#include "lib/table.h"
#include "lib/list.h"
#include "lib/wire.h"
#include "store/store.h"

enum {
	PEER_PRINCIPALS_MAX = 100000,
	PEER_WATCHES_MAX = 1000000,
	PEER_SEEN_MAX = 200000
};

/* Shared by all peers. */
struct registry {
	struct table users;  /* principals that are READY, by user */
	struct table tokens; /* those of tokens, by hash */
	struct list expiring;
	struct list tell; /* peers that get the event being told */
	struct groups groups;
	struct connections connections;
	uint64_t serial;
	uint64_t revocations; /* of tokens, that were told */
	uint64_t stamp;	      /* of the event that is being told */
	size_t principals;
	size_t people; /* users that have one, or more */
	size_t watches;
	/* Nobody knows who is a member now (daemon/nodes.h): messages are not
	 * handed out, those who watch must read the log and are checked. */
	bool doubtful;
	/* The user's last principal is gone. May be NULL. */
	void (*on_left)(void *data, struct str user);
	void *data;
	/* A principal whose token ends then is READY. May be NULL. */
	void (*on_expiring)(void *data, uint64_t expires_ms);
	void *expiring_data;
	/* A user is in a group now, with his first watch that is present, or
	 * is not any more. May be NULL. */
	void (*on_presence)(void *data, uint64_t group_id, struct str user,
			    bool here);
	void *presence_data;
};

struct peer {
	struct session session;
	struct registry *registry; /* borrowed */
	struct table principals;
	struct table watches;
	struct table interests;
	struct table seen;
	struct list seen_order; /* oldest first */
	struct list lagging;	/* interests that owe an EV_GROWN */
	struct list tell;	/* registry->tell */
	uint64_t stamp;		/* of the last event that it was told */
	bool gateway;		/* only tokens may be shown */
	bool mount;		/* groupfs: answers from what it was told */
	struct report *report;	/* owned: a gateway's last REPORT, or NULL */
};

enum principal_state { PRINCIPAL_OPENING, PRINCIPAL_READY };

struct principal {
	struct table_node by_id;
	struct table_node by_user;
	struct table_node by_token;
	struct list expiring;
	struct list watches;
	struct list seen;
	struct peer *peer;
	uint32_t id;
	uint64_t serial; /* tells a reused id apart */
	enum principal_state state;
	enum principal_kind kind;
	char user[WIRE_USER_MAX + 1];
	bool admin;
	uint8_t hash[STORE_TOKEN_HASH];
	uint64_t expires_ms;  /* 0: never */
	uint64_t connections; /* that it has taken, of its user's */
};

struct watch {
	struct table_node by_key; /* in peer->watches */
	struct list of_principal;
	struct list of_interest;
	struct principal *principal;
	struct interest *interest;
	struct group_user *present; /* NULL: no WATCH_PRESENT */
	bool quiet;		    /* WATCH_QUIET */
};

/* One session's interest in one group. */
struct interest {
	struct table_node by_group; /* in peer->interests */
	struct list of_group;
	struct list lagging;
	struct list watches;
	struct peer *peer;
	struct group *group;
	uint64_t told; /* the last seq that this session was told of */
};

void registry_init(struct registry *r);
void registry_release(struct registry *r);
/* The first READY principal of a user, and the next one. */
struct principal *registry_user(const struct registry *r, struct str user);
struct principal *registry_user_next(const struct principal *p);
struct principal *registry_token(const struct registry *r,
				 const uint8_t hash[STORE_TOKEN_HASH]);

void peer_init(struct peer *peer, struct registry *r, bool gateway);
/* Closes all principals. The session may be closed already. */
void peer_release(struct peer *peer);

struct principal *peer_principal(const struct peer *peer, uint32_t id);
/* A new one in OPENING; NULL: the bound is reached or no memory. The id must
 * be free. */
struct principal *peer_open(struct peer *peer, uint32_t id,
			    enum principal_kind kind);
/* OPENING -> READY: user, admin, hash and expires_ms are filled. -ENOMEM. */
int principal_ready(struct principal *p);
/* Drops its watches and frees it. */
void principal_close(struct principal *p);

struct interest *peer_interest(const struct peer *peer, uint64_t group_id);
struct watch *principal_watch(const struct principal *p, uint64_t group_id);
/* Adds a watch of that kind where there is none; last_seq: of the tail that
 * was read. The interest, or NULL: bound or memory. */
struct interest *principal_add_watch(struct principal *p, struct group *group,
				     enum watch_kind kind, uint64_t last_seq);
/* Ends its kind, and drops it with the last one. */
void watch_end(struct watch *w, enum watch_kind kind);
/* Drops it, and what it alone kept alive. */
void watch_drop(struct watch *w);

/* Remembers and asks whether p was a member of the group. */
void principal_note_member(struct principal *p, uint64_t group_id);
bool principal_was_member(const struct principal *p, uint64_t group_id);

#endif
