/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/import.h"
#include "store/input.h"

/* One append under way. */
struct append {
	struct store *base;
	struct store_append *op;
	struct store_media *media; /* the file that comes with it, or NULL */
	struct mem_group *g;
	enum role role;
	uint64_t now_ms;
	size_t count;
	size_t n; /* the item at hand, from 1 */
	size_t stored;
	size_t duplicates;
};

/* What is two generations old is forgotten. */
bool mem_is_remembered(struct store *base, const struct mem_dedupe *d)
{
	return d->generation + 1 >= mem_of(base)->db->globals.generation;
}

static const struct mem_dedupe *find_dedupe(struct append *a, char kind,
					    struct str id)
{
	const struct mem_dedupe *all = a->g->content.dedupe.data;

	for (size_t i = 0; i < a->g->content.dedupe.count; i++) {
		const struct mem_dedupe *d = &all[i];

		if (d->kind == kind && mem_is_remembered(a->base, d) &&
		    str_eq(str_of(d->user), a->op->user) &&
		    str_eq(str_make(d->id, d->id_len), id))
			return d;
	}
	return NULL;
}

static int put_dedupe(struct append *a, char kind, struct str id,
		      const struct wire_body_sent *sent, struct err *err)
{
	struct mem_globals *globals = &mem_of(a->base)->db->globals;
	uint64_t window = a->base->options.dedupe_window_ms;
	struct mem_array *all = &a->g->content.dedupe;
	struct mem_dedupe *d;

	if (globals->generation_start_ms == 0 ||
	    (a->now_ms >= globals->generation_start_ms &&
	     a->now_ms - globals->generation_start_ms >= window)) {
		globals->generation++;
		globals->generation_start_ms = a->now_ms;
	}
	d = mem_insert(all, all->count, sizeof(*d));
	if (d == NULL)
		return mem_no_memory(a->base, err);
	d->kind = kind;
	str_to_cstr(a->op->user, d->user, sizeof(d->user));
	memcpy(d->id, id.data, id.len);
	d->id_len = id.len;
	d->generation = globals->generation;
	d->sent = *sent;
	return 0;
}

static bool has_name(const struct str *names, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(names[i], name))
			return true;
	}
	return false;
}

/* Collects the names to be recorded: at most STORE_MENTIONS_MAX + 1. */
static size_t collect_mentions(struct append *a, const struct wire_item *item,
			       struct str *names, uint64_t *warnings)
{
	struct str everyone = str_of("everyone");
	struct input_mentions it;
	struct str name;
	size_t count = 0;
	size_t members = 0;

	input_mentions_init(&it, item);
	while (input_next_mention(&it, &name)) {
		bool all = str_eq(name, everyone);

		if (str_eq(name, a->op->user) || has_name(names, count, name) ||
		    (!all && mem_member(a->g, name, NULL) == NULL))
			continue;
		if (all ? a->role != ROLE_ADMIN && a->g->content.members.count >
							   STORE_EVERYONE_MAX
			: members == STORE_MENTIONS_MAX) {
			*warnings |= WARN_MENTION_DROPPED;
			continue;
		}
		members += !all;
		names[count++] = name;
	}
	if (it.dropped)
		*warnings |= WARN_MENTION_DROPPED;
	return count;
}

int mem_add_mention(struct store *base, struct mem_group *g, uint64_t seq,
		    struct str name, bool everyone, struct err *err)
{
	struct mem_array *all = &g->content.mentions;
	struct mem_mention *m = mem_insert(all, all->count, sizeof(*m));

	if (m == NULL)
		return mem_no_memory(base, err);
	m->seq = seq;
	m->everyone = everyone;
	str_to_cstr(name, m->name, sizeof(m->name));
	return 0;
}

static int add_mentions(struct append *a, const struct str *names, size_t count,
			struct buf *text, struct err *err)
{
	bool everyone = has_name(names, count, str_of("everyone"));
	uint64_t seq = mem_last_seq(a->g) + 1;
	int rc = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_append_char(text, ' ');
		buf_append_str(text, names[i]);
	}
	if (text->failed)
		return mem_no_memory(a->base, err);
	if (everyone)
		return mem_add_mention(a->base, a->g, seq, a->op->user, true,
				       err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = mem_add_mention(a->base, a->g, seq, names[i], false, err);
	return rc;
}

static struct str keep(char **at, struct str s)
{
	struct str kept = str_make(*at, s.len);

	if (s.len > 0)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return kept;
}

