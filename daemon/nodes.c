/* SPDX-License-Identifier: MIT */
#include "daemon/nodes_private.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/log.h"

enum { POOL_THREADS = 2, POOL_QUEUE = 65536 };

/* What is known. */

struct nodes_group *nodes_find_group(const struct nodes *n, uint64_t id)
{
	const struct group *group = groups_find(&n->registry->groups, id);

	return group == NULL ? NULL : group->remote;
}

struct nodes_user *nodes_find_user(const struct nodes *n, struct str name)
{
	struct table_node *node =
		table_find(&n->by_name, table_hash_bytes(name));

	for (; node != NULL; node = table_next(node)) {
		struct nodes_user *u =
			container_of(node, struct nodes_user, node);

		if (str_eq(str_of(u->name), name))
			return u;
	}
	return NULL;
}

/* Those that no sweep has seen come first. */
static void push_front(struct list *head, struct list *el)
{
	list_push(head->next, el);
}

uint64_t nodes_next(const struct nodes *n, uint64_t group_id)
{
	const struct nodes_group *ng =
		n == NULL ? NULL : nodes_find_group(n, group_id);

	return ng == NULL ? 0 : ng->seq + 1;
}

uint64_t nodes_version(const struct nodes *n, uint64_t group_id)
{
	const struct nodes_group *ng =
		n == NULL ? NULL : nodes_find_group(n, group_id);

	return ng == NULL ? 0 : ng->version;
}

bool nodes_needs(const struct nodes *n, const struct group *group)
{
	return n != NULL && group->remote == NULL;
}

int nodes_watch(struct nodes *n, struct group *group,
		const struct store_version *version, uint64_t told)
{
	struct nodes_group *ng;

	if (n == NULL || group->remote != NULL)
		return 0;
	ng = calloc(1, sizeof(*ng));
	if (ng == NULL || version == NULL) {
		free(ng);
		return -ENOMEM;
	}
	ng->nodes = n;
	ng->group = group;
	ng->id = group->id;
	ng->base_seq = told;
	ng->seq = told;
	ng->base_version = version->member_version;
	ng->version = version->member_version;
	ng->first_seq = version->first_seq;
	push_front(&n->groups, &ng->link);
	group->remote = ng;
	n->count_groups++;
	/* What is said before the others hear of us is seen in a moment. */
	if (n->tell != NULL)
		n->tell->subscribe_group(n->tell_data, ng->id);
	nodes_sweep_soon(n, SWEEP_FRESH);
	return 0;
}

static void on_group_gone(void *data, struct group *group)
{
	struct nodes *n = data;
	struct nodes_group *ng = group->remote;

	if (ng == NULL)
		return;
	if (n->tell != NULL)
		n->tell->unsubscribe_group(n->tell_data, ng->id);
	group->remote = NULL;
	ng->group = NULL;
	list_remove(&ng->link);
	n->count_groups--;
	nodes_group_drop(ng);
}

int nodes_open(struct nodes *n, struct str user, uint64_t version)
{
	struct nodes_user *u;

	if (n == NULL || nodes_find_user(n, user) != NULL)
		return 0;
	u = calloc(1, sizeof(*u));
	if (u == NULL || !str_to_cstr(user, u->name, sizeof(u->name)) ||
	    !table_insert(&n->by_name, &u->node, table_hash_bytes(user))) {
		free(u);
		return -ENOMEM;
	}
	u->nodes = n;
	u->version = version;
	u->floor.time_ms = env_now_ms(n->env) - NODES_SKEW_MS;
	list_init(&u->wait);
	list_init(&u->late);
	push_front(&n->users, &u->link);
	if (n->tell != NULL)
		n->tell->subscribe_user(n->tell_data, user);
	nodes_sweep_soon(n, SWEEP_FRESH);
	return 0;
}

static void on_user_left(void *data, struct str user)
{
	struct nodes *n = data;
	struct nodes_user *u = nodes_find_user(n, user);

	if (u == NULL)
		return;
	if (n->tell != NULL)
		n->tell->unsubscribe_user(n->tell_data, user);
	table_remove(&n->by_name, &u->node);
	list_remove(&u->link);
	list_remove(&u->wait);
	list_remove(&u->late);
	u->gone = true;
	nodes_user_drop(u);
}

/* Hints. */

