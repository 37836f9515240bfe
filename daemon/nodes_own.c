/* SPDX-License-Identifier: MIT */
/* The events of our own lanes: what of them was told already, by a look; and
 * what the other nodes are told of them. */
#include "daemon/nodes_private.h"

#include <string.h>

#include "lib/text.h"

/* Whether the mention in a message was told with another event: our own
 * messages were only if a look has brought them; those of others if we are
 * behind them. */
static bool was_told(const struct nodes_group *ng, const struct event *e,
		     uint64_t seq)
{
	bool own = !e->remote && seq >= e->first_seq;

	return seq <= ng->seq && (!own || seq > ng->base_seq);
}

void nodes_strip(const struct nodes_group *ng, struct event *e)
{
	struct str list = buf_str(&e->mentioned);
	struct buf kept = { 0 };
	struct wire_message m;

	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		if (!was_told(ng, e, m.seq))
			wire_put(&kept, &wire_schema_message, &m);
	}
	if (kept.failed) {
		buf_release(&kept);
		return;
	}
	buf_release(&e->mentioned);
	e->mentioned = kept;
}

static void before_messages(struct nodes_group *ng, struct event *e)
{
	if (e->mentioned.len > 0)
		nodes_strip(ng, e);
	if (e->last_seq <= ng->seq)
		return;
	if (e->nframes > 0 && e->from_seq <= ng->seq + 1) {
		ng->seq = e->last_seq;
		return;
	}
	/* What others wrote before it was not read with it: a look does, and
	 * tells its mentions, too, unless it is so far that none are told. */
	if (e->last_seq - ng->seq <= NODES_FAR)
		buf_release(&e->mentioned);
	ng->look = true;
	nodes_group_kick(ng);
}

/* The first changes were brought by a look before. */
static void skip_told(const struct nodes_group *ng, struct event *e)
{
	uint64_t first = e->version - e->count + 1;
	size_t skip = 0;

	while (skip < e->count && first + skip > ng->base_version &&
	       first + skip <= ng->version)
		skip++;
	e->count -= skip;
	memmove(e->changes, e->changes + skip, e->count * sizeof(*e->changes));
}

static bool before_members(struct nodes_group *ng, struct event *e)
{
	if (e->remote) {
		if (e->version <= ng->version)
			return false;
		ng->version = e->version;
		return true;
	}
	skip_told(ng, e);
	if (e->version <= ng->version)
		return e->count > 0;
	if (e->version - e->count == ng->version) {
		ng->version = e->version;
	} else {
		/* Others come before it: told again, in order, by a look. */
		ng->look = true;
		nodes_group_kick(ng);
	}
	return true;
}

static void push_told(struct nodes_told *ring, uint64_t group_id,
		      enum member_change change)
{
	memmove(&ring[0], &ring[1], (NODES_RING - 1) * sizeof(ring[0]));
	ring[NODES_RING - 1] = (struct nodes_told){ group_id, change };
}

/* Whether a look has told just this of the group, and nothing since; whatever
 * it told of that is done with. */
static bool take_looked(struct nodes_user *u, uint64_t group_id,
			enum member_change change)
{
	bool same = false;

	for (size_t i = 0; i < NODES_RING; i++) {
		if (u->looked[i].group_id != group_id)
			continue;
		same = u->looked[i].change == change;
		u->looked[i].group_id = 0;
	}
	return same;
}

static void note_one(struct nodes_user *u, uint64_t group_id,
		     enum member_change change)
{
	(void)take_looked(u, group_id, change);
	push_told(u->told, group_id, change);
}

void nodes_note_look(struct nodes_user *u, const struct event *e)
{
	enum member_change change = e->changes[0].change;

	(void)take_looked(u, e->group_id, change);
	push_told(u->looked, e->group_id, change);
}

/* Where nobody watches, a change is told to whom it is about, and nobody else.
 */
