/* SPDX-License-Identifier: MIT */
#include "fs/scratch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000 };

/* Who has files. */
struct scratch_owner {
	struct table_node node; /* by uid */
	uid_t uid;
	struct list files; /* those without a name too, while they are held */
	size_t count;
	size_t bytes;
};

void scratch_init(struct scratch *s, const struct env *env)
{
	*s = (struct scratch){ .env = env };
	list_init(&s->order);
}

static struct scratch_owner *find_owner(const struct scratch *s, uid_t uid)
{
	struct table_node *n = table_find(&s->owners, table_hash_u64(uid));

	for (; n != NULL; n = table_next(n)) {
		struct scratch_owner *o =
			container_of(n, struct scratch_owner, node);

		if (o->uid == uid)
			return o;
	}
	return NULL;
}

static struct scratch_owner *get_owner(struct scratch *s, uid_t uid)
{
	struct scratch_owner *o = find_owner(s, uid);

	if (o != NULL)
		return o;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return NULL;
	o->uid = uid;
	list_init(&o->files);
	if (!table_insert(&s->owners, &o->node, table_hash_u64(uid))) {
		free(o);
		return NULL;
	}
	return o;
}

static void drop_owner(struct scratch *s, struct scratch_owner *o)
{
	if (o->count > 0)
		return;
	assert(o->bytes == 0 && list_empty(&o->files));
	table_remove(&s->owners, &o->node);
	free(o);
}

static void free_file(struct scratch *s, struct scratch_file *f)
{
	struct scratch_owner *o = f->owner;

	assert(f->refs == 0);
	assert(s->bytes >= f->content.len && o->bytes >= f->content.len);
	s->bytes -= f->content.len;
	o->bytes -= f->content.len;
	o->count--;
	table_remove(&s->files, &f->node);
	list_remove(&f->link);
	list_remove(&f->order);
	buf_release(&f->content);
	free(f);
	drop_owner(s, o);
}

void scratch_release(struct scratch *s)
{
	while (!list_empty(&s->order))
		free_file(s, container_of(s->order.next, struct scratch_file,
					  order));
	table_release(&s->files);
	table_release(&s->owners);
}

struct timespec scratch_time(const struct scratch *s)
{
	uint64_t ms = env_now_ms(s->env);

	return (struct timespec){ .tv_sec = (time_t)(ms / 1000),
				  .tv_nsec = (long)(ms % 1000) * NS_PER_MS };
}

void scratch_changed(struct scratch *s, struct scratch_file *f)
{
	f->ctime = scratch_time(s);
}

/* Editors see by the mtime that a file is another one: a second change in the
 * same millisecond has its nanosecond. */
static void written(struct scratch *s, struct scratch_file *f)
{
	struct timespec now = scratch_time(s);

	if (f->mtime.tv_sec == now.tv_sec && f->mtime.tv_nsec >= now.tv_nsec &&
	    f->mtime.tv_nsec < now.tv_nsec + NS_PER_MS - 1)
		now.tv_nsec = f->mtime.tv_nsec + 1;
	f->mtime = now;
	f->ctime = now;
}

int scratch_new(struct scratch *s, uid_t uid, uint64_t group_id, mode_t mode,
		struct scratch_file **out)
{
	struct scratch_owner *o;
	struct scratch_file *f;

	if (s->files.count >= SCRATCH_MOUNT_FILES)
		return -ENOSPC;
	o = get_owner(s, uid);
	if (o == NULL)
		return -ENOMEM;
	if (o->count >= SCRATCH_USER_FILES)
		return -EDQUOT;
	f = calloc(1, sizeof(*f));
	if (f == NULL ||
	    !table_insert(&s->files, &f->node, table_hash_u64(s->last_id + 1)))
		goto free_all;
	f->id = ++s->last_id;
	f->group_id = group_id;
	f->uid = uid;
	f->mode = mode;
	f->owner = o;
	f->refs = 1;
	f->atime = f->mtime = f->ctime = scratch_time(s);
	list_push(&o->files, &f->link);
	list_push(&s->order, &f->order);
	o->count++;
	*out = f;
	return 0;
free_all:
	free(f);
	drop_owner(s, o);
	return -ENOMEM;
}

struct scratch_file *scratch_hold(struct scratch_file *f)
{
	f->refs++;
	return f;
}

void scratch_drop(struct scratch *s, struct scratch_file *f, uint64_t now_ms)
{
	assert(f->refs > 0);
	f->refs--;
	f->used_ms = now_ms;
	list_remove(&f->order);
	list_push(&s->order, &f->order);
	if (f->refs == 0 && f->name[0] == '\0')
		free_file(s, f);
}

struct scratch_file *scratch_by_id(const struct scratch *s, uint64_t id)
{
	struct table_node *n = table_find(&s->files, table_hash_u64(id));

	for (; n != NULL; n = table_next(n)) {
		struct scratch_file *f =
			container_of(n, struct scratch_file, node);

		if (f->id == id)
			return f;
	}
	return NULL;
}

