/* SPDX-License-Identifier: MIT */
/*
 * What the writer knows of who sends: of a group in one place, of its senders
 * in another. A sender carries the stamp that his group had, so whatever drops
 * a group drops all of its senders; a new stamp is never that of an older
 * one.
 *
 * Both are tables of sets of a few slots each. A table of which most slots have
 * been used is thrown away for an empty one of twice the size: what is
 * remembered is asked for once more, which takes a moment each, where moving
 * all of it would hold up one commit.
 *
 * What is known is what the open transaction sees: sq_change() drops what a
 * statement may change, and a rollback drops all.
 */
#include "store/sqlite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table.h"

enum {
	WAYS = 4, /* slots of a set */
	FIRST_SETS = 256,
	/* 64 MiB of groups and 48 of senders, where a million of them send. */
	LAST_SETS = (1 << 20) / WAYS
};

struct group_slot {
	uint64_t stamp;
	uint32_t group_id;
	uint32_t member_count;
	uint64_t first_seq;
	uint64_t epoch;
	struct sq_tail tail;
};

struct sender_slot {
	uint64_t stamp; /* of his group */
	uint8_t role;
	uint8_t len;
	char name[WIRE_USER_MAX];
};

struct group_set {
	struct group_slot slot[WAYS];
};

struct sender_set {
	struct sender_slot slot[WAYS];
};

struct sq_senders {
	uint64_t stamp; /* the last one that was given */
	uint64_t floor; /* up to this they count no more */
	unsigned turn;	/* whose slot is taken next in a set that is full */
	struct group_set *groups;   /* owned */
	struct sender_set *senders; /* owned */
	size_t ngroups;		    /* sets */
	size_t nsenders;
	size_t used_groups; /* slots that ever were */
	size_t used_senders;
};

struct sq_senders *sq_senders_new(void)
{
	struct sq_senders *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ngroups = c->nsenders = FIRST_SETS;
	c->groups = calloc(c->ngroups, sizeof(*c->groups));
	c->senders = calloc(c->nsenders, sizeof(*c->senders));
	if (c->groups == NULL || c->senders == NULL) {
		sq_senders_free(c);
		return NULL;
	}
	return c;
}

void sq_senders_free(struct sq_senders *c)
{
	if (c == NULL)
		return;
	free(c->groups);
	free(c->senders);
	free(c);
}

/* An empty table of twice the size, or NULL. */
static void *grown(size_t used, size_t *sets, size_t size)
{
	void *table = NULL;

	if (used > *sets * WAYS / 4 * 3 && *sets < LAST_SETS)
		table = calloc(*sets * 2, size);
	if (table != NULL)
		*sets *= 2;
	return table;
}

static void make_room(struct sq_senders *c)
{
	void *groups = grown(c->used_groups, &c->ngroups, sizeof(*c->groups));
	void *senders =
		grown(c->used_senders, &c->nsenders, sizeof(*c->senders));

	if (groups != NULL) {
		free(c->groups);
		c->groups = groups;
		c->used_groups = 0;
	}
	if (senders != NULL) {
		free(c->senders);
		c->senders = senders;
		c->used_senders = 0;
	}
}

static struct group_set *set_of(struct sq_senders *c, uint64_t group_id)
{
	return &c->groups[table_hash_u64(group_id) % c->ngroups];
}

/* NULL: it is not known. */
static struct group_slot *find_group(struct sq_senders *c, uint64_t group_id)
{
	struct group_set *set = set_of(c, group_id);

	for (size_t i = 0; i < WAYS; i++) {
		struct group_slot *g = &set->slot[i];

		if (g->group_id == group_id && g->stamp > c->floor)
			return g;
	}
	return NULL;
}

/* One that counts no more, or whose turn it is. */
static struct group_slot *slot_for_group(struct sq_senders *c,
					 uint64_t group_id)
{
	struct group_set *set = set_of(c, group_id);
	size_t i = 0;

	while (i < WAYS && set->slot[i].stamp > c->floor)
		i++;
	if (i == WAYS)
		i = c->turn++ % WAYS;
	if (set->slot[i].group_id == 0)
		c->used_groups++;
	return &set->slot[i];
}

static struct sender_set *set_of_sender(struct sq_senders *c, uint64_t group_id,
					struct str user)
{
	return &c->senders[table_hash_pair(table_hash_bytes(user), group_id) %
			   c->nsenders];
}

static struct sender_slot *find_sender(struct sender_set *set, uint64_t stamp,
				       struct str user)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct sender_slot *s = &set->slot[i];

		if (s->stamp == stamp &&
		    str_eq(str_make(s->name, s->len), user))
			return s;
	}
	return NULL;
}

static struct sender_slot *slot_for_sender(struct sq_senders *c,
					   struct sender_set *set)
{
	size_t i = 0;

	while (i < WAYS && set->slot[i].stamp > c->floor)
		i++;
	if (i == WAYS)
		i = c->turn++ % WAYS;
	if (set->slot[i].len == 0)
		c->used_senders++;
	return &set->slot[i];
}

bool sq_senders_find(struct sq_senders *c, uint64_t group_id, struct str user,
		     struct sq_sender *out)
{
	const struct group_slot *g = find_group(c, group_id);
	const struct sender_slot *s;

	if (g == NULL)
		return false;
	s = find_sender(set_of_sender(c, group_id, user), g->stamp, user);
	if (s == NULL)
		return false;
	*out = (struct sq_sender){ .role = s->role,
				   .epoch = g->epoch,
				   .member_count = g->member_count,
				   .first_seq = g->first_seq,
				   .tail = g->tail };
	return true;
}

static bool is_same(const struct group_slot *g, const struct sq_sender *in)
{
	return g->epoch == in->epoch && g->member_count == in->member_count &&
	       g->first_seq == in->first_seq && g->tail.seq == in->tail.seq &&
	       g->tail.off == in->tail.off &&
	       g->tail.jsonl_off == in->tail.jsonl_off &&
	       g->tail.time_ms == in->tail.time_ms;
}

void sq_senders_put(struct sq_senders *c, uint64_t group_id, struct str user,
		    const struct sq_sender *in)
{
	struct group_slot *g;
	struct sender_slot *s;

	assert(user.len > 0 && user.len <= WIRE_USER_MAX);
	make_room(c);
	g = find_group(c, group_id);
	/* Of another sender it is what the store has just said of this one. */
	assert(g == NULL || is_same(g, in));
	if (g == NULL) {
		g = slot_for_group(c, group_id);
		*g = (struct group_slot){ .stamp = ++c->stamp,
					  .group_id = (uint32_t)group_id,
					  .member_count =
						  (uint32_t)in->member_count,
					  .first_seq = in->first_seq,
					  .epoch = in->epoch,
					  .tail = in->tail };
	}
	s = slot_for_sender(c, set_of_sender(c, group_id, user));
	s->stamp = g->stamp;
	s->role = (uint8_t)in->role;
	s->len = (uint8_t)user.len;
	memcpy(s->name, user.data, user.len);
}

void sq_senders_grow(struct sq_senders *c, uint64_t group_id,
		     const struct sq_tail *tail)
{
	struct group_slot *g = find_group(c, group_id);

	if (g != NULL)
		g->tail = *tail;
}

void sq_senders_drop(struct sq_senders *c, uint64_t group_id)
{
	struct group_slot *g = find_group(c, group_id);

	if (g != NULL)
		g->stamp = 0;
}

void sq_senders_clear(struct sq_senders *c)
{
	c->floor = c->stamp;
}
