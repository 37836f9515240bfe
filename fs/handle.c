/* SPDX-License-Identifier: MIT */
#include "fs/handle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fs/ahead.h"
#include "fs/file.h"
#include "fs/listing.h"
#include "fs/upload.h"

struct handle *handle_new(struct op *op, int flags)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->fs = op->fs;
	h->refs = 1;
	h->kind = op->kind;
	h->group_id = op->group_id;
	h->flags = flags;
	h->owner = user_hold(op->user);
	if (op->scratch != NULL)
		h->scratch = scratch_hold(op->scratch);
	if (op->floor != NULL)
		h->floor = floor_hold(&op->fs->floors, op->floor);
	if ((flags & O_ACCMODE) != O_RDONLY)
		h->opener = outside_tgid_of(&op->fs->outside, op->tid);
	str_to_cstr(str_of(op->name), h->group, sizeof(h->group));
	list_init(&h->queue);
	list_push(&op->fs->handles, &h->link);
	return h;
}

void handle_set_upload(struct handle *h, struct upload *u)
{
	h->upload = upload_hold(u);
	u->open = true;
}

struct handle *handle_hold(struct handle *h)
{
	h->refs++;
	return h;
}

void handle_drop(struct handle *h)
{
	assert(h->refs > 0);
	if (--h->refs > 0)
		return;
	assert(h->current == NULL && list_empty(&h->queue));
	if (h->live != NULL)
		file_live_free(h->live);
	if (h->upload != NULL)
		upload_closed(h->upload);
	upload_drop(h->upload);
	floor_drop(&h->fs->floors, h->floor);
	if (h->scratch != NULL)
		scratch_drop(&h->fs->scratch, h->scratch, uv_now(h->fs->loop));
	ahead_free(h->ahead);
	listing_free(h->listing);
	user_drop(&h->fs->users, h->owner);
	user_drop(&h->fs->users, h->writer);
	buf_release(&h->pending);
	buf_release(&h->text);
	list_remove(&h->link);
	free(h);
}

void handle_run(struct op *op, op_step_cb step)
{
	struct handle *h = op->handle;

	op->run = step;
	if (h->current != NULL) {
		op_block(op, &h->queue);
		return;
	}
	h->current = op;
	step(op);
}

void handle_done(struct handle *h, struct op *op)
{
	struct list *l;

	if (h->current != op)
		return;
	h->current = NULL;
	l = list_pop(&h->queue);
	if (l == NULL)
		return;
	op = container_of(l, struct op, queue);
	op->blocked = false;
	h->current = op;
	op->run(op);
}

bool handle_may_write(const struct handle *h, const struct op *op)
{
	return h->writer == NULL || h->writer == op->user;
}

void handle_set_dirty(struct handle *h, struct user *user)
{
	assert(h->writer == NULL || h->writer == user);
	if (h->writer == NULL)
		h->writer = user_hold(user);
	h->dirty = true;
	h->cut = false;
}

void handle_set_clean(struct handle *h)
{
	user_drop(&h->fs->users, h->writer);
	h->writer = NULL;
	h->cut = false;
	h->dirty = false;
	h->spoilt = 0;
}

void handle_spoil(struct handle *h, int error)
{
	assert(error > 0);
	h->spoilt = error;
}

int handle_refusal(const struct handle *h)
{
	return h->spoilt == EINTR ? 0 : h->spoilt;
}

bool handle_is_opener(const struct handle *h, pid_t pid)
{
	if (h->opener == 0)
		return false;
	return pid == h->opener ||
	       outside_tgid_of(&h->fs->outside, pid) == h->opener;
}
