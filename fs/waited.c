/* SPDX-License-Identifier: MIT */
#include "fs/waited.h"

void waited_note(struct waited *w, pid_t tid, uint64_t now_ms)
{
	if (tid <= 0)
		return;
	w->slots[tid % WAITED_SLOTS].tid = tid;
	w->slots[tid % WAITED_SLOTS].at_ms = now_ms;
}

bool waited_recently(const struct waited *w, pid_t tid, uint64_t now_ms)
{
	if (tid <= 0 || w->slots[tid % WAITED_SLOTS].tid != tid)
		return false;
	return now_ms - w->slots[tid % WAITED_SLOTS].at_ms < WAITED_MS;
}
