/* SPDX-License-Identifier: MIT */
/*
 * Who is online where. Each node keeps, for each group that somebody is in
 * here, one set of their names in Redis, and says with every beat (5 s) that
 * it is there itself:
 *
 *   o:<group>:<node>   set of names, for SET_TTL_S
 *   a:<node>           is there while nobody has flushed Redis
 *
 * How many are online in a group is the size of the union of the sets of all
 * nodes that were heard of within three beats, counted by Redis. So a node that
 * dies takes its people with it 15 s later, and one that stops at once.
 *
 * What it costs does not grow with the people who stay: a group is looked at
 * every CHECK_S, by two commands (longer life for the set; is it as long as it
 * should be?), and its set written anew where that is not so. Who comes and
 * goes is gathered for a turn of the loop, NAMES_AT_ONCE in one command; never
 * are there more commands under way than redis_has_slow_room() allows, the
 * next go with the answers.
 */
#include "daemon/bus_presence.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/wire.h"

enum {
	BEATS_MISSED = 3, /* until a node is not there */
	CHECK_S = 180,
	SET_TTL_S = 600,
	ALIVE_TTL_S = 60,
	TICKS = 5, /* a beat */
	NAMES_AT_ONCE = 128,
};

/* A user in a group. */
struct person {
	struct table_node node;
	struct list link; /* of one of the group's lists */
	bool here;
	bool told; /* Redis was */
	char name[WIRE_USER_MAX + 1];
};

struct room {
	struct table_node node;
	uint64_t id;
	struct list order; /* of all, by when it was looked at */
	struct list dirty; /* something is to be written */
	struct table people;
	struct list same;    /* here, and Redis knows; or neither */
	struct list changed; /* not so */
	size_t told;	     /* how many Redis should know */
	bool anew;	     /* the set is removed first */
	bool check;
};

bool presence_order(struct presence *p, const struct str *args, size_t count,
		    enum redis_expect expect, redis_answer_cb cb, uint64_t key,
		    uint64_t value)
{
	return redis_send(p->bus->redis,
			  &(struct redis_command){ .args = args,
						   .count = count,
						   .expect = expect,
						   .cb = cb,
						   .key = key,
						   .value = value });
}

/* The sets. */

static struct room *find_room(const struct presence *p, uint64_t id)
{
	struct table_node *node = table_find(&p->rooms, table_hash_u64(id));

	for (; node != NULL; node = table_next(node)) {
		struct room *room = container_of(node, struct room, node);

		if (room->id == id)
			return room;
	}
	return NULL;
}

static struct room *add_room(struct presence *p, uint64_t id)
{
	struct room *room = calloc(1, sizeof(*room));

	if (room == NULL ||
	    !table_insert(&p->rooms, &room->node, table_hash_u64(id))) {
		free(room);
		return NULL;
	}
	room->id = id;
	room->anew = true;
	list_init(&room->same);
	list_init(&room->changed);
	list_init(&room->dirty);
	list_push(&p->order, &room->order);
	return room;
}

static void free_person(struct room *room, struct person *who)
{
	list_remove(&who->link);
	table_remove(&room->people, &who->node);
	free(who);
}

static void free_people(struct room *room, struct list *list)
{
	while (!list_empty(list))
		free_person(room,
			    container_of(list->next, struct person, link));
}

static void free_room(struct presence *p, struct room *room)
{
	free_people(room, &room->same);
	free_people(room, &room->changed);
	list_remove(&room->order);
	list_remove(&room->dirty);
	table_remove(&p->rooms, &room->node);
	table_release(&room->people);
	free(room);
}

/* Puts it where it belongs now; frees it when nothing of it is left. */
static void sort_room(struct presence *p, struct room *room)
{
	list_remove(&room->dirty);
	if (list_empty(&room->changed) && room->people.count == 0)
		free_room(p, room);
	else if (room->check || !list_empty(&room->changed))
		list_push(&p->dirty, &room->dirty);
}

