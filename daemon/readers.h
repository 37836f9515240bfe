/* SPDX-License-Identifier: MIT */
/*
 * A small pool of threads with read-only store handles, and whatever else
 * may block (passwd lookups). Jobs are taken in order, by whichever thread is
 * free, and come back on the loop.
 *
 *   readers_submit(job) --queue--> thread: job->run(job, store)
 *                                  loop:   job->done(job)
 *
 * The queue is bounded: above queue_max a job is refused.
 */
#ifndef GROUPFS_DAEMON_READERS_H
#define GROUPFS_DAEMON_READERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "daemon/mailbox.h"
#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/list.h"
#include "store/store.h"

struct readers_job {
	struct list link;
	/* On a reader thread. */
	void (*run)(struct readers_job *job, struct store *store);
	/* On the loop, once; may free the job. */
	void (*done)(struct readers_job *job);
	/* Loop, on a shared store: it was not run, for it has waited for too
	 * long (daemon/late.h); done comes next. It has a deadline when it
	 * runs, too. NULL: it waits as long as it takes, and has none. */
	void (*late)(struct readers_job *job);
	uint64_t since_ns; /* the readers': when it was submitted */
};

enum { READERS_MAX = 8 };

struct readers;
struct reader {
	pthread_t thread;
	struct store *store; /* owned */
	struct readers *readers;
};

struct readers {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list queue; /* protected by lock, as the next four */
	size_t queued;
	size_t busy;
	bool stop;
	bool shared; /* the store */
	size_t queue_max;
	size_t count;		  /* threads that run */
	struct histogram seconds; /* how long each job ran; any thread */
	struct reader reader[READERS_MAX];
	struct mailbox done;
	uv_timer_t look; /* runs while something waits */
	void (*on_close)(struct readers *r);
	void *data; /* the caller's */
};

/* Opens count handles on url and starts their threads. */
int readers_start(struct readers *r, uv_loop_t *loop, size_t count,
		  size_t queue_max, const char *url,
		  const struct store_options *options, struct err *err);
/* 0, or -EBUSY when the queue is full or closing: done will not run. Loop. */
int readers_submit(struct readers *r, struct readers_job *job);
/* Jobs queued or running. */
size_t readers_load(struct readers *r);
/* Finishes what is queued, joins the threads (blocks), then cb on the loop. */
void readers_close(struct readers *r, void (*cb)(struct readers *r));

#endif
