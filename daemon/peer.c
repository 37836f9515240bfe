/* SPDX-License-Identifier: MIT */
#include "daemon/peer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A principal was a member of that group. */
struct seen {
	struct table_node by_key;
	struct list of_principal;
	struct list of_peer;
	struct principal *principal;
	uint64_t group_id;
};

void registry_init(struct registry *r)
{
	*r = (struct registry){ 0 };
	list_init(&r->expiring);
	list_init(&r->tell);
}

void registry_release(struct registry *r)
{
	assert(list_empty(&r->expiring));
	table_release(&r->users);
	table_release(&r->tokens);
	table_release(&r->groups.by_id);
	connections_release(&r->connections);
}

static struct principal *by_user(struct table_node *node, struct str user)
{
	for (; node != NULL; node = table_next(node)) {
		struct principal *p =
			container_of(node, struct principal, by_user);

		if (str_eq(str_of(p->user), user))
			return p;
	}
	return NULL;
}

struct principal *registry_user(const struct registry *r, struct str user)
{
	return by_user(table_find(&r->users, table_hash_bytes(user)), user);
}

struct principal *registry_user_next(const struct principal *p)
{
	return by_user(table_next(&p->by_user), str_of(p->user));
}

static uint64_t token_key(const uint8_t hash[STORE_TOKEN_HASH])
{
	return table_hash_bytes(str_make((const char *)hash, STORE_TOKEN_HASH));
}

struct principal *registry_token(const struct registry *r,
				 const uint8_t hash[STORE_TOKEN_HASH])
{
	struct table_node *node = table_find(&r->tokens, token_key(hash));

	for (; node != NULL; node = table_next(node)) {
		struct principal *p =
			container_of(node, struct principal, by_token);

		if (memcmp(p->hash, hash, STORE_TOKEN_HASH) == 0)
			return p;
	}
	return NULL;
}

void peer_init(struct peer *peer, struct registry *r, bool gateway)
{
	peer->registry = r;
	peer->gateway = gateway;
	list_init(&peer->seen_order);
	list_init(&peer->lagging);
	list_init(&peer->tell);
}

void peer_release(struct peer *peer)
{
	struct table_node *node;

	while ((node = table_any(&peer->principals)) != NULL)
		principal_close(container_of(node, struct principal, by_id));
	list_remove(&peer->tell);
	assert(list_empty(&peer->seen_order) && list_empty(&peer->lagging));
	table_release(&peer->principals);
	table_release(&peer->watches);
	table_release(&peer->interests);
	table_release(&peer->seen);
	free(peer->report);
}

struct principal *peer_principal(const struct peer *peer, uint32_t id)
{
	struct table_node *node =
		table_find(&peer->principals, table_hash_u64(id));

	for (; node != NULL; node = table_next(node)) {
		struct principal *p =
			container_of(node, struct principal, by_id);

		if (p->id == id)
			return p;
	}
	return NULL;
}

struct principal *peer_open(struct peer *peer, uint32_t id,
			    enum principal_kind kind)
{
	struct principal *p;

	assert(peer_principal(peer, id) == NULL);
	if (peer->principals.count >= PEER_PRINCIPALS_MAX)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	if (!table_insert(&peer->principals, &p->by_id, table_hash_u64(id))) {
		free(p);
		return NULL;
	}
	list_init(&p->expiring);
	list_init(&p->watches);
	list_init(&p->seen);
	p->peer = peer;
	p->id = id;
	p->kind = kind;
	p->serial = ++peer->registry->serial;
	return p;
}

int principal_ready(struct principal *p)
{
	struct registry *r = p->peer->registry;
	uint64_t user = table_hash_bytes(str_of(p->user));

	bool known = registry_user(r, str_of(p->user)) != NULL;

	assert(p->state == PRINCIPAL_OPENING);
	if (!table_insert(&r->users, &p->by_user, user))
		return -ENOMEM;
	if (p->kind == PRINCIPAL_TOKEN &&
	    !table_insert(&r->tokens, &p->by_token, token_key(p->hash))) {
		table_remove(&r->users, &p->by_user);
		return -ENOMEM;
	}
	if (p->expires_ms != 0)
		list_push(&r->expiring, &p->expiring);
	if (p->expires_ms != 0 && r->on_expiring != NULL)
		r->on_expiring(r->expiring_data, p->expires_ms);
	p->state = PRINCIPAL_READY;
	r->principals++;
	r->people += !known;
	return 0;
}

static void seen_free(struct seen *seen)
{
	table_remove(&seen->principal->peer->seen, &seen->by_key);
	list_remove(&seen->of_principal);
	list_remove(&seen->of_peer);
	free(seen);
}

void principal_close(struct principal *p)
{
	struct registry *r = p->peer->registry;

	while (!list_empty(&p->watches))
		watch_drop(container_of(p->watches.next, struct watch,
					of_principal));
	while (!list_empty(&p->seen))
		seen_free(
			container_of(p->seen.next, struct seen, of_principal));
	if (p->state == PRINCIPAL_READY) {
		table_remove(&r->users, &p->by_user);
		if (p->kind == PRINCIPAL_TOKEN)
			table_remove(&r->tokens, &p->by_token);
		connections_drop(&r->connections, str_of(p->user),
				 p->connections);
		r->principals--;
		if (registry_user(r, str_of(p->user)) == NULL) {
			r->people--;
			if (r->on_left != NULL)
				r->on_left(r->data, str_of(p->user));
		}
	}
	list_remove(&p->expiring);
	table_remove(&p->peer->principals, &p->by_id);
	free(p);
}

