/* SPDX-License-Identifier: MIT */
#include "fs/waited.h"

void waited_note(struct waited *w, uint64_t key, uint64_t now_ms)
{
	if (key == 0)
		return;
	w->slots[key % WAITED_SLOTS].key = key;
	w->slots[key % WAITED_SLOTS].at_ms = now_ms;
}

bool waited_recently(const struct waited *w, uint64_t key, uint64_t now_ms)
{
	if (key == 0 || w->slots[key % WAITED_SLOTS].key != key)
		return false;
	return now_ms - w->slots[key % WAITED_SLOTS].at_ms < WAITED_MS;
}
