/* SPDX-License-Identifier: MIT */
/* The inside that bus_redis.c and bus_redis_in.c share; all on the loop. */
#ifndef GROUPFS_DAEMON_BUS_REDIS_H
#define GROUPFS_DAEMON_BUS_REDIS_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "daemon/bus_private.h"

enum { FIFO_MAX = 4096, IN_BYTES = 64 << 10 };

enum redis_state { WAITING, RESOLVING, COMMANDS, HINTS, UP, CLOSING, CLOSED };

struct redis_link {
	struct redis *redis;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	uv_connect_t connect;
	uv_write_t write;
	struct buf out;
	struct buf writing;
	bool is_writing;
	bool has_handle; /* until it is closed */
	bool open;	 /* connected, and nothing went wrong */
	redisReader *reader;
	uint64_t heard_ms; /* uv_now() of the last answer, or of when there
			      was nothing to answer */
};

/* A command that is not answered yet. */
struct expected {
	enum redis_expect expect;
	redis_answer_cb cb;
	uint64_t key;
	uint64_t value;
};

struct redis {
	struct bus *bus;
	struct bus_url url;
	enum redis_state state;
	struct redis_link commands;
	struct redis_link hints;
	uv_timer_t timer;
	uv_getaddrinfo_t lookup;
	bool looking_up;
	bool closing; /* for good */
	bool refused; /* since redis_forgive() */
	unsigned attempts;
	uint64_t up_ms;
	uint64_t tick_ms;
	redisReplyObjectFunctions functions; /* hiredis' own, but for arrays */
	void *(*create_array)(const redisReadTask *task, int elements);
	struct expected fifo[FIFO_MAX];
	size_t first;
	size_t count;
	char in[IN_BYTES];
};

/* bus_redis.c: whatever went wrong; with it both connections go. */
void redis_fail(struct redis *r, const char *why);
/* Both have been greeted. */
void redis_came_up(struct redis *r);

/* bus_redis_in.c: what takes apart what comes on a connection; false without
 * memory. */
bool redis_make_reader(struct redis_link *l);
/* Of a connected one. A negative errno. */
int redis_read_start(struct redis_link *l);

#endif
