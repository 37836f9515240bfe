/* SPDX-License-Identifier: MIT */
/*
 * The sweep: where every group and every user is that this node knows, asked
 * a piece at a time, so that others get their turn on the reader threads; and
 * whether the tokens of the users still are some. What it finds grown is
 * looked at like what a hint named.
 */
#include "daemon/nodes_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fanout.h"
#include "lib/log.h"

struct nodes_sweep {
	struct readers_job job;
	struct nodes *nodes;
	bool running;
	bool whole; /* all groups and all users: proves who is a member */
	bool asked; /* the store, for any of it */
	uint64_t group_round; /* from 1 */
	uint64_t user_round;
	uint64_t began_ns;
	/* The piece: groups, or users and their tokens. */
	size_t ngroups;
	uint64_t ids[NODES_PIECE];
	size_t nusers;
	char users[NODES_PIECE][WIRE_USER_MAX + 1];
	size_t nhashes;
	size_t cap;
	uint8_t (*hashes)[STORE_TOKEN_HASH]; /* owned */
	/* What the thread finds. */
	int rc;
	struct err err;
	size_t nfound;
	struct store_version found[NODES_PIECE];
	size_t nknown;
	struct {
		uint64_t version;
		char name[WIRE_USER_MAX + 1];
	} known[NODES_PIECE];
	size_t ngone;
	bool *gone; /* owned: of hashes */
	/* Groups, by the whole sweep; and of the first what the store says now,
	 * and said. */
	size_t nlost;
	struct store_version lost;
	struct store_version was;
};

struct nodes_sweep *nodes_sweep_new(struct nodes *n)
{
	struct nodes_sweep *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->nodes = n;
	s->group_round = 1;
	s->user_round = 1;
	return s;
}

void nodes_sweep_free(struct nodes_sweep *s)
{
	if (s == NULL)
		return;
	free(s->hashes);
	free(s->gone);
	free(s);
}

/* The thread. */

static int take_group(void *data, const struct store_version *v)
{
	struct nodes_sweep *s = data;

	if (s->nfound < NODES_PIECE)
		s->found[s->nfound++] = *v;
	return 0;
}

static int take_user(void *data, struct str user, uint64_t version)
{
	struct nodes_sweep *s = data;

	if (s->nknown == NODES_PIECE)
		return 1;
	s->known[s->nknown].version = version;
	str_to_cstr(user, s->known[s->nknown].name, sizeof(s->known[0].name));
	s->nknown++;
	return 0;
}

static int take_gone(void *data, size_t index)
{
	struct nodes_sweep *s = data;

	s->gone[index] = true;
	s->ngone++;
	return 0;
}

static int read_users(struct nodes_sweep *s, struct store *store)
{
	struct str names[NODES_PIECE];
	int rc;

	for (size_t i = 0; i < s->nusers; i++)
		names[i] = str_of(s->users[i]);
	rc = store_list_user_versions(store, names, s->nusers, take_user, s,
				      &s->err);
	if (rc >= 0 && s->nhashes > 0)
		rc = store_list_gone_tokens(
			store, (const uint8_t(*)[STORE_TOKEN_HASH])s->hashes,
			s->nhashes, take_gone, s, &s->err);
	return rc;
}

static void run_piece(struct readers_job *job, struct store *store)
{
	struct nodes_sweep *s = container_of(job, struct nodes_sweep, job);

	s->rc = store_list_versions(store, s->ids, s->ngroups, take_group, s,
				    &s->err);
	if (s->rc >= 0 && s->nusers > 0)
		s->rc = read_users(s, store);
}

/* The loop: the next piece. */

static void gather_groups(struct nodes_sweep *s)
{
	struct list *all = &s->nodes->groups;

	s->ngroups = 0;
	while (s->ngroups < NODES_PIECE && !list_empty(all)) {
		struct nodes_group *ng =
			container_of(all->next, struct nodes_group, link);

		if (ng->round == s->group_round)
			return;
		list_remove(&ng->link);
		list_push(all, &ng->link);
		ng->round = s->group_round;
		ng->futile = 0;
		ng->asked_seq = ng->seq;
		ng->asked_version = ng->version;
		s->ids[s->ngroups++] = ng->id;
	}
}

static bool add_hash(struct nodes_sweep *s, const uint8_t *hash)
{
	if (s->nhashes == s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		void *hashes = realloc(s->hashes, cap * sizeof(*s->hashes));
		bool *gone;

		if (hashes == NULL)
			return false;
		s->hashes = hashes;
		gone = realloc(s->gone, cap * sizeof(*gone));
		if (gone == NULL)
			return false;
		s->gone = gone;
		s->cap = cap;
	}
	s->gone[s->nhashes] = false;
	memcpy(s->hashes[s->nhashes++], hash, STORE_TOKEN_HASH);
	return true;
}

/* False without memory: they are asked for the next time. */
static bool add_tokens(struct nodes_sweep *s, const struct nodes_user *u)
{
	struct principal *p =
		registry_user(s->nodes->registry, str_of(u->name));

	for (; p != NULL; p = registry_user_next(p)) {
		if (p->kind == PRINCIPAL_TOKEN && !add_hash(s, p->hash))
			return false;
	}
	return true;
}

