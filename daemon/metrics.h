/* SPDX-License-Identifier: MIT */
/*
 * What GET /metrics says: every family of groupd and its gateways, by name,
 * in Prometheus' text format. The figures themselves are kept where they
 * arise, and `groupctl status` reads the same ones. No name of a group or a
 * user and no token is in it: it is open to who can reach the port.
 */
#ifndef GROUPFS_DAEMON_METRICS_H
#define GROUPFS_DAEMON_METRICS_H

#include "lib/buf.h"
#include "store/store.h"

struct groupd;

/* What only the loop may look at. */
void metrics_put_loop(struct buf *out, struct groupd *g);
/* What may take a while: any thread. */
void metrics_put_store(struct buf *out, const struct store_size *size);
void metrics_put_process(struct buf *out);

#endif
