/* SPDX-License-Identifier: MIT */
#include "daemon/sequencer_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/late.h"
#include "lib/log.h"

enum { EXIT_UNKNOWN = 3 };

/* Whether there is no room for op in this transaction. */
static bool is_full(const struct lane *lane, const struct batch *batch,
		    size_t bytes, const struct sequencer_op *op)
{
	const struct sequencer_op *first;

	if (batch->count == 0)
		return false;
	first = container_of(batch->ops.next, const struct sequencer_op, link);
	if (lane->sequencer->shared &&
	    (first->append == NULL || op->append == NULL))
		return true;
	return first->alone || op->alone ||
	       batch->count == SEQUENCER_BATCH_OPS ||
	       bytes + op->bytes > SEQUENCER_BATCH_BYTES;
}

static void is_alive(struct lane *lane)
{
	atomic_store(&lane->alive_ns, uv_hrtime());
}

static void on_alive(void *data)
{
	is_alive(data);
}

/* Waits for ops; moves as many as fit one transaction. False: stop. */
static bool take(struct lane *lane, struct batch *batch)
{
	size_t bytes = 0;

	pthread_mutex_lock(&lane->lock);
	if (lane_wait(lane) && !lane->sequencer->shared)
		lane_gather(lane);
	while (!list_empty(&lane->pending)) {
		struct sequencer_op *op = op_of(lane->pending.next);

		if (is_full(lane, batch, bytes, op))
			break;
		list_remove(&op->link);
		list_push(&batch->ops, &op->link);
		batch->count++;
		bytes += op->bytes;
	}
	lane->pending_ops -= batch->count;
	lane->pending_bytes -= bytes;
	is_alive(lane);
	pthread_mutex_unlock(&lane->lock);
	return batch->count > 0;
}

/* A refusal leaves the transaction open; these do not (store.h). */
static bool ends_transaction(const struct err *err)
{
	return err->code == ERR_OUT_OF_SPACE || err->code == ERR_UNAVAILABLE ||
	       err->code == ERR_OUTCOME_UNKNOWN;
}

static void fail_all(struct batch *batch, const struct err *err)
{
	for (struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next) {
		struct sequencer_op *op = op_of(el);

		/* Who ended the transaction keeps his reason. A refusal may
		 * rest on what is not stored now: it is none any more. */
		if (!ends_transaction(&op->err))
			op->err = *err;
	}
	events_clear(&batch->events);
}

static int run_op(struct sequencer_op *op, struct store *store,
		  struct list *events)
{
	int rc = 0;

	op->err = (struct err){ .code = ERR_NONE };
	op->appended = 0;
	if (op->append != NULL)
		rc = store_append(store, op->append, &op->err);
	if (rc < 0 && op->err.code == ERR_NONE)
		err_set(&op->err, ERR_UNAVAILABLE, NULL);
	rc = op->run(op, store, events, &op->err);
	assert(rc < 0 || op->err.code == ERR_NONE);
	if (rc < 0 && op->err.code == ERR_NONE)
		err_set(&op->err, ERR_UNAVAILABLE, NULL);
	return rc;
}

/* Runs all ops but skip; who ended the transaction
 * is returned in *culprit. */
static int run_ops(struct lane *lane, struct batch *batch,
		   struct sequencer_op *skip, struct sequencer_op **culprit,
		   struct err *err)
{
	int rc = store_begin(lane->store, err);

	*culprit = NULL;
	if (rc < 0)
		return rc;
	for (struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next) {
		struct sequencer_op *op = op_of(el);

		if (op == skip)
			continue;
		is_alive(lane);
		rc = run_op(op, lane->store, &batch->events);
		if (rc < 0 && ends_transaction(&op->err)) {
			*culprit = op;
			*err = op->err;
			store_rollback(lane->store);
			events_clear(&batch->events);
			return rc;
		}
	}
	return 0;
}

void lane_unknown(struct lane *lane, const struct err *err)
{
	const struct sequencer *q = lane->sequencer;

	if (q->shared)
		return;
	if (q->options.on_unknown != NULL) {
		q->options.on_unknown(q->options.data, err);
		return;
	}
	log_error("stopped, outcome of a commit is unknown: why=\"%s\" "
		  "then=\"see to the disk and start groupd again: clients send "
		  "again what was not acknowledged\"",
		  err->text);
	_exit(EXIT_UNKNOWN);
}

static void note_largest(struct sequencer_figures *f, uint64_t ops)
{
	uint_fast64_t was = atomic_load(&f->largest);

	while (ops > was &&
	       !atomic_compare_exchange_weak(&f->largest, &was, ops))
		;
}

