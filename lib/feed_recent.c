/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "lib/feed_private.h"

enum { RECENT_FIRST = 16 };

/* Messages. */

static size_t message_bytes(const struct feed_message *m)
{
	return sizeof(*m) + m->m.sender.len + m->m.content.len +
	       m->m.media_url.len + m->m.mentions.len + m->m.client_id.len;
}

static void copy_str(char **at, struct str *s)
{
	if (s->len > 0)
		memcpy(*at, s->data, s->len);
	s->data = *at;
	*at += s->len;
}

struct feed_message *feed_message_new(const struct wire_message *src)
{
	const struct feed_message like = { .m = *src, .shared = true };
	struct feed_message *m = malloc(message_bytes(&like));
	char *at;

	if (m == NULL)
		return NULL;
	*m = like;
	at = (char *)(m + 1);
	copy_str(&at, &m->m.sender);
	copy_str(&at, &m->m.content);
	copy_str(&at, &m->m.media_url);
	copy_str(&at, &m->m.mentions);
	copy_str(&at, &m->m.client_id);
	return m;
}

void feed_messages_free(struct feed_message *first)
{
	while (first != NULL) {
		struct feed_message *next = first->next;

		buf_release(&first->encoded);
		free(first);
		first = next;
	}
}

/* The ring. */

static struct feed_message *at(const struct feed_group_private *g, size_t i)
{
	return g->recent[(g->head + i) & (g->cap - 1)];
}

struct feed_message *feed_recent_find(const struct feed_group_private *g,
				      uint64_t seq)
{
	uint64_t first;

	if (g->count == 0)
		return NULL;
	first = at(g, 0)->m.seq;
	if (seq < first || seq - first >= g->count)
		return NULL;
	return at(g, (size_t)(seq - first));
}

static void drop_first(struct feed_group_private *g)
{
	struct feed_message *m = at(g, 0);

	g->bytes -= message_bytes(m);
	g->head = (g->head + 1) & (g->cap - 1);
	g->count--;
	feed_drop_message(g->feed, m);
}

void feed_recent_drop_all(struct feed_group_private *g)
{
	while (g->count > 0)
		drop_first(g);
}

static bool grow(struct feed_group_private *g)
{
	size_t cap = g->cap == 0 ? RECENT_FIRST : g->cap * 2;
	struct feed_message **ring;

	if (g->count < g->cap)
		return true;
	ring = calloc(cap, sizeof(struct feed_message *));
	if (ring == NULL)
		return false;
	for (size_t i = 0; i < g->count; i++)
		ring[i] = at(g, i);
	free(g->recent);
	g->recent = ring;
	g->cap = cap;
	g->head = 0;
	return true;
}

void feed_recent_add(struct feed_group_private *g,
		     const struct wire_message *src)
{
	uint64_t last = g->count == 0 ? 0 : at(g, g->count - 1)->m.seq;
	struct feed_message *m;

	if (g->count > 0 && src->seq <= last)
		return; /* known already */
	if (g->count > 0 && src->seq != last + 1)
		feed_recent_drop_all(g);
	m = feed_message_new(src);
	if (m == NULL || !grow(g)) {
		free(m);
		feed_recent_drop_all(g);
		return;
	}
	g->recent[(g->head + g->count) & (g->cap - 1)] = m;
	g->count++;
	g->bytes += message_bytes(m);
	while (g->count > FEED_RECENT_COUNT ||
	       (g->bytes > FEED_RECENT_BYTES && g->count > 1))
		drop_first(g);
}
