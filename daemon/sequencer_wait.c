/* SPDX-License-Identifier: MIT */
#include "daemon/sequencer_private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/late.h"
#include "lib/log.h"
#include "lib/table.h"

struct batch *batch_new(void)
{
	struct batch *batch;

	while ((batch = calloc(1, sizeof(*batch))) == NULL)
		usleep(10000);
	list_init(&batch->ops);
	list_init(&batch->events);
	return batch;
}

void lane_say_failed(struct lane *lane, const char *what, size_t ops,
		     const struct err *err)
{
	uint64_t now = uv_hrtime();

	if (err->code != ERR_OUT_OF_SPACE) {
		log_warn("%s: ops=%zu why=\"%s\"", what, ops, err->text);
		return;
	}
	/* It fails each batch, and the log may lie on the same disk. */
	if (lane->full_ns != 0 &&
	    now - lane->full_ns < LANE_FULL_MS * (uint64_t)LATE_MS_NS)
		return;
	lane->full_ns = now;
	log_error("the store has no space left: "
		  "then=\"make room on its disk: groupd goes on by itself\"");
}

/* Why it is away is in the log, with addresses that are no user's business. */
static void refuse(struct batch *batch, struct sequencer_op *op)
{
	err_set(&op->err, ERR_UNAVAILABLE, "The store cannot be reached now");
	op->err.retry_after_ms = SEQUENCER_RETRY_MS;
	list_push(&batch->ops, &op->link);
	batch->count++;
}

/* Answers who has waited for so long. lock is held. Each is looked at: one
 * that was prepared before it came here may be older than those before it. */
static void refuse_waiting(struct lane *lane, uint64_t ms)
{
	struct batch *batch = NULL;
	struct list *next;
	uint64_t now = uv_hrtime();

	for (struct list *el = lane->pending.next; el != &lane->pending;
	     el = next) {
		struct sequencer_op *op = op_of(el);

		next = el->next;
		if (now < op->since_ns + ms * LATE_MS_NS)
			continue;
		if (batch == NULL)
			batch = batch_new();
		list_remove(&op->link);
		lane->pending_ops--;
		lane->pending_bytes -= op->bytes;
		refuse(batch, op);
	}
	if (batch != NULL)
		mailbox_post(&lane->sequencer->done, &batch->link);
}

void lane_doubt(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->doubt = true;
	refuse_waiting(lane, SEQUENCER_PATIENCE_MS);
	pthread_mutex_unlock(&lane->lock);
}

/* lock is held, but not while it tries. */
static bool reach(struct lane *lane)
{
	struct timespec then;
	struct err err = { .code = ERR_NONE };
	int rc;

	pthread_mutex_unlock(&lane->lock);
	rc = store_reach(lane->store, &err);
	pthread_mutex_lock(&lane->lock);
	if (rc == 0) {
		lane->doubt = false;
		lane->away = false;
		return true;
	}
	if (err.code == ERR_NONE)
		err_set(&err, ERR_UNAVAILABLE, NULL);
	if (!lane->away)
		log_warn("the store cannot be reached: why=\"%s\"", err.text);
	lane->doubt = true;
	lane->away = true;
	refuse_waiting(lane, 0);
	then = late_time(uv_hrtime(), LATE_LOOK_MS);
	if (!lane->stop)
		(void)pthread_cond_clockwait(&lane->wake, &lane->lock,
					     CLOCK_MONOTONIC, &then);
	return false;
}

void lane_rest(struct lane *lane)
{
	uint64_t now = uv_hrtime();
	uint64_t pause = now < lane->late_ns ? LANE_QUIET_MS : LANE_PAUSE_MS;

	lane->tend_ns = now + pause * LATE_MS_NS;
}

static bool is_quiet(const struct lane *lane, uint64_t now)
{
	return now - lane->answered_ns >= LANE_QUIET_MS * LATE_MS_NS;
}

/* The store's own work: a step. lock is held, but not while it works. */
static void tend(struct lane *lane)
{
	uint64_t began = uv_hrtime();
	struct store_tend op = { .limit = is_quiet(lane, began) ? 0
								: LANE_STEP };
	struct err err = { .code = ERR_NONE };
	uint64_t ended;
	int rc;

	pthread_mutex_unlock(&lane->lock);
	atomic_store(&lane->alive_ns, began);
	rc = store_tend(lane->store, &op, &err);
	if (rc == -EINPROGRESS)
		lane_unknown(lane, &err);
	if (rc < 0) {
		log_warn("the store cannot tidy up: why=\"%s\"", err.text);
		op.wait_ms = LANE_TEND_AGAIN_MS;
	}
	ended = uv_hrtime();
	lane->late_ns = ended + (op.wait_ms == 0 ? LANE_SHARE * (ended - began)
						 : LANE_LATE_MS * LATE_MS_NS);
	pthread_mutex_lock(&lane->lock);
	lane->tend_ns = op.wait_ms == UINT64_MAX
				? UINT64_MAX
				: ended + op.wait_ms * LATE_MS_NS;
}

/* Waits for ops; meanwhile the store may have something to do. */
static void be_idle(struct lane *lane)
{
	/* A shared store has nothing to tend: its lanes sleep. */
	uint64_t due = lane->sequencer->shared ? UINT64_MAX : lane->tend_ns;
	struct timespec then;

	if (due <= uv_hrtime()) {
		tend(lane);
		return;
	}
	atomic_store(&lane->alive_ns, 0);
	if (due == UINT64_MAX) {
		pthread_cond_wait(&lane->wake, &lane->lock);
		return;
	}
	then = late_time(due, 0);
	(void)pthread_cond_clockwait(&lane->wake, &lane->lock, CLOCK_MONOTONIC,
				     &then);
}