static void count_batch(struct sequencer *q, const struct batch *batch,
			uint64_t duration_ns)
{
	struct sequencer_figures *f = &q->figures;
	uint64_t done = 0;
	uint64_t messages = 0;

	for (const struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next) {
		const struct sequencer_op *op =
			container_of(el, const struct sequencer_op, link);

		if (op->err.code != ERR_NONE)
			continue;
		done++;
		messages += op->appended;
	}
	histogram_add(&f->ops, done, 1);
	histogram_add(&f->messages, messages, 1);
	histogram_add(&f->seconds, duration_ns, 1);
	atomic_fetch_add(&f->refused, batch->count - done);
	note_largest(f, done);
}

static void clear_errors(struct batch *batch, const struct sequencer_op *skip)
{
	for (struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next) {
		if (op_of(el) != skip)
			op_of(el)->err.code = ERR_NONE;
	}
}

static int run_transaction(struct lane *lane, struct batch *batch,
			   struct err *err)
{
	struct sequencer_op *culprit;
	struct sequencer_op *again;
	uint64_t began;
	int rc = run_ops(lane, batch, NULL, &culprit, err);

	if (rc < 0 && culprit != NULL && batch->count > 1) {
		lane_say_failed(lane, "rolled back a batch", batch->count, err);
		atomic_fetch_add(&lane->sequencer->figures.rollbacks, 1);
		rc = run_ops(lane, batch, culprit, &again, err);
		if (rc < 0)
			clear_errors(batch, culprit);
	}
	if (rc < 0)
		return rc;
	is_alive(lane);
	began = uv_hrtime();
	rc = store_commit(lane->store, err);
	lane->commit_ns = uv_hrtime() - began;
	return rc;
}

/* The same, until the store does not undo it. */
static int run_until_kept(struct lane *lane, struct batch *batch,
			  struct err *err)
{
	for (int tries = 1;; tries++) {
		int rc = run_transaction(lane, batch, err);

		if (rc == 0 || rc == -EINPROGRESS || tries == SEQUENCER_TRIES ||
		    !store_was_undone(lane->store))
			return rc;
		log_info("runs a batch again: ops=%zu why=\"%s\"", batch->count,
			 err->text);
		atomic_fetch_add(&lane->sequencer->figures.rollbacks, 1);
		store_rollback(lane->store);
		clear_errors(batch, NULL);
		events_clear(&batch->events);
		*err = (struct err){ .code = ERR_NONE };
	}
}

/* It is stored: what follows from it is told, or watchers would miss it. */
static void end_append(struct lane *lane, struct batch *batch,
		       struct sequencer_op *op, const struct err *refused)
{
	for (;;) {
		int rc;

		op->err = *refused;
		op->appended = 0;
		rc = op->run(op, lane->store, &batch->events, &op->err);
		assert(rc < 0 || op->err.code == ERR_NONE);
		if (rc == 0 || refused->code != ERR_NONE ||
		    op->err.code != ERR_UNAVAILABLE)
			return;
		usleep(10000);
	}
}

/* Nothing but appends. */
static int run_appends(struct lane *lane, struct batch *batch, struct err *err)
{
	size_t n = 0;
	int rc;

	for (struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next)
		lane->appends[n++] = op_of(el)->append;
	rc = store_append_all(lane->store, lane->appends, lane->errs, n, err);
	if (rc < 0)
		return rc;
	n = 0;
	for (struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next) {
		struct err *refused = &lane->errs[n++];

		is_alive(lane);
		if (refused->code == ERR_UNAVAILABLE)
			refused->retry_after_ms = SEQUENCER_RETRY_MS;
		end_append(lane, batch, op_of(el), refused);
	}
	return 0;
}

/* Among the lanes, that is; but who is alone there may be held up for long. */
static int come_together(struct sequencer *q, const struct batch *batch,
			 uint64_t since_ns)
{
	struct timespec late = late_time(since_ns, LATE_ANSWER_MS);

	if (!q->shared)
		return pthread_rwlock_wrlock(&q->together);
	return op_of(batch->ops.next)->alone
		       ? pthread_rwlock_clockwrlock(&q->together,
						    CLOCK_MONOTONIC, &late)
		       : pthread_rwlock_clockrdlock(&q->together,
						    CLOCK_MONOTONIC, &late);
}

