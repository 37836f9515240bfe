/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/input.h"

/* Whether a mention is one of this member that he has not read. */
static bool is_news(const struct mem_mention *mention,
		    const struct mem_member *member)
{
	bool self = strcmp(mention->name, member->name) == 0;

	return mention->seq > member->last_read_seq &&
	       self != mention->everyone;
}

static uint64_t count_mentions(const struct mem_group *g,
			       const struct mem_member *member)
{
	const struct mem_mention *all = g->content.mentions.data;
	uint64_t count = 0;

	for (size_t i = 0; i < g->content.mentions.count; i++)
		count += is_news(&all[i], member);
	return count;
}

static void read_group(struct mem_group *g, const struct mem_member *member,
		       struct wire_group *out)
{
	*out = (struct wire_group){
		.group_id = g->group_id,
		.name = str_of(g->name),
		.epoch = g->epoch,
		.role = ROLE_NONE,
		.first_seq = g->content.first_seq,
		.last_seq = mem_last_seq(g),
		.first_off = g->content.first_off,
		.size = mem_size(g),
		.first_jsonl_off = g->content.first_jsonl_off,
		.jsonl_size = mem_jsonl_size(g),
		.mtime_ms = mem_last_ms(g),
		.member_count = g->content.members.count,
		.created_ms = g->created_ms,
		.info_ms = g->content.info_ms,
		.members_ms = g->content.members_ms,
		.created_by = str_of(g->created_by),
		.read_off = g->content.first_off,
	};
	if (member == NULL)
		return;
	out->role = member->role;
	out->last_read_seq = mem_pointer(g, member);
	out->read_off = out->last_read_seq >= mem_last_seq(g)
				? out->size
				: mem_message(g, out->last_read_seq + 1)->m.off;
	out->mentions = count_mentions(g, member);
}

int mem_find_group(struct store *base, uint64_t group_id, struct str name,
		   struct str user, struct wire_group *out, struct err *err)
{
	struct mem_member *member = NULL;
	struct mem_group *g;
	int rc = 0;

	mem_lock(base);
	g = group_id != 0 ? mem_group(base, group_id)
			  : mem_group_by_name(base, name);
	if (g != NULL && user.len > 0)
		member = mem_member(g, user, NULL);
	if (g == NULL || (user.len > 0 && member == NULL))
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	else
		read_group(g, member, out);
	mem_unlock(base);
	return rc;
}

static int by_group_name(const void *a, const void *b)
{
	return strcmp((*(struct mem_group *const *)a)->name,
		      (*(struct mem_group *const *)b)->name);
}

/* The groups of a user by name; freed by the caller. */
static struct mem_group **sorted_groups(struct store *base, struct str user,
					size_t *count)
{
	size_t all = mem_of(base)->db->groups.count;
	struct mem_group **groups = calloc(all + 1, sizeof(struct mem_group *));

	*count = 0;
	for (size_t id = 1; groups != NULL && id <= all; id++) {
		struct mem_group *g = mem_group(base, id);

		if (g != NULL && mem_member(g, user, NULL) != NULL)
			groups[(*count)++] = g;
	}
	if (groups != NULL)
		qsort(groups, *count, sizeof(struct mem_group *),
		      by_group_name);
	return groups;
}