void nodes_on_group(struct nodes *n, uint64_t group_id, uint64_t last_seq,
		    uint64_t member_version)
{
	struct nodes_group *ng = nodes_find_group(n, group_id);

	if (ng == NULL)
		return;
	n->figures.hints++;
	if (ng->futile >= NODES_FUTILE_MAX) {
		n->figures.dropped++;
		return;
	}
	if (last_seq > ng->want)
		ng->want = last_seq;
	if (member_version > ng->want_version)
		ng->want_version = member_version;
	ng->want_gone = ng->want_gone || (last_seq == 0 && member_version == 0);
	if (!nodes_group_wants(ng))
		return;
	n->figures.news++;
	nodes_group_kick(ng);
}

void nodes_on_user(struct nodes *n, struct str user, uint64_t version)
{
	struct nodes_user *u = nodes_find_user(n, user);

	if (u == NULL)
		return;
	n->figures.hints++;
	if (u->futile >= NODES_FUTILE_MAX) {
		n->figures.dropped++;
		return;
	}
	if (version <= u->version)
		return;
	n->figures.news++;
	u->look = true;
	u->hinted = true;
	nodes_user_kick(u);
}

bool nodes_hint_is_in(const struct nodes_hint *hints, size_t count,
		      const struct nodes_hint *hint)
{
	for (size_t i = 0; i < count; i++) {
		if (hints[i].kind == hint->kind &&
		    hints[i].group_id == hint->group_id &&
		    (hint->kind == NODES_READ ? hints[i].seq >= hint->seq
					      : hints[i].seq == hint->seq))
			return true;
	}
	return false;
}

static void on_hint(struct nodes *n, struct str user,
		    const struct nodes_hint *hint)
{
	struct nodes_user *u = nodes_find_user(n, user);

	if (u == NULL)
		return;
	n->figures.hints++;
	if (nodes_user_knows(u, hint) ||
	    nodes_hint_is_in(u->hints, u->nhints, hint))
		return;
	if (u->nhints == NODES_HINTS || u->futile >= NODES_FUTILE_MAX ||
	    u->heard[hint->kind] >= NODES_HINTS_MAX) {
		n->figures.dropped++;
		return;
	}
	n->figures.news++;
	u->heard[hint->kind]++;
	u->hints[u->nhints++] = *hint;
	nodes_user_kick(u);
}

void nodes_on_mention(struct nodes *n, struct str user, uint64_t group_id,
		      uint64_t seq)
{
	const struct nodes_hint hint = { .kind = NODES_MENTION,
					 .group_id = group_id,
					 .seq = seq };
	const struct nodes_group *ng = nodes_find_group(n, group_id);

	/* Where the group is watched, it comes with the message. */
	if (seq == 0 || (ng != NULL && seq > ng->base_seq))
		return;
	on_hint(n, user, &hint);
}

void nodes_on_read(struct nodes *n, struct str user, uint64_t group_id,
		   uint64_t seq)
{
	const struct nodes_hint hint = { .kind = NODES_READ,
					 .group_id = group_id,
					 .seq = seq };

	on_hint(n, user, &hint);
}

void nodes_on_tokens(struct nodes *n)
{
	n->figures.hints++;
	/* The others are seen by the sweep of each second. */
	if (n->token_sweeps >= NODES_TOKENS_MAX) {
		n->figures.dropped++;
		return;
	}
	n->token_sweeps++;
	nodes_sweep_soon(n, SWEEP_USERS);
}

void nodes_on_state(struct nodes *n, bool up)
{
	if (up)
		nodes_sweep_soon(n, SWEEP_GROUPS | SWEEP_USERS);
}

/* Doubt. */

void nodes_answered(struct nodes *n)
{
	n->answered_ms = uv_now(n->loop);
	if (n->failing)
		log_info("the store answers again");
	n->failing = false;
}

void nodes_failed(struct nodes *n, const struct err *err)
{
	n->figures.failures++;
	if (!n->failing)
		log_warn("cannot look at what other nodes wrote: why=\"%s\"",
			 err->text);
	n->failing = true;
}

void nodes_swept(struct nodes *n)
{
	n->figures.sweeps++;
	if (!n->doubtful)
		return;
	n->doubtful = false;
	n->registry->doubtful = false;
	log_info("who is a member is known again");
}

static void disconnect_mounts(struct nodes *n)
{
	struct list *next;

	for (struct list *el = n->host->sessions.next; el != &n->host->sessions;
	     el = next) {
		struct session *s = container_of(el, struct session, link);

		next = el->next;
		if (container_of(s, struct peer, session)->mount)
			session_close(s);
	}
}

