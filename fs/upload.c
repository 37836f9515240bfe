/* SPDX-License-Identifier: MIT */
#include "fs/upload.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/env.h"
#include "lib/text.h"

bool upload_is_name(struct str name)
{
	if (name.len > WIRE_FILE_MAX)
		return false;
	while (name.len > 0 && name.data[0] == '.') {
		name.data++;
		name.len--;
	}
	return text_is_file_name(name);
}

bool upload_is_scratch(const struct upload *u)
{
	return u->name[0] == '.';
}

struct upload *upload_new(struct op *op, struct str name)
{
	struct groupfs *fs = op->fs;
	struct upload *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	op_make_key(op);
	if (op->key[0] == '\0' ||
	    !str_to_cstr(name, u->name, sizeof(u->name))) {
		free(u);
		return NULL;
	}
	str_to_cstr(str_of(op->key), u->key, sizeof(u->key));
	u->fs = fs;
	u->refs = 2;
	u->user = user_hold(op->user);
	u->id = ++fs->last_upload;
	u->group_id = op->group_id;
	u->drop.data = u;
	list_push(&fs->uploads, &u->link);
	upload_touch(u);
	return u;
}

struct upload *upload_hold(struct upload *u)
{
	u->refs++;
	return u;
}

static void destroy(struct upload *u)
{
	list_remove(&u->link);
	user_drop(&u->fs->users, u->user);
	free(u);
}

void upload_drop(struct upload *u)
{
	if (u == NULL)
		return;
	assert(u->refs > 0);
	if (--u->refs == 0)
		destroy(u);
}

static struct upload *of(struct list *l)
{
	return container_of(l, struct upload, link);
}

struct upload *upload_find(struct groupfs *fs, const struct user *user,
			   uint64_t group_id, struct str name)
{
	for (struct list *l = fs->uploads.next; l != &fs->uploads;
	     l = l->next) {
		struct upload *u = of(l);

		if (u->state == UPLOAD_BEGUN && u->user == user &&
		    u->group_id == group_id && str_eq(name, str_of(u->name)))
			return u;
	}
	return NULL;
}

struct upload *upload_of_id(struct groupfs *fs, const struct user *user,
			    uint64_t id)
{
	for (struct list *l = fs->uploads.next; l != &fs->uploads;
	     l = l->next) {
		struct upload *u = of(l);

		if (u->state == UPLOAD_BEGUN && u->user == user && u->id == id)
			return u;
	}
	return NULL;
}

void upload_each(struct groupfs *fs, const struct user *user, uint64_t group_id,
		 void (*fn)(void *data, const struct upload *u), void *data)
{
	for (struct list *l = fs->uploads.next; l != &fs->uploads;
	     l = l->next) {
		const struct upload *u = of(l);

		if (u->state == UPLOAD_BEGUN && u->user == user &&
		    u->group_id == group_id)
			fn(data, u);
	}
}

void upload_touch(struct upload *u)
{
	u->used_ms = uv_now(u->fs->loop);
	u->mtime_ms = env_now_ms(env_system());
}

void upload_sent(struct upload *u)
{
	if (u->state != UPLOAD_BEGUN)
		return;
	u->state = UPLOAD_SENT;
	upload_drop(u);
}

static void dropped(struct client_request *req, const struct err *err,
		    const void *body)
{
	(void)err;
	(void)body;
	upload_drop(req->data);
}

void upload_discard(struct upload *u)
{
	const struct wire_body_drop_media body = { .group_id = u->group_id,
						   .key = str_of(u->key) };

	if (u->state != UPLOAD_BEGUN)
		return;
	u->state = UPLOAD_DISCARDED;
	/* Its own reference is the request's now. When groupd is away this
	 * waits; if it cannot even wait, groupd finds it left alone. */
	if (client_submit(&u->fs->client, &u->drop, &u->user->principal,
			  WIRE_DROP_MEDIA, &body, 0, dropped) != 0)
		upload_drop(u);
}

void upload_closed(struct upload *u)
{
	u->open = false;
	upload_touch(u);
	if (!upload_is_scratch(u))
		upload_discard(u);
}

void uploads_forget(struct groupfs *fs, const struct user *user,
		    uint64_t group_id)
{
	struct list *next;

	for (struct list *l = fs->uploads.next; l != &fs->uploads; l = next) {
		struct upload *u = of(l);

		next = l->next;
		if (u->state == UPLOAD_BEGUN && !u->open && !u->sending &&
		    u->user == user && u->group_id == group_id)
			upload_discard(u);
	}
}

void uploads_tidy(struct groupfs *fs)
{
	uint64_t now = uv_now(fs->loop);
	struct list *next;

	for (struct list *l = fs->uploads.next; l != &fs->uploads; l = next) {
		struct upload *u = of(l);

		next = l->next;
		if (u->state == UPLOAD_BEGUN && !u->open && !u->sending &&
		    now - u->used_ms >= UPLOAD_IDLE_MS)
			upload_discard(u);
	}
}

void uploads_release(struct groupfs *fs)
{
	while (!list_empty(&fs->uploads)) {
		struct upload *u = of(fs->uploads.next);

		if (u->state == UPLOAD_DISCARDED)
			client_cancel(&u->drop);
		destroy(u);
	}
}
