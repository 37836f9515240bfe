/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <string.h>

#include "lib/text.h"
#include "store/import.h"

/* One verb under way. */
struct importing {
	struct store *base;
	struct mem_group *g;
	const struct store_import *op;
	uint64_t now_ms;
};

static int set_group(struct store *base, struct mem_group *g,
		     const struct wire_port_group *group, struct err *err)
{
	struct mem_content *c = &g->content;

	c->importing = true;
	c->max_members = group->max_members;
	g->created_ms = group->created_ms;
	g->import_last_seq = group->last_seq;
	g->base_seq = group->first_seq - 1;
	c->first_seq = group->first_seq;
	c->first_off = group->first_off;
	c->first_jsonl_off = group->first_jsonl_off;
	if (!mem_set_text(&c->description, group->description) ||
	    !mem_set_text(&c->avatar_url, group->avatar_url) ||
	    !mem_set_text(&c->settings, group->settings))
		return mem_no_memory(base, err);
	return 0;
}

int mem_import_begin(struct store *base, const struct wire_port_group *group,
		     uint64_t *import_id, struct err *err)
{
	struct mem_group *g;

	int rc;

	if (mem_group_by_name(base, group->name) != NULL)
		return err_set(err, ERR_GROUP_EXISTS, NULL);
	if (base->moving) {
		rc = mem_put_group(base, group, &g, err);
		if (rc < 0)
			return rc;
	} else {
		g = mem_new_group(base, group->name, group->created_by,
				  str_of(""));
	}
	if (g == NULL)
		return mem_no_memory(base, err);
	*import_id = g->group_id;
	return set_group(base, g, group, err);
}

static int import_member(const struct importing *i,
			 const struct wire_port_member *in, struct err *err)
{
	struct mem_group *g = i->g;
	struct mem_member *m;
	size_t at;
	int rc = import_check_member(in, g->import_last_seq, i->now_ms, err);

	if (rc < 0)
		return rc;
	if (mem_member(g, in->name, &at) != NULL)
		return import_refuse_double(in->name, err);
	if (!mem_find_user(i->base, in->name, NULL))
		return err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			       (int)in->name.len, in->name.data);
	m = mem_insert(&g->content.members, at, sizeof(*m));
	if (m == NULL)
		return mem_no_memory(i->base, err);
	str_to_cstr(in->name, m->name, sizeof(m->name));
	m->role = in->role == ROLE_ADMIN ? ROLE_ADMIN : ROLE_MEMBER;
	m->joined_ms = in->joined_ms;
	m->joined_seq = in->joined_seq;
	m->last_read_seq = import_pointer(in, g->import_last_seq);
	return 0;
}

static int import_members(const struct importing *i, struct err *err)
{
	struct str records = i->op->records;
	struct wire_port_member m;
	uint64_t n = 0;
	int rc;

	while ((rc = wire_next(&records, &wire_schema_port_member, &m)) > 0) {
		if (import_member(i, &m, err) < 0)
			return import_at_line(i->op, n, err);
		n++;
	}
	return rc < 0 ? import_refuse_list(err) : 0;
}

static int import_mentions(const struct importing *i,
			   const struct wire_message *m, struct err *err)
{
	struct str names = m->mentions;
	struct str name;
	int rc = 0;

	while (text_next_word(&names, &name)) {
		if (str_eq(name, str_of("everyone")))
			return mem_add_mention(i->base, i->g, m->seq, m->sender,
					       true, err);
	}
	names = m->mentions;
	while (rc == 0 && text_next_word(&names, &name)) {
		const struct mem_member *member = mem_member(i->g, name, NULL);

		if (member != NULL && member->joined_seq < m->seq)
			rc = mem_add_mention(i->base, i->g, m->seq, name, false,
					     err);
	}
	return rc;
}

static int remember(const struct importing *i, const struct wire_message *m,
		    struct err *err)
{
	const struct store_key key = { .user = m->sender,
				       .id = m->client_id,
				       .first_seq = m->seq,
				       .last_seq = m->seq,
				       .off = m->off,
				       .time_ms = m->time_ms };

	return mem_remember(i->base, i->g, &key, err);
}

static int import_message(const struct importing *i,
			  const struct wire_message *in, struct err *err)
{
	const struct store_options *o = &i->base->options;
	const struct import_point point = { .next_seq = mem_last_seq(i->g) + 1,
					    .last_seq = i->g->import_last_seq,
					    .after_ms = mem_last_ms(i->g),
					    .now_ms = i->now_ms,
					    .max_content = o->max_content };
	struct wire_message m = *in;
	int rc = import_check_message(in, &point, err);

	if (rc < 0)
		return rc;
	m.off = mem_size(i->g);
	m.jsonl_off = mem_jsonl_size(i->g);
	if (m.client_id.len > 0 && !i->base->moving &&
	    import_is_recent(m.time_ms, i->now_ms, o->dedupe_window_ms))
		rc = remember(i, &m, err);
	if (rc == 0)
		rc = mem_add_message(i->base, i->g, &m, err);
	if (rc == 0)
		rc = import_mentions(i, &m, err);
	return rc;
}

static int import_messages(const struct importing *i, struct err *err)
{
	struct str records = i->op->records;
	struct wire_message m;
	uint64_t n = 0;
	int rc;

	while ((rc = wire_next(&records, &wire_schema_message, &m)) > 0) {
		if (import_message(i, &m, err) < 0)
			return import_at_line(i->op, n, err);
		n++;
	}
	return rc < 0 ? import_refuse_list(err) : 0;
}

