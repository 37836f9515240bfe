/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/ws.h"
#include "lib/text.h"

static struct ws_group *find_group(struct gateway *gw, uint64_t group_id)
{
	uint64_t key = table_hash_pair(group_id, 0);
	struct table_node *n;

	for (n = table_find(&gw->groups, key); n != NULL; n = table_next(n)) {
		struct ws_group *g = container_of(n, struct ws_group, node);

		if (g->group_id == group_id)
			return g;
	}
	return NULL;
}

/* What all messages of a group begin with. */
static void put_message_head(struct buf *b, const char *group)
{
	ws_frame_type(b, "message");
	buf_append_str(b, str_of(",\"group\":"));
	json_put_str(b, str_of(group));
	buf_append_char(b, ',');
}

static struct ws_group *get_group(struct gateway *gw, uint64_t group_id,
				  struct str name)
{
	struct ws_group *g = find_group(gw, group_id);

	if (g != NULL)
		return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL || !str_to_cstr(name, g->name, sizeof(g->name)))
		goto free_group;
	put_message_head(&g->head, g->name);
	if (g->head.failed)
		goto free_group;
	if (!table_insert(&gw->groups, &g->node, table_hash_pair(group_id, 0)))
		goto free_group;
	if (!table_insert(&gw->names, &g->by_name,
			  table_hash_keyed(gw->names_seed, name)))
		goto drop_node;
	g->group_id = group_id;
	list_init(&g->subs);
	ws_notes_init(&g->notes);
	return g;

drop_node:
	table_remove(&gw->groups, &g->node);
free_group:
	if (g != NULL)
		buf_release(&g->head);
	free(g);
	return NULL;
}

static void put_group_back(struct gateway *gw, struct ws_group *g)
{
	if (!list_empty(&g->subs))
		return;
	table_remove(&gw->groups, &g->node);
	table_remove(&gw->names, &g->by_name);
	buf_release(&g->head);
	free(g);
}

struct ws_sub *ws_find_sub(const struct ws_conn *c, uint64_t group_id)
{
	uint64_t key = table_hash_pair(c->serial, group_id);
	struct table_node *n;

	for (n = table_find(&c->gw->subs, key); n != NULL; n = table_next(n)) {
		struct ws_sub *sub = container_of(n, struct ws_sub, node);

		if (sub->conn == c && sub->group->group_id == group_id)
			return sub;
	}
	return NULL;
}

struct ws_sub *ws_find_sub_named(const struct ws_conn *c, struct str name)
{
	const struct gateway *gw = c->gw;
	struct table_node *n =
		table_find(&gw->names, table_hash_keyed(gw->names_seed, name));
	uint64_t id;

	/* One that was deleted may be watched still beside its successor. */
	for (; n != NULL; n = table_next(n)) {
		const struct ws_group *g =
			container_of(n, struct ws_group, by_name);
		struct ws_sub *sub = NULL;

		if (str_eq(str_of(g->name), name))
			sub = ws_find_sub(c, g->group_id);
		if (sub != NULL)
			return sub;
	}
	return text_parse_u64(name, &id) ? ws_find_sub(c, id) : NULL;
}

static void on_wake(struct feed_sub *feed)
{
	struct ws_sub *sub = container_of(feed, struct ws_sub, feed);

	if (ws_gather(sub) || ws_write_run(sub))
		return;
	if (list_empty(&sub->ready))
		list_push(&sub->conn->ready, &sub->ready);
	ws_pump(sub->conn);
}

/* The same, not now: while groupd's events are read, nothing is written. */
static void make_ready(struct ws_sub *sub)
{
	if (list_empty(&sub->ready))
		list_push(&sub->conn->ready, &sub->ready);
	lws_callback_on_writable(sub->conn->wsi);
}

