/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/recall.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct table_node node;
	struct list link;
	uint64_t group_id;
	size_t user_len, name_len;
	char text[]; /* the user, then the name */
};

static uint64_t hash(const struct recall *all, struct str user, struct str name)
{
	return table_hash_keyed(table_hash_keyed(all->seed, user), name);
}

static struct entry *find(const struct recall *all, struct str user,
			  struct str name)
{
	struct table_node *n = table_find(&all->table, hash(all, user, name));

	for (; n != NULL; n = table_next(n)) {
		struct entry *e = container_of(n, struct entry, node);

		if (str_eq(str_make(e->text, e->user_len), user) &&
		    str_eq(str_make(e->text + e->user_len, e->name_len), name))
			return e;
	}
	return NULL;
}

static void drop(struct recall *all, struct entry *e)
{
	table_remove(&all->table, &e->node);
	list_remove(&e->link);
	free(e);
}

void recall_init(struct recall *all, uint64_t seed)
{
	*all = (struct recall){ .seed = seed };
	list_init(&all->order);
}

void recall_release(struct recall *all)
{
	while (!list_empty(&all->order))
		drop(all, container_of(all->order.next, struct entry, link));
	table_release(&all->table);
}

uint64_t recall_find(struct recall *all, struct str user, struct str name)
{
	struct entry *e = find(all, user, name);

	if (e == NULL)
		return 0;
	list_remove(&e->link);
	list_push(&all->order, &e->link);
	return e->group_id;
}

void recall_note(struct recall *all, struct str user, struct str name,
		 uint64_t group_id)
{
	struct entry *e = find(all, user, name);

	if (e != NULL) {
		e->group_id = group_id;
		return;
	}
	e = malloc(sizeof(*e) + user.len + name.len);
	if (e == NULL)
		return;
	*e = (struct entry){ .group_id = group_id,
			     .user_len = user.len,
			     .name_len = name.len };
	memcpy(e->text, user.data, user.len);
	memcpy(e->text + user.len, name.data, name.len);
	if (!table_insert(&all->table, &e->node, hash(all, user, name))) {
		free(e);
		return;
	}
	list_push(&all->order, &e->link);
	if (all->table.count > RECALL_MAX)
		drop(all, container_of(all->order.next, struct entry, link));
}

void recall_forget(struct recall *all, struct str user, struct str name)
{
	struct entry *e = find(all, user, name);

	if (e != NULL)
		drop(all, e);
}