static void gather_users(struct nodes_sweep *s)
{
	struct list *all = &s->nodes->users;

	s->nusers = 0;
	s->nhashes = 0;
	while (s->nusers < NODES_PIECE && s->nhashes < NODES_PIECE &&
	       !list_empty(all)) {
		struct nodes_user *u =
			container_of(all->next, struct nodes_user, link);

		if (u->round == s->user_round || !add_tokens(s, u))
			return;
		list_remove(&u->link);
		list_push(all, &u->link);
		u->round = s->user_round;
		u->futile = 0;
		u->asked = u->version;
		memset(u->heard, 0, sizeof(u->heard));
		memcpy(s->users[s->nusers++], u->name, sizeof(u->name));
	}
}

/* Where nobody is, a store that is away is not back by that. */
static void gather_anybody(struct nodes_sweep *s)
{
	if (s->asked || !s->whole || !(s->nodes->doubtful || s->nodes->failing))
		return;
	str_to_cstr(str_of("root"), s->users[0], sizeof(s->users[0]));
	s->nusers = 1;
}

/* What a piece has found. */

/* One line for all: the store is one. */
static void note_lost(struct nodes_sweep *s, const struct nodes_group *ng,
		      const struct store_version *v)
{
	if (s->nlost++ > 0)
		return;
	s->lost = *v;
	s->was = (struct store_version){ .last_seq = ng->seq,
					 .member_version = ng->version };
}

static void say_lost(struct nodes_sweep *s)
{
	if (s->nlost > 0)
		log_error("the store has lost what it had acknowledged: "
			  "groups=%zu first_group=%" PRIu64 " last_seq=%" PRIu64
			  " was=%" PRIu64 " members=%" PRIu64 " was=%" PRIu64,
			  s->nlost, s->lost.group_id, s->lost.last_seq,
			  s->was.last_seq, s->lost.member_version,
			  s->was.member_version);
	s->nlost = 0;
}

static void see_groups(struct nodes_sweep *s)
{
	struct nodes *n = s->nodes;
	struct nodes_group *ng;

	for (size_t i = 0; i < s->nfound; i++) {
		const struct store_version *v = &s->found[i];

		ng = nodes_find_group(n, v->group_id);
		if (ng == NULL)
			continue;
		ng->seen = s->group_round;
		if (v->last_seq < ng->asked_seq ||
		    v->member_version < ng->asked_version) {
			note_lost(s, ng, v);
			nodes_group_lost(ng, v);
			continue;
		}
		nodes_group_floor(ng, v);
		if (v->last_seq <= ng->seq && v->member_version <= ng->version)
			continue;
		ng->look = true;
		nodes_group_kick(ng);
	}
	/* It is not there any more: the look says so. */
	for (size_t i = 0; i < s->ngroups; i++) {
		ng = nodes_find_group(n, s->ids[i]);
		if (ng == NULL || ng->seen == s->group_round)
			continue;
		ng->look = true;
		nodes_group_kick(ng);
	}
}

static void see_users(struct nodes_sweep *s)
{
	for (size_t i = 0; i < s->nknown; i++) {
		struct nodes_user *u =
			nodes_find_user(s->nodes, str_of(s->known[i].name));

		if (u == NULL)
			continue;
		/* Lost: what comes then is told by its number. */
		if (s->known[i].version < u->asked)
			u->version = s->known[i].version;
		if (s->known[i].version <= u->version)
			continue;
		u->look = true;
		nodes_user_kick(u);
	}
}

static void see_tokens(struct nodes_sweep *s)
{
	for (size_t i = 0; i < s->nhashes && s->ngone > 0; i++) {
		struct event e = { .kind = EVENT_REVOKED };

		if (!s->gone[i])
			continue;
		list_init(&e.link);
		memcpy(e.hash, s->hashes[i], sizeof(e.hash));
		fanout_event(s->nodes->registry, &e);
	}
}

static void next_piece(struct nodes_sweep *s);

static void piece_done(struct readers_job *job)
{
	struct nodes_sweep *s = container_of(job, struct nodes_sweep, job);
	struct nodes *n = s->nodes;

	s->running = false;
	if (n->closing)
		return;
	if (s->rc < 0) {
		say_lost(s);
		nodes_failed(n, &s->err);
		return;
	}
	nodes_answered(n);
	see_groups(s);
	see_users(s);
	see_tokens(s);
	next_piece(s);
}

static void next_piece(struct nodes_sweep *s)
{
	struct nodes *n = s->nodes;

	gather_groups(s);
	s->nusers = 0;
	s->nhashes = 0;
	if (s->ngroups == 0)
		gather_users(s);
	s->nfound = 0;
	s->nknown = 0;
	s->ngone = 0;
	if (s->ngroups == 0 && s->nusers == 0)
		gather_anybody(s);
	if (s->ngroups == 0 && s->nusers == 0) {
		say_lost(s);
		if (!s->whole)
			return;
		/* Where nobody is there is nothing to be doubted. */
		nodes_answered(n);
		histogram_add(&n->figures.seconds, uv_hrtime() - s->began_ns,
			      1);
		nodes_swept(n);
		return;
	}
	s->asked = true;
	s->job.run = run_piece;
	s->job.done = piece_done;
	s->running = readers_submit(&n->pool, &s->job) == 0;
}

bool nodes_sweep_start(struct nodes *n, unsigned what)
{
	struct nodes_sweep *s = n->sweep;

	if (s->running)
		return false;
	if (n->closing)
		return true;
	s->whole = (what & SWEEP_GROUPS) != 0 && (what & SWEEP_USERS) != 0;
	s->group_round += (what & SWEEP_GROUPS) != 0;
	s->user_round += (what & SWEEP_USERS) != 0;
	s->began_ns = uv_hrtime();
	s->asked = false;
	next_piece(s);
	return true;
}
