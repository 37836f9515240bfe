/* SPDX-License-Identifier: MIT */
#include "fs/users.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

void users_init(struct users *u, uv_loop_t *loop, struct client *client)
{
	*u = (struct users){ .client = client, .loop = loop, .own = geteuid() };
	list_init(&u->order);
	for (size_t i = 0; i < USERS_BUCKETS; i++)
		list_init(&u->buckets[i]);
}

static void close_principal(struct user *user)
{
	if (user->open)
		client_close_principal(&user->principal);
	user->open = false;
}

static void forget(struct users *u, struct user *user)
{
	assert(user->refs == 0);
	close_principal(user);
	list_remove(&user->link);
	list_remove(&user->order);
	u->count--;
	free(user);
}

void users_release(struct users *u)
{
	while (!list_empty(&u->order))
		forget(u, container_of(u->order.next, struct user, order));
}

static bool make_room(struct users *u)
{
	if (u->count < USERS_MAX)
		return true;
	for (struct list *l = u->order.next; l != &u->order; l = l->next) {
		struct user *user = container_of(l, struct user, order);

		if (user->refs == 0) {
			forget(u, user);
			return true;
		}
	}
	return false;
}

static struct user *find(struct users *u, uid_t uid)
{
	struct list *head = &u->buckets[uid % USERS_BUCKETS];

	for (struct list *l = head->next; l != head; l = l->next) {
		struct user *user = container_of(l, struct user, link);

		if (user->uid == uid)
			return user;
	}
	return NULL;
}

static struct user *add(struct users *u, uid_t uid)
{
	struct user *user;

	if (!make_room(u))
		return NULL;
	user = calloc(1, sizeof(*user));
	if (user == NULL)
		return NULL;
	user->uid = uid;
	list_push(&u->buckets[uid % USERS_BUCKETS], &user->link);
	list_push(&u->order, &user->order);
	u->count++;
	return user;
}

static bool open_principal(struct users *u, struct user *user)
{
	enum principal_kind kind =
		user->uid == u->own ? PRINCIPAL_SELF : PRINCIPAL_UID;

	user->principal = (struct client_principal){ .data = user };
	user->opened_ms = uv_now(u->loop);
	user->open =
		client_open_principal(u->client, &user->principal, kind,
				      (uint32_t)user->uid, NULL, NULL) == 0;
	return user->open;
}

struct user *users_get(struct users *u, uid_t uid)
{
	struct user *user = find(u, uid);

	if (user == NULL)
		user = add(u, uid);
	if (user == NULL)
		return NULL;
	if (user->open && user->refs == 0 &&
	    user->principal.state == CLIENT_PRINCIPAL_REFUSED &&
	    uv_now(u->loop) - user->opened_ms >= USERS_RETRY_MS)
		close_principal(user);
	if (!user->open && !open_principal(u, user))
		return NULL;
	list_remove(&user->order);
	list_push(&u->order, &user->order);
	return user_hold(user);
}

struct user *user_hold(struct user *user)
{
	user->refs++;
	return user;
}

void user_drop(struct users *u, struct user *user)
{
	if (user == NULL)
		return;
	assert(user->refs > 0);
	user->refs--;
	user->used_ms = uv_now(u->loop);
}

void users_tidy(struct users *u)
{
	uint64_t now = uv_now(u->loop);

	for (struct list *l = u->order.next; l != &u->order; l = l->next) {
		struct user *user = container_of(l, struct user, order);

		if (user->refs == 0 && now - user->used_ms >= USERS_IDLE_MS)
			close_principal(user);
	}
}