int ws_subscribe(struct ws_conn *c, uint64_t group_id, struct str name,
		 uint64_t after_seq, struct err *err)
{
	struct ws_sub *sub = ws_find_sub(c, group_id);

	if (sub != NULL)
		ws_unsubscribe(sub);
	if (c->nsubs >= WS_SUBS_MAX)
		return err_set(err, ERR_RATE_LIMITED,
			       "More than %d subscriptions", WS_SUBS_MAX);
	sub = calloc(1, sizeof(*sub));
	if (sub == NULL)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	sub->conn = c;
	sub->group = get_group(c->gw, group_id, name);
	if (sub->group == NULL)
		goto free_sub;
	list_init(&sub->ready);
	list_init(&sub->of_group);
	if (!table_insert(&c->gw->subs, &sub->node,
			  table_hash_pair(c->serial, group_id)))
		goto put_group;
	if (feed_subscribe(&c->gw->feed, &sub->feed, &c->bearer->principal,
			   group_id, after_seq, on_wake) < 0)
		goto drop_node;
	list_push(&sub->group->subs, &sub->of_group);
	list_push(&c->subs, &sub->of_conn);
	c->nsubs++;
	return 0;

drop_node:
	table_remove(&c->gw->subs, &sub->node);
put_group:
	put_group_back(c->gw, sub->group);
free_sub:
	free(sub);
	return err_set(err, ERR_UNAVAILABLE, NULL);
}

void ws_unsubscribe(struct ws_sub *sub)
{
	struct ws_conn *c = sub->conn;

	feed_unsubscribe(&sub->feed);
	ws_notes_leave(&sub->group->notes, &sub->note);
	table_remove(&c->gw->subs, &sub->node);
	list_remove(&sub->ready);
	list_remove(&sub->of_conn);
	list_remove(&sub->of_group);
	put_group_back(c->gw, sub->group);
	c->nsubs--;
	free(sub);
}

/* Behind all that was read, before what is still to be. */
static void append_live(struct buf *out, struct ws_sub *sub)
{
	const struct feed_group *g = feed_group_of(&sub->feed);
	size_t start = ws_batch_begin(out);

	sub->live_told = true;
	ws_frame_type(out, "live");
	buf_append_str(out, str_of(",\"group\":"));
	json_put_str(out, str_of(sub->group->name));
	buf_append_char(out, ',');
	json_put_epoch(out, g->epoch);
	buf_printf(out, ",\"last_seq\":%" PRIu64 "}", sub->feed.cursor);
	ws_batch_end(out, start);
}

static void put_removed(struct ws_conn *c, const char *name)
{
	struct buf b = { 0 };

	ws_frame_begin(&b, "removed", str_of(""));
	buf_append_str(&b, str_of(",\"group\":"));
	json_put_str(&b, str_of(name));
	buf_append_char(&b, '}');
	ws_put(c, &b);
}

/* He is no member any more, the group is gone, or he never was one. */
static void end_sub(struct ws_sub *sub)
{
	struct ws_conn *c = sub->conn;
	struct err err = *sub->feed.err;
	uint64_t cut_epoch = sub->feed.cut_epoch;
	uint64_t cut_seq = sub->feed.cut_seq;
	char name[WIRE_NAME_MAX + 1];
	struct buf extra = { 0 };

	(void)str_to_cstr(str_of(sub->group->name), name, sizeof(name));
	ws_unsubscribe(sub);
	if (err.code == ERR_NOT_MEMBER || err.code == ERR_NO_SUCH_GROUP) {
		put_removed(c, name);
		return;
	}
	buf_append_str(&extra, str_of(",\"group\":"));
	json_put_str(&extra, str_of(name));
	if (cut_seq > 0)
		convert_put_start(&extra, cut_epoch, cut_seq);
	ws_put_error(c, str_of(""), &err, buf_cstr(&extra));
	buf_release(&extra);
}