struct interest *peer_interest(const struct peer *peer, uint64_t group_id)
{
	struct table_node *node =
		table_find(&peer->interests, table_hash_u64(group_id));

	for (; node != NULL; node = table_next(node)) {
		struct interest *i =
			container_of(node, struct interest, by_group);

		if (i->group->id == group_id)
			return i;
	}
	return NULL;
}

struct watch *principal_watch(const struct principal *p, uint64_t group_id)
{
	struct table_node *node =
		table_find(&p->peer->watches, table_hash_pair(p->id, group_id));

	for (; node != NULL; node = table_next(node)) {
		struct watch *w = container_of(node, struct watch, by_key);

		if (w->principal == p && w->interest->group->id == group_id)
			return w;
	}
	return NULL;
}

static struct interest *interest_new(struct peer *peer, struct group *group)
{
	struct interest *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return NULL;
	if (!table_insert(&peer->interests, &i->by_group,
			  table_hash_u64(group->id))) {
		free(i);
		return NULL;
	}
	i->peer = peer;
	i->group = group;
	list_init(&i->lagging);
	list_init(&i->watches);
	list_push(&group->interests, &i->of_group);
	return i;
}

/* Without watches there is no interest. */
static void interest_tidy(struct interest *i)
{
	struct group *group = i->group;

	if (!list_empty(&i->watches))
		return;
	table_remove(&i->peer->interests, &i->by_group);
	list_remove(&i->of_group);
	list_remove(&i->lagging);
	groups_tidy(&i->peer->registry->groups, group);
	free(i);
}

static struct watch *watch_new(struct principal *p, struct group *group,
			       uint64_t last_seq)
{
	struct interest *i = peer_interest(p->peer, group->id);
	struct watch *w;

	if (p->peer->watches.count >= PEER_WATCHES_MAX)
		return NULL;
	if (i == NULL) {
		i = interest_new(p->peer, group);
		if (i == NULL)
			return NULL;
		if (group->last_seq < last_seq)
			group->last_seq = last_seq;
		i->told = group->last_seq;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL || !table_insert(&p->peer->watches, &w->by_key,
				       table_hash_pair(p->id, group->id))) {
		free(w);
		interest_tidy(i);
		return NULL;
	}
	w->principal = p;
	w->interest = i;
	list_push(&p->watches, &w->of_principal);
	list_push(&i->watches, &w->of_interest);
	p->peer->registry->watches++;
	return w;
}

static void arrive(struct watch *w)
{
	const struct registry *r = w->interest->peer->registry;
	const struct group *group = w->interest->group;
	struct str user = str_of(w->principal->user);

	w->present = group_arrive(w->interest->group, user);
	if (r->on_presence != NULL && w->present != NULL &&
	    w->present->watches == 1)
		r->on_presence(r->presence_data, group->id, user, true);
}

static void leave(struct watch *w)
{
	const struct registry *r = w->interest->peer->registry;
	struct group *group = w->interest->group;

	if (r->on_presence != NULL && w->present->watches == 1)
		r->on_presence(r->presence_data, group->id,
			       str_of(w->principal->user), false);
	group_leave(group, w->present);
	w->present = NULL;
}

struct interest *principal_add_watch(struct principal *p, struct group *group,
				     enum watch_kind kind, uint64_t last_seq)
{
	struct watch *w = principal_watch(p, group->id);

	if (w == NULL)
		w = watch_new(p, group, last_seq);
	if (w == NULL)
		return NULL;
	if (kind == WATCH_QUIET)
		w->quiet = true;
	else if (w->present == NULL)
		arrive(w);
	if (w->present != NULL || w->quiet)
		return w->interest;
	watch_drop(w);
	return NULL;
}

void watch_end(struct watch *w, enum watch_kind kind)
{
	if (kind == WATCH_QUIET) {
		w->quiet = false;
	} else if (w->present != NULL) {
		leave(w);
	}
	if (w->present == NULL && !w->quiet)
		watch_drop(w);
}

void watch_drop(struct watch *w)
{
	struct interest *i = w->interest;

	if (w->present != NULL)
		leave(w);
	table_remove(&i->peer->watches, &w->by_key);
	list_remove(&w->of_principal);
	list_remove(&w->of_interest);
	i->peer->registry->watches--;
	free(w);
	interest_tidy(i);
}

static struct seen *find_seen(const struct principal *p, uint64_t group_id)
{
	struct table_node *node =
		table_find(&p->peer->seen, table_hash_pair(p->id, group_id));

	for (; node != NULL; node = table_next(node)) {
		struct seen *seen = container_of(node, struct seen, by_key);

		if (seen->principal == p && seen->group_id == group_id)
			return seen;
	}
	return NULL;
}

void principal_note_member(struct principal *p, uint64_t group_id)
{
	struct peer *peer = p->peer;
	struct seen *seen;

	if (find_seen(p, group_id) != NULL)
		return;
	if (peer->seen.count >= PEER_SEEN_MAX)
		seen_free(container_of(peer->seen_order.next, struct seen,
				       of_peer));
	seen = calloc(1, sizeof(*seen));
	/* Without memory he may get `no_such_group` instead, later. */
	if (seen == NULL)
		return;
	if (!table_insert(&peer->seen, &seen->by_key,
			  table_hash_pair(p->id, group_id))) {
		free(seen);
		return;
	}
	seen->principal = p;
	seen->group_id = group_id;
	list_push(&p->seen, &seen->of_principal);
	list_push(&peer->seen_order, &seen->of_peer);
}

bool principal_was_member(const struct principal *p, uint64_t group_id)
{
	return find_seen(p, group_id) != NULL;
}