/* When the first of them came. */
static uint64_t since(const struct batch *batch)
{
	uint64_t first = UINT64_MAX;

	for (struct list *el = batch->ops.next; el != &batch->ops;
	     el = el->next) {
		if (op_of(el)->since_ns < first)
			first = op_of(el)->since_ns;
	}
	return first;
}

static int carry_out(struct lane *lane, struct batch *batch, struct err *err)
{
	struct sequencer *q = lane->sequencer;
	const struct sequencer_op *first = op_of(batch->ops.next);
	int rc;

	lane->lost = false;
	store_set_deadline(lane->store, late_deadline_ms(since(batch)));
	rc = come_together(q, batch, since(batch));
	if (rc != 0)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	rc = q->shared && first->append != NULL
		     ? run_appends(lane, batch, err)
		     : run_until_kept(lane, batch, err);
	lane->lost = rc < 0 && store_was_lost(lane->store);
	/* Before the lock goes: what was not committed is nobody's. */
	if (rc < 0)
		store_rollback(lane->store);
	pthread_rwlock_unlock(&q->together);
	return rc;
}

static void fail_batch(struct lane *lane, struct batch *batch, int rc,
		       struct err *err)
{
	struct sequencer *q = lane->sequencer;

	if (rc == -EINPROGRESS) {
		err->code = ERR_OUTCOME_UNKNOWN;
		atomic_fetch_add(&q->figures.unknown, batch->count);
	}
	if (err->code == ERR_NONE)
		err_set(err, ERR_UNAVAILABLE, NULL);
	lane_say_failed(lane, "failed a batch", batch->count, err);
	atomic_fetch_add(&q->figures.rollbacks, 1);
	fail_all(batch, err);
	for (struct list *el = batch->ops.next; q->shared && el != &batch->ops;
	     el = el->next) {
		if (op_of(el)->err.code == ERR_UNAVAILABLE)
			op_of(el)->err.retry_after_ms = SEQUENCER_RETRY_MS;
	}
}

/* Who watches gets it ready to be sent; but the senders wait for that. So a
 * store that goes now is not asked again for each group: EV_GROWN tells. */
static void load_events(struct lane *lane, struct batch *batch)
{
	bool gone = false;
	uint64_t untold = 0;

	for (struct list *el = batch->events.next; el != &batch->events;
	     el = el->next) {
		struct event *e = container_of(el, struct event, link);

		if (e->kind != EVENT_MESSAGES)
			continue;
		event_mark(&lane->marks, e);
		if (gone)
			untold += e->mentions;
		else
			gone = event_load(e, lane->store) < 0 &&
			       store_was_lost(lane->store);
	}
	if (untold > 0)
		log_warn("mentions are not told: groups=%" PRIu64, untold);
}

static void run_batch(struct lane *lane, struct batch *batch)
{
	struct sequencer *q = lane->sequencer;
	uint64_t began = uv_hrtime();
	struct err err = { .code = ERR_NONE };
	int rc = carry_out(lane, batch, &err);

	if (rc == -EINPROGRESS)
		lane_unknown(lane, &err);
	if (rc < 0) {
		fail_batch(lane, batch, rc, &err);
		return;
	}
	count_batch(q, batch, uv_hrtime() - began);
	load_events(lane, batch);
}

static void *lane_main(void *arg)
{
	struct lane *lane = arg;
	struct sequencer *q = lane->sequencer;

	pthread_setname_np(pthread_self(), "lane");
	/* Whoever was connected comes first. */
	lane->late_ns = uv_hrtime() + LANE_LATE_MS * (uint64_t)LATE_MS_NS;
	lane->tend_ns = lane->late_ns;
	for (;;) {
		struct batch *batch = batch_new();

		if (!take(lane, batch)) {
			free(batch);
			atomic_store(&lane->alive_ns, 0);
			return NULL;
		}
		run_batch(lane, batch);
		lane_answered(lane, batch->count);
		mailbox_post(&q->done, &batch->link);
		lane_rest(lane);
		if (lane->lost)
			lane_doubt(lane);
	}
}

void sequencer_release(struct sequencer *q, struct list *batch)
{
	struct batch *b = container_of(batch, struct batch, link);
	struct list *el;

	(void)q;
	while ((el = list_pop(&b->ops)) != NULL)
		op_of(el)->done(op_of(el));
	events_clear(&b->events);
	free(b);
}

/* Loop: who watches is told before the senders are answered, so that whoever
 * acts on an answer finds all others knowing of it (client_is_settled()). */
