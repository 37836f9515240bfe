/* SPDX-License-Identifier: MIT */
/*
 * The WebSockets of this process by their user's name, so that what concerns
 * one user costs in proportion to his own connections, however many others
 * there are.
 *
 * One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_WS_USERS_H
#define GROUPFS_DAEMON_GATEWAY_WS_USERS_H

#include "lib/list.h"
#include "lib/str.h"
#include "lib/table.h"
#include "lib/wire.h"

/* A user who has a connection here. */
struct ws_user {
	struct table_node node;
	struct list conns; /* what ws_users_join() was given */
	char name[WIRE_USER_MAX + 1];
};

/* Puts link with the others of that user; name: at most WIRE_USER_MAX bytes.
 * NULL: no memory. */
struct ws_user *ws_users_join(struct table *users, struct str name,
			      struct list *link);
/* Takes link off; user goes with his last one. Takes a user of NULL. */
void ws_users_leave(struct table *users, struct ws_user *user,
		    struct list *link);
/* NULL: he has no connection here. */
struct ws_user *ws_users_find(const struct table *users, struct str name);

#endif
