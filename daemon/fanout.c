/* SPDX-License-Identifier: MIT */
#include "daemon/fanout.h"

#include <assert.h>

#include "lib/log.h"
#include "lib/text.h"

/* Not what another's watch has read: between may be a removal that is still to
 * be told. */
static void send_grown(struct interest *i)
{
	struct wire_body_ev_grown body = { .group_id = i->group->id,
					   .last_seq = i->group->told_seq };

	i->told = i->group->told_seq;
	session_send(&i->peer->session, WIRE_EV_GROWN, 0, 0, &body);
}

static void lag(struct interest *i)
{
	list_remove(&i->lagging);
	list_push(&i->peer->lagging, &i->lagging);
}

/* In frames from one on, when the session has everything before it. */
static void send_frames(struct interest *i, const struct event *e, size_t n)
{
	struct session *s = &i->peer->session;

	for (; n < e->nframes; n++) {
		if (session_is_full(s)) {
			lag(i);
			return;
		}
		session_put_frame(s, e->frames[n].frame);
		if (!session_is_open(s))
			return;
		i->told = e->frames[n].last_seq;
	}
}

static void tell_messages(struct registry *r, struct interest *i,
			  struct event *e)
{
	struct session *s = &i->peer->session;
	size_t frame;

	if (e->last_seq <= i->told || !list_empty(&i->lagging) ||
	    !session_is_open(s))
		return;
	if (session_is_full(s))
		lag(i);
	else if (!r->doubtful && event_frame_after(e, i->told, &frame))
		send_frames(i, e, frame);
	else
		send_grown(i);
}

static void wake_watchers(struct registry *r, struct event *e)
{
	struct group *group = groups_find(&r->groups, e->group_id);
	struct list *next;

	if (group == NULL)
		return;
	if (group->last_seq < e->last_seq)
		group->last_seq = e->last_seq;
	if (group->told_seq < e->last_seq)
		group->told_seq = e->last_seq;
	for (struct list *el = group->interests.next; el != &group->interests;
	     el = next) {
		next = el->next;
		tell_messages(r, container_of(el, struct interest, of_group),
			      e);
	}
}

/* For what must not be lost: false when the session is beyond help. */
static bool send_always(struct peer *peer, struct frame *frame)
{
	struct session *s = &peer->session;

	if (!session_is_open(s))
		return false;
	if (session_output(s) > s->host->limits.output_hard) {
		log_info("closed a session that does not read: uid=%u pid=%d",
			 (unsigned)s->uid, (int)s->pid);
		session_finish(s);
		return false;
	}
	session_put_frame(s, frame);
	return true;
}

/* Once a session: those that watch, and those with a principal of user. */
static void send_once(struct registry *r, struct group *group, struct str user,
		      struct frame *frame)
{
	struct principal *p;
	uint64_t stamp = ++r->stamp;

	for (struct list *el = group == NULL ? NULL : group->interests.next;
	     el != NULL && el != &group->interests; el = el->next) {
		struct interest *i =
			container_of(el, struct interest, of_group);

		/* Messages that it was not told of come before this. */
		if (!list_empty(&i->lagging) &&
		    session_is_open(&i->peer->session)) {
			list_remove(&i->lagging);
			send_grown(i);
		}
		i->peer->stamp = stamp;
		list_remove(&i->peer->tell);
		list_push(&r->tell, &i->peer->tell);
	}
	for (p = registry_user(r, user); p != NULL; p = registry_user_next(p)) {
		if (p->peer->stamp == stamp)
			continue;
		p->peer->stamp = stamp;
		list_remove(&p->peer->tell);
		list_push(&r->tell, &p->peer->tell);
	}
	for (struct list *el; (el = list_pop(&r->tell)) != NULL;)
		send_always(container_of(el, struct peer, tell), frame);
}

static struct frame *encode(enum wire_type type, const void *body)
{
	struct frame *frame = frame_new();

	if (frame == NULL)
		return NULL;
	wire_put_frame(&frame->bytes, type, 0, 0, body);
	if (!frame->bytes.failed)
		return frame;
	frame_unref(frame);
	return NULL;
}

