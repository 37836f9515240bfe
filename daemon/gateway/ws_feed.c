/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/ws.h"

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

static struct ws_group *get_group(struct gateway *gw, uint64_t group_id,
				  struct str name)
{
	struct ws_group *g = find_group(gw, group_id);

	if (g != NULL)
		return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL || !str_to_cstr(name, g->name, sizeof(g->name)) ||
	    !table_insert(&gw->groups, &g->node,
			  table_hash_pair(group_id, 0))) {
		free(g);
		return NULL;
	}
	g->group_id = group_id;
	list_init(&g->subs);
	return g;
}

static void put_group_back(struct gateway *gw, struct ws_group *g)
{
	if (!list_empty(&g->subs))
		return;
	table_remove(&gw->groups, &g->node);
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

static void on_wake(struct feed_sub *feed)
{
	struct ws_sub *sub = container_of(feed, struct ws_sub, feed);

	if (ws_write_run(sub))
		return;
	if (list_empty(&sub->ready))
		list_push(&sub->conn->ready, &sub->ready);
	ws_pump(sub->conn);
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
	table_remove(&c->gw->subs, &sub->node);
	list_remove(&sub->ready);
	list_remove(&sub->of_conn);
	list_remove(&sub->of_group);
	put_group_back(c->gw, sub->group);
	c->nsubs--;
	free(sub);
}

/* {"type":"message","group":…,…}: the same for all live subscribers. */
bool ws_encode(const struct ws_group *g, struct feed_message *m)
{
	struct buf *b = &m->encoded;

	if (b->len > 0)
		return !b->failed;
	ws_frame_begin(b, "message", str_of(""));
	buf_append_str(b, str_of(",\"group\":"));
	json_put_str(b, str_of(g->name));
	buf_append_char(b, ',');
	json_put_message_fields(b, &m->m);
	buf_append_char(b, '}');
	return !b->failed;
}

/* The frame for this sub: the shared one, or with replay a copy of it. */
static struct buf *frame_for(struct ws_sub *sub, struct feed_message *m)
{
	struct buf *copy = &sub->conn->gw->scratch;

	if (!ws_encode(sub->group, m)) {
		buf_release(&m->encoded);
		return NULL;
	}
	if (m->m.seq > sub->feed.start_seq)
		return &m->encoded;
	buf_clear(copy);
	buf_append(copy, m->encoded.data, m->encoded.len - 1);
	buf_append_str(copy, str_of(",\"replay\":true}"));
	return copy->failed ? NULL : copy;
}

static void put_live(struct ws_sub *sub)
{
	const struct feed_group *g = feed_group_of(&sub->feed);
	struct buf b = { 0 };

	sub->live_told = true;
	ws_frame_begin(&b, "live", str_of(""));
	buf_append_str(&b, str_of(",\"group\":"));
	json_put_str(&b, str_of(sub->group->name));
	buf_append_char(&b, ',');
	json_put_epoch(&b, g->epoch);
	buf_printf(&b, ",\"last_seq\":%" PRIu64 "}", sub->feed.cursor);
	/* Behind all that was written, before what is still to be read. */
	if (b.failed)
		sub->live_told = false;
	else
		(void)ws_write(sub->conn, &b);
	buf_release(&b);
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
	struct err err = sub->feed.err;
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
	ws_put_error(c, str_of(""), &err, buf_cstr(&extra));
	buf_release(&extra);
}

/* One message of the sub. False: no more now, or the socket is full. */
static bool write_one(struct ws_sub *sub, size_t *written, bool *full)
{
	struct feed_message *m;
	struct buf *frame;
	int rc = feed_read(&sub->feed, &m);

	if (rc < 0) {
		end_sub(sub);
		return false;
	}
	if (rc == 0) {
		if (!sub->live_told && feed_caught_up(&sub->feed))
			put_live(sub);
		list_remove(&sub->ready);
		*full = lws_partial_buffered(sub->conn->wsi) != 0;
		return false;
	}
	frame = frame_for(sub, m);
	if (frame == NULL) {
		feed_unread(&sub->feed);
		ws_bye(sub->conn, WS_BYE_SLOW, 1000);
		*full = true;
		return false;
	}
	*written += frame->len;
	*full = !ws_write(sub->conn, frame);
	return !*full;
}

bool ws_write_messages(struct ws_conn *c, size_t budget)
{
	enum { TURN = 8 };
	size_t written = 0;
	bool full = false;

	while (!list_empty(&c->ready) && !full && c->closing == 0) {
		struct ws_sub *sub =
			container_of(c->ready.next, struct ws_sub, ready);
		int n = 0;

		if (written >= budget)
			return true;
		while (n < TURN && write_one(sub, &written, &full))
			n++;
		if (n == TURN) {
			list_remove(&sub->ready);
			list_push(&c->ready, &sub->ready);
		}
	}
	/* When it is full, WRITEABLE comes by itself. */
	return false;
}

static void put_member_frame(struct ws_conn *c, const char *group,
			     const struct wire_body_ev_member *ev)
{
	static const char *const changes[] = { [MEMBER_ADDED] = "added",
					       [MEMBER_REMOVED] = "removed",
					       [MEMBER_ROLE] = "role" };
	struct buf b = { 0 };

	ws_frame_begin(&b, "member", str_of(""));
	buf_append_str(&b, str_of(",\"group\":"));
	json_put_str(&b, str_of(group));
	buf_append_str(&b, str_of(",\"user\":"));
	json_put_str(&b, ev->user);
	buf_printf(&b, ",\"change\":\"%s\"", changes[ev->change]);
	if (ev->change != MEMBER_REMOVED)
		buf_printf(&b, ",\"role\":\"%s\"", convert_role(ev->role));
	buf_append_str(&b, str_of(",\"by\":"));
	json_put_str(&b, ev->by);
	buf_append_char(&b, '}');
	ws_put(c, &b);
}

static bool is_user(const struct ws_conn *c, struct str user)
{
	return c->bearer != NULL && c->greeted &&
	       str_eq(str_of(c->bearer->principal.name), user);
}

/* added {group}, then what is past his read pointer, then live. */
static void on_added(struct ws_conn *c, const struct wire_body_ev_member *ev)
{
	struct buf b = { 0 };
	struct err err;

	if (c->closing != 0 || c->dead || ws_find_sub(c, ev->group_id) != NULL)
		return;
	ws_frame_begin(&b, "added", str_of(""));
	buf_append_str(&b, str_of(",\"group\":"));
	json_put_str(&b, ev->group);
	buf_append_char(&b, '}');
	ws_put(c, &b);
	if (ws_subscribe(c, ev->group_id, ev->group, ev->last_read_seq, &err) <
	    0)
		ws_put_error(c, str_of(""), &err, NULL);
}

static void on_member(struct gateway *gw, const struct wire_body_ev_member *ev)
{
	struct ws_group *g = find_group(gw, ev->group_id);

	for (struct list *l = g == NULL ? NULL : g->subs.next;
	     g != NULL && l != &g->subs; l = l->next) {
		struct ws_sub *sub = container_of(l, struct ws_sub, of_group);

		if (ev->change == MEMBER_ROLE || !is_user(sub->conn, ev->user))
			put_member_frame(sub->conn, g->name, ev);
	}
	if (ev->change != MEMBER_ADDED)
		return;
	for (struct list *l = gw->conns.next; l != &gw->conns; l = l->next) {
		struct ws_conn *c = container_of(l, struct ws_conn, of_gateway);

		if (is_user(c, ev->user))
			on_added(c, ev);
	}
}

void ws_on_event(struct gateway *gw, const struct wire_header *header,
		 const void *body)
{
	/* Removals and deletions come through the feed, which ends the sub. */
	if (header->type == WIRE_EV_MEMBER)
		on_member(gw, body);
}
