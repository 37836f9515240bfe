/* SPDX-License-Identifier: MIT */
/*
 * What the files of the bus know of each other. All on the loop.
 *
 *   bus.c --> bus_presence.c --> bus_redis.c --> Redis
 *     ^------------------------------/  up, down, a message, room again
 */
#ifndef GROUPFS_DAEMON_BUS_PRIVATE_H
#define GROUPFS_DAEMON_BUS_PRIVATE_H

#include "daemon/bus.h"

/* What an URL says. */
struct bus_url {
	char host[256]; /* empty: path is a Unix socket */
	char port[8];
	char path[108];
	char user[128];
	char password[512]; /* empty: none */
	unsigned db;
};
int bus_parse_url(struct bus_url *out, struct str url, struct err *err);

/* Redis: the two connections. */

enum { REDIS_ARGS_MAX = 300 };

struct redis_answer {
	bool error; /* Redis refused; it is counted, and said in the state */
	uint64_t value; /* what a number, or EXEC's first one, says */
};
/* Called on the loop with what redis_send() was given. Not called for what is
 * under way when Redis goes: bus_went_down() says so. */
typedef void (*redis_answer_cb)(struct bus *bus, const struct redis_answer *a,
				uint64_t key, uint64_t value);

enum redis_expect {
	EXPECT_NUMBER,
	EXPECT_STATUS, /* +OK, +QUEUED, +PONG */
	EXPECT_EXEC    /* an array that begins with a number */
};

struct redis_command {
	const struct str *args; /* borrowed until it returns */
	size_t count;		/* at most REDIS_ARGS_MAX */
	enum redis_expect expect;
	redis_answer_cb cb; /* may be NULL */
	uint64_t key;
	uint64_t value;
};

/* NULL without memory; the first connect is at the next turn of the loop. */
struct redis *redis_new(struct bus *bus, const struct bus_url *url);
/* bus_part_closed() when it is freed; nothing is called for it before. */
void redis_close(struct redis *r);
/* False: there is no room, or it is not up; nothing was sent. */
bool redis_send(struct redis *r, const struct redis_command *command);
/* Whether there is room for as much as a turn should send; the slow ones (of
 * presence) leave most of it to hints. When there is room again, bus_wake(). */
bool redis_has_room(const struct redis *r);
bool redis_has_slow_room(const struct redis *r);
/* SUBSCRIBE and UNSUBSCRIBE, with the command's name as the first argument. */
bool redis_subscribe(struct redis *r, const struct str *args, size_t count);
bool redis_has_subscribe_room(const struct redis *r);
/* Writes what was sent in this turn. */
void redis_flush(struct redis *r);
/* Nothing was refused since this was asked last: what is said is taken back. */
void redis_forgive(struct redis *r);

/* Up the other way, in bus.c; bus_message() in bus_channels.c. */
void bus_came_up(struct bus *bus);
/* why: printable, borrowed. Also when it was down, and is still. */
void bus_went_down(struct bus *bus, const char *why);
/* Of a command: why, or "" when that is over. */
void bus_refusal(struct bus *bus, const char *why);
void bus_message(struct bus *bus, struct str channel, struct str payload);
/* Flush in this turn of the loop. */
void bus_wake(struct bus *bus);
/* What came and is none, is counted; said now and then. */
void bus_rubbish(struct bus *bus);
void bus_part_closed(struct bus *bus);
/* groupfs:<store>:KIND:ID, or with more behind it, into an emptied buf. */
void bus_name(const struct bus *bus, struct buf *out, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* PUBLISH; false as redis_send(). Counts. */
bool bus_publish(struct bus *bus, struct str channel, struct str payload);

/* Subscriptions, and what comes. */

enum { NAME_BYTES = 72 }; /* of a channel of ours */

struct channels *channels_new(void);
void channels_free(struct channels *c);
void channels_flush(struct bus *bus);
/* A connection knows nothing of what the one before was told. */
void channels_forget_told(struct channels *h);

/* Presence. */

struct presence *presence_new(struct bus *bus);
/* bus_part_closed() when it is freed; questions are answered in it. */
void presence_close(struct presence *p);
void presence_flush(struct presence *p);
void presence_up(struct presence *p);
void presence_down(struct presence *p);
/* "new", "here" or "gone" of another node. False: none of them. */
bool presence_message(struct presence *p, struct str what, uint64_t node);

#endif
