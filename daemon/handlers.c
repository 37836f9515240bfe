/* SPDX-License-Identifier: MIT */
#include "daemon/handlers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/whole.h"
#include "lib/log.h"

/* Requests that are kept for those to come: malloc(3) takes long for that size.
 */
enum { SPARES = 256 };

static const struct handler *find_handler(enum wire_type type)
{
	/* What is asked for most, first. */
	static const struct handler *const tables[] = {
		handlers_writing, handlers_reading, handlers_session,
		handlers_admin,	  handlers_media,   handlers_port,
		handlers_whole,
	};

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		const struct handler *h = tables[t];

		for (; h->type != WIRE_NONE; h++) {
			if (h->type == type)
				return h;
		}
	}
	return NULL;
}

int request_no_memory(struct request *r)
{
	return err_set(&r->err, ERR_UNAVAILABLE, "groupd is out of memory");
}

int request_answer(struct request *r, const void *body)
{
	buf_clear(&r->answer);
	wire_put_frame(&r->answer, wire_answer_of(r->handler->type), r->id,
		       r->principal_id, body);
	return r->answer.failed ? request_no_memory(r) : 0;
}

int request_answer_ok(struct request *r, uint64_t value)
{
	struct wire_body_ok body = { .value = value };

	return request_answer(r, &body);
}

int request_charge(struct request *r, uint64_t n, bool known)
{
	int rc = rate_take(r->handlers->rate, request_user(r), n, &r->err);

	if (rc == 0)
		r->charged = n;
	if (rc == 0 || r->err.code != ERR_RATE_LIMITED || !known)
		return rc;
	r->over = r->err;
	r->err.code = ERR_NONE;
	return 0;
}

int request_check_over(struct request *r)
{
	if (r->over.code == ERR_NONE || r->sent.duplicate != 0)
		return 0;
	r->err = r->over;
	return err_rc(&r->err);
}

static void fill_rate(struct request *r)
{
	struct rate_state rate;

	rate_state(r->handlers->rate, request_user(r), &rate);
	r->sent.rate_limit = rate.limit;
	r->sent.rate_left = rate.left;
	r->sent.rate_reset_ms = rate.reset_ms;
}

int request_answer_sent(struct request *r)
{
	fill_rate(r);
	return request_answer(r, &r->sent);
}

void request_put_sent(struct request *r)
{
	fill_rate(r);
	session_send(&r->peer->session, WIRE_SENT, r->id, r->principal_id,
		     &r->sent);
}

/* What was charged and is not stored after all: refused, or stored before. */
static void give_back(struct request *r)
{
	uint64_t stored = r->err.code == ERR_NONE ? r->op.appended : 0;

	if (r->charged > stored)
		rate_give_back(r->handlers->rate, request_user(r),
			       r->charged - stored);
	r->charged = 0;
}

struct principal *request_principal(const struct request *r)
{
	struct principal *p = peer_principal(r->peer, r->principal_id);

	return p != NULL && p->serial == r->principal_serial ? p : NULL;
}

void request_note_refusal(struct request *r, struct store *store,
			  uint64_t group_id)
{
	struct wire_group group;

	r->group_id = group_id;
	r->group_exists = r->err.code == ERR_NO_SUCH_GROUP && group_id != 0 &&
			  store_find_group(store, group_id, str_of(""),
					   str_of(""), &group, NULL) == 0;
}

int request_find_group(struct request *r, struct store *store, uint64_t id,
		       struct str name, struct wire_group *out)
{
	int rc = store_find_group(store, id, name, request_user(r), out,
				  &r->err);

	if (rc < 0)
		request_note_refusal(r, store, id);
	else
		r->group_id = out->group_id;
	return rc;
}

int request_see_pointer(struct request *r, struct store *store,
			struct wire_group *g)
{
	struct pointers *pointers = r->handlers->pointers;
	struct pointers_view view;
	uint64_t group_id = g->group_id;
	int rc;

