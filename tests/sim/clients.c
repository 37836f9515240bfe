/* SPDX-License-Identifier: MIT */
/*
 * Those who use it: connections with two principals each, which send, read,
 * watch and administer at random, lose their connections and send again what
 * was not answered. Each keeps what it was told, and what it is told next must
 * fit to that and to the model: frames.c checks the events, answers.c the
 * answers.
 */
#include "tests/sim/clients.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wire.h"

struct clients clients;

/* Sending. */

static struct ask *new_ask(struct client *c, enum wire_type type, unsigned p,
			   struct model_group *g)
{
	for (size_t i = 0; i < CLIENT_ASKS; i++) {
		struct ask *a = &c->asks[i];
		unsigned user = c->principal[p].user;

		if (a->type != WIRE_NONE)
			continue;
		*a = (struct ask){ .type = type,
				   .id = ++c->last_id,
				   .p = p,
				   .user = user,
				   .g = g,
				   .moment = sim.model.moment };
		if (g != NULL) {
			a->last = g->kept.last;
			a->pointer = model_pointer(&g->kept, user);
			a->joins = g->kept.member[user].joins;
		}
		return a;
	}
	return NULL;
}

static void write_ask(struct client *c, const struct ask *a, const void *body,
		      bool again)
{
	struct buf frame = { 0 };

	wire_put_frame(&frame, a->type, a->id, c->principal[a->p].id, body);
	if (again)
		wire_mark_resent(&frame);
	loop_pipe_write(c->pipe, buf_str(&frame));
	buf_release(&frame);
	sim_trace("client %td: asks %d as u%u group=%" PRIu64,
		  c - clients.client, (int)a->type, a->user,
		  a->g == NULL ? 0 : a->g->kept.id);
}

/* Its text says which it is. */
static void put_item(struct buf *out, const struct send *s, size_t i)
{
	static const char pad[] = "............................................"
				  "...................."
				  "............................................"
				  "....................";
	struct wire_item item = { .reply_to = s->reply_to };
	struct buf content = { 0 };
	char id[24];

	buf_printf(&content, "m%" PRIu64 " ", s->items[i]);
	if (s->items[i] % 7 == 0)
		buf_printf(&content, "@u%u ", (unsigned)(s->items[i] % 5));
	for (uint64_t n = s->items[i] % 11; n > 8; n--)
		buf_append(&content, pad, sizeof(pad) - 1);
	item.content = buf_str(&content);
	if (s->keyed) {
		snprintf(id, sizeof(id), "c%" PRIu64, s->items[i]);
		item.client_id = str_of(id);
	}
	wire_put(out, &wire_schema_item, &item);
	buf_release(&content);
}

static void write_send(struct client *c, unsigned p, struct send *s, bool again)
{
	struct ask *a = new_ask(c, WIRE_SEND, p, s->g);
	struct wire_body_send body = { .group_id = s->g->kept.id };
	struct buf items = { 0 };
	char id[24];

	if (a == NULL)
		return;
	a->send = s;
	s->pending++;
	for (size_t i = 0; i < s->count; i++)
		put_item(&items, s, i);
	body.items = buf_str(&items);
	if (s->batch) {
		snprintf(id, sizeof(id), "b%" PRIu64, s->items[0]);
		body.batch_id = str_of(id);
	}
	write_ask(c, a, &body, again);
	buf_release(&items);
}

static void act_send(struct client *c, unsigned p, struct model_group *g)
{
	struct send *s = &clients.send[clients.sends];
	uint64_t key = sim_random(3);

	if (clients.sends == CLIENTS_SENDS)
		return;
	clients.sends++;
	*s = (struct send){ .user = c->principal[p].user,
			    .g = g,
			    .count = 1 + sim_random(SEND_ITEMS),
			    .keyed = key == 1,
			    .batch = key == 2 };
	for (size_t i = 0; i < s->count; i++)
		s->items[i] = ++clients.items;
	if (s->count == 1 && sim_random(8) == 0)
		s->reply_to = 1 + sim_random(30);
	write_send(c, p, s, false);
}

