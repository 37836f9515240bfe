/* SPDX-License-Identifier: MIT */
/*
 * Nodes with a bus, in one loop of the test's, that note what they are told;
 * and a real redis-server of the test's own on a Unix socket.
 */
#ifndef GROUPFS_TESTS_BUS_FIXTURE_H
#define GROUPFS_TESTS_BUS_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/bus.h"

struct node {
	struct bus bus;
	unsigned groups, users, mentions, reads, tokens, ups, downs;
	uint64_t group, a, b; /* of the last hint */
	char user[64];
	bool closed;
};

/* Of the store 42. */
void node_start(struct node *n, uv_loop_t *loop, const char *url);
void node_close(struct node *n);

/* Runs the loop until done(data), which must be within 15 s. */
void spin_until(uv_loop_t *loop, bool (*done)(void *data), void *data);
void spin_until_state(struct node *n, enum bus_state state);
/* Runs it until *counter is (at least) value. */
void spin_until_count(uv_loop_t *loop, const unsigned *counter, unsigned value);
void spin_ms(uv_loop_t *loop, uint64_t ms);

struct redis_server {
	char dir[64];
	char path[96];
	char url[128];
	pid_t pid;
};

/* password: NULL for none. */
void redis_server_start(struct redis_server *s, const char *password);
void redis_server_stop(struct redis_server *s);
/* Kills and starts it, with nothing in it. */
void redis_server_restart(struct redis_server *s);
/* One command, blocking; its answer as a number, or 0. */
long long redis_server_ask(struct redis_server *s, const char *command);
/* How often Redis was asked that command ("sadd"). */
unsigned redis_server_calls(struct redis_server *s, const char *name);

#endif
