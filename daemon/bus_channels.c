/* SPDX-License-Identifier: MIT */
/*
 * Whose hints are wanted here, and those that come: each is checked, and given
 * to the callbacks.
 */
#include "daemon/bus.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/bus_private.h"
#include "lib/table.h"
#include "lib/text.h"

enum {
	PAYLOAD_MAX = 96, /* the longest of ours has 59 */
	WORDS_MAX = 4,
	NODE_DIGITS = 16,
	SUBSCRIBE_AT_ONCE = 128
};

/* A group or a user whose hints are wanted, or were. */
struct channel {
	struct table_node node;
	struct list all;
	struct list dirty;
	bool wanted;
	bool told;	   /* Redis was */
	uint64_t group_id; /* 0: of a user */
	size_t len;
	char name[NAME_BYTES];
};

struct channels {
	struct table by_name;
	struct list all;
	struct list joining; /* wanted, and Redis was not told */
	struct list leaving; /* the other way round */
	struct buf text;
};

static void free_channel(struct channels *h, struct channel *c)
{
	list_remove(&c->dirty);
	list_remove(&c->all);
	table_remove(&h->by_name, &c->node);
	free(c);
}

/* Those of one of the two lists, as many as there is room for. */
static void flush_channels(struct bus *bus, struct list *list, const char *verb)
{
	struct str args[1 + SUBSCRIBE_AT_ONCE];
	size_t n;

	args[0] = str_of(verb);
	while (!list_empty(list) && redis_has_subscribe_room(bus->redis)) {
		n = 0;
		for (struct list *el = list->next;
		     el != list && n < SUBSCRIBE_AT_ONCE; el = el->next) {
			struct channel *c =
				container_of(el, struct channel, dirty);

			args[++n] = str_make(c->name, c->len);
		}
		if (!redis_subscribe(bus->redis, args, n + 1))
			return;
		for (; n > 0; n--) {
			struct channel *c =
				container_of(list->next, struct channel, dirty);

			list_remove(&c->dirty);
			c->told = c->wanted;
			if (!c->told)
				free_channel(bus->channels, c);
		}
	}
}

/* Subscriptions. */

static struct channel *find_channel(const struct channels *h, struct str name)
{
	struct table_node *node =
		table_find(&h->by_name, table_hash_bytes(name));

	for (; node != NULL; node = table_next(node)) {
		struct channel *c = container_of(node, struct channel, node);

		if (str_eq(str_make(c->name, c->len), name))
			return c;
	}
	return NULL;
}

static struct channel *add_channel(struct bus *bus, struct str name)
{
	struct channels *h = bus->channels;
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL || !str_to_cstr(name, c->name, sizeof(c->name)) ||
	    !table_insert(&h->by_name, &c->node, table_hash_bytes(name))) {
		free(c);
		return NULL;
	}
	c->len = name.len;
	list_init(&c->dirty);
	list_push(&h->all, &c->all);
	return c;
}

/* Puts it where it belongs now. */
static void sort_channel(struct channels *h, struct channel *c)
{
	list_remove(&c->dirty);
	if (c->wanted && !c->told)
		list_push(&h->joining, &c->dirty);
	else if (!c->wanted && c->told)
		list_push(&h->leaving, &c->dirty);
	else if (!c->wanted)
		free_channel(h, c);
}

/* group_id 0: the user's. */
static int want(struct bus *bus, uint64_t group_id, struct str user,
		bool wanted)
{
	struct channels *h = bus->channels;
	struct channel *c;

	if (!bus_is_on(bus))
		return 0;
	if (group_id != 0)
		bus_name(bus, &h->text, "g:%" PRIu64, group_id);
	else
		bus_name(bus, &h->text, "u:%.*s", (int)user.len, user.data);
	if (h->text.failed)
		return -ENOMEM;
	c = find_channel(h, buf_str(&h->text));
	if (c == NULL && wanted) {
		c = add_channel(bus, buf_str(&h->text));
		if (c == NULL)
			return -ENOMEM;
		c->group_id = group_id;
	}
	if (c == NULL || c->wanted == wanted)
		return 0;
	c->wanted = wanted;
	bus->figures.subscriptions += wanted ? 1 : (uint64_t)-1;
	sort_channel(h, c);
	bus_wake(bus);
	return 0;
}

int bus_subscribe_group(struct bus *bus, uint64_t group_id)
{
	assert(group_id != 0);
	return want(bus, group_id, str_of(""), true);
}

void bus_unsubscribe_group(struct bus *bus, uint64_t group_id)
{
	assert(group_id != 0);
	(void)want(bus, group_id, str_of(""), false);
}

int bus_subscribe_user(struct bus *bus, struct str user)
{
	assert(user.len > 0 && user.len <= WIRE_USER_MAX);
	return want(bus, 0, user, true);
}