static struct person *find_person(const struct room *room, struct str name)
{
	struct table_node *node =
		table_find(&room->people, table_hash_bytes(name));

	for (; node != NULL; node = table_next(node)) {
		struct person *who = container_of(node, struct person, node);

		if (str_eq(str_of(who->name), name))
			return who;
	}
	return NULL;
}

static void sort_person(struct room *room, struct person *who)
{
	list_remove(&who->link);
	if (who->here != who->told)
		list_push(&room->changed, &who->link);
	else if (who->here)
		list_push(&room->same, &who->link);
	else
		free_person(room, who);
}

static struct person *add_person(struct room *room, struct str name)
{
	struct person *who = calloc(1, sizeof(*who));

	if (who == NULL || !str_to_cstr(name, who->name, sizeof(who->name)) ||
	    !table_insert(&room->people, &who->node, table_hash_bytes(name))) {
		free(who);
		return NULL;
	}
	list_init(&who->link);
	return who;
}

/* Presence is soft: without memory somebody is not counted elsewhere. */
void bus_arrive(struct bus *bus, uint64_t group_id, struct str user)
{
	struct presence *p = bus->presence;
	struct room *room;
	struct person *who;

	if (p == NULL || p->closing)
		return;
	room = find_room(p, group_id);
	if (room == NULL)
		room = add_room(p, group_id);
	if (room == NULL)
		return;
	who = find_person(room, user);
	if (who == NULL)
		who = add_person(room, user);
	if (who != NULL && !who->here) {
		who->here = true;
		bus->figures.present++;
		sort_person(room, who);
	}
	sort_room(p, room);
	bus_wake(bus);
}

void bus_leave(struct bus *bus, uint64_t group_id, struct str user)
{
	struct presence *p = bus->presence;
	struct room *room =
		p == NULL || p->closing ? NULL : find_room(p, group_id);
	struct person *who = room == NULL ? NULL : find_person(room, user);

	if (who == NULL || !who->here)
		return;
	who->here = false;
	bus->figures.present--;
	sort_person(room, who);
	sort_room(p, room);
	bus_wake(bus);
}

/* Redis knows nothing of the room any more, or something wrong. */
static void forget_told(struct room *room)
{
	struct list all;
	struct list *el;

	list_init(&all);
	list_splice(&all, &room->same);
	list_splice(&all, &room->changed);
	while ((el = list_pop(&all)) != NULL) {
		struct person *who = container_of(el, struct person, link);

		who->told = false;
		sort_person(room, who);
	}
	room->told = 0;
	room->anew = true;
	room->check = false;
}

static void write_anew(struct presence *p)
{
	struct list *next;

	for (struct list *el = p->order.next; el != &p->order; el = next) {
		struct room *room = container_of(el, struct room, order);

		next = el->next;
		forget_told(room);
		sort_room(p, room);
	}
	bus_wake(p->bus);
}

static void on_length(struct bus *bus, const struct redis_answer *a,
		      uint64_t id, uint64_t told)
{
	struct room *room = find_room(bus->presence, id);

	if (a->error || room == NULL || a->value == told)
		return;
	forget_told(room);
	sort_room(bus->presence, room);
	bus_wake(bus);
}

static bool extend_life(struct presence *p)
{
	struct str args[3] = { str_of("EXPIRE"), buf_str(&p->key) };

	buf_clear(&p->text);
	buf_printf(&p->text, "%d", SET_TTL_S);
	args[2] = buf_str(&p->text);
	return presence_order(p, args, 3, EXPECT_NUMBER, NULL, 0, 0);
}

static void check_room(struct presence *p, struct room *room)
{
	const struct str args[2] = { str_of("SCARD"), buf_str(&p->key) };

	if (extend_life(p))
		(void)presence_order(p, args, 2, EXPECT_NUMBER, on_length,
				     room->id, room->told);
	room->check = false;
}

