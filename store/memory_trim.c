/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <string.h>

#include "store/keep.h"

/* What counts for this group: both policies. A bad one of its own cannot be
 * there. */
static struct store_keep keep_of(const struct mem_group *g,
				 const struct store_keep *all)
{
	struct store_keep own;

	keep_of_settings(
		str_make(g->content.settings.data, g->content.settings.count),
		&own, NULL);
	return keep_both(all, &own);
}

/* The first message that is kept; one behind the last when none is. */
static uint64_t first_kept(struct store *base, const struct mem_group *g,
			   const struct store_keep *keep)
{
	uint64_t now_ms = env_now_ms(base->options.env);
	uint64_t last = mem_last_seq(g);
	uint64_t seq = g->content.first_seq;

	for (; seq <= last; seq++) {
		const struct wire_message *m = &mem_message(g, seq)->m;
		bool old = keep->age_ms > 0 && m->time_ms < now_ms &&
			   now_ms - m->time_ms > keep->age_ms;
		bool many =
			keep->messages > 0 && last - seq + 1 > keep->messages;
		bool large =
			keep->bytes > 0 && mem_size(g) - m->off > keep->bytes;

		if (!old && !many && !large)
			break;
	}
	return seq;
}

static void drop_mentions(struct mem_group *g)
{
	struct mem_array *mentions = &g->content.mentions;
	const struct mem_mention *all = mentions->data;

	for (size_t i = mentions->count; i-- > 0;) {
		if (all[i].seq < g->content.first_seq)
			mem_remove(mentions, i, sizeof(all[0]));
	}
}

static int drop_media(struct store *base, struct mem_group *g, struct err *err)
{
	struct mem_array *media = &g->content.media;
	const struct mem_media *all = media->data;
	int rc = 0;

	for (size_t i = media->count; rc == 0 && i-- > 0;) {
		uint8_t hash[STORE_HASH];

		if (all[i].seq >= g->content.first_seq)
			continue;
		memcpy(hash, all[i].hash, STORE_HASH);
		mem_remove(media, i, sizeof(all[0]));
		rc = mem_make_garbage(base, hash, NULL, err);
	}
	return rc;
}

/* Moves the floor to seq, or less far where that is much. */
static void move_floor(struct mem_group *g, struct store_trim *op,
		       uint64_t kept)
{
	struct mem_content *c = &g->content;
	uint64_t from = c->first_off;

	while (op->trimmed < op->limit && c->first_seq < kept) {
		const struct wire_message *m = &mem_message(g, c->first_seq)->m;

		if (op->trimmed > 0 &&
		    m->off + m->len - from > STORE_TRIM_BYTES)
			break;
		c->first_seq++;
		c->first_off = m->off + m->len;
		c->first_jsonl_off = m->jsonl_off + m->jsonl_len;
		op->trimmed++;
	}
	op->left = kept - c->first_seq;
}

int mem_trim(struct store *base, struct store_trim *op, struct err *err)
{
	struct mem_group *g = mem_group(base, op->group_id);
	struct store_keep keep;
	int rc;

	if (g == NULL)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	keep = keep_of(g, &op->keep);
	rc = mem_touch(base, g, err);
	if (rc < 0)
		return rc;
	move_floor(g, op, first_kept(base, g, &keep));
	op->first_seq = g->content.first_seq;
	op->first_off = g->content.first_off;
	op->first_jsonl_off = g->content.first_jsonl_off;
	drop_mentions(g);
	return drop_media(base, g, err);
}

int mem_list_overdue(struct store *base, const struct store_keep *keep,
		     size_t count, uint64_t *after_id, store_overdue_fn fn,
		     void *data, struct err *err)
{
	size_t looked = 0;
	uint64_t id;
	int rc = 0;

	(void)err;
	mem_lock(base);
	for (id = *after_id + 1;
	     rc == 0 && looked < count && id <= mem_of(base)->db->groups.count;
	     id++) {
		const struct mem_group *g = mem_group(base, id);
		struct store_keep both;

		if (g == NULL)
			continue;
		both = keep_of(g, keep);
		if (!keep_has_bound(&both))
			continue;
		looked++;
		*after_id = id;
		if (first_kept(base, g, &both) > g->content.first_seq)
			rc = fn(data, id);
	}
	mem_unlock(base);
	return rc != 0 ? (rc < 0 ? rc : 1) : looked == count;
}
