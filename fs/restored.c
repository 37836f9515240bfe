/* SPDX-License-Identifier: MIT */
#include "fs/restored.h"

#include "fs/handle.h"
#include "fs/listing.h"
#include "fs/upload.h"
#include "lib/list.h"
#include "lib/log.h"

/* .me/live is of groups, too. */
static void mark_handles(struct groupfs *fs)
{
	for (struct list *l = fs->handles.next; l != &fs->handles;
	     l = l->next) {
		struct handle *h = container_of(l, struct handle, link);

		h->stale =
			h->stale || h->group_id != 0 || h->kind == KIND_ME_LIVE;
	}
}

static bool is_stale(const struct op *op)
{
	return op->blocked &&
	       (op->id != 0 || (op->handle != NULL && op->handle->stale));
}

/* What waits for its turn, or for a message. Before the client gives back
 * what it was asked: that would be the turn of the next. */
static void fail_blocked(struct groupfs *fs)
{
	struct list *l = fs->ops.next;
	struct err err;

	err_set(&err, ERR_EPOCH_CHANGED, NULL);
	while (l != &fs->ops) {
		struct op *op = container_of(l, struct op, link);

		if (!is_stale(op)) {
			l = l->next;
			continue;
		}
		op->blocked = false;
		op_fail(op, &err);
		l = fs->ops.next;
	}
}

/* They are of groups that are not there: nobody finds them any more. */
static void end_uploads(struct groupfs *fs)
{
	struct list *next;

	for (struct list *l = fs->uploads.next; l != &fs->uploads; l = next) {
		struct upload *u = container_of(l, struct upload, link);

		next = l->next;
		u->group_id = 0;
		if (u->state == UPLOAD_BEGUN && !u->open && !u->sending)
			upload_discard(u);
	}
}

void fs_restored(struct groupfs *fs)
{
	log_info("groupd restored a backup: what is open is stale");
	fs->generation++;
	mark_handles(fs);
	fail_blocked(fs);
	feed_on_restored(&fs->feed);
	known_forget(&fs->known);
	listing_end_all(fs);
	scratch_forget_all(&fs->scratch);
	end_uploads(fs);
}
