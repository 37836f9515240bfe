/* SPDX-License-Identifier: MIT */
/*
 * Hints: what is published is gathered until the loop goes to sleep, and then
 * written in one go. Of hints that wait, because Redis is slow, newer ones take
 * the place of older ones of the same thing: a queue of at most QUEUE_MAX
 * things.
 */
#include "daemon/bus.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bus_private.h"
#include "lib/log.h"
#include "lib/table.h"
#include "lib/text.h"

enum { QUEUE_MAX = 16384, BEAT_MS = 5000, SAY_AGAIN_MS = 60000 };

enum hint_kind { HINT_GROUP, HINT_USER, HINT_MENTION, HINT_READ, HINT_TOKENS };

/* To be published. */
struct hint {
	struct table_node node;
	struct list link;
	enum hint_kind kind;
	uint64_t group_id;
	uint64_t a; /* last_seq, version, seq */
	uint64_t b; /* member_version */
	bool deleted;
	char user[WIRE_USER_MAX + 1];
};

struct hints {
	struct table pending;
	struct list queue; /* the same, oldest first */
	uv_prepare_t turn;
	bool armed;
	bool closing;
	unsigned parts;	  /* that are not closed yet */
	struct buf shown; /* the URL, without its password */
	struct buf text;
	struct buf payload;
	/* Once in a while. */
	uint64_t said_why_ms;
	uint64_t said_rubbish_ms;
	uint64_t rubbish_said;
};

