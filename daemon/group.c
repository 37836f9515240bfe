/* SPDX-License-Identifier: MIT */
#include "daemon/group.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct group *groups_find(const struct groups *g, uint64_t id)
{
	struct table_node *node = table_find(&g->by_id, table_hash_u64(id));

	for (; node != NULL; node = table_next(node)) {
		struct group *group = container_of(node, struct group, node);

		if (group->id == id)
			return group;
	}
	return NULL;
}

bool groups_watched(const struct groups *g, uint64_t id)
{
	return groups_find(g, id) != NULL;
}

static struct group *group_new(struct groups *g, uint64_t id)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return NULL;
	group->id = id;
	list_init(&group->interests);
	list_init(&group->pending);
	if (!table_insert(&g->by_id, &group->node, table_hash_u64(id))) {
		free(group);
		return NULL;
	}
	return group;
}

int groups_begin(struct groups *g, uint64_t id, struct group_pending *p)
{
	struct group *group = groups_find(g, id);

	if (group == NULL)
		group = group_new(g, id);
	if (group == NULL)
		return -ENOMEM;
	p->group = group;
	p->stale = false;
	list_push(&group->pending, &p->link);
	return 0;
}

void groups_tidy(struct groups *g, struct group *group)
{
	if (!list_empty(&group->interests) || !list_empty(&group->pending))
		return;
	assert(group->online.count == 0);
	if (g->on_gone != NULL)
		g->on_gone(g->data, group);
	table_remove(&g->by_id, &group->node);
	table_release(&group->online);
	free(group);
}

void groups_end(struct groups *g, struct group_pending *p)
{
	assert(p->group != NULL);
	list_remove(&p->link);
	groups_tidy(g, p->group);
	p->group = NULL;
}

void group_stale(struct group *group)
{
	for (struct list *el = group->pending.next; el != &group->pending;
	     el = el->next)
		container_of(el, struct group_pending, link)->stale = true;
}

void group_forget_pending(struct group *group, uint64_t principal,
			  uint64_t kind)
{
	for (struct list *el = group->pending.next; el != &group->pending;
	     el = el->next) {
		struct group_pending *p =
			container_of(el, struct group_pending, link);

		if (p->principal == principal && p->kind == kind)
			p->forgotten = true;
	}
}

struct group_user *group_arrive(struct group *group, struct str user)
{
	uint64_t hash = table_hash_bytes(user);
	struct table_node *node = table_find(&group->online, hash);
	struct group_user *u;

	for (; node != NULL; node = table_next(node)) {
		u = container_of(node, struct group_user, node);
		if (str_eq(str_of(u->name), user)) {
			u->watches++;
			return u;
		}
	}
	u = calloc(1, sizeof(*u));
	if (u == NULL || !str_to_cstr(user, u->name, sizeof(u->name)) ||
	    !table_insert(&group->online, &u->node, hash)) {
		free(u);
		return NULL;
	}
	u->watches = 1;
	return u;
}

void group_leave(struct group *group, struct group_user *user)
{
	assert(user->watches > 0);
	if (--user->watches > 0)
		return;
	table_remove(&group->online, &user->node);
	free(user);
}
