/* SPDX-License-Identifier: MIT */
/* What a connection is answered: it must have been true at some moment between
 * the question and now. */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/clients.h"

static void check_member(const struct ask *a)
{
	SIM_CHECK(model_was_member(a->g, a->user, a->moment, sim.model.moment),
		  "u%u is answered about group %" PRIu64
		  ", and was no member since he asked",
		  a->user, a->g->kept.id);
}

static void check_refusal(const struct ask *a, enum err_code code)
{
	if (code != ERR_NO_SUCH_GROUP && code != ERR_NOT_MEMBER)
		return;
	SIM_CHECK(a->g == NULL || model_was_out(a->g, a->user, a->moment,
						sim.model.moment),
		  "u%u is told that he is no member of group %" PRIu64
		  ", and was one since he asked",
		  a->user, a->g->kept.id);
}

/* Who gives a message out has committed it. */
static void sent(const struct ask *a, const struct wire_body_sent *body)
{
	const struct model_group *g = a->g;
	struct send *s = a->send;

	SIM_CHECK(body->last_seq <= g->kept.last && body->first_seq > 0 &&
			  body->last_seq - body->first_seq + 1 == s->count,
		  "%" PRIu64 "-%" PRIu64 " is acknowledged, and not committed",
		  body->first_seq, body->last_seq);
	for (size_t i = 0; i < s->count; i++)
		SIM_CHECK(g->log[body->first_seq - 1 + i].item == s->items[i],
			  "message %" PRIu64 " is acknowledged as %" PRIu64
			  ", which is another",
			  s->items[i], body->first_seq + i);
	SIM_CHECK(s->state != SEND_ACKED || s->first == body->first_seq,
		  "message %" PRIu64 " was %" PRIu64 " and is %" PRIu64,
		  s->items[0], s->first, body->first_seq);
	SIM_CHECK(s->state != SEND_ACKED || body->duplicate == 1,
		  "message %" PRIu64 " is stored twice", s->items[0]);
	s->state = SEND_ACKED;
	s->first = body->first_seq;
	s->last = body->last_seq;
}

static void send_refused(const struct ask *a, enum err_code code)
{
	struct send *s = a->send;

	if (s->state == SEND_NEW)
		s->state = code == ERR_OUTCOME_UNKNOWN ? SEND_UNKNOWN
						       : SEND_REFUSED;
}

static void watching(struct client *c, const struct ask *a,
		     const struct wire_body_watching *body)
{
	struct view *v = &c->view[a->g - sim.model.group];
	bool was = view_is_watched(v);

	check_member(a);
	SIM_CHECK(body->last_seq <= a->g->kept.last &&
			  (was || body->last_seq >= a->last),
		  "a watch of group %" PRIu64 " begins at %" PRIu64
		  ", and it reached %" PRIu64,
		  a->g->kept.id, body->last_seq, a->last);
	SIM_CHECK(!was || body->last_seq == v->told,
		  "client %td was told up to %" PRIu64
		  ", and hears that it was %" PRIu64,
		  c - clients.client, v->told, body->last_seq);
	v->watched[a->p] = true;
	v->told = body->last_seq;
	if (was)
		return;
	v->changes = 0;
	v->changes_before = a->g->kept.changes;
}

static void pulled(const struct ask *a, const struct wire_body_messages *body)
{
	struct str list = body->messages;
	struct wire_message m = { 0 };
	uint64_t next = a->seq + 1;

	check_member(a);
	SIM_CHECK(body->last_seq >= a->last &&
			  body->last_seq <= a->g->kept.last,
		  "a page says that the log reaches %" PRIu64, body->last_seq);
	if (next < body->first_seq)
		next = body->first_seq;
	SIM_CHECK(list.len > 0 || next > body->last_seq, "a page is empty");
	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		SIM_CHECK(m.seq == next,
			  "a page has %" PRIu64 " in the place of %" PRIu64,
			  m.seq, next);
		clients_check_message(a->g, &m);
		next++;
	}
	SIM_CHECK(m.seq == 0 || model_may_see(a->g, a->user, m.seq),
		  "u%u reads message %" PRIu64
		  ", and was removed before it came",
		  a->user, m.seq);
}

