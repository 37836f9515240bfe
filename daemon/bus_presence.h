/* SPDX-License-Identifier: MIT */
/* The inside that bus_presence.c and bus_online.c share; all on the loop. */
#ifndef GROUPFS_DAEMON_BUS_PRESENCE_H
#define GROUPFS_DAEMON_BUS_PRESENCE_H

#include "daemon/bus_private.h"
#include "lib/table.h"

enum { NODES_MAX = 256 }; /* others */

struct other {
	uint64_t node;
	uint64_t until_ms;
};

struct presence {
	struct bus *bus;
	struct table rooms;
	struct list order;
	struct list dirty;
	struct table answers;
	struct list answers_order;
	struct other others[NODES_MAX];
	size_t nothers;
	uv_timer_t tick;
	uv_timer_t late; /* for who waits */
	uint64_t beat_ms;
	bool owed; /* a beat, to a new node */
	bool alive_told;
	bool closing;
	unsigned handles;
	struct buf key;
	struct buf text;
};

/* Not 0, which means never. */
static inline uint64_t presence_now(const struct presence *p)
{
	return uv_now(p->bus->loop) + 1;
}
/* As redis_send(). */
bool presence_order(struct presence *p, const struct str *args, size_t count,
		    enum redis_expect expect, redis_answer_cb cb, uint64_t key,
		    uint64_t value);

/* bus_online.c: who waits gets what is known here. */
void online_answer_all(struct presence *p);
void online_release(struct presence *p);

#endif