/* Its user: by his name, or as one of everyone, but not by himself. */
static bool mentions_user(const struct ws_sub *sub,
			  const struct wire_message *m)
{
	struct str user = str_of(sub->conn->bearer->principal.name);
	struct str list = m->mentions;
	struct str name;

	if (list.len == 0 || str_eq(m->sender, user))
		return false;
	while (text_next_word(&list, &name)) {
		if (str_eq(name, user) || str_eq(name, str_of("everyone")))
			return true;
	}
	return false;
}

static void begin_mention(struct buf *b, const char *group, uint64_t seq,
			  struct str sender)
{
	ws_frame_begin(b, "mention", str_of(""));
	buf_append_str(b, str_of(",\"group\":"));
	json_put_str(b, str_of(group));
	buf_printf(b, ",\"sequence_number\":%" PRIu64 ",\"sender\":", seq);
	json_put_str(b, sender);
}

/* What follows the message on this sub: a mention, or nothing. */
static void append_mention(struct buf *out, struct ws_sub *sub,
			   const struct wire_message *m)
{
	struct buf b = { 0 };

	if (!mentions_user(sub, m))
		return;
	begin_mention(&b, sub->group->name, m->seq, m->sender);
	buf_append_str(&b, str_of(m->seq > sub->feed.start_seq
					  ? "}"
					  : ",\"replay\":true}"));
	if (b.failed)
		out->failed = true;
	else
		buf_append_str(out, ws_frame_bytes(&b));
	buf_release(&b);
}

/* Who came and went since the message at the cursor. */
static bool has_note(const struct ws_sub *sub)
{
	return sub->note != NULL && sub->feed.state == FEED_LIVE &&
	       sub->note->after_seq <= sub->feed.cursor;
}

static void append_note(struct buf *out, struct ws_sub *sub)
{
	buf_append_str(out, ws_frame_bytes(&sub->note->frame));
	ws_notes_pass(&sub->group->notes, &sub->note);
}

/* The sub's socket gets it: for the figures. */
static void count_delivery(const struct ws_sub *sub,
			   const struct wire_message *m)
{
	struct gateway *gw = sub->conn->gw;

	gw->meter.deliveries++;
	if (m->seq > sub->feed.start_seq)
		meter_fanout(&gw->meter, uv_now(gw->loop), m->time_ms);
}

/* One message of the sub, or one note. False: no more now. */
static bool append_one(struct buf *out, struct ws_sub *sub)
{
	struct feed_message *m;
	int rc;

	if (has_note(sub)) {
		append_note(out, sub);
		return true;
	}
	rc = feed_read(&sub->feed, &m);
	if (rc < 0) {
		end_sub(sub);
		return false;
	}
	if (rc == 0) {
		if (!sub->live_told && feed_caught_up(&sub->feed))
			append_live(out, sub);
		list_remove(&sub->ready);
		return false;
	}
	ws_append_message(out, sub, m);
	append_mention(out, sub, &m->m);
	count_delivery(sub, &m->m);
	return true;
}

/* The next frames of those that are ready, in turn. */
static void gather(struct buf *out, struct ws_conn *c, size_t budget)
{
	enum { TURN = 8 };

	while (!list_empty(&c->ready) && c->closing == 0 && out->len < budget &&
	       !out->failed) {
		struct ws_sub *sub =
			container_of(c->ready.next, struct ws_sub, ready);
		bool more = true;

		for (int n = 0; more && n < TURN && out->len < budget; n++)
			more = append_one(out, sub);
		if (more) {
			list_remove(&sub->ready);
			list_push(&c->ready, &sub->ready);
		}
	}
}

bool ws_write_messages(struct ws_conn *c, size_t budget)
{
	struct buf *out = &c->gw->scratch;
	bool more;

	buf_clear(out);
	gather(out, c, budget);
	if (out->failed) {
		buf_release(out);
		ws_bye(c, WS_BYE_SLOW, 1000);
		return false;
	}
	/* When it is full, WRITEABLE comes by itself. */
	more = out->len == 0 || ws_write_bytes(c, buf_str(out));
	if (out->cap > 8 * budget)
		buf_release(out);
	return more && c->closing == 0 && !list_empty(&c->ready);
}

