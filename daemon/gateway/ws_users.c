/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/ws_users.h"

#include <stdlib.h>

struct ws_user *ws_users_find(const struct table *users, struct str name)
{
	struct table_node *n = table_find(users, table_hash_bytes(name));

	for (; n != NULL; n = table_next(n)) {
		struct ws_user *user = container_of(n, struct ws_user, node);

		if (str_eq(str_of(user->name), name))
			return user;
	}
	return NULL;
}

static struct ws_user *add(struct table *users, struct str name)
{
	struct ws_user *user = calloc(1, sizeof(*user));

	if (user == NULL ||
	    !str_to_cstr(name, user->name, sizeof(user->name)) ||
	    !table_insert(users, &user->node, table_hash_bytes(name))) {
		free(user);
		return NULL;
	}
	list_init(&user->conns);
	return user;
}

struct ws_user *ws_users_join(struct table *users, struct str name,
			      struct list *link)
{
	struct ws_user *user = ws_users_find(users, name);

	if (user == NULL)
		user = add(users, name);
	if (user != NULL)
		list_push(&user->conns, link);
	return user;
}

void ws_users_leave(struct table *users, struct ws_user *user,
		    struct list *link)
{
	if (user == NULL)
		return;
	list_remove(link);
	if (!list_empty(&user->conns))
		return;
	table_remove(users, &user->node);
	free(user);
}