	if (pointers == NULL)
		return 0;
	rc = pointers_see(pointers, store, request_user(r), g, &view, &r->err);
	if (rc <= 0)
		return rc;
	rc = store_find_group(store, group_id, str_of(""), request_user(r), g,
			      &r->err);
	if (rc < 0)
		return rc;
	g->last_read_seq = view.last_read_seq;
	g->read_off = view.read_off;
	g->mentions = view.mentions;
	return 0;
}

static void request_free(struct request *r)
{
	struct handlers *h = r->handlers;

	if (r->pending.group != NULL)
		groups_end(&r->handlers->registry->groups, &r->pending);
	buf_release(&r->frame);
	buf_release(&r->answer);
	buf_release(&r->extra);
	explicit_bzero(r->token, sizeof(r->token));
	if (h->spares == SPARES) {
		free(r);
		return;
	}
	h->spares++;
	list_push(&h->spare, &r->op.link);
}

/* Who was a member hears that he is none any more; to anybody else the group
 * does not exist. */
static void remember_membership(struct request *r)
{
	struct principal *p = request_principal(r);

	if (p == NULL || r->group_id == 0)
		return;
	if (r->err.code == ERR_NONE)
		principal_note_member(p, r->group_id);
	else if (r->err.code == ERR_NO_SUCH_GROUP && r->group_exists &&
		 principal_was_member(p, r->group_id))
		err_set(&r->err, ERR_NOT_MEMBER, NULL);
}

static void count_refusal(const struct request *r)
{
	struct handlers *h = r->handlers;

	h->refused++;
	if (r->handler->type == WIRE_SEND ||
	    r->handler->type == WIRE_SEND_MEDIA)
		h->sends_refused[r->err.code]++;
}

static void request_finish(struct request *r)
{
	struct session *s = &r->peer->session;
	size_t weight = r->weight;

	give_back(r);
	if (session_is_open(s) && r->handler->finish != NULL &&
	    r->handler->finish(r))
		return;
	if (session_is_open(s)) {
		remember_membership(r);
		if (r->err.code == ERR_NONE) {
			if (r->answer.len > 0)
				session_put(s, &r->answer);
		} else if (!r->handlers->stopping ||
			   r->err.code != ERR_UNAVAILABLE) {
			count_refusal(r);
			session_send_error(s, r->id, r->principal_id, &r->err);
		}
	}
	request_free(r);
	session_end(s, weight);
}

static struct request *of_op(struct sequencer_op *op)
{
	return container_of(op, struct request, op);
}

/* An error code without a refusal is ours. */
static void settle(struct request *r, int rc)
{
	if (rc < 0 && r->err.code == ERR_NONE)
		err_set(&r->err, ERR_UNAVAILABLE, NULL);
	assert(rc < 0 || r->err.code == ERR_NONE);
}

/* As the lanes say it (sequencer.h): the store is away. */
static void note_away(struct request *r, const struct store *store)
{
	if (r->err.code == ERR_UNAVAILABLE && store_is_shared(store))
		r->err.retry_after_ms = SEQUENCER_RETRY_MS;
}

static void run_read(struct readers_job *job, struct store *store)
{
	struct request *r = request_of_job(job);
	int rc;

	r->err.code = ERR_NONE;
	if (r->handler->verifier || r->handler->whole) {
		settle(r, r->handler->read(r, store));
		return;
	}
	rc = store_snapshot(store, &r->err);
	if (rc == 0) {
		rc = r->handler->read != NULL ? r->handler->read(r, store)
					      : r->handler->buffered(r, store);
		store_release(store);
	}
	settle(r, rc);
	note_away(r, store);
}

static void read_done(struct readers_job *job)
{
	request_finish(request_of_job(job));
}

static int run_write(struct sequencer_op *op, struct store *store,
		     struct list *events, struct err *err)
{
	struct request *r = of_op(op);
	int rc;

	r->err = *err;
	rc = r->handler->write(r, store, events);
	settle(r, rc);
	*err = r->err;
	return rc;
}

static void write_done(struct sequencer_op *op)
{
	struct request *r = of_op(op);

	r->err = op->err;
	request_finish(r);
}

