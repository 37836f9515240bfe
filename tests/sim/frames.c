/* SPDX-License-Identifier: MIT */
/* What a connection is told without having asked. */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/clients.h"

static unsigned user_of(struct str name)
{
	return name.len == 2 ? (unsigned)(name.data[1] - '0') : MODEL_USERS;
}

static struct model_group *group_of(uint64_t id)
{
	struct model_group *g = model_find(&sim.model, id);

	SIM_CHECK(g != NULL && g->kept.id == id,
		  "told of group %" PRIu64 ", which is not committed", id);
	return g;
}

static struct view *view_of(struct client *c, const struct model_group *g)
{
	return &c->view[g - sim.model.group];
}

void clients_check_message(const struct model_group *g,
			   const struct wire_message *m)
{
	const struct model_message *l;

	SIM_CHECK(m->seq >= 1 && m->seq <= g->kept.last,
		  "message %" PRIu64 " of group %" PRIu64
		  " is given out, and not committed",
		  m->seq, g->kept.id);
	l = &g->log[m->seq - 1];
	SIM_CHECK(strtoull(m->content.data + 1, NULL, 10) == l->item &&
			  user_of(m->sender) == l->sender &&
			  m->time_ms == l->time_ms,
		  "message %" PRIu64 " of group %" PRIu64
		  " is another one than the model's",
		  m->seq, g->kept.id);
	SIM_CHECK(m->seq == 1 || m->time_ms >= g->log[m->seq - 2].time_ms,
		  "time goes back at message %" PRIu64, m->seq);
}

void clients_may_hear(const struct client *c, const struct model_group *g,
		      uint64_t seq)
{
	const struct view *v = &c->view[g - sim.model.group];

	for (unsigned p = 0; p < CLIENT_PRINCIPALS; p++) {
		if (v->watched[p] &&
		    model_may_see(g, c->principal[p].user, seq))
			return;
	}
	sim_fail("client %td gets message %" PRIu64 " of group %" PRIu64
		 ", of which none of its users is a member",
		 c - clients.client, seq, g->kept.id);
}

static void hear_messages(struct client *c, const union wire_body *body)
{
	struct model_group *g = group_of(body->ev_messages.group_id);
	struct str list = body->ev_messages.messages;
	struct view *v = view_of(c, g);
	struct wire_message m;

	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		SIM_CHECK(m.seq == v->told + 1,
			  "client %td gets %" PRIu64 " behind %" PRIu64,
			  c - clients.client, m.seq, v->told);
		clients_check_message(g, &m);
		v->told = m.seq;
	}
	clients_may_hear(c, g, v->told);
}

static void hear_grown(struct client *c, const union wire_body *body)
{
	struct model_group *g = group_of(body->ev_grown.group_id);
	struct view *v = view_of(c, g);
	uint64_t last = body->ev_grown.last_seq;

	SIM_CHECK(last > v->told && last <= g->kept.last,
		  "client %td hears that %" PRIu64 " is the last, behind "
		  "%" PRIu64,
		  c - clients.client, last, v->told);
	v->told = last;
	clients_may_hear(c, g, last);
}

static void end_watches(struct client *c, struct view *v, unsigned user)
{
	for (unsigned p = 0; p < CLIENT_PRINCIPALS; p++) {
		if (user == MODEL_USERS || c->principal[p].user == user)
			v->watched[p] = false;
	}
}

static void hear_member(struct client *c, const union wire_body *body)
{
	struct model_group *g = group_of(body->ev_member.group_id);
	unsigned user = user_of(body->ev_member.user);
	struct view *v = view_of(c, g);
	size_t at = v->change_at;

	while (at < g->kept.changes &&
	       (g->change[at].user != user ||
		g->change[at].change != body->ev_member.change))
		at++;
	SIM_CHECK(at < g->kept.changes,
		  "client %td hears of a change of u%u that nobody made",
		  c - clients.client, user);
	SIM_CHECK(!view_is_watched(v) || v->told >= g->change[at].seq,
		  "client %td hears of a change behind %" PRIu64
		  ", and is told up to %" PRIu64,
		  c - clients.client, g->change[at].seq, v->told);
	v->change_at = at + 1;
	v->changes++;
	if (body->ev_member.change == MEMBER_REMOVED)
		end_watches(c, v, user);
	if (body->ev_member.change == MEMBER_ADDED && user < MODEL_USERS)
		v->read[user] = 0;
}

static void hear_read(struct client *c, const union wire_body *body)
{
	struct model_group *g = group_of(body->ev_read.group_id);
	unsigned user = user_of(body->ev_read.user);
	uint64_t seq = body->ev_read.last_read_seq;
	struct view *v = view_of(c, g);

	SIM_CHECK(user < MODEL_USERS && seq <= g->kept.last &&
			  seq > v->read[user],
		  "client %td hears that the pointer of u%u is %" PRIu64
		  ", behind %" PRIu64,
		  c - clients.client, user, seq, v->read[user]);
	v->read[user] = seq;
}

static void hear_principal(struct client *c, uint32_t id)
{
	unsigned p = id - 1;

	SIM_CHECK(p < CLIENT_PRINCIPALS && c->principal[p].by_token,
		  "client %td: a principal ends for no reason",
		  c - clients.client);
	c->principal[p].state = CLOSED;
	for (size_t i = 0; i < MODEL_GROUPS; i++)
		c->view[i].watched[p] = false;
}

void clients_event(struct client *c, const struct wire_header *h,
		   const union wire_body *body)
{
	struct model_group *g;

	switch (h->type) {
	case WIRE_EV_MESSAGES:
		hear_messages(c, body);
		break;
	case WIRE_EV_GROWN:
		hear_grown(c, body);
		break;
	case WIRE_EV_MEMBER:
		hear_member(c, body);
		break;
	case WIRE_EV_DELETED:
		g = group_of(body->ev_deleted.group_id);
		SIM_CHECK(!g->kept.live, "told of the end of a live group");
		end_watches(c, view_of(c, g), MODEL_USERS);
		break;
	case WIRE_EV_READ:
		hear_read(c, body);
		break;
	case WIRE_EV_MENTION:
		g = group_of(body->ev_mention.group_id);
		SIM_CHECK(body->ev_mention.seq <= g->kept.last,
			  "a mention is told, and not committed");
		break;
	case WIRE_EV_FLOOR:
		g = group_of(body->ev_floor.group_id);
		SIM_CHECK(body->ev_floor.first_seq <= g->kept.first,
			  "a floor is told, and not committed");
		break;
	case WIRE_EV_PRINCIPAL:
		hear_principal(c, h->principal);
		break;
	case WIRE_EV_BYE:
		break;
	default:
		sim_fail("client: event %d", (int)h->type);
	}
}
