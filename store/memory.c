/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * The stores of this process by name. The one mutable global of store/: a
 * "memory:NAME" has no other place where two handles could meet.
 */
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct list registry = LIST_INIT(registry);

void mem_lock(struct store *base)
{
	pthread_mutex_lock(&mem_of(base)->db->mutex);
}

void mem_unlock(struct store *base)
{
	pthread_mutex_unlock(&mem_of(base)->db->mutex);
}

int mem_no_memory(struct store *base, struct err *err)
{
	base->broken = base->in_transaction;
	return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
}

void *mem_insert(struct mem_array *a, size_t i, size_t size)
{
	char *data;

	assert(i <= a->count);
	if (a->count == a->capacity) {
		size_t capacity = a->capacity == 0 ? 8 : a->capacity * 2;
		void *grown = realloc(a->data, capacity * size);

		if (grown == NULL)
			return NULL;
		a->data = grown;
		a->capacity = capacity;
	}
	data = (char *)a->data + i * size;
	memmove(data + size, data, (a->count - i) * size);
	memset(data, 0, size);
	a->count++;
	return data;
}

void mem_remove(struct mem_array *a, size_t i, size_t size)
{
	char *data = (char *)a->data + i * size;

	assert(i < a->count);
	memmove(data, data + size, (a->count - i - 1) * size);
	a->count--;
}

bool mem_copy(struct mem_array *out, const struct mem_array *in, size_t size)
{
	*out = (struct mem_array){ 0 };
	if (in->count == 0)
		return true;
	out->data = malloc(in->count * size);
	if (out->data == NULL)
		return false;
	memcpy(out->data, in->data, in->count * size);
	out->count = in->count;
	out->capacity = in->count;
	return true;
}

bool mem_set_text(struct mem_array *a, struct str s)
{
	/* The copy's type is the array's; its bytes are not written. */
	struct mem_array from = { .data = (void *)(uintptr_t)s.data,
				  .count = s.len };
	struct mem_array copy;

	if (!mem_copy(&copy, &from, 1))
		return false;
	free(a->data);
	*a = copy;
	return true;
}

bool mem_copy_content(struct mem_content *out, const struct mem_content *in)
{
	*out = (struct mem_content){ .messages = in->messages,
				     .max_members = in->max_members,
				     .info_ms = in->info_ms,
				     .members_ms = in->members_ms,
				     .member_version = in->member_version,
				     .first_seq = in->first_seq,
				     .first_off = in->first_off,
				     .first_jsonl_off = in->first_jsonl_off,
				     .deleted = in->deleted,
				     .importing = in->importing };
	if (mem_copy(&out->members, &in->members, sizeof(struct mem_member)) &&
	    mem_copy(&out->mentions, &in->mentions,
		     sizeof(struct mem_mention)) &&
	    mem_copy(&out->dedupe, &in->dedupe, sizeof(struct mem_dedupe)) &&
	    mem_copy(&out->media, &in->media, sizeof(struct mem_media)) &&
	    mem_copy(&out->description, &in->description, 1) &&
	    mem_copy(&out->avatar_url, &in->avatar_url, 1) &&
	    mem_copy(&out->settings, &in->settings, 1))
		return true;
	mem_release_content(out);
	return false;
}

void mem_release_content(struct mem_content *c)
{
	free(c->members.data);
	free(c->mentions.data);
	free(c->dedupe.data);
	free(c->media.data);
	free(c->description.data);
	free(c->avatar_url.data);
	free(c->settings.data);
	*c = (struct mem_content){ 0 };
}

void mem_cut_messages(struct mem_group *g, size_t n)
{
	struct mem_message *messages = g->messages.data;

	while (g->messages.count > n)
		free(messages[--g->messages.count].bytes);
	g->content.messages = g->messages.count;
}

int mem_touch(struct store *base, struct mem_group *g, struct err *err)
{
	if (g->touched)
		return 0;
	if (!mem_copy_content(&g->saved, &g->content))
		return mem_no_memory(base, err);
	g->touched = true;
	return 0;
}

