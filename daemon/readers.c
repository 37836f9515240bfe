/* SPDX-License-Identifier: MIT */
#include "daemon/readers.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "daemon/late.h"

static struct readers_job *job_of(struct list *el)
{
	return container_of(el, struct readers_job, link);
}

/* Whether the first that waits can be taken: who may not wait for long does so
 * in the queue, as long as the store is not reached. lock is held, but not
 * while it tries. */
static bool can_take(struct reader *reader)
{
	struct readers *r = reader->readers;
	struct timespec then;
	struct err err;
	int rc;

	if (r->stop || !r->shared || job_of(r->queue.next)->late == NULL)
		return true;
	pthread_mutex_unlock(&r->lock);
	rc = store_reach(reader->store, &err);
	pthread_mutex_lock(&r->lock);
	if (rc == 0)
		return true;
	then = late_time(uv_hrtime(), LATE_LOOK_MS);
	if (!r->stop)
		(void)pthread_cond_clockwait(&r->wake, &r->lock,
					     CLOCK_MONOTONIC, &then);
	return false;
}

static struct readers_job *take(struct reader *reader)
{
	struct readers *r = reader->readers;
	struct list *el = NULL;

	pthread_mutex_lock(&r->lock);
	do {
		while (list_empty(&r->queue) && !r->stop)
			pthread_cond_wait(&r->wake, &r->lock);
		if (list_empty(&r->queue))
			break;
		if (can_take(reader))
			el = list_pop(&r->queue);
	} while (el == NULL);
	if (el != NULL) {
		r->queued--;
		r->busy++;
	}
	pthread_mutex_unlock(&r->lock);
	return el == NULL ? NULL : job_of(el);
}

static void run(struct reader *reader, struct readers_job *job)
{
	uint64_t deadline =
		job->late == NULL ? 0 : late_deadline_ms(job->since_ns);

	store_set_deadline(reader->store, deadline);
	job->run(job, reader->store);
	store_set_deadline(reader->store, 0);
}

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	struct readers *r = reader->readers;
	struct readers_job *job;
	uint64_t began;

	while ((job = take(reader)) != NULL) {
		began = uv_hrtime();
		run(reader, job);
		histogram_add(&r->seconds, uv_hrtime() - began, 1);
		pthread_mutex_lock(&r->lock);
		r->busy--;
		pthread_mutex_unlock(&r->lock);
		mailbox_post(&r->done, &job->link);
	}
	return NULL;
}

static void on_item(void *data, struct list *el)
{
	struct readers_job *job = container_of(el, struct readers_job, link);

	(void)data;
	job->done(job);
}

static void stop_threads(struct readers *r)
{
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < r->count; i++) {
		pthread_join(r->reader[i].thread, NULL);
		store_close(r->reader[i].store);
	}
}

static int start_thread(struct readers *r, const char *url,
			const struct store_options *options, struct err *err)
{
	struct reader *reader = &r->reader[r->count];
	int rc;

	reader->readers = r;
	rc = store_open(&reader->store, url, options, err);
	if (rc < 0)
		return rc;
	rc = pthread_create(&reader->thread, NULL, reader_main, reader);
	if (rc != 0) {
		store_close(reader->store);
		return err_set(err, ERR_UNAVAILABLE, "Cannot start a thread");
	}
	r->count++;
	return 0;
}

static void on_failed_start(struct mailbox *m)
{
	(void)m;
}

int readers_start(struct readers *r, uv_loop_t *loop, size_t count,
		  size_t queue_max, const char *url,
		  const struct store_options *options, struct err *err)
{
	struct store_options reading = *options;
	int rc;

	assert(count > 0 && count <= READERS_MAX);
	r->count = 0;
	r->queued = 0;
	r->busy = 0;
	r->stop = false;
	r->queue_max = queue_max;
	r->seconds = (struct histogram){ .kind = HISTOGRAM_DURATION };
	list_init(&r->queue);
	rc = mailbox_start(&r->done, loop, on_item, r);
	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE, "%s", uv_strerror(rc));
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	reading.read_only = true;
	while (r->count < count) {
		rc = start_thread(r, url, &reading, err);
		if (rc < 0)
			goto stop;
	}
	r->shared = store_is_shared(r->reader[0].store);
	uv_timer_init(loop, &r->look);
	r->look.data = r;
	return 0;
stop:
	stop_threads(r);
	mailbox_close(&r->done, on_failed_start);
	return rc;
}

/* Answers who waits for too long. */
static void look(uv_timer_t *timer)
{
	struct readers *r = timer->data;
	struct list late;
	struct list *next;
	struct list *el;
	uint64_t now = uv_hrtime();

	list_init(&late);
	pthread_mutex_lock(&r->lock);
	for (el = r->queue.next; el != &r->queue; el = next) {
		const struct readers_job *job = job_of(el);

		next = el->next;
		if (job->late == NULL || !is_late(job->since_ns, now))
			continue;
		list_remove(el);
		list_push(&late, el);
		r->queued--;
	}
	if (r->queued == 0)
		uv_timer_stop(timer);
	pthread_mutex_unlock(&r->lock);
	while ((el = list_pop(&late)) != NULL) {
		struct readers_job *job = job_of(el);

		job->late(job);
		job->done(job);
	}
}

int readers_submit(struct readers *r, struct readers_job *job)
{
	int rc = -EBUSY;

	pthread_mutex_lock(&r->lock);
	if (r->queued < r->queue_max && !r->stop) {
		job->since_ns = uv_hrtime();
		list_push(&r->queue, &job->link);
		r->queued++;
		rc = 0;
	}
	pthread_mutex_unlock(&r->lock);
	/* Behind the lock, or who wakes waits for it at once. */
	if (rc == 0)
		pthread_cond_signal(&r->wake);
	if (r->shared && rc == 0 && !uv_is_active((uv_handle_t *)&r->look))
		uv_timer_start(&r->look, look, LATE_LOOK_MS, LATE_LOOK_MS);
	return rc;
}

size_t readers_load(struct readers *r)
{
	size_t load;

	pthread_mutex_lock(&r->lock);
	load = r->queued + r->busy;
	pthread_mutex_unlock(&r->lock);
	return load;
}

static void on_look_closed(uv_handle_t *handle)
{
	struct readers *r = handle->data;

	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	r->on_close(r);
}

static void on_mailbox_closed(struct mailbox *m)
{
	struct readers *r = container_of(m, struct readers, done);

	uv_close((uv_handle_t *)&r->look, on_look_closed);
}

void readers_close(struct readers *r, void (*cb)(struct readers *r))
{
	stop_threads(r);
	r->on_close = cb;
	mailbox_close(&r->done, on_mailbox_closed);
}