bool lane_wait(struct lane *lane)
{
	const struct sequencer *q = lane->sequencer;

	for (;;) {
		lane->awaited = 1;
		while (list_empty(&lane->pending) && !lane->stop &&
		       !lane->doubt)
			be_idle(lane);
		if (list_empty(&lane->pending) && lane->stop)
			return false;
		if ((!q->shared || reach(lane)) && !list_empty(&lane->pending))
			return true;
	}
}

void lane_answered(struct lane *lane, size_t count)
{
	pthread_mutex_lock(&lane->lock);
	lane->waiting = lane->pending_ops;
	pthread_mutex_unlock(&lane->lock);
	lane->answered = count;
	lane->answered_ns = uv_hrtime();
}

void lane_gather(struct lane *lane)
{
	uint64_t wait = lane->commit_ns / 2 < SEQUENCER_GATHER_NS
				? lane->commit_ns / 2
				: SEQUENCER_GATHER_NS;
	uint64_t until = lane->answered_ns + wait;
	struct timespec then = { .tv_sec = (time_t)(until / 1000000000),
				 .tv_nsec = (long)(until % 1000000000) };

	if (uv_hrtime() >= until)
		return;
	if (lane->hurry > 0) {
		lane->hurry--;
		return;
	}
	lane->awaited = lane->waiting + lane->answered;
	if (lane->awaited > SEQUENCER_GATHER_OPS)
		lane->awaited = SEQUENCER_GATHER_OPS;
	while (lane->pending_ops < lane->awaited && !lane->stop &&
	       uv_hrtime() < until)
		(void)pthread_cond_clockwait(&lane->wake, &lane->lock,
					     CLOCK_MONOTONIC, &then);
	if (lane->pending_ops < lane->awaited &&
	    lane->pending_ops < lane->waiting + lane->answered / 2)
		lane->hurry = SEQUENCER_GATHER_AGAIN;
}

void lanes_wake(uv_idle_t *turn)
{
	struct sequencer *q = turn->data;

	uv_idle_stop(turn);
	for (size_t i = 0; i < q->lanes; i++) {
		struct lane *lane = &q->lane[i];
		bool due;

		pthread_mutex_lock(&lane->lock);
		due = lane->pending_ops >= lane->awaited;
		pthread_mutex_unlock(&lane->lock);
		/* Behind the lock, or who wakes waits for it at once. */
		if (due)
			pthread_cond_signal(&lane->wake);
	}
}

void lanes_look(uv_timer_t *timer)
{
	struct sequencer *q = timer->data;

	for (size_t i = 0; i < q->lanes; i++) {
		pthread_mutex_lock(&q->lane[i].lock);
		refuse_waiting(&q->lane[i], LATE_WAIT_MS);
		pthread_mutex_unlock(&q->lane[i].lock);
	}
	if (sequencer_queued(q) == 0)
		uv_timer_stop(timer);
}

/* At once, when it is known that the store is away. lock is held. */
static int refuse_now(struct lane *lane, struct sequencer_op *op)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return -EBUSY;
	list_init(&batch->ops);
	list_init(&batch->events);
	refuse(batch, op);
	mailbox_post(&lane->sequencer->done, &batch->link);
	return 0;
}

static void add(struct lane *lane, struct sequencer_op *op)
{
	op->since_ns = op->came_ns != 0 ? op->came_ns : uv_hrtime();
	list_push(&lane->pending, &op->link);
	lane->pending_ops++;
	lane->pending_bytes += op->bytes;
	/* One that does not even wake is seen, too. */
	if (atomic_load(&lane->alive_ns) == 0)
		atomic_store(&lane->alive_ns, uv_hrtime());
}

int sequencer_submit(struct sequencer *q, uint64_t group_id,
		     struct sequencer_op *op)
{
	struct lane *lane = &q->lane[table_hash_u64(group_id) % q->lanes];
	int rc = -EBUSY;

	pthread_mutex_lock(&lane->lock);
	if (lane->away && !lane->stop) {
		rc = refuse_now(lane, op);
	} else if (!lane->stop && lane->pending_ops < SEQUENCER_QUEUE_OPS &&
		   (lane->pending_ops == 0 ||
		    lane->pending_bytes + op->bytes <= SEQUENCER_QUEUE_BYTES)) {
		add(lane, op);
		rc = 0;
	}
	pthread_mutex_unlock(&lane->lock);
	if (rc == 0 && !uv_is_active((uv_handle_t *)&q->turn))
		uv_idle_start(&q->turn, lanes_wake);
	if (q->shared && !uv_is_active((uv_handle_t *)&q->look))
		uv_timer_start(&q->look, lanes_look, LATE_LOOK_MS,
			       LATE_LOOK_MS);
	return rc;
}

size_t sequencer_queued(struct sequencer *q)
{
	size_t queued = 0;

	for (size_t i = 0; i < q->lanes; i++) {
		pthread_mutex_lock(&q->lane[i].lock);
		queued += q->lane[i].pending_ops;
		pthread_mutex_unlock(&q->lane[i].lock);
	}
	return queued;
}

uint64_t sequencer_stalled_ns(const struct sequencer *q)
{
	uint64_t stalled = 0;

	if (q->shared)
		return 0;
	for (size_t i = 0; i < q->lanes; i++) {
		uint64_t alive = atomic_load(&q->lane[i].alive_ns);
		uint64_t now = uv_hrtime();

		if (alive != 0 && now > alive && now - alive > stalled)
			stalled = now - alive;
	}
	return stalled;
}
