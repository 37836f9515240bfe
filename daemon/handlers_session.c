/* SPDX-License-Identifier: MIT */
/* Hello, principals, watches. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/auth.h"
#include "daemon/handlers.h"
#include "daemon/ticket.h"

static void do_hello(struct request *r)
{
	struct wire_body_welcome body = {
		.version = WIRE_VERSION,
		.agent = str_of("groupd/" GROUPFS_VERSION),
		.instance = r->handlers->instance,
		.max_content = r->handlers->max_content,
		.store = r->handlers->store,
	};
	struct session *s = &r->peer->session;

	if (r->body.hello.version != WIRE_VERSION) {
		err_set(&r->err, ERR_BAD_REQUEST,
			"This groupd speaks version %d, not %llu", WIRE_VERSION,
			(unsigned long long)r->body.hello.version);
		session_send_error(s, r->id, r->principal_id, &r->err);
		session_finish(s);
		return;
	}
	if (r->handlers->greeted != NULL)
		r->handlers->greeted(r->handlers->data, r->peer,
				     r->body.hello.agent);
	if (!session_is_open(s))
		return;
	if (request_answer(r, &body) == 0)
		session_hello(s);
}

/* May the peer of this connection act for uid? */
static int check_uid(struct request *r, uid_t uid)
{
	const struct handlers *h = r->handlers;
	uid_t peer = r->peer->session.uid;

	if (uid == peer || peer == 0 || peer == h->own_uid ||
	    h->trusts(h->data, peer))
		return 0;
	return err_set(
		&r->err, ERR_UNAUTHENTICATED,
		"The uid %u is not among the trusted_users: it may not act "
		"for uid %u",
		(unsigned)peer, (unsigned)uid);
}

/* Whom it is for is read from what was shown. */
static bool is_shown(const struct wire_body_open_principal *body)
{
	return body->kind == PRINCIPAL_TOKEN || body->kind == PRINCIPAL_TICKET;
}

static int begin_open(struct request *r)
{
	struct wire_body_open_principal *body = &r->body.open_principal;
	const struct session *s = &r->peer->session;
	struct principal *p;

	if (r->principal_id == 0)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "A principal needs a number");
	if (r->peer->gateway != (body->kind == PRINCIPAL_TICKET) &&
	    body->kind != PRINCIPAL_TOKEN)
		return err_set(&r->err, ERR_UNAUTHENTICATED,
			       r->peer->gateway ? "A gateway must show a token"
						: "Only a gateway has tickets");
	if (body->kind == PRINCIPAL_SELF)
		body->uid = s->uid;
	if (!is_shown(body) && check_uid(r, (uid_t)body->uid) < 0)
		return err_rc(&r->err);
	if (peer_principal(r->peer, r->principal_id) != NULL)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "This principal is open already");
	p = peer_open(r->peer, r->principal_id,
		      (enum principal_kind)body->kind);
	if (p == NULL)
		return err_set(&r->err, ERR_UNAVAILABLE,
			       "Too many principals on this connection");
	r->principal_serial = p->serial;
	r->revocations = r->handlers->registry->revocations;
	return 0;
}

/* On the reader thread too: the session's pid never changes. */
static int read_ticket(struct request *r)
{
	struct ticket_holder holder;
	uid_t uid = (uid_t)-1;
	int rc = ticket_holder_of(r->peer->session.pid, &holder);

	if (rc < 0)
		return err_set(&r->err, ERR_UNAVAILABLE,
			       "The gateway is not there any more");
	rc = ticket_check(r->handlers->tickets, &holder,
			  r->body.open_principal.token, &uid, &r->err);
	if (rc == 0)
		rc = auth_uid_name(uid, r->user, &r->err);
	/* Nobody administers over HTTP. */
	r->admin = false;
	return rc;
}

static int take_user_version(void *data, struct str user, uint64_t version)
{
	struct request *r = data;

	(void)user;
	r->user_version = version;
	return 0;
}

/* What he is added to from now on is told. Who is no user yet has 0. */
static int read_user_version(struct request *r, struct store *store)
{
	const struct str user = request_user(r);

	r->user_version = 0;
	if (r->handlers->nodes == NULL)
		return 0;
	return store_list_user_versions(store, &user, 1, take_user_version, r,
					&r->err);
}