void bus_name(const struct bus *bus, struct buf *out, const char *fmt, ...)
{
	char end[NAME_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(end, sizeof(end), fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < sizeof(end));
	buf_clear(out);
	buf_append_str(out, buf_str(&bus->prefix));
	buf_append(out, end, (size_t)n);
}

/* The turn of the loop. */

static void drop_hint(struct hints *h, struct hint *hint)
{
	list_remove(&hint->link);
	table_remove(&h->pending, &hint->node);
	free(hint);
}

static void encode(const struct bus *bus, const struct hint *hint,
		   struct buf *out)
{
	buf_clear(out);
	switch (hint->kind) {
	case HINT_GROUP:
		buf_printf(out, "%" PRIu64 " %" PRIu64 " ",
			   hint->deleted ? 0 : hint->a,
			   hint->deleted ? 0 : hint->b);
		break;
	case HINT_USER:
		buf_printf(out, "v %" PRIu64 " ", hint->a);
		break;
	case HINT_MENTION:
	case HINT_READ:
		buf_printf(out, "%c %" PRIu64 " %" PRIu64 " ",
			   hint->kind == HINT_READ ? 'r' : 'm', hint->group_id,
			   hint->a);
		break;
	case HINT_TOKENS:
		break;
	}
	buf_printf(out, "%016" PRIx64, bus->node);
}

static bool publish_hint(struct bus *bus, const struct hint *hint)
{
	struct hints *h = bus->hints;

	if (hint->kind == HINT_GROUP)
		bus_name(bus, &h->text, "g:%" PRIu64, hint->group_id);
	else if (hint->kind == HINT_TOKENS)
		bus_name(bus, &h->text, "t");
	else
		bus_name(bus, &h->text, "u:%s", hint->user);
	encode(bus, hint, &h->payload);
	if (h->text.failed || h->payload.failed ||
	    !bus_publish(bus, buf_str(&h->text), buf_str(&h->payload)))
		return false;
	bus->figures.published++;
	return true;
}

bool bus_publish(struct bus *bus, struct str channel, struct str payload)
{
	const struct str args[3] = { str_of("PUBLISH"), channel, payload };

	return redis_send(bus->redis,
			  &(struct redis_command){ .args = args,
						   .count = 3,
						   .expect = EXPECT_NUMBER });
}

static void flush_hints(struct bus *bus)
{
	struct hints *h = bus->hints;

	while (!list_empty(&h->queue) && redis_has_room(bus->redis)) {
		struct hint *hint =
			container_of(h->queue.next, struct hint, link);

		if (!publish_hint(bus, hint))
			return;
		drop_hint(h, hint);
	}
}

static void on_turn(uv_prepare_t *turn)
{
	struct bus *bus = turn->data;
	struct hints *h = bus->hints;

	channels_flush(bus);
	flush_hints(bus);
	presence_flush(bus->presence);
	h->armed = false;
	uv_prepare_stop(turn);
	redis_flush(bus->redis);
}

void bus_wake(struct bus *bus)
{
	struct hints *h = bus->hints;

	if (h->armed || h->closing)
		return;
	h->armed = true;
	uv_prepare_start(&h->turn, on_turn);
}

/* Publishing. */

static void drop_queue(struct bus *bus)
{
	struct hints *h = bus->hints;

	while (!list_empty(&h->queue)) {
		drop_hint(h, container_of(h->queue.next, struct hint, link));
		bus->figures.dropped++;
	}
}

static uint64_t hash_of(const struct hint *h)
{
	uint64_t what = table_hash_pair(h->kind, h->group_id);

	/* Each mention is a thing of its own. */
	if (h->kind == HINT_MENTION)
		what = table_hash_pair(what, h->a);
	return table_hash_pair(what, table_hash_bytes(str_of(h->user)));
}

static bool same_thing(const struct hint *a, const struct hint *b)
{
	return a->kind == b->kind && a->group_id == b->group_id &&
	       str_eq(str_of(a->user), str_of(b->user)) &&
	       (a->kind != HINT_MENTION || a->a == b->a);
}

static struct hint *find_hint(const struct hints *h, const struct hint *like,
			      uint64_t hash)
{
	struct table_node *node = table_find(&h->pending, hash);

	for (; node != NULL; node = table_next(node)) {
		struct hint *hint = container_of(node, struct hint, node);

		if (same_thing(hint, like))
			return hint;
	}
	return NULL;
}

static bool queue_hint(struct hints *h, const struct hint *news, uint64_t hash)
{
	struct hint *hint;

	if (h->pending.count == QUEUE_MAX)
		return false;
	hint = malloc(sizeof(*hint));
	if (hint == NULL)
		return false;
	*hint = *news;
	if (!table_insert(&h->pending, &hint->node, hash)) {
		free(hint);
		return false;
	}
	list_push(&h->queue, &hint->link);
	return true;
}

static void publish(struct bus *bus, const struct hint *news)
{
	struct hints *h = bus->hints;
	uint64_t hash;
	struct hint *hint;

	if (bus->figures.state != BUS_UP || h->closing) {
		bus->figures.dropped++;
		return;
	}
	hash = hash_of(news);
	hint = find_hint(h, news, hash);
	if (hint != NULL) {
		hint->a = news->a > hint->a ? news->a : hint->a;
		hint->b = news->b > hint->b ? news->b : hint->b;
		hint->deleted |= news->deleted;
	} else if (!queue_hint(h, news, hash)) {
		bus->figures.dropped++;
	}
	bus_wake(bus);
}

void bus_publish_group(struct bus *bus, uint64_t group_id, uint64_t last_seq,
		       uint64_t member_version)
{
	if (bus_is_on(bus))
		publish(bus, &(struct hint){ .kind = HINT_GROUP,
					     .group_id = group_id,
					     .a = last_seq,
					     .b = member_version });
}

void bus_publish_deleted(struct bus *bus, uint64_t group_id)
{
	if (bus_is_on(bus))
		publish(bus, &(struct hint){ .kind = HINT_GROUP,
					     .group_id = group_id,
					     .deleted = true });
}

static void publish_user(struct bus *bus, enum hint_kind kind, struct str user,
			 uint64_t group_id, uint64_t number)
{
	struct hint hint = { .kind = kind, .group_id = group_id, .a = number };

	if (bus_is_on(bus) && str_to_cstr(user, hint.user, sizeof(hint.user)))
		publish(bus, &hint);
}

void bus_publish_user(struct bus *bus, struct str user, uint64_t version)
{
	publish_user(bus, HINT_USER, user, 0, version);
}

void bus_publish_mention(struct bus *bus, struct str user, uint64_t group_id,
			 uint64_t seq)
{
	publish_user(bus, HINT_MENTION, user, group_id, seq);
}

void bus_publish_read(struct bus *bus, struct str user, uint64_t group_id,
		      uint64_t seq)
{
	publish_user(bus, HINT_READ, user, group_id, seq);
}

void bus_publish_tokens(struct bus *bus)
{
	if (bus_is_on(bus))
		publish(bus, &(struct hint){ .kind = HINT_TOKENS });
}

/* What comes and is none. */

void bus_rubbish(struct bus *bus)
{
	struct hints *h = bus->hints;
	uint64_t now = uv_now(bus->loop);

	bus->figures.rubbish++;
	if (h->said_rubbish_ms != 0 && now - h->said_rubbish_ms < SAY_AGAIN_MS)
		return;
	h->said_rubbish_ms = now;
	log_warn("dropped what came from Redis and is no hint: count=%" PRIu64,
		 bus->figures.rubbish - h->rubbish_said);
	h->rubbish_said = bus->figures.rubbish;
}

/* The state. */

/* Whether the reason is worth a line: the same one again is not, and a Redis
 * that has a new one each time fills no log. */
static bool is_news(struct bus *bus, const char *why)
{
	struct hints *h = bus->hints;
	uint64_t now = uv_now(bus->loop);

	if (strcmp(bus->figures.why, why) == 0 ||
	    (h->said_why_ms != 0 && now - h->said_why_ms < SAY_AGAIN_MS))
		return false;
	h->said_why_ms = now;
	return true;
}

static void set_why(struct bus *bus, const char *why)
{
	(void)snprintf(bus->figures.why, sizeof(bus->figures.why), "%s", why);
}

static void enter(struct bus *bus, enum bus_state state)
{
	bus->figures.state = state;
	bus->figures.since_ms = env_now_ms(bus->env);
}

void bus_came_up(struct bus *bus)
{
	enter(bus, BUS_UP);
	set_why(bus, "");
	bus->hints->said_why_ms = 0;
	bus->figures.connects++;
	log_info("the bus is up: redis=%s", buf_cstr(&bus->hints->shown));
	channels_forget_told(bus->channels);
	presence_up(bus->presence);
	bus_wake(bus);
	if (bus->ops->on_state != NULL)
		bus->ops->on_state(bus->data, true);
}

void bus_went_down(struct bus *bus, const char *why)
{
	bool was_up = bus->figures.state == BUS_UP;

	if (bus->hints->closing)
		return;
	if (is_news(bus, why) || was_up)
		log_warn("the bus is down, hints wait for the sweep: redis=%s "
			 "why=\"%s\"",
			 buf_cstr(&bus->hints->shown), why);
	set_why(bus, why);
	if (!was_up)
		return;
	enter(bus, BUS_DOWN);
	drop_queue(bus);
	presence_down(bus->presence);
	if (bus->ops->on_state != NULL)
		bus->ops->on_state(bus->data, false);
}

void bus_refusal(struct bus *bus, const char *why)
{
	if (why[0] == '\0') {
		if (bus->figures.why[0] != '\0')
			log_info("Redis refuses nothing any more");
		bus->hints->said_why_ms = 0;
	} else {
		bus->figures.refused++;
		if (is_news(bus, why))
			log_warn("Redis refuses a command: why=\"%s\"", why);
	}
	set_why(bus, why);
}

void bus_describe(const struct bus *bus, struct buf *out)
{
	const struct bus_figures *f = &bus->figures;
	char time[TEXT_TIME_LEN + 1];

	if (f->state == BUS_NONE) {
		buf_printf(out, "none");
		return;
	}
	text_format_time(time, f->since_ms);
	buf_printf(out, "%s since %s%s%s", f->state == BUS_UP ? "up" : "down",
		   time, f->why[0] == '\0' ? "" : ": ", f->why);
}

const char *bus_shown_url(const struct bus *bus)
{
	return buf_cstr(&bus->hints->shown);
}

/* The whole. */

static int build(struct bus *bus, const struct bus_url *url)
{
	struct hints *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	bus->hints = h;
	list_init(&h->queue);
	uv_prepare_init(bus->loop, &h->turn);
	h->turn.data = bus;
	bus->channels = channels_new();
	bus->presence = presence_new(bus);
	if (bus->channels != NULL && bus->presence != NULL)
		bus->redis = redis_new(bus, url);
	return bus->redis == NULL ? -ENOMEM : 0;
}

int bus_start(struct bus *bus, uv_loop_t *loop,
	      const struct bus_options *options, struct err *err)
{
	struct bus_url url;
	int rc;

	*bus = (struct bus){ .loop = loop,
			     .env = options->env,
			     .ops = options->ops,
			     .data = options->data,
			     .beat_ms = options->beat_ms == 0
						? BEAT_MS
						: options->beat_ms };
	if (options->url[0] == '\0')
		return 0;
	rc = bus_parse_url(&url, str_of(options->url), err);
	if (rc < 0)
		return rc;
	bus->node = env_random_u64(bus->env);
	buf_printf(&bus->prefix, "groupfs:%016" PRIx64 ":", options->store);
	rc = build(bus, &url);
	explicit_bzero(&url, sizeof(url));
	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE, "no memory for the bus");
	bus_show_url(&bus->hints->shown, str_of(options->url));
	enter(bus, BUS_DOWN);
	set_why(bus, "not connected yet");
	return 0;
}