/* All or nothing: what a refused verb had added is taken off again. */
static int run_verb(struct store *base, const struct store_import *op,
		    int (*verb)(const struct importing *i, struct err *err),
		    struct err *err)
{
	struct mem_globals globals = mem_of(base)->db->globals;
	struct importing i = { .base = base,
			       .g = mem_import(base, op->import_id),
			       .op = op,
			       .now_ms = import_now_ms(base) };
	struct mem_content before;
	int rc;

	if (i.g == NULL)
		return import_refuse_unknown(err);
	rc = mem_touch(base, i.g, err);
	if (rc < 0)
		return rc;
	if (!mem_copy_content(&before, &i.g->content))
		return mem_no_memory(base, err);
	rc = verb(&i, err);
	if (rc < 0) {
		mem_cut_messages(i.g, before.messages);
		mem_release_content(&i.g->content);
		i.g->content = before;
		mem_of(base)->db->globals = globals;
		return rc;
	}
	mem_release_content(&before);
	return 0;
}

int mem_import_members(struct store *base, const struct store_import *op,
		       struct err *err)
{
	return run_verb(base, op, import_members, err);
}

int mem_import_messages(struct store *base, const struct store_import *op,
			struct err *err)
{
	return run_verb(base, op, import_messages, err);
}

int mem_import_media(struct store *base, const struct store_import *op,
		     const struct wire_media *media, struct err *err)
{
	struct mem_group *g = mem_import(base, op->import_id);
	struct store_media file = { .name = media->name, .size = media->size };
	struct wire_body_sent sent = { .first_seq = media->seq };
	const struct wire_message *m;
	int rc;

	if (g == NULL)
		return import_refuse_unknown(err);
	if (!mem_is_message_of_media(g, media->name, media->seq))
		return import_refuse_media(media, err);
	rc = mem_check_media_name(g, &file, err);
	if (rc == 0)
		rc = mem_touch(base, g, err);
	if (rc < 0)
		return rc;
	m = &mem_message(g, media->seq)->m;
	sent.time_ms = m->time_ms;
	file.user = m->sender;
	memcpy(file.hash, media->hash.data, STORE_HASH);
	file.media_id = base->moving ? media->media_id : 0;
	return mem_insert_media(base, g, &file, &sent, err);
}

/* Whether it ended with this key before. */
static bool has_ended(struct store *base, struct store_import_end *op)
{
	const struct mem_group *g = mem_group(base, op->import_id);

	op->existed = g != NULL && op->key.len > 0 &&
		      str_eq(str_of(g->name), op->name) &&
		      str_eq(str_make(g->key, g->key_len), op->key);
	if (op->existed)
		op->group_id = g->group_id;
	return op->existed;
}

int mem_import_end(struct store *base, struct store_import_end *op,
		   struct err *err)
{
	struct mem_group *g = mem_import(base, op->import_id);
	uint64_t now_ms = env_now_ms(base->options.env);
	int rc;

	if (has_ended(base, op))
		return 0;
	if (g == NULL)
		return import_refuse_unknown(err);
	if (mem_last_seq(g) != g->import_last_seq)
		return import_refuse_end(mem_last_seq(g), g->import_last_seq,
					 err);
	if (mem_group_by_name(base, str_of(g->name)) != NULL)
		return err_set(err, ERR_GROUP_EXISTS, NULL);
	if (!mem_has_admin(g))
		return import_refuse_no_admin(err);
	if (g->content.members.count > g->content.max_members)
		return import_refuse_full(g->content.members.count,
					  g->content.max_members, err);
	rc = mem_touch(base, g, err);
	if (rc == 0)
		rc = mem_note_all(base, g, str_of(""), MEMBER_ADDED, err);
	if (rc < 0)
		return rc;
	if (op->key.len > 0)
		memcpy(g->key, op->key.data, op->key.len);
	g->key_len = op->key.len;
	g->content.info_ms = now_ms;
	g->content.members_ms = now_ms;
	if (op->kept != NULL) {
		g->epoch = op->kept->epoch;
		g->base_ms = op->kept->mtime_ms;
		g->content.info_ms = op->kept->info_ms;
		g->content.members_ms = op->kept->members_ms;
	}
	g->content.importing = false;
	op->group_id = g->group_id;
	return 0;
}

int mem_import_drop(struct store *base, uint64_t import_id, struct err *err)
{
	struct mem_group *g = mem_import(base, import_id);
	int rc;

	if (g == NULL)
		return 0;
	rc = mem_touch(base, g, err);
	if (rc == 0)
		rc = mem_drop_media(base, g, err);
	if (rc == 0)
		g->content.deleted = true;
	return rc;
}

int mem_next_import(struct store *base, uint64_t after_id, uint64_t *import_id,
		    struct err *err)
{
	struct mem_db *db = mem_of(base)->db;
	int rc = 0;

	(void)err;
	/* Who was at one when, is not kept: other handles find none. */
	if (base->ops->shared && base->options.read_only)
		return 0;
	mem_lock(base);
	for (uint64_t id = after_id + 1; rc == 0 && id <= db->groups.count;
	     id++) {
		if (mem_import(base, id) == NULL)
			continue;
		*import_id = id;
		rc = 1;
	}
	mem_unlock(base);
	return rc;
}