static int read_open(struct request *r, struct store *store)
{
	const struct wire_body_open_principal *body = &r->body.open_principal;
	struct wire_body_principal answer = { 0 };
	int rc;

	if (body->kind == PRINCIPAL_TOKEN) {
		rc = auth_hash_token(body->token, r->hash);
		if (rc == 0)
			rc = store_find_token(store, r->hash, r->user,
					      &r->expires_ms, &r->err);
		r->admin = false;
	} else if (body->kind == PRINCIPAL_TICKET) {
		rc = read_ticket(r);
	} else {
		rc = auth_uid_name((uid_t)body->uid, r->user, &r->err);
		r->admin = body->uid == 0 || body->uid == r->handlers->own_uid;
	}
	if (rc == 0)
		rc = read_user_version(r, store);
	if (rc < 0)
		return rc;
	answer.name = request_user(r);
	answer.admin = r->admin;
	return request_answer(r, &answer);
}

/* What was read is no longer true. */
static bool read_anew(struct request *r)
{
	if (request_read_again(r) == 0)
		return true;
	err_set(&r->err, ERR_UNAVAILABLE,
		"groupd is overloaded: try again later");
	return false;
}

/* A token that was revoked while it was looked up would stay open: its event
 * has passed. */
static bool open_again(struct request *r, const struct principal *p)
{
	uint64_t now = r->handlers->registry->revocations;

	if (p->kind != PRINCIPAL_TOKEN || r->revocations == now)
		return false;
	r->revocations = now;
	return read_anew(r);
}

static bool finish_open(struct request *r)
{
	struct principal *p = request_principal(r);

	if (p == NULL) {
		if (r->err.code == ERR_NONE)
			err_set(&r->err, ERR_UNAUTHENTICATED,
				"The principal was closed");
		return false;
	}
	if (p->state == PRINCIPAL_READY)
		return false;
	if (r->err.code == ERR_NONE && open_again(r, p))
		return true;
	if (r->err.code == ERR_NONE) {
		str_to_cstr(request_user(r), p->user, sizeof(p->user));
		memcpy(p->hash, r->hash, sizeof(p->hash));
		p->admin = r->admin;
		p->expires_ms = r->expires_ms;
		if (principal_ready(p) == 0 &&
		    nodes_open(r->handlers->nodes, request_user(r),
			       r->user_version) == 0)
			return false;
		request_no_memory(r);
	}
	principal_close(p);
	return false;
}

static void do_close(struct request *r)
{
	struct principal *p = peer_principal(r->peer, r->principal_id);

	if (p != NULL)
		principal_close(p);
	request_answer_ok(r, 0);
}

static int begin_watch(struct request *r)
{
	int rc;

	r->pending.principal = r->principal_serial;
	r->pending.kind = r->body.watch.kind;
	rc = groups_begin(&r->handlers->registry->groups,
			  r->body.watch.group_id, &r->pending);
	r->baseline =
		rc == 0 && nodes_needs(r->handlers->nodes, r->pending.group);
	return rc;
}

static int take_version(void *data, const struct store_version *v)
{
	struct request *r = data;

	r->version = *v;
	return 0;
}

static int read_watch(struct request *r, struct store *store)
{
	struct wire_group group;
	int rc = request_find_group(r, store, r->body.watch.group_id,
				    str_of(""), &group);

	if (rc == 0)
		rc = request_see_pointer(r, store, &group);
	if (rc < 0)
		return rc;
	r->watching = (struct wire_body_watching){
		.epoch = group.epoch,
		.first_seq = group.first_seq,
		.last_seq = group.last_seq,
		.last_read_seq = group.last_read_seq,
	};
	if (!r->baseline)
		return 0;
	return store_list_versions(store, &group.group_id, 1, take_version, r,
				   &r->err);
}

/* The members changed while it was read. */
static bool watch_again(struct request *r)
{
	r->pending.stale = false;
	r->baseline = nodes_needs(r->handlers->nodes, r->pending.group);
	return read_anew(r);
}

