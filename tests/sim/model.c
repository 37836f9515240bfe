/* SPDX-License-Identifier: MIT */
#include "tests/sim/model.h"

#include <assert.h>
#include <string.h>

enum { OP_ADD, OP_MEMBER, OP_ADMIN, OP_REMOVE };
enum { ADDED, REMOVED, ROLE };

void model_reset(struct model *m)
{
	for (size_t i = 0; i < m->groups; i++) {
		struct model_group *g = &m->group[i];

		g->now = g->kept = (struct model_state){ 0 };
		g->born = g->died = 0;
	}
	m->moment = m->groups = m->groups_kept = 0;
}

void model_commit(struct model *m)
{
	m->moment++;
	for (size_t i = 0; i < m->groups; i++) {
		struct model_group *g = &m->group[i];

		if (g->kept.id == 0)
			g->born = m->moment;
		if (g->kept.live && !g->now.live)
			g->died = m->moment;
		for (size_t k = g->kept.last; k < g->now.last; k++)
			g->log[k].moment = m->moment;
		for (size_t k = g->kept.changes; k < g->now.changes; k++)
			g->change[k].moment = m->moment;
		g->kept = g->now;
	}
	m->groups_kept = m->groups;
}

void model_rollback(struct model *m)
{
	for (size_t i = 0; i < m->groups; i++)
		m->group[i].now = m->group[i].kept;
	m->groups = m->groups_kept;
}

struct model_group *model_find(struct model *m, uint64_t id)
{
	for (size_t i = 0; i < m->groups; i++) {
		if (m->group[i].now.id == id)
			return &m->group[i];
	}
	return NULL;
}

static bool is_in(const struct model_group *g, unsigned user)
{
	return g != NULL && g->now.live && user < MODEL_USERS &&
	       g->now.member[user].in;
}

/* The message that has the item, or the last one of the batch; 0: none. */
static uint64_t find_sent(const struct model_group *g, uint64_t item,
			  uint64_t batch)
{
	for (size_t i = g->now.last; i > 0; i--) {
		const struct model_message *l = &g->log[i - 1];

		if (batch != 0 ? l->batch == batch
			       : l->keyed && l->item == item)
			return i;
	}
	return 0;
}

bool model_append(struct model *m, struct model_group *g, struct model_send *s)
{
	struct model_state *now;
	uint64_t sent;

	(void)m;
	if (!is_in(g, s->user))
		return false;
	now = &g->now;
	sent = s->batch != 0 || s->keyed
		       ? find_sent(g, s->items[s->count - 1], s->batch)
		       : 0;
	if (sent != 0) {
		s->duplicate = true;
		s->first = sent - s->count + 1;
		s->last = sent;
		return true;
	}
	if (s->reply_to != 0 &&
	    (s->reply_to > now->last || s->reply_to < now->first))
		return false;
	s->duplicate = false;
	s->first = now->last + 1;
	for (size_t i = 0; i < s->count; i++) {
		assert(now->last < MODEL_LOG);
		g->log[now->last++] = (struct model_message){
			.item = s->items[i],
			.batch = s->batch,
			.time_ms = s->time_ms,
			.sender = s->user,
			.keyed = s->keyed,
		};
	}
	s->last = now->last;
	now->member[s->user].pointer = now->last;
	return true;
}

static void change(struct model_group *g, unsigned user, unsigned what)
{
	assert(g->now.changes < MODEL_CHANGES);
	g->change[g->now.changes++] = (struct model_change){ .seq = g->now.last,
							     .user = user,
							     .change = what };
}

static bool edit(struct model_group *g, const struct model_edit *e)
{
	struct model_member *m = &g->now.member[e->user];
	uint64_t last = g->now.last;
	bool was_admin = m->admin;

	if (e->op == OP_REMOVE) {
		if (!m->in)
			return false;
		m->in = m->admin = false;
		change(g, e->user, REMOVED);
		return true;
	}
	if (!m->in) {
		*m = (struct model_member){
			.in = true,
			.admin = e->op == OP_ADMIN,
			.joins = m->joins + 1,
			.pointer =
				last > MODEL_HISTORY ? last - MODEL_HISTORY : 0,
		};
		change(g, e->user, ADDED);
		return true;
	}
	if (e->op == OP_ADMIN)
		m->admin = true;
	else if (e->op == OP_MEMBER)
		m->admin = false;
	if (m->admin != was_admin)
		change(g, e->user, ROLE);
	return true;
}