void bus_unsubscribe_user(struct bus *bus, struct str user)
{
	assert(user.len > 0 && user.len <= WIRE_USER_MAX);
	(void)want(bus, 0, user, false);
}

/* A connection knows nothing of what the one before was told. */
void channels_forget_told(struct channels *h)
{
	struct list *next;

	for (struct list *el = h->all.next; el != &h->all; el = next) {
		struct channel *c = container_of(el, struct channel, all);

		next = el->next;
		c->told = false;
		sort_channel(h, c);
	}
}

/* What comes. */

static size_t split(struct str text, struct str words[WORDS_MAX])
{
	size_t n = 0;

	while (n < WORDS_MAX) {
		const char *end =
			text.len == 0 ? NULL : memchr(text.data, ' ', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.data);

		words[n++] = str_make(text.data, len);
		if (end == NULL)
			return n;
		text = str_make(end + 1, text.len - len - 1);
	}
	return 0;
}

static bool parse_node(struct str word, uint64_t *node)
{
	*node = 0;
	for (size_t i = 0; i < word.len; i++) {
		char c = word.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		*node = *node << 4 |
			(uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return word.len == NODE_DIGITS;
}

/* What the store's numbers may be. */
static bool parse_number(struct str word, uint64_t *number)
{
	return text_parse_u64(word, number) && *number <= INT64_MAX;
}

static bool take_group(struct bus *bus, const struct channel *c,
		       const struct str *words, size_t n)
{
	uint64_t last_seq;
	uint64_t version;

	if (n != 3 || !parse_number(words[0], &last_seq) ||
	    !parse_number(words[1], &version))
		return false;
	if (bus->ops->on_group != NULL)
		bus->ops->on_group(bus->data, c->group_id, last_seq, version);
	return true;
}

static bool take_user(struct bus *bus, const struct channel *c,
		      const struct str *words, size_t n)
{
	const struct bus_ops *ops = bus->ops;
	char kind = words[0].len == 1 ? words[0].data[0] : '\0';
	size_t at = bus->prefix.len + 2;
	struct str user = str_make(c->name + at, c->len - at);
	char name[WIRE_USER_MAX + 1];
	uint64_t first;
	uint64_t seq = 0;

	if (n != (kind == 'v' ? 3 : 4) || !parse_number(words[1], &first) ||
	    (n == 4 && (first == 0 || !parse_number(words[2], &seq))))
		return false;
	/* The callback may unsubscribe it. */
	(void)str_to_cstr(user, name, sizeof(name));
	user = str_of(name);
	if (kind == 'v' && ops->on_user != NULL)
		ops->on_user(bus->data, user, first);
	else if (kind == 'm' && ops->on_mention != NULL)
		ops->on_mention(bus->data, user, first, seq);
	else if (kind == 'r' && ops->on_read != NULL)
		ops->on_read(bus->data, user, first, seq);
	return kind == 'v' || kind == 'm' || kind == 'r';
}

/* Behind the prefix: "t", "n", or what somebody subscribed to. */
static bool take(struct bus *bus, struct str channel, const struct str *words,
		 size_t n, uint64_t node)
{
	struct channel *c;
	char last = channel.len == bus->prefix.len + 1
			    ? channel.data[channel.len - 1]
			    : '\0';

	if (last == 't') {
		if (n == 1 && bus->ops->on_tokens != NULL)
			bus->ops->on_tokens(bus->data);
		return n == 1;
	}
	if (last == 'n')
		return n == 2 &&
		       presence_message(bus->presence, words[0], node);
	c = find_channel(bus->channels, channel);
	if (c == NULL || !c->wanted)
		return true; /* it was on its way when we left */
	return c->group_id != 0 ? take_group(bus, c, words, n)
				: take_user(bus, c, words, n);
}

void bus_message(struct bus *bus, struct str channel, struct str payload)
{
	struct str words[WORDS_MAX];
	uint64_t node;
	size_t n = payload.len > PAYLOAD_MAX ? 0 : split(payload, words);

	if (n == 0 || channel.len > NAME_BYTES ||
	    !parse_node(words[n - 1], &node)) {
		bus_rubbish(bus);
		return;
	}
	if (node == bus->node)
		return;
	if (take(bus, channel, words, n, node))
		bus->figures.received++;
	else
		bus_rubbish(bus);
}

/* The whole. */

void channels_flush(struct bus *bus)
{
	struct channels *c = bus->channels;

	flush_channels(bus, &c->leaving, "UNSUBSCRIBE");
	flush_channels(bus, &c->joining, "SUBSCRIBE");
}

struct channels *channels_new(void)
{
	struct channels *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	list_init(&c->all);
	list_init(&c->joining);
	list_init(&c->leaving);
	return c;
}

void channels_free(struct channels *c)
{
	if (c == NULL)
		return;
	while (!list_empty(&c->all))
		free_channel(c, container_of(c->all.next, struct channel, all));
	table_release(&c->by_name);
	buf_release(&c->text);
	free(c);
}
