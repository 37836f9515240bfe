/* SPDX-License-Identifier: MIT */
/*
 * Who has just waited in vain for groupd. One call of a program is often
 * several requests (the kernel looks a name up again when a lookup failed,
 * ls asks for the same file twice), and each would wait its full time: a
 * thread whose request timed out a moment ago, while groupd is still away, is
 * answered at once.
 *
 * A small table by thread, where a newer one takes an older one's place: at
 * worst somebody waits again. One loop thread.
 */
#ifndef GROUPFS_FS_WAITED_H
#define GROUPFS_FS_WAITED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WAITED_SLOTS = 64,
	WAITED_MS = 500 /* how long it counts */
};

struct waited {
	struct {
		pid_t tid;
		uint64_t at_ms;
	} slots[WAITED_SLOTS];
};

/* now_ms: of the loop (uv_now). A tid of 0 is another pid namespace's. */
void waited_note(struct waited *w, pid_t tid, uint64_t now_ms);
bool waited_recently(const struct waited *w, pid_t tid, uint64_t now_ms);

#endif