int mem_add_message(struct store *base, struct mem_group *g,
		    const struct wire_message *m, struct err *err)
{
	char *bytes = malloc(m->sender.len + m->content.len + m->media_url.len +
			     m->mentions.len + m->client_id.len + 1);
	char *at = bytes;
	struct mem_array *all = &g->messages;
	struct mem_message *out =
		bytes == NULL ? NULL
			      : mem_insert(all, all->count, sizeof(*out));

	if (out == NULL) {
		free(bytes);
		return mem_no_memory(base, err);
	}
	out->bytes = bytes;
	out->m = *m;
	out->m.sender = keep(&at, m->sender);
	out->m.content = keep(&at, m->content);
	out->m.media_url = keep(&at, m->media_url);
	out->m.mentions = keep(&at, m->mentions);
	out->m.client_id = keep(&at, m->client_id);
	out->m.len = text_render_len(&out->m);
	out->m.jsonl_len = json_message_line_len(&out->m);
	g->content.messages = all->count;
	return 0;
}

static void note_item(struct append *a, const struct wire_body_sent *d,
		      bool duplicate)
{
	struct wire_body_sent *sent = &a->op->sent;

	if (a->stored == 0 && (!duplicate || a->duplicates == 0)) {
		sent->first_seq = d->first_seq;
		sent->offset = d->offset;
		sent->time_ms = d->time_ms;
	}
	if (!duplicate || a->stored == 0)
		sent->last_seq = d->last_seq;
	sent->warnings |= d->warnings;
	a->duplicates += duplicate;
	a->stored += !duplicate;
}

static int store_item(struct append *a, const struct wire_item *item,
		      struct err *err)
{
	struct wire_message m = { .seq = mem_last_seq(a->g) + 1,
				  .off = mem_size(a->g),
				  .jsonl_off = mem_jsonl_size(a->g),
				  .time_ms = a->now_ms,
				  .type = item->type,
				  .reply_to = item->reply_to,
				  .sender = a->op->user,
				  .content = item->content,
				  .media_url = item->media_url,
				  .client_id = item->client_id };
	struct wire_body_sent sent = { .first_seq = m.seq,
				       .last_seq = m.seq,
				       .offset = m.off,
				       .time_ms = m.time_ms };
	struct str names[STORE_MENTIONS_MAX + 1];
	size_t count = collect_mentions(a, item, names, &sent.warnings);
	struct buf text;
	int rc;

	buf_init(&text);
	rc = add_mentions(a, names, count, &text, err);
	m.mentions = buf_str(&text);
	a->op->mentions = a->op->mentions || m.mentions.len > 0;
	if (rc == 0)
		rc = mem_add_message(a->base, a->g, &m, err);
	buf_release(&text);
	if (rc == 0 && item->client_id.len > 0)
		rc = put_dedupe(a, 'i', item->client_id, &sent, err);
	if (rc == 0)
		note_item(a, &sent, false);
	return rc;
}

static int append_item(struct append *a, const struct wire_item *item,
		       struct err *err)
{
	const struct mem_dedupe *d = NULL;

	a->n++;
	if (item->client_id.len > 0)
		d = find_dedupe(a, 'i', item->client_id);
	if (d != NULL) {
		note_item(a, &d->sent, true);
		return 0;
	}
	if (item->reply_to > mem_last_seq(a->g) ||
	    (item->reply_to > 0 && item->reply_to < a->g->content.first_seq))
		return input_refuse_reply(item->reply_to, a->n, a->count, err);
	return store_item(a, item, err);
}

static int append_items(struct append *a, struct err *err)
{
	struct wire_body_sent *sent = &a->op->sent;
	struct str items = a->op->items;
	struct wire_item item;
	int rc = 0;

	while (rc == 0 && wire_next(&items, &wire_schema_item, &item) > 0)
		rc = append_item(a, &item, err);
	if (rc < 0)
		return rc;
	if (a->stored > 0)
		mem_member(a->g, a->op->user, NULL)->last_read_seq =
			mem_last_seq(a->g);
	sent->duplicate = a->stored == 0;
	if (a->op->batch_id.len > 0)
		rc = put_dedupe(a, 'b', a->op->batch_id, sent, err);
	return rc;
}