static uint64_t group_of(const struct request *r)
{
	switch (r->handler->type) {
	case WIRE_SEND:
		return r->body.send.group_id;
	case WIRE_EDIT_MEMBERS:
		return r->body.edit_members.group_id;
	case WIRE_DELETE_GROUP:
		return r->body.delete_group.group_id;
	case WIRE_SET_INFO:
		return r->body.set_info.group_id;
	case WIRE_SET_READ:
		return r->body.set_read.group_id;
	case WIRE_SEND_MEDIA:
		return r->body.send_media.group_id;
	case WIRE_IMPORT:
		return r->body.import.import_id;
	default:
		return 0;
	}
}

int request_write(struct request *r)
{
	r->op.bytes = r->frame.len;
	r->op.run = run_write;
	r->op.done = write_done;
	return sequencer_submit(r->handlers->sequencer, group_of(r), &r->op);
}

static void run_prepare(struct readers_job *job, struct store *store)
{
	struct request *r = request_of_job(job);

	settle(r, r->handler->prepare(r, store));
	note_away(r, store);
}

/* The job has waited for too long. */
static void note_late(struct readers_job *job)
{
	struct request *r = request_of_job(job);

	err_set(&r->err, ERR_UNAVAILABLE, "The store cannot be reached now");
	r->err.retry_after_ms = SEQUENCER_RETRY_MS;
}

static void overloaded(struct request *r)
{
	err_set(&r->err, ERR_UNAVAILABLE,
		"groupd is overloaded: try again later");
}

static void prepare_done(struct readers_job *job)
{
	struct request *r = request_of_job(job);

	r->op.came_ns = job->since_ns;
	if (r->err.code == ERR_NONE && request_write(r) == 0)
		return;
	if (r->err.code == ERR_NONE)
		overloaded(r);
	request_finish(r);
}

void request_go_on(struct request *r)
{
	request_finish(r);
}

static int submit_job(struct request *r)
{
	const struct handlers *h = r->handlers;

	if (!r->handler->verifier && !r->handler->mover && !r->handler->whole)
		r->job.late = note_late;
	return readers_submit(r->handler->verifier ? h->verifier
			      : r->handler->mover  ? h->movers
			      : r->handler->whole  ? &h->whole->worker
						   : h->readers,
			      &r->job);
}

int request_work(struct request *r,
		 void (*run)(struct readers_job *job, struct store *store))
{
	r->job.run = run;
	r->job.done = read_done;
	return submit_job(r);
}

int request_read_again(struct request *r)
{
	return request_work(r, run_read);
}

static int submit(struct request *r)
{
	if (r->handler->read != NULL)
		return request_read_again(r);
	if (r->handler->buffered != NULL && r->handlers->pointers != NULL)
		return request_read_again(r);
	if (r->handler->prepare == NULL)
		return request_write(r);
	r->job.run = run_prepare;
	r->job.done = prepare_done;
	return submit_job(r);
}

/* What the request and its answer may take in memory. */
static size_t weigh(const struct request *r)
{
	size_t weight = r->frame.len + 512;

	if (r->handler->type == WIRE_READ_TEXT)
		weight += (size_t)r->body.read_text.size;
	else if (r->handler->type == WIRE_READ_MEDIA)
		weight += (size_t)r->body.read_media.size;
	else if (r->handler->type == WIRE_READ_BACKUP)
		weight += (size_t)r->body.read_backup.size;
	else if (r->handler->type == WIRE_PULL)
		weight += r->body.pull.max_bytes == 0
				  ? WIRE_TEXT_MAX
				  : (size_t)r->body.pull.max_bytes;
	else if (r->handler->type == WIRE_EXPORT)
		weight += WIRE_TEXT_MAX;
	return weight;
}

static int check_admin(struct request *r)
{
	return r->admin
		       ? 0
		       : err_set(&r->err, ERR_NOT_ADMIN,
				 "Only root and groupd's own user may do that");
}

/* A gateway has no say of its own. */
static int check_socket(struct request *r)
{
	uid_t uid = r->peer->session.uid;

	r->admin =
		!r->peer->gateway && (uid == 0 || uid == r->handlers->own_uid);
	return check_admin(r);
}

