/* SPDX-License-Identifier: MIT */
/*
 * What a gateway counts of itself, for /metrics; reporter.h tells groupd. One
 * loop thread. What is only counted up is a field that its place adds to.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_METER_H
#define GROUPFS_DAEMON_GATEWAY_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/wire.h"

enum {
	METER_STATUSES = 5, /* 1xx to 5xx */
	/* The clock is read once a message and loop turn, and once more after
	 * so many deliveries: a turn may take 100 ms. */
	METER_CLOCK_EVERY = 64,
	METER_RUN_TIMES = 32 /* different ones in a run */
};

/* Messages that one socket after the other gets together: counted once for
 * METER_CLOCK_EVERY sockets, by their times. */
struct meter_run {
	struct {
		uint64_t ms, messages;
	} times[METER_RUN_TIMES];
	size_t ntimes;
	uint64_t given; /* sockets, not in fanout yet */
	uint64_t turn, now_ms;
};

struct meter {
	const struct env *env; /* borrowed */
	uint64_t started_ms;
	uint64_t websockets; /* open now */
	uint64_t streams;    /* the same */
	uint64_t deliveries; /* messages handed to sockets */
	uint64_t written;    /* bytes handed to sockets, without TLS */

	/* private */
	uint64_t slow, silent;
	uint64_t requests[2][METER_STATUSES]; /* [write] */
	uint64_t refused[ERR_COUNT];
	struct histogram fanout;
	/* Deliveries that share a reading of the clock, not in fanout yet. */
	uint64_t shared;
	uint64_t turn, time_ms, delay_ms;
	struct meter_run run;
};

void meter_init(struct meter *m, const struct env *env);
/* An HTTP request was answered; write: its method is none that only reads. */
void meter_request(struct meter *m, bool write, int status);
/* A request to send was answered with an error. */
void meter_refused(struct meter *m, enum err_code code);
/* A WebSocket is closed by us with this code. */
void meter_closed(struct meter *m, int code);
/* A message of time_ms that is no replay was handed to a socket. turn: what
 * tells one turn of the loop from the next, as uv_now() does. Costs a reading
 * of the clock at times, else three comparisons. */
void meter_fanout(struct meter *m, uint64_t turn, uint64_t time_ms);

/* The same of many at once: a new run, then each of its messages, then each
 * socket that got all of them. Of add, false: there is no room for one more
 * time, so the run ends before this message. */
void meter_run_begin(struct meter *m);
bool meter_run_add(struct meter *m, uint64_t time_ms);
void meter_run_given(struct meter *m, uint64_t turn);

/* Fills what the meter knows of a report; its strs point into lists, which is
 * cleared first. */
void meter_report(struct meter *m, struct wire_body_report *out,
		  struct buf *lists);

#endif