/* Hints at what was not in the store yet. */
static void look_again(struct nodes *n)
{
	struct list late;
	struct list *el;

	list_init(&late);
	list_splice(&late, &n->late);
	while ((el = list_pop(&late)) != NULL) {
		struct nodes_user *u =
			container_of(el, struct nodes_user, late);

		while (u->nlater > 0 && u->nhints < NODES_HINTS)
			u->hints[u->nhints++] = u->later[--u->nlater];
		u->nlater = 0;
		nodes_user_kick(u);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct nodes *n = timer->data;

	look_again(n);
	n->token_sweeps = 0;
	n->due |= SWEEP_GROUPS | SWEEP_USERS;
	/* One of a part may be under way: this one comes behind it. */
	if (nodes_sweep_start(n, n->due))
		n->due = 0;
	else
		nodes_sweep_soon(n, 0);
	if (n->doubtful || uv_now(n->loop) - n->answered_ms < n->doubt_ms)
		return;
	log_warn("the store has not answered for %llu ms: who is a member is "
		 "not known",
		 (unsigned long long)n->doubt_ms);
	n->doubtful = true;
	n->registry->doubtful = true;
	disconnect_mounts(n);
}

static void on_soon(uv_timer_t *timer)
{
	struct nodes *n = timer->data;
	struct list waiting;
	struct list *el;

	list_init(&waiting);
	list_splice(&waiting, &n->waiting);
	while ((el = list_pop(&waiting)) != NULL) {
		struct nodes_user *u =
			container_of(el, struct nodes_user, wait);

		u->look = true;
		nodes_user_kick(u);
	}
	if (n->due != 0 && nodes_sweep_start(n, n->due))
		n->due = 0;
	if (n->due != 0)
		uv_timer_start(&n->soon, on_soon, NODES_SOON_MS, 0);
}

void nodes_sweep_soon(struct nodes *n, unsigned what)
{
	n->due |= what;
	if (!n->closing && !uv_is_active((uv_handle_t *)&n->soon))
		uv_timer_start(&n->soon, on_soon, NODES_SOON_MS, 0);
}

/* Start and end. */

int nodes_start(struct nodes *n, uv_loop_t *loop,
		const struct nodes_options *options, struct err *err)
{
	struct store_options store = *options->store;
	int rc;

	store.for_log = true;
	*n = (struct nodes){ .registry = options->registry,
			     .host = options->host,
			     .env = options->env,
			     .loop = loop,
			     .doubt_ms = NODES_DOUBT_MS };
	n->figures.seconds.kind = HISTOGRAM_DURATION;
	n->figures.lag.kind = HISTOGRAM_DELAY;
	list_init(&n->groups);
	list_init(&n->users);
	list_init(&n->waiting);
	list_init(&n->late);
	n->sweep = nodes_sweep_new(n);
	if (n->sweep == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	rc = readers_start(&n->pool, loop, POOL_THREADS, POOL_QUEUE,
			   options->url, &store, err);
	if (rc < 0) {
		nodes_sweep_free(n->sweep);
		return rc;
	}
	(void)uv_timer_init(loop, &n->timer); /* cannot fail */
	(void)uv_timer_init(loop, &n->soon);
	n->timer.data = n;
	n->soon.data = n;
	uv_timer_start(&n->timer, on_timer, NODES_SWEEP_MS, NODES_SWEEP_MS);
	nodes_answered(n);
	n->registry->on_left = on_user_left;
	n->registry->data = n;
	n->registry->groups.on_gone = on_group_gone;
	n->registry->groups.data = n;
	return 0;
}

static void forget_all(struct nodes *n)
{
	while (!list_empty(&n->groups)) {
		struct group *group =
			container_of(n->groups.next, struct nodes_group, link)
				->group;

		on_group_gone(n, group);
	}
	while (!list_empty(&n->users))
		on_user_left(n, str_of(container_of(n->users.next,
						    struct nodes_user, link)
					       ->name));
}

static void closed_one(struct nodes *n)
{
	if (--n->open > 0)
		return;
	forget_all(n);
	table_release(&n->by_name);
	nodes_sweep_free(n->sweep);
	n->registry->on_left = NULL;
	n->registry->groups.on_gone = NULL;
	n->on_close(n);
}

static void on_timer_closed(uv_handle_t *handle)
{
	closed_one(handle->data);
}

static void on_pool_closed(struct readers *r)
{
	closed_one(container_of(r, struct nodes, pool));
}

void nodes_close(struct nodes *n, void (*cb)(struct nodes *n))
{
	n->closing = true;
	n->on_close = cb;
	n->open = 3;
	uv_close((uv_handle_t *)&n->timer, on_timer_closed);
	uv_close((uv_handle_t *)&n->soon, on_timer_closed);
	readers_close(&n->pool, on_pool_closed);
}