static void on_batch(void *data, struct list *el)
{
	struct sequencer *q = data;
	struct batch *batch = container_of(el, struct batch, link);
	bool messages_only = true;

	for (struct list *l = batch->events.next; l != &batch->events;
	     l = l->next) {
		struct event *e = container_of(l, struct event, link);

		messages_only = messages_only && (e->kind == EVENT_MESSAGES ||
						  e->kind == EVENT_READ ||
						  e->kind == EVENT_FLOOR);
		q->options.on_event(q->options.data, e);
	}
	if (messages_only || q->options.on_told == NULL ||
	    q->options.on_told(q->options.data, &batch->link))
		sequencer_release(q, &batch->link);
}

static void lane_free(struct lane *lane)
{
	store_close(lane->store);
	free(lane->appends);
	free(lane->errs);
}

static void lane_stop(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->stop = true;
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->lock);
	pthread_join(lane->thread, NULL);
	lane_free(lane);
	pthread_mutex_destroy(&lane->lock);
	pthread_cond_destroy(&lane->wake);
}

static void on_warning(void *data, const char *text)
{
	(void)data;
	log_warn("the store warns: why=\"%s\"", text);
}

static int lane_start(struct sequencer *q, struct err *err)
{
	struct lane *lane = &q->lane[q->lanes];
	struct store_options store = *q->options.store;
	int rc;

	*lane = (struct lane){ .sequencer = q };
	store.alive = on_alive;
	store.alive_data = lane;
	/* All lanes see the same. */
	store.warn = q->lanes == 0 ? on_warning : NULL;
	rc = store_open(&lane->store, q->options.url, &store, err);
	if (rc < 0)
		return rc;
	/* The first says it for all, before anybody reads it. */
	if (q->lanes == 0)
		q->shared = store_is_shared(lane->store);
	lane->appends =
		calloc(SEQUENCER_BATCH_OPS, sizeof(struct store_append *));
	lane->errs = calloc(SEQUENCER_BATCH_OPS, sizeof(*lane->errs));
	if (lane->appends == NULL || lane->errs == NULL) {
		lane_free(lane);
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	}
	list_init(&lane->pending);
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->wake, NULL);
	if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
		lane_free(lane);
		return err_set(err, ERR_UNAVAILABLE, "Cannot start a thread");
	}
	q->lanes++;
	return 0;
}

static void on_failed_start(struct mailbox *m)
{
	(void)m;
}

/* One that is alone waits for no more than what has begun. */
static void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

int sequencer_start(struct sequencer *q, uv_loop_t *loop,
		    const struct sequencer_options *options, struct err *err)
{
	int rc;

	assert(options->lanes > 0 && options->lanes <= SEQUENCER_LANES_MAX);
	*q = (struct sequencer){
		.options = *options,
		.figures = { .ops.kind = HISTOGRAM_SIZE,
			     .messages.kind = HISTOGRAM_SIZE,
			     .seconds.kind = HISTOGRAM_DURATION },
	};
	rc = mailbox_start(&q->done, loop, on_batch, q);
	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE, "%s", uv_strerror(rc));
	init_lock(&q->together);
	do {
		rc = lane_start(q, err);
		if (rc < 0)
			goto stop;
	} while (q->shared && q->lanes < options->lanes);
	uv_timer_init(loop, &q->look);
	uv_idle_init(loop, &q->turn);
	q->look.data = q;
	q->turn.data = q;
	return 0;
stop:
	for (size_t i = 0; i < q->lanes; i++)
		lane_stop(&q->lane[i]);
	pthread_rwlock_destroy(&q->together);
	mailbox_close(&q->done, on_failed_start);
	return rc;
}

static void on_look_closed(uv_handle_t *handle)
{
	struct sequencer *q = handle->data;

	q->on_close(q);
}

static void on_turn_closed(uv_handle_t *handle)
{
	struct sequencer *q = handle->data;

	uv_close((uv_handle_t *)&q->look, on_look_closed);
}

static void on_mailbox_closed(struct mailbox *m)
{
	struct sequencer *q = container_of(m, struct sequencer, done);

	uv_close((uv_handle_t *)&q->turn, on_turn_closed);
}

void sequencer_close(struct sequencer *q, void (*cb)(struct sequencer *q))
{
	/* They look at lanes, which go here. */
	uv_idle_stop(&q->turn);
	uv_timer_stop(&q->look);
	for (size_t i = 0; i < q->lanes; i++)
		lane_stop(&q->lane[i]);
	pthread_rwlock_destroy(&q->together);
	q->on_close = cb;
	mailbox_close(&q->done, on_mailbox_closed);
}
