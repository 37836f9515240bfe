/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/bearer.h"

#include <assert.h>
#include <stdlib.h>

void bearers_init(struct bearers *all, struct client *c, struct wheel *w,
		  uint64_t seed)
{
	*all = (struct bearers){ .client = c, .wheel = w, .seed = seed };
}

static void bearer_free(struct bearer *b)
{
	assert(b->refs == 0 && list_empty(&b->users));
	wheel_disarm(&b->idle);
	table_remove(&b->all->table, &b->node);
	client_close_principal(&b->principal);
	free(b);
}

static void on_idle(struct wheel_timer *t)
{
	struct bearer *b = container_of(t, struct bearer, idle);

	if (b->refs == 0)
		bearer_free(b);
}

static void on_principal(struct client_principal *p, const struct err *err)
{
	struct bearer *b = container_of(p, struct bearer, principal);
	struct list told;
	struct list *el;

	/* A user may leave, or be told again, while we walk. */
	list_init(&told);
	list_splice(&told, &b->users);
	while ((el = list_pop(&told)) != NULL) {
		list_push(&b->users, el);
		container_of(el, struct bearer_user, link)
			->changed(container_of(el, struct bearer_user, link),
				  err);
	}
}

static struct bearer *find(struct bearers *all, enum principal_kind kind,
			   struct str token, uint64_t key)
{
	struct table_node *n;

	for (n = table_find(&all->table, key); n != NULL; n = table_next(n)) {
		struct bearer *b = container_of(n, struct bearer, node);

		if (b->principal.kind == kind &&
		    str_eq(str_of(b->principal.token), token))
			return b;
	}
	return NULL;
}

static bool is_token(struct str token)
{
	if (token.len == 0 || token.len > WIRE_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < token.len; i++) {
		if (token.data[i] <= ' ' || token.data[i] > '~')
			return false;
	}
	return true;
}

static struct bearer *open_bearer(struct bearers *all, enum principal_kind kind,
				  struct str token, uint64_t key)
{
	char text[WIRE_TOKEN_MAX + 1];
	struct bearer *b = calloc(1, sizeof(*b));

	if (b == NULL || !str_to_cstr(token, text, sizeof(text)) ||
	    !table_insert(&all->table, &b->node, key)) {
		free(b);
		return NULL;
	}
	b->all = all;
	list_init(&b->users);
	wheel_timer_init(&b->idle, on_idle);
	if (client_open_principal(all->client, &b->principal, kind, 0, text,
				  on_principal) < 0) {
		table_remove(&all->table, &b->node);
		free(b);
		return NULL;
	}
	return b;
}

static int get(struct bearers *all, enum principal_kind kind, struct str token,
	       struct bearer **out, struct err *err)
{
	uint64_t key = table_hash_keyed(all->seed, token);
	struct bearer *b;

	if (!is_token(token))
		return err_set(err, ERR_UNAUTHENTICATED, NULL);
	b = find(all, kind, token, key);
	if (b == NULL && all->table.count < BEARER_MAX)
		b = open_bearer(all, kind, token, key);
	if (b == NULL)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	wheel_disarm(&b->idle);
	b->refs++;
	*out = b;
	return 0;
}

int bearer_get(struct bearers *all, struct str token, struct bearer **out,
	       struct err *err)
{
	return get(all, PRINCIPAL_TOKEN, token, out, err);
}

int bearer_get_ticket(struct bearers *all, struct str ticket,
		      struct bearer **out, struct err *err)
{
	return get(all, PRINCIPAL_TICKET, ticket, out, err);
}

struct bearer *bearer_hold(struct bearer *b)
{
	assert(b->refs > 0);
	b->refs++;
	return b;
}

void bearer_put(struct bearer *b)
{
	bool refused;

	if (b == NULL)
		return;
	assert(b->refs > 0);
	if (--b->refs > 0)
		return;
	refused = b->principal.state == CLIENT_PRINCIPAL_REFUSED;
	wheel_arm(b->all->wheel, &b->idle,
		  refused ? BEARER_REFUSED_S : BEARER_IDLE_S);
}

void bearers_release(struct bearers *all)
{
	struct table_node *n;

	while ((n = table_any(&all->table)) != NULL)
		bearer_free(container_of(n, struct bearer, node));
	table_release(&all->table);
}