int mem_list_groups(struct store *base, struct str user, struct str after,
		    store_group_fn fn, void *data, struct err *err)
{
	struct mem_group **groups;
	struct wire_group out;
	size_t count;
	int rc = 0;

	mem_lock(base);
	groups = sorted_groups(base, user, &count);
	if (groups == NULL)
		rc = mem_no_memory(base, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!mem_is_after(groups[i]->name, after))
			continue;
		read_group(groups[i], mem_member(groups[i], user, NULL), &out);
		rc = fn(data, &out);
	}
	free(groups);
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_scan(struct store *base, uint64_t group_id, uint64_t after_seq,
	     store_message_fn fn, void *data, struct err *err)
{
	struct mem_group *g;
	int rc = 0;

	(void)err;
	mem_lock(base);
	g = mem_group(base, group_id);
	if (g != NULL && after_seq < mem_last_seq(g)) {
		uint64_t seq = after_seq + 1;

		if (seq < g->content.first_seq)
			seq = g->content.first_seq;
		for (; rc == 0 && seq <= mem_last_seq(g); seq++)
			rc = fn(data, &mem_message(g, seq)->m);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_seek(struct store *base, uint64_t group_id, enum log_format format,
	     uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err)
{
	struct mem_group *g;
	int rc = -ENOENT;

	mem_lock(base);
	g = mem_group(base, group_id);
	if (g != NULL && off < (format == LOG_JSONL ? g->content.first_jsonl_off
						    : g->content.first_off)) {
		rc = input_refuse_gone(g->content.first_seq, err);
		g = NULL;
	}
	for (uint64_t i = g == NULL ? 0 : g->content.first_seq;
	     g != NULL && rc < 0 && i <= mem_last_seq(g); i++) {
		const struct wire_message *m = &mem_message(g, i)->m;
		bool jsonl = format == LOG_JSONL;
		uint64_t at = jsonl ? m->jsonl_off : m->off;

		if (off < at + (jsonl ? m->jsonl_len : m->len)) {
			*seq = i;
			*line_off = at;
			rc = 0;
		}
	}
	mem_unlock(base);
	return rc;
}

static struct str text_of(const struct mem_array *a)
{
	return str_make(a->data, a->count);
}

int mem_get_info(struct store *base, uint64_t group_id, struct str user,
		 struct wire_info *out, struct err *err)
{
	struct mem_group *g;
	int rc = 0;

	mem_lock(base);
	g = mem_group(base, group_id);
	if (g == NULL || (user.len > 0 && mem_member(g, user, NULL) == NULL))
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	else
		*out = (struct wire_info){
			.group_id = g->group_id,
			.name = str_of(g->name),
			.description = text_of(&g->content.description),
			.avatar_url = text_of(&g->content.avatar_url),
			.created_by = str_of(g->created_by),
			.created_ms = g->created_ms,
			.info_ms = g->content.info_ms,
			.max_members = g->content.max_members,
			.first_off = g->content.first_off,
			.settings = text_of(&g->content.settings),
		};
	mem_unlock(base);
	return rc;
}

/* The records of a group are in the order of their seq. */
static int list_of_group(struct mem_group *g, struct str user,
			 uint64_t after_seq, store_mention_fn fn, void *data)
{
	const struct mem_mention *all = g->content.mentions.data;
	const struct mem_member *member = mem_member(g, user, NULL);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->content.mentions.count; i++) {
		struct wire_mention mention;

		if (!is_news(&all[i], member) || all[i].seq <= after_seq)
			continue;
		mention = store_mention_of(g->group_id, str_of(g->name),
					   &mem_message(g, all[i].seq)->m);
		rc = fn(data, &mention);
	}
	return rc;
}

int mem_list_mentions(struct store *base, struct str user,
		      struct str after_group, uint64_t after_seq,
		      store_mention_fn fn, void *data, struct err *err)
{
	struct mem_group **groups;
	size_t count;
	int rc = 0;

	mem_lock(base);
	groups = sorted_groups(base, user, &count);
	if (groups == NULL)
		rc = mem_no_memory(base, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		bool same = str_eq(str_of(groups[i]->name), after_group);

		if (same || mem_is_after(groups[i]->name, after_group))
			rc = list_of_group(groups[i], user,
					   same ? after_seq : 0, fn, data);
	}
	free(groups);
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_export_members(struct store *base, uint64_t group_id, struct str after,
		       store_port_member_fn fn, void *data, struct err *err)
{
	struct mem_group *g;
	int rc = 0;

	(void)err;
	mem_lock(base);
	g = mem_group(base, group_id);
	for (size_t i = 0; g != NULL && rc == 0 && i < g->content.members.count;
	     i++) {
		const struct mem_member *all = g->content.members.data;
		struct wire_port_member m = {
			.name = str_of(all[i].name),
			.role = all[i].role,
			.joined_ms = all[i].joined_ms,
			.joined_seq = all[i].joined_seq,
			.last_read_seq = all[i].last_read_seq,
		};

		if (mem_is_after(all[i].name, after))
			rc = fn(data, &m);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_role(struct store *base, uint64_t group_id, struct str user,
	     enum role *role, struct err *err)
{
	struct mem_group *g;
	struct mem_member *m;

	(void)err;
	mem_lock(base);
	g = mem_group(base, group_id);
	m = g == NULL ? NULL : mem_member(g, user, NULL);
	*role = m == NULL ? ROLE_NONE : m->role;
	mem_unlock(base);
	return 0;
}

int mem_find_user_op(struct store *base, struct str name, bool *found,
		     struct err *err)
{
	(void)err;
	mem_lock(base);
	*found = mem_find_user(base, name, NULL);
	mem_unlock(base);
	return 0;
}

int mem_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		   char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		   struct err *err)
{
	const struct mem_array *tokens = &mem_of(base)->db->globals.tokens;
	uint64_t now_ms = env_now_ms(base->options.env);
	int rc = 1;

	mem_lock(base);
	for (size_t i = 0; rc == 1 && i < tokens->count; i++) {
		const struct mem_token *t =
			(const struct mem_token *)tokens->data + i;

		if (memcmp(t->hash, hash, STORE_TOKEN_HASH) != 0 ||
		    (t->expires_ms != 0 && t->expires_ms <= now_ms))
			continue;
		str_to_cstr(str_of(t->user), user, WIRE_USER_MAX + 1);
		*expires_ms = t->expires_ms;
		rc = 0;
	}
	mem_unlock(base);
	return rc == 0 ? 0 : err_set(err, ERR_UNAUTHENTICATED, NULL);
}

int mem_list_users(struct store *base, struct str after, store_name_fn fn,
		   void *data, struct err *err)
{
	const struct mem_array *users = &mem_of(base)->db->globals.users;
	char from[WIRE_USER_MAX + 1];
	int rc = 0;

	(void)err;
	if (!str_to_cstr(after, from, sizeof(from)))
		return 0;
	mem_lock(base);
	for (size_t i = 0; rc == 0 && i < users->count; i++) {
		const struct mem_user *u =
			(const struct mem_user *)users->data + i;

		if (strcmp(u->name, from) > 0)
			rc = fn(data, str_of(u->name));
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_list_tokens(struct store *base, struct str user, uint64_t after_id,
		    store_token_fn fn, void *data, struct err *err)
{
	const struct mem_array *tokens = &mem_of(base)->db->globals.tokens;
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (size_t i = 0; rc == 0 && i < tokens->count; i++) {
		const struct mem_token *t =
			(const struct mem_token *)tokens->data + i;
		struct wire_token_info info = { .token_id = t->token_id,
						.user = str_of(t->user),
						.created_ms = t->created_ms,
						.expires_ms = t->expires_ms };

		if (t->token_id > after_id &&
		    (user.len == 0 || str_eq(user, info.user)))
			rc = fn(data, &info);
	}
	mem_unlock(base);
	return rc < 0 ? rc : 0;
}

int mem_count(struct store *base, struct store_counts *out, struct err *err)
{
	struct mem_db *db = mem_of(base)->db;

	(void)err;
	mem_lock(base);
	out->users = db->globals.users.count;
	for (size_t id = 1; id <= db->groups.count; id++)
		out->groups += mem_group(base, id) != NULL;
	mem_unlock(base);
	return 0;
}

/* Nothing is on disk. */
int mem_disk_size(struct store *base, struct store_size *out, struct err *err)
{
	(void)base;
	(void)out;
	(void)err;
	return 0;
}

static void verify_group(const struct mem_group *g, struct store_verify *v)
{
	uint64_t off = g->content.first_off;
	uint64_t jsonl_off = g->content.first_jsonl_off;

	for (uint64_t seq = g->content.first_seq; seq <= mem_last_seq(g);
	     seq++) {
		const struct wire_message *m = &mem_message(g, seq)->m;
		char text[160];

		if (m->seq != seq || m->off != off ||
		    m->len != text_render_len(m) || m->jsonl_off != jsonl_off ||
		    m->jsonl_len != json_message_line_len(m)) {
			snprintf(text, sizeof(text),
				 "Group %s: message %" PRIu64
				 " is not what and where it must be",
				 g->name, seq);
			v->problem(v->data, text);
		}
		off = m->off + m->len;
		jsonl_off = m->jsonl_off + m->jsonl_len;
		v->messages++;
	}
}

bool mem_is_message_of_media(const struct mem_group *g, struct str name,
			     uint64_t seq)
{
	const struct wire_message *m;
	struct buf url = { 0 };
	bool same;

	if (seq < g->content.first_seq || seq > mem_last_seq(g))
		return false;
	m = &mem_message(g, seq)->m;
	text_media_url(&url, name);
	same = m->type == MESSAGE_MEDIA && str_eq(m->media_url, buf_str(&url));
	buf_release(&url);
	return same;
}

static void verify_media(const struct mem_group *g, struct store_verify *v)
{
	const struct mem_media *all = g->content.media.data;

	for (size_t i = 0; i < g->content.media.count; i++) {
		if (!mem_is_message_of_media(g, str_of(all[i].name),
					     all[i].seq))
			v->problem(v->data,
				   "A media file has not the message that "
				   "brought it");
	}
}

int mem_verify(struct store *base, struct store_verify *v, struct err *err)
{
	(void)err;
	mem_lock(base);
	for (size_t id = 1; id <= mem_of(base)->db->groups.count; id++) {
		struct mem_group *g = mem_group(base, id);

		if (g == NULL)
			continue;
		v->groups++;
		verify_group(g, v);
		verify_media(g, v);
	}
	mem_unlock(base);
	return 0;
}
