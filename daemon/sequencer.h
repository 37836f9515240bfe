/* SPDX-License-Identifier: MIT */
/*
 * The order of everything that is written. Each lane is a thread with the
 * store's writer handle; a group belongs to one lane. While a lane commits
 * one batch, the next gathers: 64 senders share a commit without waiting for
 * each other.
 *
 *   loop: sequencer_submit(op) --pending--> lane: begin, op->run ..., commit
 *   loop: op->done(op) for each, then on_event for each event  <--batch--
 *
 * A lane that sleeps is woken at the end of the loop's turn, so that all that
 * came in it share a commit. And who was answered just now mostly sends again
 * at once: else two halves of the senders would take turns, each with a commit
 * of its own, and so a lane waits a little for them before it goes on with
 * those who wait already (SEQUENCER_GATHER_NS). Where they do not come it does
 * not; nor for more than SEQUENCER_GATHER_OPS, which are worth a commit by
 * themselves: while it carries them out, the loop reads what the others send.
 *
 * An op that is refused does not disturb its batch. One that ends the
 * transaction (no space, I/O error) is answered so, and the others are run
 * once more without it. A commit whose outcome is unknown stops the process
 * (on_unknown): nobody is answered, the clients resend with the same keys.
 *
 * On a store that machines share there are several lanes, and it is far away:
 *  - Plain appends go together, by store_append_all(): one round trip. Any
 *    other op has a transaction of its own, so that it waits for no locks while
 *    it holds those of others.
 *    What the store undoes all the same, since two waited for each other, is
 *    run again a few times.
 *  - After an unknown outcome the batch is answered so, and the lane goes on.
 *  - While the store is away an op is answered `unavailable`, and a lane only
 *    tries to reach it: nothing piles up. Nobody waits for what a lane hangs in
 *    (daemon/late.h).
 */
#ifndef GROUPFS_DAEMON_SEQUENCER_H
#define GROUPFS_DAEMON_SEQUENCER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/event.h"
#include "daemon/mailbox.h"
#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/list.h"
#include "store/store.h"

enum {
	SEQUENCER_LANES_MAX = 16,
	SEQUENCER_LANES = 4, /* of a shared store, where nobody says */
	SEQUENCER_BATCH_OPS = 1000,
	SEQUENCER_BATCH_BYTES = 32 << 20,
	SEQUENCER_QUEUE_OPS = 65536,
	/* After a batch: at most so long, and half of what its commit took. */
	SEQUENCER_GATHER_NS = 250000,
	SEQUENCER_GATHER_OPS = 128,
	/* Batches before it is tried again, where it was in vain. */
	SEQUENCER_GATHER_AGAIN = 15,
	SEQUENCER_QUEUE_BYTES = 512 << 20,
	/* After an attempt that found the store away, whoever has waited for
	 * longer does not wait for one more. */
	SEQUENCER_PATIENCE_MS = 250,
	/* How often an op is run whose transaction a shared store undoes. */
	SEQUENCER_TRIES = 4,
	/* When to come again to a shared store that was away; whoever answers
	 * `unavailable` with a time says that this is the reason. */
	SEQUENCER_RETRY_MS = 1000
};

struct sequencer_op {
	struct list link;
	size_t bytes; /* of the request, for the bounds */
	/* Lane: carries it out inside the open transaction and adds what
	 * others must hear to events. Refuses by a negative errno and err.
	 * May be called again after a rolled back transaction. */
	int (*run)(struct sequencer_op *op, struct store *store,
		   struct list *events, struct err *err);
	/* Of a plain append, which the lane carries out itself: borrowed until
	 * done. Then run is called after it, with its refusal, if any, in err;
	 * perhaps after the commit, when a want of memory is no reason to
	 * refuse: it is called until there is some. NULL: run does it all. */
	struct store_append *append;
	/* Loop: after the commit, or refused (op->err). May free op. */
	void (*done)(struct sequencer_op *op);
	/* Shares its transaction with nobody: what it removes outside of the
	 * store cannot be rolled back with the others. No other lane of this
	 * node has one open meanwhile. */
	bool alone;
	uint64_t came_ns;  /* uv_hrtime(); 0: when it is submitted */
	uint64_t since_ns; /* the sequencer's: since when it counts */
	struct err err;	   /* ERR_NONE: committed */
	uint64_t appended; /* messages that run() stored, for the figures */
};