/* One that is not answered on a connection that was lost, or was answered: then
 * the answer must be the same. */
static void act_again(struct client *c, unsigned p)
{
	for (int tries = 0; tries < 8 && clients.sends > 0; tries++) {
		struct send *s = &clients.send[sim_random(clients.sends)];

		if (s->user != c->principal[p].user || s->pending > 0 ||
		    s->state == SEND_REFUSED || (!s->keyed && !s->batch))
			continue;
		write_send(c, p, s, s->state == SEND_UNKNOWN);
		return;
	}
}

/* One who asks for a watch just now: his removal meets it half way. */
static bool find_asking(const struct model_group *g, unsigned *user)
{
	const struct client *c = &clients.client[sim_random(CLIENTS)];

	for (size_t i = 0; c->pipe != NULL && i < CLIENT_ASKS; i++) {
		if (c->asks[i].type != WIRE_WATCH || c->asks[i].g != g)
			continue;
		*user = c->asks[i].user;
		return true;
	}
	return false;
}

static void act_edit(struct client *c, unsigned p, struct model_group *g)
{
	struct wire_body_edit_members body = { .group_id = g->kept.id };
	struct ask *a = new_ask(c, WIRE_EDIT_MEMBERS, p, g);
	struct buf edits = { 0 };

	if (a == NULL)
		return;
	for (uint64_t n = 1 + sim_random(2); n > 0; n--) {
		struct wire_edit e = { .op = sim_random(4) };
		unsigned user = (unsigned)sim_random(MODEL_USERS);
		char name[4];

		if (find_asking(g, &user))
			e.op = EDIT_REMOVE;
		else if (sim_random(3) == 0)
			e.op = EDIT_ADD;
		snprintf(name, sizeof(name), "u%u", user);
		e.name = str_of(name);
		wire_put(&edits, &wire_schema_edit, &e);
	}
	body.edits = buf_str(&edits);
	write_ask(c, a, &body, false);
	buf_release(&edits);
}

static void act_create(struct client *c, unsigned p)
{
	struct wire_body_create_group body = { 0 };
	struct ask *a;
	struct buf edits = { 0 };
	char name[16];

	if (sim.model.groups == MODEL_GROUPS)
		return;
	a = new_ask(c, WIRE_CREATE_GROUP, p, NULL);
	if (a == NULL)
		return;
	for (unsigned u = 0; u < MODEL_USERS; u++) {
		struct wire_edit e = { .op = sim_random(4) == 0 ? EDIT_ADMIN
								: EDIT_ADD };

		if (sim_random(4) == 0 || u == a->user)
			continue;
		snprintf(name, sizeof(name), "u%u", u);
		e.name = str_of(name);
		wire_put(&edits, &wire_schema_edit, &e);
	}
	snprintf(name, sizeof(name), "g%" PRIu64, ++clients.names);
	body.name = str_of(name);
	body.members = buf_str(&edits);
	write_ask(c, a, &body, false);
	buf_release(&edits);
}

static void act_read(struct client *c, unsigned p, struct model_group *g)
{
	struct wire_body_set_read body = { .group_id = g->kept.id };
	struct ask *a = new_ask(c, WIRE_SET_READ, p, g);

	if (a == NULL)
		return;
	body.seq = sim_random(4) == 0 ? WIRE_READ_ALL
				      : sim_random(g->kept.last + 2);
	a->seq = body.seq;
	write_ask(c, a, &body, false);
}

static void act_pull(struct client *c, unsigned p, struct model_group *g)
{
	struct wire_body_pull body = { .group_id = g->kept.id,
				       .limit = 1 + sim_random(20) };
	struct ask *a = new_ask(c, WIRE_PULL, p, g);

	if (a == NULL)
		return;
	a->seq = body.after_seq = sim_random(g->kept.last + 1);
	write_ask(c, a, &body, false);
}

