/* SPDX-License-Identifier: MIT */
/*
 * Who has just waited in vain for groupd. One call of a program is often
 * several requests (the kernel looks a name up again when a lookup failed,
 * ls asks for the same file twice), and each would wait its full time: a
 * thread whose request timed out a moment ago, while groupd is still away, is
 * answered at once.
 *
 * So is a write(2) into a file where another one has just timed out: the
 * kernel lets one append at a time into a file, so it has waited as well, and
 * of twenty writers the last would fail after twenty times as long.
 *
 * A small table by a number (of a thread, of a file), where a newer one takes
 * an older one's place: at worst somebody waits again. One loop thread.
 */
#ifndef GROUPFS_FS_WAITED_H
#define GROUPFS_FS_WAITED_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WAITED_SLOTS = 64,
	WAITED_MS = 500 /* how long it counts */
};

struct waited {
	struct {
		uint64_t key;
		uint64_t at_ms;
	} slots[WAITED_SLOTS];
};

/* now_ms: of the loop (uv_now). A key of 0 is nobody's: a thread has it that is
 * of another pid namespace. */
void waited_note(struct waited *w, uint64_t key, uint64_t now_ms);
bool waited_recently(const struct waited *w, uint64_t key, uint64_t now_ms);

#endif
