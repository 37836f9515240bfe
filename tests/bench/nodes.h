/* SPDX-License-Identifier: MIT */
/* nodesbench: the parts that its main() is made of. */
#ifndef GROUPFS_TESTS_BENCH_NODES_H
#define GROUPFS_TESTS_BENCH_NODES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/wire.h"

/* Senders of a node, over its socket: each sends one message to one of the
 * groups, at random, as the process' own user, and once that is answered the
 * next. */
struct nodes_send {
	const char *socket;
	const uint64_t *group_ids;
	uint64_t groups;
	size_t senders; /* at most NODES_SENDERS */
	uint64_t ms;
	struct wire_item item;
};
enum { NODES_SENDERS = 256 };
/* For so long; messages a second. */
double nodes_send(const struct nodes_send *load);

#endif
