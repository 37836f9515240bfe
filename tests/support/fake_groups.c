/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_groups.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

static const char *const users[FAKE_USERS] = { "u0", "u1", "u2", "u3" };

struct held {
	struct list link;
	struct wire_header h;
	unsigned connection; /* it came on */
	uint64_t group_id, after_seq, limit, bytes;
};

static bool is_watched(const struct fake_group *g)
{
	for (unsigned u = 0; u < FAKE_USERS; u++)
		if (g->watched[u])
			return true;
	return false;
}

static void put_messages(struct buf *b, unsigned g, uint64_t epoch,
			 uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		struct buf text = { 0 };
		struct wire_message m = { .seq = seq, .sender = str_of("bob") };

		buf_printf(&text, "%u %llu %llu", g, (unsigned long long)epoch,
			   (unsigned long long)seq);
		m.content = buf_str(&text);
		wire_put(b, &wire_schema_message, &m);
		buf_release(&text);
	}
}

static const char *name_of(struct fake_peer *peer, uint32_t principal,
			   uint64_t uid)
{
	struct fake_groups *f = peer->data;

	assert(uid < FAKE_USERS && principal < FAKE_PRINCIPALS);
	f->uid_of[principal] = (int)uid;
	return users[uid];
}

static void answer_pull(struct fake_groups *f, const struct held *r,
			unsigned at)
{
	const struct fake_group *g = &f->g[at];
	struct wire_body_messages a = { .epoch = g->epoch,
					.first_seq = g->first_seq,
					.last_seq = g->last_seq };
	uint64_t from = r->after_seq + 1;
	uint64_t to = r->after_seq + r->limit;
	struct buf b = { 0 };

	if (f->pull_errors > 0) {
		f->pull_errors--;
		fake_peer_error(&f->peer, &r->h, ERR_UNAVAILABLE);
		return;
	}
	put_messages(&b, at, g->epoch,
		     from < g->first_seq ? g->first_seq : from,
		     to < g->last_seq ? to : g->last_seq);
	a.messages = buf_str(&b);
	fake_peer_send(&f->peer, WIRE_MESSAGES, r->h.id, r->h.principal, &a);
	buf_release(&b);
}

static void answer_watch(struct fake_groups *f, const struct held *r,
			 struct fake_group *g, unsigned user)
{
	const struct wire_body_watching a = { .epoch = g->epoch,
					      .first_seq = g->first_seq,
					      .last_seq = g->last_seq,
					      .last_read_seq =
						      g->pointer[user] };

	if (f->watch_error != 0) {
		fake_peer_error(&f->peer, &r->h, f->watch_error);
		return;
	}
	g->watched[user] = true;
	fake_peer_send(&f->peer, WIRE_WATCHING, r->h.id, r->h.principal, &a);
}

static void answer(struct fake_groups *f, const struct held *r)
{
	unsigned at = (unsigned)r->group_id - 1;
	struct fake_group *g = &f->g[at];
	const struct wire_body_ok ok = { 0 };
	int uid = f->uid_of[r->h.principal];

	assert(at < FAKE_GROUPS && uid >= 0);
	if (r->h.type == WIRE_UNWATCH) {
		g->watched[uid] = false;
		fake_peer_send(&f->peer, WIRE_OK, r->h.id, r->h.principal, &ok);
	} else if (!g->member[uid]) {
		fake_peer_error(&f->peer, &r->h, ERR_NO_SUCH_GROUP);
	} else if (r->h.type == WIRE_PULL) {
		answer_pull(f, r, at);
	} else {
		answer_watch(f, r, g, (unsigned)uid);
	}
}

bool fake_groups_answer(struct fake_groups *f)
{
	struct list *el = list_pop(&f->held);
	struct held *r;

	if (el == NULL)
		return false;
	r = container_of(el, struct held, link);
	f->asked -= r->bytes;
	if (f->peer.has_conn && r->connection == f->peer.connected)
		answer(f, r);
	free(r);
	return true;
}

static void new_connection(struct fake_groups *f)
{
	f->connection = f->peer.connected;
	for (unsigned g = 0; g < FAKE_GROUPS; g++)
		memset(f->g[g].watched, 0, sizeof(f->g[g].watched));
}