void mem_free_group(struct mem_group *g)
{
	if (g->replaced != NULL)
		mem_free_group(g->replaced);
	mem_cut_messages(g, 0);
	free(g->messages.data);
	mem_release_content(&g->content);
	mem_release_content(&g->saved);
	free(g);
}

struct mem_group *mem_any_group(struct store *base, uint64_t group_id)
{
	struct mem_db *db = mem_of(base)->db;
	struct mem_group *g;

	if (group_id == 0 || group_id > db->groups.count)
		return NULL;
	g = ((struct mem_group **)db->groups.data)[group_id - 1];
	return g->content.deleted ? NULL : g;
}

struct mem_group *mem_group(struct store *base, uint64_t group_id)
{
	struct mem_group *g = mem_any_group(base, group_id);

	return g == NULL || g->content.importing ? NULL : g;
}

struct mem_group *mem_import(struct store *base, uint64_t import_id)
{
	struct mem_group *g = mem_any_group(base, import_id);

	return g == NULL || !g->content.importing ? NULL : g;
}

struct mem_group *mem_group_by_name(struct store *base, struct str name)
{
	size_t count = mem_of(base)->db->groups.count;

	for (size_t id = 1; id <= count; id++) {
		struct mem_group *g = mem_group(base, id);

		if (g != NULL && str_eq(str_of(g->name), name))
			return g;
	}
	return NULL;
}

static int compare(const char *name, struct str other)
{
	size_t len = strlen(name);
	size_t both = len < other.len ? len : other.len;
	int order = both == 0 ? 0 : memcmp(name, other.data, both);

	if (order != 0)
		return order;
	return len < other.len ? -1 : len > other.len;
}