/* {"type":"member",…}: the same for all who are subscribed. */
static void encode_member(struct buf *b, const char *group,
			  const struct wire_body_ev_member *ev)
{
	static const char *const changes[] = { [MEMBER_ADDED] = "added",
					       [MEMBER_REMOVED] = "removed",
					       [MEMBER_ROLE] = "role" };

	ws_frame_begin(b, "member", str_of(""));
	buf_append_str(b, str_of(",\"group\":"));
	json_put_str(b, str_of(group));
	buf_append_str(b, str_of(",\"user\":"));
	json_put_str(b, ev->user);
	buf_printf(b, ",\"change\":\"%s\"", changes[ev->change]);
	if (ev->change != MEMBER_REMOVED)
		buf_printf(b, ",\"role\":\"%s\"", json_role_name(ev->role));
	buf_append_str(b, str_of(",\"by\":"));
	json_put_str(b, ev->by);
	buf_append_char(b, '}');
}

/* Who would miss a note starts over: he knows then that he must ask who the
 * members are. */
static void close_subs(struct ws_group *g, const struct ws_note *waiting)
{
	for (struct list *l = g->subs.next; l != &g->subs; l = l->next) {
		struct ws_sub *sub = container_of(l, struct ws_sub, of_group);

		if (waiting == NULL || sub->note == waiting)
			ws_bye(sub->conn, WS_BYE_SLOW, 1000);
	}
}

/* The oldest goes, and with it those who have not been told it. */
static void drop_oldest(struct ws_group *g)
{
	struct ws_note *oldest =
		container_of(g->notes.all.next, struct ws_note, link);
	struct ws_note *hold = oldest;

	close_subs(g, oldest);
	oldest->readers++; /* it is there until the end of this */
	for (struct list *l = g->subs.next; l != &g->subs; l = l->next) {
		struct ws_sub *sub = container_of(l, struct ws_sub, of_group);

		if (sub->note == oldest)
			ws_notes_leave(&g->notes, &sub->note);
	}
	ws_notes_pass(&g->notes, &hold);
}

/* Behind the messages that are known, for all who read them. */
static void tell_member(struct ws_group *g,
			const struct wire_body_ev_member *ev)
{
	struct feed_sub *any = NULL;
	struct buf b = { 0 };

	for (struct list *l = g->subs.next; any == NULL && l != &g->subs;
	     l = l->next) {
		any = &container_of(l, struct ws_sub, of_group)->feed;
		if (any->state != FEED_LIVE)
			any = NULL;
	}
	/* Who only starts to watch is told what comes after that. */
	if (any == NULL)
		return;
	encode_member(&b, g->name, ev);
	if (ws_notes_add(&g->notes, feed_group_of(any)->last_seq, &b) == NULL) {
		buf_release(&b);
		close_subs(g, NULL);
		return;
	}
	for (struct list *l = g->subs.next; l != &g->subs; l = l->next) {
		struct ws_sub *sub = container_of(l, struct ws_sub, of_group);

		if (sub->feed.state == FEED_STARTING)
			continue;
		ws_notes_give(&g->notes, &sub->note);
		make_ready(sub);
	}
	if (g->notes.bytes > WS_NOTES_BYTES)
		drop_oldest(g);
}

/* added {group}, then what is past his read pointer, then live. */
void ws_added(struct ws_conn *c, uint64_t group_id, struct str name,
	      uint64_t last_read_seq)
{
	struct ws_sub *sub = ws_find_sub(c, group_id);
	struct buf b = { 0 };
	struct err err;

	if (c->closing != 0 || c->dead)
		return;
	if (sub != NULL && sub->feed.state != FEED_ENDED)
		return;
	if (sub != NULL)
		end_sub(sub);
	ws_frame_begin(&b, "added", str_of(""));
	buf_append_str(&b, str_of(",\"group\":"));
	json_put_str(&b, name);
	buf_append_char(&b, '}');
	ws_put(c, &b);
	if (ws_subscribe(c, group_id, name, last_read_seq, &err) < 0)
		ws_put_error(c, str_of(""), &err, NULL);
}

