/* SPDX-License-Identifier: MIT */
#include "daemon/whole.h"

#include "lib/list.h"

/* More than the requests of all sessions that may have a part in it: what
 * cleans up after them must find room. */
enum { QUEUE = 4096 };

static void on_failed(struct readers *r)
{
	(void)r;
}

static void on_staging_failed(struct staging *s)
{
	(void)s;
}

static void on_placed(struct restore *r)
{
	struct whole *w = container_of(r, struct whole, restore);

	w->on_restart(w);
}

int whole_start(struct whole *w, uv_loop_t *loop, const struct config *config,
		const struct store_options *options, struct media *media,
		struct media_keeper *keeper, struct err *err)
{
	int rc = readers_start(&w->worker, loop, 1, QUEUE, config->store,
			       options, err);

	if (rc < 0)
		return rc;
	w->keeper = keeper;
	rc = staging_start(&w->backup.staging, loop, config->data, "backup",
			   &w->worker, err);
	if (rc < 0)
		goto close_backup;
	rc = staging_start(&w->restore.staging, loop, config->data, "restore",
			   &w->worker, err);
	if (rc < 0)
		goto close_restore;
	backup_init(&w->backup, media, options);
	restore_init(&w->restore, config, options);
	w->restore.on_placed = on_placed;
	w->started = true;
	return 0;
close_restore:
	staging_close(&w->restore.staging, on_staging_failed);
close_backup:
	staging_close(&w->backup.staging, on_staging_failed);
	readers_close(&w->worker, on_failed);
	return rc;
}

void whole_lost(struct whole *w, const struct peer *peer)
{
	if (!w->started)
		return;
	staging_lost(&w->backup.staging, peer);
	staging_lost(&w->restore.staging, peer);
}

bool whole_abandon(struct whole *w)
{
	bool backup = staging_cancel(&w->backup.staging);
	bool restore = staging_cancel(&w->restore.staging);

	if (!backup && !restore)
		return false;
	mailbox_unref(&w->worker.done);
	return true;
}

static void on_restore_closed(struct staging *s)
{
	struct whole *w = container_of(s, struct whole, restore.staging);

	w->on_close(w);
}

static void on_backup_closed(struct staging *s)
{
	struct whole *w = container_of(s, struct whole, backup.staging);

	staging_close(&w->restore.staging, on_restore_closed);
}

static void on_worker_closed(struct readers *r)
{
	struct whole *w = container_of(r, struct whole, worker);

	staging_close(&w->backup.staging, on_backup_closed);
}

void whole_close(struct whole *w, void (*cb)(struct whole *w))
{
	w->on_close = cb;
	w->started = false;
	readers_close(&w->worker, on_worker_closed);
}
