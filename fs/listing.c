/* SPDX-License-Identifier: MIT */
#include "fs/listing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fs/op.h"

/* Number, time, kind, length of the name; then the name and a NUL. */
enum { AT_TIME = 8, AT_KIND = 16, AT_LEN = 17, AT_NAME = 18 };

void listing_add(struct buf *list, const struct listing_entry *e)
{
	assert(e->name.len <= UINT8_MAX);
	buf_append(list, &e->ino, sizeof(e->ino));
	buf_append(list, &e->mtime_ms, sizeof(e->mtime_ms));
	buf_append_char(list, (char)e->kind);
	buf_append_char(list, (char)(uint8_t)e->name.len);
	buf_append_str(list, e->name);
	buf_append_char(list, '\0');
}

bool listing_next(const struct buf *list, size_t *at, struct listing_entry *e)
{
	const char *data = list->data + *at;

	if (*at == list->len)
		return false;
	memcpy(&e->ino, data, sizeof(e->ino));
	memcpy(&e->mtime_ms, data + AT_TIME, sizeof(e->mtime_ms));
	e->kind = (enum kind)data[AT_KIND];
	e->name = str_make(data + AT_NAME, (uint8_t)data[AT_LEN]);
	*at += AT_NAME + e->name.len + 1;
	return true;
}

struct listing *listing_new(const struct op *op, const struct buf *list)
{
	struct listing *l = op->tid > 0 ? calloc(1, sizeof(*l)) : NULL;

	if (l == NULL)
		return NULL;
	l->list = list;
	l->owner = op->user;
	l->tid = op->tid;
	l->read_ms = uv_now(op->fs->loop);
	list_push(&op->fs->listings, &l->link);
	return l;
}

void listing_free(struct listing *l)
{
	if (l == NULL)
		return;
	list_remove(&l->link);
	free(l);
}

static bool is_it(const struct op *op, const struct listing_entry *e)
{
	if (e->kind != KIND_GROUP)
		return false;
	if (op->group_id != 0)
		return e->ino == inode_of(op->group_id, KIND_GROUP);
	return str_eq(e->name, str_of(op->name));
}

/* Asked for are the entries in their order, as a rule, each by its name and
 * then by its number. */
static bool search(struct listing *l, const struct op *op)
{
	size_t end = l->list->len;
	size_t began = l->at;

	if (l->at > 0 && is_it(op, &l->found))
		return true;
	for (int round = 0; round < 2; round++) {
		while (l->at < end &&
		       listing_next(l->list, &l->at, &l->found)) {
			if (is_it(op, &l->found))
				return true;
		}
		end = began;
		l->at = 0;
	}
	return false;
}

bool listing_find(const struct op *op, struct listing_entry *out)
{
	struct groupfs *fs = op->fs;
	uint64_t now = uv_now(fs->loop);

	for (struct list *el = fs->listings.next; el != &fs->listings;
	     el = el->next) {
		struct listing *l = container_of(el, struct listing, link);

		if (l->owner == op->user && l->tid == op->tid &&
		    now - l->read_ms <= LISTING_MS &&
		    client_is_settled(&fs->client) && search(l, op)) {
			*out = l->found;
			return true;
		}
	}
	return false;
}

void listing_end_all(struct groupfs *fs)
{
	while (list_pop(&fs->listings) != NULL)
		continue;
}