/* The feed has ended his sub, if he had one, and would say so in its next
 * turn: behind what the same read brings, as that he was added again. */
static void on_removed(struct ws_conn *c, const struct wire_body_ev_member *ev)
{
	struct ws_sub *sub = ws_find_sub(c, ev->group_id);
	char name[WIRE_NAME_MAX + 1];

	if (sub != NULL)
		ws_unsubscribe(sub);
	(void)str_to_cstr(ev->group, name, sizeof(name));
	put_removed(c, name);
}

static void on_mention(struct ws_conn *c, const struct wire_body_ev_mention *ev)
{
	char name[WIRE_NAME_MAX + 1];
	struct buf b = { 0 };

	/* Who is subscribed is told where he reads the message. */
	if (ws_find_sub(c, ev->group_id) != NULL)
		return;
	(void)str_to_cstr(ev->group, name, sizeof(name));
	begin_mention(&b, name, ev->seq, ev->sender);
	buf_append_char(&b, '}');
	ws_put(c, &b);
}

/* Who asked for it has his answer. */
static void on_read(struct ws_conn *c, const struct wire_body_ev_read *ev)
{
	struct buf b = { 0 };

	if (ev->request != 0 && ws_awaits(c, ev->request))
		return;
	ws_frame_begin(&b, "read", str_of(""));
	buf_append_str(&b, str_of(",\"group\":"));
	json_put_str(&b, ev->group);
	buf_printf(&b, ",\"last_read_seq\":%" PRIu64 "}", ev->last_read_seq);
	ws_put(c, &b);
}

/* What an event means to one connection of its user. */
static void tell_conn(struct ws_conn *c, enum wire_type type,
		      const union wire_body *b)
{
	if (type == WIRE_EV_MENTION)
		on_mention(c, &b->ev_mention);
	else if (type == WIRE_EV_READ)
		on_read(c, &b->ev_read);
	else if (b->ev_member.change == MEMBER_ADDED)
		ws_added(c, b->ev_member.group_id, b->ev_member.group,
			 b->ev_member.last_read_seq);
	else if (b->ev_member.change == MEMBER_REMOVED)
		on_removed(c, &b->ev_member);
}

static void tell_user(struct gateway *gw, struct str name, enum wire_type type,
		      const void *body)
{
	struct ws_user *user = ws_users_find(&gw->users, name);

	/* Nothing of this closes a connection before it returns. */
	for (struct list *l = user == NULL ? NULL : user->conns.next;
	     user != NULL && l != &user->conns; l = l->next)
		tell_conn(container_of(l, struct ws_conn, of_account), type,
			  body);
}

/* Who was removed is told no more of the group: he goes first. */
static void on_member(struct gateway *gw, const struct wire_body_ev_member *ev)
{
	struct ws_group *g;

	if (ev->change == MEMBER_REMOVED)
		tell_user(gw, ev->user, WIRE_EV_MEMBER, ev);
	g = find_group(gw, ev->group_id);
	if (g != NULL)
		tell_member(g, ev);
	if (ev->change == MEMBER_ADDED)
		tell_user(gw, ev->user, WIRE_EV_MEMBER, ev);
}

void ws_on_event(struct gateway *gw, const struct wire_header *header,
		 const void *body)
{
	const union wire_body *b = body;

	/* Deletions come through the feed, which ends the sub. */
	if (header->type == WIRE_EV_MEMBER)
		on_member(gw, &b->ev_member);
	else if (header->type == WIRE_EV_MENTION)
		tell_user(gw, b->ev_mention.user, header->type, body);
	else if (header->type == WIRE_EV_READ)
		tell_user(gw, b->ev_read.user, header->type, body);
}
