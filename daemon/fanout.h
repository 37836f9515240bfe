/* SPDX-License-Identifier: MIT */
/*
 * Tells who must know what was committed: each watching session once,
 * whatever the number of its principals; the session's process distributes.
 *
 * A session whose output is full is told nothing more about messages: its
 * interest lags, and after the drain it gets one EV_GROWN. Events about
 * members, principals, mentions and read pointers are never dropped; a session
 * that leaves even those unread is closed. What concerns one user goes to the
 * sessions that have a principal of his: nothing here walks over members. All
 * on the loop.
 */
#ifndef GROUPFS_DAEMON_FANOUT_H
#define GROUPFS_DAEMON_FANOUT_H

#include "daemon/event.h"
#include "daemon/peer.h"

/* One event of a committed transaction, in order. */
void fanout_event(struct registry *r, struct event *e);
/* The same for one mention: the message (its seq and sender) of e's group
 * mentions this user. */
void fanout_mention(struct registry *r, const struct event *e,
		    const struct wire_message *m, struct str user);
/* The one change of an EVENT_MEMBERS, told to the sessions of its user only. */
void fanout_member(struct registry *r, const struct event *e);
/* The peer's output has room again: EV_GROWN for each that lags. */
void fanout_drained(struct peer *peer);
/* The principal is no more: EV_PRINCIPAL, then it is closed. */
void fanout_end_principal(struct principal *p, enum err_code code);

#endif
