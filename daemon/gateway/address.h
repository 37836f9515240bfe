/* SPDX-License-Identifier: MIT */
/*
 * How many connections this process has from each address. An IPv6 address
 * counts by its first 64 bits, which is what one customer has; an IPv4 address
 * as it is, also inside an IPv6 one. Each operation is O(1), and only who is
 * connected has an entry. One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_ADDRESS_H
#define GROUPFS_DAEMON_GATEWAY_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/table.h"

struct addresses {
	struct table table;
	uint64_t max; /* of one address; 0: no limit, nothing is counted */
	uint64_t seed;
};

struct address;

void addresses_init(struct addresses *all, uint64_t max, uint64_t seed);
/* No connection may be left. */
void addresses_release(struct addresses *all);

/* One more connection of this address. False: it is too many, or there is no
 * memory. *out, for address_drop(), is NULL for what is not counted, as a Unix
 * socket. */
bool address_take(struct addresses *all, const struct sockaddr_storage *from,
		  struct address **out);
/* It is gone. Takes NULL. */
void address_drop(struct addresses *all, struct address *a);

#endif