/* All or nothing: what a refused batch had added is taken off again. */
static int append_or_undo(struct append *a, struct err *err)
{
	struct mem_globals globals = mem_of(a->base)->db->globals;
	size_t messages = a->g->messages.count;
	size_t mentions = a->g->content.mentions.count;
	size_t dedupe = a->g->content.dedupe.count;
	int rc = append_items(a, err);

	if (rc == 0 && a->media != NULL)
		rc = mem_insert_media(a->base, a->g, a->media, &a->op->sent,
				      err);
	if (rc == 0)
		return 0;
	mem_cut_messages(a->g, messages);
	a->g->content.mentions.count = mentions;
	a->g->content.dedupe.count = dedupe;
	mem_of(a->base)->db->globals = globals;
	a->op->sent = (struct wire_body_sent){ 0 };
	return rc;
}

static int append_new(struct append *a, struct err *err)
{
	int rc = 0;

	if (a->media != NULL)
		rc = mem_check_media_name(a->g, a->media, err);
	if (rc == 0)
		rc = mem_touch(a->base, a->g, err);
	return rc < 0 ? rc : append_or_undo(a, err);
}

/* Whether each item was stored before: then they are all noted. */
static void find_items(struct append *a)
{
	struct wire_body_sent *sent = &a->op->sent;
	struct str items = a->op->items;
	struct wire_item item;

	while (wire_next(&items, &wire_schema_item, &item) > 0) {
		const struct mem_dedupe *d = NULL;

		if (item.client_id.len > 0)
			d = find_dedupe(a, 'i', item.client_id);
		if (d == NULL) {
			*sent = (struct wire_body_sent){ 0 };
			return;
		}
		note_item(a, &d->sent, true);
	}
	sent->duplicate = 1;
}

static int append(struct append *a, struct err *err)
{
	struct store_append *op = a->op;
	const struct mem_dedupe *d = NULL;
	struct mem_member *sender;
	int rc = 0;

	a->g = mem_group(a->base, op->group_id);
	sender = a->g == NULL ? NULL : mem_member(a->g, op->user, NULL);
	if (sender == NULL)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	a->role = sender->role;
	a->now_ms = env_now_ms(a->base->options.env);
	if (a->now_ms < mem_last_ms(a->g))
		a->now_ms = mem_last_ms(a->g);
	if (op->batch_id.len > 0)
		d = find_dedupe(a, 'b', op->batch_id);
	if (d != NULL) {
		op->sent = d->sent;
		op->sent.duplicate = 1;
		if (a->media != NULL)
			mem_find_sent_media(a->g, a->media, &op->sent);
	} else if (op->only_known) {
		find_items(a);
	} else {
		rc = append_new(a, err);
	}
	if (rc < 0)
		return rc;
	op->sent.epoch = a->g->epoch;
	op->end_off = mem_size(a->g);
	return 0;
}

int mem_append(struct store *base, struct store_append *op, size_t count,
	       struct err *err)
{
	struct append a = { .base = base, .op = op, .count = count };

	return append(&a, err);
}

int mem_add_media(struct store *base, struct store_media *op,
		  struct store_append *message, struct err *err)
{
	struct append a = {
		.base = base, .op = message, .media = op, .count = 1
	};

	return append(&a, err);
}

int mem_remember(struct store *base, struct mem_group *g,
		 const struct store_key *k, struct err *err)
{
	struct store_append op = { .user = k->user };
	struct append a = { .base = base,
			    .op = &op,
			    .g = g,
			    .now_ms = env_now_ms(base->options.env) };
	const struct wire_body_sent sent = { .first_seq = k->first_seq,
					     .last_seq = k->last_seq,
					     .offset = k->off,
					     .time_ms = k->time_ms,
					     .warnings = k->warnings };
	char kind = k->batch ? 'b' : 'i';
	const struct mem_dedupe *d = find_dedupe(&a, kind, k->id);

	if (d != NULL)
		return import_refuse_client_id(k->user, d->sent.first_seq, err);
	return put_dedupe(&a, kind, k->id, &sent, err);
}

int mem_set_read(struct store *base, uint64_t group_id, struct str user,
		 uint64_t seq, uint64_t *stored, struct err *err)
{
	bool moved;
	struct mem_group *g = mem_group(base, group_id);
	struct mem_member *m = g == NULL ? NULL : mem_member(g, user, NULL);
	int rc;

	if (m == NULL)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (seq == WIRE_READ_ALL)
		seq = mem_last_seq(g);
	if (seq > mem_last_seq(g))
		return err_set(err, ERR_BAD_REQUEST,
			       "There is no message %" PRIu64
			       " yet: the last is %" PRIu64,
			       seq, mem_last_seq(g));
	rc = mem_touch(base, g, err);
	if (rc < 0)
		return rc;
	moved = seq > mem_pointer(g, m);
	if (moved)
		m->last_read_seq = seq;
	*stored = mem_pointer(g, m);
	return moved;
}