static void drop_user_watches(struct registry *r, struct str user,
			      uint64_t group_id)
{
	struct principal *p;

	for (p = registry_user(r, user); p != NULL; p = registry_user_next(p)) {
		struct watch *w = principal_watch(p, group_id);

		if (w != NULL)
			watch_drop(w);
	}
}

/* Without memory to say so, who watched starts over by reconnecting. */
static void close_watchers(struct group *group)
{
	if (group == NULL)
		return;
	for (struct list *el = group->interests.next; el != &group->interests;
	     el = el->next)
		session_close(&container_of(el, struct interest, of_group)
				       ->peer->session);
}

/* Puts the sessions of the user on r->tell, but for mounts, which have no use
 * for what is told so. Sending may close a session, so that comes after. */
static void gather_sessions(struct registry *r, struct str user)
{
	uint64_t stamp = ++r->stamp;
	struct principal *p;

	for (p = registry_user(r, user); p != NULL; p = registry_user_next(p)) {
		if (p->peer->stamp == stamp || p->peer->mount)
			continue;
		p->peer->stamp = stamp;
		list_remove(&p->peer->tell);
		list_push(&r->tell, &p->peer->tell);
	}
}

void fanout_mention(struct registry *r, const struct event *e,
		    const struct wire_message *m, struct str user)
{
	struct wire_body_ev_mention body = { .group_id = e->group_id,
					     .group = str_of(e->group),
					     .user = user,
					     .seq = m->seq,
					     .sender = m->sender };
	struct frame *frame;

	if (registry_user(r, user) == NULL)
		return;
	frame = encode(WIRE_EV_MENTION, &body);
	if (frame == NULL) {
		log_warn("no memory for a mention: group=%llu",
			 (unsigned long long)e->group_id);
		return;
	}
	gather_sessions(r, user);
	for (struct list *el; (el = list_pop(&r->tell)) != NULL;)
		send_always(container_of(el, struct peer, tell), frame);
	frame_unref(frame);
}

/* Those by name. Everyone is told by the message itself. */
static void fan_messages(struct registry *r, struct event *e)
{
	struct str list = buf_str(&e->mentioned);
	struct wire_message m;
	struct str name;

	wake_watchers(r, e);
	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		while (text_next_word(&m.mentions, &name)) {
			if (!str_eq(name, str_of("everyone")))
				fanout_mention(r, e, &m, name);
		}
	}
}

static void fan_read(struct registry *r, const struct event *e)
{
	struct wire_body_ev_read body = { .group_id = e->group_id,
					  .group = str_of(e->group),
					  .user = str_of(e->by),
					  .last_read_seq = e->last_seq };
	struct frame *frame = encode(WIRE_EV_READ, &body);

	if (frame == NULL) {
		log_warn("no memory for a read pointer: group=%llu",
			 (unsigned long long)e->group_id);
		return;
	}
	body.request = e->request;
	gather_sessions(r, body.user);
	for (struct list *el; (el = list_pop(&r->tell)) != NULL;) {
		struct peer *peer = container_of(el, struct peer, tell);

		if (peer->session.serial == e->session)
			session_send(&peer->session, WIRE_EV_READ, 0, 0, &body);
		else
			send_always(peer, frame);
	}
	frame_unref(frame);
}

static struct frame *encode_change(const struct event *e,
				   const struct store_change *change)
{
	const struct wire_body_ev_member body = {
		.group_id = e->group_id,
		.group = str_of(e->group),
		.user = str_of(change->user),
		.change = (uint64_t)change->change,
		.role = (uint64_t)change->role,
		.by = str_of(e->by),
		.last_read_seq = change->last_read_seq,
	};

	return encode(WIRE_EV_MEMBER, &body);
}

void fanout_member(struct registry *r, const struct event *e)
{
	struct frame *frame = encode_change(e, &e->changes[0]);

	if (frame == NULL) {
		log_error("no memory for an event: group=%llu",
			  (unsigned long long)e->group_id);
		return;
	}
	send_once(r, NULL, str_of(e->changes[0].user), frame);
	frame_unref(frame);
}