static void act_find(struct client *c, unsigned p, struct model_group *g)
{
	const struct wire_body_find_group body = { .group_id = g->kept.id };
	struct ask *a = new_ask(c, WIRE_FIND_GROUP, p, g);

	if (a != NULL)
		write_ask(c, a, &body, false);
}

static void act_watch(struct client *c, unsigned p, struct model_group *g)
{
	const struct wire_body_watch body = { .group_id = g->kept.id,
					      .kind = WATCH_PRESENT };
	struct ask *a = new_ask(c, WIRE_WATCH, p, g);

	if (a != NULL)
		write_ask(c, a, &body, false);
}

static void act_unwatch(struct client *c, unsigned p, struct model_group *g)
{
	const struct wire_body_unwatch body = { .group_id = g->kept.id,
						.kind = WATCH_PRESENT };
	struct ask *a;

	/* One that is still asked for would end in one way or the other. */
	for (size_t i = 0; i < CLIENT_ASKS; i++) {
		if (c->asks[i].type == WIRE_WATCH && c->asks[i].g == g)
			return;
	}
	a = new_ask(c, WIRE_UNWATCH, p, g);
	if (a != NULL)
		write_ask(c, a, &body, false);
}

static void act_delete(struct client *c, unsigned p, struct model_group *g)
{
	const struct wire_body_delete_group body = { .group_id = g->kept.id };
	struct ask *a;

	if (sim_random(4) != 0)
		return;
	a = new_ask(c, WIRE_DELETE_GROUP, p, g);
	if (a != NULL)
		write_ask(c, a, &body, false);
}

static void act_keep(struct client *c, unsigned p, struct model_group *g)
{
	struct wire_body_set_info body = { .group_id = g->kept.id,
					   .set = INFO_SETTINGS };
	struct ask *a = new_ask(c, WIRE_SET_INFO, p, g);
	char settings[64];

	if (a == NULL)
		return;
	snprintf(settings, sizeof(settings),
		 "{\"retention\":{\"messages\":%" PRIu64 "}}",
		 1 + sim_random(60));
	body.settings = str_of(settings);
	write_ask(c, a, &body, false);
}

/* Each user has one token, which is never made anew. */
static void act_revoke(struct client *c, unsigned p)
{
	const unsigned user = c->principal[p].user;
	const struct wire_body_revoke_token body = { .token_id = user + 1 };
	struct ask *a;

	if (sim_random(8) != 0 || clients.revoking[user])
		return;
	a = new_ask(c, WIRE_REVOKE_TOKEN, p, NULL);
	if (a == NULL)
		return;
	clients.revoking[user] = true;
	write_ask(c, a, &body, false);
}

/* Connections. */

static void open_principal(struct client *c, unsigned p)
{
	struct principal_of *pr = &c->principal[p];
	struct wire_body_open_principal body = { .kind = PRINCIPAL_UID };
	struct ask *a;

	pr->id = p + 1;
	pr->user = (unsigned)sim_random(MODEL_USERS);
	pr->state = OPENING;
	pr->by_token = !c->mount && sim_random(3) > 0;
	body.uid = pr->user;
	if (pr->by_token) {
		body.kind = PRINCIPAL_TOKEN;
		body.token = str_of(core_token(pr->user));
	}
	a = new_ask(c, WIRE_OPEN_PRINCIPAL, p, NULL);
	if (a == NULL)
		return;
	a->refusable = clients.revoked[pr->user];
	write_ask(c, a, &body, false);
}

static void dial(struct client *c)
{
	struct wire_body_hello hello = { .version = WIRE_VERSION };
	struct ask *a;
	int fd;

	*c = (struct client){ .mount = sim_random(3) == 0 };
	c->pipe = loop_pipe_new(sim.moods.room, &fd);
	core_accept(fd);
	hello.agent = str_of(c->mount ? "groupfs/1" : "sim/1");
	a = new_ask(c, WIRE_HELLO, 0, NULL);
	assert(a != NULL);
	write_ask(c, a, &hello, false);
	for (unsigned p = 0; p < CLIENT_PRINCIPALS; p++)
		open_principal(c, p);
}

