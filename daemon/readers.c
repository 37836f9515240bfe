/* SPDX-License-Identifier: MIT */
#include "daemon/readers.h"

#include <assert.h>
#include <errno.h>

static struct readers_job *take(struct readers *r)
{
	struct list *el;

	pthread_mutex_lock(&r->lock);
	while (list_empty(&r->queue) && !r->stop)
		pthread_cond_wait(&r->wake, &r->lock);
	el = list_pop(&r->queue);
	if (el != NULL) {
		r->queued--;
		r->busy++;
	}
	pthread_mutex_unlock(&r->lock);
	return el == NULL ? NULL : container_of(el, struct readers_job, link);
}

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	struct readers *r = reader->readers;
	struct readers_job *job;
	uint64_t began;

	while ((job = take(r)) != NULL) {
		began = uv_hrtime();
		job->run(job, reader->store);
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
	return 0;
stop:
	stop_threads(r);
	mailbox_close(&r->done, on_failed_start);
	return rc;
}

int readers_submit(struct readers *r, struct readers_job *job)
{
	int rc = -EBUSY;

	pthread_mutex_lock(&r->lock);
	if (r->queued < r->queue_max && !r->stop) {
		list_push(&r->queue, &job->link);
		r->queued++;
		pthread_cond_signal(&r->wake);
		rc = 0;
	}
	pthread_mutex_unlock(&r->lock);
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

static void on_mailbox_closed(struct mailbox *m)
{
	struct readers *r = container_of(m, struct readers, done);

	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	r->on_close(r);
}

void readers_close(struct readers *r, void (*cb)(struct readers *r))
{
	stop_threads(r);
	r->on_close = cb;
	mailbox_close(&r->done, on_mailbox_closed);
}
