/* SPDX-License-Identifier: MIT */
/*
 * Between daemon/nodes and daemon/bus, which know nothing of each other: what
 * nodes tell goes out through the bus, and what comes on it are hints.
 */
#ifndef GROUPFS_DAEMON_NODES_BUS_H
#define GROUPFS_DAEMON_NODES_BUS_H

#include "daemon/bus.h"
#include "daemon/nodes.h"

/* data is a struct bus. */
extern const struct nodes_tell nodes_bus_tell;
/* data is a struct nodes. */
extern const struct bus_ops nodes_bus_ops;

#endif