struct sequencer;
struct lane {
	struct sequencer *sequencer;
	struct store *store; /* owned */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list pending; /* protected by lock, as the next three */
	size_t pending_ops;
	size_t pending_bytes;
	bool stop;
	size_t awaited; /* it goes on when so many wait; protected by lock */
	/* The thread's: ops of the last batch, what waited when it was posted,
	 * and when that was; how long its commit took; batches for which it
	 * does not wait. */
	size_t answered, waiting;
	uint64_t answered_ns, commit_ns;
	unsigned hurry;
	/* Of a shared store, protected by lock: the last transaction was lost
	 * on the way to it; and then it is not reached, or even waited for. */
	bool doubt;
	bool away;
	struct event_marks marks; /* the thread's, as the next */
	bool lost; /* the last transaction did not reach a shared store */
	uint64_t tend_ns; /* when to store_tend(), if it is idle then */
	uint64_t late_ns; /* from then on after a short pause, too */
	uint64_t
		full_ns; /* when it was said that there is no space; 0: never */
	/* When it last got on with its work (uv_hrtime()); 0: it has none. */
	atomic_uint_fast64_t alive_ns;
	/* Of a shared store, owned: SEQUENCER_BATCH_OPS each. */
	struct store_append **appends;
	struct err *errs;
};

/* Counted by the lanes, read by anybody. */
struct sequencer_figures {
	struct histogram ops; /* of each commit: its count is the commits */
	struct histogram messages;
	struct histogram seconds; /* from begin to the end of the commit */
	atomic_uint_fast64_t refused;
	atomic_uint_fast64_t rollbacks;
	atomic_uint_fast64_t unknown; /* ops that were answered so */
	atomic_uint_fast64_t largest; /* ops in one commit */
};

struct sequencer_options {
	const char *url;		   /* of the store; borrowed */
	const struct store_options *store; /* borrowed while it runs */
	size_t lanes;			   /* where it is shared; else 1 */
	void (*on_event)(void *data, struct event *e); /* loop; e borrowed */
	/* Loop: the events of a batch that changed more than messages and
	 * read pointers were told. False: its senders are to be answered when
	 * this batch is given to sequencer_release(), and not now. May be NULL.
	 */
	bool (*on_told)(void *data, struct list *batch);
	void *data;
	/* Lane: the outcome of a commit is unknown, and the store is not
	 * shared. Must not return in a daemon. NULL: logs and _exit(3). */
	void (*on_unknown)(void *data, const struct err *err);
};

struct sequencer {
	struct sequencer_options options;
	struct mailbox done;
	bool shared;
	/* Held by each transaction; for writing by one that is alone. */
	pthread_rwlock_t together;
	size_t lanes; /* that run */
	struct lane lane[SEQUENCER_LANES_MAX];
	struct sequencer_figures figures;
	uv_idle_t turn;	 /* runs when there are lanes to wake */
	uv_timer_t look; /* runs while something waits */
	void (*on_close)(struct sequencer *q);
};

/* Opens the store for writing, once a lane, and starts the threads. A store
 * that is not shared has one lane. */
int sequencer_start(struct sequencer *q, uv_loop_t *loop,
		    const struct sequencer_options *options, struct err *err);
/* 0, or -EBUSY when the lane's queue is full: done will not run. Loop. */
int sequencer_submit(struct sequencer *q, uint64_t group_id,
		     struct sequencer_op *op);
/* See on_told. Also after the sequencer was closed. */
void sequencer_release(struct sequencer *q, struct list *batch);
/* Ops that wait. */
size_t sequencer_queued(struct sequencer *q);
/* For how long a lane that has work has not got on with it: no op ended, no
 * step of SQLite's inside of one. 0 on a shared store: whether another machine
 * gets on says nothing of this process. Any thread. */
uint64_t sequencer_stalled_ns(const struct sequencer *q);
/* Commits what is pending, joins the lanes (blocks), calls back what is done,
 * closes the store; then cb on the loop. */
void sequencer_close(struct sequencer *q, void (*cb)(struct sequencer *q));

#endif