/* Fills who asks. */
static int identify(struct request *r)
{
	const struct principal *p = peer_principal(r->peer, r->principal_id);
	const struct handlers *h = r->handlers;

	if (r->handler->no_principal)
		return 0;
	if (r->handler->by_socket && r->principal_id == 0)
		return check_socket(r);
	if (p == NULL || p->state != PRINCIPAL_READY)
		return err_set(&r->err, ERR_UNAUTHENTICATED,
			       "This principal is not open");
	if (p->expires_ms != 0 && p->expires_ms <= env_now_ms(h->env))
		return err_set(&r->err, ERR_UNAUTHENTICATED,
			       "The token has expired");
	r->principal_serial = p->serial;
	r->admin = p->admin;
	str_to_cstr(str_of(p->user), r->user, sizeof(r->user));
	return r->handler->admin_only ? check_admin(r) : 0;
}

static void start(struct request *r)
{
	struct session *s = &r->peer->session;

	r->weight = weigh(r);
	session_begin(s, r->weight);
	if (identify(r) < 0)
		goto finish;
	if (r->handler->begin != NULL && r->handler->begin(r) < 0) {
		settle(r, -ENOMEM);
		goto finish;
	}
	if (r->handler->here != NULL)
		r->handler->here(r);
	else if (submit(r) == 0)
		return;
	else
		overloaded(r);
finish:
	request_finish(r);
}

static void refuse_frame(struct peer *peer, const struct wire_header *header,
			 const char *why)
{
	struct err err;

	err_set(&err, ERR_BAD_REQUEST, "%s", why);
	log_debug("refused a frame: uid=%u type=%d why=\"%s\"",
		  (unsigned)peer->session.uid, (int)header->type, err.text);
	session_send_error(&peer->session, header->id, header->principal, &err);
	session_finish(&peer->session);
}

static struct request *request_new(struct handlers *h, struct peer *peer,
				   const struct wire_header *header,
				   struct str body)
{
	struct request *r;

	if (h->spares > 0) {
		h->spares--;
		r = of_op(container_of(list_pop(&h->spare), struct sequencer_op,
				       link));
	} else {
		r = malloc(sizeof(*r));
	}
	if (r == NULL)
		return NULL;
	*r = (struct request){ 0 };
	r->handlers = h;
	r->peer = peer;
	r->id = header->id;
	r->principal_id = header->principal;
	r->resent = header->resent;
	r->max_content = h->max_content;
	list_init(&r->pending.link);
	buf_append_str(&r->frame, body);
	if (!r->frame.failed)
		return r;
	buf_release(&r->frame);
	free(r);
	return NULL;
}

void handlers_init(struct handlers *h)
{
	list_init(&h->spare);
	h->spares = 0;
}

void handlers_release(struct handlers *h)
{
	struct list *el;

	while (h->spares > 0 && (el = list_pop(&h->spare)) != NULL)
		free(of_op(container_of(el, struct sequencer_op, link)));
	h->spares = 0;
}

void handlers_frame(struct handlers *h, struct peer *peer,
		    const struct wire_header *header, struct str body)
{
	const struct handler *handler = find_handler(header->type);
	struct request *r;
	struct err err;

	if (handler == NULL || header->id == 0) {
		refuse_frame(peer, header, "That is no request");
		return;
	}
	if ((peer->session.state == SESSION_HELLO) !=
	    (header->type == WIRE_HELLO)) {
		refuse_frame(peer, header, "HELLO comes first, and once");
		return;
	}
	h->requests++;
	r = request_new(h, peer, header, body);
	if (r == NULL) {
		err_set(&err, ERR_UNAVAILABLE, "groupd is out of memory");
		session_send_error(&peer->session, header->id,
				   header->principal, &err);
		return;
	}
	r->handler = handler;
	if (wire_get(buf_str(&r->frame), wire_schema_of(header->type),
		     &r->body) < 0) {
		refuse_frame(peer, header, "The request cannot be decoded");
		request_free(r);
		return;
	}
	start(r);
}
