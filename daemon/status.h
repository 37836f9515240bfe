/* SPDX-License-Identifier: MIT */
/*
 * The figures of `groupctl status`, as wire records.
 */
#ifndef GROUPFS_DAEMON_STATUS_H
#define GROUPFS_DAEMON_STATUS_H

#include <stdint.h>

#include "daemon/handlers.h"
#include "daemon/peer.h"
#include "daemon/sequencer.h"
#include "lib/buf.h"

void status_text(struct buf *out, const char *name, const char *value);
void status_number(struct buf *out, const char *name, uint64_t value);
/* commits, messages, messages_per_commit, batch sizes. */
void status_sequencer(struct buf *out, struct sequencer *q);
void status_registry(struct buf *out, const struct registry *r);

#endif
