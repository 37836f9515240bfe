/* SPDX-License-Identifier: MIT */
#include "daemon/retention.h"

#include "lib/list.h"
#include "lib/log.h"

static void on_timer(uv_timer_t *timer);

static void again_in(struct retention *r, uint64_t ms)
{
	r->busy = false;
	if (!r->stopping)
		uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void end_round(struct retention *r)
{
	r->in_round = false;
	if (r->archived > 0)
		log_info("archived old messages: count=%llu",
			 (unsigned long long)r->archived);
	if (r->took && !r->stopping)
		r->on_swept(r->data);
	again_in(r, r->config->retention_interval);
}

/* Taking. */

static int run_trim(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct retention *r = container_of(op, struct retention, trim);
	struct event *e;
	int rc = store_trim(store, &r->step, err);

	if (rc < 0 || r->step.trimmed == 0)
		return rc;
	e = event_add(events, EVENT_FLOOR, r->step.group_id);
	if (e == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	e->first_seq = r->step.first_seq;
	e->first_off = r->step.first_off;
	e->first_jsonl_off = r->step.first_jsonl_off;
	return 0;
}

static void trim_done(struct sequencer_op *op)
{
	struct retention *r = container_of(op, struct retention, trim);

	r->took = r->took || (op->err.code == ERR_NONE && r->step.trimmed > 0);
	/* A group may be deleted meanwhile. */
	if (op->err.code != ERR_NONE && op->err.code != ERR_NO_SUCH_GROUP)
		log_warn("cannot drop old messages: group=%llu why=\"%s\"",
			 (unsigned long long)r->step.group_id, op->err.text);
	if (op->err.code != ERR_NONE || r->step.left == 0)
		r->next++;
	again_in(r, RETENTION_PAUSE_MS);
}

/* A full lane is one that has better to do: later. */
static void submit_trim(struct retention *r)
{
	r->step = (struct store_trim){ .group_id = r->found[r->next],
				       .keep = r->keep,
				       .limit = RETENTION_STEP };
	r->trim = (struct sequencer_op){ .run = run_trim,
					 .done = trim_done,
					 .alone = !r->sequencer->shared };
	r->busy = true;
	if (sequencer_submit(r->sequencer, r->step.group_id, &r->trim) < 0)
		again_in(r, RETENTION_PAUSE_MS);
}

/* Archiving. */

/* It may be run again: the round goes on when it is committed. */
static int run_pack(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct retention *r = container_of(op, struct retention, pack);
	int rc;

	(void)events;
	r->packed = r->archive;
	rc = store_archive(store, &r->packed, err);
	r->packing = rc > 0;
	return rc < 0 ? rc : 0;
}

/* A step that fails, among many groups, is followed by one that begins with a
 * single one; the group at which that fails is passed over, so that those
 * behind it have their turn. It is over where even that fails. */
static uint64_t more_of(uint64_t limit)
{
	uint64_t more = limit > 0 ? 2 * limit : 1;

	return more < RETENTION_PACK ? more : RETENTION_PACK;
}

static void pack_done(struct sequencer_op *op)
{
	struct retention *r = container_of(op, struct retention, pack);

	if (op->err.code == ERR_NONE) {
		r->archive = r->packed;
		r->archived += r->packed.archived;
		r->archive.limit = more_of(r->packed.limit);
	} else {
		log_warn("cannot archive old messages: why=\"%s\"",
			 op->err.text);
		r->packing = r->archive.limit > 0;
		r->archive.limit = r->archive.limit > 1 ? 1 : 0;
	}
	again_in(r, RETENTION_PAUSE_MS);
}

static void submit_pack(struct retention *r)
{
	r->pack = (struct sequencer_op){ .run = run_pack, .done = pack_done };
	r->busy = true;
	if (sequencer_submit(r->sequencer, 0, &r->pack) < 0)
		again_in(r, RETENTION_PAUSE_MS);
}

/* Looking. */

static int take_id(void *data, uint64_t group_id)
{
	struct retention *r = data;

	r->found[r->nfound++] = group_id;
	return r->nfound == RETENTION_FEW ? 1 : 0;
}

static void run_look(struct readers_job *job, struct store *store)
{
	struct retention *r = container_of(job, struct retention, look);
	struct err err = { 0 };
	int rc = store_list_overdue(store, &r->keep, RETENTION_LOOK,
				    &r->after_id, take_id, r, &err);

	r->more = rc > 0;
	if (rc < 0 && !r->failing)
		log_warn("cannot look for old messages: why=\"%s\"", err.text);
	r->failing = rc < 0;
}

static void look_done(struct readers_job *job)
{
	struct retention *r = container_of(job, struct retention, look);

	again_in(r, r->nfound > 0 || !r->more ? 0 : RETENTION_PAUSE_MS);
}

static void submit_look(struct retention *r)
{
	r->nfound = 0;
	r->next = 0;
	r->look = (struct readers_job){ .run = run_look, .done = look_done };
	r->busy = true;
	if (readers_submit(r->readers, &r->look) < 0)
		again_in(r, RETENTION_PAUSE_MS);
}

static void begin_round(struct retention *r)
{
	uint64_t after = r->config->archive_after;
	uint64_t now_ms = env_now_ms(r->sequencer->options.store->env);

	r->packing = after > 0 && after < now_ms && r->sequencer->shared;
	r->archive = (struct store_archive){ .before_ms = now_ms - after,
					     .limit = RETENTION_PACK };
	r->archived = 0;
	r->keep = r->config->retention;
	r->after_id = 0;
	r->nfound = 0;
	r->next = 0;
	r->more = true;
	r->took = false;
	r->in_round = true;
}

static void on_timer(uv_timer_t *timer)
{
	struct retention *r = timer->data;

	if (r->busy || r->stopping)
		return;
	if (!r->in_round)
		begin_round(r);
	if (r->next < r->nfound)
		submit_trim(r);
	else if (r->more)
		submit_look(r);
	else if (r->packing)
		submit_pack(r);
	else
		end_round(r);
}

void retention_start(struct retention *r, uv_loop_t *loop,
		     struct readers *readers, struct sequencer *sequencer,
		     const struct config *config, void (*on_swept)(void *data),
		     void *data)
{
	*r = (struct retention){ .readers = readers,
				 .sequencer = sequencer,
				 .config = config,
				 .on_swept = on_swept,
				 .data = data };
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	again_in(r, RETENTION_PAUSE_MS);
}

void retention_again(struct retention *r)
{
	if (!r->in_round && !r->busy)
		again_in(r, RETENTION_PAUSE_MS);
}

static void on_closed(uv_handle_t *handle)
{
	struct retention *r = handle->data;

	r->on_close(r);
}

void retention_close(struct retention *r, void (*cb)(struct retention *r))
{
	r->stopping = true;
	r->on_close = cb;
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
