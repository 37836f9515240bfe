/* SPDX-License-Identifier: MIT */
/*
 * What the writer knows of who sends: of a group in one place, of its senders
 * in another. A sender carries the stamp that his group had, so whatever drops
 * a group drops all of its senders; a new stamp is never that of an older
 * one. Both are found by one slot, which a later one takes.
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
	/* 14 MiB at most, of which only slots in use are memory. Ids follow
	 * each other, so that as many groups have a slot each. */
	GROUPS = 1 << 17,
	SENDERS = 1 << 17
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

struct sq_senders {
	uint64_t stamp; /* the last one that was given */
	uint64_t floor; /* up to this they count no more */
	struct group_slot groups[GROUPS];
	struct sender_slot senders[SENDERS];
};

struct sq_senders *sq_senders_new(void)
{
	return calloc(1, sizeof(struct sq_senders));
}

void sq_senders_free(struct sq_senders *c)
{
	free(c);
}

static struct group_slot *slot_of(struct sq_senders *c, uint64_t group_id)
{
	return &c->groups[group_id % GROUPS];
}

/* NULL: it is not known. */
static struct group_slot *find_group(struct sq_senders *c, uint64_t group_id)
{
	struct group_slot *g = slot_of(c, group_id);

	return g->group_id == group_id && g->stamp > c->floor ? g : NULL;
}

static struct sender_slot *sender_of(struct sq_senders *c, uint64_t group_id,
				     struct str user)
{
	return &c->senders[table_hash_pair(table_hash_bytes(user), group_id) %
			   SENDERS];
}

bool sq_senders_find(struct sq_senders *c, uint64_t group_id, struct str user,
		     struct sq_sender *out)
{
	const struct group_slot *g = find_group(c, group_id);
	const struct sender_slot *s;

	if (g == NULL)
		return false;
	s = sender_of(c, group_id, user);
	if (s->stamp != g->stamp || !str_eq(str_make(s->name, s->len), user))
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
	struct group_slot *g = find_group(c, group_id);
	struct sender_slot *s = sender_of(c, group_id, user);

	assert(user.len <= WIRE_USER_MAX);
	/* Of another sender it is what the store has just said of this one. */
	assert(g == NULL || is_same(g, in));
	if (g == NULL) {
		g = slot_of(c, group_id);
		*g = (struct group_slot){ .stamp = ++c->stamp,
					  .group_id = (uint32_t)group_id,
					  .member_count =
						  (uint32_t)in->member_count,
					  .first_seq = in->first_seq,
					  .epoch = in->epoch,
					  .tail = in->tail };
	}
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
