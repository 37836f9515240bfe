/* SPDX-License-Identifier: MIT */
#include "daemon/media_keeper.h"

#include <stdlib.h>
#include <string.h>

#include "lib/list.h"
#include "lib/log.h"

/* The sweep. */

/* Removes a content unless somebody has it; then it is garbage no longer. 1: it
 * stays for now; *why says it where that is because of an error. Negative: the
 * store's error. */
static int release(struct media *media, struct store *store,
		   const uint8_t hash[STORE_HASH], struct err *why,
		   struct err *err)
{
	struct media_seen seen;
	bool used;
	int rc;

	media_look(media, hash, &seen);
	rc = store_hash_used(store, hash, &used, err);
	if (rc == 0 && !used && media_remove(media, hash, &seen, why) != 0)
		return 1;
	return rc == 0 ? store_drop_garbage(store, hash, err) : rc;
}

/* May be run again, so what it changes begins with what it finds in swept. */
static int run_sweep(struct sequencer_op *op, struct store *store,
		     struct list *events, struct err *err)
{
	struct media_keeper *k = container_of(op, struct media_keeper, sweep);
	const uint8_t *after = k->swept == 0 ? NULL : k->swept_to;
	int rc = 0;

	(void)events;
	k->count = 0;
	if (atomic_load(&k->held) > 0)
		return 0;
	for (; rc >= 0 && k->count < MEDIA_KEEPER_FEW; k->count++) {
		rc = store_next_garbage(store, after, k->reached, err);
		if (rc <= 0)
			break;
		rc = release(k->media, store, k->reached, &k->why, err);
		after = k->reached;
	}
	return rc < 0 ? rc : 0;
}

static void warn(const struct err *err)
{
	if (err->code != ERR_NONE)
		log_warn("cannot clean media files away: why=\"%s\"",
			 err->text);
}

static void submit_sweep(struct media_keeper *k);

/* The timer comes back to what stays. */
static void sweep_done(struct sequencer_op *op)
{
	struct media_keeper *k = container_of(op, struct media_keeper, sweep);
	bool more = k->count == MEDIA_KEEPER_FEW;

	k->sweeping = false;
	if (op->err.code != ERR_NONE) {
		warn(&op->err);
		return;
	}
	k->swept += k->count;
	memcpy(k->swept_to, k->reached, sizeof(k->swept_to));
	if (more)
		submit_sweep(k);
	else
		warn(&k->why);
	if (!more && k->again && atomic_load(&k->held) == 0)
		media_keeper_sweep(k);
}

static void submit_sweep(struct media_keeper *k)
{
	if (k->stopping)
		return;
	k->sweep = (struct sequencer_op){ .run = run_sweep,
					  .done = sweep_done,
					  .alone = true };
	/* A full lane: the timer, or the next deletion, tries again. */
	k->sweeping = sequencer_submit(k->sequencer, 0, &k->sweep) == 0;
}

void media_keeper_sweep(struct media_keeper *k)
{
	k->again = k->sweeping;
	if (k->sweeping)
		return;
	k->swept = 0;
	k->why.code = ERR_NONE;
	submit_sweep(k);
}

void media_keeper_hold(struct media_keeper *k)
{
	atomic_fetch_add(&k->held, 1);
}

void media_keeper_release(struct media_keeper *k)
{
	if (atomic_fetch_sub(&k->held, 1) == 1)
		media_keeper_sweep(k);
}

/* The tidying. */

static bool is_decided(const struct media_keeper *k,
		       const uint8_t hash[STORE_HASH])
{
	for (size_t i = 0; k->decided && i < k->ndoubts; i++) {
		if (memcmp(k->doubts[i], hash, STORE_HASH) == 0)
			return true;
	}
	return false;
}

static bool doubt(void *data, const uint8_t hash[STORE_HASH])
{
	struct media_keeper *k = data;

	if (k->decided)
		return is_decided(k, hash);
	/* What is too much now is found the next time. */
	if (k->ndoubts < MEDIA_KEEPER_FEW)
		memcpy(k->doubts[k->ndoubts++], hash, STORE_HASH);
	return false;
}

static void run_tidy(struct readers_job *job, struct store *store)
{
	struct media_keeper *k = container_of(job, struct media_keeper, tidy);
	uint8_t hash[STORE_HASH];

	/* Looked for here, so that a lane with nothing to sweep is left alone.
	 */
	k->garbage = store_next_garbage(store, NULL, hash, NULL) == 1;
	media_tidy(k->media, doubt, k);
}

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, STORE_HASH);
}

static int run_decide(struct sequencer_op *op, struct store *store,
		      struct list *events, struct err *err)
{
	struct media_keeper *k = container_of(op, struct media_keeper, decide);
	struct err why = { .code = ERR_NONE };
	int rc = 0;

	(void)events;
	/* What is in doubt stays so until the next time. */
	if (atomic_load(&k->held) > 0)
		k->ndoubts = 0;
	/* By the order in which all lock them (drop_media()). */
	qsort(k->doubts, k->ndoubts, STORE_HASH, compare_hashes);
	for (size_t i = 0; i < k->ndoubts && rc >= 0;) {
		rc = release(k->media, store, k->doubts[i], &why, err);
		if (rc <= 0)
			i++;
		else
			memmove(&k->doubts[i], &k->doubts[i + 1],
				(--k->ndoubts - i) * sizeof(k->doubts[0]));
	}
	warn(&why);
	return rc < 0 ? rc : 0;
}

static void tidy_done(struct readers_job *job);

static void submit_tidy(struct media_keeper *k)
{
	k->tidy = (struct readers_job){ .run = run_tidy, .done = tidy_done };
	k->tidying = !k->stopping && readers_submit(k->movers, &k->tidy) == 0;
}

/* Once more: now the names of those may go. */
static void decide_done(struct sequencer_op *op)
{
	struct media_keeper *k = container_of(op, struct media_keeper, decide);

	k->decided = op->err.code == ERR_NONE;
	k->tidying = false;
	if (k->decided)
		submit_tidy(k);
}

static void tidy_done(struct readers_job *job)
{
	struct media_keeper *k = container_of(job, struct media_keeper, tidy);

	k->tidying = false;
	if (k->garbage)
		media_keeper_sweep(k);
	if (k->decided || k->ndoubts == 0 || k->stopping)
		return;
	k->decide = (struct sequencer_op){ .run = run_decide,
					   .done = decide_done,
					   .alone = true };
	k->tidying = sequencer_submit(k->sequencer, 0, &k->decide) == 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct media_keeper *k = timer->data;

	if (k->tidying)
		return;
	k->decided = false;
	k->ndoubts = 0;
	submit_tidy(k);
}

void media_keeper_start(struct media_keeper *k, uv_loop_t *loop,
			struct media *media, struct readers *movers,
			struct sequencer *sequencer)
{
	*k = (struct media_keeper){ .media = media,
				    .movers = movers,
				    .sequencer = sequencer };
	uv_timer_init(loop, &k->timer);
	k->timer.data = k;
	uv_timer_start(&k->timer, on_timer, 0, MEDIA_KEEPER_MS);
}

static void on_closed(uv_handle_t *handle)
{
	struct media_keeper *k = handle->data;

	k->on_close(k);
}

void media_keeper_close(struct media_keeper *k,
			void (*cb)(struct media_keeper *k))
{
	k->stopping = true;
	k->on_close = cb;
	uv_close((uv_handle_t *)&k->timer, on_closed);
}