static void found(const struct ask *a, const struct wire_body_group *body)
{
	const struct model_state *now = &a->g->kept;

	check_member(a);
	SIM_CHECK(body->last_seq >= a->last && body->last_seq <= now->last,
		  "group %" PRIu64 " is said to reach %" PRIu64, now->id,
		  body->last_seq);
	if (now->member[a->user].joins != a->joins || !now->live)
		return;
	SIM_CHECK(body->last_read_seq >= a->pointer &&
			  body->last_read_seq <= model_pointer(now, a->user),
		  "the pointer of u%u is said to be %" PRIu64
		  ", and was %" PRIu64,
		  a->user, body->last_read_seq, a->pointer);
}

static void read_set(const struct ask *a, uint64_t value)
{
	check_member(a);
	SIM_CHECK((a->seq == WIRE_READ_ALL || value >= a->seq) &&
			  value <= a->g->kept.last,
		  "the pointer of u%u is set to %" PRIu64
		  ", and said to be %" PRIu64,
		  a->user, a->seq, value);
}

static void opened(struct client *c, const struct ask *a, bool ok)
{
	struct principal_of *pr = &c->principal[a->p];

	SIM_CHECK(!ok || !pr->by_token || !a->refusable,
		  "the token of u%u was revoked, and lets him in", a->user);
	pr->state = ok ? OPEN : CLOSED;
}

static void done(struct client *c, const struct ask *a,
		 const union wire_body *body)
{
	switch (a->type) {
	case WIRE_HELLO:
		break;
	case WIRE_OPEN_PRINCIPAL:
		opened(c, a, true);
		break;
	case WIRE_SEND:
		sent(a, &body->sent);
		break;
	case WIRE_WATCH:
		watching(c, a, &body->watching);
		break;
	case WIRE_UNWATCH:
		c->view[a->g - sim.model.group].watched[a->p] = false;
		break;
	case WIRE_PULL:
		pulled(a, &body->messages);
		break;
	case WIRE_FIND_GROUP:
		found(a, &body->group);
		break;
	case WIRE_SET_READ:
		read_set(a, body->ok.value);
		break;
	case WIRE_CREATE_GROUP: {
		const struct model_group *g =
			model_find(&sim.model, body->group.group_id);

		SIM_CHECK(g != NULL && g->kept.id != 0,
			  "a group is made, and not committed");
		break;
	}
	case WIRE_DELETE_GROUP:
		SIM_CHECK(!a->g->kept.live,
			  "a group is deleted, and not committed");
		break;
	case WIRE_REVOKE_TOKEN:
		clients.revoked[a->user] = true;
		break;
	default: /* EDIT_MEMBERS, SET_INFO */
		check_member(a);
	}
}

void clients_answer(struct client *c, const struct wire_header *h,
		    const union wire_body *body)
{
	struct ask *a = NULL;
	struct ask copy;

	for (size_t i = 0; i < CLIENT_ASKS; i++) {
		if (c->asks[i].type != WIRE_NONE && c->asks[i].id == h->id)
			a = &c->asks[i];
	}
	SIM_CHECK(a != NULL, "client %td: nobody asked for answer %u",
		  c - clients.client, h->id);
	copy = *a;
	a->type = WIRE_NONE;
	if (copy.type == WIRE_SEND)
		copy.send->pending--;
	if (h->type != WIRE_ERROR) {
		SIM_CHECK(h->type == wire_answer_of(copy.type),
			  "client %td: answer %u is of another type",
			  c - clients.client, h->id);
		done(c, &copy, body);
		return;
	}
	check_refusal(&copy, (enum err_code)body->error.code);
	if (copy.type == WIRE_SEND)
		send_refused(&copy, (enum err_code)body->error.code);
	else if (copy.type == WIRE_OPEN_PRINCIPAL)
		opened(c, &copy, false);
}