/* What was not answered is unknown. */
static void forget(struct client *c)
{
	for (size_t i = 0; i < CLIENT_ASKS; i++) {
		struct ask *a = &c->asks[i];

		if (a->type != WIRE_SEND)
			continue;
		a->send->pending--;
		if (a->send->state != SEND_ACKED)
			a->send->state = SEND_UNKNOWN;
	}
	buf_release(&c->in);
	loop_pipe_close(c->pipe);
	c->pipe = NULL;
}

static void hang_up(struct client *c)
{
	sim_trace("client %td: hangs up", c - clients.client);
	forget(c);
}

static void act(struct client *c, unsigned p, struct model_group *g)
{
	uint64_t what = sim_random(100);

	if (what < 42)
		act_send(c, p, g);
	else if (what < 48)
		act_again(c, p);
	else if (what < 56)
		act_edit(c, p, g);
	else if (what < 63)
		act_read(c, p, g);
	else if (what < 71)
		act_pull(c, p, g);
	else if (what < 75)
		act_find(c, p, g);
	else if (what < 91)
		act_watch(c, p, g);
	else if (what < 93)
		act_unwatch(c, p, g);
	else if (what < 94)
		act_delete(c, p, g);
	else if (what < 95)
		act_keep(c, p, g);
	else if (what < 96)
		act_revoke(c, p);
	else if (what < 99)
		c->slow = !c->slow;
	else if (sim_random(2) == 0)
		hang_up(c);
}

void clients_act(void)
{
	struct client *c = &clients.client[sim_random(CLIENTS)];
	unsigned p = (unsigned)sim_random(CLIENT_PRINCIPALS);
	size_t groups = sim.model.groups_kept;
	struct model_group *g;

	if (c->pipe == NULL) {
		dial(c);
		return;
	}
	if (c->principal[p].state != OPEN)
		return;
	if (clients.names < 3 || groups == 0 || sim_random(150) == 0)
		act_create(c, p);
	if (groups == 0)
		return;
	g = &sim.model.group[sim_random(groups)];
	/* Mostly one of his. */
	for (int i = 0; i < 6 && !g->kept.member[c->principal[p].user].in; i++)
		g = &sim.model.group[sim_random(groups)];
	act(c, p, g);
}

/* Reading. */

static void read_frames(struct client *c)
{
	size_t at = 0;

	while (c->in.len - at >= WIRE_HEADER) {
		struct wire_header h;
		union wire_body body;
		int rc = wire_get_header(c->in.data + at, &h);

		SIM_CHECK(rc == 0, "client: that is no frame");
		if (c->in.len - at - WIRE_HEADER < h.len)
			break;
		rc = wire_get(str_make(c->in.data + at + WIRE_HEADER, h.len),
			      wire_schema_of(h.type), &body);
		SIM_CHECK(rc == 0, "client: a frame cannot be decoded");
		at += WIRE_HEADER + h.len;
		sim_trace("client %td: hears %d id=%u", c - clients.client,
			  (int)h.type, h.id);
		if (h.id == 0)
			clients_event(c, &h, &body);
		else
			clients_answer(c, &h, &body);
	}
	buf_consume(&c->in, at);
}

static void read_client(struct client *c, size_t max)
{
	bool open = loop_pipe_read(c->pipe, &c->in, max);

	read_frames(c);
	if (!open) {
		sim_trace("client %td: is hung up on", c - clients.client);
		forget(c);
	}
}

void clients_read(void)
{
	struct client *c = &clients.client[sim_random(CLIENTS)];

	if (c->pipe == NULL || (c->slow && sim_random(30) != 0))
		return;
	read_client(c, sim_random(3) == 0 ? 1 + sim_random(200) : 65536);
}