static void skip_looked(struct nodes *n, struct event *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->count; i++) {
		const struct store_change *c = &e->changes[i];
		struct nodes_user *u = nodes_find_user(n, str_of(c->user));

		if (u == NULL || c->change == MEMBER_ROLE ||
		    !take_looked(u, e->group_id, c->change))
			e->changes[kept++] = *c;
	}
	e->count = kept;
}

void nodes_note(struct nodes *n, const struct event *e)
{
	for (size_t i = 0; i < e->count; i++) {
		struct nodes_user *u =
			nodes_find_user(n, str_of(e->changes[i].user));

		if (u != NULL && e->changes[i].change != MEMBER_ROLE)
			note_one(u, e->group_id, e->changes[i].change);
	}
}

static void tell_mentions(struct nodes *n, const struct event *e)
{
	struct str list = buf_str(&e->mentioned);
	struct wire_message m;
	struct str name;

	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		while (text_next_word(&m.mentions, &name)) {
			if (m.seq >= e->first_seq &&
			    !str_eq(name, str_of("everyone")))
				n->tell->mention(n->tell_data, name,
						 e->group_id, m.seq);
		}
	}
}

static void tell_members(struct nodes *n, const struct event *e)
{
	/* Of a new group nobody knows. */
	if (e->version != 0)
		n->tell->group(n->tell_data, e->group_id, 0, e->version);
	/* The rest of very many is seen by the sweep. */
	for (size_t i = 0; i < e->count && i < NODES_USERS_TOLD; i++)
		n->tell->user(n->tell_data, str_of(e->changes[i].user),
			      NODES_NEWER);
}

/* All of it, also what is not told here any more. */
static void tell_others(struct nodes *n, const struct event *e)
{
	if (n->tell == NULL || e->remote)
		return;
	if (e->kind == EVENT_MESSAGES)
		tell_mentions(n, e);
	else if (e->kind == EVENT_MEMBERS)
		tell_members(n, e);
}

bool nodes_before(struct nodes *n, struct event *e)
{
	struct nodes_group *ng =
		n == NULL ? NULL : nodes_find_group(n, e->group_id);

	if (n == NULL)
		return true;
	tell_others(n, e);
	if (e->kind == EVENT_MESSAGES && ng != NULL)
		before_messages(ng, e);
	if (e->kind == EVENT_FLOOR && ng != NULL) {
		/* Another node's, further on, may have been told before. */
		if (e->first_seq <= ng->first_seq)
			return false;
		ng->first_seq = e->first_seq;
	}
	if (e->kind != EVENT_MEMBERS)
		return true;
	/* Its watchers have gone; its users are told by themselves. */
	if (e->remote && ng == NULL)
		return false;
	if (ng != NULL && e->version != 0 && !before_members(ng, e))
		return false;
	/* One who is about to watch needs all of them. */
	if (groups_find(&n->registry->groups, e->group_id) == NULL)
		skip_looked(n, e);
	nodes_note(n, e);
	return e->count > 0;
}

void nodes_after(struct nodes *n, const struct event *e)
{
	if (n == NULL)
		return;
	nodes_note_told(n, e);
	if (n->tell == NULL || e->remote)
		return;
	switch (e->kind) {
	case EVENT_MESSAGES:
		n->tell->group(n->tell_data, e->group_id, e->last_seq, 0);
		break;
	case EVENT_DELETED:
		n->tell->deleted(n->tell_data, e->group_id);
		break;
	case EVENT_READ:
		n->tell->read(n->tell_data, str_of(e->by), e->group_id,
			      e->last_seq);
		break;
	case EVENT_REVOKED:
		n->tell->tokens(n->tell_data);
		break;
	case EVENT_MEMBERS: /* before */
	case EVENT_FLOOR:   /* by the sweep: nobody waits for it */
	case EVENT_IMPORTING:
	case EVENT_IMPORTED:
		break;
	}
}
