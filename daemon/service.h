/* SPDX-License-Identifier: MIT */
/*
 * groupd as a service of systemd: says when it is ready, reads its
 * configuration again, stops; what it does, in a sentence; and that it is
 * alive, as often as it is asked to.
 *
 *   timer, at half of $WATCHDOG_USEC: the loop lives, for it runs this
 *     -> sequencer_stalled_ns(): each lane has no work, or gets on with it
 *     -> WATCHDOG=1
 *
 * A transaction may take long; while it gets on it counts as alive. One that
 * does not for SERVICE_STALL times $WATCHDOG_USEC (a disk or a lock that does
 * not come back) counts as dead. All on the loop; without systemd it does
 * nothing.
 */
#ifndef GROUPFS_DAEMON_SERVICE_H
#define GROUPFS_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/groupd.h"
#include "lib/buf.h"
#include "lib/err.h"

enum { SERVICE_STALL = 10, SERVICE_STATUS_MS = 5000 };

struct service {
	struct groupd *groupd; /* borrowed */
	uv_timer_t watchdog;
	uv_timer_t status;
	uint64_t watchdog_us; /* 0: not asked for */
	struct buf said;      /* the sentence that systemd has */
	struct buf complaint; /* what was wrong with the last reload */
	bool started;
	bool stalled;
	bool failed; /* said in the log that systemd cannot be told */
};

/* groupd has started: ready. */
void service_start(struct service *s, uv_loop_t *loop, struct groupd *groupd);
/* Around groupd_reload(); NULL: it went well. */
void service_reloading(struct service *s);
void service_reloaded(struct service *s, const struct err *err);
/* Once, before groupd_stop(). It goes on to say that it is alive. */
void service_stopping(struct service *s);
/* In its place, when execve(2) follows: how long that takes (a store that is
 * moved, or changed) nobody knows, so that the watchdog is put off until
 * service_start() of the next life. */
void service_restarting(struct service *s);
/* Also of one that never started. Its memory must stay until the loop ends. */
void service_close(struct service *s);

#endif