/* Life. */

void clients_start(void)
{
	clients.sends = 0;
	clients.items = clients.names = 0;
	memset(clients.revoking, 0, sizeof(clients.revoking));
	memset(clients.revoked, 0, sizeof(clients.revoked));
}

void clients_lost(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients.client[i].pipe != NULL)
			read_client(&clients.client[i], SIZE_MAX);
		if (clients.client[i].pipe != NULL)
			forget(&clients.client[i]);
	}
	/* Whether a revocation was done shows at the next start. */
	memset(clients.revoking, 0, sizeof(clients.revoking));
}

bool clients_settle(void)
{
	bool settled = true;

	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &clients.client[i];

		c->slow = false;
		if (c->pipe == NULL)
			continue;
		read_client(c, 65536);
		for (size_t k = 0; c->pipe != NULL && k < CLIENT_ASKS; k++)
			settled = settled && c->asks[k].type == WIRE_NONE;
	}
	return settled;
}

static void check_view(const struct client *c, size_t at)
{
	const struct model_group *g = &sim.model.group[at];
	const struct view *v = &c->view[at];

	if (!view_is_watched(v))
		return;
	SIM_CHECK(v->told == g->kept.last,
		  "client %td was told up to %" PRIu64 " of group %" PRIu64
		  ", which reaches %zu",
		  c - clients.client, v->told, g->kept.id, g->kept.last);
	SIM_CHECK(v->changes >= g->kept.changes - v->changes_before,
		  "client %td heard of %zu changes of group %" PRIu64
		  ", of %zu",
		  c - clients.client, v->changes, g->kept.id,
		  g->kept.changes - v->changes_before);
}

static void check_client(const struct client *c)
{
	if (c->pipe == NULL)
		return;
	for (size_t i = 0; i < CLIENT_ASKS; i++)
		SIM_CHECK(c->asks[i].type == WIRE_NONE,
			  "client %td: request %u is never answered",
			  c - clients.client, c->asks[i].id);
	for (unsigned p = 0; p < CLIENT_PRINCIPALS; p++)
		SIM_CHECK(c->principal[p].state != OPEN ||
				  !c->principal[p].by_token ||
				  !clients.revoked[c->principal[p].user],
			  "client %td: the token of u%u is revoked, and its "
			  "principal open",
			  c - clients.client, c->principal[p].user);
	for (size_t i = 0; i < sim.model.groups_kept; i++)
		check_view(c, i);
}

/* How often the send is in its log, from where on. */
static size_t count_send(const struct send *s, uint64_t *first)
{
	size_t found = 0;

	for (size_t i = 0; i < s->g->kept.last; i++) {
		if (s->g->log[i].item < s->items[0] ||
		    s->g->log[i].item > s->items[s->count - 1])
			continue;
		if (found == 0)
			*first = i + 1;
		SIM_CHECK(s->g->log[i].item == s->items[0] + found &&
				  i + 1 == *first + found,
			  "message %" PRIu64 " is not where it belongs",
			  s->g->log[i].item);
		found++;
	}
	return found;
}

void clients_check(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		check_client(&clients.client[i]);
	for (size_t i = 0; i < clients.sends; i++) {
		const struct send *s = &clients.send[i];
		uint64_t first = 0;
		size_t found = count_send(s, &first);

		SIM_CHECK(found == 0 || found == s->count,
			  "of a send of %zu messages %zu are there", s->count,
			  found);
		SIM_CHECK(s->state != SEND_REFUSED || found == 0,
			  "message %" PRIu64 " was refused and is there",
			  s->items[0]);
		SIM_CHECK(s->state != SEND_ACKED ||
				  (found > 0 && first == s->first),
			  "message %" PRIu64 " was acknowledged as %" PRIu64
			  " and is %" PRIu64,
			  s->items[0], s->first, first);
	}
}

void clients_release(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients.client[i].pipe != NULL)
			forget(&clients.client[i]);
	}
}