static void fan_change(struct registry *r, const struct event *e,
		       const struct store_change *change)
{
	struct str user = str_of(change->user);
	struct group *group = groups_find(&r->groups, e->group_id);
	struct frame *frame;

	if (group == NULL && registry_user(r, user) == NULL)
		return;
	if (group != NULL)
		group_stale(group);
	frame = encode_change(e, change);
	if (frame == NULL) {
		log_error("no memory for an event: group=%llu",
			  (unsigned long long)e->group_id);
		close_watchers(group);
		return;
	}
	send_once(r, group, user, frame);
	frame_unref(frame);
	if (change->change == MEMBER_REMOVED)
		drop_user_watches(r, user, e->group_id);
}

/* Watches of a deleted group go with it. */
static void drop_group(struct registry *r, struct group *group)
{
	struct group_pending hold = { 0 };

	group_stale(group);
	/* The entry exists, so this cannot fail; it keeps the entry. */
	if (groups_begin(&r->groups, group->id, &hold) < 0)
		return;
	while (!list_empty(&group->interests)) {
		struct interest *i = container_of(group->interests.next,
						  struct interest, of_group);

		watch_drop(container_of(i->watches.next, struct watch,
					of_interest));
	}
	groups_end(&r->groups, &hold);
}

static void fan_deleted(struct registry *r, const struct event *e)
{
	struct wire_body_ev_deleted body = { .group_id = e->group_id };
	struct group *group = groups_find(&r->groups, e->group_id);
	struct frame *frame;

	if (group == NULL)
		return;
	frame = encode(WIRE_EV_DELETED, &body);
	if (frame == NULL) {
		close_watchers(group);
		return;
	}
	send_once(r, group, str_of(""), frame);
	frame_unref(frame);
	drop_group(r, group);
}

/* Each move says all: one that is not told is told by the next, or by the
 * refusal of a read. */
static void fan_floor(struct registry *r, const struct event *e)
{
	struct wire_body_ev_floor body = { .group_id = e->group_id,
					   .first_seq = e->first_seq,
					   .first_off = e->first_off,
					   .first_jsonl_off =
						   e->first_jsonl_off };
	struct group *group = groups_find(&r->groups, e->group_id);
	struct frame *frame =
		group == NULL ? NULL : encode(WIRE_EV_FLOOR, &body);

	if (frame == NULL)
		return;
	send_once(r, group, str_of(""), frame);
	frame_unref(frame);
}

void fanout_end_principal(struct principal *p, enum err_code code)
{
	struct wire_body_ev_principal body = { .code = (uint64_t)code };
	struct peer *peer = p->peer;
	uint32_t id = p->id;

	principal_close(p);
	if (session_is_open(&peer->session))
		session_send(&peer->session, WIRE_EV_PRINCIPAL, 0, id, &body);
}

static void fan_revoked(struct registry *r, const struct event *e)
{
	struct principal *p;

	r->revocations++;
	while ((p = registry_token(r, e->hash)) != NULL)
		fanout_end_principal(p, ERR_UNAUTHENTICATED);
}

void fanout_event(struct registry *r, struct event *e)
{
	switch (e->kind) {
	case EVENT_MESSAGES:
		fan_messages(r, e);
		break;
	case EVENT_MEMBERS:
		for (size_t i = 0; i < e->count; i++)
			fan_change(r, e, &e->changes[i]);
		break;
	case EVENT_DELETED:
		fan_deleted(r, e);
		break;
	case EVENT_FLOOR:
		fan_floor(r, e);
		break;
	case EVENT_READ:
		fan_read(r, e);
		break;
	case EVENT_REVOKED:
		fan_revoked(r, e);
		break;
	case EVENT_IMPORTING:
	case EVENT_IMPORTED:
		break; /* nobody's business but groupd's */
	}
}

void fanout_drained(struct peer *peer)
{
	struct list *el;

	while (session_is_open(&peer->session) &&
	       !session_is_full(&peer->session) &&
	       (el = list_pop(&peer->lagging)) != NULL) {
		struct interest *i = container_of(el, struct interest, lagging);

		if (i->told < i->group->told_seq)
			send_grown(i);
	}
}
