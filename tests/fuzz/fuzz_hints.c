/* SPDX-License-Identifier: MIT */
/*
 * What other nodes, or anybody at Redis, publish. FILES: daemon/bus_channels.c
 *
 * Input: hints, a line each: a channel's end, a blank, a payload. A callback
 * gets only what was subscribed to, and numbers that a store may have.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/bus_private.h"
#include "lib/wire.h"

/* In the place of what the rest of the bus does. */

struct redis {
	size_t room;
	size_t told; /* channels */
};

void bus_name(const struct bus *bus, struct buf *out, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(out);
	buf_append_str(out, buf_str(&bus->prefix));
	buf_append_str(out, str_of(text));
}

void bus_wake(struct bus *bus)
{
	(void)bus;
}

void bus_rubbish(struct bus *bus)
{
	bus->figures.rubbish++;
}

bool presence_message(struct presence *p, struct str what, uint64_t node)
{
	(void)p;
	assert(node != 0x1234);
	return str_eq(what, str_of("new")) || str_eq(what, str_of("here"));
}

bool redis_has_subscribe_room(const struct redis *r)
{
	return r->room > 0;
}

bool redis_subscribe(struct redis *r, const struct str *args, size_t count)
{
	assert(count > 1 && args[0].len > 0);
	r->room--;
	r->told += count - 1;
	return r->room > 0;
}

static void on_group(void *data, uint64_t group_id, uint64_t last_seq,
		     uint64_t version)
{
	struct bus *bus = data;

	assert(group_id == 7 || group_id == 8);
	assert(last_seq <= INT64_MAX && version <= INT64_MAX);
	/* It may do this. */
	if (version == 9)
		bus_unsubscribe_group(bus, group_id);
}

static void on_user(void *data, struct str user, uint64_t version)
{
	struct bus *bus = data;

	assert(str_eq(user, str_of("bob")) && version <= INT64_MAX);
	if (version == 9)
		bus_unsubscribe_user(bus, user);
}

static void on_pair(void *data, struct str user, uint64_t group_id,
		    uint64_t seq)
{
	(void)data;
	assert(str_eq(user, str_of("bob")));
	assert(group_id > 0 && group_id <= INT64_MAX && seq <= INT64_MAX);
}

static void on_tokens(void *data)
{
	(void)data;
}

static const struct bus_ops ops = { .on_group = on_group,
				    .on_user = on_user,
				    .on_mention = on_pair,
				    .on_read = on_pair,
				    .on_tokens = on_tokens };

static void subscribe(struct bus *bus)
{
	assert(bus_subscribe_group(bus, 7) == 0);
	assert(bus_subscribe_group(bus, 8) == 0);
	assert(bus_subscribe_user(bus, str_of("bob")) == 0);
	channels_flush(bus);
}

static void give(struct bus *bus, struct str line)
{
	struct buf channel = { 0 };
	uint64_t before = bus->figures.rubbish + bus->figures.received;
	struct str name = fuzz_until(&line, ' ');
	char *copy = fuzz_copy(line);

	buf_append_str(&channel, buf_str(&bus->prefix));
	buf_append_str(&channel, name);
	bus_message(bus, buf_str(&channel), str_make(copy, line.len));
	assert(bus->figures.rubbish + bus->figures.received - before <= 1);
	buf_release(&channel);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct redis redis = { .room = 1 + size % 4 };
	struct bus bus = { .ops = &ops, .node = 0x1234, .redis = &redis };

	bus.data = &bus;
	buf_append_str(&bus.prefix, str_of("groupfs:1:"));
	bus.channels = channels_new();
	assert(bus.channels != NULL);
	subscribe(&bus);
	while (in.len > 0)
		give(&bus, fuzz_until(&in, '\n'));
	channels_forget_told(bus.channels);
	redis.room = 8;
	subscribe(&bus);
	bus_unsubscribe_group(&bus, 8);
	channels_flush(&bus);
	assert(bus.figures.subscriptions == 2);
	channels_free(bus.channels);
	buf_release(&bus.prefix);
	return 0;
}