static void request(struct fake_peer *peer, const struct wire_header *h,
		    const union wire_body *body)
{
	struct fake_groups *f = peer->data;
	const struct wire_body_ok ok = { 0 };
	struct held *r;

	if (f->connection != peer->connected)
		new_connection(f);
	if (h->type == WIRE_CLOSE_PRINCIPAL) {
		fake_peer_send(peer, WIRE_OK, h->id, h->principal, &ok);
		return;
	}
	r = calloc(1, sizeof(*r));
	assert(r != NULL);
	r->h = *h;
	r->connection = peer->connected;
	if (h->type == WIRE_PULL) {
		f->pulls++;
		r->group_id = body->pull.group_id;
		r->after_seq = body->pull.after_seq;
		r->limit = body->pull.limit;
		r->bytes = body->pull.max_bytes;
		f->asked += r->bytes;
	} else if (h->type == WIRE_WATCH) {
		f->watches++;
		r->group_id = body->watch.group_id;
	} else {
		assert(h->type == WIRE_UNWATCH);
		f->unwatches++;
		r->group_id = body->unwatch.group_id;
	}
	list_push(&f->held, &r->link);
	if (!f->hold)
		while (fake_groups_answer(f))
			;
}

static bool tells(struct fake_groups *f, unsigned g)
{
	return f->peer.has_conn && f->connection == f->peer.connected &&
	       is_watched(&f->g[g]);
}

void fake_groups_publish(struct fake_groups *f, unsigned at, unsigned count,
			 bool grown)
{
	struct fake_group *g = &f->g[at];
	uint64_t first = g->last_seq + 1;
	struct wire_body_ev_messages ev = { .group_id = at + 1 };
	struct wire_body_ev_grown ev_grown = { .group_id = at + 1 };
	struct buf b = { 0 };

	g->last_seq += count;
	if (!tells(f, at))
		return;
	ev_grown.last_seq = g->last_seq;
	if (grown) {
		fake_peer_send(&f->peer, WIRE_EV_GROWN, 0, 0, &ev_grown);
		return;
	}
	put_messages(&b, at, g->epoch, first, g->last_seq);
	ev.messages = buf_str(&b);
	fake_peer_send(&f->peer, WIRE_EV_MESSAGES, 0, 0, &ev);
	buf_release(&b);
}

void fake_groups_publish_rubbish(struct fake_groups *f, unsigned at)
{
	struct fake_group *g = &f->g[at];
	struct wire_body_ev_messages ev = { .group_id = at + 1 };
	struct buf b = { 0 };

	g->last_seq += 2;
	if (!tells(f, at))
		return;
	put_messages(&b, at, g->epoch, g->last_seq - 1, g->last_seq);
	buf_truncate(&b, b.len - 1);
	ev.messages = buf_str(&b);
	fake_peer_send(&f->peer, WIRE_EV_MESSAGES, 0, 0, &ev);
	buf_release(&b);
}

bool fake_groups_remove(struct fake_groups *f, unsigned at, unsigned user)
{
	const struct wire_body_ev_member ev = { .group_id = at + 1,
						.user = str_of(users[user]),
						.change = MEMBER_REMOVED };
	bool told = tells(f, at) && f->g[at].watched[user];

	f->g[at].member[user] = false;
	if (tells(f, at))
		fake_peer_send(&f->peer, WIRE_EV_MEMBER, 0, 0, &ev);
	f->g[at].watched[user] = false;
	return told;
}

void fake_groups_start(struct fake_groups *f, uv_loop_t *loop)
{
	list_init(&f->held);
	for (unsigned i = 0; i < FAKE_PRINCIPALS; i++)
		f->uid_of[i] = -1;
	for (unsigned g = 0; g < FAKE_GROUPS; g++) {
		f->g[g].epoch = 1;
		f->g[g].first_seq = 1;
		for (unsigned u = 0; u < FAKE_USERS; u++)
			f->g[g].member[u] = true;
	}
	f->peer.data = f;
	f->peer.on_request = request;
	f->peer.name_of = name_of;
	fake_peer_start(&f->peer, loop);
}

void fake_groups_close(struct fake_groups *f)
{
	for (struct list *el; (el = list_pop(&f->held)) != NULL;)
		free(container_of(el, struct held, link));
	fake_peer_close(&f->peer);
}
