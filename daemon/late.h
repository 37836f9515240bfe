/* SPDX-License-Identifier: MIT */
/*
 * Who asks something of a shared store is answered within two seconds, also
 * where the store has gone without a word. The threads that ask it (lanes,
 * readers) may hang for longer; so it does not depend on them:
 *
 *   0 ms     the request comes, and waits for a thread
 *   1200 ms  it still waits: the loop answers `unavailable`
 *   1700 ms  a thread has it: the store is given up (store_set_deadline())
 *   1850 ms  a gateway waits no longer, for a groupd that was killed either
 *
 * A thread looks whether it reaches the store (store_reach()) before it takes
 * a request out of what waits.
 */
#ifndef GROUPFS_DAEMON_LATE_H
#define GROUPFS_DAEMON_LATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
	LATE_WAIT_MS = 1200,
	LATE_ANSWER_MS = 1700,
	LATE_GATEWAY_MS = 1850, /* and as late as it looks */
	LATE_LOOK_MS = 100, /* how often the loop looks, and a thread tries */
	LATE_MS_NS = 1000000
};

/* Times are uv_hrtime(). */
static inline bool is_late(uint64_t since_ns, uint64_t now_ns)
{
	return now_ns > since_ns &&
	       now_ns - since_ns >= (uint64_t)LATE_WAIT_MS * LATE_MS_NS;
}

/* As store_set_deadline() takes it. */
static inline uint64_t late_deadline_ms(uint64_t since_ns)
{
	return since_ns / LATE_MS_NS + LATE_ANSWER_MS;
}

/* That time, after so many ms, as pthread_..._clock...() take it. */
static inline struct timespec late_time(uint64_t since_ns, uint64_t ms)
{
	uint64_t at = since_ns + ms * LATE_MS_NS;

	return (struct timespec){
		.tv_sec = (time_t)(at / (1000 * (uint64_t)LATE_MS_NS)),
		.tv_nsec = (long)(at % (1000 * (uint64_t)LATE_MS_NS))
	};
}

#endif