static void on_turn_closed(uv_handle_t *handle)
{
	bus_part_closed(handle->data);
}

void bus_part_closed(struct bus *bus)
{
	struct hints *h = bus->hints;

	assert(h->parts > 0);
	if (--h->parts > 0)
		return;
	drop_queue(bus);
	channels_free(bus->channels);
	bus->channels = NULL;
	table_release(&h->pending);
	buf_release(&h->shown);
	buf_release(&h->text);
	buf_release(&h->payload);
	free(h);
	buf_release(&bus->prefix);
	bus->hints = NULL;
	bus->presence = NULL;
	bus->redis = NULL;
	bus->figures = (struct bus_figures){ .state = BUS_NONE };
	bus->on_closed(bus);
}

void bus_close(struct bus *bus, void (*cb)(struct bus *bus))
{
	struct hints *h = bus->hints;

	bus->on_closed = cb;
	if (h == NULL) {
		buf_release(&bus->prefix);
		cb(bus);
		return;
	}
	h->parts = 1U + (bus->presence != NULL) + (bus->redis != NULL);
	/* It says good-bye through Redis. */
	if (bus->presence != NULL)
		presence_close(bus->presence);
	h->closing = true;
	if (bus->redis != NULL)
		redis_close(bus->redis);
	uv_close((uv_handle_t *)&h->turn, on_turn_closed);
}