static bool apply(struct model_group *g, const struct model_edit *edits,
		  size_t count)
{
	struct model_state before = g->now;
	bool admins = false;
	bool done = true;

	for (size_t i = 0; i < count && done; i++)
		done = edits[i].user < MODEL_USERS && edit(g, &edits[i]);
	for (unsigned u = 0; u < MODEL_USERS; u++)
		admins = admins || g->now.member[u].admin;
	if (!done || !admins)
		g->now = before;
	return done && admins;
}

bool model_edits(struct model *m, struct model_group *g, unsigned by,
		 const struct model_edit *edits, size_t count)
{
	(void)m;
	if (!is_in(g, by))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!g->now.member[by].admin &&
		    (edits[i].op != OP_REMOVE || edits[i].user != by))
			return false;
	}
	return apply(g, edits, count);
}

uint64_t model_pointer(const struct model_state *s, unsigned user)
{
	uint64_t pointer = s->member[user].pointer;

	return pointer + 1 < s->first ? s->first - 1 : pointer;
}

bool model_read(struct model_group *g, unsigned user, uint64_t seq,
		uint64_t *stored)
{
	if (!is_in(g, user))
		return false;
	if (seq == UINT64_MAX)
		seq = g->now.last;
	if (seq > g->now.last)
		return false;
	*stored = model_pointer(&g->now, user);
	if (seq > *stored)
		g->now.member[user].pointer = *stored = seq;
	return true;
}

struct model_group *model_create(struct model *m, uint64_t id, unsigned by,
				 const struct model_edit *edits, size_t count)
{
	const struct model_edit creator = { .op = OP_ADMIN, .user = by };
	struct model_group *g = &m->group[m->groups];

	assert(m->groups < MODEL_GROUPS);
	g->now = (struct model_state){ .id = id, .live = true, .first = 1 };
	g->kept = (struct model_state){ 0 };
	g->died = 0;
	if (!edit(g, &creator) || !apply(g, edits, count))
		return NULL;
	/* Told as those whom it has, by name. */
	g->now.changes = 0;
	for (unsigned u = 0; u < MODEL_USERS; u++) {
		if (g->now.member[u].in)
			change(g, u, ADDED);
	}
	m->groups++;
	return g;
}

bool model_delete(struct model *m, struct model_group *g, unsigned by)
{
	(void)m;
	if (!is_in(g, by) || !g->now.member[by].admin)
		return false;
	for (unsigned u = 0; u < MODEL_USERS; u++) {
		if (g->now.member[u].in)
			change(g, u, REMOVED);
		g->now.member[u].in = g->now.member[u].admin = false;
	}
	g->now.live = false;
	return true;
}

bool model_keep(struct model_group *g, unsigned by, uint64_t keep)
{
	if (!is_in(g, by) || !g->now.member[by].admin)
		return false;
	g->now.keep = keep;
	return true;
}

uint64_t model_trim_max(const struct model_group *g, uint64_t keep)
{
	uint64_t count = g->now.keep;
	uint64_t first = g->now.first;

	if (keep != 0 && (count == 0 || keep < count))
		count = keep;
	if (count != 0 && g->now.last >= count &&
	    g->now.last - count + 1 > first)
		first = g->now.last - count + 1;
	return first;
}

static bool is_added(const struct model_change *c)
{
	return c->change == ADDED;
}

/* Whether he was that at one of these moments. */
static bool was(const struct model_group *g, unsigned user, uint64_t from,
		uint64_t to, bool member)
{
	bool in = false;

	for (size_t i = 0; i < g->kept.changes; i++) {
		const struct model_change *c = &g->change[i];

		if (c->moment > to)
			break;
		if (c->moment > from && in == member)
			return true;
		if (c->user == user && c->change != ROLE)
			in = is_added(c);
	}
	return in == member;
}

bool model_was_member(const struct model_group *g, unsigned user, uint64_t from,
		      uint64_t to)
{
	return was(g, user, from, to, true);
}

bool model_was_out(const struct model_group *g, unsigned user, uint64_t from,
		   uint64_t to)
{
	return was(g, user, from, to, false);
}

bool model_may_see(const struct model_group *g, unsigned user, uint64_t seq)
{
	bool in = false;

	for (size_t i = 0; i < g->kept.changes; i++) {
		const struct model_change *c = &g->change[i];

		if (c->user != user || c->change == ROLE)
			continue;
		if (in && c->seq >= seq)
			return true;
		in = is_added(c);
	}
	return in;
}
