/* SPDX-License-Identifier: MIT */
#include "daemon/staging.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { OPEN_FOLDERS = 16 /* at a time, by nftw(3) */ };

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void staging_remove(const char *path)
{
	(void)nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

static void on_alone(uv_timer_t *timer)
{
	struct staging *s = timer->data;

	staging_leave(s);
}

int staging_start(struct staging *s, uv_loop_t *loop, const char *data,
		  const char *what, struct readers *worker, struct err *err)
{
	*s = (struct staging){ .what = what, .worker = worker };
	uv_timer_init(loop, &s->alone);
	s->alone.data = s;
	buf_printf(&s->path, "%s/%s", data, what);
	if (s->path.failed)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	staging_remove(buf_cstr(&s->path));
	return 0;
}

int staging_claim(struct staging *s, const struct peer *owner, uint64_t id,
		  struct err *err)
{
	if (s->state == STAGING_TAKEN && s->owner == owner && s->id == id)
		return 0;
	if (s->state != STAGING_FREE)
		return err_set(err, ERR_UNAVAILABLE,
			       "Another %s is under way: try again later",
			       s->what);
	if (mkdir(buf_cstr(&s->path), 0700) < 0 && errno != EEXIST)
		return err_set(err, err_of_file(errno), "Cannot make %s: %s",
			       buf_cstr(&s->path), strerror(errno));
	s->state = STAGING_TAKEN;
	s->owner = owner;
	s->id = id;
	atomic_store(&s->cancelled, false);
	return 0;
}

int staging_check(const struct staging *s, const struct peer *owner,
		  uint64_t id, struct err *err)
{
	if (s->state == STAGING_TAKEN && s->owner == owner && s->id == id)
		return 0;
	return err_set(err, ERR_BAD_REQUEST,
		       "This %s was broken off: the connection to groupd was "
		       "lost, or nothing was asked for too long",
		       s->what);
}

int staging_check_room(const struct staging *s, uint64_t bytes, struct err *err)
{
	struct statvfs fs;
	uint64_t room;

	/* Where that cannot be told, writing tells. */
	if (statvfs(buf_cstr(&s->path), &fs) < 0)
		return 0;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes <= room)
		return 0;
	return err_set(err, ERR_OUT_OF_SPACE,
		       "There is no space in %s: it takes %" PRIu64
		       " bytes, %" PRIu64 " are free",
		       buf_cstr(&s->path), bytes, room);
}

/* Each sets its own flag before it looks at the other's, so that not both miss
 * it. */
bool staging_long(struct staging *s)
{
	atomic_store(&s->at_length, true);
	if (!atomic_load(&s->cancelled))
		return true;
	staging_short(s);
	return false;
}

void staging_short(struct staging *s)
{
	atomic_store(&s->at_length, false);
}

bool staging_cancel(struct staging *s)
{
	atomic_store(&s->cancelled, true);
	return atomic_load(&s->at_length);
}

void staging_busy(struct staging *s)
{
	uv_timer_stop(&s->alone);
}

void staging_idle(struct staging *s, const struct peer *owner)
{
	if (s->state == STAGING_TAKEN && s->owner == owner)
		uv_timer_start(&s->alone, on_alone, STAGING_ALONE_MS, 0);
}

static void run_leave(struct readers_job *job, struct store *store)
{
	struct staging *s = container_of(job, struct staging, leave);

	(void)store;
	if (s->on_leave != NULL)
		s->on_leave(s);
	staging_remove(buf_cstr(&s->path));
}

static void leave_done(struct readers_job *job)
{
	struct staging *s = container_of(job, struct staging, leave);

	s->state = STAGING_FREE;
	if (s->on_free != NULL)
		s->on_free(s);
}

void staging_leave(struct staging *s)
{
	if (s->state != STAGING_TAKEN)
		return;
	uv_timer_stop(&s->alone);
	atomic_store(&s->cancelled, true);
	s->state = STAGING_LEAVING;
	s->owner = NULL;
	s->leave = (struct readers_job){ .run = run_leave, .done = leave_done };
	/* Refused only by a worker that is closing: the next start removes. */
	(void)readers_submit(s->worker, &s->leave);
}

void staging_lost(struct staging *s, const struct peer *owner)
{
	if (s->owner == owner)
		staging_leave(s);
}

static void on_closed(uv_handle_t *handle)
{
	struct staging *s = handle->data;

	buf_release(&s->path);
	s->on_close(s);
}

void staging_close(struct staging *s, void (*cb)(struct staging *s))
{
	s->on_close = cb;
	if (s->state != STAGING_FREE)
		staging_remove(buf_cstr(&s->path));
	uv_close((uv_handle_t *)&s->alone, on_closed);
}
