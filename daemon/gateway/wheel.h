/* SPDX-License-Identifier: MIT */
/*
 * Timers in whole seconds, O(1) each, for many thousand connections (lws'
 * own are a sorted list). One uv timer behind it all, which runs only while
 * there is one; one loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_WHEEL_H
#define GROUPFS_DAEMON_GATEWAY_WHEEL_H

#include <uv.h>

#include "lib/list.h"

enum { WHEEL_SLOTS = 64 };

struct wheel_timer;
typedef void (*wheel_cb)(struct wheel_timer *t);

/* The caller embeds it; wheel_timer_init() before all else. */
struct wheel_timer {
	struct list link;
	wheel_cb cb;
};

struct wheel {
	uv_timer_t tick;
	struct list slots[WHEEL_SLOTS];
	unsigned int now;
};

/* 0 or a negative errno. */
int wheel_start(struct wheel *w, uv_loop_t *loop);
/* No timer runs any more; w's memory is free when the loop has ended. */
void wheel_close(struct wheel *w);

void wheel_timer_init(struct wheel_timer *t, wheel_cb cb);
/* Runs cb once, in seconds (1 to WHEEL_SLOTS - 1); replaces what was set. */
void wheel_arm(struct wheel *w, struct wheel_timer *t, unsigned int seconds);
void wheel_disarm(struct wheel_timer *t);

#endif