bool mem_find_name(const struct mem_array *a, size_t size, struct str name,
		   size_t *at)
{
	size_t low = 0;
	size_t high = a->count;

	while (name.len > 0 && low < high) {
		size_t mid = low + (high - low) / 2;
		int order = compare((const char *)a->data + mid * size, name);

		if (order == 0) {
			*at = mid;
			return true;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return false;
}

bool mem_is_after(const char *name, struct str after)
{
	return compare(name, after) > 0;
}

struct mem_member *mem_member(struct mem_group *g, struct str name, size_t *at)
{
	size_t i;
	bool found = mem_find_name(&g->content.members,
				   sizeof(struct mem_member), name, &i);

	if (at != NULL)
		*at = i;
	return found ? (struct mem_member *)g->content.members.data + i : NULL;
}

bool mem_find_user(struct store *base, struct str name, size_t *at)
{
	size_t i;
	bool found = mem_find_name(&mem_of(base)->db->globals.users,
				   sizeof(struct mem_user), name, &i);

	if (at != NULL)
		*at = i;
	return found;
}

struct mem_message *mem_message(const struct mem_group *g, uint64_t seq)
{
	assert(seq > g->base_seq && seq <= mem_last_seq(g));
	return (struct mem_message *)g->messages.data + (seq - g->base_seq - 1);
}

uint64_t mem_last_seq(const struct mem_group *g)
{
	return g->base_seq + g->messages.count;
}

uint64_t mem_size(const struct mem_group *g)
{
	const struct mem_message *last;

	if (g->messages.count == 0)
		return g->content.first_off;
	last = mem_message(g, mem_last_seq(g));
	return last->m.off + last->m.len;
}

uint64_t mem_jsonl_size(const struct mem_group *g)
{
	const struct mem_message *last;

	if (g->messages.count == 0)
		return g->content.first_jsonl_off;
	last = mem_message(g, mem_last_seq(g));
	return last->m.jsonl_off + last->m.jsonl_len;
}

uint64_t mem_last_ms(const struct mem_group *g)
{
	if (g->messages.count == 0)
		return g->base_ms > 0 ? g->base_ms : g->created_ms;
	return mem_message(g, mem_last_seq(g))->m.time_ms;
}

uint64_t mem_pointer(const struct mem_group *g, const struct mem_member *m)
{
	uint64_t below = g->content.first_seq - 1;

	return m->last_read_seq > below ? m->last_read_seq : below;
}

static bool copy_globals(struct mem_globals *out, const struct mem_globals *in)
{
	*out = *in;
	out->users = (struct mem_array){ 0 };
	out->tokens = (struct mem_array){ 0 };
	out->garbage = (struct mem_array){ 0 };
	if (mem_copy(&out->users, &in->users, sizeof(struct mem_user)) &&
	    mem_copy(&out->tokens, &in->tokens, sizeof(struct mem_token)) &&
	    mem_copy(&out->garbage, &in->garbage, sizeof(struct mem_hash)))
		return true;
	free(out->users.data);
	free(out->tokens.data);
	return false;
}

static void release_globals(struct mem_globals *g)
{
	free(g->users.data);
	free(g->tokens.data);
	free(g->garbage.data);
	*g = (struct mem_globals){ 0 };
}

static int mem_begin(struct store *base, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;

	mem_lock(base);
	db->globals.groups = db->groups.count;
	db->globals.changes = db->changes.count;
	if (copy_globals(&db->saved, &db->globals))
		return 0;
	mem_unlock(base);
	return mem_no_memory(base, err);
}

static int mem_commit(struct store *base, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;
	struct mem_group **groups = db->groups.data;

	(void)err;
	for (size_t i = 0; i < db->groups.count; i++) {
		struct mem_group *g = groups[i];

		if (g->replaced != NULL)
			mem_free_group(g->replaced);
		g->replaced = NULL;
		mem_release_content(&g->saved);
		g->touched = false;
		if (g->content.deleted) {
			mem_cut_messages(g, 0);
			mem_release_content(&g->content);
			g->content.deleted = true;
		}
	}
	mem_forget_changes(db);
	release_globals(&db->saved);
	mem_unlock(base);
	return 0;
}

/* The group that has a slot when the transaction is undone. */
static struct mem_group *take_back(struct mem_group **slot)
{
	struct mem_group *g = *slot;

	while (g->replaced != NULL) {
		*slot = g->replaced;
		g->replaced = NULL;
		mem_free_group(g);
		g = *slot;
	}
	return g;
}

static void mem_rollback(struct store *base)
{
	struct mem_db *db = mem_of(base)->db;
	struct mem_group **groups = db->groups.data;

	db->changes.count = db->saved.changes;
	while (db->groups.count > db->saved.groups)
		mem_free_group(groups[--db->groups.count]);
	for (size_t i = 0; i < db->groups.count; i++) {
		struct mem_group *g = take_back(&groups[i]);
		struct mem_content saved = g->saved;

		if (!g->touched)
			continue;
		mem_cut_messages(g, saved.messages);
		mem_release_content(&g->content);
		g->content = saved;
		g->saved = (struct mem_content){ 0 };
		g->touched = false;
	}
	release_globals(&db->globals);
	db->globals = db->saved;
	db->saved = (struct mem_globals){ 0 };
	mem_unlock(base);
}

static int mem_snapshot(struct store *base, struct err *err)
{
	(void)err;
	mem_lock(base);
	return 0;
}

static void free_db(struct mem_db *db)
{
	struct mem_group **groups = db->groups.data;

	for (size_t i = 0; i < db->groups.count; i++)
		mem_free_group(groups[i]);
	free(groups);
	free(db->changes.data);
	release_globals(&db->globals);
	pthread_mutex_destroy(&db->mutex);
	free(db->name);
	free(db);
}

/* The store goes with its last handle. */
static void mem_close(struct store *base)
{
	struct mem_db *db = mem_of(base)->db;
	bool last;

	pthread_mutex_lock(&registry_mutex);
	if (!base->options.read_only)
		db->writers--;
	last = --db->handles == 0;
	if (last)
		list_remove(&db->link);
	pthread_mutex_unlock(&registry_mutex);
	if (last)
		free_db(db);
	free(base);
}

static const struct store_ops memory_ops = {
	.close = mem_close,
	.begin = mem_begin,
	.commit = mem_commit,
	.rollback = mem_rollback,
	.snapshot = mem_snapshot,
	.release = mem_unlock,
	.append = mem_append,
	.create_group = mem_create_group,
	.delete_group = mem_delete_group,
	.edit_members = mem_edit_members,
	.set_read = mem_set_read,
	.set_info = mem_set_info,
	.add_media = mem_add_media,
	.drop_garbage = mem_drop_garbage,
	.trim = mem_trim,
	.list_overdue = mem_list_overdue,
	.import_begin = mem_import_begin,
	.import_members = mem_import_members,
	.import_messages = mem_import_messages,
	.import_media = mem_import_media,
	.import_end = mem_import_end,
	.import_drop = mem_import_drop,
	.next_import = mem_next_import,
	.export_members = mem_export_members,
	.add_user = mem_add_user,
	.create_token = mem_create_token,
	.revoke_token = mem_revoke_token,
	.find_group = mem_find_group,
	.list_groups = mem_list_groups,
	.scan = mem_scan,
	.seek = mem_seek,
	.get_info = mem_get_info,
	.find_media = mem_find_media,
	.list_media = mem_list_media,
	.hash_used = mem_hash_used,
	.next_garbage = mem_next_garbage,
	.list_mentions = mem_list_mentions,
	.role = mem_role,
	.find_user = mem_find_user_op,
	.list_users = mem_list_users,
	.find_token = mem_find_token,
	.list_tokens = mem_list_tokens,
	.count = mem_count,
	.size = mem_disk_size,
	.verify = mem_verify,
	.count_all = mem_count_all,
	.list_contents = mem_list_contents,
	.list_versions = mem_list_versions,
	.list_changes = mem_list_changes,
	.list_user_versions = mem_list_user_versions,
	.list_user_changes = mem_list_user_changes,
	.identity = mem_identity,
	.copy = mem_copy_store,
	.renew = mem_renew,
	.list_loose = mem_list_loose,
	.next_group = mem_next_group,
	.list_keys = mem_list_keys,
	.get_numbers = mem_get_numbers,
	.moved_from = mem_moved_from,
	.move_begin = mem_move_begin,
	.move_reset = mem_move_reset,
	.move_loose = mem_move_loose,
	.move_keys = mem_move_keys,
	.move_end = mem_move_end,
};

static struct mem_db *new_db(const char *name)
{
	struct mem_db *db = calloc(1, sizeof(*db));
	pthread_mutexattr_t attr;

	if (db == NULL)
		return NULL;
	db->name = strdup(name);
	if (db->name == NULL) {
		free(db);
		return NULL;
	}
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&db->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	list_push(&registry, &db->link);
	return db;
}

static struct mem_db *find_db(const char *name)
{
	for (struct list *l = registry.next; l != &registry; l = l->next) {
		struct mem_db *db = container_of(l, struct mem_db, link);

		if (strcmp(db->name, name) == 0)
			return db;
	}
	return NULL;
}

/* With the registry locked. */
static int join_db(struct memory_store *s, const char *name, struct err *err)
{
	struct mem_db *db = find_db(name);

	if (db == NULL && s->base.options.read_only) {
		err_set(err, ERR_UNAVAILABLE, "There is no store at %s", name);
		return -ENOENT;
	}
	if (db != NULL && db->writers > 0 && !s->base.options.read_only &&
	    !s->ops.shared) {
		err_set(err, ERR_UNAVAILABLE,
			"Another groupd is writing to the store %s", name);
		return -EBUSY;
	}
	if (db == NULL)
		db = new_db(name);
	if (db == NULL)
		return mem_no_memory(&s->base, err);
	db->handles++;
	if (!s->base.options.read_only)
		db->writers++;
	s->db = db;
	return 0;
}

static bool is_shared_name(const char *name)
{
	static const char prefix[] = "shared/";

	return strncmp(name, prefix, sizeof(prefix) - 1) == 0;
}

int memory_store_open(struct store **out, const char *name,
		      const struct store_options *options, struct err *err)
{
	struct memory_store *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	s->ops = memory_ops;
	s->ops.shared = is_shared_name(name);
	s->base.ops = &s->ops;
	s->base.options = *options;
	pthread_mutex_lock(&registry_mutex);
	rc = join_db(s, name, err);
	pthread_mutex_unlock(&registry_mutex);
	if (rc < 0) {
		free(s);
		return rc;
	}
	*out = &s->base;
	return 0;
}