/* SADD or SREM of the first of the room's changed who want the same. */
static bool write_some(struct presence *p, struct room *room)
{
	struct str args[2 + NAMES_AT_ONCE];
	struct person *taken[NAMES_AT_ONCE];
	bool here = container_of(room->changed.next, struct person, link)->here;
	size_t n = 0;

	args[0] = str_of(here ? "SADD" : "SREM");
	args[1] = buf_str(&p->key);
	for (struct list *el = room->changed.next;
	     el != &room->changed && n < NAMES_AT_ONCE; el = el->next) {
		struct person *who = container_of(el, struct person, link);

		if (who->here != here)
			break;
		args[2 + n] = str_of(who->name);
		taken[n++] = who;
	}
	if (!presence_order(p, args, 2 + n, EXPECT_NUMBER, NULL, 0, 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		taken[i]->told = here;
		sort_person(room, taken[i]);
	}
	room->told = here ? room->told + n : room->told - n;
	return true;
}

/* False: there is no room for more. */
static bool flush_room(struct presence *p, struct room *room)
{
	struct redis *redis = p->bus->redis;

	bus_name(p->bus, &p->key, "o:%" PRIu64 ":%016" PRIx64, room->id,
		 p->bus->node);
	if (p->key.failed)
		return false;
	while (!list_empty(&room->changed) && redis_has_slow_room(redis)) {
		const struct str args[2] = { str_of("UNLINK"),
					     buf_str(&p->key) };
		bool anew = room->anew;

		if (anew &&
		    !presence_order(p, args, 2, EXPECT_NUMBER, NULL, 0, 0))
			return false;
		room->anew = false;
		if (!write_some(p, room) || (anew && !extend_life(p)))
			return false;
	}
	if (!list_empty(&room->changed) || !redis_has_slow_room(redis))
		return false;
	if (room->check)
		check_room(p, room);
	return true;
}

void presence_flush(struct presence *p)
{
	while (!list_empty(&p->dirty) && redis_has_slow_room(p->bus->redis)) {
		struct room *room =
			container_of(p->dirty.next, struct room, dirty);

		if (!flush_room(p, room))
			return;
		sort_room(p, room);
	}
}

/* The nodes. */

static void count_nodes(struct presence *p)
{
	p->bus->figures.nodes = p->nothers + 1;
}

static void say(struct presence *p, const char *what)
{
	buf_clear(&p->text);
	buf_printf(&p->text, "%s %016" PRIx64, what, p->bus->node);
	bus_name(p->bus, &p->key, "n");
	if (!p->key.failed && !p->text.failed)
		(void)bus_publish(p->bus, buf_str(&p->key), buf_str(&p->text));
}

static void on_alive(struct bus *bus, const struct redis_answer *a,
		     uint64_t key, uint64_t value)
{
	(void)key;
	(void)value;
	/* Redis was emptied under us. */
	if (!a->error && a->value == 0)
		write_anew(bus->presence);
}

static void on_alive_set(struct bus *bus, const struct redis_answer *a,
			 uint64_t key, uint64_t value)
{
	(void)key;
	(void)value;
	if (a->error)
		return;
	bus->presence->alive_told = true;
	redis_forgive(bus->redis);
}

/* I am here; and is what I wrote? */
static void beat(struct presence *p)
{
	struct str exists[2] = { str_of("EXISTS") };
	struct str set[5] = { str_of("SET"), str_of(""), str_of("1"),
			      str_of("EX") };

	p->beat_ms = presence_now(p);
	p->owed = false;
	say(p, "here");
	bus_name(p->bus, &p->key, "a:%016" PRIx64, p->bus->node);
	buf_clear(&p->text);
	buf_printf(&p->text, "%d", ALIVE_TTL_S);
	exists[1] = buf_str(&p->key);
	set[1] = buf_str(&p->key);
	set[4] = buf_str(&p->text);
	if (p->key.failed || p->text.failed)
		return;
	if (p->alive_told)
		(void)presence_order(p, exists, 2, EXPECT_NUMBER, on_alive, 0,
				     0);
	(void)presence_order(p, set, 5, EXPECT_STATUS, on_alive_set, 0, 0);
}

static void forget_other(struct presence *p, size_t i)
{
	p->others[i] = p->others[--p->nothers];
	count_nodes(p);
}

static size_t find_other(const struct presence *p, uint64_t node)
{
	size_t i = 0;

	while (i < p->nothers && p->others[i].node != node)
		i++;
	return i;
}

bool presence_message(struct presence *p, struct str what, uint64_t node)
{
	bool fresh = str_eq(what, str_of("new"));
	size_t i = find_other(p, node);

	if (str_eq(what, str_of("gone"))) {
		if (i < p->nothers)
			forget_other(p, i);
		return true;
	}
	if (!fresh && !str_eq(what, str_of("here")))
		return false;
	if (i == NODES_MAX)
		return false;
	p->others[i] =
		(struct other){ .node = node,
				.until_ms = presence_now(p) +
					    p->bus->beat_ms * BEATS_MISSED };
	p->nothers += i == p->nothers;
	count_nodes(p);
	/* Who shouts "new" for ever is answered once a second. */
	p->owed |= fresh;
	if (fresh && presence_now(p) - p->beat_ms > p->bus->beat_ms / TICKS)
		beat(p);
	return true;
}

/* The whole. */

/* All are looked at once in CHECK_S, a few at a time. */
static void check_some(struct presence *p)
{
	for (size_t n = p->rooms.count / CHECK_S + 1;
	     n > 0 && !list_empty(&p->order); n--) {
		struct room *room =
			container_of(p->order.next, struct room, order);

		list_remove(&room->order);
		list_push(&p->order, &room->order);
		room->check = true;
		sort_room(p, room);
	}
}

static void on_tick(uv_timer_t *tick)
{
	struct presence *p = tick->data;

	if (p->bus->figures.state != BUS_UP)
		return;
	for (size_t i = p->nothers; i > 0; i--) {
		if (p->others[i - 1].until_ms <= presence_now(p))
			forget_other(p, i - 1);
	}
	if (p->owed || presence_now(p) - p->beat_ms >= p->bus->beat_ms)
		beat(p);
	check_some(p);
	bus_wake(p->bus);
}

void presence_up(struct presence *p)
{
	p->alive_told = false;
	write_anew(p);
	say(p, "new");
	beat(p);
}

void presence_down(struct presence *p)
{
	p->nothers = 0;
	count_nodes(p);
	online_answer_all(p);
}

struct presence *presence_new(struct bus *bus)
{
	struct presence *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->bus = bus;
	list_init(&p->order);
	list_init(&p->dirty);
	list_init(&p->answers_order);
	uv_timer_init(bus->loop, &p->tick);
	uv_timer_init(bus->loop, &p->late);
	p->tick.data = p;
	p->late.data = p;
	p->handles = 2;
	uv_timer_start(&p->tick, on_tick, bus->beat_ms / TICKS,
		       bus->beat_ms / TICKS);
	count_nodes(p);
	return p;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct presence *p = handle->data;
	struct bus *bus = p->bus;

	if (--p->handles > 0)
		return;
	while (!list_empty(&p->order))
		free_room(p, container_of(p->order.next, struct room, order));
	online_release(p);
	table_release(&p->rooms);
	buf_release(&p->key);
	buf_release(&p->text);
	bus->presence = NULL;
	free(p);
	bus_part_closed(bus);
}

void presence_close(struct presence *p)
{
	if (p->bus->figures.state == BUS_UP)
		say(p, "gone");
	p->closing = true;
	online_answer_all(p);
	uv_close((uv_handle_t *)&p->tick, on_handle_closed);
	uv_close((uv_handle_t *)&p->late, on_handle_closed);
}
