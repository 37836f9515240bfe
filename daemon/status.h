/* SPDX-License-Identifier: MIT */
/*
 * The figures of `groupctl status`, as wire records.
 */
#ifndef GROUPFS_DAEMON_STATUS_H
#define GROUPFS_DAEMON_STATUS_H

#include <stdint.h>

#include "daemon/bus.h"
#include "daemon/handlers.h"
#include "daemon/peer.h"
#include "daemon/sequencer.h"
#include "daemon/supervisor.h"
#include "lib/buf.h"

void status_text(struct buf *out, const char *name, const char *value);
void status_number(struct buf *out, const char *name, uint64_t value);
/* The store's URL, without a password; and in front of what failed in it. */
void status_store(struct buf *out, const char *url);
int status_wrap_store(const char *url, struct err *err);
/* commits, messages, messages_per_commit, batch sizes. */
void status_sequencer(struct buf *out, struct sequencer *q);
/* The connections to groupd's socket. */
void status_sessions(struct buf *out, const struct session_host *host);
/* What the gateways are, and what they told of themselves last. */
void status_gateways(struct buf *out, const struct supervisor *s);
/* What of a histogram of times half and all but a hundredth stay below, as
 * PREFIX_p50_ms and PREFIX_p99_ms. */
void status_times(struct buf *out, const char *prefix,
		  const struct histogram *h);
/* Of the file system that the directory is on; nothing where it cannot be
 * read. Blocks. */
void status_disk(struct buf *out, const char *dir);
/* The bus; without one only that there is none. */
void status_bus(struct buf *out, const struct bus *bus);
/* What other nodes wrote; NULL: there are none. */
void status_nodes(struct buf *out, const struct nodes *n);
void status_registry(struct buf *out, const struct registry *r);

#endif