/* What other nodes write comes from now on. */
static void add_watch(struct request *r, struct principal *p)
{
	struct nodes *nodes = r->handlers->nodes;
	struct interest *i = principal_add_watch(
		p, r->pending.group, (enum watch_kind)r->body.watch.kind,
		r->watching.last_seq);

	if (i == NULL) {
		err_set(&r->err, ERR_UNAVAILABLE,
			"Too many watches on this connection");
		return;
	}
	if (nodes_watch(nodes, r->pending.group, &r->version, i->told) < 0) {
		watch_drop(principal_watch(p, r->body.watch.group_id));
		request_no_memory(r);
		return;
	}
	/* What comes later is told; so this is what was told until now. */
	r->watching.last_seq = i->told;
	request_answer(r, &r->watching);
}

/* The watches that were there when it began are gone, and with them what was
 * known of the group. */
static bool lacks_baseline(const struct request *r)
{
	return r->err.code == ERR_NONE && !r->baseline &&
	       nodes_needs(r->handlers->nodes, r->pending.group);
}

static bool finish_watch(struct request *r)
{
	struct principal *p = request_principal(r);

	/* begin_watch() did not run: refused before. */
	if (r->pending.group == NULL)
		return false;
	if ((r->pending.stale || lacks_baseline(r)) && watch_again(r))
		return true;
	if (r->err.code != ERR_NONE)
		return false;
	if (p == NULL) {
		err_set(&r->err, ERR_UNAUTHENTICATED,
			"The principal was closed");
		return false;
	}
	if (r->pending.forgotten) {
		err_set(&r->err, ERR_UNAVAILABLE,
			"The watch was ended before it was made");
		return false;
	}
	if (r->handlers->registry->doubtful && r->peer->mount) {
		err_set(&r->err, ERR_UNAVAILABLE,
			"groupd does not hear from its store");
		return false;
	}
	add_watch(r, p);
	return false;
}

static void do_unwatch(struct request *r)
{
	const struct wire_body_unwatch *body = &r->body.unwatch;
	const struct principal *p = request_principal(r);
	struct group *group =
		groups_find(&r->handlers->registry->groups, body->group_id);
	struct watch *w = p == NULL ? NULL : principal_watch(p, body->group_id);

	/* A WATCH that is still being read comes after us else. */
	if (group != NULL)
		group_forget_pending(group, r->principal_serial, body->kind);
	if (w != NULL)
		watch_end(w, (enum watch_kind)body->kind);
	request_answer_ok(r, w != NULL);
}

/* A gateway that comes back tells what is open: nobody is cut off by that,
 * and his next one is refused. */
static void do_take_connection(struct request *r)
{
	struct principal *p = request_principal(r);
	uint64_t max = r->handlers->max_connections;
	uint64_t count;

	assert(p != NULL);
	if (max == 0 || r->body.take_connection.open != 0)
		max = UINT64_MAX;
	if (connections_take(&r->handlers->registry->connections,
			     request_user(r), max, &count, &r->err) < 0)
		return;
	p->connections++;
	request_answer_ok(r, count);
}

static void do_drop_connection(struct request *r)
{
	struct principal *p = request_principal(r);
	uint64_t n = p->connections > 0 ? 1 : 0;

	p->connections -= n;
	request_answer_ok(r,
			  connections_drop(&r->handlers->registry->connections,
					   request_user(r), n));
}

const struct handler handlers_session[] = {
	{ .type = WIRE_HELLO, .here = do_hello, .no_principal = true },
	{ .type = WIRE_OPEN_PRINCIPAL,
	  .begin = begin_open,
	  .read = read_open,
	  .finish = finish_open,
	  .no_principal = true },
	{ .type = WIRE_CLOSE_PRINCIPAL,
	  .here = do_close,
	  .no_principal = true },
	{ .type = WIRE_WATCH,
	  .begin = begin_watch,
	  .read = read_watch,
	  .finish = finish_watch },
	{ .type = WIRE_UNWATCH, .here = do_unwatch },
	{ .type = WIRE_TAKE_CONNECTION, .here = do_take_connection },
	{ .type = WIRE_DROP_CONNECTION, .here = do_drop_connection },
	{ .type = WIRE_NONE },
};
