/* SPDX-License-Identifier: MIT */
/*
 * One encoded frame, shared by all sessions that it goes to. Made on any
 * thread, counted on the loop only.
 */
#ifndef GROUPFS_DAEMON_FRAME_H
#define GROUPFS_DAEMON_FRAME_H

#include <stddef.h>

#include "lib/buf.h"

struct frame {
	size_t refs;
	struct buf bytes;
};

/* A frame with one reference, empty; NULL without memory. */
struct frame *frame_new(void);
struct frame *frame_ref(struct frame *f);
/* Frees it with the last reference. Takes NULL. */
void frame_unref(struct frame *f);

#endif