struct scratch_file *scratch_next(const struct scratch *s, uid_t uid,
				  uint64_t group_id,
				  const struct scratch_file *before)
{
	struct scratch_owner *o = find_owner(s, uid);
	struct list *l;

	if (o == NULL)
		return NULL;
	l = before == NULL ? o->files.next : before->link.next;
	for (; l != &o->files; l = l->next) {
		struct scratch_file *f =
			container_of(l, struct scratch_file, link);

		if (f->group_id == group_id && f->name[0] != '\0')
			return f;
	}
	return NULL;
}

struct scratch_file *scratch_find(const struct scratch *s, uid_t uid,
				  uint64_t group_id, struct str name)
{
	struct scratch_file *f = scratch_next(s, uid, group_id, NULL);

	while (f != NULL && !str_eq(str_of(f->name), name))
		f = scratch_next(s, uid, group_id, f);
	return f;
}

int scratch_set_name(struct scratch *s, struct scratch_file *f, struct str name)
{
	struct scratch_file *other;

	if (name.len > SCRATCH_NAME_MAX)
		return -ENAMETOOLONG;
	if (name.len == 0)
		return -EINVAL;
	other = scratch_find(s, f->uid, f->group_id, name);
	if (other == f)
		return 0;
	if (other != NULL)
		scratch_unlink(s, other);
	str_to_cstr(name, f->name, sizeof(f->name));
	scratch_changed(s, f);
	return 0;
}

void scratch_exchange(struct scratch *s, struct scratch_file *a,
		      struct scratch_file *b)
{
	char name[sizeof(a->name)];

	assert(a->owner == b->owner && a->group_id == b->group_id);
	memcpy(name, a->name, sizeof(name));
	memcpy(a->name, b->name, sizeof(name));
	memcpy(b->name, name, sizeof(name));
	scratch_changed(s, a);
	scratch_changed(s, b);
}

void scratch_unlink(struct scratch *s, struct scratch_file *f)
{
	f->name[0] = '\0';
	scratch_changed(s, f);
	if (f->refs == 0)
		free_file(s, f);
}

/* Its content is to be len bytes long: makes the room. */
static int make_room(struct scratch *s, struct scratch_file *f, size_t len)
{
	size_t more = len > f->content.len ? len - f->content.len : 0;

	if (more > SCRATCH_USER_MAX - f->owner->bytes)
		return -EDQUOT;
	if (more > SCRATCH_MOUNT_MAX - s->bytes)
		return -ENOSPC;
	if (!buf_reserve(&f->content, more)) {
		f->content.failed = false;
		return -ENOMEM;
	}
	return 0;
}

/* There is room. */
static void set_len(struct scratch *s, struct scratch_file *f, size_t len)
{
	struct buf *b = &f->content;

	s->bytes = s->bytes - b->len + len;
	f->owner->bytes = f->owner->bytes - b->len + len;
	if (len > b->len) {
		memset(b->data + b->len, 0, len + 1 - b->len);
		b->len = len;
	} else {
		buf_truncate(b, len);
	}
}

/* What was cut off is given back: only so do the bounds bound the memory. */
static void shrink(struct buf *b)
{
	struct buf small = { 0 };

	if (b->cap / 2 <= b->len)
		return;
	buf_append_str(&small, buf_str(b));
	if (small.failed)
		return;
	buf_release(b);
	*b = small;
}

int scratch_write(struct scratch *s, struct scratch_file *f, uint64_t off,
		  struct str data)
{
	size_t end;
	int rc;

	if (off > SCRATCH_FILE_MAX || data.len > SCRATCH_FILE_MAX - off)
		return -EFBIG;
	if (data.len == 0)
		return 0;
	end = (size_t)off + data.len;
	rc = make_room(s, f, end);
	if (rc != 0)
		return rc;
	if (end > f->content.len)
		set_len(s, f, end);
	memcpy(f->content.data + off, data.data, data.len);
	written(s, f);
	return 0;
}

int scratch_resize(struct scratch *s, struct scratch_file *f, uint64_t size)
{
	int rc;

	if (size > SCRATCH_FILE_MAX)
		return -EFBIG;
	rc = make_room(s, f, (size_t)size);
	if (rc != 0)
		return rc;
	if (size != f->content.len)
		set_len(s, f, (size_t)size);
	shrink(&f->content);
	written(s, f);
	return 0;
}

void scratch_forget(struct scratch *s, uid_t uid, uint64_t group_id)
{
	struct scratch_file *f;

	while ((f = scratch_next(s, uid, group_id, NULL)) != NULL)
		scratch_unlink(s, f);
}

/* One that was unlinked stays while it is open. */
void scratch_forget_all(struct scratch *s)
{
	struct list *next;

	for (struct list *l = s->order.next; l != &s->order; l = next) {
		struct scratch_file *f =
			container_of(l, struct scratch_file, order);

		next = l->next;
		if (f->name[0] != '\0')
			scratch_unlink(s, f);
	}
}

void scratch_tidy(struct scratch *s, uint64_t now_ms)
{
	struct list *l = s->order.next;

	while (l != &s->order) {
		struct scratch_file *f =
			container_of(l, struct scratch_file, order);

		if (now_ms - f->used_ms < SCRATCH_IDLE_MS)
			return;
		l = l->next;
		if (f->refs == 0)
			scratch_unlink(s, f);
	}
}
